//! What people with bad intentions try against the OAuth server.

use actix_web::http::Method;
use auth::Reload;
use futures_util::future::join_all;
use serde_json::json;

use super::{
    CALLBACK, CHALLENGE, Client, NOBODY, VERIFIER, consent, denied, params, person, serving, start, token,
};
use crate::harness::request;

const GRANT: (&str, &str) = ("grant_type", "authorization_code");

#[actix_web::test]
async fn a_code_is_good_once() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let code = client.code(&api, &jane, &[]).await;
    let answers = join_all((0..8).map(|_| client.exchange(&api, &code))).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        denied(answer, "invalid_grant", "Invalid authorization code");
    }
    denied(&client.exchange(&api, &code).await, "invalid_grant", "Invalid authorization code");
    let sessions = "select count(*) from auth.sessions where oauth_client_id is not null";
    assert_eq!(api.value(sessions).await.as_deref(), Some("1"));
    for code in [NOBODY, "", "'; --", "x\0"] {
        let answer = client.exchange(&api, code).await;
        assert_eq!(answer.status, 400, "{code}");
    }
}

#[actix_web::test]
async fn pkce_cannot_be_left_out_or_weakened() {
    let api = start(serving()).await;
    let client = Client::register(&api, json!({})).await;
    let jane = person(&api, "jane@example.com").await;
    let both = "PKCE flow requires both code_challenge and code_challenge_method";
    for (more, description) in [
        (("code_challenge", ""), both),
        (("code_challenge_method", ""), both),
        (("code_challenge_method", "none"), "code_challenge_method must be 'S256' or 'plain'"),
        (("code_challenge", "short"), "code_challenge must be between 43 and 128 characters"),
    ] {
        let answer = client.authorize(&api, &[more]).await;
        assert_eq!(params(answer.header("location"))["error_description"], description);
    }
    let code = client.code(&api, &jane, &[]).await;
    let exchange = async |verifier: &str| {
        client
            .tokens(
                &api,
                &[GRANT, ("code", &code), ("code_verifier", verifier), ("code_challenge_method", "plain")],
            )
            .await
    };
    let missing = "PKCE verification failed: code_verifier is required when PKCE challenge is present";
    denied(&exchange("").await, "invalid_grant", missing);
    let wrong = "PKCE verification failed: code challenge does not match previously saved code verifier";
    denied(&exchange(CHALLENGE).await, "invalid_grant", wrong);
    denied(&exchange("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl").await, "invalid_grant", wrong);
    // A request that came here without a challenge, however that was, is not exchanged.
    api.sql("update auth.oauth_authorizations set code_challenge = null, code_challenge_method = null").await;
    denied(&exchange(VERIFIER).await, "invalid_grant", wrong);
    let plain = [("code_challenge", VERIFIER), ("code_challenge_method", "plain")];
    let code = client.code(&api, &jane, &plain).await;
    client.exchange(&api, &code).await.ok();
}

