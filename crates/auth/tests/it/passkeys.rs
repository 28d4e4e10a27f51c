//! Passkeys and security keys, with an authenticator in software.

use actix_web::http::Method;
use auth::Config;
use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::harness::{Answer, Api, request};
use crate::mfa::factors;

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

pub fn passkeys() -> Config {
    let mut config = factors();
    config.passkey.enabled = true;
    config.rate_limit.passkey = 10_000;
    config
}

const FAILED: (u16, &str, &str) = (400, "webauthn_verification_failed", "Credential verification failed");

impl Answer {
    #[track_caller]
    fn failed(&self) {
        self.refused(FAILED.0, FAILED.1, FAILED.2);
    }
}

async fn begin_registration(api: &Api, session: &Value) -> Value {
    api.post_as(token(session), "/passkeys/registration/options", json!({})).await.ok()
}

async fn finish_registration(api: &Api, session: &Value, begun: &Value, credential: Value) -> Answer {
    let body = json!({ "challenge_id": begun["challenge_id"], "credential": credential });
    api.post_as(token(session), "/passkeys/registration/verify", body).await
}

async fn register(api: &Api, session: &Value, authenticator: &mut Authenticator) -> Value {
    let begun = begin_registration(api, session).await;
    finish_registration(api, session, &begun, authenticator.create(&begun["options"])).await.ok()
}

async fn begin(api: &Api) -> Value {
    api.post("/passkeys/authentication/options", json!({})).await.ok()
}

async fn finish(api: &Api, begun: &Value, credential: Value) -> Answer {
    let body = json!({ "challenge_id": begun["challenge_id"], "credential": credential });
    api.post("/passkeys/authentication/verify", body).await
}

async fn sign_in(api: &Api, authenticator: &mut Authenticator) -> Answer {
    let begun = begin(api).await;
    finish(api, &begun, authenticator.get(&begun["options"])).await
}

