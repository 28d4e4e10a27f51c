//! What is limited, and where messages do not go.

use auth::Config;
use serde_json::json;

use super::{Catalogue, both, post};
use crate::harness::{Api, confirming};

/// What is shown here.
pub const CODES: &str =
    "email_address_invalid over_email_send_rate_limit over_request_rate_limit over_sms_send_rate_limit";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        limits(c).await;
        addresses(c).await;
    })
    .await;
}

async fn limits(c: &Catalogue) {
    let limited = |change: fn(&mut Config)| {
        let mut config = confirming();
        config.email.mailbox = true;
        config.sms.test_otp.insert("15551234567".to_owned(), "424242".to_owned());
        change(&mut config);
        Api::start(config)
    };
    let recover = || post("/recover", "", json!({ "email": "jane@example.com" }));
    let api = limited(|_| {}).await;
    api.sign_up("jane@example.com").await;
    api.send(recover()).await.ok();
    let soon = "For security purposes, you can only request this after 60 seconds.";
    c.check(&api, recover(), 429, "over_email_send_rate_limit", soon).await;
    let otp = || post("/otp", "", json!({ "phone": "15551234567" }));
    api.send(otp()).await.ok();
    c.check(&api, otp(), 429, "over_sms_send_rate_limit", soon).await;
    let api = limited(|config| config.rate_limit.email_sent = 1).await;
    api.sign_up("jane@example.com").await;
    c.check(&api, recover(), 429, "over_email_send_rate_limit", "email rate limit exceeded").await;
    let api = limited(|config| config.rate_limit.token_verifications = 1).await;
    let verify = || post("/verify", "", json!({ "type": "signup", "token_hash": "x" }));
    let mut answer = api.send(verify()).await;
    while answer.status != 429 {
        answer = api.send(verify()).await;
    }
    let answer = c.check(&api, verify(), 429, "over_request_rate_limit", "Request rate limit reached").await;
    assert!(!answer.header("retry-after").is_empty());
}

async fn addresses(c: &Catalogue) {
    let mut config = confirming();
    config.email.validation.extended = true;
    let api = Api::start(config).await;
    let signup = post("/signup", "", json!({ "email": "test@gmail.com", "password": "password" }));
    let invalid = "Email address \"test@gmail.com\" is invalid";
    c.check(&api, signup, 400, "email_address_invalid", invalid).await;
    let recover = post("/recover", "", json!({ "email": "test@gmail.com" }));
    c.check(&api, recover, 400, "email_address_invalid", invalid).await;
}
