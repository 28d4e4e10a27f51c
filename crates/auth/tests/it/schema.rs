//! Schema `auth` as `auth.md` 5 and the founding documents describe it.

use crate::harness::{Api, open};

/// Every table with its columns and their types; `!` marks NOT NULL, `=` a default.
const TABLES: &[(&str, &str)] = &[
    (
        "audit_log_entries",
        "instance_id:uuid id:uuid! payload:json created_at:timestamptz ip_address:varchar!=",
    ),
    (
        "users",
        "instance_id:uuid id:uuid! aud:varchar role:varchar email:varchar encrypted_password:varchar \
         email_confirmed_at:timestamptz invited_at:timestamptz confirmation_token:varchar \
         confirmation_sent_at:timestamptz recovery_token:varchar recovery_sent_at:timestamptz \
         email_change_token_new:varchar email_change:varchar email_change_sent_at:timestamptz \
         last_sign_in_at:timestamptz raw_app_meta_data:jsonb raw_user_meta_data:jsonb is_super_admin:bool \
         created_at:timestamptz updated_at:timestamptz phone:text phone_confirmed_at:timestamptz \
         phone_change:text= phone_change_token:varchar= phone_change_sent_at:timestamptz \
         confirmed_at:timestamptz email_change_token_current:varchar= email_change_confirm_status:int2= \
         banned_until:timestamptz reauthentication_token:varchar= reauthentication_sent_at:timestamptz \
         is_sso_user:bool!= deleted_at:timestamptz is_anonymous:bool!= user_role:text=",
    ),
    (
        "identities",
        "provider_id:text! user_id:uuid! identity_data:jsonb! provider:text! last_sign_in_at:timestamptz \
         created_at:timestamptz updated_at:timestamptz email:text id:uuid!=",
    ),
    (
        "sessions",
        "id:uuid! user_id:uuid! created_at:timestamptz updated_at:timestamptz factor_id:uuid aal:aal_level \
         not_after:timestamptz refreshed_at:timestamp user_agent:text ip:inet tag:text oauth_client_id:uuid \
         refresh_token_hmac_key:text refresh_token_counter:int8 scopes:text",
    ),
    (
        "refresh_tokens",
        "instance_id:uuid id:int8!= token:varchar user_id:varchar revoked:bool created_at:timestamptz \
         updated_at:timestamptz parent:varchar session_id:uuid",
    ),
    (
        "mfa_factors",
        "id:uuid! user_id:uuid! friendly_name:text factor_type:factor_type! status:factor_status! \
         created_at:timestamptz! updated_at:timestamptz! secret:text phone:text last_challenged_at:timestamptz \
         web_authn_credential:jsonb web_authn_aaguid:uuid last_webauthn_challenge_data:jsonb",
    ),
    (
        "mfa_challenges",
        "id:uuid! factor_id:uuid! created_at:timestamptz! verified_at:timestamptz ip_address:inet! otp_code:text \
         web_authn_session_data:jsonb",
    ),
    (
        "mfa_amr_claims",
        "session_id:uuid! created_at:timestamptz! updated_at:timestamptz! authentication_method:text! id:uuid!",
    ),
    (
        "one_time_tokens",
        "id:uuid! user_id:uuid! token_type:one_time_token_type! token_hash:text! relates_to:text! \
         created_at:timestamp!= updated_at:timestamp!=",
    ),
    (
        "flow_state",
        "id:uuid! user_id:uuid auth_code:text code_challenge_method:code_challenge_method code_challenge:text \
         provider_type:text! provider_access_token:text provider_refresh_token:text created_at:timestamptz \
         updated_at:timestamptz authentication_method:text! auth_code_issued_at:timestamptz invite_token:text \
         referrer:text oauth_client_state_id:uuid linking_target_id:uuid email_optional:bool!=",
    ),
    ("instances", "id:uuid! uuid:uuid raw_base_config:text created_at:timestamptz updated_at:timestamptz"),
    ("schema_migrations", "version:varchar!"),
    ("oauth_client_states", "id:uuid! provider_type:text! code_verifier:text created_at:timestamptz!"),
    (
        "sso_providers",
        "id:uuid! resource_id:text created_at:timestamptz updated_at:timestamptz disabled:bool",
    ),
    (
        "sso_domains",
        "id:uuid! sso_provider_id:uuid! domain:text! created_at:timestamptz updated_at:timestamptz",
    ),
    (
        "saml_providers",
        "id:uuid! sso_provider_id:uuid! entity_id:text! metadata_xml:text! metadata_url:text \
         attribute_mapping:jsonb created_at:timestamptz updated_at:timestamptz name_id_format:text",
    ),
    (
        "saml_relay_states",
        "id:uuid! sso_provider_id:uuid! request_id:text! for_email:text redirect_to:text created_at:timestamptz \
         updated_at:timestamptz flow_state_id:uuid",
    ),
    (
        "oauth_clients",
        "id:uuid! client_secret_hash:text registration_type:oauth_registration_type! redirect_uris:text! \
         grant_types:text! client_name:text client_uri:text logo_uri:text created_at:timestamptz!= \
         updated_at:timestamptz!= deleted_at:timestamptz client_type:oauth_client_type!= \
         token_endpoint_auth_method:text!",
    ),
    (
        "oauth_authorizations",
        "id:uuid! authorization_id:text! client_id:uuid! user_id:uuid redirect_uri:text! scope:text! state:text \
         resource:text code_challenge:text code_challenge_method:code_challenge_method \
         response_type:oauth_response_type!= status:oauth_authorization_status!= authorization_code:text \
         created_at:timestamptz!= expires_at:timestamptz!= approved_at:timestamptz nonce:text",
    ),
    (
        "oauth_consents",
        "id:uuid! user_id:uuid! client_id:uuid! scopes:text! granted_at:timestamptz!= revoked_at:timestamptz",
    ),
    (
        "custom_oauth_providers",
        "id:uuid!= provider_type:text! identifier:text! name:text! client_id:text! client_secret:text! \
         acceptable_client_ids:_text!= scopes:_text!= pkce_enabled:bool!= attribute_mapping:jsonb!= \
         authorization_params:jsonb!= enabled:bool!= email_optional:bool!= issuer:text discovery_url:text \
         skip_nonce_check:bool!= cached_discovery:jsonb discovery_cached_at:timestamptz authorization_url:text \
         token_url:text userinfo_url:text jwks_uri:text created_at:timestamptz!= updated_at:timestamptz!= \
         custom_claims_allowlist:_text!=",
    ),
    (
        "webauthn_challenges",
        "id:uuid!= user_id:uuid challenge_type:text! session_data:jsonb! created_at:timestamptz!= \
         expires_at:timestamptz!",
    ),
    (
        "webauthn_credentials",
        "id:uuid!= user_id:uuid! credential_id:bytea! public_key:bytea! attestation_type:text!= aaguid:uuid \
         sign_count:int8!= transports:jsonb!= backup_eligible:bool!= backed_up:bool!= friendly_name:text!= \
         created_at:timestamptz!= updated_at:timestamptz!= last_used_at:timestamptz",
    ),
    // Ours.
    (
        "basalt_device_codes",
        "hash:text! user_code:text! client_id:uuid! user_id:uuid scope:text! status:text! poll_seconds:int4! \
         polled_at:timestamptz created_at:timestamptz! expires_at:timestamptz!",
    ),
    ("basalt_devices", "user_id:uuid! user_agent:text! network:cidr! last_seen_at:timestamptz!"),
    ("basalt_limits", "name:text! tokens:float8! at:timestamptz!"),
    ("basalt_lockouts", "key:text! failures:int4! at:timestamptz! until:timestamptz proved_at:timestamptz"),
    (
        "basalt_outbox",
        "id:uuid! created_at:timestamptz! expires_at:timestamptz! attempts:int4!= next_attempt_at:timestamptz! \
         message:jsonb!",
    ),
    ("basalt_recovery_codes", "user_id:uuid! hash:bytea! created_at:timestamptz!"),
    (
        "basalt_scim_tokens",
        "id:uuid! sso_provider_id:uuid! hash:text! name:text! created_at:timestamptz! used_at:timestamptz",
    ),
    (
        "basalt_scim_users",
        "user_id:uuid! sso_provider_id:uuid! user_name:text! external_id:text attributes:jsonb! \
         shut_until:timestamptz updated_at:timestamptz! banned_before:timestamptz email_type:text!=",
    ),
    ("basalt_session_ends", "flow_state_id:uuid! not_after:timestamptz!"),
    ("basalt_spent", "kind:text! hash:bytea! expires_at:timestamptz!"),
];

