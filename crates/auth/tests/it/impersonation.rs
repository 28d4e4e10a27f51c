//! Administrators act as somebody else.

use auth::Config;
use kernel::units::Span;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, open};
use crate::hooks::function;

struct Scene {
    api: Api,
    session: Value,
    path: String,
}

impl Scene {
    async fn with(config: Config) -> Self {
        let api = Api::start(config).await;
        let session = api.sign_up("jane@example.com").await;
        let path = format!("/admin/users/{}/impersonate", session["user"]["id"].as_str().unwrap());
        Self { api, session, path }
    }

    async fn ask(&self, body: Value) -> Answer {
        self.api.post_as(&self.api.service_role(), &self.path, body).await
    }
}

#[actix_web::test]
async fn the_token_is_the_account_s_and_says_who_acts() {
    let scene = Scene::with(open()).await;
    let Scene { api, session, .. } = &scene;
    let body = json!({ "actor": "support@example.com", "reason": "ticket 4711", "expires_in": 300 });
    let answer = scene.ask(body).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.ok();
    assert_eq!(answer["user"]["id"], session["user"]["id"]);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(300)));
    assert!(answer.get("refresh_token").is_none());
    let (claims, own) = (api.claims(&answer["access_token"]), api.claims(&session["access_token"]));
    for name in ["iss", "sub", "aud", "role", "email", "app_metadata", "user_metadata", "is_anonymous"] {
        assert_eq!(claims[name], own[name], "{name}");
    }
    let act = json!({ "sub": "service_role", "role": "service_role", "name": "support@example.com" });
    assert_eq!((&claims["act"], &claims["aal"]), (&act, &json!("aal1")));
    assert_eq!(claims["session_id"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(claims["amr"][0]["method"], "impersonation");
    assert_eq!(claims["exp"], answer["expires_at"]);
    let user = api.get("/user", answer["access_token"].as_str().unwrap()).await.ok();
    assert_eq!(user["id"], session["user"]["id"]);
    let log = "select payload ->> 'actor_username', payload -> 'traits' ->> 'reason',
                      payload -> 'traits' #>> '{act,name}', payload -> 'traits' ->> 'user_email'
                 from auth.audit_log_entries where payload ->> 'action' = 'user_impersonated'";
    let expected = "service_role,\\\"ticket 4711\\\",support@example.com,jane@example.com".replace('\\', "");
    assert_eq!(api.value(log).await.unwrap(), expected);
    // No trace in the account: no session, and nothing of when it signed in.
    assert_eq!(api.value("select count(*) from auth.sessions").await.unwrap(), "1");
    assert_eq!(user["last_sign_in_at"], session["user"]["last_sign_in_at"]);
    // Clocks may differ a little.
    api.advance(400);
    assert_eq!(api.get("/user", answer["access_token"].as_str().unwrap()).await.error(), (403, "bad_jwt"));
}

#[actix_web::test]
async fn who_acts_looks_and_changes_nothing() {
    let mut config = open();
    config.enable_manual_linking = true;
    config.passkey.enabled = true;
    config.oauth_server.enabled = true;
    let scene = Scene::with(config).await;
    let api = &scene.api;
    let answer = scene.ask(json!({ "aal": "aal2" })).await.ok();
    assert_eq!(api.claims(&answer["access_token"])["aal"], "aal2");
    let token = answer["access_token"].as_str().unwrap();
    let refused = |answer: Answer, what: &str| {
        let message = "Not allowed with an impersonation token";
        assert_eq!(
            (answer.error(), answer.body["msg"].as_str()),
            ((403, "no_authorization"), Some(message)),
            "{what}"
        );
    };
    refused(api.put_as(token, "/user", json!({ "password": "another password" })).await, "password");
    refused(api.put_as(token, "/user", json!({ "data": { "a": 1 } })).await, "data");
    for path in ["/logout", "/logout?scope=local", "/logout?scope=others", "/user/recovery-codes"] {
        refused(api.post_as(token, path, json!({})).await, path);
    }
    let factor = json!({ "factor_type": "totp", "friendly_name": "mine" });
    refused(api.post_as(token, "/factors", factor).await, "factor");
    refused(api.post_as(token, "/passkeys/registration/options", json!({})).await, "passkey");
    for path in [
        "/reauthenticate",
        "/user/identities/authorize?provider=github",
        "/user/oauth/grants",
        "/user/sessions",
        "/passkeys",
    ] {
        refused(api.get(path, token).await, path);
    }
    let identity = answer["user"]["identities"][0]["identity_id"].as_str().unwrap();
    refused(api.delete_as(token, &format!("/user/identities/{identity}")).await, "unlink");
    // It is no administrator's either.
    api.post_as(token, &scene.path, json!({})).await.refused(403, "not_admin", "User not allowed");
    api.get("/user", scene.session["access_token"].as_str().unwrap()).await.ok();
}

#[actix_web::test]
async fn only_administrators_and_only_for_so_long() {
    let mut config = open();
    config.impersonation.max_lifetime = Span::secs(120);
    let scene = Scene::with(config.clone()).await;
    let api = &scene.api;
    let own = scene.session["access_token"].as_str().unwrap();
    api.post_as(own, &scene.path, json!({})).await.refused(403, "not_admin", "User not allowed");
    assert_eq!(api.post(&scene.path, json!({})).await.error(), (401, "no_authorization"));
    assert_eq!(scene.ask(json!({})).await.ok()["expires_in"], 120);
    for seconds in [0, -5, 121, i64::MAX] {
        let answer = scene.ask(json!({ "expires_in": seconds })).await;
        answer.refused(400, "validation_failed", "expires_in must be between 1 and 120 seconds");
    }
    scene.ask(json!({ "aal": "aal3" })).await.refused(400, "validation_failed", "aal must be aal1 or aal2");
    let long = "x".repeat(501);
    assert_eq!(scene.ask(json!({ "reason": long })).await.error(), (400, "validation_failed"));
    let nobody = "/admin/users/11111111-1111-4111-8111-111111111111/impersonate";
    let answer = api.post_as(&api.service_role(), nobody, json!({})).await;
    answer.refused(404, "user_not_found", "User not found");
    config.impersonation.enabled = false;
    let off = api.beside(config).await;
    let answer = off.post_as(&off.service_role(), &scene.path, json!({})).await;
    answer.refused(404, "feature_disabled", "Impersonation is disabled");
}

#[actix_web::test]
async fn not_as_who_is_banned_deleted_or_an_administrator() {
    let scene = Scene::with(open()).await;
    let api = &scene.api;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    scene.ask(json!({})).await.refused(403, "user_banned", "User is banned");
    api.sql("update auth.users set banned_until = null, role = 'supabase_admin'").await;
    let answer = scene.ask(json!({})).await;
    answer.refused(403, "no_authorization", "Administrators cannot be impersonated");
    api.sql("update auth.users set role = 'authenticated', deleted_at = now()").await;
    scene.ask(json!({})).await.refused(404, "user_not_found", "User not found");
    let rows = "select count(*) from auth.audit_log_entries where payload ->> 'action' = 'user_impersonated'";
    assert_eq!(api.value(rows).await.unwrap(), "0");
}

/// A hook adds claims that policies need; it cannot hide who acts, nor make it longer.
#[actix_web::test]
async fn a_hook_is_asked_but_does_not_hide_who_acts() {
    let mut config = open();
    config.hook.custom_access_token = function("token_hook");
    let api = Api::start(config).await;
    api.hook(
        "token_hook",
        "return jsonb_build_object('claims', (event -> 'claims') - 'act' || jsonb_build_object(
            'tenant', 7, 'asked', event ->> 'authentication_method', 'exp', 4000000000,
            'session_id', '11111111-1111-4111-8111-111111111111'));",
    )
    .await;
    let session = api.sign_up("jane@example.com").await;
    let path = format!("/admin/users/{}/impersonate", session["user"]["id"].as_str().unwrap());
    let admin = api.token(json!({ "role": "supabase_admin", "sub": "ada" }));
    let answer = api.post_as(&admin, &path, json!({})).await.ok();
    let claims = api.claims(&answer["access_token"]);
    assert_eq!((&claims["tenant"], &claims["asked"]), (&json!(7), &json!("impersonation")));
    assert_eq!(claims["act"], json!({ "sub": "ada", "role": "supabase_admin" }));
    assert_eq!(answer["expires_in"], 600);
    assert_eq!(claims["exp"], answer["expires_at"]);
    assert_eq!(claims["session_id"], "00000000-0000-0000-0000-000000000000");
}

/// Where a hook says who is an administrator, it says so of impersonated accounts, too.
#[actix_web::test]
async fn a_hook_makes_no_administrator_of_who_acts() {
    let mut config = open();
    config.hook.custom_access_token = function("token_hook");
    let api = Api::start(config).await;
    api.hook("token_hook", "return jsonb_set(event, '{claims,role}', '\"service_role\"');").await;
    let session = api.sign_up("jane@example.com").await;
    let path = format!("/admin/users/{}/impersonate", session["user"]["id"].as_str().unwrap());
    let answer = api.post_as(&api.service_role(), &path, json!({})).await;
    answer.refused(403, "no_authorization", "Administrators cannot be impersonated");
    let rows = "select count(*) from auth.audit_log_entries where payload ->> 'action' = 'user_impersonated'";
    assert_eq!(api.value(rows).await.unwrap(), "0");
}