#[actix_web::test]
async fn a_passkey_is_registered_and_signs_in() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let begun = begin_registration(&api, &session).await;
    let options = &begun["options"];
    assert_eq!(begun["expires_at"], api.clock.unix() + 300);
    assert_eq!(options["rp"], json!({ "id": "localhost", "name": "localhost" }));
    assert_eq!(
        (&options["user"]["name"], &options["user"]["displayName"]),
        (&json!("jane@example.com"), &json!("jane@example.com"))
    );
    assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "preferred");
    assert_eq!(options["attestation"], "none");
    let offered: Vec<_> =
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|p| p["alg"].clone()).collect();
    assert!(offered.contains(&json!(-7)) && offered.contains(&json!(-257)), "{offered:?}");

    let mut authenticator = Authenticator::new();
    let credential = authenticator.create(options);
    assert_eq!(authenticator.user_handle, session["user"]["id"].as_str().unwrap().as_bytes());
    let passkey = finish_registration(&api, &session, &begun, credential).await.ok();
    assert_eq!(passkey["friendly_name"], "Passkey");
    assert_eq!(passkey["last_used_at"], Value::Null);

    api.advance(5);
    let begun = begin(&api).await;
    assert!(begun["options"]["allowCredentials"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(begun["options"]["rpId"], "localhost");
    let signed_in = finish(&api, &begun, authenticator.get(&begun["options"])).await.ok();
    assert_eq!(signed_in["user"]["id"], session["user"]["id"]);
    let claims = api.claims(&signed_in["access_token"]);
    assert_eq!((&claims["aal"], &claims["amr"][0]["method"]), (&json!("aal1"), &json!("passkey")));
    let listed = api.get("/passkeys", token(&signed_in)).await.ok();
    assert_eq!(listed, api.get("/passkeys/", token(&signed_in)).await.ok());
    assert_eq!(listed[0]["id"], passkey["id"]);
    assert!(listed[0]["last_used_at"].is_string());
    let stored = "select sign_count, transports ->> 0, attestation_type from auth.webauthn_credentials";
    assert_eq!(api.value(stored).await.as_deref(), Some("1,internal,none"));
    let log = "select string_agg(payload ->> 'action', ' ' order by created_at) from auth.audit_log_entries
                where payload -> 'traits' ->> 'passkey_id' is not null";
    assert_eq!(api.value(log).await.as_deref(), Some("passkey_created login"));
    assert_eq!(api.value("select count(*) from auth.webauthn_challenges").await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn a_known_make_gives_the_name() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    authenticator.aaguid = *uuid::uuid!("9eb7eabc-9db5-49a1-b6c3-555a802093f4").as_bytes();
    let passkey = register(&api, &session, &mut authenticator).await;
    assert_eq!(passkey["friendly_name"], "YubiKey 5 Series with NFC KVZR57");
}

#[actix_web::test]
async fn passkeys_are_renamed_and_removed() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    let passkey = register(&api, &session, &mut authenticator).await;
    let path = format!("/passkeys/{}", passkey["id"].as_str().unwrap());
    let rename = async |session: &Value, path: &str, name: &str| {
        let body = json!({ "friendly_name": name });
        api.send(request(Method::PATCH, path, token(session)).set_json(body)).await
    };
    assert_eq!(rename(&session, &path, "blue").await.ok()["friendly_name"], "blue");
    rename(&session, &path, "").await.refused(400, "validation_failed", "friendly_name is required");
    let long = rename(&session, &path, &"x".repeat(121)).await;
    long.refused(400, "validation_failed", "friendly_name must be 120 characters or less");
    let stranger = api.sign_up("john@example.com").await;
    for path in [path.as_str(), "/passkeys/x", "/passkeys/00000000-0000-0000-0000-000000000000"] {
        rename(&stranger, path, "mine").await.refused(404, "validation_failed", "Passkey not found");
        let removed = api.delete_as(token(&stranger), path).await;
        removed.refused(404, "validation_failed", "Passkey not found");
    }
    assert_eq!(api.get("/passkeys/", token(&stranger)).await.ok(), json!([]));
    let removed = api.delete_as(token(&session), &path).await;
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    sign_in(&api, &mut authenticator).await.failed();
}

#[actix_web::test]
async fn ceremonies_end_with_their_first_answer_and_with_time() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    let begun = begin_registration(&api, &session).await;
    let credential = authenticator.create(&begun["options"]);
    finish_registration(&api, &session, &begun, credential.clone()).await.ok();
    let used = (400, "webauthn_challenge_not_found", "Challenge not found or already used");
    finish_registration(&api, &session, &begun, credential).await.refused(used.0, used.1, used.2);

    let begun = begin(&api).await;
    let assertion = authenticator.get(&begun["options"]);
    finish(&api, &begun, assertion.clone()).await.ok();
    finish(&api, &begun, assertion.clone()).await.refused(used.0, used.1, used.2);
    // An answer to one ceremony is none to another.
    finish(&api, &begin(&api).await, assertion).await.failed();
    // A wrong answer ends a ceremony too.
    let begun = begin(&api).await;
    let unreadable = finish(&api, &begun, json!({ "id": "x" })).await;
    unreadable.refused(400, "webauthn_verification_failed", "Invalid credential response");
    finish(&api, &begun, authenticator.get(&begun["options"])).await.refused(used.0, used.1, used.2);

    let begun = begin(&api).await;
    api.advance(301);
    let late = finish(&api, &begun, authenticator.get(&begun["options"])).await;
    late.refused(400, "webauthn_challenge_expired", "Challenge has expired");
    // The kinds of ceremonies are not taken for each other, nor are accounts.
    let begun = begin_registration(&api, &session).await;
    finish(&api, &begun, authenticator.get(&begun["options"])).await.refused(used.0, used.1, used.2);
    let john = api.sign_up("john@example.com").await;
    let begun = begin_registration(&api, &session).await;
    let credential = Authenticator::new().create(&begun["options"]);
    finish_registration(&api, &john, &begun, credential).await.refused(used.0, used.1, used.2);
}

