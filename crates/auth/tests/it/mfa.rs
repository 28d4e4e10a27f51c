//! Second factors: codes of apps and phones, and what a raised session is.

use actix_web::http::Method;
use auth::Config;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret as AppSecret};

use crate::harness::{Answer, Api, open, request};

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

/// Settings under which nothing of MFA is counted and phones are factors too.
pub fn factors() -> Config {
    let mut config = open();
    config.rate_limit.mfa_challenge_and_verify = 10_000;
    config.rate_limit.sms_sent = 10_000;
    config.mfa.phone.enroll_enabled = true;
    config.mfa.phone.verify_enabled = true;
    config.mfa.web_authn.enroll_enabled = true;
    config.mfa.web_authn.verify_enabled = true;
    config.webauthn.rp_id = "localhost".to_owned();
    config.webauthn.rp_origins = vec!["http://localhost:5173".to_owned()];
    config.sms.test_otp.insert("15551234567".to_owned(), "424242".to_owned());
    config
}

/// An app that holds a secret.
pub struct App {
    pub id: String,
    secret: String,
}

impl App {
    /// The code at this moment, so many steps of thirty seconds later.
    pub fn code(&self, api: &Api, steps: i64) -> String {
        let secret = AppSecret::try_from_base32(&self.secret).unwrap();
        let time = api.clock.unix() + steps * 30;
        Builder::new().with_secret(secret).build_noncompliant().generate(time.try_into().unwrap()).to_string()
    }

    fn path(&self, step: &str) -> String {
        format!("/factors/{}/{step}", self.id)
    }
}

pub async fn enroll(api: &Api, session: &Value, name: &str) -> App {
    let body = json!({ "factor_type": "totp", "friendly_name": name });
    let factor = api.post_as(token(session), "/factors", body).await.ok();
    App {
        id: factor["id"].as_str().unwrap().to_owned(),
        secret: factor["totp"]["secret"].as_str().unwrap().to_owned(),
    }
}

pub async fn challenge(api: &Api, session: &Value, id: &str) -> Value {
    api.post_as(token(session), &format!("/factors/{id}/challenge"), json!({})).await.ok()["id"].clone()
}

pub async fn answer(api: &Api, session: &Value, id: &str, challenge: &Value, code: &str) -> Answer {
    let body = json!({ "challenge_id": challenge, "code": code });
    api.post_as(token(session), &format!("/factors/{id}/verify"), body).await
}

/// Proves the app, with the code of the step given; returns the raised session.
pub async fn prove(api: &Api, session: &Value, app: &App, steps: i64) -> Value {
    let challenge = challenge(api, session, &app.id).await;
    answer(api, session, &app.id, &challenge, &app.code(api, steps)).await.ok()
}

