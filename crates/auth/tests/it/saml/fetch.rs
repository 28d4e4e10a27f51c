//! Identity providers that publish what they say of themselves.

use auth::Config;
use serde_json::{Value, json};

use super::idp::{ENTITY, Message, metadata};
use super::{SITE, Scene, session, with_saml};
use crate::log::Log;
use crate::provider::Provider;

const PATH: &str = "/admin/sso/providers";

/// A scene whose provider is asked at `/metadata` of a server of its own.
async fn scene(document: &str) -> (Scene, Provider) {
    let server = Provider::start().await;
    server.answers("/metadata", json!(document));
    let mut config: Config = with_saml();
    config.saml.allow_private_networks = true;
    let more = json!({ "metadata_xml": "", "metadata_url": format!("{}/metadata", server.url) });
    (Scene::with(config, more).await, server)
}

impl Scene {
    /// A document signed with the key of this name lets somebody in.
    async fn trusts(&self, key: &'static str) {
        let message = Message { key, ..Message::at(self.now()) };
        session(&self.bring(&message.document(), "").await, SITE);
        self.api.sql("delete from auth.sessions").await;
    }

    async fn distrusts(&self, key: &'static str) {
        let message = Message { key, ..Message::at(self.now()) };
        let said = self.refused(&message.document()).await;
        assert!(said.contains("the signature does not fit"), "{said}");
    }

    async fn provider(&self) -> Value {
        self.api.get(&format!("{PATH}/{}", self.provider), &self.api.service_role()).await.ok()
    }
}

#[actix_web::test]
async fn metadata_is_fetched_and_fetched_again_after_a_day() {
    let (scene, server) = scene(&metadata(ENTITY, "idp")).await;
    let asked = || server.seen("/metadata").len();
    let saml = scene.provider().await["saml"].clone();
    assert_eq!(saml["metadata_url"], format!("{}/metadata", server.url));
    assert_eq!(
        (&saml["entity_id"], &saml["metadata_xml"]),
        (&json!(ENTITY), &json!(metadata(ENTITY, "idp")))
    );
    scene.trusts("idp").await;
    assert_eq!(asked(), 1);

    // The provider has another key by now. Until it is asked again, the first one counts.
    server.answers("/metadata", json!(metadata(ENTITY, "stranger")));
    scene.api.advance(23 * 3600);
    scene.distrusts("stranger").await;
    scene.trusts("idp").await;
    assert_eq!(asked(), 1);
    scene.api.advance(2 * 3600);
    scene.trusts("stranger").await;
    scene.distrusts("idp").await;
    assert_eq!(asked(), 2);
    assert_eq!(scene.provider().await["saml"]["metadata_xml"], metadata(ENTITY, "stranger"));
    // What was fetched is good for a day again.
    scene.api.advance(23 * 3600);
    scene.trusts("stranger").await;
    assert_eq!(asked(), 2);

    // What is somebody else's, or nothing, changes nothing.
    server.answers("/metadata", json!(metadata("https://evil.test", "idp")));
    scene.api.advance(2 * 3600);
    let log = Log::begin();
    scene.trusts("stranger").await;
    assert_eq!(log.lines("could not be fetched again").len(), 1);
    assert_eq!((asked(), scene.provider().await["saml"]["entity_id"].clone()), (3, json!(ENTITY)));
}

#[actix_web::test]
async fn metadata_says_itself_how_long_it_is_good_for() {
    let hourly = |key: &str| metadata(ENTITY, key).replace(" entityID=", " cacheDuration=\"PT1H\" entityID=");
    let (scene, server) = scene(&hourly("idp")).await;
    server.answers("/metadata", json!(hourly("stranger")));
    scene.api.advance(59 * 60);
    scene.trusts("idp").await;
    scene.api.advance(2 * 60);
    scene.trusts("stranger").await;
    assert_eq!(server.seen("/metadata").len(), 2);
}

#[actix_web::test]
async fn metadata_that_is_named_anew_takes_effect_at_once() {
    let (scene, server) = scene(&metadata(ENTITY, "idp")).await;
    server.answers("/elsewhere", json!(metadata(ENTITY, "stranger")));
    let path = format!("{PATH}/{}", scene.provider);
    let url = |path: &str| json!({ "metadata_url": format!("{}{path}", server.url) });
    scene.api.put_as(&scene.admin, &path, url("/elsewhere")).await.ok();
    scene.trusts("stranger").await;
    let missing = scene.api.put_as(&scene.admin, &path, url("/nowhere")).await;
    let text = format!("HTTP 404 error fetching SAML Metadata from URL '{}/nowhere'", server.url);
    missing.refused(400, "saml_metadata_fetch_failed", &text);
    server.answers("/broken", json!("<x"));
    let broken = scene.api.put_as(&scene.admin, &path, url("/broken")).await;
    assert_eq!(broken.error(), (400, "validation_failed"));
    scene.trusts("stranger").await;
}
