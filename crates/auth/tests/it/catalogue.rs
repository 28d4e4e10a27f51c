//! The catalogue of errors: what clients match on, in both versions of the API.
//!
//! Errors that only a browser sees on its way back from another provider (`oauth.rs`) and those for
//! which an authenticator is needed (`passkeys.rs`) are told there.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use auth::Config;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::{Answer, Api, confirming, open, request};

/// Every code that an API without other providers, SAML, wallets, hooks and an OAuth server gives.
const CODES: &str = "anonymous_provider_disabled bad_code_verifier bad_json bad_jwt conflict current_password_invalid \
    current_password_required email_address_not_authorized email_conflict_identity_not_deletable email_exists \
    email_not_confirmed email_provider_disabled feature_disabled flow_state_expired flow_state_not_found \
    identity_not_found insufficient_aal invalid_credentials manual_linking_disabled mfa_challenge_expired \
    mfa_factor_name_conflict mfa_factor_not_found mfa_ip_address_mismatch mfa_phone_enroll_not_enabled \
    mfa_phone_verify_not_enabled mfa_totp_enroll_not_enabled mfa_totp_verify_not_enabled mfa_verification_failed \
    mfa_verified_factor_exists mfa_webauthn_enroll_not_enabled mfa_webauthn_verify_not_enabled no_authorization \
    not_admin otp_disabled otp_expired over_email_send_rate_limit over_request_rate_limit over_sms_send_rate_limit \
    passkey_disabled phone_exists phone_not_confirmed phone_provider_disabled provider_disabled \
    reauthentication_needed reauthentication_not_valid refresh_token_already_used refresh_token_not_found \
    request_entity_too_large same_password session_expired session_not_found signup_disabled \
    single_identity_not_deletable too_many_enrolled_mfa_factors too_many_passkeys unexpected_audience \
    unexpected_failure unknown user_already_exists user_banned user_not_found user_sso_managed validation_failed \
    weak_password webauthn_challenge_not_found webauthn_verification_failed";

/// Asks in one version of the API and notes what is not as it should be.
struct Catalogue {
    version: &'static str,
    seen: RefCell<BTreeSet<String>>,
    wrong: RefCell<Vec<String>>,
}

impl Catalogue {
    /// The message may go on where it ends with `…`.
    async fn check(&self, api: &Api, ask: TestRequest, status: u16, code: &str, message: &str) -> Answer {
        let answer = api.send(ask.insert_header(("x-supabase-api-version", self.version))).await;
        let newer = self.version == "2024-01-01";
        let [code_at, message_at] = if newer { ["code", "message"] } else { ["error_code", "msg"] };
        let said = answer.body[message_at].as_str().unwrap_or_default();
        let worded = match message.strip_suffix('…') {
            Some(begin) => said.starts_with(begin),
            None => said == message,
        };
        let shaped = if newer {
            answer.header("x-supabase-api-version") == "2024-01-01" && answer.body.get("error_code").is_none()
        } else {
            answer.body["code"] == status && answer.header("x-supabase-api-version").is_empty()
        };
        let coded = answer.body[code_at] == code && answer.header("x-sb-error-code") == code;
        if !(answer.status == status && coded && worded && shaped) {
            self.wrong.borrow_mut().push(format!(
                "expected {status} {code} {message:?}, got {} {} (version {:?})",
                answer.status,
                answer.text.get(..300).unwrap_or(&answer.text),
                self.version
            ));
        }
        self.seen.borrow_mut().insert(code.to_owned());
        answer
    }
}

fn get(path: &str, token: &str) -> TestRequest {
    request(Method::GET, path, token)
}

fn post(path: &str, token: &str, body: Value) -> TestRequest {
    request(Method::POST, path, token).set_json(body)
}

fn put(path: &str, token: &str, body: Value) -> TestRequest {
    request(Method::PUT, path, token).set_json(body)
}

fn delete(path: &str, token: &str) -> TestRequest {
    request(Method::DELETE, path, token)
}

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

#[actix_web::test]
async fn in_the_first_version() {
    in_version("").await;
}

#[actix_web::test]
async fn in_the_newer_version() {
    in_version("2024-01-01").await;
}