#[actix_web::test]
async fn an_app_is_set_up_and_raises_the_session() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let body = json!({ "factor_type": "totp", "friendly_name": "my phone" });
    let factor = api.post_as(token(&session), "/factors", body).await.ok();
    assert_eq!((&factor["type"], &factor["friendly_name"]), (&json!("totp"), &json!("my phone")));
    let (id, secret) = (factor["id"].as_str().unwrap(), factor["totp"]["secret"].as_str().unwrap());
    let uri = format!(
        "otpauth://totp/127.0.0.1:3000:jane@example.com?algorithm=SHA1&digits=6&issuer=127.0.0.1%3A3000&period=30&secret={secret}"
    );
    assert_eq!(factor["totp"]["uri"], uri);
    assert!(factor["totp"]["qr_code"].as_str().unwrap().contains("<svg "));
    let app = App { id: id.to_owned(), secret: secret.to_owned() };
    let asked = api.post_as(token(&session), &app.path("challenge"), json!({})).await.ok();
    assert_eq!((&asked["type"], &asked["expires_at"]), (&json!("totp"), &json!(api.clock.unix() + 300)));
    let raised = answer(&api, &session, id, &asked["id"], &app.code(&api, 0)).await;
    assert!(!raised.header("sb-auth-session-id").is_empty());
    let raised = raised.ok();
    assert_eq!(raised["user"]["factors"][0]["status"], "verified");
    assert!(!raised.to_string().contains(secret));
    let claims = api.claims(&raised["access_token"]);
    let methods: Vec<_> = claims["amr"].as_array().unwrap().iter().map(|m| m["method"].clone()).collect();
    assert_eq!(claims["aal"], "aal2");
    assert!(methods.contains(&json!("totp")) && methods.contains(&json!("password")), "{methods:?}");
    assert_eq!(claims["session_id"], api.claims(&session["access_token"])["session_id"]);
    let refreshed = api.refresh(&raised["refresh_token"]).await.ok();
    assert_eq!(api.claims(&refreshed["access_token"])["aal"], "aal2");
    let stored = api.value("select aal, factor_id from auth.sessions").await;
    assert_eq!(stored.unwrap(), format!("aal2,{id}"));
    let log = "select string_agg(payload ->> 'action', ' ' order by created_at, payload ->> 'action')
                 from auth.audit_log_entries where payload ->> 'log_type' = 'factor'";
    let log = api.value(log).await.unwrap();
    assert_eq!(log, "challenge_created factor_in_progress verification_attempted");
}

#[actix_web::test]
async fn tokens_of_version_one_are_replaced_when_a_session_is_raised() {
    let api = Api::start(Config { refresh_token_algorithm_version: 1, ..factors() }).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let raised = prove(&api, &session, &app, 0).await;
    assert_ne!(raised["refresh_token"], session["refresh_token"]);
    let refreshed = api.refresh(&raised["refresh_token"]).await.ok();
    assert_eq!(api.claims(&refreshed["access_token"])["aal"], "aal2");
}

#[actix_web::test]
async fn sessions_by_the_password_alone_end_when_another_is_raised() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let other = api.sign_in("jane@example.com", "password").await.ok();
    let stranger = api.sign_up("john@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let raised = prove(&api, &session, &app, 0).await;
    assert_eq!(api.get("/user", token(&other)).await.error(), (403, "session_not_found"));
    assert_eq!(api.refresh(&other["refresh_token"]).await.status, 400);
    api.get("/user", token(&raised)).await.ok();
    api.get("/user", token(&stranger)).await.ok();
    // One that was raised before stays.
    let second = api.sign_in("jane@example.com", "password").await.ok();
    api.advance(60);
    prove(&api, &second, &app, 0).await;
    api.get("/user", token(&raised)).await.ok();
}

#[actix_web::test]
async fn a_code_is_good_once() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let code = app.code(&api, 0);
    let first = challenge(&api, &session, &app.id).await;
    let raised = answer(&api, &session, &app.id, &first, &code).await.ok();
    let wrong = (422, "mfa_verification_failed", "Invalid TOTP code entered");
    for used in [code, app.code(&api, -1)] {
        let next = challenge(&api, &raised, &app.id).await;
        answer(&api, &raised, &app.id, &next, &used).await.refused(wrong.0, wrong.1, wrong.2);
    }
    prove(&api, &raised, &app, 1).await;
}

/// Answers with one code, all at once: one is accepted.
#[actix_web::test]
async fn a_code_is_good_once_even_for_many_at_once() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let code = app.code(&api, 0);
    let mut challenges = Vec::new();
    for _ in 0..6 {
        challenges.push(challenge(&api, &session, &app.id).await);
    }
    let calls = challenges.iter().map(|id| answer(&api, &session, &app.id, id, &code));
    let answers = futures_util::future::join_all(calls).await;
    let accepted = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(accepted, 1, "{:?}", answers.iter().map(|a| a.text.clone()).collect::<Vec<_>>());
}

