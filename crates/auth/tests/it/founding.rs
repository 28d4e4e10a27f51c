//! What the founding documents say of schema `auth`: every table, column, type, enum, default and
//! reference of both is found in the catalogue of Postgres.
//!
//! A line is a column: its name, its type and what else holds of it. `key`, `unique` and `checked` are
//! constraints, `=…` is the default, `->…` a reference.

use std::collections::{BTreeMap, BTreeSet};

/// The first document, which describes every table.
const FIRST: &str = "
audit_log_entries
  id uuid not-null key
  instance_id uuid nullable
  payload json nullable
  created_at timestamptz nullable
  ip_address varchar not-null =''
flow_state
  id uuid not-null key
  user_id uuid nullable
  auth_code text
  code_challenge_method code_challenge_method
  code_challenge text
  provider_type text not-null
  provider_access_token text nullable
  provider_refresh_token text nullable
  created_at timestamptz nullable
  updated_at timestamptz nullable
  authentication_method text not-null
  auth_code_issued_at timestamptz nullable
identities
  id uuid not-null key =gen_random_uuid()
  provider_id text not-null
  user_id uuid not-null ->users.id
  identity_data jsonb not-null
  provider text not-null
  last_sign_in_at timestamptz nullable
  created_at timestamptz nullable
  updated_at timestamptz nullable
  email text nullable generated
instances
  id uuid not-null key
  uuid uuid nullable
  raw_base_config text nullable
  created_at timestamptz nullable
  updated_at timestamptz nullable
mfa_amr_claims
  id uuid not-null key
  session_id uuid not-null ->sessions.id
  created_at timestamptz not-null
  updated_at timestamptz not-null
  authentication_method text not-null
mfa_challenges
  id uuid not-null key
  factor_id uuid not-null ->mfa_factors.id
  created_at timestamptz not-null
  verified_at timestamptz nullable
  ip_address inet not-null
  otp_code text nullable
  web_authn_session_data jsonb nullable
mfa_factors
  id uuid not-null key
  user_id uuid not-null ->users.id
  friendly_name text nullable
  factor_type factor_type not-null
  status factor_status not-null
  created_at timestamptz not-null
  updated_at timestamptz not-null
  secret text nullable
  phone text nullable
  last_challenged_at timestamptz nullable unique
  web_authn_credential jsonb nullable
  web_authn_aaguid uuid nullable
one_time_tokens
  id uuid not-null key
  user_id uuid not-null ->users.id
  token_type one_time_token_type not-null
  token_hash text not-null checked
  relates_to text not-null
  created_at timestamp not-null =now()
  updated_at timestamp not-null =now()
refresh_tokens
  id int8 not-null key counted
  instance_id uuid nullable
  token varchar nullable unique
  user_id varchar nullable
  revoked bool nullable
  created_at timestamptz nullable
  updated_at timestamptz nullable
  parent varchar nullable
  session_id uuid nullable ->sessions.id
saml_providers
  id uuid not-null key
  sso_provider_id uuid not-null ->sso_providers.id
  entity_id text not-null unique checked
  metadata_xml text not-null checked
  metadata_url text nullable checked
  attribute_mapping jsonb nullable
  created_at timestamptz nullable
  updated_at timestamptz nullable
  name_id_format text nullable
saml_relay_states
  id uuid not-null key
  sso_provider_id uuid not-null ->sso_providers.id
  request_id text not-null checked
  for_email text nullable
  redirect_to text nullable
  created_at timestamptz nullable
  updated_at timestamptz nullable
  flow_state_id uuid nullable ->flow_state.id
schema_migrations
  version varchar not-null key
sessions
  id uuid not-null key
  user_id uuid not-null ->users.id
  created_at timestamptz nullable
  updated_at timestamptz nullable
  factor_id uuid nullable
  aal aal_level nullable
  not_after timestamptz nullable
  refreshed_at timestamp nullable
  user_agent text nullable
  ip inet nullable
  tag text nullable
sso_domains
  id uuid not-null key
  sso_provider_id uuid not-null ->sso_providers.id
  domain text not-null checked
  created_at timestamptz nullable
  updated_at timestamptz nullable
sso_providers
  id uuid not-null key
  resource_id text nullable checked
  created_at timestamptz nullable
  updated_at timestamptz nullable
users
  id uuid not-null key
  instance_id uuid nullable
  aud varchar nullable
  role varchar nullable
  email varchar nullable
  encrypted_password varchar nullable
  email_confirmed_at timestamptz nullable
  invited_at timestamptz nullable
  confirmation_token varchar nullable
  confirmation_sent_at timestamptz nullable
  recovery_token varchar nullable
  recovery_sent_at timestamptz nullable
  email_change_token_new varchar nullable
  email_change varchar nullable
  email_change_sent_at timestamptz nullable
  last_sign_in_at timestamptz nullable
  raw_app_meta_data jsonb nullable
  raw_user_meta_data jsonb nullable
  is_super_admin bool nullable
  created_at timestamptz nullable
  updated_at timestamptz nullable
  phone text nullable unique
  phone_confirmed_at timestamptz nullable
  phone_change text nullable
  phone_change_token varchar nullable
  phone_change_sent_at timestamptz nullable
  confirmed_at timestamptz nullable generated
  email_change_token_current varchar nullable
  email_change_confirm_status int2 nullable =0 checked
  banned_until timestamptz nullable
  reauthentication_token varchar nullable
  reauthentication_sent_at timestamptz nullable
  is_sso_user bool not-null =false
  deleted_at timestamptz nullable
  is_anonymous bool not-null =false
";

