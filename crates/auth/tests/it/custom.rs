//! Providers that administrators define.

use std::collections::HashMap;

use auth::Config;
use kernel::Secret;
use serde_json::{Value, json};
use url::Url;

use crate::harness::{Api, confirming};
use crate::provider::Provider;

pub const PATH: &str = "/admin/custom-providers";

fn everywhere() -> Config {
    let mut config = confirming();
    config.custom_oauth.allow_private_networks = true;
    config
}

/// An installation whose providers may be on this machine, without TLS: upstream's table forbids it.
async fn local(config: Config) -> Api {
    let api = Api::start(config).await;
    api.sql(
        "do $$ declare rule text; begin
           for rule in select conname from pg_constraint
                        where conrelid = 'auth.custom_oauth_providers'::regclass and conname like '%_https' loop
             execute format('alter table auth.custom_oauth_providers drop constraint %I', rule);
           end loop;
         end $$",
    )
    .await;
    api
}

pub fn oidc(issuer: &str) -> Value {
    json!({ "provider_type": "oidc", "identifier": "custom:acme", "name": "Acme", "client_id": "our-client",
        "client_secret": "our-secret", "scopes": ["email"], "issuer": issuer })
}

pub fn oauth2(url: &str) -> Value {
    json!({ "provider_type": "oauth2", "identifier": "custom:acme", "name": "Acme", "client_id": "our-client",
        "client_secret": "our-secret", "authorization_url": format!("{url}/in?x=1"),
        "token_url": format!("{url}/token"), "userinfo_url": format!("{url}/me") })
}

