//! Whether an account exists is nobody's business.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, confirming, open, request};

#[actix_web::test]
async fn known_and_unknown_are_answered_alike() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    api.sql("update auth.users set email_confirmed_at = now()").await;
    type Body = fn(&str) -> Value;
    let cases: [(&str, Body); 5] = [
        ("/recover", |email| json!({ "email": email })),
        ("/resend", |email| json!({ "email": email, "type": "signup" })),
        ("/otp", |email| json!({ "email": email })),
        ("/token?grant_type=password", |email| json!({ "email": email, "password": "wrong" })),
        ("/verify", |email| json!({ "email": email, "token": "000000", "type": "email" })),
    ];
    for (path, body) in cases {
        api.advance(100);
        let known = api.post(path, body("jane@example.com")).await;
        let unknown = api.post(path, body("nobody@example.com")).await;
        assert_eq!((known.status, known.text), (unknown.status, unknown.text), "{path}");
    }
}

/// The time is not asserted, but the work is: both hash once.
#[actix_web::test]
async fn an_unknown_account_costs_as_much_as_a_wrong_password() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    let time = async |email: &str| {
        let mut best = std::time::Duration::MAX;
        for _ in 0..5 {
            let begin = std::time::Instant::now();
            assert_eq!(api.sign_in(email, "wrong").await.status, 400);
            best = best.min(begin.elapsed());
        }
        best
    };
    let (known, unknown) = (time("jane@example.com").await, time("nobody@example.com").await);
    assert!(unknown > known / 4, "known {known:?}, unknown {unknown:?}");
}

/// An account of one audience keeps its address from all others, of which a caller learns nothing.
#[actix_web::test]
async fn another_audience_tells_no_more() {
    let sign_up = async |api: &Api, path: &str, email: &str| -> Answer {
        let elsewhere = request(Method::POST, path, "").insert_header(("x-jwt-aud", "zz"));
        api.send(elsewhere.set_json(json!({ "email": email, "password": "password" }))).await
    };
    let api = Api::start(confirming()).await;
    let first = api.sign_up("jane@example.com").await;
    api.sql("update auth.users set email_confirmed_at = now()").await;
    let user = sign_up(&api, "/signup", "jane@example.com").await.ok();
    assert_ne!(user["id"], first["id"]);
    assert_eq!((&user["aud"], &user["identities"]), (&json!("zz"), &json!([])));
    assert_eq!(sign_up(&api, "/otp", "jane@example.com").await.ok(), json!({}));
    assert_eq!(sign_up(&api, "/otp", "nobody@example.com").await.ok(), json!({}));
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let openly = sign_up(&api, "/signup", "jane@example.com").await;
    openly.refused(422, "user_already_exists", "User already registered");
}