#[actix_web::test]
async fn challenges_are_answered_once_in_time_and_from_the_same_place() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let mismatch = (422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.");

    let asked = challenge(&api, &session, &app.id).await;
    let body = json!({ "challenge_id": asked, "code": app.code(&api, 0) });
    let elsewhere = request(Method::POST, &app.path("verify"), token(&session))
        .insert_header(("x-test-client", "198.51.100.7"))
        .set_json(body);
    api.send(elsewhere).await.refused(mismatch.0, mismatch.1, mismatch.2);

    let raised = answer(&api, &session, &app.id, &asked, &app.code(&api, 0)).await.ok();
    api.advance(60);
    let again = answer(&api, &raised, &app.id, &asked, &app.code(&api, 0)).await;
    again.refused(mismatch.0, mismatch.1, mismatch.2);

    let old = challenge(&api, &raised, &app.id).await;
    api.advance(301);
    let late = answer(&api, &raised, &app.id, &old, &app.code(&api, 0)).await;
    let text = format!(
        "MFA challenge {} has expired, verify against another challenge or create a new challenge.",
        old.as_str().unwrap()
    );
    late.refused(422, "mfa_challenge_expired", &text);
    let gone = answer(&api, &raised, &app.id, &old, &app.code(&api, 0)).await;
    gone.refused(422, "mfa_factor_not_found", "MFA factor with the provided challenge ID not found");
}

#[actix_web::test]
async fn guessing_voids_the_challenge_and_then_the_factor_for_a_while() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let asked = challenge(&api, &session, &app.id).await;
    let wrong = "000000";
    assert_ne!(app.code(&api, 0), wrong);
    for _ in 0..5 {
        let refused = answer(&api, &session, &app.id, &asked, wrong).await;
        refused.refused(422, "mfa_verification_failed", "Invalid TOTP code entered");
    }
    let void = answer(&api, &session, &app.id, &asked, &app.code(&api, 0)).await;
    assert_eq!(void.error(), (422, "mfa_factor_not_found"));
    for _ in 0..5 {
        let asked = challenge(&api, &session, &app.id).await;
        for _ in 0..5 {
            answer(&api, &session, &app.id, &asked, wrong).await;
        }
    }
    let asked = challenge(&api, &session, &app.id).await;
    let held = answer(&api, &session, &app.id, &asked, &app.code(&api, 0)).await;
    assert_eq!(held.error(), (429, "over_request_rate_limit"));
    let another = api.sign_up("john@example.com").await;
    let app_of_another = enroll(&api, &another, "a").await;
    prove(&api, &another, &app_of_another, 0).await;
    api.advance(300);
    prove(&api, &session, &app, 0).await;
}

#[actix_web::test]
async fn requests_are_counted_per_client() {
    let mut config = factors();
    config.rate_limit.mfa_challenge_and_verify = 2;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let asked = challenge(&api, &session, &app.id).await;
    challenge(&api, &session, &app.id).await;
    let third = api.post_as(token(&session), &app.path("challenge"), json!({})).await;
    third.refused(429, "over_request_rate_limit", "Request rate limit reached");
    for expected in [422, 422, 429] {
        assert_eq!(answer(&api, &session, &app.id, &asked, "000000").await.status, expected);
    }
}

#[actix_web::test]
async fn factors_of_others_do_not_exist() {
    let api = Api::start(factors()).await;
    let jane = api.sign_up("jane@example.com").await;
    let john = api.sign_up("john@example.com").await;
    let (app, own) = (enroll(&api, &jane, "a").await, enroll(&api, &john, "a").await);
    let asked = challenge(&api, &jane, &app.id).await;
    for (step, body) in
        [("challenge", json!({})), ("verify", json!({ "challenge_id": asked, "code": app.code(&api, 0) }))]
    {
        let answer = api.post_as(token(&john), &app.path(step), body).await;
        answer.refused(404, "mfa_factor_not_found", "Factor not found");
    }
    let removed = api.delete_as(token(&john), &format!("/factors/{}", app.id)).await;
    removed.refused(404, "mfa_factor_not_found", "Factor not found");
    // A challenge belongs to its factor.
    let mixed = answer(&api, &john, &own.id, &asked, &own.code(&api, 0)).await;
    assert_eq!(mixed.error(), (422, "mfa_factor_not_found"));
    prove(&api, &jane, &app, 0).await;
}

