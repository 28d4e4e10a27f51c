//! What we tell identity providers about ourselves.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Secret;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{idp, with_saml};
use crate::harness::Api;

/// Uses and certificates of the keys in a metadata document.
fn keys(text: &str) -> Vec<(String, Vec<u8>)> {
    let document = roxmltree::Document::parse(text).unwrap();
    let keys = document.descendants().filter(|node| node.tag_name().name() == "KeyDescriptor");
    keys.map(|key| {
        let certificate = key.descendants().find(|node| node.tag_name().name() == "X509Certificate").unwrap();
        let der = STANDARD.decode(certificate.text().unwrap()).unwrap();
        (key.attribute("use").unwrap().to_owned(), der)
    })
    .collect()
}

#[actix_web::test]
async fn who_we_are() {
    let api = Api::start(with_saml()).await;
    let answer = api.get("/sso/saml/metadata", "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/xml"));
    assert_eq!(answer.header("cache-control"), "public, max-age=600");
    assert_eq!(answer.header("content-disposition"), "");
    let document = roxmltree::Document::parse(&answer.text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("entityID"), Some(idp::AUDIENCE));
    assert_eq!(
        (root.attribute("validUntil"), root.attribute("cacheDuration")),
        (Some("2027-01-17T08:00:00Z"), None)
    );
    let party = root.first_element_child().unwrap();
    assert_eq!(
        (party.attribute("WantAssertionsSigned"), party.attribute("AuthnRequestsSigned")),
        (Some("true"), None)
    );
    let texts: Vec<_> = party.children().filter_map(|node| node.text()).collect();
    assert_eq!(texts, [idp::EMAIL, idp::PERSISTENT]);
    let consumer = party.last_element_child().unwrap();
    assert_eq!(consumer.attribute("Location"), Some(idp::CONSUMER));
    assert_eq!(keys(&answer.text).len(), 1);

    let answer = api.get("/sso/saml/metadata?download=true", "").await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"metadata.xml\"");
    assert!(answer.text.contains("validUntil=\"2032-01-15T08:00:00Z\""));
    let settings = api.get("/settings", "").await.ok();
    let said = (&settings["saml_enabled"], &settings["saml_private_key_next_configured"]);
    assert_eq!(said, (&json!(true), &json!(false)));
}

#[actix_web::test]
async fn the_next_key_is_announced() {
    let mut config = with_saml();
    config.saml.private_key_next = Secret::new(idp::private_key("next"));
    config.saml.allow_encrypted_assertions = true;
    let api = Api::start(config).await;
    let answer = api.get("/sso/saml/metadata", "").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    assert!(answer.text.contains(" cacheDuration=\"PT1H\""));
    let keys = keys(&answer.text);
    let uses: Vec<_> = keys.iter().map(|(purpose, _)| purpose.as_str()).collect();
    assert_eq!(uses, ["signing", "encryption", "signing", "encryption"]);
    assert_eq!(keys[0].1, keys[1].1);
    assert_ne!(keys[0].1, keys[2].1);
    assert_eq!(api.get("/settings", "").await.ok()["saml_private_key_next_configured"], true);
}

#[actix_web::test]
async fn an_address_of_its_own() {
    let mut config = with_saml();
    config.saml.external_url = "https://login.test/".to_owned();
    let api = Api::start(config).await;
    let text = api.get("/sso/saml/metadata", "").await.text;
    assert!(text.contains("entityID=\"https://login.test/sso/saml/metadata\""), "{text}");
    assert!(text.contains("Location=\"https://login.test/sso/saml/acs\""), "{text}");
}

/// The certificate is a matter of key and host alone: identity providers keep it.
#[actix_web::test]
async fn the_certificate_stays() {
    let mut config = with_saml();
    config.external_url = "https://projectref.supabase.co/auth/v1".to_owned();
    let api = Api::start(config).await;
    let first = keys(&api.get("/sso/saml/metadata", "").await.text).remove(0).1;
    api.advance(86_400);
    let second = keys(&api.get("/sso/saml/metadata", "").await.text).remove(0).1;
    assert_eq!(first, second);
    // As Supabase Auth makes it.
    let upstreams = "d460a62c811af3d71301b5d0a14a3a6ccccc6a51f56bf290304bc39129749588";
    assert_eq!(hex::encode(Sha256::digest(&first)), upstreams);
}
