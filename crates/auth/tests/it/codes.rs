//! Codes and links: `/verify`, `/otp`, `/magiclink`, `/recover`, `/resend`, and the code exchange.

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, confirming, open, request};
use crate::log::Log;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

impl Api {
    /// The hash that a mailed link would carry.
    async fn hash(&self, token_type: &str) -> String {
        let sql = format!("select token_hash from auth.one_time_tokens where token_type = '{token_type}'");
        self.value(&sql).await.expect("a token is pending")
    }

    pub async fn follow(&self, hash: &str, kind: &str) -> Answer {
        let path = format!("/verify?token={hash}&type={kind}&redirect_to=https://app.test/in");
        self.send(request(Method::GET, &path, "")).await
    }
}

#[actix_web::test]
async fn a_link_confirms_and_lets_in() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    let hash = api.hash("confirmation_token").await;
    let answer = api.follow(&hash, "signup").await;
    assert_eq!(answer.status, 303);
    let (target, fragment) = answer.header("location").split_once('#').unwrap();
    assert_eq!(target, "https://app.test/in");
    let keys: Vec<&str> = fragment.split('&').filter_map(|pair| pair.split('=').next()).collect();
    assert_eq!(
        keys,
        ["access_token", "expires_at", "expires_in", "refresh_token", "sb", "token_type", "type"]
    );
    assert!(fragment.ends_with("&sb=&token_type=bearer&type=signup"), "{fragment}");
    let access = fragment.split('&').next().unwrap().trim_start_matches("access_token=");
    let user = api.get("/user", access).await.ok();
    assert!(user["email_confirmed_at"].is_string());
    assert_eq!(user["identities"][0]["identity_data"]["email_verified"], true);
    assert_eq!(api.claims(&json!(access))["amr"][0]["method"], "otp");
    let again = api.follow(&hash, "signup").await;
    assert_eq!(
        again.header("location"),
        "https://app.test/in#error=access_denied&error_code=otp_expired\
         &error_description=Email+link+is+invalid+or+has+expired&sb="
    );
}

#[actix_web::test]
async fn a_link_leads_only_where_it_may() {
    let api = Api::start(confirming()).await;
    let path = "/verify?token=x&type=signup&redirect_to=https://evil.test/";
    let answer = api.send(request(Method::GET, path, "")).await;
    assert!(
        answer.header("location").starts_with("http://127.0.0.1:3000#error=access_denied"),
        "{}",
        answer.header("location")
    );
    let missing = api.send(request(Method::GET, "/verify?token=x", "")).await;
    missing.refused(400, "validation_failed", "Verify requires a verification type");
    let missing = api.send(request(Method::GET, "/verify?type=signup", "")).await;
    missing.refused(400, "validation_failed", "Verify requires a token or a token hash");
}

#[actix_web::test]
async fn a_refused_target_does_not_fill_the_log() {
    let api = Api::start(open()).await;
    let log = Log::begin();
    let target = format!("https://evil.test/{}", "x".repeat(50_000));
    let request = request(Method::GET, "/settings", "").insert_header(("redirect_to", target));
    assert_eq!(api.send(request).await.status, 200);
    let lines = log.lines("https://evil.test/");
    assert!(lines.len() == 1 && lines[0].len() < 500, "{lines:?}");
}

#[actix_web::test]
async fn mail_scanners_do_not_use_a_link_up() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    let path = format!("/verify?token={}&type=signup", api.hash("confirmation_token").await);
    let head = api.send(request(Method::HEAD, &path, "")).await;
    assert_eq!(head.status, 405);
    assert_eq!(api.value("select email_confirmed_at from auth.users").await, None);
}

#[actix_web::test]
async fn a_code_is_as_good_as_its_link() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    // The hash of jane@example.com and 123456.
    let known = "09182592d78ce09da2160e099c868901ed75944e6db34de59bdf8a62";
    api.sql(&format!("update auth.users set confirmation_token = '{known}'")).await;
    let verify = async |email: &str, code: &str, kind: &str| {
        api.post("/verify", json!({ "email": email, "token": code, "type": kind })).await
    };
    for (email, code, kind) in [
        ("jane@example.com", "654321", "signup"),
        ("john@example.com", "123456", "signup"),
        ("jane@example.com", "123456", "recovery"),
    ] {
        verify(email, code, kind).await.refused(403, "otp_expired", "Token has expired or is invalid");
    }
    api.advance(3601);
    verify("jane@example.com", "123456", "email").await.refused(
        403,
        "otp_expired",
        "Token has expired or is invalid",
    );
    api.sql("update auth.users set confirmation_sent_at = '2027-01-15 09:00Z'").await;
    assert_eq!(verify("Jane@example.com", "123456", "email").await.ok()["user"]["email"], "jane@example.com");
}

