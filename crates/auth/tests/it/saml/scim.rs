//! Accounts that the identity provider made by SCIM before anybody signed in.

use serde_json::json;

use super::idp::Message;
use super::{Scene, failed, session, with_saml};
use crate::scim::Organisation;

#[actix_web::test]
async fn who_signs_in_finds_the_account_that_was_made_for_them() {
    let mut config = with_saml();
    (config.scim.enabled, config.enable_signup) = (true, false);
    let scene = Scene::with(config, json!({})).await;
    let corp = Organisation::of(&scene.api, &scene.provider).await;
    let made = corp.create(json!({ "userName": "jane@corp.test", "externalId": "7" })).await;
    let id = made.body["id"].clone();
    let (asked, relay_state) = scene.begin(json!({})).await;
    let document = Message::answering(scene.now(), &asked).document();
    let session = session(&scene.bring(&document, &relay_state).await, super::SITE);
    let claims = scene.api.claims(&json!(session["access_token"]));
    assert_eq!(claims["sub"], id);
    // As of who was never made before: one identity, which policies are told of.
    assert_eq!(claims["amr"][0]["provider"], json!(scene.provider));
    let identities = "select string_agg(provider_id, ' ') from auth.identities";
    assert_eq!(scene.api.value(identities).await.unwrap(), "jane-4711");
    // Shut, they are out and do not come in again.
    let shut = json!([{ "op": "replace", "path": "active", "value": false }]);
    assert_eq!(corp.patch(&id, shut).await.ok()["active"], false);
    let gone = scene.api.get("/user", &session["access_token"]).await;
    assert_eq!(gone.error(), (403, "session_not_found"));
    scene.api.advance(100);
    let (asked, relay_state) = scene.begin(json!({})).await;
    let document = Message::answering(scene.now(), &asked).document();
    let answer = scene.bring(&document, &relay_state).await;
    failed(&answer, "access_denied", "user_banned", "User is banned");
}

/// Who came by signing in is one of the provider's people, too, and not made twice.
#[actix_web::test]
async fn who_signed_in_before_is_found() {
    let mut config = with_saml();
    config.scim.enabled = true;
    let scene = Scene::with(config, json!({})).await;
    let (asked, relay_state) = scene.begin(json!({})).await;
    let document = Message::answering(scene.now(), &asked).document();
    session(&scene.bring(&document, &relay_state).await, super::SITE);
    let corp = Organisation::of(&scene.api, &scene.provider).await;
    let again = corp.create(json!({ "userName": "Jane@corp.test" })).await;
    assert_eq!((again.status, &again.body["detail"]), (409, &json!("userName is taken")));
    let id = json!(scene.api.value("select id from auth.users").await.unwrap());
    let known = json!([{ "op": "add", "path": "externalId", "value": "7" }]);
    assert_eq!(corp.patch(&id, known).await.ok()["externalId"], "7");
}