async fn in_version(version: &'static str) {
    let catalogue = Catalogue { version, seen: RefCell::default(), wrong: RefCell::default() };
    requests(&catalogue).await;
    switches(&catalogue).await;
    callers(&catalogue).await;
    sign_ins(&catalogue).await;
    refreshes(&catalogue).await;
    changes(&catalogue).await;
    identities(&catalogue).await;
    limits(&catalogue).await;
    factors(&catalogue).await;
    let wrong = catalogue.wrong.into_inner();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<String> = CODES.split_whitespace().map(str::to_owned).collect();
    assert_eq!(catalogue.seen.into_inner(), known);
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

async fn sign_ins(c: &Catalogue) {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    let login = |key: &str, value: &str, password: &str| {
        post("/token?grant_type=password", "", json!({ key: value, "password": password }))
    };
    let check =
        async |ask, status, code: &str, message: &str| c.check(&api, ask, status, code, message).await;
    let wrong = "Invalid login credentials";
    check(login("email", "jane@example.com", "wrong"), 400, "invalid_credentials", wrong).await;
    let jane = login("email", "jane@example.com", "password");
    check(jane, 400, "email_not_confirmed", "Email not confirmed").await;
    let link = json!({ "type": "signup", "token_hash": "0".repeat(56) });
    check(post("/verify", "", link), 403, "otp_expired", "Email link is invalid or has expired").await;
    let code = json!({ "type": "signup", "token": "000000", "email": "jane@example.com" });
    check(post("/verify", "", code), 403, "otp_expired", "Token has expired or is invalid").await;
    api.sql("update auth.users set phone = '15551234567', email_confirmed_at = now()").await;
    let phone = login("phone", "15551234567", "password");
    check(phone, 400, "phone_not_confirmed", "Phone not confirmed").await;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    let jane = login("email", "jane@example.com", "password");
    check(jane, 400, "user_banned", "User is banned").await;
    let weak = json!({ "email": "new@example.com", "password": "weak" });
    let short = "Password should be at least 6 characters.";
    let answer = check(post("/signup", "", weak), 422, "weak_password", short).await;
    assert_eq!(answer.body["weak_password"], json!({ "reasons": ["length"] }));
    let _ = api.auth.reload(open());
    let again = json!({ "email": "jane@example.com", "password": "password" });
    check(post("/signup", "", again), 422, "user_already_exists", "User already registered").await;
    let pkce = |code: &str, verifier: &str| {
        post("/token?grant_type=pkce", "", json!({ "auth_code": code, "code_verifier": verifier }))
    };
    let unknown = "invalid flow state, no valid flow state found";
    check(pkce("x", "y"), 404, "flow_state_not_found", unknown).await;
    api.sql(
        "update auth.users set banned_until = null;
         insert into auth.flow_state (id, user_id, auth_code, code_challenge, code_challenge_method, provider_type,
                                      authentication_method, created_at)
         select gen_random_uuid(), id, 'x', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', 's256', 'recovery', 'recovery',
                '2027-01-15 08:00Z' from auth.users",
    )
    .await;
    let mismatch = "code challenge does not match previously saved code verifier";
    check(pkce("x", "wrong"), 400, "bad_code_verifier", mismatch).await;
    api.advance(301);
    let expired = "invalid flow state, flow state has expired";
    check(pkce("x", "wrong"), 422, "flow_state_expired", expired).await;
}

async fn refreshes(c: &Catalogue) {
    let mut config = open();
    config.refresh_token_algorithm_version = 1;
    let api = Api::start(config.clone()).await;
    let refresh =
        |token: &Value| post("/token?grant_type=refresh_token", "", json!({ "refresh_token": token }));
    let check = async |ask, code: &str, message: &str| c.check(&api, ask, 400, code, message).await;
    check(refresh(&json!("short")), "validation_failed", "Refresh token is not valid").await;
    let unknown = "Invalid Refresh Token: Refresh Token Not Found";
    check(refresh(&json!("abcdefghijkl")), "refresh_token_not_found", unknown).await;
    let first = api.sign_up("jane@example.com").await;
    let second = api.refresh(&first["refresh_token"]).await.ok();
    let third = api.refresh(&second["refresh_token"]).await.ok();
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    let banned = "Invalid Refresh Token: User Banned";
    check(refresh(&third["refresh_token"]), "user_banned", banned).await;
    api.sql("update auth.users set banned_until = null").await;
    let options = db::PoolOptions { size: 1, wait: Duration::from_millis(20), ..db::PoolOptions::default() };
    let pool = db::Pool::new(&api.database.target_as("supabase_auth_admin"), options);
    let held = pool.session().await.unwrap();
    let scarce = api.with_pool(config.clone(), pool).await;
    let contention = "Too many concurrent token refresh requests on the same session or refresh token";
    c.check(&scarce, refresh(&third["refresh_token"]), 503, "conflict", contention).await;
    drop(held);
    api.advance(11);
    let used = "Invalid Refresh Token: Already Used";
    check(refresh(&first["refresh_token"]), "refresh_token_already_used", used).await;
    let fourth = api.sign_in("jane@example.com", "password").await.ok();
    api.sql("update auth.sessions set not_after = '2020-01-01'").await;
    let expired = "Invalid Refresh Token: Session Expired";
    check(refresh(&fourth["refresh_token"]), "session_expired", expired).await;
    let fifth = api.sign_in("jane@example.com", "password").await.ok();
    api.sql("update auth.refresh_tokens set session_id = null").await;
    let none = "Invalid Refresh Token: No Valid Session Found";
    check(refresh(&fifth["refresh_token"]), "session_not_found", none).await;
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

async fn limits(c: &Catalogue) {
    let limited = |change: fn(&mut Config)| {
        let mut config = confirming();
        config.email.mailbox = true;
        config.sms.test_otp.insert("15551234567".to_owned(), "424242".to_owned());
        change(&mut config);
        Api::start(config)
    };
    let recover = || post("/recover", "", json!({ "email": "jane@example.com" }));
    let api = limited(|_| {}).await;
    api.sign_up("jane@example.com").await;
    api.send(recover()).await.ok();
    let soon = "For security purposes, you can only request this after 60 seconds.";
    c.check(&api, recover(), 429, "over_email_send_rate_limit", soon).await;
    let otp = || post("/otp", "", json!({ "phone": "15551234567" }));
    api.send(otp()).await.ok();
    c.check(&api, otp(), 429, "over_sms_send_rate_limit", soon).await;
    let api = limited(|config| config.rate_limit.email_sent = 1).await;
    api.sign_up("jane@example.com").await;
    c.check(&api, recover(), 429, "over_email_send_rate_limit", "email rate limit exceeded").await;
    let api = limited(|config| config.rate_limit.token_verifications = 1).await;
    let verify = || post("/verify", "", json!({ "type": "signup", "token_hash": "x" }));
    let mut answer = api.send(verify()).await;
    while answer.status != 429 {
        answer = api.send(verify()).await;
    }
    let answer = c.check(&api, verify(), 429, "over_request_rate_limit", "Request rate limit reached").await;
    assert!(!answer.header("retry-after").is_empty());
}

async fn factors(c: &Catalogue) {
    let mut config = crate::mfa::factors();
    config.passkey.enabled = true;
    let api = Api::start(config.clone()).await;
    let session = api.sign_up("jane@example.com").await;
    let user = token(&session).to_owned();
    let check =
        async |ask, status, code: &str, message: &str| c.check(&api, ask, status, code, message).await;
    let enroll = |kind: &str, name: &str| {
        let body = json!({ "factor_type": kind, "friendly_name": name, "phone": "15551234567" });
        post("/factors", &user, body)
    };
    let factor = api.send(enroll("totp", "app")).await.ok();
    let named = "A factor with the friendly name \"app\" for this user already exists";
    check(enroll("totp", "app"), 422, "mfa_factor_name_conflict", named).await;
    let path = |step: &str| format!("/factors/{}/{step}", factor["id"].as_str().unwrap());
    let unknown = "/factors/11111111-1111-4111-8111-111111111111/challenge";
    check(post(unknown, &user, json!({})), 404, "mfa_factor_not_found", "Factor not found").await;
    let verify = |challenge: &Value| {
        post(&path("verify"), &user, json!({ "challenge_id": challenge, "code": "000000" }))
    };
    let none = "MFA factor with the provided challenge ID not found";
    let nothing = json!("11111111-1111-4111-8111-111111111111");
    check(verify(&nothing), 422, "mfa_factor_not_found", none).await;
    let challenge = api.post_as(&user, &path("challenge"), json!({})).await.ok()["id"].clone();
    let elsewhere = verify(&challenge).insert_header(("x-test-client", "198.51.100.1"));
    let mismatch = "Challenge and verify IP addresses mismatch.";
    check(elsewhere, 422, "mfa_ip_address_mismatch", mismatch).await;
    check(verify(&challenge), 422, "mfa_verification_failed", "Invalid TOTP code entered").await;
    api.advance(301);
    check(verify(&challenge), 422, "mfa_challenge_expired", "MFA challenge …").await;
    let options =
        post("/passkeys/authentication/verify", "", json!({ "challenge_id": nothing, "credential": {} }));
    let answer = api.send(options).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    // What was not proved in time is cleared away.
    api.sql("update auth.mfa_factors set created_at = '2027-01-15 08:05:00Z'").await;
    passkeys(c, &api, &user).await;
    config.mfa.max_enrolled_factors = 1;
    let _ = api.auth.reload(config.clone());
    let most = "Maximum number of verified factors reached, unenroll to continue";
    check(enroll("totp", "other"), 422, "too_many_enrolled_mfa_factors", most).await;
    config.mfa.max_enrolled_factors = 10;
    let _ = api.auth.reload(config.clone());
    let phone = api.send(enroll("phone", "phone")).await.ok();
    api.sql("update auth.mfa_factors set status = 'verified' where factor_type = 'phone'").await;
    let exists = "A verified phone factor already exists, unenroll the existing factor to continue";
    check(enroll("phone", "another"), 422, "mfa_verified_factor_exists", exists).await;
    let raise = "AAL2 required to enroll a new factor";
    check(enroll("totp", "more"), 403, "insufficient_aal", raise).await;
    let remove = delete(&format!("/factors/{}", phone["id"].as_str().unwrap()), &user);
    check(remove, 422, "insufficient_aal", "AAL2 required to unenroll verified factor").await;
    let raise = "AAL2 session is required to update email or password when MFA is enabled.";
    check(put("/user", &user, json!({ "password": "another" })), 401, "insufficient_aal", raise).await;
    let mfa = &mut config.mfa;
    (mfa.totp.enroll_enabled, mfa.phone.enroll_enabled, mfa.web_authn.enroll_enabled) = (false, false, false);
    (mfa.totp.verify_enabled, mfa.phone.verify_enabled, mfa.web_authn.verify_enabled) = (false, false, false);
    let _ = api.auth.reload(config);
    api.sql("update auth.mfa_factors set friendly_name = id::text").await;
    for (kind, name) in [("totp", "TOTP"), ("phone", "Phone"), ("webauthn", "WebAuthn")] {
        let code = format!("mfa_{kind}_enroll_not_enabled");
        check(enroll(kind, "x"), 422, &code, &format!("MFA enroll is disabled for {name}")).await;
        api.sql(&format!(
            "update auth.mfa_factors set factor_type = '{kind}' where id = '{}'",
            factor["id"].as_str().unwrap()
        ))
        .await;
        let code = format!("mfa_{kind}_verify_not_enabled");
        let ask = post(&path("challenge"), &user, json!({}));
        check(ask, 422, &code, &format!("MFA verification is disabled for {name}")).await;
    }
}

async fn passkeys(c: &Catalogue, api: &Api, user: &str) {
    let none = json!({ "challenge_id": "11111111-1111-4111-8111-111111111111", "credential": { "id": "x" } });
    let answer = post("/passkeys/registration/verify", user, none);
    let unknown = "Challenge not found or already used";
    c.check(api, answer, 400, "webauthn_challenge_not_found", unknown).await;
    let options = api.post_as(user, "/passkeys/registration/options", json!({})).await.ok();
    let bad = json!({ "challenge_id": options["challenge_id"], "credential": { "id": "x" } });
    c.check(api, post("/passkeys/registration/verify", user, bad), 400, "webauthn_verification_failed", "…")
        .await;
    api.sql(
        "insert into auth.webauthn_credentials (user_id, credential_id, public_key)
         select id, decode(md5(n::text), 'hex'), '' from auth.users, generate_series(1, 10) n",
    )
    .await;
    let most = "Maximum number of passkeys reached";
    let more = post("/passkeys/registration/options", user, json!({}));
    c.check(api, more, 422, "too_many_passkeys", most).await;
    api.sql("delete from auth.webauthn_credentials").await;
}