#[actix_web::test]
async fn answers_go_where_the_application_lives() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    for uri in [
        "https://client.test/cb",
        "https://client.test/cb?x=1&y=2",
        "https://client.test/cb?x=1/",
        "https://client.test:443/cb?x=1",
        "https://CLIENT.test/cb?x=1",
        "https://client.test/cb/../cb?x=1",
        "https://client.test@evil.test/cb?x=1",
        "https://client.test/cb?x=1#evil",
    ] {
        let answer = client.authorize(&api, &[("redirect_uri", uri)]).await;
        answer.refused(400, "validation_failed", "invalid redirect_uri");
    }
    // What the original takes for two addresses, of which it checked the first.
    let smuggled = json!({ "redirect_uris": ["https://a.test/,javascript://%0aalert(1)"] });
    let answer = api.post("/oauth/clients/register", smuggled).await;
    assert_eq!(answer.error(), (400, "validation_failed"));
    api.sql("update auth.oauth_clients set redirect_uris = redirect_uris || ',javascript://%0aalert(1)'")
        .await;
    let answer = client.authorize(&api, &[("redirect_uri", "javascript://%0aalert(1)")]).await;
    answer.refused(400, "validation_failed", "invalid redirect_uri");

    let code = client.code(&api, &jane, &[("resource", "https://api.test/mcp")]).await;
    let form = |more| [GRANT, ("code", &code), ("code_verifier", VERIFIER), more];
    let answer = client.tokens(&api, &form(("redirect_uri", "https://evil.test/"))).await;
    denied(&answer, "invalid_grant", "Invalid redirect_uri");
    let answer = client.tokens(&api, &form(("resource", "https://evil.test/"))).await;
    let resource = "Authorization code resource does not match the resource parameter";
    denied(&answer, "invalid_grant", resource);
    client.tokens(&api, &form(("redirect_uri", CALLBACK))).await.ok();

    // An address that is taken from the application is taken from requests that wait, too.
    let id = client.ask(&api, &[("scope", "phone")]).await;
    api.get(&format!("/oauth/authorizations/{id}"), &jane).await.ok();
    let moved = json!({ "redirect_uris": ["https://new.test/"] });
    api.put_as(&api.service_role(), &format!("/admin/oauth/clients/{}", client.id), moved).await.ok();
    let answer = consent(&api, &jane, &id, "approve").await;
    answer.refused(404, "oauth_authorization_not_found", "authorization not found");
}

#[actix_web::test]
async fn codes_and_refresh_tokens_are_their_application_s() {
    let api = start(serving()).await;
    let (good, evil) = (Client::public(&api).await, Client::public(&api).await);
    let own = api.sign_up("jane@example.com").await;
    let code = good.code(&api, &token(&own), &[]).await;
    let other = "Authorization code was not issued for this client";
    denied(&evil.exchange(&api, &code).await, "invalid_grant", other);
    let held = good.exchange(&api, &code).await.ok();

    let refresh = &held["refresh_token"];
    let mismatch = "Client does not match the session's OAuth client";
    denied(&evil.refresh(&api, refresh).await, "invalid_client", mismatch);
    let bare = api.refresh(refresh).await;
    denied(&bare, "invalid_client", "Client authentication required for OAuth session");
    let foreign = "Client authentication not allowed for non-OAuth session";
    denied(&good.refresh(&api, &own["refresh_token"]).await, "invalid_client", foreign);
    // None of that used anything up.
    good.refresh(&api, refresh).await.ok();
    api.refresh(&own["refresh_token"]).await.ok();
}

#[actix_web::test]
async fn nobody_answers_for_someone_else() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let (jane, john) = (person(&api, "jane@example.com").await, person(&api, "john@example.com").await);
    let id = client.ask(&api, &[]).await;
    let path = format!("/oauth/authorizations/{id}");
    let gone = ("oauth_authorization_not_found", "authorization not found");
    // Who did not look cannot answer.
    consent(&api, &jane, &id, "approve").await.refused(404, gone.0, gone.1);
    api.get(&path, &jane).await.ok();
    for action in ["approve", "deny"] {
        consent(&api, &john, &id, action).await.refused(404, gone.0, gone.1);
    }
    api.get(&path, &john).await.refused(404, gone.0, gone.1);
    let bearer = "This endpoint requires a valid Bearer token";
    api.get(&path, "").await.refused(401, "no_authorization", bearer);
    consent(&api, "", &id, "approve").await.refused(401, "no_authorization", bearer);
    for id in ["x", "%00", "a%27--", &"a".repeat(32)] {
        api.get(&format!("/oauth/authorizations/{id}"), &jane).await.refused(404, gone.0, gone.1);
        consent(&api, &jane, id, "approve").await.refused(404, gone.0, gone.1);
    }
    // Two people who look at once: it is one's.
    let id = client.ask(&api, &[]).await;
    let path = format!("/oauth/authorizations/{id}");
    let looks = join_all([&jane, &john].map(|person| api.get(&path, person))).await;
    assert_eq!(looks.iter().filter(|look| look.status == 200).count(), 1);
}

