//! Ways in that are good.

use actix_web::http::Method;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::json;

use super::idp::{self, EMAIL, Message, Signed, TRANSIENT};
use super::{SITE, Scene, failed, inflated, query, session, with_saml};
use crate::harness::{Api, request};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[actix_web::test]
async fn there_and_back() {
    let scene = Scene::start().await;
    let (id, relay_state) = scene.begin(json!({ "redirect_to": "https://app.test/in" })).await;
    let ends_at = scene.now() + TimeDelta::hours(8);
    let message = Message { session_ends_at: Some(ends_at), ..Message::answering(scene.now(), &id) };
    let session = session(&scene.bring(&message.document(), &relay_state).await, "https://app.test/in");
    let keys: Vec<_> = session.keys().map(String::as_str).collect();
    assert_eq!(keys, ["access_token", "expires_at", "expires_in", "refresh_token", "sb", "token_type"]);

    let name = format!("sso:{}", scene.provider);
    let user = scene.api.get("/user", &session["access_token"]).await.ok();
    assert_eq!(user["email"], "jane@corp.test");
    assert!(user["email_confirmed_at"].is_string());
    assert_eq!(user["app_metadata"], json!({ "provider": name, "providers": [name] }));
    let data = json!({ "iss": idp::ENTITY, "sub": "jane-4711", "email": "Jane@Corp.test", "email_verified": true,
        "phone_verified": false });
    assert_eq!((&user["user_metadata"], &user["identities"][0]["identity_data"]), (&data, &data));
    assert_eq!(user["identities"][0]["provider"], name);
    assert_eq!(user["identities"][0]["id"], "jane-4711");
    let claims = scene.api.claims(&json!(session["access_token"]));
    assert_eq!(
        (&claims["amr"][0]["method"], &claims["amr"][0]["provider"]),
        (&json!("sso/saml"), &json!(scene.provider))
    );
    let row = scene.api.value("select is_sso_user from auth.users").await;
    assert_eq!(row.as_deref(), Some("t"));

    // The session ends with that at the identity provider.
    let not_after = scene.api.value("select extract(epoch from not_after)::int8 from auth.sessions").await;
    assert_eq!(not_after, Some(ends_at.timestamp().to_string()));
    let token = scene.api.refresh(&json!(session["refresh_token"])).await.ok()["refresh_token"].clone();
    scene.api.advance(8 * 3600 + 1);
    scene.api.refresh(&token).await.refused(400, "session_expired", "Invalid Refresh Token: Session Expired");
}

#[actix_web::test]
async fn the_request_is_signed_and_says_what_is_wanted() {
    let scene = Scene::with(with_saml(), json!({ "name_id_format": TRANSIENT })).await;
    let answer = scene.api.post("/sso", json!({ "provider_id": scene.provider })).await;
    assert_eq!(answer.status, 303);
    let there = answer.header("location").to_owned();
    let (signed, signature) = there.split_once("&Signature=").unwrap();
    let signed = signed.strip_prefix(&format!("{}&", idp::SIGN_IN)).unwrap();
    let signature = STANDARD.decode(&query(&format!("x:?s={signature}"))["s"]).unwrap();
    let key = KeyPair::from_der(&STANDARD.decode(idp::private_key("ours")).unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref().to_vec());
    key.verify(signed.as_bytes(), &signature).unwrap();
    let told = query(&there);
    assert_eq!(told["SigAlg"], "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256");
    let text = inflated(&told["SAMLRequest"]);
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "AuthnRequest");
    for (name, value) in [
        ("Version", "2.0"),
        ("Destination", idp::SIGN_IN),
        ("AssertionConsumerServiceURL", idp::CONSUMER),
        ("ProtocolBinding", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"),
        ("IssueInstant", "2027-01-15T08:00:00.123Z"),
    ] {
        assert_eq!(root.attribute(name), Some(value));
    }
    let child = |name: &str| root.children().find(|node| node.tag_name().name() == name).unwrap();
    assert_eq!(child("Issuer").text(), Some(idp::AUDIENCE));
    assert_eq!(child("NameIDPolicy").attribute("Format"), Some(TRANSIENT));
}

