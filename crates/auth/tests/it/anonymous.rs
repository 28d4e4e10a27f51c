//! Accounts without address or number.

use serde_json::json;

use crate::harness::{Api, open};

#[actix_web::test]
async fn an_anonymous_account_becomes_permanent_by_an_address() {
    let api = Api::start(open()).await;
    let session = api.post("/signup", json!({ "data": { "cart": [1] } })).await.ok();
    let user = &session["user"];
    assert_eq!((&user["is_anonymous"], &user["app_metadata"]), (&json!(true), &json!({})));
    assert_eq!((&user["identities"], &user["email"]), (&json!([]), &json!("")));
    assert_eq!(user["user_metadata"], json!({ "cart": [1] }));
    let claims = api.claims(&session["access_token"]);
    assert_eq!((&claims["is_anonymous"], &claims["amr"][0]["method"]), (&json!(true), &json!("anonymous")));
    let token = session["access_token"].as_str().unwrap();
    let alone = api.put_as(token, "/user", json!({ "password": "password" })).await;
    let message = "Updating password of an anonymous user without an email or phone is not allowed";
    alone.refused(422, "validation_failed", message);
    let body = json!({ "email": "jane@example.com", "password": "password" });
    let changed = api.put_as(token, "/user", body).await.ok();
    assert_eq!((&changed["is_anonymous"], &changed["email"]), (&json!(false), &json!("jane@example.com")));
    assert_eq!(changed["identities"][0]["provider"], "email");
    assert_eq!(changed["app_metadata"], json!({ "provider": "email", "providers": ["email"] }));
    assert_eq!(api.sign_in("jane@example.com", "password").await.ok()["user"]["id"], user["id"]);
}

#[actix_web::test]
async fn anonymous_users_have_no_second_factor() {
    let api = Api::start(open()).await;
    let session = api.post("/signup", json!({})).await.ok();
    let token = session["access_token"].as_str().unwrap();
    let answer = api.post_as(token, "/factors", json!({ "factor_type": "totp" })).await;
    answer.refused(403, "no_authorization", "Anonymous user not allowed to perform these actions");
}

#[actix_web::test]
async fn they_are_off_unless_switched_on() {
    let mut config = open();
    config.enable_anonymous_sign_ins = false;
    let api = Api::start(config).await;
    let answer = api.post("/signup", json!({})).await;
    answer.refused(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled");
}

#[actix_web::test]
async fn they_are_counted_by_client() {
    let mut config = open();
    config.rate_limit.anonymous_users = 2;
    let api = Api::start(config).await;
    for _ in 0..2 {
        api.post("/signup", json!({})).await.ok();
    }
    let refused = api.post("/signup", json!({})).await;
    refused.refused(429, "over_request_rate_limit", "Request rate limit reached");
    assert_eq!(refused.header("retry-after"), "1800");
    let other = crate::harness::request(actix_web::http::Method::POST, "/signup", "");
    assert_eq!(
        api.send(other.insert_header(("x-test-client", "192.0.2.9")).set_json(json!({}))).await.status,
        200
    );
    api.advance(1800);
    api.post("/signup", json!({})).await.ok();
}
