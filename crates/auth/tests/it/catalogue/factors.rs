//! Second factors and passkeys.

use serde_json::{Value, json};

use super::{Catalogue, both, delete, post, put, token};
use crate::authenticator::Authenticator;
use crate::harness::Api;

/// What is shown here.
pub const CODES: &str = "email_not_confirmed insufficient_aal mfa_challenge_expired mfa_factor_name_conflict mfa_factor_not_found \
    mfa_ip_address_mismatch mfa_phone_enroll_not_enabled mfa_phone_verify_not_enabled \
    mfa_totp_enroll_not_enabled mfa_totp_verify_not_enabled mfa_verification_failed \
    mfa_verified_factor_exists mfa_webauthn_enroll_not_enabled mfa_webauthn_verify_not_enabled \
    too_many_enrolled_mfa_factors too_many_passkeys validation_failed webauthn_challenge_expired \
    webauthn_challenge_not_found webauthn_credential_exists webauthn_verification_failed";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        factors(c).await;
        ceremonies(c).await;
    })
    .await;
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

async fn ceremonies(c: &Catalogue) {
    let api = Api::start(crate::passkeys::passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut key = Authenticator::new();
    let begin = async |session: &Value| {
        api.post_as(token(session), "/passkeys/registration/options", json!({})).await.ok()
    };
    let finish = |session: &Value, begun: &Value, credential: Value| {
        let body = json!({ "challenge_id": begun["challenge_id"], "credential": credential });
        post("/passkeys/registration/verify", token(session), body)
    };
    let begun = begin(&session).await;
    let credential = key.create(&begun["options"]);
    api.send(finish(&session, &begun, credential)).await.ok();
    let other = api.sign_up("joe@example.com").await;
    let begun = begin(&other).await;
    let credential = key.create(&begun["options"]);
    let taken = "This credential is already registered";
    let ask = finish(&other, &begun, credential);
    c.check(&api, ask, 422, "webauthn_credential_exists", taken).await;
    let begun = begin(&session).await;
    let credential = Authenticator::new().create(&begun["options"]);
    api.advance(301);
    let ask = finish(&session, &begun, credential);
    c.check(&api, ask, 400, "webauthn_challenge_expired", "Challenge has expired").await;
    key.user_handle = session["user"]["id"].as_str().unwrap().as_bytes().to_vec();
    let begun = api.post("/passkeys/authentication/options", json!({})).await.ok();
    let body = json!({ "challenge_id": begun["challenge_id"], "credential": key.get(&begun["options"]) });
    let verify = || post("/passkeys/authentication/verify", "", body.clone());
    api.sql("update auth.users set email_confirmed_at = null").await;
    c.check(&api, verify(), 403, "email_not_confirmed", "Email not confirmed").await;
    let used = "Challenge not found or already used";
    c.check(&api, verify(), 400, "webauthn_challenge_not_found", used).await;
    for (body, message) in [
        (json!({}), "challenge_id is required"),
        (json!({ "challenge_id": begun["challenge_id"] }), "credential is required"),
        (json!({ "challenge_id": "x", "credential": {} }), "challenge_id must be a valid UUID"),
    ] {
        let verify = post("/passkeys/authentication/verify", "", body);
        c.check(&api, verify, 400, "validation_failed", message).await;
    }
}
