//! `/user`, `/logout`, and who may use them.

use serde_json::{Value, json};

use crate::harness::{Answer, Api, confirming, open, request};

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

#[actix_web::test]
async fn the_owner_reads_the_account() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    assert_eq!(api.get("/user", token(&session)).await.ok(), session["user"]);
}

#[actix_web::test]
async fn bearers_that_are_none() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let check = |answer: Answer, status, code: &str, message: &str| answer.refused(status, code, message);
    let none = "This endpoint requires a valid Bearer token";
    check(api.get("/user", "").await, 401, "no_authorization", none);
    for header in ["Basic abc", "Bearer", "Bearer ", "Bearer a b"] {
        let request =
            request(actix_web::http::Method::GET, "/user", "").insert_header(("Authorization", header));
        check(api.send(request).await, 401, "no_authorization", none);
    }
    let prefix = "invalid JWT: unable to parse or verify signature, ";
    let bad = |reason: &str| format!("{prefix}{reason}");
    check(
        api.get("/user", "abc").await,
        403,
        "bad_jwt",
        &bad("token is malformed: token contains an invalid number of segments"),
    );
    let forged = format!("{}x", token(&session));
    check(
        api.get("/user", &forged).await,
        403,
        "bad_jwt",
        &bad("token signature is invalid: signature is invalid"),
    );
    let old = api.token(json!({ "sub": session["user"]["id"], "role": "authenticated", "exp": 1 }));
    check(api.get("/user", &old).await, 403, "bad_jwt", &bad("token has invalid claims: token is expired"));
    let anon = api.token(json!({ "role": "anon" }));
    check(api.get("/user", &anon).await, 403, "bad_jwt", "invalid claim: missing sub claim");
    let odd = api.token(json!({ "sub": "1234567890", "role": "authenticated" }));
    check(api.get("/user", &odd).await, 400, "bad_jwt", "invalid claim: sub claim must be a UUID");
    let gone = api.token(json!({ "sub": "11111111-1111-4111-8111-111111111111", "role": "authenticated" }));
    check(api.get("/user", &gone).await, 403, "user_not_found", "User from sub claim in JWT does not exist");
    let claims = json!({ "sub": session["user"]["id"], "role": "authenticated", "session_id": "x" });
    check(
        api.get("/user", &api.token(claims)).await,
        403,
        "bad_jwt",
        "invalid claim: session_id claim must be a UUID",
    );
}

/// A token made of one user's id and another's session is nobody's.
#[actix_web::test]
async fn a_session_of_someone_else_is_no_session() {
    let api = Api::start(open()).await;
    let jane = api.sign_up("jane@example.com").await;
    let john = api.sign_up("john@example.com").await;
    let mixed = json!({
        "sub": jane["user"]["id"], "aud": "authenticated", "role": "authenticated",
        "session_id": api.claims(&john["access_token"])["session_id"],
    });
    let message = "Session from session_id claim in JWT does not exist";
    api.get("/user", &api.token(mixed)).await.refused(403, "session_not_found", message);
}

#[actix_web::test]
async fn an_audience_is_asked_for_by_header() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let request = request(actix_web::http::Method::GET, "/user", token(&session));
    let answer = api.send(request.insert_header(("x-jwt-aud", "others"))).await;
    answer.refused(400, "validation_failed", "Token audience doesn't match request audience");
}

#[actix_web::test]
async fn metadata_is_merged() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let put = async |body| api.put_as(token(&session), "/user", body).await.ok();
    put(json!({ "data": { "a": 1, "b": { "c": 2 } } })).await;
    let user = put(json!({ "data": { "a": null, "b": { "d": 3 } } })).await;
    assert_eq!(user["user_metadata"]["b"], json!({ "d": 3 }));
    assert!(user["user_metadata"].get("a").is_none());
    assert_eq!(user["user_metadata"]["email_verified"], true);
    let app = api.put_as(token(&session), "/user", json!({ "app_metadata": { "admin": true } })).await;
    app.refused(403, "not_admin", "Updating app_metadata requires admin privileges");
}

#[actix_web::test]
async fn a_new_password_ends_the_other_sessions() {
    let api = Api::start(open()).await;
    let here = api.sign_up("jane@example.com").await;
    let there = api.sign_in("jane@example.com", "password").await.ok();
    let put = async |password: &str| api.put_as(token(&here), "/user", json!({ "password": password })).await;
    put("password").await.refused(
        422,
        "same_password",
        "New password should be different from the old password.",
    );
    put("short").await.refused(422, "weak_password", "Password should be at least 6 characters.");
    put("").await.refused(422, "weak_password", "Password should be at least 6 characters.");
    put("otherword").await.ok();
    assert_eq!(api.get("/user", token(&there)).await.error(), (403, "session_not_found"));
    assert_eq!(api.get("/user", token(&here)).await.status, 200);
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 400);
    assert_eq!(api.sign_in("jane@example.com", "otherword").await.status, 200);
}