#[actix_web::test]
async fn a_code_for_the_client_that_began() {
    let scene = Scene::start().await;
    let more = json!({ "redirect_to": "https://app.test/in?a=b", "code_challenge": CHALLENGE, "code_challenge_method": "s256" });
    let (id, relay_state) = scene.begin(more).await;
    let ends_at = scene.now() + TimeDelta::hours(8);
    let message = Message { session_ends_at: Some(ends_at), ..Message::answering(scene.now(), &id) };
    let answer = scene.bring(&message.document(), &relay_state).await;
    assert_eq!(answer.status, 302, "{}", answer.text);
    let told = query(answer.header("location"));
    assert_eq!((told["a"].as_str(), told.len()), ("b", 2));
    assert_eq!(scene.api.value("select count(*) from auth.sessions").await.as_deref(), Some("0"));
    let exchange = async |verifier: &str| {
        let body = json!({ "auth_code": told["code"], "code_verifier": verifier });
        scene.api.post("/token?grant_type=pkce", body).await
    };
    let wrong = "code challenge does not match previously saved code verifier";
    exchange(&VERIFIER.to_lowercase()).await.refused(400, "bad_code_verifier", wrong);
    let grant = exchange(VERIFIER).await.ok();
    assert_eq!(grant["user"]["email"], "jane@corp.test");
    let claims = scene.api.claims(&grant["access_token"]);
    assert_eq!(
        (&claims["amr"][0]["method"], &claims["amr"][0]["provider"]),
        (&json!("sso/saml"), &json!(scene.provider))
    );
    let not_after = scene.api.value("select extract(epoch from not_after)::int8 from auth.sessions").await;
    assert_eq!(not_after, Some(ends_at.timestamp().to_string()));
    exchange(VERIFIER).await.refused(
        404,
        "flow_state_not_found",
        "invalid flow state, no valid flow state found",
    );
}

#[actix_web::test]
async fn the_identity_provider_may_begin() {
    let scene = Scene::start().await;
    for (relay_state, target) in [
        ("", SITE),
        ("https://app.test/from-idp", "https://app.test/from-idp"),
        ("https://evil.test/", SITE),
        ("/dashboard", SITE),
    ] {
        let document = Message::at(scene.now()).document();
        session(&scene.bring(&document, relay_state).await, target);
    }
    assert_eq!(scene.api.value("select count(*) from auth.users").await.as_deref(), Some("1"));
    let answer = scene.bring(&Message::at(scene.now()).document(), "neither").await;
    failed(&answer, "invalid_request", "validation_failed", "SAML RelayState is not a valid UUID or URL");
}

#[actix_web::test]
async fn a_signature_of_the_response_of_the_assertion_or_of_both() {
    let scene = Scene::start().await;
    for signed in [Signed::Response, Signed::Assertion, Signed::Both] {
        let message = Message { signed, ..Message::at(scene.now()) };
        session(&scene.bring(&message.document(), "").await, SITE);
    }
    for (signature_method, digest_method) in [
        (
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            "http://www.w3.org/2001/04/xmldsig-more#sha384",
        ),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512"),
    ] {
        for canonical in
            ["http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"]
        {
            let message = Message { signature_method, digest_method, canonical, ..Message::at(scene.now()) };
            session(&scene.bring(&message.document(), "").await, SITE);
        }
    }
}

#[actix_web::test]
async fn keys_on_curves() {
    let more = json!({ "metadata_xml": idp::metadata(idp::ENTITY, "curve") });
    let scene = Scene::with(with_saml(), more).await;
    let signature_method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
    let message = Message { key: "curve", signature_method, ..Message::at(scene.now()) };
    session(&scene.bring(&message.document(), "").await, SITE);
}

#[actix_web::test]
async fn sha1_only_where_it_is_accepted() {
    let sha1 = |scene: &Scene| Message {
        signature_method: "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        digest_method: "http://www.w3.org/2000/09/xmldsig#sha1",
        ..Message::at(scene.now())
    };
    let scene = Scene::start().await;
    let said = scene.refused(&sha1(&scene).document()).await;
    assert!(said.contains("rsa-sha1 is not among the algorithms"), "{said}");
    let digest =
        Message { digest_method: "http://www.w3.org/2000/09/xmldsig#sha1", ..Message::at(scene.now()) };
    let said = scene.refused(&digest.document()).await;
    assert!(said.contains("sha1 is not among the algorithms"), "{said}");
    let mut config = with_saml();
    config.saml.allow_sha1 = true;
    let scene = Scene::with(config, json!({})).await;
    session(&scene.bring(&sha1(&scene).document(), "").await, SITE);
}