#[actix_web::test]
async fn what_enrolment_refuses() {
    let mut config = factors();
    config.mfa.max_enrolled_factors = 2;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    let enrol = async |session: &Value, body: Value| api.post_as(token(session), "/factors", body).await;
    let kind = enrol(&session, json!({ "factor_type": "iris" })).await;
    kind.refused(400, "validation_failed", "factor_type needs to be totp, phone, or webauthn");
    let phone = enrol(&session, json!({ "factor_type": "phone" })).await;
    phone.refused(400, "validation_failed", "Phone number required to enroll Phone factor");
    let odd = enrol(&session, json!({ "factor_type": "phone", "phone": "x" })).await;
    odd.refused(400, "validation_failed", "Invalid phone number format (E.164 required)");
    let long = enrol(&session, json!({ "factor_type": "totp", "issuer": "x".repeat(2000) })).await;
    assert_eq!(long.error(), (400, "validation_failed"));

    let app = enroll(&api, &session, "").await;
    let unnamed = enrol(&session, json!({ "factor_type": "totp" })).await;
    let text = "A factor with the friendly name \"\" for this user already exists";
    unnamed.refused(422, "mfa_factor_name_conflict", text);
    let raised = prove(&api, &session, &app, 0).await;

    let low = api.sign_in("jane@example.com", "password").await.ok();
    let gate = enrol(&low, json!({ "factor_type": "totp", "friendly_name": "b" })).await;
    gate.refused(403, "insufficient_aal", "AAL2 required to enroll a new factor");
    let same = enrol(&raised, json!({ "factor_type": "totp", "friendly_name": "b" })).await.ok();
    assert_eq!(same["friendly_name"], "b");
    let full = enrol(&raised, json!({ "factor_type": "totp", "friendly_name": "c" })).await;
    let text = "Maximum number of verified factors reached, unenroll to continue";
    full.refused(422, "too_many_enrolled_mfa_factors", text);

    let john = api.sign_up("john@example.com").await;
    api.sql("delete from auth.sessions s using auth.users u where u.id = s.user_id and u.email = 'john@example.com'")
        .await;
    assert_eq!(enrol(&john, json!({ "factor_type": "totp" })).await.error(), (403, "session_not_found"));
    let claims = json!({ "role": "authenticated", "sub": john["user"]["id"] });
    let without = api.post_as(&api.token(claims), "/factors", json!({ "factor_type": "totp" })).await;
    assert_eq!(without.error(), (403, "session_not_found"));
}

#[actix_web::test]
async fn kinds_that_are_switched_off() {
    let mut config = factors();
    config.mfa = auth::Mfa::default();
    config.mfa.totp.enroll_enabled = false;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    for (kind, name) in [("totp", "TOTP"), ("phone", "Phone"), ("webauthn", "WebAuthn")] {
        let refused = api.post_as(token(&session), "/factors", json!({ "factor_type": kind })).await;
        let code = format!("mfa_{kind}_enroll_not_enabled");
        refused.refused(422, &code, &format!("MFA enroll is disabled for {name}"));
    }
    api.sql(
        "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
         select gen_random_uuid(), id, 'phone', 'verified', now(), now() from auth.users",
    )
    .await;
    let id = api.value("select id from auth.mfa_factors").await.unwrap();
    let path = format!("/factors/{id}");
    let text = "MFA verification is disabled for Phone";
    let asked = api.post_as(token(&session), &format!("{path}/challenge"), json!({})).await;
    asked.refused(422, "mfa_phone_verify_not_enabled", text);
    let answered = api.post_as(token(&session), &format!("{path}/verify"), json!({ "code": "1" })).await;
    answered.refused(422, "mfa_phone_verify_not_enabled", text);
    let empty = api.post_as(token(&session), &format!("{path}/verify"), json!({})).await;
    empty.refused(400, "validation_failed", "Code needs to be non-empty");
}

