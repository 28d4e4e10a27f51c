//! Hooks: functions of the database and addresses on the web, asked at every point. What becomes of bad answers
//! from the web stands in the catalogue.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use auth::{Config, Hook};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kernel::Secret;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Answer, Api, confirming, open, request};
use crate::mfa::{App, answer, challenge, enroll, factors};
use crate::receiver::Receiver;

const SECRET: &str = "v1,whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub fn function(name: &str) -> Hook {
    Hook { enabled: true, uri: format!("pg-functions://postgres/public/{name}"), secrets: Secret::default() }
}

pub fn web(receiver: &Receiver) -> Hook {
    Hook { enabled: true, uri: receiver.url.clone(), secrets: Secret::new(SECRET) }
}

impl Api {
    /// Makes (or replaces) the function of a hook.
    pub async fn hook(&self, name: &str, body: &str) {
        let text = format!(
            "create or replace function public.{name}(event jsonb) returns jsonb language plpgsql as $fn$
             begin {body} end $fn$;
             grant execute on function public.{name} to supabase_auth_admin"
        );
        self.sql(&text).await;
    }

    /// A table of what hooks were told, which they may write.
    async fn with_log(self) -> Self {
        self.sql(
            "create table public.told (event jsonb);
             grant all on public.told to supabase_auth_admin;
             grant usage on schema public to supabase_auth_admin",
        )
        .await;
        self
    }

