//! Signing in with accounts at other providers.

use std::collections::{BTreeMap, HashMap};

use actix_web::http::Method;
use auth::{Config, ExternalProvider};
use jwt::KeySet;
use kernel::Secret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::harness::{Answer, Api, confirming, open, request};
use crate::provider::Provider;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const SITE: &str = "http://127.0.0.1:3000";

/// `config` with these names all being at `provider`.
pub fn with(mut config: Config, names: &[&str], provider: &Provider) -> Config {
    for name in names {
        let settings = ExternalProvider {
            enabled: true,
            client_id: "our-client, our-app".to_owned(),
            secret: Secret::new("our-secret"),
            url: provider.url.clone(),
            ..ExternalProvider::default()
        };
        config.external.insert((*name).to_owned(), settings);
    }
    config
}

async fn github(config: Config) -> (Api, Provider) {
    let provider = Provider::start().await;
    provider.is_github(42, &[("jane@example.com", true)]);
    (Api::start(with(config, &["github"], &provider)).await, provider)
}

/// Where an answer sends the browser.
#[track_caller]
fn location(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.header("location").to_owned()
}

fn query(url: &str) -> HashMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

/// What a redirect says behind the `#`.
fn fragment(url: &str) -> BTreeMap<String, String> {
    let fragment = url.split_once('#').unwrap_or_default().1.to_owned();
    url::form_urlencoded::parse(fragment.as_bytes()).into_owned().collect()
}

/// Goes to the provider; returns the state it is told.
async fn begin(api: &Api, params: &str) -> String {
    let answer = api.get(&format!("/authorize?{params}"), "").await;
    query(&location(&answer, 302))["state"].clone()
}

/// Comes back from the provider.
async fn back(api: &Api, state: &str) -> String {
    location(&api.get(&format!("/callback?code=abcdef&state={state}"), "").await, 302)
}

/// There and back.
pub async fn sign_in(api: &Api, params: &str) -> String {
    back(api, &begin(api, params).await).await
}

#[track_caller]
fn failed(url: &str, error: &str, code: &str, description: &str) {
    let expected = [("error", error), ("error_code", code), ("error_description", description)];
    let (query, fragment) = (query(url), fragment(url));
    for (key, value) in expected {
        assert_eq!((query[key].as_str(), fragment[key].as_str()), (value, value), "{url}");
    }
    assert_eq!(fragment["sb"], "");
}

#[actix_web::test]
async fn there_and_back() {
    let (api, provider) = github(confirming()).await;
    let path = "/authorize?provider=GitHub&redirect_to=https://app.test/cb?a=1&scopes=repo,gist%20user\
                &login_hint=j&state=evil&Client_Id=evil&redirect_uri=https://evil.test&apikey=k&invite_token=";
    let there = location(&api.get(path, "").await, 302);
    assert!(there.starts_with(&format!("{}/login/oauth/authorize?", provider.url)), "{there}");
    let mut told = query(&there);
    let state = told.remove("state").unwrap();
    let expected = [
        ("client_id", "our-client"),
        ("login_hint", "j"),
        ("redirect_to", "https://app.test/cb?a=1"),
        ("redirect_uri", "http://localhost:8000/auth/v1/callback"),
        ("response_type", "code"),
        ("scope", "user:email repo gist user"),
    ];
    assert_eq!(told, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());

    let here = back(&api, &state).await;
    assert!(here.starts_with("https://app.test/cb?a=1#"), "{here}");
    let session = fragment(&here);
    let keys: Vec<_> = session.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "access_token",
            "expires_at",
            "expires_in",
            "provider_refresh_token",
            "provider_token",
            "refresh_token",
            "sb",
            "token_type"
        ]
    );
    assert_eq!(session["provider_token"], "provider-access");
    let form = &provider.seen("/login/oauth/access_token")[0].form;
    assert_eq!((form["code"].as_str(), form["client_secret"].as_str()), ("abcdef", "our-secret"));
    assert_eq!(form["redirect_uri"], "http://localhost:8000/auth/v1/callback");
    assert_eq!(provider.seen("/api/v3/user")[0].authorization, "Bearer provider-access");

    let user = api.get("/user", &session["access_token"]).await.ok();
    assert_eq!(user["email"], "jane@example.com");
    assert_eq!(user["app_metadata"], json!({ "provider": "github", "providers": ["github"] }));
    assert!(user["email_confirmed_at"].is_string());
    let data = json!({ "iss": format!("{}/api/v3", provider.url), "sub": "42", "provider_id": "42",
        "name": "Jane", "full_name": "Jane", "avatar_url": "https://p.test/j", "user_name": "jane",
        "preferred_username": "jane", "email": "jane@example.com", "email_verified": true,
        "phone_verified": false });
    assert_eq!((&user["user_metadata"], &user["identities"][0]["identity_data"]), (&data, &data));
    let claims = api.claims(&json!(session["access_token"]));
    assert_eq!(claims["amr"][0]["method"], "oauth");

    // The state is good once; the account is found again.
    let again = api.get(&format!("/callback?code=abcdef&state={state}"), "").await;
    let told = query(&location(&again, 303));
    assert_eq!(told["error_description"], "OAuth state not found or expired");
    let again = fragment(&sign_in(&api, "provider=github").await);
    assert_eq!(api.get("/user", &again["access_token"]).await.ok()["id"], user["id"]);
}

