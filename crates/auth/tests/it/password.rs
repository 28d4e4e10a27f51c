//! The password grant.

use serde_json::json;

use crate::harness::{Api, open};

#[actix_web::test]
async fn the_right_password_opens_a_new_session() {
    let api = Api::start(open()).await;
    let first = api.sign_up("jane@example.com").await;
    api.advance(10);
    let second = api.sign_in("Jane@Example.com", "password").await.ok();
    assert_eq!(second["user"]["id"], first["user"]["id"]);
    assert_eq!(second["user"]["last_sign_in_at"], "2027-01-15T08:00:10.123456Z");
    let (a, b) = (api.claims(&first["access_token"]), api.claims(&second["access_token"]));
    assert_ne!(a["session_id"], b["session_id"]);
    assert_eq!(api.value("select count(*) from auth.sessions").await.as_deref(), Some("2"));
    let row = "select user_agent, host(ip) from auth.sessions order by created_at desc limit 1";
    assert_eq!(api.value(row).await.as_deref(), Some(",192.0.2.1"));
}

#[actix_web::test]
async fn imported_hashes_are_accepted() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let bcrypt = bcrypt::hash("password", 4).unwrap();
    for (hash, password) in [
        (
            "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk",
            "correct horse",
        ),
        (&bcrypt, "password"),
        (&bcrypt.replacen("$2b$", "$2a$", 1), "password"),
        (&bcrypt.replacen("$2b$", "$2y$", 1), "password"),
    ] {
        api.sql(&format!("update auth.users set encrypted_password = '{hash}'")).await;
        assert_eq!(api.sign_in("jane@example.com", password).await.status, 200, "{hash}");
        assert_eq!(api.sign_in("jane@example.com", "wrong").await.status, 400, "{hash}");
        let stored = api.value("select encrypted_password from auth.users").await;
        assert_eq!(stored.as_deref(), Some(hash), "a sign-in leaves imported hashes alone");
    }
}

#[actix_web::test]
async fn accounts_without_password_cannot_be_entered_by_one() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    for stored in ["''", "null", "'not a hash'"] {
        api.sql(&format!("update auth.users set encrypted_password = {stored}")).await;
        for password in ["password", "", "not a hash"] {
            let answer = api.sign_in("jane@example.com", password).await;
            answer.refused(400, "invalid_credentials", "Invalid login credentials");
        }
    }
}

#[actix_web::test]
async fn a_ban_is_told_only_to_who_knows_the_password() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    let wrong = api.sign_in("jane@example.com", "wrong").await;
    wrong.refused(400, "invalid_credentials", "Invalid login credentials");
    api.sign_in("jane@example.com", "password").await.refused(400, "user_banned", "User is banned");
    api.sql("update auth.users set banned_until = '2027-01-15 07:59Z'").await;
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 200);
}

#[actix_web::test]
async fn a_password_that_became_too_weak_is_pointed_out() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let mut strict = open();
    strict.minimum_password_length = 12;
    let _ = api.auth.reload(strict);
    let session = api.sign_in("jane@example.com", "password").await.ok();
    let expected = json!({ "message": "Password should be at least 12 characters.", "reasons": ["length"] });
    assert_eq!(session["weak_password"], expected);
}

#[actix_web::test]
async fn requests_that_make_no_sense() {
    let api = Api::start(open()).await;
    let check = async |path: &str, body, status, code: &str, message: &str| {
        api.post(path, body).await.refused(status, code, message);
    };
    let grant = "/token?grant_type=password";
    check(grant, json!({ "password": "x" }), 400, "validation_failed", "missing email or phone").await;
    let both = json!({ "email": "a@b.c", "phone": "1555", "password": "x" });
    check(
        grant,
        both,
        400,
        "validation_failed",
        "Only an email address or phone number should be provided on login.",
    )
    .await;
    check("/token", json!({}), 400, "invalid_credentials", "unsupported_grant_type").await;
    check(
        "/token?grant_type=client_credentials",
        json!({}),
        400,
        "invalid_credentials",
        "unsupported_grant_type",
    )
    .await;
    let mut without = open();
    without.email.enable_signup = false;
    without.sms.enable_signup = false;
    let _ = api.auth.reload(without);
    check(
        grant,
        json!({ "email": "a@b.c", "password": "x" }),
        422,
        "email_provider_disabled",
        "Email logins are disabled",
    )
    .await;
    check(
        grant,
        json!({ "phone": "15551234567", "password": "x" }),
        422,
        "phone_provider_disabled",
        "Phone logins are disabled",
    )
    .await;
}

/// Comparing takes long. What happened to the account in the meantime counts.
#[actix_web::test]
async fn an_account_that_changes_while_the_password_is_compared_is_not_entered() {
    for (change, code) in [
        ("update auth.users set encrypted_password = 'another'", "invalid_credentials"),
        ("update auth.users set deleted_at = now()", "invalid_credentials"),
        ("update auth.users set banned_until = '2100-01-01'", "user_banned"),
        ("delete from auth.users", "invalid_credentials"),
    ] {
        let api = Api::start(open()).await;
        api.sign_up("jane@example.com").await;
        api.sql("delete from auth.sessions").await;
        let answer = api.contend(change, 1, api.sign_in("jane@example.com", "password")).await;
        assert_eq!(answer.error(), (400, code), "{change}");
        assert_eq!(api.value("select count(*) from auth.sessions").await.as_deref(), Some("0"), "{change}");
    }
}