#[actix_web::test]
async fn requests_that_lack_something() {
    let api = Api::start(passkeys()).await;
    let id = "00000000-0000-0000-0000-000000000000";
    for (body, text) in [
        (json!({}), "challenge_id is required"),
        (json!({ "challenge_id": id }), "credential is required"),
        (json!({ "challenge_id": "x", "credential": {} }), "challenge_id must be a valid UUID"),
    ] {
        let answer = api.post("/passkeys/authentication/verify", body).await;
        answer.refused(400, "validation_failed", text);
    }
    for path in ["/passkeys/registration/options", "/passkeys/registration/verify"] {
        let answer = api.post(path, json!({})).await;
        assert_eq!(answer.error(), (401, "no_authorization"));
    }
}

/// What an authenticator must not get away with.
#[actix_web::test]
async fn forgeries_are_refused() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    register(&api, &session, &mut authenticator).await;
    let jane = authenticator.user_handle.clone();

    let mut stranger = Authenticator::new();
    stranger.user_handle.clone_from(&jane);
    sign_in(&api, &mut stranger).await.failed();
    // Another key under the registered id.
    stranger.id.clone_from(&authenticator.id);
    sign_in(&api, &mut stranger).await.failed();

    authenticator.origin = "http://localhost:5174".to_owned();
    sign_in(&api, &mut authenticator).await.failed();
    authenticator.origin = "https://evil.test".to_owned();
    sign_in(&api, &mut authenticator).await.failed();
    authenticator.origin = crate::authenticator::ORIGIN.to_owned();
    authenticator.rp_id = "evil.test".to_owned();
    sign_in(&api, &mut authenticator).await.failed();
    authenticator.rp_id = "localhost".to_owned();
    let present = std::mem::replace(&mut authenticator.flags, 0);
    sign_in(&api, &mut authenticator).await.failed();
    authenticator.flags = present;

    // A passkey signs in to its own account only.
    let john = api.sign_up("john@example.com").await;
    register(&api, &john, &mut Authenticator::new()).await;
    authenticator.user_handle = john["user"]["id"].as_str().unwrap().as_bytes().to_vec();
    sign_in(&api, &mut authenticator).await.failed();
    for handle in [Vec::new(), b"nobody".to_vec(), vec![0xff; 16]] {
        authenticator.user_handle = handle;
        sign_in(&api, &mut authenticator).await.failed();
    }
    authenticator.user_handle = jane;
    sign_in(&api, &mut authenticator).await.ok();

    // Registrations from elsewhere.
    let mut elsewhere = Authenticator::new();
    elsewhere.origin = "https://evil.test".to_owned();
    let begun = begin_registration(&api, &session).await;
    finish_registration(&api, &session, &begun, elsewhere.create(&begun["options"])).await.failed();
}

#[actix_web::test]
async fn a_user_who_is_not_verified_by_the_authenticator_signs_in() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    authenticator.flags = 1;
    register(&api, &session, &mut authenticator).await;
    sign_in(&api, &mut authenticator).await.ok();
}

/// Keys that several devices share do not count together: the counter is kept, and never decides.
#[actix_web::test]
async fn a_counter_that_falls_back_is_accepted() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    register(&api, &session, &mut authenticator).await;
    authenticator.counter = 7;
    sign_in(&api, &mut authenticator).await.ok();
    authenticator.counter = 2;
    sign_in(&api, &mut authenticator).await.ok();
    let stored = api.value("select sign_count from auth.webauthn_credentials").await;
    assert_eq!(stored.as_deref(), Some("3"));
}

#[actix_web::test]
async fn who_may_not_sign_in_may_not_by_passkey() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    register(&api, &session, &mut authenticator).await;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    sign_in(&api, &mut authenticator).await.refused(403, "user_banned", "User is banned");
    api.sql("update auth.users set banned_until = null, email_confirmed_at = null").await;
    sign_in(&api, &mut authenticator).await.refused(403, "email_not_confirmed", "Email not confirmed");
    api.sql("update auth.users set email = null, phone = '15550000001'").await;
    sign_in(&api, &mut authenticator).await.refused(403, "phone_not_confirmed", "Phone not confirmed");
    let sessions = api.value("select count(*) from auth.sessions").await;
    assert_eq!(sessions.as_deref(), Some("1"));
}

