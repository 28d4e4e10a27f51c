//! Captchas: where they are asked for, and what their checkers are asked and may say.

use actix_web::http::Method;
use auth::{CaptchaProvider, CaptchaSites, Config};
use kernel::Secret;
use serde_json::{Value, json};

use crate::harness::{Api, open, request};
use crate::mfa::factors;
use crate::receiver::Receiver;

pub fn with(mut config: Config, provider: CaptchaProvider) -> Config {
    config.captcha.enabled = true;
    config.captcha.provider = provider;
    config.captcha.secret = Secret::new(" our secret ");
    config
}

pub async fn start(config: Config, receiver: &Receiver) -> Api {
    let nobody = "http://127.0.0.1:1/".to_owned();
    let sites = match config.captcha.provider {
        CaptchaProvider::Turnstile => CaptchaSites { turnstile: receiver.url.clone(), hcaptcha: nobody },
        _ => CaptchaSites { hcaptcha: receiver.url.clone(), turnstile: nobody },
    };
    Api::start_with(config, sites).await
}

fn proved(mut body: Value) -> Value {
    body["gotrue_meta_security"] = json!({ "captcha_token": " a token " });
    body
}

#[actix_web::test]
async fn every_way_in_asks_for_it() {
    let receiver = Receiver::start().await;
    let mut config = factors();
    config.passkey.enabled = true;
    let api = start(with(config, CaptchaProvider::Hcaptcha), &receiver).await;
    let email = json!({ "email": "jane@example.com", "password": "password" });
    let cases = [
        ("/signup", email.clone()),
        ("/signup", json!({})),
        ("/token?grant_type=password", email.clone()),
        ("/token?grant_type=web3", json!({ "chain": "solana" })),
        ("/otp", json!({ "email": "jane@example.com" })),
        ("/magiclink", json!({ "email": "jane@example.com" })),
        ("/recover", json!({ "email": "jane@example.com" })),
        ("/resend", json!({ "email": "jane@example.com", "type": "signup" })),
        ("/passkeys/authentication/options", json!({})),
    ];
    for (path, body) in cases {
        let nothing = "captcha protection: request disallowed (no captcha_token found)";
        api.post(path, body.clone()).await.refused(400, "captcha_failed", nothing);
        for token in [json!(""), json!("  "), json!(null)] {
            let mut empty = body.clone();
            empty["gotrue_meta_security"] = json!({ "captcha_token": token });
            api.post(path, empty).await.refused(400, "captcha_failed", nothing);
        }
        assert_eq!(receiver.seen().len(), 0, "{path}");
        receiver.answers(json!({ "success": false, "error-codes": ["expired", "used"] }));
        let refused = "captcha protection: request disallowed (expired, used)";
        api.post(path, proved(body.clone())).await.refused(400, "captcha_failed", refused);
        assert_eq!(receiver.only().body, "secret=our+secret&response=a+token&remoteip=192.0.2.1");
        receiver.answers(json!({ "success": true, "hostname": "app.test" }));
        let answer = api.post(path, proved(body)).await;
        assert_ne!(answer.error().1, "captcha_failed", "{path}");
        assert_eq!(receiver.seen().len(), 1, "{path}");
    }
}

#[actix_web::test]
async fn who_has_a_session_or_administrates_is_not_asked() {
    let receiver = Receiver::start().await;
    receiver.answers(json!({ "success": true }));
    let api = start(with(open(), CaptchaProvider::Turnstile), &receiver).await;
    let body = json!({ "email": "jane@example.com", "password": "password" });
    let session = api.post("/signup", proved(body.clone())).await.ok();
    assert_eq!(receiver.seen().len(), 1);
    api.refresh(&session["refresh_token"]).await.ok();
    for grant in ["pkce", "id_token"] {
        let answer = api.post(&format!("/token?grant_type={grant}"), json!({})).await;
        assert_ne!(answer.error().1, "captcha_failed");
    }
    api.post_as(&api.service_role(), "/token?grant_type=password", body.clone()).await.ok();
    // The token of a user is none of an administrator.
    let token = session["access_token"].as_str().unwrap();
    assert_eq!(api.post_as(token, "/token?grant_type=password", body).await.error().1, "captcha_failed");
    assert_eq!(receiver.seen().len(), 0);
}

#[actix_web::test]
async fn if_nobody_can_be_asked_nobody_gets_through() {
    let receiver = Receiver::start().await;
    let api = start(with(open(), CaptchaProvider::Hcaptcha), &receiver).await;
    let body = || proved(json!({ "email": "jane@example.com", "password": "password" }));
    let failed = "captcha verification process failed";
    for (status, content_type, text) in
        [(200, "text/html", "<p>"), (502, "text/plain", ""), (302, "", "moved")]
    {
        receiver.answers_with(status, content_type, text);
        api.post("/signup", body()).await.refused(500, "unexpected_failure", failed);
    }
    for answer in [json!({}), json!({ "success": false })] {
        receiver.answers(answer);
        let refused = "captcha protection: request disallowed ()";
        api.post("/signup", body()).await.refused(400, "captcha_failed", refused);
    }
    let nowhere = CaptchaSites { hcaptcha: "http://127.0.0.1:1/".to_owned(), ..CaptchaSites::default() };
    let api = Api::start_with(with(open(), CaptchaProvider::Hcaptcha), nowhere).await;
    api.post("/signup", body()).await.refused(500, "unexpected_failure", failed);
    let raw = request(Method::POST, "/signup", "").set_payload("nonsense");
    assert_eq!(api.send(raw).await.error(), (400, "bad_json"));
}

#[actix_web::test]
async fn a_client_asks_the_checker_no_more_often_than_it_may_ask_us() {
    let receiver = Receiver::start().await;
    let mut config = with(open(), CaptchaProvider::Hcaptcha);
    config.rate_limit.sign_in_sign_ups = 2;
    let api = start(config, &receiver).await;
    for expected in [400, 400, 429, 429] {
        let body = proved(json!({ "email": "jane@example.com" }));
        assert_eq!(api.post("/recover", body).await.status, expected);
    }
    assert_eq!(receiver.seen().len(), 2);
}