/// The hash of jane@example.com and 123456.
const KNOWN: &str = "09182592d78ce09da2160e099c868901ed75944e6db34de59bdf8a62";

#[actix_web::test]
async fn guessing_a_code_makes_it_void() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    api.sql(&format!("update auth.users set confirmation_token = '{KNOWN}'")).await;
    let verify = async |code: &str| {
        api.post("/verify", json!({ "email": "jane@example.com", "token": code, "type": "signup" })).await
    };
    for _ in 0..11 {
        verify("000000").await.refused(403, "otp_expired", "Token has expired or is invalid");
    }
    verify("123456").await.refused(403, "otp_expired", "Token has expired or is invalid");
    let link = api.hash("confirmation_token").await;
    let body = json!({ "type": "email", "token_hash": link });
    assert_eq!(api.post("/verify", body).await.ok()["user"]["email"], "jane@example.com", "the link is good");
}

/// Otherwise anyone could keep anyone else out.
#[actix_web::test]
async fn guesses_do_not_count_against_the_next_code() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let verify = async |code: &str| {
        api.post("/verify", json!({ "email": "jane@example.com", "token": code, "type": "magiclink" })).await
    };
    for _ in 0..2 {
        api.advance(61);
        assert_eq!(api.post("/recover", json!({ "email": "jane@example.com" })).await.status, 200);
        for _ in 0..12 {
            assert_eq!(verify("000000").await.status, 403);
        }
    }
    api.advance(61);
    assert_eq!(api.post("/recover", json!({ "email": "jane@example.com" })).await.status, 200);
    api.sql(&format!("update auth.users set recovery_token = '{KNOWN}'")).await;
    assert_eq!(verify("000000").await.status, 403);
    assert_eq!(verify("123456").await.status, 200);
}

/// Guesses at what was sent to sign in are no reason to forget what was sent to confirm a change.
#[actix_web::test]
async fn guesses_void_only_the_code_they_were_meant_for() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let user = session["access_token"].as_str().unwrap();
    api.put_as(user, "/user", json!({ "email": "new@example.com" })).await.ok();
    api.get("/reauthenticate", user).await.ok();
    api.post("/recover", json!({ "email": "jane@example.com" })).await.ok();
    let wrong = json!({ "email": "jane@example.com", "token": "000000", "type": "recovery" });
    for _ in 0..12 {
        assert_eq!(api.post("/verify", wrong.clone()).await.status, 403);
    }
    let left = "select recovery_token = '', reauthentication_token <> '', email_change_token_new <> ''
                  from auth.users";
    assert_eq!(api.value(left).await.as_deref(), Some("t,t,t"));
    assert_eq!(api.value("select count(*) > 2 from auth.one_time_tokens").await.as_deref(), Some("t"));
}

#[actix_web::test]
async fn codes_that_confirm_a_change_cannot_be_guessed_either() {
    let api = Api::start(open()).await;
    for email in ["john@example.com", "jane@example.com"] {
        let session = api.sign_up(email).await;
        let user = session["access_token"].as_str().unwrap();
        api.put_as(user, "/user", json!({ "email": "new@example.com" })).await.ok();
    }
    let wrong = json!({ "email": "new@example.com", "token": "000000", "type": "email_change" });
    for _ in 0..12 {
        let answer = api.post("/verify", wrong.clone()).await;
        answer.refused(403, "otp_expired", "Token has expired or is invalid");
    }
    let void =
        "select bool_and(email_change_token_new = '' and email_change_token_current <> '') from auth.users";
    assert_eq!(api.value(void).await.as_deref(), Some("t"));
}

const HOLD: &str = "select from auth.users for update";

#[actix_web::test]
async fn a_link_lets_in_once_however_many_follow_it_at_once() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    api.post("/recover", json!({ "email": "jane@example.com" })).await.ok();
    let hash = api.hash("recovery_token").await;
    let body = || json!({ "type": "recovery", "token_hash": hash });
    let all = join_all((0..8).map(|_| api.post("/verify", body())));
    let answers = api.contend(HOLD, 3, all).await;
    let (lucky, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(lucky.len(), 1);
    for answer in others {
        answer.refused(403, "otp_expired", "Email link is invalid or has expired");
    }
    assert_eq!(api.value("select count(*) from auth.sessions").await.as_deref(), Some("2"));
}