#[actix_web::test]
async fn a_password_change_may_need_more_than_a_session() {
    let mut config = open();
    config.email.require_current_password = true;
    let api = Api::start(config.clone()).await;
    let session = api.sign_up("jane@example.com").await;
    let put = async |body| api.put_as(token(&session), "/user", body).await;
    let text = "Current password required when setting new password.";
    put(json!({ "password": "otherword" })).await.refused(400, "current_password_required", text);
    let wrong = json!({ "password": "otherword", "current_password": "wrong" });
    put(wrong).await.refused(400, "current_password_invalid", text);
    put(json!({ "password": "otherword", "current_password": "password" })).await.ok();
    config.email.require_current_password = false;
    config.email.secure_password_change = true;
    config.jwt_expiry = kernel::units::Span::secs(604_800);
    let _ = api.auth.reload(config);
    let session = api.sign_in("jane@example.com", "otherword").await.ok();
    let put = async |body| api.put_as(token(&session), "/user", body).await;
    put(json!({ "password": "thirdword" })).await.ok();
    api.advance(90_000);
    put(json!({ "password": "fourthword" })).await.refused(
        400,
        "reauthentication_needed",
        "Password update requires reauthentication",
    );
    api.get("/reauthenticate", token(&session)).await.ok();
    let wrong = json!({ "password": "fourthword", "nonce": "000000" });
    put(wrong).await.refused(422, "reauthentication_not_valid", "Nonce has expired or is invalid");
    // The hash of jane@example.com and 123456.
    api.sql("update auth.users set reauthentication_token = '09182592d78ce09da2160e099c868901ed75944e6db34de59bdf8a62'")
        .await;
    put(json!({ "password": "fourthword", "nonce": "123456" })).await.ok();
}

#[actix_web::test]
async fn a_second_factor_protects_what_it_must() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    api.sql(
        "insert into auth.mfa_factors (id, user_id, factor_type, status, friendly_name, secret, created_at, updated_at)
         select gen_random_uuid(), id, 'totp', 'verified', 'phone', 'TOPSECRET', now(), now() from auth.users",
    )
    .await;
    let user = api.get("/user", token(&session)).await;
    assert_eq!(user.body["factors"][0]["friendly_name"], "phone");
    assert!(!user.text.contains("TOPSECRET"));
    let message = "AAL2 session is required to update email or password when MFA is enabled.";
    for body in [
        json!({ "password": "otherword" }),
        json!({ "email": "x@example.com" }),
        json!({ "phone": "15551234567" }),
    ] {
        api.put_as(token(&session), "/user", body).await.refused(401, "insufficient_aal", message);
    }
    api.put_as(token(&session), "/user", json!({ "data": { "a": 1 } })).await.ok();
    api.sql(
        "insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
         select gen_random_uuid(), id, '2027-01-15 09:00Z', '2027-01-15 09:00Z', 'totp' from auth.sessions",
    )
    .await;
    api.put_as(token(&session), "/user", json!({ "password": "otherword" })).await.ok();
    let raised = api.claims(&api.refresh(&session["refresh_token"]).await.ok()["access_token"]);
    assert_eq!((&raised["aal"], &raised["amr"][0]["method"]), (&json!("aal2"), &json!("totp")));
}

#[actix_web::test]
async fn addresses_and_numbers_of_others_are_taken() {
    let api = Api::start(open()).await;
    api.sign_up("john@example.com").await;
    api.post("/signup", json!({ "phone": "15551234567", "password": "password" })).await.ok();
    let session = api.sign_up("jane@example.com").await;
    let put = async |body| api.put_as(token(&session), "/user", body).await;
    let email = put(json!({ "email": "John@example.com" })).await;
    email.refused(422, "email_exists", "A user with this email address has already been registered");
    let phone = put(json!({ "phone": "+15551234567" })).await;
    phone.refused(422, "phone_exists", "A user with this phone number has already been registered");
    let user = put(json!({ "phone": "+15557654321" })).await.ok();
    assert_eq!(user["phone"], "15557654321");
    assert_eq!(user["app_metadata"]["providers"], json!(["email", "phone"]));
}

#[actix_web::test]
async fn accounts_of_single_sign_on_are_managed_elsewhere() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    api.sql("update auth.users set is_sso_user = true").await;
    let answer = api.put_as(token(&session), "/user", json!({ "password": "otherword" })).await;
    answer.refused(
        422,
        "user_sso_managed",
        "Updating email, phone, password of a SSO account only possible via SSO",
    );
    api.put_as(token(&session), "/user", json!({ "data": { "a": 1 } })).await.ok();
}