#[actix_web::test]
async fn encrypted_assertions() {
    const GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
    const CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
    const OAEP: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
    const PKCS1: &str = "http://www.w3.org/2001/04/xmlenc#rsa-1_5";
    let scene = Scene::start().await;
    let said = scene.refused(&Message::at(scene.now()).encrypted("ours", "aes-256", GCM, OAEP)).await;
    assert!(said.contains("encrypted assertions are not accepted"), "{said}");

    let mut config = with_saml();
    config.saml.allow_encrypted_assertions = true;
    config.saml.private_key_next = kernel::Secret::new(idp::private_key("next"));
    let scene = Scene::with(config, json!({})).await;
    let unsigned = Message { signed: Signed::Nothing, ..Message::at(scene.now()) };
    let said = scene.refused(&unsigned.encrypted("ours", "aes-256", GCM, OAEP)).await;
    assert!(said.contains("neither response nor assertion is signed"), "{said}");
    let said = scene.refused(&Message::at(scene.now()).encrypted("ours", "aes-256", GCM, PKCS1)).await;
    assert!(said.contains("cannot be decrypted"), "{said}");
    let stranger = Message { key: "stranger", ..Message::at(scene.now()) };
    let said = scene.refused(&stranger.encrypted("ours", "aes-256", GCM, OAEP)).await;
    assert!(said.contains("the signature does not fit"), "{said}");
    for (key, session_key, cipher) in [
        ("ours", "aes-256", GCM),
        ("next", "aes-256", GCM),
        ("ours", "aes-256", CBC),
        ("ours", "aes-192", "http://www.w3.org/2001/04/xmlenc#aes192-cbc"),
        ("next", "aes-128", "http://www.w3.org/2001/04/xmlenc#aes128-cbc"),
    ] {
        for signed in [Signed::Response, Signed::Assertion, Signed::Both] {
            let message = Message { signed, ..Message::at(scene.now()) };
            session(&scene.bring(&message.encrypted(key, session_key, cipher, OAEP), "").await, SITE);
        }
    }
}

#[actix_web::test]
async fn attributes_become_claims() {
    let mapping = json!({ "keys": {
        "email": { "name": "address" },
        "full_name": { "names": ["displayName", "cn"] },
        "groups": { "name": "memberOf", "array": true },
        "plan": { "name": "plan", "default": { "tier": 1 } },
    } });
    let scene = Scene::with(with_saml(), json!({ "attribute_mapping": mapping })).await;
    let attributes = vec![
        ("address", vec!["jane@mapped.test"]),
        ("mail", vec!["jane@corp.test"]),
        ("CN", vec!["Jane &amp; Co"]),
        ("memberOf", vec!["staff", "admins"]),
    ];
    let message = Message { attributes, ..Message::at(scene.now()) };
    let session = session(&scene.bring(&message.document(), "").await, SITE);
    let user = scene.api.get("/user", &session["access_token"]).await.ok();
    let data = json!({ "iss": idp::ENTITY, "sub": "jane-4711", "email": "jane@mapped.test", "email_verified": true,
        "phone_verified": false, "full_name": "Jane & Co",
        "custom_claims": { "groups": ["staff", "admins"], "plan": { "tier": 1 } } });
    assert_eq!(user["identities"][0]["identity_data"], data);
}

