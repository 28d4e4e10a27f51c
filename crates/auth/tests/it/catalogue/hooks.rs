//! The operator's own code: when it refuses, and when it fails.

use auth::{Config, Hook};
use kernel::Secret;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Catalogue, both, post};
use crate::harness::{Api, open};
use crate::hooks::{function, web};
use crate::mfa::{challenge, enroll, factors};
use crate::receiver::Receiver;

/// What is shown here.
pub const CODES: &str = "hook_payload_invalid_content_type hook_payload_over_size_limit hook_timeout \
    hook_timeout_after_retry invalid_credentials mfa_verification_rejected unexpected_failure unknown";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        answers(c).await;
        silence(c).await;
        judgements(c).await;
    })
    .await;
}

fn signup() -> Value {
    json!({ "email": "jane@example.com", "password": "password" })
}

async fn answers(c: &Catalogue) {
    let receiver = Receiver::start().await;
    let mut config = open();
    config.hook.before_user_created = web(&receiver);
    let api = Api::start(config).await;
    let json_type = "application/json";
    let huge = format!("{{\"x\":\"{}\"}}", "x".repeat(300 * 1024));
    let refusal = |status: u16| json!({ "error": { "http_code": status, "message": "No" } }).to_string();
    let (refused, failed) = (refusal(403), refusal(500));
    for (answer, status, code, message) in [
        ((200, json_type, refused.as_str()), 403, "unknown", "No"),
        ((200, json_type, failed.as_str()), 500, "unexpected_failure", "No"),
        ((400, json_type, "{}"), 500, "unexpected_failure", "Invalid payload sent to hook"),
        ((401, json_type, "{}"), 500, "unexpected_failure", "Hook requires authorization token"),
        ((418, json_type, "{}"), 500, "unexpected_failure", "Unexpected status code returned from hook: 418"),
        ((429, json_type, "{}"), 500, "unexpected_failure", "Service currently unavailable due to hook"),
        ((200, json_type, "{"), 500, "unexpected_failure", "Error unmarshaling JSON output."),
        ((200, json_type, "[1]"), 500, "unexpected_failure", "Error unmarshaling JSON output."),
        (
            (200, "text/plain", "ok"),
            400,
            "hook_payload_invalid_content_type",
            "Invalid JSON response. Received content-type: text/plain",
        ),
        (
            (200, "", "{}"),
            400,
            "hook_payload_invalid_content_type",
            "Invalid Content-Type: Missing Content-Type header",
        ),
        (
            (200, json_type, huge.as_str()),
            422,
            "hook_payload_over_size_limit",
            "Payload size exceeded size limit of 204800 bytes",
        ),
    ] {
        receiver.answers_with(answer.0, answer.1, answer.2);
        c.check(&api, post("/signup", "", signup()), status, code, message).await;
    }
    assert_eq!(api.value("select count(*) from auth.users").await.unwrap(), "0");
    receiver.answers_with(204, "", "");
    api.sign_up("jane@example.com").await;
}

/// A hook that never answers, and one that is not there.
async fn silence(c: &Catalogue) {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asking = |url: String| {
        let mut config: Config = open();
        config.hook.before_user_created = Hook { enabled: true, uri: url, secrets: Secret::default() };
        Api::start(config)
    };
    let waiting = asking(format!("http://{}/", mute.local_addr().unwrap())).await;
    let refused = asking("http://127.0.0.1:1/".to_owned()).await;
    let late = "Failed to reach hook within maximum time of 5.000000 seconds";
    let gone = "Failed to reach hook after maximum retries";
    futures_util::future::join(
        c.check(&waiting, post("/signup", "", signup()), 422, "hook_timeout", late),
        c.check(&refused, post("/signup", "", signup()), 422, "hook_timeout_after_retry", gone),
    )
    .await;
}

async fn judgements(c: &Catalogue) {
    let mut config = factors();
    config.hook.mfa_verification_attempt = function("judge");
    config.hook.password_verification_attempt = function("judge");
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    api.hook("judge", r#"return '{"decision": "continue"}'::jsonb;"#).await;
    let app = enroll(&api, &session, "app").await;
    let asked = challenge(&api, &session, &app.id).await;
    api.hook("judge", r#"return '{"decision": "reject"}'::jsonb;"#).await;
    let body = json!({ "challenge_id": asked, "code": "000000" });
    let token = session["access_token"].as_str().unwrap();
    let answer = post(&format!("/factors/{}/verify", app.id), token, body);
    let rejected = "Further MFA verification attempts will be rejected.";
    c.check(&api, answer, 403, "mfa_verification_rejected", rejected).await;
    let rejected = "Further password verification attempts will be rejected.";
    let ask = post("/token?grant_type=password", "", signup());
    c.check(&api, ask, 400, "invalid_credentials", rejected).await;
    api.hook("judge", "perform 1 / 0; return null;").await;
    let broken = "Error running hook URI: pg-functions://postgres/public/judge";
    let ask = post("/token?grant_type=password", "", signup());
    c.check(&api, ask, 500, "unexpected_failure", broken).await;
}