#[actix_web::test]
async fn a_code_for_the_client_that_began() {
    let (api, _) = github(confirming()).await;
    let params = format!("provider=github&code_challenge={CHALLENGE}&code_challenge_method=s256");
    let state = begin(&api, &params).await;
    let here = back(&api, &state).await;
    let code = &query(&here)["code"];
    assert!(here.starts_with(SITE) && !here.contains('#'), "{here}");
    let replayed = api.get(&format!("/callback?code=abcdef&state={state}"), "").await;
    assert_eq!(query(&location(&replayed, 303))["error_code"], "flow_state_already_used");

    let exchange = async |verifier: &str| {
        let body = json!({ "auth_code": code, "code_verifier": verifier });
        api.post("/token?grant_type=pkce", body).await
    };
    assert_eq!(exchange(&VERIFIER.replace('d', "e")).await.error(), (400, "bad_code_verifier"));
    let session = exchange(VERIFIER).await.ok();
    assert_eq!(session["provider_token"], "provider-access");
    assert_eq!(session["provider_refresh_token"], "provider-refresh");
    assert_eq!(exchange(VERIFIER).await.error(), (404, "flow_state_not_found"));
}

#[actix_web::test]
async fn states_that_are_none() {
    let (api, _) = github(confirming()).await;
    let old = begin(&api, "provider=github&redirect_to=https://app.test/cb").await;
    api.advance(301);
    let unknown = "11111111-1111-4111-8111-111111111111";
    for (state, code, description) in [
        ("", "bad_oauth_callback", "OAuth state parameter missing"),
        ("forged", "bad_oauth_state", "OAuth state parameter is invalid"),
        (unknown, "bad_oauth_state", "OAuth state not found or expired"),
        (&old, "bad_oauth_state", "OAuth state has expired"),
    ] {
        let here = location(&api.get(&format!("/callback?code=c&state={state}"), "").await, 303);
        assert!(here.starts_with(SITE) && !here.contains('#'), "{here}");
        let told = query(&here);
        assert_eq!((told["error_code"].as_str(), told["error_description"].as_str()), (code, description));
    }
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn one_state_makes_one_session() {
    let (api, _) = github(confirming()).await;
    let state = begin(&api, "provider=github").await;
    let path = format!("/callback?code=abcdef&state={state}");
    let calls = (0..6).map(|_| api.get(&path, ""));
    let answers = futures_util::future::join_all(calls).await;
    let sessions = answers.iter().filter(|answer| answer.header("location").contains("access_token"));
    assert_eq!(sessions.count(), 1);
    assert_eq!(api.value("select count(*) from auth.sessions").await.as_deref(), Some("1"));
}

#[actix_web::test]
async fn nobody_is_sent_to_strangers() {
    let (api, _) = github(confirming()).await;
    for target in ["https://evil.test/", "https://app.test.evil.test/", "//evil.test", "javascript:alert(1)"]
    {
        let here = sign_in(&api, &format!("provider=github&redirect_to={target}")).await;
        assert!(here.starts_with(&format!("{SITE}#")), "{target}: {here}");
    }
}

#[actix_web::test]
async fn what_goes_wrong_is_told_to_the_application() {
    let (api, provider) = github(confirming()).await;
    let begin = async || begin(&api, "provider=github&redirect_to=https://app.test/cb").await;
    let state = begin().await;
    let path = format!("/callback?error=access_denied&error_description=No&state={state}");
    let here = location(&api.get(&path, "").await, 302);
    let expected = "https://app.test/cb?error=access_denied&error_description=No#error=access_denied&error_description=No&sb=";
    assert_eq!(here, expected);
    let here = location(&api.get(&format!("/callback?state={state}"), "").await, 302);
    let text = "OAuth callback with missing authorization code missing";
    failed(&here, "invalid_request", "bad_oauth_callback", text);

    let server_error = |here: &str, text: &str| failed(here, "server_error", "unexpected_failure", text);
    provider.answers("/api/v3/user/emails", json!([]));
    server_error(&back(&api, &begin().await).await, "Error getting user email from external provider");
    provider.answers_with("/api/v3/user", 500, json!({}));
    server_error(&back(&api, &begin().await).await, "Error getting user profile from external provider");
    provider.answers("/login/oauth/access_token", json!({ "error": "bad_verification_code" }));
    server_error(&back(&api, &begin().await).await, "Unable to exchange external code: abcd");

    let refused = async |path: &str, status, code: &str, text: &str| {
        api.get(path, "").await.refused(status, code, text);
    };
    let unsupported = "Unsupported provider: provider is not enabled";
    refused("/authorize?provider=gitlab", 400, "validation_failed", unsupported).await;
    let text = "User identified by token not found";
    refused("/authorize?provider=github&invite_token=x", 404, "user_not_found", text).await;
    let text = "PKCE flow requires code_challenge_method and code_challenge";
    refused("/authorize?provider=github&code_challenge=x", 400, "validation_failed", text).await;
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("0"));

    let (api, _) = github(Config { enable_signup: false, ..confirming() }).await;
    let text = "Signups not allowed for this instance";
    failed(&sign_in(&api, "provider=github").await, "access_denied", "signup_disabled", text);
}