#[actix_web::test]
async fn factors_nobody_proved_give_way() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let left = enroll(&api, &session, "left").await;
    let asked = enroll(&api, &session, "asked").await;
    challenge(&api, &session, &asked.id).await;
    api.advance(301);
    let third = enroll(&api, &session, "left").await;
    let count = |id: String| format!("select count(*) from auth.mfa_factors where id = '{id}'");
    assert_eq!(api.value(&count(left.id)).await.as_deref(), Some("0"));
    assert_eq!(api.value(&count(asked.id.clone())).await.as_deref(), Some("1"));
    // The first that is proved removes the others of its kind.
    prove(&api, &session, &third, 0).await;
    assert_eq!(api.value(&count(asked.id)).await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn removing_a_proved_factor_needs_a_raised_session_and_lowers_it() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let unproved = enroll(&api, &session, "unproved").await;
    let gone = api.delete_as(token(&session), &format!("/factors/{}", unproved.id)).await.ok();
    assert_eq!(gone, json!({ "id": unproved.id }));

    let app = enroll(&api, &session, "a").await;
    let raised = prove(&api, &session, &app, 0).await;
    let low = api.sign_in("jane@example.com", "password").await.ok();
    let path = format!("/factors/{}", app.id);
    let refused = api.delete_as(token(&low), &path).await;
    refused.refused(422, "insufficient_aal", "AAL2 required to unenroll verified factor");
    api.delete_as(token(&raised), &path).await.ok();
    let lowered = api.refresh(&raised["refresh_token"]).await.ok();
    let claims = api.claims(&lowered["access_token"]);
    assert_eq!((&claims["aal"], claims["amr"].as_array().unwrap().len()), (&json!("aal1"), 1));
    assert_eq!(lowered["user"]["factors"], json!(null));
    let stored = api.value("select string_agg(distinct aal::text, ' ') from auth.sessions").await;
    assert_eq!(stored.as_deref(), Some("aal1"));
}

/// An administrator who removes a factor lowers the sessions as well.
#[actix_web::test]
async fn a_factor_removed_by_an_administrator_lowers_its_sessions() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let raised = prove(&api, &session, &app, 0).await;
    let user = raised["user"]["id"].as_str().unwrap();
    let path = format!("/admin/users/{user}/factors/{}", app.id);
    assert_eq!(api.delete_as(&api.service_role(), &path).await.ok()["id"], app.id.as_str());
    let lowered = api.refresh(&raised["refresh_token"]).await.ok();
    assert_eq!(api.claims(&lowered["access_token"])["aal"], "aal1");
}

#[actix_web::test]
async fn a_phone_is_a_factor() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let body = |name: &str| json!({ "factor_type": "phone", "friendly_name": name, "phone": "+15551234567" });
    let first = api.post_as(token(&session), "/factors", body("first")).await.ok();
    assert_eq!((&first["phone"], &first["totp"]), (&json!("+15551234567"), &Value::Null));
    // The same number again replaces what was not proved.
    let factor = api.post_as(token(&session), "/factors", body("second")).await.ok();
    assert_eq!(api.value("select count(*) from auth.mfa_factors").await.as_deref(), Some("1"));
    let id = factor["id"].as_str().unwrap();
    let asked = challenge(&api, &session, id).await;
    let soon = api.post_as(token(&session), &format!("/factors/{id}/challenge"), json!({})).await;
    assert_eq!(soon.error(), (429, "over_sms_send_rate_limit"));
    let channel = json!({ "channel": "pigeon" });
    let odd = api.post_as(token(&session), &format!("/factors/{id}/challenge"), channel).await;
    assert_eq!(odd.error(), (400, "validation_failed"));
    let wrong = answer(&api, &session, id, &asked, "424243").await;
    wrong.refused(422, "mfa_verification_failed", "Invalid MFA Phone code entered");
    api.advance(1);
    let raised = answer(&api, &session, id, &asked, "424242").await.ok();
    assert_eq!(api.claims(&raised["access_token"])["amr"][0]["method"], "mfa/phone");
    let again = api.post_as(token(&raised), "/factors", body("third")).await;
    let text = "A verified phone factor already exists, unenroll the existing factor to continue";
    again.refused(422, "mfa_verified_factor_exists", text);
}

