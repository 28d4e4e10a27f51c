//! Signing in at the one provider that speaks OAuth 1.0a.

use std::collections::HashMap;

use auth::ExternalProvider;
use kernel::Secret;
use serde_json::json;
use url::Url;

use crate::harness::{Api, confirming};
use crate::provider::Provider;

async fn start() -> (Api, Provider) {
    let provider = Provider::start().await;
    provider.answers(
        "/oauth/request_token",
        json!("oauth_token=rt&oauth_token_secret=rs&oauth_callback_confirmed=true"),
    );
    provider.answers(
        "/oauth/access_token",
        json!("oauth_token=at&oauth_token_secret=as&user_id=7&screen_name=jane"),
    );
    provider.answers(
        "/1.1/account/verify_credentials.json",
        json!({ "id_str": "7", "id": 7, "screen_name": "jane", "name": "Jane", "email": "jane@example.com",
            "profile_image_url_https": "https://p.test/j" }),
    );
    let mut config = confirming();
    let settings = ExternalProvider {
        enabled: true,
        client_id: "our-key".to_owned(),
        secret: Secret::new("our-secret"),
        url: provider.url.clone(),
        ..ExternalProvider::default()
    };
    config.external.insert("twitter".to_owned(), settings);
    (Api::start(config).await, provider)
}

/// The parameters of an `Authorization: OAuth …`.
fn told(header: &str) -> HashMap<String, String> {
    let fields = header.strip_prefix("OAuth ").unwrap().split(", ");
    let pair = |field: &str| {
        let (key, value) = field.split_once('=').unwrap();
        let text = format!("x={}", value.trim_matches('"'));
        let value = url::form_urlencoded::parse(text.as_bytes()).next().unwrap().1.into_owned();
        (key.to_owned(), value)
    };
    fields.map(pair).collect()
}

/// Goes there; returns the state.
async fn begin(api: &Api, provider: &Provider) -> String {
    let there = api.get("/authorize?provider=twitter&redirect_to=https://app.test/cb", "").await;
    assert_eq!(there.status, 302, "{}", there.text);
    assert_eq!(there.header("location"), format!("{}/oauth/authenticate?oauth_token=rt", provider.url));
    let seen = provider.seen("/oauth/request_token");
    let callback = told(&seen.last().unwrap().authorization).remove("oauth_callback").unwrap();
    let (place, state) = callback.split_once("?state=").unwrap();
    assert_eq!(place, "http://localhost:8000/auth/v1/callback");
    state.to_owned()
}

async fn back(api: &Api, params: &str) -> (String, HashMap<String, String>) {
    let here = api.get(&format!("/callback?{params}"), "").await;
    let location = here.header("location").to_owned();
    let fragment = location.split_once('#').unwrap_or_default().1.to_owned();
    (location, url::form_urlencoded::parse(fragment.as_bytes()).into_owned().collect())
}

#[actix_web::test]
async fn there_and_back_with_signatures() {
    let (api, provider) = start().await;
    let state = begin(&api, &provider).await;
    let (location, session) = back(&api, &format!("state={state}&oauth_token=rt&oauth_verifier=v")).await;
    assert!(location.starts_with("https://app.test/cb#"), "{location}");
    assert_eq!(session["provider_token"], "at");
    let user = api.get("/user", &session["access_token"]).await.ok();
    let url = format!("{}/1.1/account/verify_credentials.json", provider.url);
    assert_eq!(
        user["identities"][0]["identity_data"],
        json!({ "iss": url, "sub": "7", "provider_id": "7", "name": "Jane", "full_name": "Jane",
            "picture": "https://p.test/j", "avatar_url": "https://p.test/j", "user_name": "jane",
            "preferred_username": "jane", "email": "jane@example.com", "email_verified": true,
            "phone_verified": false })
    );
    let asked = |path: &str| told(&provider.seen(path)[0].authorization);
    let (first, second, third) = (
        asked("/oauth/request_token"),
        asked("/oauth/access_token"),
        asked("/1.1/account/verify_credentials.json"),
    );
    for fields in [&first, &second, &third] {
        assert_eq!(
            (fields["oauth_consumer_key"].as_str(), fields["oauth_signature_method"].as_str()),
            ("our-key", "HMAC-SHA1")
        );
        assert_eq!(fields["oauth_timestamp"], api.clock.unix().to_string());
        assert_eq!(fields["oauth_signature"].len(), 28);
    }
    assert_ne!(first["oauth_nonce"], second["oauth_nonce"]);
    assert_eq!((second["oauth_token"].as_str(), second["oauth_verifier"].as_str()), ("rt", "v"));
    assert_eq!(third["oauth_token"], "at");
    assert!(!first.contains_key("oauth_token"));
    // Good once.
    let (location, _) = back(&api, &format!("state={state}&oauth_token=rt&oauth_verifier=v")).await;
    assert!(Url::parse(&location).unwrap().query().unwrap().contains("bad_oauth_state"), "{location}");
}

#[actix_web::test]
async fn what_goes_wrong() {
    let (api, provider) = start().await;
    let failed = async |params: &str, description: &str| {
        let state = begin(&api, &provider).await;
        let (_, told) = back(&api, &format!("state={state}&{params}")).await;
        assert_eq!(told["error_description"], description, "{params}");
    };
    failed("denied=rt", "The user has denied access").await;
    // A token of somebody else's sign-in.
    failed("oauth_token=other&oauth_verifier=v", "OAuth PKCE code verifier missing").await;
    failed("oauth_verifier=v", "OAuth PKCE code verifier missing").await;
    provider.answers_with("/1.1/account/verify_credentials.json", 403, json!({}));
    failed("oauth_token=rt&oauth_verifier=v", "Unable to retrieve access token").await;
    provider.answers_with("/oauth/access_token", 401, json!("Invalid request token"));
    failed("oauth_token=rt&oauth_verifier=v", "Unable to retrieve access token").await;
    provider.answers("/oauth/request_token", json!("oops"));
    let answer = api.get("/authorize?provider=twitter", "").await;
    answer.refused(500, "unexpected_failure", "Error requesting token from external provider");
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("0"));
}