/// What the first document says is never null, and later versions of Supabase Auth leave out where a sign-in
/// at a provider has no code for a client: it is nullable here.
const LATER: &str = "
flow_state
  auth_code nullable
  code_challenge_method nullable
  code_challenge nullable
";

/// The second document: key columns of three tables, and the names of others.
const SECOND: &str = "
users
  id uuid not-null key
  email varchar
  phone text unique
  encrypted_password varchar
  email_confirmed_at timestamptz
  phone_confirmed_at timestamptz
  confirmed_at timestamptz
  last_sign_in_at timestamptz
  role varchar
  user_role text ='admin'
  raw_app_meta_data jsonb
  raw_user_meta_data jsonb
  created_at timestamptz
  updated_at timestamptz
identities
  id uuid not-null key
  provider_id text not-null
  user_id uuid not-null ->users.id
  identity_data jsonb not-null
  provider text not-null
  email text generated
  created_at timestamptz
  updated_at timestamptz
sessions
  id uuid not-null key
  user_id uuid not-null ->users.id
  created_at timestamptz
  updated_at timestamptz
  factor_id uuid
  not_after timestamptz
  ip inet
  user_agent text
refresh_tokens
mfa_factors
mfa_challenges
mfa_amr_claims
flow_state
sso_providers
saml_providers
one_time_tokens
audit_log_entries
";

/// Of both; the second names none that the first does not.
const ENUMS: &str = "\
aal_level aal1 aal2 aal3
code_challenge_method s256 plain
factor_status unverified verified
factor_type totp webauthn phone
one_time_token_type confirmation_token reauthentication_token recovery_token email_change_token_new \
email_change_token_current phone_change_token";

/// Everything that holds of each column, in the words of the lists above.
const CATALOGUE: &str = "
select c.relname::text, a.attname::text,
       array_remove(array[
         t.typname::text,
         case when a.attnotnull then 'not-null' else 'nullable' end,
         case when a.attgenerated <> '' then 'generated' end,
         case when d.text like 'nextval(%' then 'counted' else '=' || split_part(d.text, '::', 1) end,
         case when exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary
                              and i.indkey::text = a.attnum::text) then 'key' end,
         case when exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and i.indpred is null
                              and i.indkey::text = a.attnum::text) then 'unique' end,
         case when exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c'
                              and a.attnum = any (k.conkey)) then 'checked' end], null)
       || array(select '->' || f.relname || '.' || g.attname
                  from pg_constraint k join pg_class f on f.oid = k.confrelid
                  join pg_attribute g on g.attrelid = f.oid and g.attnum = k.confkey[1]
                 where k.conrelid = c.oid and k.contype = 'f' and k.conkey = array[a.attnum])
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_type t on t.oid = a.atttypid
  left join lateral (select pg_get_expr(adbin, adrelid) as text from pg_attrdef
                      where adrelid = c.oid and adnum = a.attnum and a.attgenerated = '') d on true
 where c.relnamespace = 'auth'::regnamespace and c.relkind = 'r'";

/// Tables with their columns, each with what holds of it.
type Tables = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn read(document: &str) -> Tables {
    let mut tables = Tables::new();
    let mut table = String::new();
    for line in document.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("  ") {
            None => {
                table = line.to_owned();
                tables.entry(table.clone()).or_default();
            }
            Some(column) => {
                let mut words = column.split(' ').map(str::to_owned);
                let name = words.next().unwrap();
                tables.get_mut(&table).unwrap().insert(name, words.collect());
            }
        }
    }
    tables
}

#[actix_web::test]
async fn every_table_and_column_of_both_is_there() {
    let database = testkit::database(&[auth::migrations()]).await;
    let mut found = Tables::new();
    for row in database.admin().await.query(CATALOGUE, &[]).await.unwrap() {
        let properties: Vec<String> = row.get(2);
        found.entry(row.get(0)).or_default().insert(row.get(1), properties.into_iter().collect());
    }
    assert_eq!(read(FIRST).len(), 16, "the first document describes sixteen tables");
    let mut missing = Vec::new();
    for (table, columns) in [FIRST, LATER, SECOND].into_iter().flat_map(read) {
        let Some(known) = found.get(&table) else {
            missing.push(table);
            continue;
        };
        for (column, wanted) in columns {
            match known.get(&column) {
                Some(properties) if wanted.is_subset(properties) => {}
                other => missing.push(format!("{table}.{column}: wanted {wanted:?}, found {other:?}")),
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[actix_web::test]
async fn every_enum_of_both_is_there() {
    let database = testkit::database(&[auth::migrations()]).await;
    const LABELS: &str = "select t.typname || ' ' || string_agg(e.enumlabel, ' ' order by e.enumsortorder)
        from pg_type t join pg_enum e on e.enumtypid = t.oid
       where t.typnamespace = 'auth'::regnamespace group by t.typname";
    let rows = database.admin().await.query(LABELS, &[]).await.unwrap();
    let found: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    for wanted in ENUMS.lines() {
        assert!(found.contains(wanted), "{wanted}: {found:?}");
    }
}

/// Row security is on for every table that the documents name.
#[actix_web::test]
async fn rows_are_secured() {
    let database = testkit::database(&[auth::migrations()]).await;
    const SECURED: &str = "select relname::text from pg_class
        where relnamespace = 'auth'::regnamespace and relkind = 'r' and relrowsecurity";
    let rows = database.admin().await.query(SECURED, &[]).await.unwrap();
    let secured: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    for table in [FIRST, SECOND].into_iter().flat_map(read).map(|(table, _)| table) {
        assert!(secured.contains(&table), "{table}");
    }
}
