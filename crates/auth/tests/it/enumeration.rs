//! Whether an account exists is nobody's business.

use serde_json::{Value, json};

use crate::harness::{Api, confirming};

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
