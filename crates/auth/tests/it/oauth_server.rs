//! Other applications that sign people in with accounts of ours; the attacks are in [`attacks`].

use std::collections::HashMap;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use auth::Config;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jwt::KeySet;
use serde_json::{Value, json};
use url::Url;

use crate::harness::{Answer, Api, open, request};

mod attacks;
mod clients;
mod device;

pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const CALLBACK: &str = "https://client.test/cb?x=1";
const NOBODY: &str = "11111111-1111-4111-8111-111111111111";

pub fn serving() -> Config {
    let mut config = open();
    config.oauth_server.enabled = true;
    config.oauth_server.allow_dynamic_registration = true;
    config
}

/// Signs with a key pair, as installations do.
pub async fn start(config: Config) -> Api {
    let key = jwt::generate::es256().unwrap();
    let database = testkit::database(&[auth::migrations()]).await;
    Api::signing(database, config, KeySet::from_jwks_text(key.expose()).unwrap()).await
}

/// A registered application.
pub struct Client {
    pub id: String,
    pub secret: Option<String>,
}

impl Client {
    pub async fn register(api: &Api, more: Value) -> Self {
        let mut body = json!({ "client_name": "App", "redirect_uris": [CALLBACK] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = api.post_as(&api.service_role(), "/admin/oauth/clients", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let text = |name: &str| answer.body[name].as_str().map(str::to_owned);
        Self { id: text("client_id").unwrap(), secret: text("client_secret") }
    }

    pub async fn public(api: &Api) -> Self {
        Self::register(api, json!({ "token_endpoint_auth_method": "none" })).await
    }

    /// Sends someone's browser with the usual wishes, and these.
    async fn authorize(&self, api: &Api, more: &[(&str, &str)]) -> Answer {
        let usual = [
            ("client_id", self.id.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", "s&t"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let usual = usual.into_iter().filter(|(key, _)| !more.iter().any(|(name, _)| name == key));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(usual.chain(more.iter().copied()))
            .finish();
        api.get(&format!("/oauth/authorize?{query}"), "").await
    }

    /// The request that the page asks about.
    pub async fn ask(&self, api: &Api, more: &[(&str, &str)]) -> String {
        let answer = self.authorize(api, more).await;
        assert_eq!(answer.status, 302, "{}", answer.text);
        let to = answer.header("location").to_owned();
        let (page, id) = to.split_once("?authorization_id=").unwrap_or_else(|| panic!("{to}"));
        assert_eq!(page, "http://127.0.0.1:3000/oauth/consent");
        id.to_owned()
    }

    /// Asks and is allowed; returns the code.
    pub async fn code(&self, api: &Api, user: &str, more: &[(&str, &str)]) -> String {
        let id = self.ask(api, more).await;
        let look = api.get(&format!("/oauth/authorizations/{id}"), user).await.ok();
        let target = match look["redirect_url"].as_str() {
            Some(target) => target.to_owned(),
            None => {
                consent(api, user, &id, "approve").await.ok()["redirect_url"].as_str().unwrap().to_owned()
            }
        };
        params(&target).remove("code").unwrap_or_else(|| panic!("{target}"))
    }

    /// Asks for tokens with these parameters, and proves who it is if it can.
    async fn tokens(&self, api: &Api, form: &[(&str, &str)]) -> Answer {
        let mut form: HashMap<&str, &str> = form.iter().copied().collect();
        let mut request = request(Method::POST, "/oauth/token", "");
        match &self.secret {
            Some(secret) => request = with_basic(request, &self.id, secret),
            None => {
                form.entry("client_id").or_insert(&self.id);
            }
        }
        api.send(request.set_form(form)).await
    }

    async fn exchange(&self, api: &Api, code: &str) -> Answer {
        self.tokens(api, &[("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER)])
            .await
    }

    async fn refresh(&self, api: &Api, token: &Value) -> Answer {
        self.tokens(api, &[("grant_type", "refresh_token"), ("refresh_token", token.as_str().unwrap())]).await
    }

    /// A session that the application holds of this user.
    pub async fn session(&self, api: &Api, user: &str, scope: &str) -> Value {
        let code = self.code(api, user, &[("scope", scope)]).await;
        self.exchange(api, &code).await.ok()
    }
}

fn with_basic(request: TestRequest, id: &str, secret: &str) -> TestRequest {
    request.insert_header(("Authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))))
}

pub async fn consent(api: &Api, user: &str, id: &str, action: &str) -> Answer {
    api.post_as(user, &format!("/oauth/authorizations/{id}/consent"), json!({ "action": action })).await
}

fn params(url: &str) -> HashMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

/// The access token of a new account.
pub async fn person(api: &Api, email: &str) -> String {
    token(&api.sign_up(email).await)
}

pub fn token(session: &Value) -> String {
    session["access_token"].as_str().unwrap().to_owned()
}

/// A refusal in the standard's words.
#[track_caller]
fn denied(answer: &Answer, error: &str, description: &str) {
    assert_eq!(
        (answer.status, &answer.body),
        (400, &json!({ "error": error, "error_description": description }))
    );
}

#[actix_web::test]
async fn there_and_back() {
    let api = start(serving()).await;
    let client = Client::register(&api, json!({ "client_uri": "https://client.test/" })).await;
    let jane = person(&api, "jane@example.com").await;
    let user = api.get("/user", &jane).await.ok();

    let id = client.ask(&api, &[("nonce", "n-1")]).await;
    assert_eq!(id.len(), 32);
    let look = api.get(&format!("/oauth/authorizations/{id}"), &jane).await.ok();
    let expected = json!({ "authorization_id": id, "redirect_uri": CALLBACK, "scope": "openid email",
        "client": { "id": client.id, "name": "App", "uri": "https://client.test/" },
        "user": { "id": user["id"], "email": "jane@example.com" } });
    assert_eq!(look, expected);
    // A page that asks twice, as pages do.
    assert_eq!(api.get(&format!("/oauth/authorizations/{id}"), &jane).await.ok(), expected);

    let target = consent(&api, &jane, &id, "approve").await.ok();
    let target = target["redirect_url"].as_str().unwrap();
    let code = params(target).remove("code").unwrap();
    assert_eq!(target, format!("https://client.test/cb?code={code}&state=s%26t&x=1"));

    api.advance(60);
    let answer = client.exchange(&api, &code).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = answer.ok();
    let keys: Vec<_> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["access_token", "expires_in", "id_token", "refresh_token", "token_type"]);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("bearer"), &json!(3600)));

    let claims = api.claims(&tokens["access_token"]);
    assert_eq!((&claims["sub"], &claims["aud"]), (&user["id"], &json!("authenticated")));
    assert_eq!((&claims["client_id"], &claims["scope"]), (&json!(client.id), &json!("openid email")));
    assert_eq!((&claims["role"], &claims["aal"]), (&json!("authenticated"), &json!("aal1")));
    assert_eq!(claims["amr"][0]["method"], "oauth_provider/authorization_code");

    let now = api.clock.unix();
    let expected = json!({ "iss": "http://localhost:8000/auth/v1", "sub": user["id"], "aud": client.id,
        "client_id": client.id, "iat": now, "exp": now + 3600, "auth_time": now - 60, "nonce": "n-1",
        "email": "jane@example.com", "email_verified": true, "phone_number_verified": false });
    assert_eq!(Value::Object(api.claims(&tokens["id_token"])), expected);

    let info = api.get("/oauth/userinfo", &token(&tokens)).await.ok();
    assert_eq!(info, json!({ "sub": user["id"], "email": "jane@example.com", "email_verified": true }));

    let again = client.refresh(&api, &tokens["refresh_token"]).await.ok();
    let keys: Vec<_> = again.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["access_token", "expires_in", "refresh_token", "token_type"]);
    let renewed = api.claims(&again["access_token"]);
    assert_eq!((&renewed["client_id"], &renewed["scope"]), (&claims["client_id"], &claims["scope"]));
    assert_eq!(renewed["session_id"], claims["session_id"]);

    let traits = "select payload ->> 'traits' from auth.audit_log_entries
                   where payload -> 'traits' ->> 'provider_type' = 'oauth_provider_authorization_code'";
    assert!(api.value(traits).await.unwrap().contains(&client.id));
}

#[actix_web::test]
async fn someone_says_no() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let id = client.ask(&api, &[]).await;
    api.get(&format!("/oauth/authorizations/{id}"), &jane).await.ok();
    consent(&api, &jane, &id, "maybe").await.refused(
        400,
        "validation_failed",
        "action must be 'approve' or 'deny'",
    );
    let path = format!("/oauth/authorizations/{id}/consent");
    let garbage = request(Method::POST, &path, &jane).set_payload("{");
    api.send(garbage).await.refused(400, "bad_json", "invalid JSON body");
    let target = consent(&api, &jane, &id, "deny").await.ok();
    let expected = "https://client.test/cb?error=access_denied&error_description=User+denied+the+request&state=s%26t&x=1";
    assert_eq!(target["redirect_url"], expected);
    for action in ["approve", "deny"] {
        let again = consent(&api, &jane, &id, action).await;
        again.refused(400, "validation_failed", "authorization request is no longer pending");
    }
    api.get(&format!("/oauth/authorizations/{id}"), &jane).await.refused(
        400,
        "validation_failed",
        "authorization request cannot be processed",
    );
    assert_eq!(api.get("/user/oauth/grants", &jane).await.ok(), json!([]));
}

#[actix_web::test]
async fn what_was_allowed_is_not_asked_again() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let look = async |scope: &str| {
        let id = client.ask(&api, &[("scope", scope)]).await;
        let look = api.get(&format!("/oauth/authorizations/{id}"), &jane).await.ok();
        (id, look)
    };
    client.session(&api, &jane, "openid email").await;
    for scope in ["email", "email openid"] {
        let (id, allowed) = look(scope).await;
        let code = params(allowed["redirect_url"].as_str().unwrap()).remove("code").unwrap();
        client.exchange(&api, &code).await.ok();
        // The request is gone with its code.
        let gone = api.get(&format!("/oauth/authorizations/{id}"), &jane).await;
        gone.refused(404, "oauth_authorization_not_found", "authorization not found");
    }
    let (id, more) = look("openid email phone").await;
    assert_eq!(more["scope"], "openid email phone");
    consent(&api, &jane, &id, "approve").await.ok();
    assert!(look("phone").await.1["redirect_url"].is_string());
    // Someone else is asked.
    let id = client.ask(&api, &[]).await;
    let john = person(&api, "john@example.com").await;
    assert!(api.get(&format!("/oauth/authorizations/{id}"), &john).await.ok()["client"].is_object());
}

#[actix_web::test]
async fn grants_are_listed_and_taken_back() {
    let api = start(serving()).await;
    let (one, two) = (Client::public(&api).await, Client::register(&api, json!({})).await);
    let jane = person(&api, "jane@example.com").await;
    let kept = one.session(&api, &jane, "openid email").await;
    api.advance(1);
    let ended = two.session(&api, &jane, "profile").await;
    let grants = api.get("/user/oauth/grants", &jane).await.ok();
    assert_eq!(grants.as_array().map(Vec::len), Some(2));
    assert_eq!(grants[0]["client"], json!({ "id": two.id, "name": "App" }));
    assert_eq!(
        (&grants[0]["scopes"], &grants[1]["scopes"]),
        (&json!(["profile"]), &json!(["openid", "email"]))
    );
    assert_eq!(grants[0]["granted_at"], "2027-01-15T08:00:01.123456Z");

    // A code that is on its way when the grant is taken back is void.
    let code = two.code(&api, &jane, &[("scope", "profile")]).await;
    let path = format!("/user/oauth/grants?client_id={}", two.id);
    assert_eq!(api.delete_as(&jane, &path).await.status, 204);
    denied(&two.exchange(&api, &code).await, "invalid_grant", "Invalid authorization code");
    let refused = two.refresh(&api, &ended["refresh_token"]).await;
    refused.refused(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found");
    api.get("/oauth/userinfo", &token(&ended)).await.refused(
        403,
        "session_not_found",
        "Session from session_id claim in JWT does not exist",
    );
    one.refresh(&api, &kept["refresh_token"]).await.ok();
    api.get("/user", &jane).await.ok();
    assert_eq!(api.get("/user/oauth/grants", &jane).await.ok()[0]["client"]["id"], json!(one.id));
    // It is asked for again.
    let id = two.ask(&api, &[("scope", "profile")]).await;
    assert!(api.get(&format!("/oauth/authorizations/{id}"), &jane).await.ok()["client"].is_object());

    let none = "No active grant found for this client";
    api.delete_as(&jane, &path).await.refused(404, "oauth_consent_not_found", none);
    for (query, text) in
        [("", "client_id query parameter is required"), ("?client_id=x", "invalid client_id format")]
    {
        api.delete_as(&jane, &format!("/user/oauth/grants{query}")).await.refused(
            400,
            "validation_failed",
            text,
        );
    }
}

#[actix_web::test]
async fn claims_by_scope() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let session = api.sign_up("jane@example.com").await;
    let jane = token(&session);
    api.put_as(&jane, "/user", json!({ "data": { "name": "Jane", "avatar_url": "https://a.test/j.png" } }))
        .await
        .ok();
    let info = async |scope: &str| {
        let held = client.session(&api, &jane, scope).await;
        let mut info = api.get("/oauth/userinfo", &token(&held)).await.ok();
        let info = info.as_object_mut().unwrap();
        assert_eq!(info.remove("sub").unwrap(), session["user"]["id"]);
        info.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(info("openid").await, "");
    assert_eq!(info("email").await, "email email_verified");
    assert_eq!(info("profile").await, "name picture updated_at user_metadata");
    assert_eq!(info("phone offline_access").await, "");
    // Of a session of their own, nobody was asked for scopes.
    let own = api.get("/oauth/userinfo", &jane).await.ok();
    assert_eq!(own, json!({ "sub": session["user"]["id"] }));
    let posted = api.post_as(&jane, "/oauth/userinfo", json!({})).await.ok();
    assert_eq!(posted, own);
}

/// Where a secret signs tokens, nobody else could verify an ID token; the rest works.
#[actix_web::test]
async fn no_id_tokens_signed_with_a_secret() {
    let api = Api::start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let tokens = client.session(&api, &jane, "openid email").await;
    assert_eq!(tokens.get("id_token"), None);
    assert_eq!(api.claims(&tokens["access_token"])["scope"], "openid email");
}

#[actix_web::test]
async fn rotation_and_reuse_work_for_applications_as_for_people() {
    let mut config = serving();
    config.refresh_token_algorithm_version = 1;
    let api = start(config).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let first = client.session(&api, &jane, "email").await;
    let second = client.refresh(&api, &first["refresh_token"]).await.ok();
    client.refresh(&api, &second["refresh_token"]).await.ok();
    api.advance(3600);
    let reused = client.refresh(&api, &first["refresh_token"]).await;
    reused.refused(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used");
}

/// What an application does in someone's name does not put them out where one session is the limit.
#[actix_web::test]
async fn applications_do_not_supersede_people() {
    let mut config = serving();
    config.sessions.single_per_user = true;
    let api = start(config).await;
    let client = Client::public(&api).await;
    let own = api.sign_up("jane@example.com").await;
    api.advance(60);
    let held = client.session(&api, &token(&own), "email").await;
    api.advance(60);
    client.refresh(&api, &held["refresh_token"]).await.ok();
    api.refresh(&own["refresh_token"]).await.ok();
    client.session(&api, &token(&own), "email").await;
    let superseded = client.refresh(&api, &held["refresh_token"]).await;
    assert_eq!(superseded.error().1, "");
}

#[actix_web::test]
async fn discovery() {
    let api = start(serving()).await;
    let openid = api.get("/.well-known/openid-configuration", "").await.ok();
    assert_eq!(api.get("/.well-known/oauth-authorization-server", "").await.ok(), openid);
    let base = "http://localhost:8000/auth/v1";
    assert_eq!(openid["issuer"], base);
    for (name, path) in [
        ("authorization_endpoint", "/oauth/authorize"),
        ("token_endpoint", "/oauth/token"),
        ("userinfo_endpoint", "/oauth/userinfo"),
        ("registration_endpoint", "/oauth/clients/register"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(openid[name], format!("{base}{path}"));
    }
    assert_eq!(openid["id_token_signing_alg_values_supported"], json!(["ES256"]));
    assert_eq!(openid["scopes_supported"], json!(["openid", "profile", "email", "phone", "offline_access"]));
    let mut config = serving();
    config.oauth_server.allow_dynamic_registration = false;
    assert_eq!(api.auth.reload(config), auth::Reload::Applied);
    let openid = api.get("/.well-known/openid-configuration", "").await.ok();
    assert_eq!(openid.get("registration_endpoint"), None);
}

#[actix_web::test]
async fn a_request_for_access_is_checked() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    for (more, code, text) in [
        (("client_id", ""), "validation_failed", "client_id is required"),
        (("redirect_uri", ""), "validation_failed", "redirect_uri is required"),
        (("client_id", "x"), "oauth_client_not_found", "invalid client_id format"),
        (("client_id", NOBODY), "oauth_client_not_found", "invalid client_id"),
        (("redirect_uri", "https://evil.test/cb"), "validation_failed", "invalid redirect_uri"),
    ] {
        client.authorize(&api, &[more]).await.refused(400, code, text);
    }
    let long = "x".repeat(5000);
    for (more, error, description) in [
        (("response_type", "token"), "invalid_request", "only response_type=code is supported"),
        (("scope", "openid admin"), "invalid_request", "unsupported scope: admin"),
        (("resource", "mcp"), "invalid_request", "resource must be an absolute URI"),
        (("state", long.as_str()), "server_error", "error creating authorization"),
        (("nonce", "\0"), "server_error", "error creating authorization"),
    ] {
        let answer = client.authorize(&api, &[more]).await;
        assert_eq!(answer.status, 302);
        let mut told = params(answer.header("location"));
        let state = if more.0 == "state" { more.1 } else { "s&t" };
        let expected = [("error", error), ("error_description", description), ("state", state), ("x", "1")];
        for (key, value) in expected {
            assert_eq!(told.remove(key).as_deref(), Some(value), "{more:?}");
        }
        assert!(told.is_empty(), "{told:?}");
    }
    let mut config = serving();
    config.oauth_server.authorization_url_path = String::new();
    assert_eq!(api.auth.reload(config), auth::Reload::Applied);
    let told = client.authorize(&api, &[]).await;
    assert_eq!(
        params(told.header("location"))["error_description"],
        "oauth authorization path not configured"
    );
}

/// Without a scope an application gets the default; what is left of a URL's slashes is one.
#[actix_web::test]
async fn defaults_of_a_request() {
    let mut config = serving();
    config.site_url = "http://127.0.0.1:3000/".to_owned();
    config.oauth_server.authorization_url_path = "oauth/consent".to_owned();
    let api = start(config).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let id = client.ask(&api, &[("scope", ""), ("response_type", ""), ("state", "")]).await;
    let look = api.get(&format!("/oauth/authorizations/{id}"), &jane).await.ok();
    assert_eq!(look["scope"], "email");
    let target = consent(&api, &jane, &id, "approve").await.ok();
    assert_eq!(params(target["redirect_url"].as_str().unwrap()).get("state"), None);
}