#[actix_web::test]
async fn every_table_and_column_is_there() {
    let database = testkit::database(&[auth::migrations()]).await;
    check_columns(&mut database.admin().await).await;
}

async fn check_columns(admin: &mut db::Session) {
    let rows = admin
        .query(
            "select c.table_name::text, c.column_name || ':' || c.udt_name
                    || case c.is_nullable when 'NO' then '!' else '' end
                    || case when c.column_default is null then '' else '=' end
               from information_schema.columns c where c.table_schema = 'auth'",
            &[],
        )
        .await
        .unwrap();
    let mut found: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut wanted: Vec<(String, String)> = TABLES
        .iter()
        .flat_map(|(table, columns)| columns.split_whitespace().map(|c| ((*table).to_owned(), c.to_owned())))
        .collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

/// A few tables as they were in 2021 to 2023, with an account.
const OLDER: &str = "
    set role supabase_auth_admin;
    create type auth.factor_type as enum ('totp', 'webauthn');
    create table auth.users (
      instance_id uuid, id uuid not null unique, aud varchar(255), role varchar(255),
      email varchar(255) constraint users_email_key unique, encrypted_password varchar(255),
      confirmed_at timestamptz, email_change_token varchar(255), raw_app_meta_data jsonb,
      phone varchar(15) unique, phone_change varchar(15) default '',
      constraint users_pkey primary key (id));
    create index users_instance_id_email_idx on auth.users (instance_id, email);
    create table auth.identities (
      id text not null, user_id uuid not null references auth.users on delete cascade, identity_data jsonb not null,
      provider text not null, last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz,
      constraint identities_pkey primary key (provider, id));
    create table auth.flow_state (
      id uuid primary key, user_id uuid, auth_code text not null, code_challenge text not null, provider_type text not null);
    create table auth.schema_migrations (version varchar(255) primary key);
    insert into auth.schema_migrations values ('20210710035447');
    insert into auth.users (id, aud, email, confirmed_at, phone)
      values ('11111111-1111-4111-8111-111111111111', 'authenticated', 'old@example.com', '2021-01-01', '15551234567');
    insert into auth.identities (id, user_id, identity_data, provider)
      values ('11111111-1111-4111-8111-111111111111', '11111111-1111-4111-8111-111111111111',
              '{\"email\": \"old@example.com\"}', 'email')";

#[actix_web::test]
async fn an_older_schema_is_brought_up_to_date_with_its_accounts() {
    let database = testkit::database(&[]).await;
    database.admin().await.batch(OLDER).await.unwrap();
    let base = db::bootstrap::migrations(&db::bootstrap::Options::default());
    db::migrate::run(&database.target(), &[base, auth::migrations()]).await.unwrap();
    let mut admin = database.admin().await;
    check_columns(&mut admin).await;
    let row = admin
        .query_one(
            "select u.email || ' ' || u.confirmed_at::date || ' ' || u.phone || ' ' || i.provider_id || ' ' || i.email
               from auth.users u join auth.identities i on i.user_id = u.id",
            &[],
        )
        .await
        .unwrap();
    let id = "11111111-1111-4111-8111-111111111111";
    assert_eq!(
        row.get::<_, String>(0),
        format!("old@example.com 2021-01-01 15551234567 {id} old@example.com")
    );
    let row = admin
        .query_one(
            "select count(*) filter (where conname = 'users_email_key'),
                    (select string_agg(unnest::text, ',') from unnest(enum_range(null::auth.factor_type))),
                    (select indexdef from pg_indexes where indexname = 'users_instance_id_email_idx')
               from pg_constraint where conrelid = 'auth.users'::regclass",
            &[],
        )
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (0, "totp,webauthn,phone"));
    assert!(row.get::<_, &str>(2).contains("lower("));
}