#[actix_web::test]
async fn a_code_lets_in_once_however_many_send_it_at_once() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    api.post("/recover", json!({ "email": "jane@example.com" })).await.ok();
    api.sql(&format!("update auth.users set recovery_token = '{KNOWN}'")).await;
    let body = || json!({ "type": "email", "email": "jane@example.com", "token": "123456" });
    let all = join_all((0..8).map(|_| api.post("/verify", body())));
    let answers = api.contend(HOLD, 3, all).await;
    let (lucky, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(lucky.len(), 1);
    for answer in others {
        answer.refused(403, "otp_expired", "Token has expired or is invalid");
    }
    assert_eq!(api.value("select count(*) from auth.sessions").await.as_deref(), Some("2"));
}

#[actix_web::test]
async fn verifications_that_make_no_sense() {
    let api = Api::start(open()).await;
    let check = async |body: Value, status, code: &str, message: &str| {
        api.post("/verify", body).await.refused(status, code, message);
    };
    let either = "Verify requires either a token or a token hash";
    check(json!({ "token": "1" }), 400, "validation_failed", "Verify requires a verification type").await;
    check(json!({ "type": "signup" }), 400, "validation_failed", either).await;
    check(json!({ "type": "signup", "token": "1", "token_hash": "x" }), 400, "validation_failed", either)
        .await;
    let only = "Only the token_hash and type should be provided";
    check(json!({ "type": "signup", "token_hash": "x", "email": "a@b.c" }), 400, "validation_failed", only)
        .await;
    let one = "Only an email address or phone number should be provided on verify";
    check(json!({ "type": "signup", "token": "1" }), 400, "validation_failed", one).await;
    check(
        json!({ "type": "signup", "token": "1", "email": "a" }),
        422,
        "validation_failed",
        "Invalid email format",
    )
    .await;
    let kind = "Invalid email verification type";
    check(json!({ "type": "sms", "token_hash": "x" }), 400, "validation_failed", kind).await;
    let hash = json!({ "type": "magiclink", "token_hash": "x" });
    check(hash, 403, "otp_expired", "Email link is invalid or has expired").await;
    let phone = json!({ "type": "sms", "token": "123456", "phone": "15550000000" });
    check(phone, 403, "otp_expired", "Token has expired or is invalid").await;
}

#[actix_web::test]
async fn recovery_lets_in_and_uses_itself_up() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    assert_eq!(api.post("/recover", json!({ "email": "jane@example.com" })).await.ok(), json!({}));
    let hash = api.hash("recovery_token").await;
    let body = json!({ "type": "recovery", "token_hash": hash });
    assert_eq!(api.post("/verify", body.clone()).await.ok()["user"]["id"], session["user"]["id"]);
    api.post("/verify", body).await.refused(403, "otp_expired", "Email link is invalid or has expired");
    let early = api.post("/recover", json!({ "email": "jane@example.com" })).await;
    early.refused(
        429,
        "over_email_send_rate_limit",
        "For security purposes, you can only request this after 60 seconds.",
    );
    api.post("/recover", json!({})).await.refused(
        400,
        "validation_failed",
        "Password recovery requires an email",
    );
}

#[actix_web::test]
async fn signing_in_by_link_makes_an_account_unless_told_not_to() {
    let api = Api::start(open()).await;
    let none = json!({ "email": "jane@example.com", "create_user": false });
    api.post("/otp", none).await.refused(422, "otp_disabled", "Signups not allowed for otp");
    let body = json!({ "email": "jane@example.com", "data": { "name": "Jane" } });
    assert_eq!(api.post("/otp", body).await.ok(), json!({}));
    let verify = json!({ "type": "email", "token_hash": api.hash("recovery_token").await });
    let session = api.post("/verify", verify).await.ok();
    assert_eq!(session["user"]["user_metadata"]["name"], "Jane");
    let check = async |path: &str, body: Value, status, message: &str| {
        api.post(path, body).await.refused(status, "validation_failed", message);
    };
    check("/otp", json!({}), 400, "One of email or phone must be set").await;
    let both = json!({ "email": "a@b.c", "phone": "1555" });
    check("/otp", both, 400, "Only an email address or phone number should be provided").await;
    let channel = json!({ "email": "a@b.c", "channel": "sms" });
    check("/otp", channel, 400, "Channel should only be specified with Phone OTP").await;
    check("/magiclink", json!({}), 422, "Password recovery requires an email").await;
}

