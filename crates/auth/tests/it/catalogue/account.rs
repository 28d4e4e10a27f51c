//! Changes of an account, and of its ways in.

use serde_json::{Value, json};

use super::{Catalogue, both, delete, get, post, put, token};
use crate::harness::{Api, open};

/// What is shown here.
pub const CODES: &str = "current_password_invalid current_password_required email_conflict_identity_not_deletable email_exists \
    email_not_confirmed identity_not_found phone_exists phone_not_confirmed reauthentication_needed \
    reauthentication_not_valid same_password single_identity_not_deletable unexpected_audience \
    user_sso_managed";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        changes(c).await;
        identities(c).await;
    })
    .await;
}

async fn changes(c: &Catalogue) {
    let mut config = open();
    config.email.secure_password_change = true;
    config.email.require_current_password = true;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    api.sign_up("john@example.com").await;
    api.post("/signup", json!({ "phone": "15551234567", "password": "password" })).await.ok();
    let user = token(&session).to_owned();
    let admin = api.service_role();
    let change = async |body: Value, status, code: &str, message: &str| {
        c.check(&api, put("/user", &user, body), status, code, message).await;
    };
    let current = "Current password required when setting new password.";
    change(json!({ "password": "another" }), 400, "current_password_required", current).await;
    let wrong = json!({ "password": "another", "current_password": "wrong" });
    change(wrong, 400, "current_password_invalid", current).await;
    let same = json!({ "password": "password", "current_password": "password" });
    let different = "New password should be different from the old password.";
    change(same, 422, "same_password", different).await;
    let taken = "A user with this email address has already been registered";
    change(json!({ "email": "john@example.com" }), 422, "email_exists", taken).await;
    let taken = "A user with this phone number has already been registered";
    change(json!({ "phone": "15551234567" }), 422, "phone_exists", taken).await;
    let body = json!({ "phone": "15551234567" });
    let taken = "Phone number already registered by another user";
    c.check(&api, post("/admin/users", &admin, body), 422, "phone_exists", taken).await;
    api.sql("update auth.sessions set created_at = '2027-01-14'").await;
    let needed = "Password update requires reauthentication";
    change(json!({ "password": "another" }), 400, "reauthentication_needed", needed).await;
    let nonce = json!({ "password": "another", "nonce": "123456" });
    let invalid = "Nonce has expired or is invalid";
    change(nonce, 422, "reauthentication_not_valid", invalid).await;
    api.sql("update auth.users set email_confirmed_at = null where email = 'jane@example.com'").await;
    let first = "Please verify your email first.";
    c.check(&api, get("/reauthenticate", &user), 422, "email_not_confirmed", first).await;
    api.sql(
        "update auth.users set email = null, phone = '15550001111', phone_confirmed_at = null where email = 'jane@example.com'",
    )
    .await;
    let first = "Please verify your phone first.";
    c.check(&api, get("/reauthenticate", &user), 422, "phone_not_confirmed", first).await;
    api.sql("update auth.users set is_sso_user = true").await;
    let sso = "Updating email, phone, password of a SSO account only possible via SSO";
    change(json!({ "email": "new@example.com" }), 422, "user_sso_managed", sso).await;
}

async fn identities(c: &Catalogue) {
    let mut config = open();
    config.enable_manual_linking = true;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    api.sign_up("john@example.com").await;
    let user = token(&session);
    let id = session["user"]["identities"][0]["identity_id"].as_str().unwrap();
    let path = format!("/user/identities/{id}");
    let last = "User must have at least 1 identity after unlinking";
    c.check(&api, delete(&path, user), 422, "single_identity_not_deletable", last).await;
    api.sql(
        "insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
         select '1', id, '{\"sub\": \"1\", \"email\": \"john@example.com\", \"email_verified\": true}', 'google', now(), now()
           from auth.users where email = 'jane@example.com'",
    )
    .await;
    let other = "/user/identities/11111111-1111-4111-8111-111111111111";
    c.check(&api, delete(other, user), 422, "identity_not_found", "Identity doesn't exist").await;
    let conflict = "Unable to unlink identity due to email conflict";
    c.check(&api, delete(&path, user), 422, "email_conflict_identity_not_deletable", conflict).await;
    let elsewhere = delete(&path, user).insert_header(("x-jwt-aud", "elsewhere"));
    let audience = "Token audience doesn't match request audience";
    c.check(&api, elsewhere, 403, "unexpected_audience", audience).await;
}