#[actix_web::test]
async fn a_verified_address_leads_to_its_account_and_another_never() {
    for config in [open(), confirming()] {
        let (api, provider) = github(config).await;
        let jane = api.sign_up("jane@example.com").await;
        let id = jane["user"]["id"].as_str().or(jane["id"].as_str()).unwrap().to_owned();
        api.sql("update auth.users set email_confirmed_at = now()").await;

        provider.is_github(1, &[("jane@example.com", false)]);
        sign_in(&api, "provider=github").await;
        let holder = "select u.id <> '{id}' and u.email is null from auth.identities i
            join auth.users u on u.id = i.user_id where provider_id = '1' and provider = 'github'";
        assert_eq!(api.value(&holder.replace("{id}", &id)).await.as_deref(), Some("t"));

        // A second address that is verified counts too.
        api.advance(1);
        provider.is_github(2, &[("other@example.com", false), ("JANE@example.com", true)]);
        let session = fragment(&sign_in(&api, "provider=github").await);
        let user = api.get("/user", &session["access_token"]).await.ok();
        assert_eq!(
            (user["id"].as_str(), user["email"].as_str()),
            (Some(id.as_str()), Some("jane@example.com"))
        );
        assert_eq!(user["app_metadata"]["providers"], json!(["email", "github"]));
        assert_eq!(api.sign_in("jane@example.com", "password").await.status, 200);
        let linked =
            "select count(*) from auth.audit_log_entries where payload ->> 'action' = 'identity_linked'";
        assert_eq!(api.value(linked).await.as_deref(), Some("1"));
    }
}