#[actix_web::test]
async fn who_may_register() {
    let mut config = passkeys();
    config.passkey.max_per_user = 2;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    let mut first = Authenticator::new();
    register(&api, &session, &mut first).await;
    let begun = begin_registration(&api, &session).await;
    assert_eq!(begun["options"]["excludeCredentials"].as_array().unwrap().len(), 1);

    // A key of someone else's.
    let john = api.sign_up("john@example.com").await;
    let stolen = begin_registration(&api, &john).await;
    let taken = finish_registration(&api, &john, &stolen, first.create(&stolen["options"])).await;
    taken.refused(422, "webauthn_credential_exists", "This credential is already registered");

    let (one, two) = (begin_registration(&api, &session).await, begin_registration(&api, &session).await);
    let create = |begun: &Value| Authenticator::new().create(&begun["options"]);
    finish_registration(&api, &session, &one, create(&one)).await.ok();
    let full = (422, "too_many_passkeys", "Maximum number of passkeys reached");
    finish_registration(&api, &session, &two, create(&two)).await.refused(full.0, full.1, full.2);
    let third = api.post_as(token(&session), "/passkeys/registration/options", json!({})).await;
    third.refused(full.0, full.1, full.2);

    let anonymous = api.post("/signup", json!({})).await.ok();
    let refused = api.post_as(token(&anonymous), "/passkeys/registration/options", json!({})).await;
    assert_eq!(refused.error(), (403, "no_authorization"));
    api.sql("update auth.users set is_sso_user = true where email = 'john@example.com'").await;
    let sso = api.post_as(token(&john), "/passkeys/registration/options", json!({})).await;
    sso.refused(422, "validation_failed", "SSO users cannot register passkeys");
}

#[actix_web::test]
async fn with_second_factors_passkeys_are_managed_in_raised_sessions() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let passkey = register(&api, &session, &mut Authenticator::new()).await;
    api.sql(
        "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
         select gen_random_uuid(), id, 'totp', 'verified', now(), now() from auth.users",
    )
    .await;
    let gate = (403, "insufficient_aal", "AAL2 session is required to manage passkeys when MFA is enabled");
    for path in ["/passkeys/registration/options", "/passkeys/registration/verify"] {
        api.post_as(token(&session), path, json!({})).await.refused(gate.0, gate.1, gate.2);
    }
    let path = format!("/passkeys/{}", passkey["id"].as_str().unwrap());
    api.delete_as(token(&session), &path).await.refused(gate.0, gate.1, gate.2);
    api.sql(
        "insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
         select gen_random_uuid(), id, now(), now(), 'totp' from auth.sessions",
    )
    .await;
    assert_eq!(api.delete_as(token(&session), &path).await.status, 204);
}

#[actix_web::test]
async fn administrators_list_and_remove_passkeys() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    let passkey = register(&api, &session, &mut authenticator).await;
    let user = session["user"]["id"].as_str().unwrap();
    let path = format!("/admin/users/{user}/passkeys");
    assert_eq!(api.get(&path, token(&session)).await.error(), (403, "not_admin"));
    assert_eq!(api.get(&path, &api.service_role()).await.ok()[0]["id"], passkey["id"]);
    let one = format!("{path}/{}", passkey["id"].as_str().unwrap());
    assert_eq!(api.delete_as(&api.service_role(), &one).await.status, 204);
    for gone in [one, format!("{path}/x")] {
        let answer = api.delete_as(&api.service_role(), &gone).await;
        answer.refused(404, "validation_failed", "Passkey not found");
    }
    sign_in(&api, &mut authenticator).await.failed();
}

