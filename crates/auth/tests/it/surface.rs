//! What is there, what is switched off, and in which words.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::harness::{Api, open, request};

#[actix_web::test]
async fn health_and_settings() {
    let api = Api::start(open()).await;
    assert_eq!(api.get("/health", "").await.ok()["name"], "GoTrue");
    let settings = api.get("/settings", "").await.ok();
    assert_eq!(settings["external"]["email"], true);
    assert_eq!(settings["external"]["anonymous_users"], true);
    assert_eq!(settings["external"]["google"], false);
    assert_eq!(settings["external"].as_object().map(|external| external.len()), Some(26));
    assert_eq!((&settings["mailer_autoconfirm"], &settings["disable_signup"]), (&json!(true), &json!(false)));
    assert!(api.auth.health().await.is_ready());
}

#[actix_web::test]
async fn well_known_documents() {
    let api = Api::start(open()).await;
    let jwks = api.get("/.well-known/jwks.json", "").await;
    assert_eq!(jwks.header("cache-control"), "public, max-age=600");
    assert_eq!(jwks.ok(), json!({ "keys": [] }), "the secret is not published");
    let openid = api.get("/.well-known/openid-configuration", "").await.ok();
    assert_eq!(openid["issuer"], "http://localhost:8000/auth/v1");
    assert_eq!(openid["jwks_uri"], "http://localhost:8000/auth/v1/.well-known/jwks.json");
    assert_eq!(openid["id_token_signing_alg_values_supported"], json!(["HS256"]));
}