#[actix_web::test]
async fn an_address_nobody_vouches_for_has_to_be_confirmed() {
    let (api, provider) = github(confirming()).await;
    provider.is_github(1, &[("jane@example.com", false)]);
    let text = "Unverified email with github. A confirmation email has been sent to your github email";
    let here = sign_in(&api, "provider=github").await;
    failed(&here, "access_denied", "provider_email_needs_verification", text);
    assert_eq!(api.value("select email_confirmed_at from auth.users").await, None);
    assert_eq!(api.value("select count(*) from auth.sessions").await.as_deref(), Some("0"));

    // The provider vouches for another address by now: that one was never this account's.
    api.advance(61);
    provider.is_github(1, &[("thief@example.com", true)]);
    let here = sign_in(&api, "provider=github").await;
    failed(&here, "access_denied", "provider_email_needs_verification", text);
    assert_eq!(api.value("select email_confirmed_at from auth.users").await, None);
}

#[actix_web::test]
async fn whoever_waits_in_an_unconfirmed_account_is_put_out() {
    let (api, _) = github(confirming()).await;
    api.post(
        "/signup",
        json!({ "email": "jane@example.com", "password": "password",
        "data": { "evil": true } }),
    )
    .await
    .ok();
    api.sql("update auth.users set phone = '15550001', phone_confirmed_at = now()").await;
    let session = fragment(&sign_in(&api, "provider=github").await);
    let user = api.get("/user", &session["access_token"]).await.ok();
    assert_eq!(user["app_metadata"]["providers"], json!(["github"]));
    assert_eq!((&user["user_metadata"]["evil"], &user["phone"]), (&Value::Null, &json!("")));
    assert_eq!(api.sign_in("jane@example.com", "password").await.error(), (400, "invalid_credentials"));
}

#[actix_web::test]
async fn a_banned_account_stays_out() {
    let (api, _) = github(confirming()).await;
    sign_in(&api, "provider=github").await;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    failed(&sign_in(&api, "provider=github").await, "access_denied", "user_banned", "User is banned");
}

#[actix_web::test]
async fn another_way_into_ones_own_account() {
    let (api, provider) = github(Config { enable_manual_linking: true, ..open() }).await;
    let jane = api.sign_up("jane@example.com").await;
    let token = jane["access_token"].as_str().unwrap();
    provider.is_github(7, &[("private@example.com", true)]);
    let path = "/user/identities/authorize?provider=github&skip_http_redirect=true";
    let begin =
        async |token: &str| query(api.get(path, token).await.ok()["url"].as_str().unwrap())["state"].clone();
    assert_eq!(api.get(path, "").await.error(), (401, "no_authorization"));
    let session = fragment(&back(&api, &begin(token).await).await);
    let user = api.get("/user", &session["access_token"]).await.ok();
    assert_eq!((&user["id"], &user["email"]), (&jane["user"]["id"], &json!("jane@example.com")));
    assert_eq!(user["identities"].as_array().unwrap().len(), 2);

    let here = back(&api, &begin(token).await).await;
    failed(&here, "server_error", "identity_already_exists", "Identity is already linked");
    let bob = api.sign_up("bob@example.com").await;
    let here = back(&api, &begin(bob["access_token"].as_str().unwrap()).await).await;
    failed(&here, "server_error", "identity_already_exists", "Identity is already linked to another user");

    // An anonymous account becomes permanent, unless the address is someone's.
    let anonymous = api.post("/signup", json!({})).await.ok();
    let anonymous = anonymous["access_token"].as_str().unwrap();
    provider.is_github(8, &[("bob@example.com", true)]);
    let text = "A user with this email address has already been registered";
    failed(&back(&api, &begin(anonymous).await).await, "invalid_request", "email_exists", text);
    provider.is_github(8, &[("ann@example.com", true)]);
    let session = fragment(&back(&api, &begin(anonymous).await).await);
    let user = api.get("/user", &session["access_token"]).await.ok();
    assert_eq!((&user["email"], &user["is_anonymous"]), (&json!("ann@example.com"), &json!(false)));
}