#[actix_web::test]
async fn switched_off() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    assert_eq!(api.get("/settings", "").await.ok()["passkeys_enabled"], false);
    let off = (404, "passkey_disabled", "Passkeys are disabled");
    api.get("/passkeys/", token(&session)).await.refused(off.0, off.1, off.2);
    for path in
        ["authentication/options", "authentication/verify", "registration/options", "registration/verify"]
    {
        let path = format!("/passkeys/{path}");
        api.post_as(token(&session), &path, json!({})).await.refused(off.0, off.1, off.2);
    }
    api.delete_as(token(&session), "/passkeys/x").await.refused(off.0, off.1, off.2);
}

#[actix_web::test]
async fn sign_ins_are_counted_per_client() {
    let mut config = passkeys();
    config.rate_limit.passkey = 1;
    let api = Api::start(config).await;
    for path in ["/passkeys/authentication/options", "/passkeys/authentication/verify"] {
        assert_ne!(api.post(path, json!({})).await.status, 429);
        assert_eq!(api.post(path, json!({})).await.error(), (429, "over_request_rate_limit"));
    }
}

/// A security key as a second factor.
async fn ask(api: &Api, session: &Value, id: &str) -> Value {
    api.post_as(token(session), &format!("/factors/{id}/challenge"), json!({})).await.ok()
}

async fn answer(api: &Api, session: &Value, id: &str, asked: &Value, kind: &str, response: Value) -> Answer {
    let body = json!({
        "challenge_id": asked["id"],
        "webauthn": { "type": kind, "credential_response": response },
    });
    api.post_as(token(session), &format!("/factors/{id}/verify"), body).await
}

async fn enroll(api: &Api, session: &Value, name: &str) -> String {
    let body = json!({ "factor_type": "webauthn", "friendly_name": name });
    let factor = api.post_as(token(session), "/factors", body).await.ok();
    factor["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_security_key_is_a_second_factor() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let id = enroll(&api, &session, "key").await;
    let asked = ask(&api, &session, &id).await;
    assert_eq!(asked["webauthn"]["type"], "create");
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    assert_eq!(options["rp"]["id"], "localhost");
    let mut key = Authenticator::new();
    let wrong = (422, "mfa_verification_failed", "Failed to validate WebAuthn MFA response");
    // What was begun as a registration does not end as a signature.
    let mixed = answer(&api, &session, &id, &asked, "request", key.create(options)).await;
    mixed.refused(wrong.0, wrong.1, wrong.2);
    api.advance(1);
    let raised = answer(&api, &session, &id, &asked, "create", key.create(options)).await.ok();
    assert_eq!(api.claims(&raised["access_token"])["amr"][0]["method"], "mfa/webauthn");
    let factor = &raised["user"]["factors"][0];
    assert_eq!(
        (&factor["status"], &factor["last_webauthn_challenge_data"]["type"]),
        (&json!("verified"), &json!("create"))
    );
    assert!(factor["web_authn_credential"].is_null());
    let replayed = answer(&api, &raised, &id, &asked, "create", key.create(options)).await;
    assert_eq!(replayed.error(), (422, "mfa_factor_not_found"));

    let session = api.sign_in("jane@example.com", "password").await.ok();
    let asked = ask(&api, &session, &id).await;
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    assert_eq!(
        (&asked["webauthn"]["type"], options["allowCredentials"].as_array().unwrap().len()),
        (&json!("request"), 1)
    );
    let stranger = Authenticator::new().get(options);
    answer(&api, &session, &id, &asked, "request", stranger).await.refused(wrong.0, wrong.1, wrong.2);
    let raised = answer(&api, &session, &id, &asked, "request", key.get(options)).await.ok();
    assert_eq!(api.claims(&raised["access_token"])["aal"], "aal2");
    let stored = "select web_authn_credential -> 'authenticator' ->> 'signCount' from auth.mfa_factors";
    assert_eq!(api.value(stored).await.as_deref(), Some("1"));
    // It is no passkey.
    assert_eq!(api.get("/passkeys/", token(&raised)).await.ok(), json!([]));
    sign_in(&api, &mut key).await.failed();
}

#[actix_web::test]
async fn answers_of_security_keys_that_are_incomplete() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let id = enroll(&api, &session, "key").await;
    let asked = ask(&api, &session, &id).await;
    for (webauthn, text) in [
        (Value::Null, "WebAuthn config required"),
        (json!({ "type": "steal" }), "WebAuthn type must be create or request"),
        (json!({ "type": "create" }), "credential_response required"),
        (json!({ "type": "create", "credential_response": {} }), "Invalid credential_response"),
    ] {
        let body = json!({ "challenge_id": asked["id"], "webauthn": webauthn });
        let answer = api.post_as(token(&session), &format!("/factors/{id}/verify"), body).await;
        answer.refused(400, "validation_failed", text);
    }
}