#[actix_web::test]
async fn whose_account_it_is() {
    let scene = Scene::start().await;
    // Someone with the same address and a password is somebody else.
    let other = scene.api.sign_up("jane@corp.test").await;
    let come = async |name: (&'static str, &str), mail: &'static str| {
        let attributes = if mail.is_empty() { vec![] } else { vec![("mail", vec![mail])] };
        let message =
            Message { name_id: (name.0, name.1.to_owned()), attributes, ..Message::at(scene.now()) };
        scene.bring(&message.document(), "").await
    };
    let user = async |answer| {
        let session = session(&answer, SITE);
        scene.api.get("/user", &session["access_token"]).await.ok()["id"].clone()
    };
    let jane = user(come((idp::PERSISTENT, "jane-4711"), "jane@corp.test").await).await;
    assert_ne!(jane, other["user"]["id"]);
    // The provider names her differently but knows her address.
    assert_eq!(user(come((EMAIL, " Jane@Corp.test "), "jane@corp.test").await).await, jane);
    assert_ne!(user(come((EMAIL, "joe@corp.test"), "").await).await, jane);
    assert_eq!(user(come((idp::PERSISTENT, "jane-4711"), "jane@married.test").await).await, jane);
    let none = "SAML Assertion did not contain a persistent Subject Identifier attribute or Subject NameID uniquely \
                identifying this user";
    failed(
        &come((TRANSIENT, "x"), "jane@corp.test").await,
        "invalid_request",
        "saml_assertion_no_user_id",
        none,
    );
    let none = "SAML Assertion does not contain an email address";
    failed(&come((idp::PERSISTENT, "x"), "").await, "invalid_request", "saml_assertion_no_email", none);
    scene.api.sql("update auth.users set banned_until = '2100-01-01' where is_sso_user").await;
    let banned = come((idp::PERSISTENT, "jane-4711"), "jane@corp.test").await;
    failed(&banned, "access_denied", "user_banned", "User is banned");
}

#[actix_web::test]
async fn what_is_asked_for_has_to_be_there() {
    let scene = Scene::start().await;
    let ask = async |body: serde_json::Value, status, code: &str, message: &str| {
        scene.api.post("/sso", body).await.refused(status, code, message);
    };
    let nobody = "11111111-1111-4111-8111-111111111111";
    let invalid = "validation_failed";
    ask(json!({}), 400, invalid, "A provider_id or domain needs to be provided").await;
    let both = json!({ "domain": "corp.test", "provider_id": scene.provider });
    ask(both, 400, invalid, "Only one of provider_id or domain supported").await;
    let unknown = "No SSO provider assigned for this domain";
    ask(json!({ "domain": "other.test" }), 404, "sso_provider_not_found", unknown).await;
    ask(json!({ "provider_id": nobody }), 404, "sso_provider_not_found", "No such SSO provider").await;
    let half = "PKCE flow requires code_challenge_method and code_challenge";
    ask(json!({ "domain": "CORP.test", "code_challenge": CHALLENGE }), 400, invalid, half).await;

    let (id, relay_state) = scene.begin(json!({})).await;
    let path = format!("/admin/sso/providers/{}", scene.provider);
    scene.api.put_as(&scene.admin, &path, json!({ "disabled": true })).await.ok();
    let off = "SSO Provider is currently disabled";
    ask(json!({ "domain": "corp.test" }), 404, "sso_provider_disabled", off).await;
    let off = "SSO Provider assigned for this domain is currently disabled";
    let document = Message::answering(scene.now(), &id).document();
    failed(&scene.bring(&document, &relay_state).await, "server_error", "sso_provider_disabled", off);
    failed(&scene.bring(&document, "").await, "server_error", "sso_provider_disabled", off);
}

#[actix_web::test]
async fn requests_are_counted() {
    let mut config = with_saml();
    config.rate_limit.sso = 2;
    config.rate_limit.saml_assertion = 2;
    let scene = Scene::with(config, json!({})).await;
    let limited = "Request rate limit reached";
    for _ in 0..2 {
        scene.begin(json!({})).await;
        assert_eq!(scene.bring("x", "").await.status, 303);
    }
    let answer = scene.api.post("/sso", json!({ "domain": "corp.test" })).await;
    answer.refused(429, "over_request_rate_limit", limited);
    scene.bring("x", "").await.refused(429, "over_request_rate_limit", limited);
}

#[actix_web::test]
async fn switched_off() {
    let api = Api::start(crate::harness::open()).await;
    for (method, path) in
        [(Method::POST, "/sso"), (Method::GET, "/sso/saml/metadata"), (Method::POST, "/sso/saml/acs")]
    {
        let answer = api.send(request(method, path, "").set_json(json!({ "domain": "corp.test" }))).await;
        answer.refused(404, "saml_provider_disabled", "SAML 2.0 is disabled");
    }
    assert_eq!(api.get("/settings", "").await.ok()["saml_enabled"], false);
}
