//! Requests that cannot be read, parts that are switched off, and callers who may not.

use std::time::Duration;

use actix_web::http::Method;
use kernel::units::Span;
use serde_json::json;

use super::{Catalogue, both, get, post, put, token};
use crate::harness::{Api, open, request};

/// What is shown here.
pub const CODES: &str = "anonymous_provider_disabled bad_json bad_jwt email_address_not_authorized email_provider_disabled \
    feature_disabled invalid_credentials manual_linking_disabled no_authorization not_admin otp_disabled \
    passkey_disabled phone_provider_disabled provider_disabled request_entity_too_large request_timeout \
    session_expired session_not_found signup_disabled unexpected_failure unknown user_banned user_not_found \
    validation_failed";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        requests(c).await;
        switches(c).await;
        callers(c).await;
        time(c).await;
    })
    .await;
}

async fn requests(c: &Catalogue) {
    let api = Api::start(open()).await;
    let admin = api.service_role();
    c.check(&api, get("/nothing", ""), 404, "unknown", "404 page not found").await;
    c.check(&api, get("/signup", ""), 405, "unknown", "Method Not Allowed").await;
    let bad = request(Method::POST, "/signup", "").set_payload("{");
    c.check(&api, bad, 400, "bad_json", "Could not parse request body as JSON: …").await;
    let large = request(Method::POST, "/signup", "").set_payload(vec![b' '; 1024 * 1024 + 1]);
    let too_large = "Request body too large (max 1048576 bytes)";
    c.check(&api, large, 413, "request_entity_too_large", too_large).await;
    let check =
        async |ask, status, message: &str| c.check(&api, ask, status, "validation_failed", message).await;
    check(post("/signup", "", json!({ "email": "a@b.test" })), 400, "Signup requires a valid password").await;
    let signup = |key: &str, value: &str| post("/signup", "", json!({ key: value, "password": "password" }));
    check(signup("email", "nowhere"), 400, "Unable to validate email address: invalid format").await;
    check(signup("phone", "0"), 400, "Invalid phone number format (E.164 required)").await;
    let email = json!({ "type": "signup", "token": "123456", "email": "nowhere" });
    check(post("/verify", "", email), 422, "Invalid email format").await;
    check(get("/admin/users/x", &admin), 404, "user_id must be an UUID").await;
    check(get("/admin/users?page=-1", &admin), 400, "Bad Pagination Parameters: …").await;
    check(
        post("/admin/users", &admin, json!({})),
        400,
        "Cannot create a user without either an email or phone",
    )
    .await;
    let role = "x".repeat(256);
    let long = json!({ "email": "a@b.test", "role": role });
    check(post("/admin/users", &admin, long), 400, "The role is too long").await;
    check(get("/authorize?provider=acme", ""), 400, "Unsupported provider: Provider acme could not be found")
        .await;
    let type_of = post("/resend", "", json!({ "type": "x", "email": "a@b.test" }));
    check(type_of, 400, "Missing one of these types: signup, email_change, sms, phone_change").await;
    let grant = post("/token?grant_type=x", "", json!({}));
    c.check(&api, grant, 400, "invalid_credentials", "unsupported_grant_type").await;
    // The application's trigger refuses.
    api.sql(
        "create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
         create trigger refuse before insert on auth.users for each row execute function public.refuse()",
    )
    .await;
    let saving = "Database error saving new user";
    c.check(&api, signup("email", "jane@example.com"), 500, "unexpected_failure", saving).await;
}

