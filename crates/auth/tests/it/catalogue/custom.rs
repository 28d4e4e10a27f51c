//! Providers that administrators define.

use serde_json::{Value, json};

use super::{Catalogue, both, delete, get, post, put};
use crate::custom::{PATH, oauth2, oidc};
use crate::harness::{Api, open};

/// What is shown here.
pub const CODES: &str =
    "conflict custom_provider_not_found feature_disabled over_custom_provider_quota validation_failed";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        codes(c).await;
        definitions(c).await;
        places(c).await;
    })
    .await;
}

const THERE: &str = "https://93.184.216.34";

async fn codes(c: &Catalogue) {
    let mut config = open();
    config.custom_oauth.max_providers = 2;
    let api = Api::start(config.clone()).await;
    let admin = api.service_role();
    let one = format!("{PATH}/custom:acme");
    for ask in [get(&one, &admin), put(&one, &admin, json!({})), delete(&one, &admin)] {
        let none = "Custom OAuth provider not found";
        c.check(&api, ask, 404, "custom_provider_not_found", none).await;
    }
    let acme = oauth2(THERE);
    assert_eq!(api.send(post(PATH, &admin, acme.clone())).await.status, 201);
    let exists = "A custom OAuth provider with this identifier already exists";
    c.check(&api, post(PATH, &admin, acme), 400, "conflict", exists).await;
    config.custom_oauth.max_providers = 1;
    let _ = api.auth.reload(config.clone());
    let full = "Maximum number of custom OAuth/OIDC providers reached";
    c.check(&api, post(PATH, &admin, oauth2(THERE)), 400, "over_custom_provider_quota", full).await;
    config.custom_oauth.enabled = false;
    let _ = api.auth.reload(config);
    let off = "Custom OAuth providers are disabled";
    for ask in [get(PATH, &admin), get(&one, &admin), post(PATH, &admin, json!({}))] {
        c.check(&api, ask, 404, "feature_disabled", off).await;
    }
}

async fn definitions(c: &Catalogue) {
    let api = Api::start(open()).await;
    let admin = api.service_role();
    let refused = async |body: Value, message: &str| {
        c.check(&api, post(PATH, &admin, body), 400, "validation_failed", message).await;
    };
    let with = |mut body: Value, key: &str, value: Value| {
        body[key] = value;
        body
    };
    let other = "provider_type must be either 'oauth2' or 'oidc'";
    refused(with(oauth2(THERE), "provider_type", json!("saml")), other).await;
    for key in ["identifier", "name", "client_id", "client_secret"] {
        refused(with(oauth2(THERE), key, json!("")), &format!("{key} is required")).await;
    }
    for key in ["authorization_url", "token_url", "userinfo_url"] {
        let message = format!("{key} is required for OAuth2 providers");
        refused(with(oauth2(THERE), key, json!("")), &message).await;
    }
    refused(with(oidc(THERE), "issuer", json!("")), "issuer is required for OIDC providers").await;
    let prefix = "identifier must start with 'custom:' prefix, e.g. 'custom:acme'";
    refused(with(oauth2(THERE), "identifier", json!("acme")), prefix).await;
    for name in ["client_id", "State", "nonce"] {
        let params = json!({ name: "x" });
        let message = format!("Cannot override reserved OAuth parameter: {name}");
        refused(with(oauth2(THERE), "authorization_params", params), &message).await;
    }
    for name in ["id", "app_metadata", "email_verified", "is_super_admin"] {
        let mapping = json!({ name: "x" });
        let message = format!("Cannot map to protected system field: {name}");
        refused(with(oauth2(THERE), "attribute_mapping", mapping), &message).await;
    }
}

async fn places(c: &Catalogue) {
    let api = Api::start(open()).await;
    let admin = api.service_role();
    for (url, message) in [
        ("http://93.184.216.34/t", "URL must use HTTPS"),
        ("https://", "URL must have a valid hostname"),
        ("https://localhost/t", "URL cannot point to localhost or loopback addresses"),
        ("https://127.0.0.1/t", "URL cannot point to localhost or loopback addresses"),
        ("https://10.0.0.1/t", "URL cannot resolve to private network addresses"),
        ("https://169.254.1.1/t", "URL cannot resolve to link-local addresses"),
        ("https://224.0.0.1/t", "URL cannot resolve to multicast addresses"),
        ("https://127.0.0.2/t", "URL cannot resolve to loopback addresses"),
        ("https://nowhere.invalid/t", "Unable to resolve hostname"),
    ] {
        let mut body = oauth2(THERE);
        body["token_url"] = json!(url);
        c.check(&api, post(PATH, &admin, body), 400, "validation_failed", message).await;
    }
}
