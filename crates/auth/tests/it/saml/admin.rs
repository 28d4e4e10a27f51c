//! Setting identity providers up.

use serde_json::{Value, json};

use super::Scene;
use super::idp::{self, EMAIL};
use crate::harness::{Answer, Api, open};

const PATH: &str = "/admin/sso/providers";

async fn create(scene: &Scene, wish: Value) -> Answer {
    scene.api.post_as(&scene.admin, PATH, wish).await
}

fn wish(entity: &str, more: Value) -> Value {
    let mut wish = json!({ "type": "saml", "metadata_xml": idp::metadata(entity, "idp") });
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

#[actix_web::test]
async fn a_provider_as_it_is_shown() {
    let scene = Scene::start().await;
    let mapping = json!({ "keys": { "name": { "name": "displayName", "names": ["cn"] } } });
    let more = json!({ "domains": ["a.test", "b.test"], "attribute_mapping": mapping, "resource_id": "res-1",
        "name_id_format": EMAIL, "disabled": true });
    let answer = create(&scene, wish("https://two.test", more)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let provider = answer.body;
    let expected = json!({
        "id": provider["id"], "resource_id": "res-1", "disabled": true,
        "saml": { "entity_id": "https://two.test", "metadata_xml": idp::metadata("https://two.test", "idp"),
            "attribute_mapping": mapping, "name_id_format": EMAIL },
        "domains": [{ "domain": "a.test" }, { "domain": "b.test" }],
        "created_at": "2027-01-15T08:00:00.123456Z", "updated_at": "2027-01-15T08:00:00.123456Z",
    });
    assert_eq!(provider, expected);
    let get = async |id: &str| scene.api.get(&format!("{PATH}/{id}"), &scene.admin).await.ok();
    assert_eq!(get(provider["id"].as_str().unwrap()).await, provider);
    assert_eq!(get("resource_res-1").await, provider);
    let first = get(&scene.provider).await;
    assert_eq!((&first["disabled"], first.get("resource_id")), (&Value::Null, None));
    assert_eq!(first["saml"]["attribute_mapping"], json!({}));

    let list = async |query: &str| {
        let list = scene.api.get(&format!("{PATH}{query}"), &scene.admin).await.ok();
        let items = list["items"].as_array().unwrap().clone();
        assert!(items.iter().all(|item| item["saml"].get("metadata_xml").is_none()));
        items.iter().map(|item| item["saml"]["entity_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("").await.len(), 2);
    assert_eq!(list("/").await.len(), 2);
    assert_eq!(list("?resource_id=res-1").await, ["https://two.test"]);
    assert_eq!(list("?resource_id_prefix=res").await, ["https://two.test"]);
    assert_eq!(list("?resource_id_prefix=r%25").await, [""; 0]);
    assert_eq!(list("?resource_id=res").await, [""; 0]);

    let gone = scene.api.delete_as(&scene.admin, &format!("{PATH}/resource_res-1")).await.ok();
    assert_eq!(gone, provider);
    for id in ["resource_res-1", "11111111-1111-4111-8111-111111111111", "x", "resource_%00"] {
        let answer = scene.api.get(&format!("{PATH}/{id}"), &scene.admin).await;
        answer.refused(404, "sso_provider_not_found", "SSO Identity Provider not found");
    }
    assert_eq!(scene.api.value("select count(*) from auth.sso_domains").await.as_deref(), Some("1"));
}

#[actix_web::test]
async fn what_keeps_a_provider_from_being_set_up() {
    let scene = Scene::start().await;
    let refused = async |wish: Value, status, code: &str, message: &str| {
        create(&scene, wish).await.refused(status, code, message);
    };
    let invalid = async |wish: Value, message: &str| refused(wish, 400, "validation_failed", message).await;
    let new = |more| wish("https://two.test", more);
    invalid(json!({ "type": "oidc" }), "Only 'saml' supported for SSO provider type").await;
    invalid(json!({}), "Only 'saml' supported for SSO provider type").await;
    invalid(json!({ "type": "saml" }), "Either metadata_xml or metadata_url must be set").await;
    let both = "Only one of metadata_xml or metadata_url needs to be set";
    invalid(new(json!({ "metadata_url": "https://x.test" })), both).await;
    let by_url = |url: &str| json!({ "type": "saml", "metadata_url": url });
    invalid(by_url("nonsense"), "metadata_url is not a valid URL").await;
    invalid(by_url("http://idp.test/metadata"), "metadata_url is not a HTTPS URL").await;
    let formats = "name_id_format must be unspecified or one of urn:oasis:names:tc:SAML:2.0:nameid-format:persistent, \
                   urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress, \
                   urn:oasis:names:tc:SAML:2.0:nameid-format:transient, \
                   urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
    invalid(new(json!({ "name_id_format": "x" })), formats).await;
    let by_xml = |xml: &str| json!({ "type": "saml", "metadata_xml": xml });
    let entity = |attributes: &str, inside: &str| {
        by_xml(&format!(
            "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" {attributes}>{inside}</EntityDescriptor>"
        ))
    };
    invalid(entity("", ""), "SAML Metadata does not contain an EntityID").await;
    invalid(entity("entityID=\"x\"", ""), "SAML Metadata does not contain any IDPSSODescriptor").await;
    let two = "<IDPSSODescriptor/><IDPSSODescriptor/>";
    invalid(entity("entityID=\"x\"", two), "SAML Metadata contains multiple IDPSSODescriptors").await;
    invalid(by_xml("<!DOCTYPE x><x/>"), "SAML Metadata cannot be read: the document has a document type")
        .await;

    let known = format!("SAML Identity Provider with this EntityID ({}) already exists", idp::ENTITY);
    refused(wish(idp::ENTITY, json!({})), 422, "saml_idp_already_exists", &known).await;
    let taken = format!(
        "SSO Domain 'Corp.Test' is already assigned to an SSO identity provider ({})",
        scene.provider
    );
    refused(new(json!({ "domains": ["new.test", "Corp.Test"] })), 400, "sso_domain_already_exists", &taken)
        .await;
    assert_eq!(create(&scene, new(json!({ "resource_id": "Res" }))).await.status, 201);
    let conflict = "Creating SSO provider failed, likely due to a conflict. Try again?";
    refused(wish("https://three.test", json!({ "resource_id": "res" })), 422, "conflict", conflict).await;
    assert_eq!(scene.api.value("select count(*) from auth.sso_providers").await.as_deref(), Some("2"));
}

#[actix_web::test]
async fn a_provider_is_changed() {
    let scene = Scene::start().await;
    let path = format!("{PATH}/{}", scene.provider);
    let put = async |body: Value| scene.api.put_as(&scene.admin, &path, body).await;
    let domains = |provider: &Value| {
        let list = provider["domains"].as_array().unwrap();
        list.iter().map(|entry| entry["domain"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = scene.api.get(&path, &scene.admin).await.ok();
    scene.api.advance(10);
    assert_eq!(put(json!({})).await.ok(), before);
    let mapping = json!({ "keys": { "a": { "name": "b" } } });
    let changed = put(json!({ "domains": ["corp.test", "new.test"], "attribute_mapping": mapping,
        "resource_id": "r", "disabled": true, "name_id_format": EMAIL }))
    .await
    .ok();
    assert_eq!(domains(&changed), ["corp.test", "new.test"]);
    assert_eq!((&changed["resource_id"], &changed["disabled"]), (&json!("r"), &json!(true)));
    assert_eq!(changed["saml"]["attribute_mapping"], mapping);
    assert_eq!(changed["saml"]["name_id_format"], EMAIL);
    assert_eq!(
        (&changed["created_at"], &changed["updated_at"]),
        (&before["created_at"], &json!("2027-01-15T08:00:10.123456Z"))
    );

    // What is left out stays, but for the format of names.
    let changed = put(json!({ "disabled": false })).await.ok();
    assert_eq!((domains(&changed).len(), &changed["disabled"]), (2, &json!(false)));
    assert_eq!(changed["saml"].get("name_id_format"), None);
    assert_eq!(changed["saml"]["attribute_mapping"], mapping);
    let changed =
        put(json!({ "domains": [], "attribute_mapping": { "keys": {} }, "resource_id": "" })).await.ok();
    assert_eq!((domains(&changed).len(), changed.get("resource_id")), (0, None));
    assert_eq!(changed["saml"]["attribute_mapping"], json!({ "keys": {} }));

    let other =
        create(&scene, wish("https://two.test", json!({ "domains": ["two.test"], "resource_id": "two" })))
            .await
            .body;
    let taken = format!(
        "SSO domain 'TWO.test' already assigned to another provider ({})",
        other["id"].as_str().unwrap()
    );
    put(json!({ "domains": ["TWO.test"] })).await.refused(400, "sso_domain_already_exists", &taken);
    let mismatch = format!(
        "SAML Metadata can be updated only if the EntityID matches for the provider; expected '{}' but got 'https://x.test'",
        idp::ENTITY
    );
    let metadata = json!({ "metadata_xml": idp::metadata("https://x.test", "idp") });
    put(metadata).await.refused(400, "saml_entity_id_mismatch", &mismatch);
    let conflict = "Updating SSO provider failed, likely due to a conflict. Try again?";
    put(json!({ "resource_id": "TWO" })).await.refused(422, "conflict", conflict);

    // Other metadata of the same provider takes effect at once.
    put(json!({ "metadata_xml": idp::metadata(idp::ENTITY, "stranger") })).await.ok();
    let said = scene.refused(&idp::Message::at(scene.now()).document()).await;
    assert!(said.contains("the signature does not fit"), "{said}");
    let message = idp::Message { key: "stranger", ..idp::Message::at(scene.now()) };
    super::session(&scene.bring(&message.document(), "").await, super::SITE);
}

#[actix_web::test]
async fn metadata_is_not_fetched_from_our_own_network() {
    let scene = Scene::start().await;
    for host in ["127.0.0.1:1", "localhost:1", "[::1]:1", "169.254.169.254", "10.0.0.1", "2130706433"] {
        let url = format!("https://{host}/metadata");
        let answer = create(&scene, json!({ "type": "saml", "metadata_url": url })).await;
        let text = format!(
            "No answer fetching SAML Metadata from URL '{url}': the host is not on the public internet"
        );
        answer.refused(400, "saml_metadata_fetch_failed", &text);
    }
}

#[actix_web::test]
async fn metadata_that_cannot_be_had_again_is_used_on() {
    let scene = Scene::start().await;
    let url = "update auth.saml_providers set metadata_url = 'https://127.0.0.1:1/metadata'";
    scene.api.sql(url).await;
    let log = crate::log::Log::begin();
    super::session(&scene.bring(&idp::Message::at(scene.now()).document(), "").await, super::SITE);
    assert_eq!(log.lines("could not be fetched again").len(), 0);
    scene.api.advance(25 * 3600);
    for _ in 0..2 {
        super::session(&scene.bring(&idp::Message::at(scene.now()).document(), "").await, super::SITE);
    }
    // Not everyone who signs in asks again.
    assert_eq!(log.lines("could not be fetched again").len(), 1);
}

#[actix_web::test]
async fn administrators_only() {
    let scene = Scene::start().await;
    let jane = scene.api.sign_up("jane@example.com").await;
    let token = jane["access_token"].as_str().unwrap();
    let path = format!("{PATH}/{}", scene.provider);
    for answer in [
        scene.api.get(PATH, token).await,
        scene.api.post_as(token, PATH, json!({})).await,
        scene.api.get(&path, token).await,
        scene.api.put_as(token, &path, json!({})).await,
        scene.api.delete_as(token, &path).await,
    ] {
        answer.refused(403, "not_admin", "User not allowed");
    }
    let anonymous = scene.api.get(PATH, "").await;
    anonymous.refused(401, "no_authorization", "This endpoint requires a valid Bearer token");
    // They may set providers up before SAML is switched on.
    let api = Api::start(open()).await;
    let admin = api.service_role();
    assert_eq!(api.get(PATH, &admin).await.ok(), json!({ "items": [] }));
    assert_eq!(api.post_as(&admin, PATH, wish("https://two.test", json!({}))).await.status, 201);
}
