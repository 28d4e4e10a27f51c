//! Guesses at the password of one account, from one place and from many.

use actix_web::http::Method;
use auth::Config;
use futures_util::future::join_all;
use kernel::units::Span;
use serde_json::json;

use crate::harness::{Answer, Api, confirming, open, request};

const HOME: &str = "192.0.2.1";
const WRONG: (u16, &str, &str) = (400, "invalid_credentials", "Invalid login credentials");
const WAIT: (u16, &str, &str) = (429, "over_request_rate_limit", "Request rate limit reached");

impl Api {
    async fn guess(&self, from: &str, email: &str, password: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        let request = request(Method::POST, "/token?grant_type=password", "");
        self.send(request.insert_header(("x-test-client", from)).set_json(body)).await
    }
}

#[track_caller]
fn is(answer: &Answer, (status, code, message): (u16, &str, &str)) {
    answer.refused(status, code, message);
}

#[track_caller]
fn waits(answer: &Answer, seconds: &str) {
    is(answer, WAIT);
    assert_eq!(answer.header("retry-after"), seconds);
}

fn after(attempts: u32, attempts_anywhere: u32) -> Config {
    let mut config = open();
    (config.lockout.attempts, config.lockout.attempts_anywhere) = (attempts, attempts_anywhere);
    // Hashing takes its time where many do.
    config.max_request_duration = Span::secs(120);
    config
}

#[actix_web::test]
async fn waits_grow_and_a_start_forgets_none() {
    let api = Api::start(after(3, 100)).await;
    api.sign_up("jane@example.com").await;
    // The same for accounts that there are and that there are not.
    for email in ["jane@example.com", "nobody@example.com"] {
        for _ in 0..3 {
            is(&api.guess(HOME, email, "wrong").await, WRONG);
        }
        waits(&api.guess(HOME, &email.to_uppercase(), "wrong").await, "30");
    }
    let email = "jane@example.com";
    // Who asks while they have to wait learns nothing, and does not make it longer.
    api.advance(10);
    waits(&api.guess(HOME, email, "password").await, "20");
    let api = api.beside(after(3, 100)).await;
    for _ in 0..5 {
        waits(&api.guess(HOME, email, "wrong").await, "20");
    }
    api.advance(19);
    waits(&api.guess(HOME, email, "password").await, "1");
    for seconds in [1, 60, 120, 240, 480, 900, 900, 900] {
        api.advance(seconds);
        is(&api.guess(HOME, email, "wrong").await, WRONG);
        let next = (seconds * 2).clamp(60, 900);
        waits(&api.guess(HOME, email, "password").await, &next.to_string());
    }
    // Others are not touched: neither accounts nor places.
    api.sign_up("jill@example.com").await;
    api.guess(HOME, "jill@example.com", "password").await.ok();
    api.guess("198.51.100.1", email, "password").await.ok();
    // A right password begins anew.
    api.advance(900);
    api.guess(HOME, email, "password").await.ok();
    for _ in 0..3 {
        is(&api.guess(HOME, email, "wrong").await, WRONG);
    }
    waits(&api.guess(HOME, email, "password").await, "30");
    let kept = "select bool_and(key ~ '^[0-9a-f]{64}$') from auth.basalt_lockouts";
    assert_eq!(api.value(kept).await.unwrap(), "t", "no address is kept");
}

/// Each guess comes from another address: a limit of clients is none.
#[actix_web::test]
async fn passwords_are_not_guessed_from_many_places() {
    let api = Api::start(after(10, 30)).await;
    api.sign_up("jane@example.com").await;
    for email in ["jane@example.com", "nobody@example.com"] {
        for n in 0..30 {
            is(&api.guess(&format!("198.51.100.{n}"), email, "wrong").await, WRONG);
        }
        waits(&api.guess("198.51.100.99", &email.to_uppercase(), "password").await, "30");
    }
    // The owner is not locked out where they are known, and opens the door again.
    api.guess(HOME, "jane@example.com", "password").await.ok();
    api.guess("198.51.100.99", "jane@example.com", "password").await.ok();
    // A network of IPv6 is one place.
    api.guess("2001:db8:1:2::1", "jane@example.com", "password").await.ok();
    for n in 0..30 {
        is(&api.guess(&format!("203.0.113.{n}"), "jane@example.com", "wrong").await, WRONG);
    }
    is(&api.guess("2001:db8:1:3::1", "jane@example.com", "password").await, WAIT);
    api.guess("2001:db8:1:2:ffff::9", "jane@example.com", "password").await.ok();
    api.advance(30);
    is(&api.guess("198.51.100.99", "nobody@example.com", "wrong").await, WRONG);
}