    async fn told(&self) -> Vec<Value> {
        let rows = self.database.admin().await.query("select event from public.told", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// As clients ask that know the newer wording of errors.
    async fn newer(&self, path: &str, body: Value) -> Answer {
        let request = request(Method::POST, path, "").set_json(body);
        self.send(request.insert_header(("x-supabase-api-version", "2024-01-01"))).await
    }
}

/// Tells what it was told, and goes on.
const TELL: &str = "insert into public.told values (event); return '{}'::jsonb;";

fn token_hook() -> Config {
    let mut config = open();
    config.hook.custom_access_token = function("token_hook");
    config
}

#[actix_web::test]
async fn a_function_changes_the_claims_of_every_access_token() {
    let api = Api::start(token_hook()).await.with_log().await;
    api.hook(
        "token_hook",
        "insert into public.told values (event);
         return jsonb_build_object('claims',
           event -> 'claims' || jsonb_build_object('plan', 'gold', 'exp', (event #>> '{claims,iat}')::int + 60));",
    )
    .await;
    let session = api.sign_up("jane@example.com").await;
    let claims = api.claims(&session["access_token"]);
    assert_eq!((&claims["plan"], &claims["role"]), (&json!("gold"), &json!("authenticated")));
    assert_eq!((&session["expires_at"], &session["expires_in"]), (&claims["exp"], &json!(60)));
    let refreshed = api.refresh(&session["refresh_token"]).await.ok();
    assert_eq!(api.claims(&refreshed["access_token"])["plan"], "gold");
    let told = api.told().await;
    let methods: Vec<_> = told.iter().map(|event| &event["authentication_method"]).collect();
    assert_eq!(methods, ["password", "token_refresh"]);
    let event = &told[0];
    assert_eq!(event["user_id"], session["user"]["id"]);
    assert_eq!(event["claims"]["email"], "jane@example.com");
    assert_eq!(
        (&event["metadata"]["name"], &event["metadata"]["ip_address"], &event["metadata"]["time"]),
        (&json!("customize-access-token"), &json!("192.0.2.1"), &json!("2027-01-15T08:00:00.123456Z"))
    );
    assert!(event["metadata"]["uuid"].as_str().is_some_and(|id| id.len() == 36));
}

#[actix_web::test]
async fn claims_that_would_break_clients_are_refused() {
    let api = Api::start(token_hook()).await;
    let failed = async |email: &str, message: &str| {
        let answer = api.post("/signup", json!({ "email": email, "password": "password" })).await;
        answer.refused(500, "unexpected_failure", message);
        assert_eq!(api.value("select count(*) from auth.users").await.unwrap(), "0");
        assert_eq!(api.value("select count(*) from auth.sessions").await.unwrap(), "0");
    };
    const SCHEMA: &str = "output claims do not conform to the expected schema: \n";
    for (body, message) in [
        ("return '{}'::jsonb;", "output claims field is missing".to_owned()),
        ("return '[]'::jsonb;", "Error unmarshaling JSON output.".to_owned()),
        ("return '{\"claims\": 1}'::jsonb;", "Error unmarshaling JSON output.".to_owned()),
        (
            "return jsonb_build_object('claims', (event -> 'claims') - 'role');",
            format!("{SCHEMA}- (root): role is required\n"),
        ),
        (
            "return jsonb_set(event, '{claims,exp}', '\"soon\"');",
            format!("{SCHEMA}- exp: Invalid type. Expected: integer, given: string\n"),
        ),
        ("return null;", format!("{SCHEMA}- (root): Invalid type. Expected: object, given: null\n")),
    ] {
        api.hook("token_hook", body).await;
        failed("jane@example.com", &message).await;
    }
}

#[actix_web::test]
async fn a_function_refuses_with_its_own_status_and_words() {
    let api = Api::start(token_hook()).await;
    api.hook("token_hook", r#"return '{"error": {"http_code": 403, "message": "Not today"}}'::jsonb;"#).await;
    let body = json!({ "email": "jane@example.com", "password": "password" });
    api.post("/signup", body.clone()).await.refused(403, "unknown", "Not today");
    let answer = api.newer("/signup", body).await;
    assert_eq!((answer.status, answer.body), (403, json!({ "code": "unknown", "message": "Not today" })));
    assert_eq!(api.value("select count(*) from auth.users").await.unwrap(), "0");
}

#[actix_web::test]
async fn what_a_function_raises_reaches_clients_of_the_first_version() {
    let api = Api::start(token_hook()).await;
    let body = json!({ "email": "jane@example.com", "password": "password" });
    let running = "Error running hook URI: pg-functions://postgres/public/token_hook";
    api.hook("token_hook", "raise sqlstate 'PT402' using message = 'Pay first', hint = 'card';").await;
    let answer = api.post("/signup", body.clone()).await;
    let raised = json!({ "code": "PT402", "message": "Pay first", "hint": "card" });
    assert_eq!((answer.status, answer.body), (402, raised));
    let answer = api.newer("/signup", body.clone()).await;
    let worded = json!({ "code": "unexpected_failure", "message": running });
    assert_eq!((answer.status, answer.body), (500, worded));
    // What was not meant for callers stays inside.
    api.hook("token_hook", "perform 1 / 0; return null;").await;
    api.post("/signup", body.clone()).await.refused(500, "unexpected_failure", running);
    api.sql("drop function public.token_hook").await;
    api.post("/signup", body.clone()).await.refused(500, "unexpected_failure", running);
    api.hook("token_hook", "return event;").await;
    api.sql("revoke execute on function public.token_hook from supabase_auth_admin, public").await;
    api.post("/signup", body).await.refused(500, "unexpected_failure", running);
}

#[actix_web::test]
async fn a_function_has_two_seconds_and_a_megabyte() {
    let api = Api::start(token_hook()).await;
    let body = json!({ "email": "jane@example.com", "password": "password" });
    api.hook("token_hook", "perform pg_sleep(30); return event;").await;
    let begin = Instant::now();
    let running = "Error running hook URI: pg-functions://postgres/public/token_hook";
    api.post("/signup", body.clone()).await.refused(500, "unexpected_failure", running);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(20), "{took:?}");
    api.hook("token_hook", "return jsonb_set(event, '{x}', to_jsonb(repeat('x', 1100000)));").await;
    let text = "Payload size exceeded size limit of 1048576 bytes";
    api.post("/signup", body.clone()).await.refused(422, "hook_payload_over_size_limit", text);
    // What comes after it in the transaction has the time that it always had.
    api.hook("token_hook", "return event;").await;
    api.sql(
        "create function public.limit_seen() returns trigger language plpgsql as $$ begin
           new.raw_user_meta_data = jsonb_build_object('limit', current_setting('statement_timeout'));
           return new; end $$;
         create trigger seen before update on auth.users for each row execute function public.limit_seen()",
    )
    .await;
    let before = api.sign_up("jane@example.com").await["user"]["user_metadata"]["limit"].clone();
    assert_ne!(before, "2s");
}

#[actix_web::test]
async fn functions_of_json_and_of_single_rows_are_called_too() {
    let api = Api::start(token_hook()).await;
    api.sql(
        "create function public.token_hook(event json) returns setof json language sql immutable
         as $$ select json_build_object('claims', event -> 'claims') $$",
    )
    .await;
    api.sign_up("jane@example.com").await;
}

/// A client ends its session on a refresh that fails with anything but 5xx of gateways.
#[actix_web::test]
async fn a_hook_that_is_down_signs_nobody_out() {
    let api = Api::start(token_hook()).await;
    api.hook("token_hook", "return event;").await;
    let session = api.sign_up("jane@example.com").await;
    api.hook("token_hook", "raise exception 'broken';").await;
    let answer = api.refresh(&session["refresh_token"]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    api.hook("token_hook", r#"return '{"error": {"http_code": 403, "message": "Gone"}}'::jsonb;"#).await;
    api.refresh(&session["refresh_token"]).await.refused(403, "unknown", "Gone");
    api.hook("token_hook", "return event;").await;
    let refreshed = api.refresh(&session["refresh_token"]).await;
    assert_eq!(refreshed.header("sb-auth-refresh-token-reuse"), "", "the token was not used up");
    refreshed.ok();
}

#[actix_web::test]
async fn attempts_at_a_password_are_judged() {
    let mut config = open();
    config.hook.password_verification_attempt = function("judge");
    let api = Api::start(config).await.with_log().await;
    api.hook("judge", TELL).await;
    let session = api.sign_up("jane@example.com").await;
    api.sign_in("jane@example.com", "password").await.ok();
    api.sign_in("jane@example.com", "wrong").await.refused(
        400,
        "invalid_credentials",
        "Invalid login credentials",
    );
    api.sign_in("nobody@example.com", "wrong").await.refused(
        400,
        "invalid_credentials",
        "Invalid login credentials",
    );
    let told: Vec<_> =
        api.told().await.iter().map(|event| (event["valid"].clone(), event["user_id"].clone())).collect();
    let id = &session["user"]["id"];
    assert_eq!(told, [(json!(true), id.clone()), (json!(false), id.clone())]);
    api.hook("judge", r#"return '{"decision": "reject"}'::jsonb;"#).await;
    let standard = "Further password verification attempts will be rejected.";
    api.sign_in("jane@example.com", "password").await.refused(400, "invalid_credentials", standard);
    assert_eq!(api.value("select count(*) from auth.sessions").await.unwrap(), "2");
    let body = r#"insert into public.told values (event);
                  return '{"decision": "reject", "message": "Too often", "should_logout_user": true}'::jsonb;"#;
    api.hook("judge", body).await;
    api.sign_in("jane@example.com", "wrong").await.refused(400, "invalid_credentials", "Too often");
    assert_eq!(api.value("select count(*) from auth.sessions").await.unwrap(), "0");
    assert_eq!(api.told().await.len(), 3, "what a hook notes of an attempt stays");
    // Nothing goes on without it.
    api.hook("judge", "raise exception 'broken';").await;
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 500);
}

#[actix_web::test]
async fn answers_to_a_second_factor_are_judged() {
    let mut config = factors();
    config.hook.mfa_verification_attempt = function("judge");
    let api = Api::start(config).await.with_log().await;
    api.hook("judge", TELL).await;
    let session = api.sign_up("jane@example.com").await;
    let app: App = enroll(&api, &session, "app").await;
    let asked = challenge(&api, &session, &app.id).await;
    let wrong = answer(&api, &session, &app.id, &asked, "000000").await;
    wrong.refused(422, "mfa_verification_failed", "Invalid TOTP code entered");
    let raised = answer(&api, &session, &app.id, &asked, &app.code(&api, 0)).await.ok();
    let told = api.told().await;
    let valid: Vec<_> = told.iter().map(|event| &event["valid"]).collect();
    assert_eq!(valid, [false, true]);
    let event = &told[0];
    assert_eq!((&event["factor_id"], &event["factor_type"]), (&json!(app.id), &json!("totp")));
    assert_eq!(event["user_id"], session["user"]["id"]);
    // A hook that counts wrong answers and refuses after the second of them.
    let counts = r#"insert into public.told values (event);
        if (select count(*) from public.told t where t.event ->> 'valid' = 'false') > 2 then
          return '{"decision": "reject"}'::jsonb; end if; return '{"decision": "continue"}'::jsonb;"#;
    api.hook("judge", counts).await;
    let asked = challenge(&api, &raised, &app.id).await;
    assert_eq!(answer(&api, &raised, &app.id, &asked, "000000").await.status, 422);
    let refused = answer(&api, &raised, &app.id, &asked, "000000").await;
    let standard = "Further MFA verification attempts will be rejected.";
    refused.refused(403, "mfa_verification_rejected", standard);
    assert_eq!(api.value("select count(*) from auth.sessions").await.unwrap(), "0");
}

/// Whoever could make the hook fail must not guess for nothing.
#[actix_web::test]
async fn wrong_answers_count_even_if_the_hook_fails() {
    let mut config = factors();
    config.hook.mfa_verification_attempt = function("judge");
    let api = Api::start(config).await;
    api.hook("judge", "raise exception 'broken';").await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "app").await;
    for _ in 0..30 {
        let asked = challenge(&api, &session, &app.id).await;
        assert_eq!(answer(&api, &session, &app.id, &asked, "000000").await.status, 500);
    }
    let asked = challenge(&api, &session, &app.id).await;
    assert_eq!(answer(&api, &session, &app.id, &asked, "000000").await.status, 429);
}

#[actix_web::test]
async fn a_new_account_may_be_refused_on_every_way_in() {
    let mut config = open();
    config.hook.before_user_created = function("admit");
    config.hook.after_user_created = function("welcome");
    let api = Api::start(config).await.with_log().await;
    let refuse = r#"insert into public.told values (event);
                    return '{"error": {"http_code": 403, "message": "By invitation only"}}'::jsonb;"#;
    api.hook("admit", refuse).await;
    api.hook("welcome", "raise exception 'nobody is here';").await;
    let admin = api.service_role();
    let password = "password";
    for (path, body) in [
        ("/signup", json!({ "email": "a@example.com", "password": password, "data": { "code": "x" } })),
        ("/signup", json!({ "phone": "15551230000", "password": password })),
        ("/signup", json!({ "data": {} })),
        ("/otp", json!({ "email": "b@example.com" })),
        ("/otp", json!({ "phone": "15551230001" })),
        ("/magiclink", json!({ "email": "c@example.com" })),
        ("/invite", json!({ "email": "d@example.com" })),
        ("/admin/generate_link", json!({ "type": "signup", "email": "e@example.com", "password": password })),
        ("/admin/generate_link", json!({ "type": "magiclink", "email": "f@example.com" })),
        ("/admin/generate_link", json!({ "type": "invite", "email": "g@example.com" })),
    ] {
        let answer = match path {
            "/invite" | "/admin/generate_link" => api.post_as(&admin, path, body.clone()).await,
            path => api.post(path, body.clone()).await,
        };
        answer.refused(403, "unknown", "By invitation only");
        let told = api.told().await;
        assert_eq!(told.len(), 1, "{path}: what the hook notes stays");
        assert_eq!(told[0]["user"]["email"], body.get("email").cloned().unwrap_or(json!("")));
        assert_eq!(told[0]["metadata"]["name"], "before-user-created");
        api.sql("truncate public.told").await;
    }
    assert_eq!(api.value("select count(*) from auth.users").await.unwrap(), "0");
    // The administrator's word is enough.
    let body = json!({ "email": "h@example.com", "password": password, "email_confirm": true });
    api.post_as(&admin, "/admin/users", body).await.ok();
    assert_eq!(api.told().await.len(), 0);
}

#[actix_web::test]
async fn a_new_account_is_announced_once() {
    let mut config = open();
    config.hook.before_user_created = function("admit");
    config.hook.after_user_created = function("welcome");
    let api = Api::start(config).await.with_log().await;
    api.hook("admit", TELL).await;
    api.hook("welcome", TELL).await;
    let session = api.sign_up("jane@example.com").await;
    let told = api.told().await;
    let names: Vec<_> = told.iter().map(|event| event["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["before-user-created", "after-user-created"]);
    let id = &session["user"]["id"];
    assert_eq!((&told[0]["user"]["id"], &told[1]["user"]["id"]), (id, id));
    assert_eq!(told[0]["user"]["identities"], json!([]));
    assert_eq!(told[1]["user"]["identities"][0]["provider"], "email");
    assert!(told[1]["user"]["email_confirmed_at"].is_string());
    api.sign_in("jane@example.com", "password").await.ok();
    api.post("/otp", json!({ "email": "jane@example.com" })).await.ok();
    let again = api.post("/signup", json!({ "email": "jane@example.com", "password": "password" })).await;
    again.refused(422, "user_already_exists", "User already registered");
    assert_eq!(api.told().await.len(), 2);
    api.post("/signup", json!({})).await.ok();
    let told = api.told().await;
    assert_eq!((told.len(), &told[3]["user"]["is_anonymous"]), (4, &json!(true)));
    // The account stays even where the hook fails.
    api.hook("welcome", "raise exception 'broken';").await;
    let body = json!({ "email": "joe@example.com", "password": "password" });
    assert_eq!(api.post("/signup", body).await.status, 500);
    api.sign_in("joe@example.com", "password").await.ok();
}

fn mails(mut config: Config) -> Config {
    config.hook.send_email = function("post");
    config.email.notification.password_changed.enabled = true;
    config
}

#[actix_web::test]
async fn mails_are_sent_by_the_hook_instead() {
    let api = Api::start(mails(confirming())).await.with_log().await;
    api.hook("post", TELL).await;
    let body = json!({ "email": "jane@example.com", "password": "password" });
    api.post("/signup?redirect_to=https://app.test/in", body).await.ok();
    let told = api.told().await;
    let data = &told[0]["email_data"];
    assert_eq!(
        (&data["email_action_type"], &data["site_url"], &data["redirect_to"]),
        (&json!("signup"), &json!("http://localhost:8000/auth/v1"), &json!("https://app.test/in"))
    );
    assert_eq!(told[0]["user"]["identities"][0]["provider"], "email");
    let keys: Vec<_> = data.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "email_action_type factor_type old_email old_phone provider redirect_to site_url token token_hash \
                    token_hash_new token_new";
    assert_eq!(keys.join(" "), expected);
    assert_eq!(api.value("select count(*) from auth.basalt_outbox").await.unwrap(), "0");
    let verify = json!({ "type": "signup", "token_hash": data["token_hash"] });
    api.post("/verify", verify).await.ok();
    for (path, kind) in [("/otp", "magiclink"), ("/recover", "recovery")] {
        api.advance(100);
        api.sql("truncate public.told").await;
        api.post(path, json!({ "email": "jane@example.com" })).await.ok();
        let told = api.told().await;
        assert_eq!(told[0]["email_data"]["email_action_type"], kind);
        let token = &told[0]["email_data"]["token"];
        let verify = json!({ "type": "email", "email": "jane@example.com", "token": token });
        api.post("/verify", verify).await.ok();
    }
}

#[actix_web::test]
async fn a_mail_that_the_hook_does_not_take_undoes_its_cause() {
    let api = Api::start(mails(confirming())).await.with_log().await;
    api.hook("post", r#"return '{"error": {"http_code": 429, "message": "Slow down"}}'::jsonb;"#).await;
    let body = json!({ "email": "jane@example.com", "password": "password" });
    api.post("/signup", body.clone()).await.refused(429, "unknown", "Slow down");
    assert_eq!(api.value("select count(*) from auth.users").await.unwrap(), "0");
    api.hook("post", TELL).await;
    api.post("/signup", body).await.ok();
}

/// The hashes are the other way round than the codes: receivers reckon with it.
#[actix_web::test]
async fn a_change_of_address_is_one_call_with_both_codes() {
    let api = Api::start(mails(confirming())).await.with_log().await;
    api.hook("post", TELL).await;
    api.sign_up("old@example.com").await;
    let hash = api.told().await[0]["email_data"]["token_hash"].clone();
    let session = api.post("/verify", json!({ "type": "signup", "token_hash": hash })).await.ok();
    api.sql("truncate public.told").await;
    let token = session["access_token"].as_str().unwrap();
    api.put_as(token, "/user", json!({ "email": "new@example.com" })).await.ok();
    let told = api.told().await;
    assert_eq!((told.len(), &told[0]["user"]["new_email"]), (1, &json!("new@example.com")));
    let data = &told[0]["email_data"];
    let stored = "select string_agg(token_hash, ' ' order by token_type) from auth.one_time_tokens";
    let (current, new) = (data["token_hash_new"].as_str().unwrap(), data["token_hash"].as_str().unwrap());
    assert_eq!(api.value(stored).await.unwrap(), format!("{new} {current}"));
    for (email, token) in [("old@example.com", &data["token"]), ("new@example.com", &data["token_new"])] {
        let verify = json!({ "type": "email_change", "email": email, "token": token });
        api.post("/verify", verify).await.ok();
    }
    assert_eq!(api.value("select email from auth.users").await.unwrap(), "new@example.com");
}

#[actix_web::test]
async fn a_notice_that_fails_leaves_the_change() {
    let api = Api::start(mails(open())).await.with_log().await;
    api.hook("post", TELL).await;
    let session = api.sign_up("jane@example.com").await;
    let token = session["access_token"].as_str().unwrap();
    api.put_as(token, "/user", json!({ "password": "password2" })).await.ok();
    let told = api.told().await;
    assert_eq!(told[0]["email_data"]["email_action_type"], "password_changed_notification");
    api.hook("post", "raise exception 'broken';").await;
    api.put_as(token, "/user", json!({ "password": "password3" })).await.ok();
    api.sign_in("jane@example.com", "password3").await.ok();
}

#[actix_web::test]
async fn messages_are_sent_by_the_hook_instead() {
    let mut config = factors();
    config.sms.enable_confirmations = true;
    config.sms.test_otp.clear();
    config.hook.send_sms = function("call");
    let api = Api::start(config).await.with_log().await;
    api.hook("call", TELL).await;
    api.post("/otp", json!({ "phone": "+15551234567", "channel": "whatsapp" })).await.ok();
    let told = api.told().await;
    let sms = &told[0]["sms"];
    assert_eq!((&sms["phone"], sms.get("sms_type")), (&json!("15551234567"), None));
    assert_eq!(told[0]["user"]["phone"], "15551234567");
    let verify = json!({ "type": "sms", "phone": "15551234567", "token": sms["otp"] });
    let session = api.post("/verify", verify).await.ok();
    let token = session["access_token"].as_str().unwrap();
    let factor = json!({ "factor_type": "phone", "friendly_name": "p", "phone": "+15557654321" });
    let factor = api.post_as(token, "/factors", factor).await.ok();
    let id = factor["id"].as_str().unwrap();
    api.sql("truncate public.told").await;
    let asked = challenge(&api, &session, id).await;
    let told = api.told().await;
    assert_eq!(
        (&told[0]["sms"]["sms_type"], &told[0]["sms"]["phone"]),
        (&json!("mfa"), &json!("15557654321"))
    );
    let code = told[0]["sms"]["otp"].as_str().unwrap();
    answer(&api, &session, id, &asked, code).await.ok();
    api.hook("call", r#"return '{"error": {"http_code": 503, "message": "No signal"}}'::jsonb;"#).await;
    api.advance(100);
    let refused = api.post_as(token, &format!("/factors/{id}/challenge"), json!({})).await;
    refused.refused(500, "unexpected_failure", "error invoking hook");
    api.post("/otp", json!({ "phone": "15551234567" })).await.refused(503, "unknown", "No signal");
}

/// The signature that a receiver works out, by the standard.
fn signature(secret: &str, headers: &std::collections::HashMap<String, String>, body: &str) -> String {
    let secret = STANDARD.decode(secret.strip_prefix("v1,whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(format!("{}.{}.{body}", headers["webhook-id"], headers["webhook-timestamp"]).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[actix_web::test]
async fn a_receiver_on_the_web_can_tell_who_asks() {
    let receiver = Receiver::start().await;
    let mut config = open();
    config.hook.before_user_created = web(&receiver);
    let api = Api::start(config).await;
    api.sign_up("jane@example.com").await;
    let seen = receiver.only();
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.headers["webhook-timestamp"], api.clock.unix().to_string());
    assert_eq!(seen.headers["webhook-signature"], signature(SECRET, &seen.headers, &seen.body));
    let another = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert_ne!(seen.headers["webhook-signature"], signature(another, &seen.headers, &seen.body));
    assert_eq!(seen.json()["user"]["email"], "jane@example.com");
    receiver.answers(json!({ "error": { "http_code": 422, "message": "Not here" } }));
    let body = json!({ "email": "joe@example.com", "password": "password" });
    api.post("/signup", body).await.refused(422, "unknown", "Not here");
    assert_ne!(receiver.only().headers["webhook-id"], seen.headers["webhook-id"]);
}

#[actix_web::test]
async fn a_provider_s_account_is_announced_once_too() {
    let receiver = Receiver::start().await;
    let provider = crate::provider::Provider::start().await;
    let mut config = crate::oauth::with(open(), &["github"], &provider);
    config.hook.before_user_created = web(&receiver);
    config.hook.after_user_created = web(&receiver);
    let api = Api::start(config).await;
    provider.is_github(1, &[("jane@example.com", true)]);
    receiver.answers(json!({ "error": { "http_code": 403, "message": "Members only" } }));
    let url = crate::oauth::sign_in(&api, "provider=github").await;
    assert!(url.contains("error_description=Members+only"), "{url}");
    assert_eq!(api.value("select count(*) from auth.users").await.unwrap(), "0");
    assert_eq!(receiver.only().json()["user"]["app_metadata"]["provider"], "github");
    receiver.answers(json!({}));
    for expected in [["before-user-created", "after-user-created"].as_slice(), &[]] {
        let url = crate::oauth::sign_in(&api, "provider=github").await;
        assert!(url.contains("access_token="), "{url}");
        let told: Vec<_> =
            receiver.seen().iter().map(|seen| seen.json()["metadata"]["name"].clone()).collect();
        assert_eq!(told, expected);
    }
}

#[actix_web::test]
async fn a_hook_that_cannot_be_used_keeps_the_service_from_starting() {
    let mut config = open();
    config.hook.send_sms = Hook { enabled: true, uri: "http://example.com/".to_owned(), ..Hook::default() };
    let problems: Vec<_> = config.check().into_iter().map(|problem| problem.key).collect();
    assert_eq!(problems, ["hook.send_sms.uri"]);
}