#[actix_web::test]
async fn a_new_address_waits_for_both_confirmations() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    api.sql("update auth.users set email_confirmed_at = now()").await;
    let session = api.sign_in("jane@example.com", "password").await.ok();
    let user = api.put_as(token(&session), "/user", json!({ "email": "new@example.com" })).await.ok();
    assert_eq!((&user["email"], &user["new_email"]), (&json!("jane@example.com"), &json!("new@example.com")));
    let link = async |token_type: &str| {
        let sql = format!("select token_hash from auth.one_time_tokens where token_type = '{token_type}'");
        api.value(&sql).await.unwrap()
    };
    let verify = async |hash: String| {
        api.post("/verify", json!({ "type": "email_change", "token_hash": hash })).await.ok()
    };
    let first = verify(link("email_change_token_new").await).await;
    assert_eq!(first["code"], "200");
    assert_eq!(
        first["msg"],
        "Confirmation link accepted. Please proceed to confirm link sent to the other email"
    );
    assert_eq!(api.value("select email from auth.users").await.as_deref(), Some("jane@example.com"));
    let second = verify(link("email_change_token_current").await).await;
    assert_eq!(second["user"]["email"], "new@example.com");
    assert!(second["user"].get("new_email").is_none());
    assert_eq!(second["user"]["identities"][0]["identity_data"]["email"], "new@example.com");
    assert_eq!(api.value("select count(*) from auth.one_time_tokens").await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn leaving() {
    let api = Api::start(open()).await;
    let sessions = async || api.value("select count(*) from auth.sessions").await.unwrap();
    let john = api.sign_up("john@example.com").await;
    let a = api.sign_up("jane@example.com").await;
    let b = api.sign_in("jane@example.com", "password").await.ok();
    api.sign_in("jane@example.com", "password").await.ok();
    let bad = api.post_as(token(&a), "/logout?scope=all", json!({})).await;
    bad.refused(400, "validation_failed", "Unsupported logout scope \"all\"");
    let left = api.post_as(token(&a), "/logout?scope=local", json!({})).await;
    assert_eq!((left.status, left.text.as_str()), (204, ""));
    assert_eq!(sessions().await, "3");
    assert_eq!(api.get("/user", token(&a)).await.error(), (403, "session_not_found"));
    assert_eq!(api.post_as(token(&b), "/logout?scope=others", json!({})).await.status, 204);
    assert_eq!(sessions().await, "2");
    assert_eq!(api.get("/user", token(&b)).await.status, 200);
    api.sign_in("jane@example.com", "password").await.ok();
    assert_eq!(api.post_as(token(&b), "/logout", json!({})).await.status, 204);
    assert_eq!(sessions().await, "1");
    assert_eq!(api.get("/user", token(&john)).await.status, 200);
}

#[actix_web::test]
async fn an_identity_is_detached_but_not_the_last() {
    let mut config = open();
    config.enable_manual_linking = true;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    let identities = "/user/identities";
    let own = session["user"]["identities"][0]["identity_id"].as_str().unwrap().to_owned();
    let delete = async |id: &str| api.delete_as(token(&session), &format!("{identities}/{id}")).await;
    delete(&own).await.refused(
        422,
        "single_identity_not_deletable",
        "User must have at least 1 identity after unlinking",
    );
    delete("x").await.refused(404, "validation_failed", "identity_id must be an UUID");
    let id = "44444444-4444-4444-8444-444444444444";
    api.sql(&format!(
        "insert into auth.identities (id, user_id, provider, provider_id, identity_data, created_at)
         select '{id}', id, 'github', '7', '{{\"sub\": \"7\", \"email\": \"hub@example.com\"}}', now() from auth.users"
    ))
    .await;
    delete("55555555-5555-4555-8555-555555555555").await.refused(
        422,
        "identity_not_found",
        "Identity doesn't exist",
    );
    assert_eq!(delete(&own).await.ok(), json!({}));
    let user = api.get("/user", token(&session)).await.ok();
    assert_eq!(
        (&user["email"], &user["app_metadata"]["providers"]),
        (&json!("hub@example.com"), &json!(["github"]))
    );
    let john = api.sign_up("john@example.com").await;
    let foreign = api.delete_as(token(&john), &format!("{identities}/{id}")).await;
    assert_eq!(foreign.error(), (422, "single_identity_not_deletable"));
    assert_eq!(api.value("select count(*) from auth.identities").await.as_deref(), Some("2"));
}
