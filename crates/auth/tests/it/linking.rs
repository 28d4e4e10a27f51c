//! Providers whose accounts are kept apart from all others'.

use serde_json::{Value, json};

use crate::harness::{Api, confirming, open};
use crate::oauth::{sign_in, with};
use crate::provider::Provider;

async fn user(api: &Api, here: &str) -> Value {
    let fragment = here.split_once('#').unwrap_or_else(|| panic!("{here}")).1;
    let token = url::form_urlencoded::parse(fragment.as_bytes()).find(|(key, _)| key == "access_token");
    let token = token.unwrap_or_else(|| panic!("{here}")).1.into_owned();
    api.get("/user", &token).await.ok()
}

#[actix_web::test]
async fn a_domain_has_accounts_of_its_own() {
    let provider = Provider::start().await;
    provider.is_github(1, &[("jane@example.com", true)]);
    provider.answers("/2/oauth2/token", json!({ "access_token": "a" }));
    let at_x = json!({ "data": { "id": "9", "username": "jane", "confirmed_email": "jane@example.com" } });
    provider.answers("/2/users/me", at_x);
    let base = with(confirming(), &["github", "x"], &provider);
    let api = Api::start(with(open(), &["github", "x"], &provider)).await;
    let own = api.sign_up("jane@example.com").await["user"]["id"].clone();
    let mut config = base.clone();
    config.linking_domains.insert("github".to_owned(), "social".to_owned());
    config.linking_domains.insert("x".to_owned(), "social".to_owned());
    let _ = api.auth.reload(config);

    // The address is the same, the account is not.
    let social = user(&api, &sign_in(&api, "provider=github").await).await;
    assert_ne!(social["id"], own);
    assert_eq!(social["email"], "jane@example.com");
    // Within the domain it leads to the account, whoever vouches for it.
    api.advance(1);
    let again = user(&api, &sign_in(&api, "provider=x").await).await;
    assert_eq!(again["id"], social["id"]);
    assert_eq!(again["app_metadata"]["providers"], json!(["github", "x"]));
    // The owner of the other account is not in the way, nor are they.
    assert_eq!(api.sign_in("jane@example.com", "password").await.ok()["user"]["id"], own);
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("2"));

    // Put back among all others, a provider leads to the account that was there first.
    let _ = api.auth.reload(base);
    provider.is_github(2, &[("jane@example.com", true)]);
    let linked = user(&api, &sign_in(&api, "provider=github").await).await;
    assert_eq!(linked["id"], own);
}
