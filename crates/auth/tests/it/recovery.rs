//! Codes that stand in for a second factor that is lost.

use serde_json::{Value, json};

use crate::harness::{Answer, Api};
use crate::mfa::{App, enroll, factors, prove};

const PATH: &str = "/user/recovery-codes";

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

/// An account with an app, its raised session, and its codes.
async fn jane() -> (Api, App, Value, Vec<String>) {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "app").await;
    let raised = prove(&api, &session, &app, 0).await;
    let codes = create(&api, &raised).await;
    (api, app, raised, codes)
}

async fn create(api: &Api, session: &Value) -> Vec<String> {
    let made = api.post_as(token(session), PATH, json!({})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    serde_json::from_value(made.body["codes"].clone()).unwrap()
}

async fn recover(api: &Api, session: &Value, code: &str) -> Answer {
    api.post_as(token(session), &format!("{PATH}/verify"), json!({ "code": code })).await
}

async fn remaining(api: &Api, session: &Value) -> Value {
    api.get(PATH, token(session)).await.ok()["remaining"].clone()
}

#[track_caller]
fn wrong(answer: &Answer) {
    answer.refused(422, "mfa_verification_failed", "Invalid recovery code entered");
}

#[actix_web::test]
async fn a_code_raises_a_session_once() {
    let (api, app, _, codes) = jane().await;
    assert_eq!(codes.len(), 10);
    let kept =
        api.value("select string_agg(encode(hash, 'escape'), ' ') from auth.basalt_recovery_codes").await;
    assert!(!kept.unwrap().contains(&codes[0].replace('-', "")));
    let session = api.sign_in("jane@example.com", "password").await.ok();
    assert_eq!(api.claims(&session["access_token"])["aal"], "aal1");
    api.advance(1);
    let spelled = codes[0].to_uppercase().replace('-', " ");
    let raised = recover(&api, &session, &spelled).await.ok();
    let claims = api.claims(&raised["access_token"]);
    assert_eq!((&claims["aal"], &claims["amr"][0]["method"]), (&json!("aal2"), &json!("mfa/recovery_code")));
    assert_eq!(remaining(&api, &raised).await, 9);
    wrong(&recover(&api, &raised, &codes[0]).await);
    // It stays raised, and is enough to remove the factor that is lost.
    let refreshed = api.refresh(&raised["refresh_token"]).await.ok();
    assert_eq!(api.claims(&refreshed["access_token"])["aal"], "aal2");
    api.delete_as(token(&refreshed), &format!("/factors/{}", app.id)).await.ok();
    // With the last factor all codes go, and what they raised falls back.
    assert_eq!(remaining(&api, &refreshed).await, 0);
    let fallen = api.refresh(&refreshed["refresh_token"]).await.ok();
    assert_eq!(api.claims(&fallen["access_token"])["aal"], "aal1");
    let none = api.post_as(token(&fallen), PATH, json!({})).await;
    none.refused(422, "validation_failed", "Recovery codes need a verified factor");
}

#[actix_web::test]
async fn only_raised_sessions_get_codes_and_throw_them_away() {
    let (api, _, raised, codes) = jane().await;
    let session = api.sign_in("jane@example.com", "password").await.ok();
    let text = "AAL2 required to manage recovery codes";
    api.post_as(token(&session), PATH, json!({})).await.refused(403, "insufficient_aal", text);
    api.delete_as(token(&session), PATH).await.refused(403, "insufficient_aal", text);
    assert_eq!(remaining(&api, &session).await, 10);
    let newer = create(&api, &raised).await;
    wrong(&recover(&api, &session, &codes[0]).await);
    assert_eq!(api.delete_as(token(&raised), PATH).await.status, 204);
    wrong(&recover(&api, &session, &newer[0]).await);
}

#[actix_web::test]
async fn codes_are_not_guessed_and_not_lent() {
    let (api, _, _, codes) = jane().await;
    let john = api.sign_up("john@example.com").await;
    let app = enroll(&api, &john, "app").await;
    prove(&api, &john, &app, 0).await;
    let john = api.sign_in("john@example.com", "password").await.ok();
    wrong(&recover(&api, &john, &codes[0]).await);
    let session = api.sign_in("jane@example.com", "password").await.ok();
    for _ in 0..30 {
        wrong(&recover(&api, &session, "0000-0000-0000-0000").await);
    }
    assert_eq!(recover(&api, &session, &codes[0]).await.error(), (429, "over_request_rate_limit"));
    api.advance(200);
    recover(&api, &session, &codes[0]).await.ok();
    // Two who come with one code at the same time: one of them gets in.
    let (one, two) = (
        api.sign_in("jane@example.com", "password").await.ok(),
        api.sign_in("jane@example.com", "password").await.ok(),
    );
    let calls = [recover(&api, &one, &codes[1]), recover(&api, &two, &codes[1])];
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let anonymous = api.post("/signup", json!({})).await.ok();
    let refused = api.post_as(token(&anonymous), PATH, json!({})).await;
    assert_eq!(refused.error(), (403, "no_authorization"));
}