async fn define(api: &Api, body: &Value) -> Value {
    let answer = api.post_as(&api.service_role(), PATH, body.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body
}

fn query(url: &str) -> HashMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

/// There and back: what the sign-in page is told, and the session or the error.
async fn sign_in(api: &Api, params: &str) -> (HashMap<String, String>, HashMap<String, String>) {
    let there = api.get(&format!("/authorize?provider=custom:acme{params}"), "").await;
    assert_eq!(there.status, 302, "{}", there.text);
    let told = query(there.header("location"));
    let here = api.get(&format!("/callback?code=abcdef&state={}", told["state"]), "").await;
    let fragment = here.header("location").split_once('#').unwrap_or_default().1.to_owned();
    (told, url::form_urlencoded::parse(fragment.as_bytes()).into_owned().collect())
}

#[actix_web::test]
async fn providers_are_defined_changed_and_forgotten() {
    let api = Api::start(confirming()).await;
    let admin = api.service_role();
    let body = oauth2("https://93.184.216.34");
    let made = define(&api, &body).await;
    let expected = json!({
        "id": made["id"], "provider_type": "oauth2", "identifier": "custom:acme", "name": "Acme",
        "client_id": "our-client", "acceptable_client_ids": [], "scopes": [], "pkce_enabled": true,
        "attribute_mapping": {}, "custom_claims_allowlist": [], "authorization_params": {}, "enabled": true,
        "email_optional": false, "skip_nonce_check": false,
        "authorization_url": "https://93.184.216.34/in?x=1", "token_url": "https://93.184.216.34/token",
        "userinfo_url": "https://93.184.216.34/me",
        "created_at": made["created_at"], "updated_at": made["updated_at"],
    });
    assert_eq!(made, expected);
    let one = format!("{PATH}/custom:acme");
    assert_eq!(api.get(&one, &admin).await.ok(), made);
    assert_eq!(api.get(PATH, &admin).await.ok(), json!({ "providers": [made] }));
    assert_eq!(api.get(&format!("{PATH}?type=oidc"), &admin).await.ok(), json!({ "providers": [] }));

    api.advance(1);
    let changes = json!({ "name": "Acme Inc.", "enabled": false, "scopes": ["a"], "client_secret": "other",
        "token_url": "https://1.1.1.1/token", "identifier": "custom:other", "provider_type": "oidc" });
    let changed = api.put_as(&admin, &one, changes).await.ok();
    let (mut left, mut right) = (made.clone(), changed.clone());
    for object in [&mut left, &mut right] {
        for key in ["name", "enabled", "scopes", "token_url", "updated_at"] {
            object.as_object_mut().unwrap().remove(key);
        }
    }
    assert_eq!(left, right);
    assert_eq!((&changed["name"], &changed["enabled"]), (&json!("Acme Inc."), &json!(false)));
    assert_ne!(changed["updated_at"], made["updated_at"]);
    let secret = "select client_secret from auth.custom_oauth_providers";
    assert_eq!(api.value(secret).await.as_deref(), Some("other"));
    let disabled = "Unsupported provider: custom provider custom:acme is disabled";
    api.get("/authorize?provider=custom:acme", "").await.refused(400, "validation_failed", disabled);

    assert_eq!(api.delete_as(&admin, &one).await.status, 204);
    let (none, text) = ("custom_provider_not_found", "Custom OAuth provider not found");
    api.get(&one, &admin).await.refused(404, none, text);
    api.put_as(&admin, &one, json!({})).await.refused(404, none, text);
    api.delete_as(&admin, &one).await.refused(404, none, text);
    let unknown = "Unsupported provider: custom provider custom:acme not found";
    api.get("/authorize?provider=Custom:ACME", "").await.refused(400, "validation_failed", unknown);
}

#[actix_web::test]
async fn what_cannot_be_a_provider() {
    let mut config = confirming();
    config.custom_oauth.max_providers = 1;
    let api = Api::start(config).await;
    let admin = api.service_role();
    let with = |key: &str, value: Value| {
        let mut body = oauth2("https://93.184.216.34");
        body[key] = value;
        body
    };
    let refused = async |body: Value, text: &str| {
        api.post_as(&admin, PATH, body).await.refused(400, "validation_failed", text);
    };
    refused(with("provider_type", json!("x")), "provider_type must be either 'oauth2' or 'oidc'").await;
    refused(with("client_secret", json!("")), "client_secret is required").await;
    let local = "URL cannot point to localhost or loopback addresses";
    refused(with("token_url", json!("https://127.0.0.1/token")), local).await;
    let private = "URL cannot resolve to private network addresses";
    refused(with("jwks_uri", json!("https://10.0.0.1/keys")), private).await;
    refused(with("userinfo_url", json!("http://93.184.216.34/")), "URL must use HTTPS").await;
    refused(oidc("https://169.254.169.254"), "URL cannot resolve to link-local addresses").await;
    let long = format!("https://93.184.216.34/{}", "x".repeat(2048));
    refused(with("token_url", json!(long)), "URL cannot exceed 2048 characters").await;
    refused(with("name", json!("x".repeat(101))), "name cannot exceed 100 characters").await;
    let letters =
        "identifier can only contain lowercase letters, digits, colons and hyphens, and at most 50 of them";
    for identifier in ["custom:Acme", "custom:a_b", "custom:", &format!("custom:{}", "x".repeat(50))] {
        refused(with("identifier", json!(identifier)), letters).await;
    }
    let no_name = "identifier must start with 'custom:' prefix, e.g. 'custom:acme'";
    refused(with("identifier", json!("acme")), no_name).await;
    api.get(&format!("{PATH}/acme"), &admin).await.refused(400, "validation_failed", no_name);
    api.put_as(&admin, &format!("{PATH}/acme"), json!({})).await.refused(400, "validation_failed", no_name);
    api.delete_as(&admin, &format!("{PATH}/acme")).await.refused(400, "validation_failed", no_name);
    let kind = "type must be either 'oauth2' or 'oidc'";
    api.get(&format!("{PATH}?type=saml"), &admin).await.refused(400, "validation_failed", kind);

    define(&api, &oauth2("https://93.184.216.34")).await;
    let one = format!("{PATH}/custom:acme");
    let metadata = json!({ "token_url": "https://192.168.0.1/" });
    api.put_as(&admin, &one, metadata).await.refused(400, "validation_failed", private);
    let reserved = json!({ "authorization_params": { "redirect_uri": "https://evil.test" } });
    let text = "Cannot override reserved OAuth parameter: redirect_uri";
    api.put_as(&admin, &one, reserved).await.refused(400, "validation_failed", text);
    let text = "Maximum number of custom OAuth/OIDC providers reached";
    let body = oauth2("https://93.184.216.34");
    api.post_as(&admin, PATH, body.clone()).await.refused(400, "over_custom_provider_quota", text);
    let user = api.post("/signup", json!({})).await.ok();
    for token in [user["access_token"].as_str().unwrap(), ""] {
        let status = if token.is_empty() { 401 } else { 403 };
        assert_eq!(api.get(PATH, token).await.status, status);
        assert_eq!(api.post_as(token, PATH, body.clone()).await.status, status);
        assert_eq!(api.put_as(token, &one, json!({})).await.status, status);
        assert_eq!(api.delete_as(token, &one).await.status, status);
    }

    let api = Api::start(confirming()).await;
    define(&api, &body).await;
    let text = "A custom OAuth provider with this identifier already exists";
    api.post_as(&api.service_role(), PATH, body).await.refused(400, "conflict", text);
}

#[actix_web::test]
async fn signing_in_at_an_oauth2_provider() {
    let provider = Provider::start().await;
    let mut config = everywhere();
    config.custom_oauth.external_url = "https://auth.test/v1/".to_owned();
    config.db_encryption.encrypt = true;
    config.db_encryption.encryption_key_id = "k1".to_owned();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    config.db_encryption.encryption_key = Secret::new(key);
    config.db_encryption.decryption_keys = Secret::new(format!("k1:{key}"));
    let api = local(config).await;
    let mut body = oauth2(&provider.url);
    body["attribute_mapping"] = json!({ "sub": "id", "email": "contact.mail", "name": "login" });
    body["custom_claims_allowlist"] = json!(["teams"]);
    body["authorization_params"] = json!({ "prompt": "consent" });
    body["scopes"] = json!(["read", "mail"]);
    define(&api, &body).await;
    let sealed = api.value("select client_secret from auth.custom_oauth_providers").await.unwrap();
    assert!(sealed.contains("k1") && !sealed.contains("our-secret"));

    // The client's secret goes by header first; this provider wants it in the form.
    provider.answers("/token", json!({ "access_token": "at", "refresh_token": "rt" }));
    provider.answers(
        "/me",
        json!({ "id": 7, "login": "jane", "contact": { "mail": "jane@example.com" },
        "email_verified": true, "teams": ["a"], "secrets": "x" }),
    );
    let (told, session) = sign_in(&api, "&prompt=none&scopes=").await;
    assert_eq!((told["prompt"].as_str(), told["x"].as_str()), ("consent", "1"));
    assert_eq!((told["scope"].as_str(), told["client_id"].as_str()), ("read mail", "our-client"));
    assert_eq!(told["redirect_uri"], "https://auth.test/v1/callback");
    assert_eq!((told["code_challenge_method"].as_str(), told["code_challenge"].len()), ("S256", 43));
    let asked = &provider.seen("/token")[0];
    assert_eq!(asked.authorization, "Basic b3VyLWNsaWVudDpvdXItc2VjcmV0");
    assert!(asked.form["code_verifier"].len() >= 43 && !asked.form.contains_key("client_secret"));
    assert_eq!(provider.seen("/me")[0].authorization, "Bearer at");
    let user = api.get("/user", &session["access_token"]).await.ok();
    assert_eq!(
        (user["email"].as_str(), session["provider_token"].as_str()),
        (Some("jane@example.com"), "at")
    );
    assert_eq!(user["app_metadata"], json!({ "provider": "custom:acme", "providers": ["custom:acme"] }));
    let data = &user["identities"][0]["identity_data"];
    assert_eq!((&data["sub"], &data["name"]), (&json!("7"), &json!("jane")));
    assert_eq!(data["custom_claims"], json!({ "teams": ["a"] }));

    let (told, _) = sign_in(&api, "&scopes=only%20this").await;
    assert_eq!(told["scope"], "only this");
    provider.answers_with("/token", 401, json!({ "error": "invalid_client" }));
    let before = provider.seen("/token").len();
    let (_, error) = sign_in(&api, "").await;
    assert_eq!(error["error_description"], "Unable to exchange external code: abcd");
    let seen = provider.seen("/token");
    assert_eq!((seen.len(), seen[before + 1].form["client_secret"].as_str()), (before + 2, "our-secret"));
    provider.answers("/token", json!({ "access_token": "at" }));
    provider.answers("/me", json!(["nobody"]));
    let (_, error) = sign_in(&api, "").await;
    assert_eq!(error["error_description"], "Error getting user profile from external provider");
}

#[actix_web::test]
async fn signing_in_at_an_oidc_provider() {
    let provider = Provider::start().await;
    let api = local(everywhere()).await;
    let made = define(&api, &oidc(&provider.url)).await;
    assert_eq!(made["scopes"], json!(["openid", "email"]));
    assert_eq!(made["discovery_document"]["token_endpoint"], format!("{}/token", provider.url));
    let now = api.clock.unix();
    let token = |changes: Value| {
        let mut claims = json!({ "iss": provider.url, "sub": "s-1", "aud": "our-client", "iat": now, "exp": now + 60,
            "email": "jane@example.com", "email_verified": true, "name": "Jane", "groups": ["a"] });
        for (key, value) in changes.as_object().unwrap() {
            claims[key] = value.clone();
        }
        provider.keys.sign(claims.as_object().unwrap()).unwrap()
    };
    let bring = |changes: Value| {
        provider.answers("/token", json!({ "access_token": "at", "id_token": token(changes) }));
    };
    bring(json!({}));
    let (told, session) = sign_in(&api, "&nonce=n").await;
    assert_eq!((told["scope"].as_str(), told["nonce"].as_str()), ("openid email", "n"));
    let user = api.get("/user", &session["access_token"]).await.ok();
    assert_eq!(user["email"], "jane@example.com");
    assert_eq!(user["identities"][0]["provider"], "custom:acme");

    let failed = "Error getting user profile from external provider";
    for changes in
        [json!({ "aud": "other" }), json!({ "iss": "https://evil.test" }), json!({ "exp": now - 1 })]
    {
        bring(changes);
        assert_eq!(sign_in(&api, "").await.1["error_description"], failed);
    }

    // The same provider takes ID tokens that an app brings, of other clients too.
    let grant = async |changes: Value, more: Value| {
        let mut body = json!({ "provider": "custom:acme", "id_token": token(changes) });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.post("/token?grant_type=id_token", body).await
    };
    assert_eq!(grant(json!({}), json!({})).await.ok()["user"]["id"], user["id"]);
    assert_eq!(grant(json!({ "aud": "our-app" }), json!({})).await.status, 400);
    let changes = json!({ "acceptable_client_ids": ["our-app"], "custom_claims_allowlist": ["groups"] });
    let one = format!("{PATH}/custom:acme");
    api.put_as(&api.service_role(), &one, changes).await.ok();
    let session = grant(json!({ "aud": "our-app" }), json!({})).await.ok();
    let data = &session["user"]["identities"][0]["identity_data"];
    assert_eq!(data["custom_claims"], json!({ "groups": ["a"] }));
    assert_eq!(grant(json!({ "nonce": "x" }), json!({})).await.status, 400);
    api.put_as(&api.service_role(), &one, json!({ "skip_nonce_check": true })).await.ok();
    grant(json!({ "nonce": "x" }), json!({})).await.ok();

    let unknown = "Custom provider \"custom:none\" not found";
    let answer = grant(json!({}), json!({ "provider": "custom:none" })).await;
    answer.refused(400, "validation_failed", unknown);
    api.put_as(&api.service_role(), &one, json!({ "enabled": false })).await.ok();
    let off = "Custom provider \"custom:acme\" is disabled";
    grant(json!({}), json!({})).await.refused(400, "provider_disabled", off);
    api.sql("delete from auth.custom_oauth_providers").await;
    define(&api, &oauth2(&provider.url)).await;
    let other = "Provider \"custom:acme\" is not an OIDC provider";
    grant(json!({}), json!({})).await.refused(400, "validation_failed", other);
}

#[actix_web::test]
async fn an_issuer_s_document_is_looked_at_when_it_is_named() {
    let provider = Provider::start().await;
    let api = local(everywhere()).await;
    let admin = api.service_role();
    let begin = format!("OIDC discovery from \"{}/.well-known/openid-configuration\" failed: ", provider.url);
    let refused = async |text: &str| {
        let answer = api.post_as(&admin, PATH, oidc(&provider.url)).await;
        assert_eq!(answer.error(), (400, "validation_failed"));
        assert!(answer.body["msg"].as_str().unwrap().starts_with(text), "{}", answer.text);
    };
    provider.publish("https://other.test");
    refused(&begin).await;
    let path = "/.well-known/openid-configuration";
    provider.answers_with(path, 404, json!({}));
    refused(&begin).await;
    provider.answers(path, json!({ "issuer": provider.url, "token_endpoint": "x" }));
    refused("OIDC discovery document is missing required fields: authorization_endpoint, jwks_uri").await;
    let mut document = json!({ "issuer": provider.url, "token_endpoint": "https://a.test/t",
        "authorization_endpoint": "javascript://a.test/%0aalert(1)", "jwks_uri": "https://a.test/k" });
    provider.answers(path, document.clone());
    refused("URL must use HTTPS").await;
    // Elsewhere than below the issuer, and turned bad later.
    document["authorization_endpoint"] = json!("https://a.test/in");
    provider.answers("/elsewhere", document.clone());
    let mut body = oidc(&provider.url);
    body["discovery_url"] = json!(format!("{}/elsewhere", provider.url));
    define(&api, &body).await;
    document["authorization_endpoint"] = json!("javascript:alert(1)");
    provider.answers("/elsewhere", document);
    api.advance(3601);
    let insecure = "Unsupported provider: the provider's endpoints are not URLs with TLS";
    api.get("/authorize?provider=custom:acme", "").await.refused(400, "validation_failed", insecure);
}

/// Defined before the setting was taken back, or written to the table by hand.
#[actix_web::test]
async fn a_provider_in_a_private_network_is_not_asked() {
    let provider = Provider::start().await;
    provider.answers("/token", json!({ "access_token": "at" }));
    provider.answers("/me", json!({ "sub": "1", "email": "jane@example.com", "email_verified": true }));
    let api = local(everywhere()).await;
    define(&api, &oauth2(&provider.url)).await;
    assert!(sign_in(&api, "").await.1.contains_key("access_token"));
    let asked = provider.seen("/token").len();
    assert_eq!(api.auth.reload(confirming()), auth::Reload::Applied);
    let insecure = "Unsupported provider: the provider's endpoints are not URLs with TLS";
    api.get("/authorize?provider=custom:acme", "").await.refused(400, "validation_failed", insecure);
    api.sql(
        "update auth.custom_oauth_providers
            set authorization_url = replace(authorization_url, 'http:', 'https:'),
                token_url = replace(token_url, 'http:', 'https:')",
    )
    .await;
    let (_, error) = sign_in(&api, "").await;
    assert_eq!(error["error_description"], "Unable to exchange external code: abcd");
    assert_eq!(provider.seen("/token").len(), asked);
}