/// A key proves its own factor only.
#[actix_web::test]
async fn one_key_does_not_stand_for_another() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let (mut first, mut second) = (Authenticator::new(), Authenticator::new());
    let one = enroll(&api, &session, "one").await;
    let asked = ask(&api, &session, &one).await;
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    let session = answer(&api, &session, &one, &asked, "create", first.create(options)).await.ok();
    let two = enroll(&api, &session, "two").await;
    let asked = ask(&api, &session, &two).await;
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    assert_eq!(options["excludeCredentials"].as_array().unwrap().len(), 1);
    // The first key again.
    let again = answer(&api, &session, &two, &asked, "create", first.create(options)).await;
    assert_eq!(again.error(), (422, "mfa_verification_failed"));
    let session = answer(&api, &session, &two, &asked, "create", second.create(options)).await.ok();
    let asked = ask(&api, &session, &one).await;
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    let other = answer(&api, &session, &one, &asked, "request", second.get(options)).await;
    assert_eq!(other.error(), (422, "mfa_verification_failed"));
    answer(&api, &session, &one, &asked, "request", first.get(options)).await.ok();
}

/// A passkey that Supabase Auth registered signs in: the public key is kept as it was sent.
#[actix_web::test]
async fn a_passkey_handed_over_works() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    register(&api, &session, &mut authenticator).await;
    // As upstream's columns are where it knows no more.
    api.sql("update auth.webauthn_credentials set aaguid = null, transports = '[]', attestation_type = ''")
        .await;
    sign_in(&api, &mut authenticator).await.ok();
    api.sql("update auth.webauthn_credentials set public_key = '\\x00'").await;
    sign_in(&api, &mut authenticator).await.failed();
}

/// A key of EdDSA, which Supabase Auth registers, in COSE.
fn eddsa() -> Vec<u8> {
    let head = [0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];
    head.into_iter().chain([7; 32]).collect()
}

#[actix_web::test]
async fn keys_of_eddsa_are_refused_by_name() {
    let api = Api::start(passkeys()).await;
    let session = api.sign_up("jane@example.com").await;
    let mut authenticator = Authenticator::new();
    register(&api, &session, &mut authenticator).await;
    api.sql(&format!("update auth.webauthn_credentials set public_key = '\\x{}'", hex::encode(eddsa())))
        .await;
    let refused = sign_in(&api, &mut authenticator).await;
    let text = "Passkeys with keys of EdDSA are not supported: register another";
    refused.refused(400, "webauthn_verification_failed", text);

    let id = enroll(&api, &session, "key").await;
    let asked = ask(&api, &session, &id).await;
    let options = &asked["webauthn"]["credential_options"]["publicKey"];
    let offered: Vec<_> = options["pubKeyCredParams"].as_array().unwrap().iter().map(|p| &p["alg"]).collect();
    assert!(!offered.contains(&&json!(-8)), "{offered:?}");
    let session =
        answer(&api, &session, &id, &asked, "create", Authenticator::new().create(options)).await.ok();
    let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, eddsa());
    api.sql(&format!(
        "update auth.mfa_factors set web_authn_credential = jsonb_set(web_authn_credential, '{{publicKey}}', '\"{key}\"')"
    ))
    .await;
    let asked = api.post_as(token(&session), &format!("/factors/{id}/challenge"), json!({})).await;
    let text = "Security keys of EdDSA are not supported: enroll another";
    asked.refused(400, "webauthn_verification_failed", text);
}