#[actix_web::test]
async fn types_constraints_indexes_and_versions() {
    let api = Api::start(open()).await;
    let check = async |sql: &str, expected: &str| {
        assert_eq!(api.value(sql).await.as_deref(), Some(expected), "{sql}");
    };
    check(
        "select string_agg(typname || '=' || labels, ' ') from (select t.typname,
           string_agg(e.enumlabel, ',' order by e.enumsortorder) as labels
           from pg_type t join pg_enum e on e.enumtypid = t.oid
          where t.typnamespace = 'auth'::regnamespace group by 1 order by 1) x",
        "aal_level=aal1,aal2,aal3 code_challenge_method=s256,plain factor_status=unverified,verified \
         factor_type=totp,webauthn,phone oauth_authorization_status=pending,approved,denied,expired \
         oauth_client_type=public,confidential oauth_registration_type=dynamic,manual oauth_response_type=code \
         one_time_token_type=confirmation_token,reauthentication_token,recovery_token,email_change_token_new,\
         email_change_token_current,phone_change_token",
    )
    .await;
    check("select count(*) from auth.schema_migrations", "70").await;
    check(
        "select count(*) from pg_constraint where connamespace = 'auth'::regnamespace and contype = 'f'
            and conrelid not in (select oid from pg_class where relname like 'basalt_%')",
        "18",
    )
    .await;
    check("select count(*) from pg_constraint where connamespace = 'auth'::regnamespace and contype = 'f' and confdeltype <> 'c'", "0").await;
    check(
        "select count(*) from pg_constraint where connamespace = 'auth'::regnamespace and contype = 'c'
            and conrelid not in (select oid from pg_class where relname like 'basalt_%')",
        "43",
    )
    .await;
    check(
        "select count(*) from pg_indexes where schemaname = 'auth' and tablename not like 'basalt_%'",
        "87",
    )
    .await;
    check("select count(*) from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r' and not relrowsecurity", "0").await;
    check("select count(*) from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r' and pg_get_userbyid(relowner) <> 'supabase_auth_admin'", "0").await;
    check("select column_default from information_schema.columns where table_schema = 'auth' and column_name = 'user_role'", "'admin'::text").await;
    check("select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = 'auth.users'::regclass and pg_get_expr(adbin, adrelid) like 'LEAST%'", "LEAST(email_confirmed_at, phone_confirmed_at").await;
}

