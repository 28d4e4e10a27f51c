//! A database of Supabase Auth, taken over with everything in it and fit to be handed back.
//!
//! `adoption/original.sql` is the schema that the original's migrations leave, `adoption/accounts.sql`
//! what it and people who import by hand leave in it.

use actix_web::http::Method;
use auth::Config;
use serde_json::{Value, json};
use testkit::Database;
use totp_rs::{Builder, Secret as AppSecret};

use crate::harness::{Answer, Api, confirming, request};

const ORIGINAL: &str = include_str!("adoption/original.sql");
const ACCOUNTS: &str = include_str!("adoption/accounts.sql");
const PASSWORD: &str = "correct horse";
/// Of the challenge in the flows under way (RFC 7636, appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The original's database, before we come.
async fn original(accounts: bool) -> Database {
    let database = testkit::database(&[]).await;
    let mut admin = database.admin().await;
    admin.batch(&format!("begin; {ORIGINAL}; commit")).await.unwrap();
    if accounts {
        admin.batch(&format!("begin; {ACCOUNTS}; commit")).await.unwrap();
    }
    drop(admin);
    database
}

/// The same, taken over.
async fn adopted(config: Config) -> Api {
    let database = original(true).await;
    migrate(&database).await;
    Api::on(database, config).await
}

async fn migrate(database: &Database) {
    let base = db::bootstrap::migrations(&db::bootstrap::Options::default());
    let owner = database.target_as("supabase_auth_admin");
    db::migrate::run(&database.target(), &[base]).await.unwrap();
    db::migrate::run(&database.target(), &[auth::migrations().run_by(owner)]).await.unwrap();
}

/// Everything that the catalogue says of the schema, a line each.
const CATALOGUE: &str = "
    select line from (
      select 'column ' || c.table_name || '.' || c.column_name || ' ' || c.udt_name
             || coalesce('(' || c.character_maximum_length || ')', '') || ' null=' || c.is_nullable
             -- Two spellings of one default.
             || ' default=' || coalesce(replace(nullif(c.column_default, 'NULL::character varying'),
                                                '::character varying', '::text'), '')
             || ' generated=' || coalesce(c.generation_expression, '')
        from information_schema.columns c where c.table_schema = 'auth'
      union all
      select 'constraint ' || conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid) || ' ' || convalidated
        from pg_constraint where connamespace = 'auth'::regnamespace
      union all
      select 'index ' || tablename || ' ' || indexdef from pg_indexes where schemaname = 'auth'
      union all
      select 'type ' || t.typname || ' ' || string_agg(e.enumlabel, ',' order by e.enumsortorder)
        from pg_type t join pg_enum e on e.enumtypid = t.oid
       where t.typnamespace = 'auth'::regnamespace group by t.typname
      union all
      select 'relation ' || relname || ' ' || relkind::text || ' ' || pg_get_userbyid(relowner)
        from pg_class where relnamespace = 'auth'::regnamespace and relkind in ('r', 'S', 'v')
      union all
      select 'function ' || proname || ' ' || prorettype::regtype::text || ' ' || provolatile::text || ' ' || prosecdef
        from pg_proc where pronamespace = 'auth'::regnamespace
      union all
      select 'trigger ' || tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
       where c.relnamespace = 'auth'::regnamespace and not tgisinternal
      union all
      select 'migration ' || version from auth.schema_migrations) lines (line)
     order by line";

