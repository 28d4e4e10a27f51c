//! Single sign-on by SAML.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{Catalogue, NOBODY, both, get, post, put};
use crate::harness::{Api, open, request};
use crate::saml::Scene;
use crate::saml::idp::{ENTITY, Message, PERSISTENT, TRANSIENT, encoded, metadata};

/// What is shown here.
pub const CODES: &str = "conflict saml_assertion_no_email saml_assertion_no_user_id saml_entity_id_mismatch \
    saml_idp_already_exists saml_idp_not_found saml_metadata_fetch_failed saml_provider_disabled saml_relay_state_expired \
    saml_relay_state_not_found sso_domain_already_exists sso_provider_disabled sso_provider_not_found user_banned \
    validation_failed";

const PATH: &str = "/admin/sso/providers";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        providers(c).await;
        descriptions(c).await;
        beginnings(c).await;
        assertions(c).await;
        relay_states(c).await;
    })
    .await;
}

fn wish(entity: &str, more: Value) -> Value {
    let mut wish = json!({ "type": "saml", "metadata_xml": metadata(entity, "idp") });
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

async fn providers(c: &Catalogue) {
    let scene = Scene::start().await;
    let (api, admin) = (&scene.api, &scene.admin);
    let one = format!("{PATH}/{}", scene.provider);
    let check = async |ask, status, code: &str, message: &str| {
        c.check(api, ask, status, code, message).await;
    };
    let none = "SSO Identity Provider not found";
    check(get(&format!("{PATH}/{NOBODY}"), admin), 404, "sso_provider_not_found", none).await;
    let known = format!("SAML Identity Provider with this EntityID ({ENTITY}) already exists");
    check(post(PATH, admin, wish(ENTITY, json!({}))), 422, "saml_idp_already_exists", &known).await;
    let taken = format!(
        "SSO Domain 'corp.test' is already assigned to an SSO identity provider ({})",
        scene.provider
    );
    let domains = wish("https://two.test", json!({ "domains": ["corp.test"] }));
    check(post(PATH, admin, domains), 400, "sso_domain_already_exists", &taken).await;
    let other = json!({ "metadata_xml": metadata("https://x.test", "idp") });
    let mismatch = format!(
        "SAML Metadata can be updated only if the EntityID matches for the provider; expected '{ENTITY}' but got \
         'https://x.test'"
    );
    check(put(&one, admin, other), 400, "saml_entity_id_mismatch", &mismatch).await;
    let second = wish("https://two.test", json!({ "resource_id": "two" }));
    assert_eq!(api.send(post(PATH, admin, second)).await.status, 201);
    let third = wish("https://three.test", json!({ "resource_id": "TWO" }));
    let conflict = "Creating SSO provider failed, likely due to a conflict. Try again?";
    check(post(PATH, admin, third), 422, "conflict", conflict).await;
    let conflict = "Updating SSO provider failed, likely due to a conflict. Try again?";
    check(put(&one, admin, json!({ "resource_id": "two" })), 422, "conflict", conflict).await;
}

async fn descriptions(c: &Catalogue) {
    let scene = Scene::start().await;
    let invalid = async |body: Value, message: &str| {
        c.check(&scene.api, post(PATH, &scene.admin, body), 400, "validation_failed", message).await;
    };
    invalid(json!({ "type": "oidc" }), "Only 'saml' supported for SSO provider type").await;
    invalid(json!({ "type": "saml" }), "Either metadata_xml or metadata_url must be set").await;
    let both = wish("https://two.test", json!({ "metadata_url": "https://x.test" }));
    invalid(both, "Only one of metadata_xml or metadata_url needs to be set").await;
    let by_url = |url: &str| json!({ "type": "saml", "metadata_url": url });
    invalid(by_url("nonsense"), "metadata_url is not a valid URL").await;
    invalid(by_url("http://idp.test/"), "metadata_url is not a HTTPS URL").await;
    let format = wish("https://two.test", json!({ "name_id_format": "x" }));
    invalid(format, "name_id_format must be unspecified or one of …").await;
    let entity = |attributes: &str, inside: &str| {
        let begin = "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\"";
        let xml = format!("{begin} {attributes}>{inside}</EntityDescriptor>");
        json!({ "type": "saml", "metadata_xml": xml })
    };
    invalid(entity("", ""), "SAML Metadata does not contain an EntityID").await;
    invalid(entity("entityID=\"x\"", ""), "SAML Metadata does not contain any IDPSSODescriptor").await;
    let two = "<IDPSSODescriptor/><IDPSSODescriptor/>";
    invalid(entity("entityID=\"x\"", two), "SAML Metadata contains multiple IDPSSODescriptors").await;
    let url = "https://127.0.0.1:1/metadata";
    let failed = format!("No answer fetching SAML Metadata from URL '{url}': …");
    let ask = post(PATH, &scene.admin, by_url(url));
    c.check(&scene.api, ask, 400, "saml_metadata_fetch_failed", &failed).await;
}

async fn beginnings(c: &Catalogue) {
    let off = Api::start(open()).await;
    let body = || json!({ "domain": "corp.test" });
    let disabled = "SAML 2.0 is disabled";
    for ask in [post("/sso", "", body()), get("/sso/saml/metadata", ""), post("/sso/saml/acs", "", json!({}))]
    {
        c.check(&off, ask, 404, "saml_provider_disabled", disabled).await;
    }
    let scene = Scene::start().await;
    let check = async |body: Value, status, code: &str, message: &str| {
        c.check(&scene.api, post("/sso", "", body), status, code, message).await;
    };
    let invalid = "validation_failed";
    check(json!({}), 400, invalid, "A provider_id or domain needs to be provided").await;
    let both = json!({ "domain": "corp.test", "provider_id": scene.provider });
    check(both, 400, invalid, "Only one of provider_id or domain supported").await;
    let unknown = "sso_provider_not_found";
    let domain = json!({ "domain": "other.test" });
    check(domain, 404, unknown, "No SSO provider assigned for this domain").await;
    check(json!({ "provider_id": NOBODY }), 404, unknown, "No such SSO provider").await;
    let path = format!("{PATH}/{}", scene.provider);
    scene.api.put_as(&scene.admin, &path, json!({ "disabled": true })).await.ok();
    check(body(), 404, "sso_provider_disabled", "SSO Provider is currently disabled").await;
}

fn bring(response: &str, relay_state: &str) -> TestRequest {
    let fields = [("SAMLResponse", response), ("RelayState", relay_state)];
    request(Method::POST, "/sso/saml/acs", "").set_form(fields)
}

/// What ends at the site, where the browser is sent.
async fn assertions(c: &Catalogue) {
    let scene = Scene::start().await;
    let check = async |ask, error: &str, code: &str, message: &str| {
        c.carried(&scene.api, ask, error, code, message).await;
    };
    let invalid =
        async |ask, message: &str| check(ask, "invalid_request", "validation_failed", message).await;
    let now = scene.now();
    invalid(bring("", ""), "SAMLResponse is missing").await;
    invalid(bring("?", ""), "SAMLResponse is not a valid Base64 string").await;
    invalid(bring(&encoded("nonsense"), ""), "SAMLResponse is not a valid XML SAML assertion").await;
    let good = encoded(&Message::at(now).document());
    invalid(bring(&good, "neither"), "SAML RelayState is not a valid UUID or URL").await;
    let forged = Message { key: "stranger", ..Message::at(now) };
    invalid(bring(&encoded(&forged.document()), ""), "SAML Assertion is not valid").await;
    let artifact =
        request(Method::POST, "/sso/saml/acs", "").set_form([("SAMLart", "x"), ("RelayState", "")]);
    invalid(artifact, "SAML Artifact response can only be used with SP initiated flow").await;
    let elsewhere = Message {
        issuer: "https://x.test".to_owned(),
        assertion_issuer: "https://x.test".to_owned(),
        ..Message::at(now)
    };
    let unknown = "A SAML connection has not been established with this Identity Provider";
    check(bring(&encoded(&elsewhere.document()), ""), "server_error", "saml_idp_not_found", unknown).await;
    let named = |format: &'static str, mail: &[(&'static str, Vec<&'static str>)]| {
        let message =
            Message { name_id: (format, "x".to_owned()), attributes: mail.to_vec(), ..Message::at(now) };
        bring(&encoded(&message.document()), "")
    };
    let nobody = "SAML Assertion did not contain a persistent Subject Identifier attribute or Subject NameID uniquely \
                  identifying this user";
    let mail = [("mail", vec!["jane@corp.test"])];
    check(named(TRANSIENT, &mail), "invalid_request", "saml_assertion_no_user_id", nobody).await;
    let no_email = "SAML Assertion does not contain an email address";
    check(named(PERSISTENT, &[]), "invalid_request", "saml_assertion_no_email", no_email).await;
    assert_eq!(scene.api.send(named(PERSISTENT, &mail)).await.status, 302);
    scene.api.sql("update auth.users set banned_until = '2100-01-01'").await;
    check(named(PERSISTENT, &mail), "access_denied", "user_banned", "User is banned").await;
    let path = format!("{PATH}/{}", scene.provider);
    scene.api.put_as(&scene.admin, &path, json!({ "disabled": true })).await.ok();
    let off = "SSO Provider assigned for this domain is currently disabled";
    check(named(PERSISTENT, &mail), "server_error", "sso_provider_disabled", off).await;
}

async fn relay_states(c: &Catalogue) {
    let scene = Scene::start().await;
    let (id, relay_state) = scene.begin(json!({})).await;
    let document = encoded(&Message::answering(scene.now(), &id).document());
    let unknown = "SAML RelayState does not exist, try logging in again?";
    let ask = bring(&document, NOBODY);
    c.carried(&scene.api, ask, "server_error", "saml_relay_state_not_found", unknown).await;
    scene.api.advance(121);
    let expired = "SAML RelayState has expired. Try logging in again?";
    let ask = bring(&document, &relay_state);
    c.carried(&scene.api, ask, "server_error", "saml_relay_state_expired", expired).await;
}