#[actix_web::test]
async fn nobody_reads_accounts_through_the_data_api() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    for role in ["anon", "authenticated", "service_role"] {
        for table in [
            "users",
            "sessions",
            "refresh_tokens",
            "one_time_tokens",
            "mfa_factors",
            "oauth_clients",
            "basalt_outbox",
            "basalt_recovery_codes",
            "basalt_session_ends",
            "basalt_spent",
            "basalt_limits",
            "basalt_lockouts",
            "basalt_device_codes",
            "basalt_scim_tokens",
            "basalt_scim_users",
        ] {
            let mut session = api.database.session_as(role).await;
            let result = session.query(&format!("select * from auth.{table}"), &[]).await;
            assert_eq!(testkit::code(result), "42501", "{role} {table}");
        }
    }
}

#[actix_web::test]
async fn the_migration_can_be_run_over_itself() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    for text in [
        include_str!("../../../../migrations/auth/V0001__auth_schema.sql"),
        include_str!("../../../../migrations/auth/V0002__outbox.sql"),
        include_str!("../../../../migrations/auth/V0003__spent.sql"),
        include_str!("../../../../migrations/auth/V0008__limits.sql"),
        include_str!("../../../../migrations/auth/V0010__session_ends.sql"),
        include_str!("../../../../migrations/auth/V0011__recovery_codes.sql"),
        include_str!("../../../../migrations/auth/V0012__lockouts.sql"),
        include_str!("../../../../migrations/auth/V0013__device_codes.sql"),
        include_str!("../../../../migrations/auth/V0014__scim.sql"),
        include_str!("../../../../migrations/auth/V0015__scim_users.sql"),
    ] {
        api.sql(&format!("begin; {text}; commit")).await;
    }
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 200);
}

/// An account may have more columns than we know; rows made by hand may have fewer values.
#[actix_web::test]
async fn rows_and_columns_of_others_are_tolerated() {
    let api = Api::start(open()).await;
    api.sql(
        "alter table auth.users add column favourite text not null default 'blue';
         insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at)
         values ('11111111-1111-4111-8111-111111111111', 'authenticated', 'authenticated', 'seed@example.com',
                 '$2a$04$3TcC8nPSEhLVQqXFFAKrMuHTVs.s3dAvbFX3lKkIpSkbK3vHqFt5q', now())",
    )
    .await;
    let api_user =
        api.get("/admin/users/11111111-1111-4111-8111-111111111111", &api.service_role()).await.ok();
    assert_eq!(api_user["app_metadata"], serde_json::json!({}));
    assert_eq!(api_user["identities"], serde_json::json!([]));
    assert!(api_user.get("favourite").is_none() && api_user.get("user_role").is_none());
    api.sign_up("jane@example.com").await;
}

/// The column of the founding documents says `admin` for every account, and means nothing.
#[actix_web::test]
async fn user_role_is_there_and_inert() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let token = session["access_token"].as_str().unwrap();
    let id = session["user"]["id"].as_str().unwrap();
    let admin = api.service_role();
    let body = serde_json::json!({ "user_role": "owner", "data": { "a": 1 } });
    let answers = [
        api.get("/user", token).await.ok(),
        api.put_as(token, "/user", body.clone()).await.ok(),
        api.put_as(&admin, &format!("/admin/users/{id}"), body).await.ok(),
        api.get("/admin/users", &admin).await.ok(),
        api.refresh(&session["refresh_token"]).await.ok(),
    ];
    for answer in answers.iter().chain([&session]) {
        assert!(!answer.to_string().contains("user_role"), "{answer}");
    }
    let claims = api.claims(&session["access_token"]);
    assert!(claims.get("user_role").is_none() && claims["role"] == "authenticated");
    assert_eq!(api.value("select user_role from auth.users").await.as_deref(), Some("admin"));
    api.get("/admin/users", token).await.refused(403, "not_admin", "User not allowed");
}