async fn catalogue(database: &Database) -> Vec<String> {
    let mut admin = database.admin().await;
    admin.query(CATALOGUE, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// What is ours: tables of our name, and the column that the founding documents want.
fn is_ours(line: &str) -> bool {
    line.contains("basalt_") || line.starts_with("column users.user_role ")
}

#[actix_web::test]
async fn our_schema_is_the_original_s_and_what_is_ours() {
    let theirs = catalogue(&original(false).await).await;
    assert_eq!(theirs.iter().filter(|line| line.starts_with("migration ")).count(), 70);
    let ours = catalogue(&testkit::database(&[auth::migrations()]).await).await;
    let kept: Vec<_> = ours.iter().filter(|line| !is_ours(line)).cloned().collect();
    assert_eq!(kept, theirs);
    // Taken over, a database is what it would be if it had been ours all the time.
    let database = original(true).await;
    migrate(&database).await;
    assert_eq!(catalogue(&database).await, ours);
}

#[actix_web::test]
async fn every_password_works_and_stays_as_it_is() {
    let api = adopted(confirming()).await;
    let hashes = "select md5(string_agg(id || encrypted_password, ',' order by id)) from auth.users";
    let before = api.value(hashes).await;
    for name in ["jane", "argon", "import", "firebase", "lost", "moving", "phone", "totp"] {
        let email = format!("{name}@example.com");
        let wrong = api.sign_in(&email, "correct horsf").await;
        wrong.refused(400, "invalid_credentials", "Invalid login credentials");
        let session = api.sign_in(&email, PASSWORD).await.ok();
        let token = session["access_token"].as_str().unwrap();
        assert_eq!(api.get("/user", token).await.ok()["email"], email.as_str());
        // Whatever was NULL can be written.
        let data = api.put_as(token, "/user", json!({ "data": { "seen": true } })).await.ok();
        assert_eq!(data["user_metadata"]["seen"], true, "{email}");
    }
    let unconfirmed = api.sign_in("new@example.com", PASSWORD).await;
    unconfirmed.refused(400, "email_not_confirmed", "Email not confirmed");
    for name in ["link", "invited", "google"] {
        let none = api.sign_in(&format!("{name}@example.com"), PASSWORD).await;
        none.refused(400, "invalid_credentials", "Invalid login credentials");
    }
    assert_eq!(api.value(hashes).await, before);
    let list = api.get("/admin/users?per_page=100", &api.service_role()).await.ok();
    assert_eq!(list["users"].as_array().unwrap().len(), 12);
}

/// A password can be changed, recovered and used by accounts whose columns are NULL.
#[actix_web::test]
async fn imported_accounts_take_part_in_everything() {
    let api = adopted(confirming()).await;
    let session = api.sign_in("import@example.com", PASSWORD).await.ok();
    let token = session["access_token"].as_str().unwrap();
    assert_eq!((&session["user"]["app_metadata"], &session["user"]["identities"]), (&json!({}), &json!([])));
    api.post("/recover", json!({ "email": "firebase@example.com" })).await.ok();
    api.post("/otp", json!({ "email": "import@example.com" })).await.ok();
    api.put_as(token, "/user", json!({ "password": "another password", "email": "other@example.com" }))
        .await
        .ok();
    api.sign_in("import@example.com", "another password").await.ok();
    let admin = api.service_role();
    let path = "/admin/users/00000000-0000-4000-8000-000000000004";
    api.put_as(&admin, path, json!({ "app_metadata": { "plan": "pro" }, "ban_duration": "1h" })).await.ok();
    api.sign_in("firebase@example.com", PASSWORD).await.refused(400, "user_banned", "User is banned");
    assert_eq!(api.delete_as(&admin, path).await.status, 200);
}

#[actix_web::test]
async fn every_refresh_token_works() {
    let api = adopted(confirming()).await;
    let answers = async |token: &str| api.refresh(&json!(token)).await;
    // The answer to the first was lost: the second is given again.
    assert_eq!(answers("abcdefghijkl").await.ok()["refresh_token"], "mnopqrstuvwx");
    let next = answers("mnopqrstuvwx").await.ok();
    assert_eq!(next["user"]["email"], "jane@example.com");
    let claims = api.claims(&next["access_token"]);
    assert_eq!(claims["session_id"], "00000000-0000-4000-8000-00000000a001");
    assert_eq!(claims["amr"][0]["method"], "password");
    assert_eq!(api.refresh(&next["refresh_token"]).await.status, 200);
    let message = "Invalid Refresh Token: No Valid Session Found";
    answers("yz2345672345").await.refused(400, "session_not_found", message);
    // Numbers 0 and 1 of a session with a key, of which 1 is the newest.
    let (zero, one) = (
        "AD8rjB5ad00OnGEKGyw9Tl8A38WF6-0VHhv_PGkbpNnaQisu_dc",
        "AD8rjB5ad00OnGEKGyw9Tl8B8-yT1w9YwwcGVGt_pu_Lma4PZ6k",
    );
    assert_eq!(answers(zero).await.ok()["refresh_token"], one);
    let two = answers(one).await;
    assert_eq!(two.header("sb-auth-refresh-token-counter"), "2");
    assert_eq!(two.ok()["user"]["id"], "00000000-0000-4000-8000-000000000001");
    api.advance(3600);
    let used = answers(zero).await;
    used.refused(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used");
}

impl Api {
    async fn exchange(&self, code: &str) -> Answer {
        let body = json!({ "auth_code": code, "code_verifier": VERIFIER });
        self.post("/token?grant_type=pkce", body).await
    }
}

#[track_caller]
fn lets_in(answer: &Answer) {
    let location = answer.header("location");
    assert!(answer.status == 303 && location.contains("#access_token="), "{location} {}", answer.text);
}

#[actix_web::test]
async fn every_mailed_link_works() {
    let api = adopted(confirming()).await;
    lets_in(&api.follow("c9d551b6cddc4184bfdb31fb646449dd2ce8b7115fd2608b5b0ec732", "signup").await);
    api.sign_in("new@example.com", PASSWORD).await.ok();
    lets_in(&api.follow("4fdb3650b66dbc5307b19ad4d3f202c9cf63a7d1c74de9b0a0c874a4", "magiclink").await);
    lets_in(&api.follow("56f25e504fee13fb6a505554c698860437eed955be9291dfe15ad46c", "invite").await);
    let recovery =
        api.follow("pkce_ac240f5698b1e8d02a2ca17f61e06d3fe1b174deb67579542223c5e5", "recovery").await;
    assert_eq!(recovery.header("location"), "https://app.test/in?code=00000000-0000-4000-8000-00000000c001");
    let session = api.exchange("00000000-0000-4000-8000-00000000c001").await.ok();
    assert_eq!(session["user"]["email"], "lost@example.com");
    assert_eq!(api.claims(&session["access_token"])["amr"][0]["method"], "recovery");
    let half = api.follow("59367e3adbcfc99bd2948763c60a9e5802d66e6bdf6bcd03d4864c21", "email_change").await;
    assert!(half.header("location").contains("#message="), "{}", half.header("location"));
    lets_in(&api.follow("7d54fe791200066027ead4035843b688d62f5e3cef59323be27ecf7d", "email_change").await);
    api.sign_in("moved@example.com", PASSWORD).await.ok();
    assert_eq!(api.value("select count(*) from auth.one_time_tokens").await.as_deref(), Some("1"));
}

#[actix_web::test]
async fn every_code_works() {
    let api = adopted(confirming()).await;
    let check = async |kind: &str, key: &str, address: &str| {
        let body = json!({ "type": kind, key: address, "token": "123456" });
        api.post("/verify", body).await.ok()
    };
    assert_eq!(check("signup", "email", "new@example.com").await["user"]["email"], "new@example.com");
    assert_eq!(check("recovery", "email", "lost@example.com").await["user"]["email"], "lost@example.com");
    assert_eq!(check("email", "email", "link@example.com").await["user"]["email"], "link@example.com");
    assert_eq!(check("invite", "email", "invited@example.com").await["user"]["email"], "invited@example.com");
    check("email_change", "email", "moving@example.com").await;
    let moved = check("email_change", "email", "moved@example.com").await;
    assert_eq!(moved["user"]["email"], "moved@example.com");
    let phone = check("phone_change", "phone", "15551112222").await;
    assert_eq!(phone["user"]["phone"], "15551112222");
}

#[actix_web::test]
async fn factors_and_flows_under_way_go_on() {
    let api = adopted(confirming()).await;
    let session = api.exchange("00000000-0000-4000-8000-00000000c002").await.ok();
    assert_eq!(
        (&session["provider_token"], session.get("provider_refresh_token")),
        (&json!("ya29.token"), None)
    );
    assert_eq!(session["user"]["identities"][0]["provider"], "google");
    let session = api.sign_in("totp@example.com", PASSWORD).await.ok();
    let token = session["access_token"].as_str().unwrap();
    let factor = "/factors/00000000-0000-4000-8000-00000000d001";
    let challenge = api.post_as(token, &format!("{factor}/challenge"), json!({})).await.ok();
    let secret = AppSecret::try_from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
    let app = Builder::new().with_secret(secret).build_noncompliant();
    let code = app.generate(api.clock.unix().try_into().unwrap()).to_string();
    let body = json!({ "challenge_id": challenge["id"], "code": code });
    let raised = api.post_as(token, &format!("{factor}/verify"), body).await.ok();
    assert_eq!(api.claims(&raised["access_token"])["aal"], "aal2");
}

/// Columns in which the original cannot read NULL, though its tables allow it: one such value, and it
/// answers every request for that account with an error.
const NEVER_NULL: &[(&str, &str)] = &[
    (
        "users",
        "instance_id aud role confirmation_token recovery_token email_change_token_current email_change_token_new \
         email_change email_change_confirm_status phone_change_token phone_change reauthentication_token created_at \
         updated_at",
    ),
    ("identities", "created_at updated_at"),
    ("sessions", "created_at updated_at"),
    ("refresh_tokens", "instance_id token user_id revoked created_at updated_at"),
    ("mfa_factors", "friendly_name secret"),
    ("mfa_challenges", "otp_code"),
    ("flow_state", "provider_access_token provider_refresh_token created_at updated_at"),
    ("audit_log_entries", "instance_id payload created_at"),
    ("oauth_clients", "client_secret_hash"),
    ("saml_relay_states", "redirect_to created_at updated_at"),
    ("saml_providers", "attribute_mapping created_at updated_at"),
    ("sso_providers", "created_at updated_at"),
    ("sso_domains", "created_at updated_at"),
];

#[actix_web::test]
async fn the_original_can_read_what_we_write() {
    let mut config = crate::mfa::factors();
    config.email.enable_confirmations = true;
    config.refresh_token_algorithm_version = 1;
    config.passkey.enabled = true;
    let github = auth::ExternalProvider {
        enabled: true,
        client_id: "client".to_owned(),
        secret: kernel::Secret::new("secret"),
        ..auth::ExternalProvider::default()
    };
    config.external.insert("github".to_owned(), github);
    config.oauth_server.enabled = true;
    #[cfg(feature = "saml")]
    {
        config.saml = crate::saml::with_saml().saml;
    }
    let api = Api::start(config).await;
    write_everything(&api).await;
    #[cfg(feature = "saml")]
    write_sign_ons(&api).await;
    for (table, columns) in NEVER_NULL {
        for column in columns.split_whitespace() {
            let sql = format!("select count(*) from auth.{table} where {column} is null");
            assert_eq!(api.value(&sql).await.as_deref(), Some("0"), "{table}.{column}");
        }
    }
    for (table, _) in NEVER_NULL {
        let is_saml = table.starts_with("s") && *table != "sessions";
        if is_saml && !cfg!(feature = "saml") {
            continue;
        }
        assert_ne!(
            api.value(&format!("select count(*) from auth.{table}")).await.as_deref(),
            Some("0"),
            "{table}"
        );
    }
    // It writes its own columns alone, and deletes accounts with all that hangs on them, ours included.
    let mut theirs = api.database.pool_as("supabase_auth_admin").session().await.unwrap();
    let insert = "insert into auth.users (instance_id, id, aud, role, email, created_at, updated_at)
                  values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), '', '', 'theirs@example.com', now(), now())";
    theirs.batch(insert).await.unwrap();
    theirs.batch("delete from auth.users").await.unwrap();
}

/// An organisation, and a sign-in under way there that is to end where all end.
#[cfg(feature = "saml")]
async fn write_sign_ons(api: &Api) {
    let metadata = crate::saml::idp::metadata(crate::saml::idp::ENTITY, "idp");
    let wish = json!({ "type": "saml", "metadata_xml": metadata, "domains": ["corp.test"] });
    assert_eq!(api.post_as(&api.service_role(), "/admin/sso/providers", wish).await.status, 201);
    api.post("/sso", json!({ "domain": "corp.test", "skip_http_redirect": true })).await.ok();
}

/// Goes through whatever leaves rows.
async fn write_everything(api: &Api) {
    let admin = api.service_role();
    let user = json!({ "email": "jane@example.com", "password": "password", "email_confirm": true, "phone": "15550001111" });
    let id = api.post_as(&admin, "/admin/users", user).await.ok()["id"].as_str().unwrap().to_owned();
    let session = api.sign_in("jane@example.com", "password").await.ok();
    let session = api.refresh(&session["refresh_token"]).await.ok();
    let token = session["access_token"].as_str().unwrap();
    let pkce = json!({
        "email": "new@example.com", "password": "password",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "s256",
    });
    api.post("/signup", pkce).await.ok();
    api.post("/signup", json!({ "phone": "15551234567", "password": "password" })).await;
    api.post("/signup", json!({})).await.ok();
    api.post("/recover", json!({ "email": "jane@example.com" })).await.ok();
    api.post("/otp", json!({ "email": "other@example.com" })).await.ok();
    api.put_as(token, "/user", json!({ "email": "moved@example.com", "phone": "15559998888" })).await;
    api.get("/reauthenticate", token).await;
    for body in [
        json!({ "factor_type": "totp", "friendly_name": "" }),
        json!({ "factor_type": "phone", "friendly_name": "phone", "phone": "15551234567" }),
        json!({ "factor_type": "webauthn", "friendly_name": "key" }),
    ] {
        let factor = api.post_as(token, "/factors", body).await.ok();
        let path = format!("/factors/{}/challenge", factor["id"].as_str().unwrap());
        api.post_as(token, &path, json!({})).await.ok();
    }
    assert_eq!(api.get("/authorize?provider=github", "").await.status, 302);
    api.post("/passkeys/authentication/options", json!({})).await.ok();
    api.post_as(&admin, "/invite", json!({ "email": "invited@example.com" })).await.ok();
    let link = json!({ "type": "magiclink", "email": "jane@example.com" });
    api.post_as(&admin, "/admin/generate_link", link).await.ok();
    let soft: Value = json!({ "should_soft_delete": true });
    let gone = json!({ "email": "gone@example.com" });
    let gone = api.post_as(&admin, "/admin/users", gone).await.ok()["id"].as_str().unwrap().to_owned();
    let delete = request(Method::DELETE, &format!("/admin/users/{gone}"), &admin).set_json(soft);
    assert_eq!(api.send(delete).await.status, 200);
    api.put_as(&admin, &format!("/admin/users/{id}"), json!({ "user_metadata": { "a": 1 } })).await.ok();
    // An application without a secret, and one that says no more than it has to.
    let public = json!({ "redirect_uris": ["https://a.test/"], "token_endpoint_auth_method": "none" });
    for body in [public, json!({ "redirect_uris": ["https://b.test/"] })] {
        let made = api.post_as(&admin, "/admin/oauth/clients", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
}