#[actix_web::test]
async fn errors_are_worded_by_the_version_that_is_asked_for() {
    let api = Api::start(open()).await;
    let ask = async |version: &str| {
        let request = request(Method::GET, "/user", "");
        api.send(request.insert_header(("x-supabase-api-version", version))).await
    };
    let older = json!({ "code": 401, "error_code": "no_authorization", "msg": "This endpoint requires a valid Bearer token" });
    let newer =
        json!({ "code": "no_authorization", "message": "This endpoint requires a valid Bearer token" });
    for (version, body, header) in [
        ("2024-01-01", &newer, "2024-01-01"),
        ("2025-12-31", &newer, "2024-01-01"),
        ("2023-12-31", &older, ""),
        ("tomorrow", &older, ""),
        ("", &older, ""),
    ] {
        let answer = ask(version).await;
        assert_eq!((answer.status, &answer.body), (401, body), "{version}");
        assert_eq!(answer.header("x-supabase-api-version"), header);
        assert_eq!(answer.header("x-sb-error-code"), "no_authorization");
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[actix_web::test]
async fn what_is_switched_off_says_so() {
    let mut config = open();
    config.custom_oauth.enabled = false;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    let (user, admin) = (session["access_token"].as_str().unwrap(), api.service_role());
    let check =
        async |method: Method, path: &str, token: &str, body: Value, status, code: &str, message: &str| {
            api.send(request(method, path, token).set_json(body)).await.refused(status, code, message);
        };
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let none = json!({});
    let linking = ("manual_linking_disabled", "Manual linking is disabled");
    check(
        get.clone(),
        "/user/identities/authorize?provider=google",
        user,
        none.clone(),
        404,
        linking.0,
        linking.1,
    )
    .await;
    check(
        delete.clone(),
        "/user/identities/11111111-1111-4111-8111-111111111111",
        user,
        none.clone(),
        404,
        linking.0,
        linking.1,
    )
    .await;
    check(
        post.clone(),
        "/sso",
        "",
        json!({ "domain": "x.test" }),
        404,
        "saml_provider_disabled",
        "SAML 2.0 is disabled",
    )
    .await;
    check(
        get.clone(),
        "/sso/saml/metadata",
        "",
        none.clone(),
        404,
        "saml_provider_disabled",
        "SAML 2.0 is disabled",
    )
    .await;
    check(get.clone(), "/passkeys/", user, none.clone(), 404, "passkey_disabled", "Passkeys are disabled")
        .await;
    check(
        post.clone(),
        "/passkeys/registration/options",
        user,
        none.clone(),
        404,
        "passkey_disabled",
        "Passkeys are disabled",
    )
    .await;
    check(
        get.clone(),
        "/oauth/authorize",
        "",
        none.clone(),
        404,
        "feature_disabled",
        "OAuth server is disabled",
    )
    .await;
    check(
        get.clone(),
        "/admin/oauth/clients",
        &admin,
        none.clone(),
        404,
        "feature_disabled",
        "OAuth server is disabled",
    )
    .await;
    check(
        get.clone(),
        "/scim/v2/Schemas",
        "",
        none.clone(),
        404,
        "feature_disabled",
        "SCIM server is disabled",
    )
    .await;
    let disabled = "Custom OAuth providers are disabled";
    for path in ["/admin/custom-providers", "/admin/custom-providers/custom:x"] {
        check(get.clone(), path, &admin, none.clone(), 404, "feature_disabled", disabled).await;
    }
    let text = "Unsupported provider: custom OAuth providers are disabled";
    check(get.clone(), "/authorize?provider=custom:x", "", none.clone(), 400, "validation_failed", text)
        .await;
    let body = json!({ "id_token": "x", "provider": "custom:x" });
    check(post.clone(), "/token?grant_type=id_token", "", body, 400, "validation_failed", disabled).await;
    let web3 = "/token?grant_type=web3";
    check(
        post.clone(),
        web3,
        "",
        json!({ "chain": "solana" }),
        422,
        "web3_provider_disabled",
        "Web3 provider is disabled",
    )
    .await;
    let provider = "Unsupported provider: provider is not enabled";
    check(get.clone(), "/authorize?provider=google", "", none.clone(), 400, "validation_failed", provider)
        .await;
    let unknown = "Unsupported provider: Provider acme could not be found";
    check(get.clone(), "/authorize?provider=acme", "", none.clone(), 400, "validation_failed", unknown).await;
    check(delete, "/factors/x", user, none.clone(), 404, "validation_failed", "factor_id must be an UUID")
        .await;
    for path in ["/oauth/token", "/oauth/clients/register"] {
        check(post.clone(), path, "", none.clone(), 404, "feature_disabled", "OAuth server is disabled")
            .await;
    }
    for path in ["/oauth/userinfo", "/user/oauth/grants", "/.well-known/oauth-authorization-server"] {
        check(get.clone(), path, user, none.clone(), 404, "feature_disabled", "OAuth server is disabled")
            .await;
    }
    for path in ["/admin/oauth/clients", "/admin/custom-providers"] {
        check(get.clone(), path, user, none.clone(), 403, "not_admin", "User not allowed").await;
    }
    let id_token =
        api.post("/token?grant_type=id_token", json!({ "id_token": "x", "provider": "google" })).await;
    assert_eq!(id_token.error(), (400, "provider_disabled"));
    assert!(id_token.body["msg"].as_str().unwrap().contains("not enabled"));
}

#[actix_web::test]
async fn paths_and_methods_that_are_none() {
    let api = Api::start(open()).await;
    api.get("/nothing", "").await.refused(404, "unknown", "404 page not found");
    api.get("/signup", "").await.refused(405, "unknown", "Method Not Allowed");
}

#[actix_web::test]
async fn unusable_settings_are_refused() {
    let database = testkit::database(&[auth::migrations()]).await;
    let deps = || auth::Deps {
        pool: database.pool_as("supabase_auth_admin"),
        keys: jwt::KeySet::from_secret(crate::harness::SECRET).into(),
        clock: kernel::Clock::system(),
        captcha_sites: auth::CaptchaSites::default(),
    };
    let bad = || auth::Config { site_url: "nowhere".to_owned(), ..auth::Config::default() };
    let error = auth::Auth::start(bad(), deps()).await.err().unwrap();
    assert_eq!(error.to_string(), "auth.site_url: `nowhere` is not an absolute URL");
    let auth = auth::Auth::start(open(), deps()).await.unwrap();
    assert!(matches!(auth.reload(bad()), auth::Reload::Refused(_)));
    assert_eq!(auth.reload(open()), auth::Reload::Applied);
}

/// When the database is gone the service says so, and nothing of why to clients.
#[actix_web::test]
async fn without_a_database() {
    let database = testkit::database(&[auth::migrations()]).await;
    let pool = database.pool_as("supabase_auth_admin");
    pool.close();
    let keys = jwt::KeySet::from_secret(crate::harness::SECRET).into();
    let dead = auth::Auth::start(
        open(),
        auth::Deps {
            pool,
            keys,
            clock: kernel::Clock::system(),
            captcha_sites: auth::CaptchaSites::default(),
        },
    )
    .await
    .unwrap();
    assert!(!dead.health().await.is_ready());
}