#[actix_web::test]
async fn pages_of_others_are_refused() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let id = client.ask(&api, &[]).await;
    let path = format!("/oauth/authorizations/{id}");
    let from = async |method: Method, path: &str, origin: &str| {
        let request = request(method, path, &jane).insert_header(("Origin", origin));
        api.send(request.set_json(json!({ "action": "approve" }))).await
    };
    for origin in ["https://evil.test", "null", "http://10.0.0.1:3000"] {
        for (method, path) in [(Method::GET, path.clone()), (Method::POST, format!("{path}/consent"))] {
            let answer = from(method, &path, origin).await;
            answer.refused(400, "validation_failed", "unauthorized request origin");
        }
    }
    from(Method::GET, &path, "http://127.0.0.1:3000").await.ok();
    from(Method::POST, &format!("{path}/consent"), "http://127.0.0.1:3000").await.ok();
}

#[actix_web::test]
async fn what_is_late_is_void() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let code = client.code(&api, &jane, &[]).await;
    let (seen, unseen) = (client.ask(&api, &[]).await, client.ask(&api, &[("scope", "phone")]).await);
    api.get(&format!("/oauth/authorizations/{seen}"), &jane).await.ok();
    api.advance(601);
    denied(&client.exchange(&api, &code).await, "invalid_grant", "Authorization code has expired");
    let gone = ("oauth_authorization_not_found", "authorization not found");
    consent(&api, &jane, &seen, "approve").await.refused(404, gone.0, gone.1);
    api.get(&format!("/oauth/authorizations/{unseen}"), &jane).await.refused(404, gone.0, gone.1);
    let noted = format!("select status from auth.oauth_authorizations where authorization_id = '{unseen}'");
    assert_eq!(api.value(&noted).await.as_deref(), Some("expired"));
}

#[actix_web::test]
async fn an_application_that_is_gone_gets_nothing() {
    let api = start(serving()).await;
    let client = Client::register(&api, json!({})).await;
    let jane = person(&api, "jane@example.com").await;
    let held = client.session(&api, &jane, "email").await;
    let code = client.code(&api, &jane, &[("scope", "email")]).await;
    let id = client.ask(&api, &[("scope", "phone")]).await;
    api.get(&format!("/oauth/authorizations/{id}"), &jane).await.ok();
    let admin = api.service_role();
    assert_eq!(api.delete_as(&admin, &format!("/admin/oauth/clients/{}", client.id)).await.status, 204);

    client.authorize(&api, &[]).await.refused(400, "oauth_client_not_found", "invalid client_id");
    let gone = ("oauth_authorization_not_found", "authorization not found");
    consent(&api, &jane, &id, "approve").await.refused(404, gone.0, gone.1);
    let refused = "Invalid client credentials";
    client.exchange(&api, &code).await.refused(400, "invalid_credentials", refused);
    client.refresh(&api, &held["refresh_token"]).await.refused(400, "invalid_credentials", refused);
    let ended = "Session from session_id claim in JWT does not exist";
    api.get("/user", &token(&held)).await.refused(403, "session_not_found", ended);
    assert_eq!(api.get("/user/oauth/grants", &jane).await.ok(), json!([]));
}

#[actix_web::test]
async fn who_may_not_sign_in_gets_no_session() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let code = client.code(&api, &jane, &[]).await;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    denied(&client.exchange(&api, &code).await, "access_denied", "User is banned");
    api.sql("update auth.users set banned_until = null, deleted_at = now()").await;
    denied(&client.exchange(&api, &code).await, "invalid_grant", "User not found for authorization code");
}