#[actix_web::test]
async fn who_is_invited_may_come_by_a_provider() {
    let (api, provider) = github(confirming()).await;
    let admin = api.service_role();
    let body = json!({ "type": "invite", "email": "jane@example.com" });
    let made = api.post_as(&admin, "/admin/generate_link", body).await.ok();
    let params = format!("provider=github&invite_token={}", made["hashed_token"].as_str().unwrap());
    let there = location(&api.get(&format!("/authorize?{params}"), "").await, 302);
    assert!(!there.contains("invite_token"), "{there}");
    provider.is_github(3, &[("thief@example.com", true)]);
    let text = "Invited email does not match emails from external provider";
    failed(&sign_in(&api, &params).await, "invalid_request", "validation_failed", text);
    provider.is_github(4, &[("jane@example.com", false)]);
    let session = fragment(&sign_in(&api, &params).await);
    let user = api.get("/user", &session["access_token"]).await.ok();
    assert_eq!((&user["id"], &user["app_metadata"]["provider"]), (&made["id"], &json!("github")));
    assert_eq!(api.get(&format!("/authorize?{params}"), "").await.error(), (404, "user_not_found"));
}

#[actix_web::test]
async fn a_provider_that_wants_pkce_gets_it() {
    let provider = Provider::start().await;
    let api = Api::start(with(confirming(), &["x"], &provider)).await;
    provider.answers("/2/oauth2/token", json!({ "access_token": "a" }));
    let user = json!({ "data": { "id": "9", "username": "jane", "confirmed_email": "jane@example.com" } });
    provider.answers("/2/users/me", user);
    let there = location(&api.get("/authorize?provider=x&code_challenge_method=plain", "").await, 400);
    assert_eq!(there, "");
    let told = query(&location(&api.get("/authorize?provider=x", "").await, 302));
    assert_eq!(told["code_challenge_method"], "S256");
    assert!(fragment(&back(&api, &told["state"]).await).contains_key("access_token"));
    let seen = &provider.seen("/2/oauth2/token")[0];
    let made = Base64Url(&Sha256::digest(&seen.form["code_verifier"])).to_string();
    assert_eq!(made, told["code_challenge"]);
    assert_eq!(seen.authorization, "Basic b3VyLWNsaWVudDpvdXItc2VjcmV0");
    assert!(!seen.form.contains_key("client_secret"));
}

/// Base64url without padding.
struct Base64Url<'a>(&'a [u8]);

impl std::fmt::Display for Base64Url<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use base64::Engine;
        f.write_str(&base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.0))
    }
}

#[actix_web::test]
async fn a_code_goes_to_the_provider_it_was_begun_with() {
    let (honest, evil) = (Provider::start().await, Provider::start().await);
    let config = with(with(confirming(), &["github"], &honest), &["gitlab"], &evil);
    let api = Api::start(config).await;
    honest.is_github(42, &[("jane@example.com", true)]);
    let state = begin(&api, "provider=github").await;
    back(&api, &format!("{state}&provider=gitlab&iss={}", evil.url)).await;
    assert_eq!((honest.seen("/login/oauth/access_token").len(), evil.seen("/oauth/token").len()), (1, 0));
}

