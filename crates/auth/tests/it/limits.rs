//! Limits: what outlives the process, and guesses at one account from many places.

use actix_web::http::Method;
use serde_json::json;

use crate::harness::{Answer, Api, confirming, open, request};
use crate::mail::deliver;

#[actix_web::test]
async fn a_start_does_not_fill_the_limit_of_mails() {
    let mut config = confirming();
    config.rate_limit.email_sent = 2;
    let api = Api::start(config.clone()).await;
    let delivery = deliver(&api.auth);
    let sign_up = async |api: &Api, name: &str| -> Answer {
        let body = json!({ "email": format!("{name}@example.com"), "password": "password" });
        api.post("/signup", body).await
    };
    for name in ["a", "b"] {
        sign_up(&api, name).await.ok();
    }
    sign_up(&api, "c").await.refused(429, "over_email_send_rate_limit", "email rate limit exceeded");
    api.until("select tokens::int from auth.basalt_limits where name = 'email_sent'", "0").await;
    drop(delivery);
    let api = api.beside(config).await;
    sign_up(&api, "c").await.refused(429, "over_email_send_rate_limit", "email rate limit exceeded");
    api.advance(1800);
    sign_up(&api, "c").await.ok();
    sign_up(&api, "d").await.refused(429, "over_email_send_rate_limit", "email rate limit exceeded");
}

/// Each guess comes from another address: a limit of clients is none.
#[actix_web::test]
async fn passwords_are_not_guessed_from_many_places() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let sign_in = async |from: String, email: &str, password: &str| {
        let body = json!({ "email": email, "password": password });
        let request = request(Method::POST, "/token?grant_type=password", "");
        api.send(request.insert_header(("x-test-client", from)).set_json(body)).await
    };
    for email in ["jane@example.com", "nobody@example.com"] {
        for n in 0..30 {
            let answer = sign_in(format!("198.51.100.{n}"), email, "wrong").await;
            answer.refused(400, "invalid_credentials", "Invalid login credentials");
        }
        let limited = sign_in("198.51.100.99".to_owned(), &email.to_uppercase(), "password").await;
        limited.refused(429, "over_request_rate_limit", "Request rate limit reached");
        assert_eq!(limited.header("retry-after"), "120");
    }
    // The owner is not locked out where they are known, and opens the door again.
    sign_in("192.0.2.1".to_owned(), "jane@example.com", "password").await.ok();
    sign_in("198.51.100.99".to_owned(), "jane@example.com", "password").await.ok();
    // A network of IPv6 is one place.
    sign_in("2001:db8:1:2::1".to_owned(), "jane@example.com", "password").await.ok();
    for n in 0..30 {
        let answer = sign_in(format!("203.0.113.{n}"), "jane@example.com", "wrong").await;
        assert_eq!(answer.status, 400);
    }
    let elsewhere = sign_in("2001:db8:1:3::1".to_owned(), "jane@example.com", "password").await;
    assert_eq!(elsewhere.status, 429);
    sign_in("2001:db8:1:2:ffff::9".to_owned(), "jane@example.com", "password").await.ok();
    api.advance(120);
    let answer = sign_in("198.51.100.99".to_owned(), "nobody@example.com", "wrong").await;
    assert_eq!(answer.status, 400);
}