/// A message that cannot be sent leaves no challenge behind.
#[actix_web::test]
async fn a_phone_that_cannot_be_reached() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let body = json!({ "factor_type": "phone", "phone": "+15550000000" });
    let factor = api.post_as(token(&session), "/factors", body).await.ok();
    let path = format!("/factors/{}/challenge", factor["id"].as_str().unwrap());
    let failed = api.post_as(token(&session), &path, json!({})).await;
    assert!(failed.status >= 400, "{}", failed.text);
    assert_eq!(api.value("select count(*) from auth.mfa_challenges").await.as_deref(), Some("0"));
}

/// A factor that Supabase Auth set up, in clear, is used here under any settings.
#[actix_web::test]
async fn a_factor_taken_over_works() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    api.sql(
        "insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret, created_at, updated_at)
         select gen_random_uuid(), id, 'old', 'totp', 'verified', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', now(), now()
           from auth.users",
    )
    .await;
    let id = api.value("select id from auth.mfa_factors").await.unwrap();
    let app = App { id, secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned() };
    let raised = prove(&api, &session, &app, 0).await;
    assert_eq!(api.claims(&raised["access_token"])["aal"], "aal2");
}

/// Two factors that are asked for at one moment: the column that notes when is unique.
#[actix_web::test]
async fn factors_are_challenged_at_one_moment() {
    let api = Api::start(factors()).await;
    let jane = api.sign_up("jane@example.com").await;
    let john = api.sign_up("john@example.com").await;
    for session in [&jane, &john] {
        let app = enroll(&api, session, "a").await;
        challenge(&api, session, &app.id).await;
    }
}

/// A code that no test number has is made for the message, and the message waits to be sent.
#[actix_web::test]
async fn a_code_for_a_phone_goes_out() {
    let mut config = factors();
    config.email.mailbox = true;
    config.mfa.phone.otp_length = 8;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    let body = json!({ "factor_type": "phone", "phone": "+15550000000" });
    let factor = api.post_as(token(&session), "/factors", body).await.ok();
    let id = factor["id"].as_str().unwrap();
    let asked = challenge(&api, &session, id).await;
    assert_eq!(api.value("select count(*) from auth.basalt_outbox").await.as_deref(), Some("1"));
    let code = api.value("select otp_code from auth.mfa_challenges").await.unwrap();
    assert_eq!(code.len(), 8);
    answer(&api, &session, id, &asked, &code).await.ok();
}

#[actix_web::test]
async fn owners_are_told_of_factors_that_come_and_go() {
    let mut config = factors();
    config.email.smtp.host = "localhost".to_owned();
    config.email.smtp.admin_email = "noreply@basalt.test".to_owned();
    config.email.notification.mfa_factor_enrolled.enabled = true;
    config.email.notification.mfa_factor_unenrolled.enabled = true;
    let api = Api::start(config).await;
    let waiting = async || api.value("select count(*) from auth.basalt_outbox").await.unwrap();
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    assert_eq!(waiting().await, "0");
    let raised = prove(&api, &session, &app, 0).await;
    assert_eq!(waiting().await, "1");
    let raised = prove(&api, &raised, &app, 1).await;
    assert_eq!(waiting().await, "1");
    api.delete_as(token(&raised), &format!("/factors/{}", app.id)).await.ok();
    assert_eq!(waiting().await, "2");
}