/// An application may read with what it holds, and end it; not change the account, not grant itself
/// more, not look at what else was granted.
#[actix_web::test]
async fn an_application_cannot_act_as_the_person() {
    let mut config = serving();
    config.enable_manual_linking = true;
    config.passkey.enabled = true;
    let api = start(config).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let held = token(&client.session(&api, &jane, "openid email").await);
    let id = client.ask(&api, &[("scope", "openid email profile phone")]).await;
    let text = "Session of an OAuth client not allowed to perform these actions";
    for (method, path, body) in [
        (Method::PUT, "/user", json!({ "password": "of-the-attacker" })),
        (Method::PUT, "/user", json!({ "email": "evil@example.com" })),
        (Method::GET, "/reauthenticate", json!({})),
        (Method::GET, "/user/identities/authorize?provider=github", json!({})),
        (Method::DELETE, &format!("/user/identities/{NOBODY}"), json!({})),
        (Method::POST, "/factors", json!({ "factor_type": "totp" })),
        (Method::POST, &format!("/factors/{NOBODY}/challenge"), json!({})),
        (Method::POST, &format!("/factors/{NOBODY}/verify"), json!({})),
        (Method::DELETE, &format!("/factors/{NOBODY}"), json!({})),
        (Method::GET, "/passkeys", json!({})),
        (Method::POST, "/passkeys/registration/options", json!({})),
        (Method::GET, "/user/sessions", json!({})),
        (Method::DELETE, &format!("/user/sessions/{NOBODY}"), json!({})),
        (Method::POST, "/logout", json!({})),
        (Method::POST, "/logout?scope=others", json!({})),
        (Method::GET, "/user/oauth/grants", json!({})),
        (Method::DELETE, &format!("/user/oauth/grants?client_id={}", client.id), json!({})),
        (Method::GET, &format!("/oauth/authorizations/{id}"), json!({})),
        (Method::POST, &format!("/oauth/authorizations/{id}/consent"), json!({ "action": "approve" })),
    ] {
        let answer = api.send(request(method.clone(), path, &held).set_json(body)).await;
        assert_eq!(answer.error(), (403, "no_authorization"), "{method} {path}: {}", answer.text);
        assert_eq!(answer.body["msg"], text);
    }
    assert_eq!(api.get("/user", &held).await.ok()["email"], "jane@example.com");
    assert_eq!(api.post_as(&held, "/logout?scope=local", json!({})).await.status, 204);
    assert_eq!(api.get("/user", &held).await.error(), (403, "session_not_found"));
    api.get("/user", &jane).await.ok();
}

#[actix_web::test]
async fn an_id_token_is_no_access_token() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let held = client.session(&api, &jane, "openid email").await;
    let id_token = held["id_token"].as_str().unwrap();
    for path in ["/user", "/oauth/userinfo", "/user/oauth/grants"] {
        let answer = api.get(path, id_token).await;
        let text = "invalid JWT: unable to parse or verify signature, token has invalid claims: token has invalid audience";
        answer.refused(403, "bad_jwt", text);
    }
    let answer = api.put_as(id_token, "/user", json!({ "password": "of-the-attacker" })).await;
    assert_eq!(answer.error(), (403, "bad_jwt"));
}

/// Guesses are counted; applications that do right are not held up by how often they do it.
#[actix_web::test]
async fn guesses_are_counted() {
    let mut config = serving();
    config.rate_limit.token_refresh = 3;
    let api = start(config).await;
    let client = Client::register(&api, json!({})).await;
    let jane = person(&api, "jane@example.com").await;
    let wrong = Client { id: client.id.clone(), secret: Some("guess".to_owned()) };
    // Asking is limited as well.
    let code = client.code(&api, &jane, &[]).await;
    let held = client.exchange(&api, &code).await.ok();
    for _ in 0..2 {
        client.code(&api, &jane, &[]).await;
    }
    let asked = client.authorize(&api, &[]).await;
    asked.refused(429, "over_request_rate_limit", "Request rate limit reached");

    for _ in 0..3 {
        wrong.exchange(&api, NOBODY).await.refused(400, "invalid_credentials", "invalid client credentials");
    }
    let text = "Request rate limit reached";
    wrong.exchange(&api, NOBODY).await.refused(429, "over_request_rate_limit", text);
    // Who only wants to go on is told to wait in a way that does not look final.
    let refresh = client.refresh(&api, &held["refresh_token"]).await;
    refresh.refused(503, "over_request_rate_limit", text);
    assert!(!refresh.header("retry-after").is_empty());
    api.advance(300);
    client.refresh(&api, &held["refresh_token"]).await.ok();
    assert_eq!(api.auth.reload(serving()), Reload::Applied);
}
