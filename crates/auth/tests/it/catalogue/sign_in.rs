//! Signing in by password, link and code, and staying signed in.

use std::time::Duration;

use auth::CaptchaProvider;
use serde_json::{Value, json};

use super::{Catalogue, both, get, post};
use crate::captcha;
use crate::harness::{Api, confirming, open};
use crate::receiver::Receiver;

/// What is shown here.
pub const CODES: &str = "bad_code_verifier captcha_failed conflict email_not_confirmed flow_state_expired flow_state_not_found \
    invalid_credentials otp_expired phone_not_confirmed refresh_token_already_used refresh_token_not_found \
    session_expired session_not_found unexpected_failure user_already_exists user_banned validation_failed \
    weak_password";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        sign_ins(c).await;
        refreshes(c).await;
        captchas(c).await;
    })
    .await;
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
    let begun = json!({ "email": "pkce@example.com", "password": "password", "code_challenge_method": "s256",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" });
    api.post("/signup", begun).await.ok();
    const LINK: &str = "select token_hash from auth.one_time_tokens t join auth.users u on u.id = t.user_id
        where u.email = 'pkce@example.com'";
    let link = api.value(LINK).await.unwrap();
    api.sql("delete from auth.flow_state").await;
    let follow = get(&format!("/verify?type=signup&token={link}"), "");
    let lost = "No associated flow state found. Flow State Not Found";
    c.carried(&api, follow, "invalid_request", "flow_state_not_found", lost).await;
    api.sql("delete from auth.users where email = 'pkce@example.com'").await;
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

async fn captchas(c: &Catalogue) {
    let receiver = Receiver::start().await;
    let api = captcha::start(captcha::with(open(), CaptchaProvider::Hcaptcha), &receiver).await;
    let signup = |security: Value| {
        let body =
            json!({ "email": "jane@example.com", "password": "password", "gotrue_meta_security": security });
        post("/signup", "", body)
    };
    let proof = || json!({ "captcha_token": "x" });
    let none = "captcha protection: request disallowed (no captcha_token found)";
    c.check(&api, signup(json!({})), 400, "captcha_failed", none).await;
    receiver.answers(json!({ "success": false, "error-codes": ["expired", "used"] }));
    let refused = "captcha protection: request disallowed (expired, used)";
    c.check(&api, signup(proof()), 400, "captcha_failed", refused).await;
    receiver.answers_with(502, "text/plain", "");
    let failed = "captcha verification process failed";
    c.check(&api, signup(proof()), 500, "unexpected_failure", failed).await;
}