#[actix_web::test]
async fn numbers_have_no_provider_but_test_numbers_work() {
    let mut config = open();
    config.sms.test_otp.insert("1234567890".to_owned(), "123456".to_owned());
    let api = Api::start(config).await;
    let answer = api.post("/otp", json!({ "phone": "+1234567890" })).await.ok();
    assert_eq!(answer, json!({ "message_id": "test-otp" }));
    let wrong = json!({ "type": "sms", "phone": "1234567890", "token": "654321" });
    api.post("/verify", wrong).await.refused(403, "otp_expired", "Token has expired or is invalid");
    let right = json!({ "type": "sms", "phone": "1234567890", "token": "123456" });
    assert_eq!(api.post("/verify", right).await.ok()["user"]["phone"], "1234567890");
    let other = api.post("/otp", json!({ "phone": "15551234567" })).await;
    other.refused(500, "unexpected_failure", "Unable to get SMS provider");
}

#[actix_web::test]
async fn resending() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    let before = api.hash("confirmation_token").await;
    api.advance(61);
    let body = json!({ "type": "signup", "email": "jane@example.com" });
    assert_eq!(api.post("/resend", body).await.ok(), json!({}));
    assert_ne!(api.hash("confirmation_token").await, before);
    let check = async |body: Value, message: &str| {
        api.post("/resend", body).await.refused(400, "validation_failed", message);
    };
    check(json!({ "type": "x" }), "Missing one of these types: signup, email_change, sms, phone_change")
        .await;
    check(json!({ "type": "signup", "phone": "1555" }), "Type provided requires an email address").await;
    check(json!({ "type": "sms", "email": "a@b.c" }), "Type provided requires a phone number").await;
    check(json!({ "type": "email_change" }), "Missing email address or phone number").await;
    let both = json!({ "type": "sms", "email": "a@b.c", "phone": "1555" });
    check(both, "Only an email address or phone number should be provided.").await;
}

/// Sign-up with a challenge, the link followed, the code exchanged.
#[actix_web::test]
async fn a_link_of_a_pkce_sign_up_is_worth_nothing_without_the_verifier() {
    let api = Api::start(confirming()).await;
    let body = json!({
        "email": "jane@example.com", "password": "password",
        "code_challenge": CHALLENGE, "code_challenge_method": "s256",
    });
    api.post("/signup", body).await.ok();
    let hash = api.hash("confirmation_token").await;
    assert!(hash.starts_with("pkce_"), "{hash}");
    let location = api.follow(&hash, "signup").await.header("location").to_owned();
    let code = location.strip_prefix("https://app.test/in?code=").unwrap_or_else(|| panic!("{location}"));
    let exchange = async |code: &str, verifier: &str| {
        api.post("/token?grant_type=pkce", json!({ "auth_code": code, "code_verifier": verifier })).await
    };
    let wrong = "code challenge does not match previously saved code verifier";
    exchange(code, CHALLENGE).await.refused(400, "bad_code_verifier", wrong);
    let session = exchange(code, VERIFIER).await.ok();
    assert_eq!(api.claims(&session["access_token"])["amr"][0]["method"], "email/signup");
    let missing = "invalid flow state, no valid flow state found";
    exchange(code, VERIFIER).await.refused(404, "flow_state_not_found", missing);
    let empty = "invalid request: both auth code and code verifier should be non-empty";
    exchange("", "").await.refused(400, "validation_failed", empty);
}

#[actix_web::test]
async fn a_code_is_exchanged_in_time_or_not_at_all() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let body =
        json!({ "email": "jane@example.com", "code_challenge": CHALLENGE, "code_challenge_method": "s256" });
    api.post("/recover", body).await.ok();
    let location =
        api.follow(&api.hash("recovery_token").await, "recovery").await.header("location").to_owned();
    let code = location.rsplit('=').next().unwrap();
    api.advance(301);
    let answer =
        api.post("/token?grant_type=pkce", json!({ "auth_code": code, "code_verifier": VERIFIER })).await;
    answer.refused(422, "flow_state_expired", "invalid flow state, flow state has expired");
}

#[actix_web::test]
async fn banned_users_do_not_come_in_by_link() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    api.post("/recover", json!({ "email": "jane@example.com" })).await.ok();
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    let body = json!({ "type": "recovery", "token_hash": api.hash("recovery_token").await });
    api.post("/verify", body).await.refused(403, "user_banned", "User is banned");
}