async fn switches(c: &Catalogue) {
    let mut config = open();
    config.enable_anonymous_sign_ins = false;
    let api = Api::start(config.clone()).await;
    let session = api.sign_up("jane@example.com").await;
    let user = token(&session);
    let admin = api.service_role();
    let password = |key: &str, value: &str| json!({ key: value, "password": "password" });
    let anonymous = "Anonymous sign-ins are disabled";
    c.check(&api, post("/signup", "", json!({})), 422, "anonymous_provider_disabled", anonymous).await;
    let linking = get("/user/identities/authorize?provider=google", user);
    c.check(&api, linking, 404, "manual_linking_disabled", "Manual linking is disabled").await;
    c.check(&api, get("/passkeys/", user), 404, "passkey_disabled", "Passkeys are disabled").await;
    let server = "OAuth server is disabled";
    c.check(&api, get("/admin/oauth/clients", &admin), 404, "feature_disabled", server).await;
    c.check(&api, get("/scim/v2/Schemas", ""), 404, "feature_disabled", "SCIM server is disabled").await;
    let otp = post("/otp", "", json!({ "email": "new@example.com", "create_user": false }));
    c.check(&api, otp, 422, "otp_disabled", "Signups not allowed for otp").await;
    let id_token = post("/token?grant_type=id_token", "", json!({ "id_token": "x", "provider": "google" }));
    c.check(&api, id_token, 400, "provider_disabled", "Provider (issuer …").await;
    config.email.authorized_addresses = vec!["jane@example.com".to_owned()];
    config.email.enable_confirmations = true;
    let _ = api.auth.reload(config.clone());
    let elsewhere = "Email address \"x@example.com\" cannot be used as it is not authorized";
    let signup = post("/signup", "", password("email", "x@example.com"));
    c.check(&api, signup, 400, "email_address_not_authorized", elsewhere).await;
    config.email.enable_magic_link = false;
    let _ = api.auth.reload(config.clone());
    let link = "Login with magic link is disabled";
    let otp = post("/otp", "", json!({ "email": "jane@example.com" }));
    c.check(&api, otp, 422, "email_provider_disabled", link).await;
    config.enable_signup = false;
    let _ = api.auth.reload(config.clone());
    let signup = post("/signup", "", password("email", "new@example.com"));
    c.check(&api, signup, 422, "signup_disabled", "Signups not allowed for this instance").await;
    config.enable_signup = true;
    config.email.enable_signup = false;
    config.sms.enable_signup = false;
    let _ = api.auth.reload(config);
    for (key, value, code, kind) in [
        ("email", "new@example.com", "email_provider_disabled", "Email"),
        ("phone", "15551234567", "phone_provider_disabled", "Phone"),
    ] {
        let signup = post("/signup", "", password(key, value));
        c.check(&api, signup, 400, code, &format!("{kind} signups are disabled")).await;
        let login = post("/token?grant_type=password", "", password(key, value));
        c.check(&api, login, 422, code, &format!("{kind} logins are disabled")).await;
    }
    let otp = post("/otp", "", json!({ "phone": "15551234567" }));
    c.check(&api, otp, 400, "phone_provider_disabled", "Unsupported phone provider").await;
}

async fn callers(c: &Catalogue) {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let nobody = api.post("/signup", json!({})).await.ok();
    let check = async |token: &str, status, code: &str, message: &str| {
        c.check(&api, get("/user", token), status, code, message).await;
    };
    check("", 401, "no_authorization", "This endpoint requires a valid Bearer token").await;
    check("x", 403, "bad_jwt", "invalid JWT: unable to parse or verify signature, …").await;
    check(&api.token(json!({ "role": "anon" })), 403, "bad_jwt", "invalid claim: missing sub claim").await;
    let odd = api.token(json!({ "role": "authenticated", "sub": "x" }));
    check(&odd, 400, "bad_jwt", "invalid claim: sub claim must be a UUID").await;
    let gone = api.token(json!({ "role": "authenticated", "sub": "11111111-1111-4111-8111-111111111111" }));
    check(&gone, 403, "user_not_found", "User from sub claim in JWT does not exist").await;
    let id = &session["user"]["id"];
    let ended = api.token(json!({ "role": "authenticated", "sub": id, "session_id": id }));
    check(&ended, 403, "session_not_found", "Session from session_id claim in JWT does not exist").await;
    let anonymous = post("/factors", token(&nobody), json!({ "factor_type": "totp" }));
    let refused = "Anonymous user not allowed to perform these actions";
    c.check(&api, anonymous, 403, "no_authorization", refused).await;
    c.check(&api, get("/admin/users", token(&session)), 403, "not_admin", "User not allowed").await;
    let app_metadata = put("/user", token(&session), json!({ "app_metadata": { "a": 1 } }));
    let needs_admin = "Updating app_metadata requires admin privileges";
    c.check(&api, app_metadata, 403, "not_admin", needs_admin).await;
    let admin = api.service_role();
    let unknown = "/admin/users/11111111-1111-4111-8111-111111111111";
    c.check(&api, get(unknown, &admin), 404, "user_not_found", "User not found").await;
    let old = api.claims(&session["access_token"])["session_id"].clone();
    let acting = api.token(json!({ "role": "service_role", "sub": id, "session_id": old }));
    api.sql("update auth.sessions set not_after = '2020-01-01'").await;
    let expired = "Session is no longer valid";
    c.check(&api, get("/admin/users", &acting), 403, "session_expired", expired).await;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    check(token(&session), 403, "user_banned", "User is banned").await;
}

async fn time(c: &Catalogue) {
    let mut config = open();
    config.max_request_duration = Span(Duration::from_millis(200));
    let api = Api::start(config).await;
    let mut holder = api.database.pool_as("supabase_auth_admin").begin().await.unwrap();
    holder.batch("lock table auth.users in access exclusive mode").await.unwrap();
    let recover = post("/recover", "", json!({ "email": "jane@example.com" }));
    let late = "Processing this request timed out, please retry after a moment.";
    c.check(&api, recover, 504, "request_timeout", late).await;
}