#[actix_web::test]
async fn apple_comes_back_by_form() {
    let provider = Provider::start().await;
    let api = Api::start(with(confirming(), &["apple"], &provider)).await;
    let there = location(&api.get("/authorize?provider=apple&login_hint=x", "").await, 302);
    assert!(there.starts_with(&format!("{}/in?", provider.url)) && there.contains("scope=email%20name"));
    let told = query(&there);
    assert_eq!((told["response_mode"].as_str(), told.contains_key("login_hint")), ("form_post", false));
    let claims = claims(&api, &provider, json!({}));
    let id_token = provider.keys.sign(claims.as_object().unwrap()).unwrap();
    provider.answers("/token", json!({ "access_token": "a", "id_token": id_token }));
    let form = [
        ("code", "abcdef"),
        ("state", &told["state"]),
        ("user", r#"{"name":{"firstName":"Jane","lastName":"Doe"}}"#),
    ];
    let answer = api.send(request(Method::POST, "/callback", "").set_form(form)).await;
    let session = fragment(&location(&answer, 302));
    let user = api.get("/user", &session["access_token"]).await.ok();
    assert_eq!(user["user_metadata"]["full_name"], "Jane Doe");

    // A token for another client is nobody's.
    let claims = self::claims(&api, &provider, json!({ "aud": "other-client" }));
    let id_token = provider.keys.sign(claims.as_object().unwrap()).unwrap();
    provider.answers("/token", json!({ "access_token": "a", "id_token": id_token }));
    let text = "Error getting user profile from external provider";
    failed(&sign_in(&api, "provider=apple").await, "server_error", "unexpected_failure", text);
}

/// The claims of a good ID token, with changes; null takes one away.
fn claims(api: &Api, provider: &Provider, changes: Value) -> Value {
    let now = api.clock.unix();
    let mut claims = json!({ "iss": provider.url, "sub": "k-1", "aud": ["our-client", "our-app"], "iat": now, "exp": now + 60,
        "email": "jane@example.com", "email_verified": true, "name": "Jane",
        "nonce": hex::encode(Sha256::digest("n")), "role": ["a", "b"] });
    for (key, value) in changes.as_object().unwrap() {
        claims[key] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

#[actix_web::test]
async fn id_tokens() {
    let provider = Provider::start().await;
    let api = Api::start(with(confirming(), &["keycloak"], &provider)).await;
    let grant = async |keys: &KeySet, changes: Value, more: Value| {
        let token = keys.sign(claims(&api, &provider, changes).as_object().unwrap()).unwrap();
        let mut body = json!({ "provider": "keycloak", "id_token": token, "nonce": "n" });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        api.post("/token?grant_type=id_token", body).await
    };
    let keys = &provider.keys;
    let session = grant(keys, json!({}), json!({})).await.ok();
    assert_eq!(session["user"]["email"], "jane@example.com");
    assert_eq!(session["user"]["identities"][0]["provider"], "keycloak");
    assert_eq!(api.claims(&session["access_token"])["amr"][0]["method"], "oauth");
    assert_eq!(grant(keys, json!({ "nonce": null }), json!({ "nonce": "" })).await.status, 200);
    assert_eq!(grant(keys, json!({ "aud": "our-app" }), json!({})).await.status, 200);

    let refused = |answer: Answer, error: &str, description: &str| {
        let body = json!({ "error": error, "error_description": description });
        assert_eq!((answer.status, answer.body), (400, body));
    };
    let bad = |answer: Answer| refused(answer, "invalid request", "Bad ID token");
    let now = api.clock.unix();
    bad(grant(keys, json!({ "exp": now - 1 }), json!({})).await);
    bad(grant(keys, json!({ "exp": null }), json!({})).await);
    bad(grant(keys, json!({ "iss": "https://evil.test" }), json!({})).await);
    bad(grant(keys, json!({ "iss": null }), json!({})).await);
    bad(grant(keys, json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }), json!({ "access_token": "x" })).await);
    let strangers = KeySet::from_jwks_text(jwt::generate::es256().unwrap().expose()).unwrap();
    bad(grant(&strangers, json!({}), json!({})).await);
    // The public key, in the forms it is published in, is nobody's shared secret.
    let public = keys.jwks();
    for secret in [public.to_string(), public["keys"][0].to_string(), public["keys"][0]["x"].to_string()] {
        bad(grant(&KeySet::from_secret(&secret), json!({}), json!({})).await);
    }
    let unsigned = Base64Url(br#"{"alg":"none"}"#).to_string();
    let payload = Base64Url(claims(&api, &provider, json!({})).to_string().as_bytes()).to_string();
    bad(grant(keys, json!({}), json!({ "id_token": format!("{unsigned}.{payload}.") })).await);
    bad(grant(keys, json!({}), json!({ "id_token": "nonsense" })).await);

    let audience = "Unacceptable audience in id_token: [another-app]";
    refused(grant(keys, json!({ "aud": "another-app" }), json!({})).await, "invalid request", audience);
    refused(
        grant(keys, json!({ "sub": "" }), json!({})).await,
        "invalid request",
        "Missing sub claim in id_token",
    );
    refused(grant(keys, json!({}), json!({ "nonce": "m" })).await, "invalid nonce", "Nonces mismatch");
    let both = "Passed nonce and nonce in id_token should either both exist or not.";
    refused(grant(keys, json!({}), json!({ "nonce": "" })).await, "invalid request", both);
    refused(grant(keys, json!({ "nonce": null }), json!({})).await, "invalid request", both);
    refused(grant(keys, json!({}), json!({ "id_token": "" })).await, "invalid request", "id_token required");
    let linking = "Linking requires a valid user access token in Authorization";
    refused(grant(keys, json!({}), json!({ "link_identity": true })).await, "invalid request", linking);

    let off = grant(keys, json!({}), json!({ "provider": "google" })).await;
    off.refused(400, "provider_disabled", "Provider (issuer \"https://accounts.google.com\") is not enabled");
    let own = json!({ "provider": "", "issuer": "http://127.0.0.1:1", "client_id": "our-app" });
    let own = grant(keys, json!({}), own).await;
    own.refused(400, "validation_failed", "Custom OIDC provider \"\" not allowed");
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("1"));
}

#[actix_web::test]
async fn an_issuer_that_calls_itself_otherwise_is_not_believed_and_new_keys_are_read() {
    let provider = Provider::start().await;
    let api = Api::start(with(confirming(), &["keycloak"], &provider)).await;
    let grant = async |provider: &Provider| {
        let token = provider.keys.sign(claims(&api, provider, json!({})).as_object().unwrap()).unwrap();
        let body = json!({ "provider": "keycloak", "id_token": token, "nonce": "n" });
        api.post("/token?grant_type=id_token", body).await.status
    };
    provider.publish("https://other.test");
    assert_eq!(grant(&provider).await, 400);
    provider.publish(&provider.url);
    assert_eq!(grant(&provider).await, 200);
    assert_eq!(grant(&provider).await, 200);
    assert_eq!(provider.seen("/keys").len(), 1);

    let mut rotated = provider.clone();
    rotated.keys = KeySet::from_jwks_text(jwt::generate::es256().unwrap().expose()).unwrap();
    rotated.publish(&rotated.url);
    assert_eq!((grant(&rotated).await, provider.seen("/keys").len()), (400, 1));
    api.advance(60);
    assert_eq!((grant(&rotated).await, provider.seen("/keys").len()), (200, 2));
}

#[actix_web::test]
async fn settings_tell_which_providers_are_on() {
    let (api, _) = github(confirming()).await;
    let external = &api.get("/settings", "").await.ok()["external"];
    assert_eq!((&external["github"], &external["gitlab"]), (&json!(true), &json!(false)));
    assert_eq!((external.get("x"), external["keycloak"].clone()), (None, json!(false)));
}

#[actix_web::test]
async fn ways_that_are_begun_and_left_are_limited() {
    let mut config = confirming();
    config.rate_limit.token_refresh = 2;
    let (api, _) = github(config).await;
    for _ in 0..2 {
        begin(&api, "provider=github").await;
    }
    let refused = api.get("/authorize?provider=github", "").await;
    refused.refused(429, "over_request_rate_limit", "Request rate limit reached");
}