/// Known is also who signed out there, and who came in by a link: neither can be shut out by strangers, however
/// long they go on.
#[actix_web::test]
async fn strangers_do_not_shut_the_owner_out() {
    let api = Api::start(after(3, 5)).await;
    let session = api.sign_up("jane@example.com").await;
    api.guess("192.0.2.77", "jane@example.com", "password").await.ok();
    api.post_as(session["access_token"].as_str().unwrap(), "/logout", json!({})).await;
    assert_eq!(api.value("select count(*) from auth.sessions").await.unwrap(), "0");
    for n in 0..20 {
        api.guess(&format!("198.51.100.{n}"), "jane@example.com", "wrong").await;
        api.advance(400);
    }
    is(&api.guess("192.0.2.78", "jane@example.com", "password").await, WAIT);
    // A typing error at home counts at home.
    is(&api.guess("192.0.2.77", "jane@example.com", "pasword").await, WRONG);
    api.guess("192.0.2.77", "jane@example.com", "password").await.ok();
}

/// Whoever asks often at once gets no more answers than one after the other; a right one among them tells
/// nothing once the wait has begun.
#[actix_web::test]
async fn guesses_at_once_are_counted_all() {
    let api = Api::start(after(3, 100)).await;
    api.sign_up("jane@example.com").await;
    let guesses = (0..20).map(|_| api.guess(HOME, "jane@example.com", "wrong"));
    let statuses: Vec<_> = join_all(guesses).await.into_iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 400 | 429)), "{statuses:?}");
    is(&api.guess(HOME, "jane@example.com", "password").await, WAIT);
    assert_eq!(api.value("select max(failures) from auth.basalt_lockouts").await.unwrap(), "3");
}

#[actix_web::test]
async fn right_passwords_at_once_are_none_too_many() {
    let api = Api::start(after(3, 3)).await;
    api.sign_up("jane@example.com").await;
    for _ in 0..2 {
        is(&api.guess(HOME, "jane@example.com", "wrong").await, WRONG);
    }
    for answer in join_all((0..12).map(|_| api.guess(HOME, "jane@example.com", "password"))).await {
        answer.ok();
    }
}

/// That the account is banned, or not confirmed, is not told either while one has to wait.
#[actix_web::test]
async fn a_wait_hides_what_else_is_wrong() {
    let mut config = confirming();
    config.lockout.attempts = 2;
    let api = Api::start(config).await;
    api.sign_up("jane@example.com").await;
    for _ in 0..2 {
        is(&api.guess(HOME, "jane@example.com", "wrong").await, WRONG);
    }
    is(&api.guess(HOME, "jane@example.com", "password").await, WAIT);
}

/// Numbers count as they are dialled, and apart from the address of the same account.
#[actix_web::test]
async fn numbers_wait_too() {
    let api = Api::start(after(2, 100)).await;
    api.post("/signup", json!({ "phone": "15551230001", "password": "password" })).await.ok();
    let guess = async |phone: &str, password: &str| {
        api.post("/token?grant_type=password", json!({ "phone": phone, "password": password })).await
    };
    is(&guess("+15551230001", "wrong").await, WRONG);
    is(&guess("15551230001", "wrong").await, WRONG);
    is(&guess("+15551230001", "password").await, WAIT);
}

/// Where Postgres takes a letter for another that is counted apart, guesses at each spelling would be counted apart.
#[actix_web::test]
async fn an_address_has_one_spelling() {
    let api = Api::start(after(2, 100)).await;
    api.sign_up("ian@example.com").await;
    // Capital letters whose small ones are an i and a k.
    for spelling in ["\u{130}an@example.com", "\u{131}an@example.com"] {
        is(&api.guess(HOME, spelling, "password").await, WRONG);
    }
    api.sign_up("kim@example.com").await;
    for _ in 0..2 {
        is(&api.guess(HOME, "kim@example.com", "wrong").await, WRONG);
    }
    is(&api.guess(HOME, "\u{212a}im@example.com", "password").await, WAIT);
}

#[actix_web::test]
async fn it_can_be_switched_off() {
    let api = Api::start(after(0, 0)).await;
    api.sign_up("jane@example.com").await;
    for _ in 0..40 {
        is(&api.guess(HOME, "jane@example.com", "wrong").await, WRONG);
    }
    api.guess(HOME, "jane@example.com", "password").await.ok();
    assert_eq!(api.value("select count(*) from auth.basalt_lockouts").await.unwrap(), "0");
}
