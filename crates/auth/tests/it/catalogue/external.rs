//! Signing in with accounts at other providers: what is told before the browser leaves, and what it
//! takes along when it comes back.

use actix_web::http::Method;
use auth::Config;
use serde_json::json;

use super::{Catalogue, NOBODY, both, get, parameters, post, token};
use crate::harness::{Api, confirming, open, request};
use crate::oauth::with;
use crate::provider::Provider;

/// What is shown here.
pub const CODES: &str = "bad_oauth_callback bad_oauth_state email_exists email_not_confirmed flow_state_already_used \
    identity_already_exists invite_not_found oauth_client_state_expired oauth_client_state_not_found oauth_invalid_state \
    oauth_provider_not_supported provider_disabled provider_email_needs_verification signup_disabled unexpected_failure \
    user_banned user_not_found validation_failed";

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        ways_out(c).await;
        states(c).await;
        secrets(c).await;
        accounts(c).await;
        links(c).await;
        id_tokens(c).await;
    })
    .await;
}

async fn github(config: Config) -> (Api, Provider) {
    let provider = Provider::start().await;
    provider.is_github(42, &[("jane@example.com", true)]);
    (Api::start(with(config, &["github", "x"], &provider)).await, provider)
}

/// Leaves for the provider; returns the way back.
async fn leave(api: &Api, query: &str) -> String {
    let answer = api.get(&format!("/authorize?{query}"), "").await;
    let state = &parameters(answer.header("location"))["state"];
    format!("/callback?code=abcdef&state={state}")
}

async fn ways_out(c: &Catalogue) {
    let (api, _) = github(confirming()).await;
    let check = async |query: &str, status, code: &str, message: &str| {
        c.check(&api, get(&format!("/authorize?{query}"), ""), status, code, message).await;
    };
    let invalid = "validation_failed";
    check("provider=gitlab", 400, invalid, "Unsupported provider: provider is not enabled").await;
    let unknown = "Unsupported provider: Provider acme could not be found";
    check("provider=acme", 400, invalid, unknown).await;
    let half = "PKCE flow requires code_challenge_method and code_challenge";
    check("provider=github&code_challenge=x", 400, invalid, half).await;
    let nobody = "User identified by token not found";
    check("provider=github&invite_token=x", 404, "user_not_found", nobody).await;
}

async fn states(c: &Catalogue) {
    let (api, _) = github(confirming()).await;
    let check = async |path: &str, code: &str, description: &str| {
        c.carried(&api, get(path, ""), "invalid_request", code, description).await;
    };
    check("/callback?code=c", "bad_oauth_callback", "OAuth state parameter missing").await;
    check("/callback?code=c&state=x", "bad_oauth_state", "OAuth state parameter is invalid").await;
    let unknown = format!("/callback?code=c&state={NOBODY}");
    check(&unknown, "bad_oauth_state", "OAuth state not found or expired").await;
    let old = leave(&api, "provider=github").await;
    api.advance(301);
    check(&old, "bad_oauth_state", "OAuth state has expired").await;
    let once = format!("provider=github&code_challenge={CHALLENGE}&code_challenge_method=s256");
    let once = leave(&api, &once).await;
    api.get(&once, "").await;
    check(&once, "flow_state_already_used", "State has already been used").await;
    let bare = leave(&api, "provider=github").await.replace("code=abcdef&", "");
    check(&bare, "bad_oauth_callback", "OAuth callback with missing authorization code missing").await;
}

/// The provider was switched off meanwhile, or our half of the secret is gone.
async fn secrets(c: &Catalogue) {
    let (api, provider) = github(confirming()).await;
    let check = async |path: &str, error: &str, code: &str, description: &str| {
        c.carried(&api, get(path, ""), error, code, description).await;
    };
    let none = leave(&api, "provider=x").await;
    api.sql("delete from auth.oauth_client_states").await;
    check(&none, "server_error", "oauth_client_state_not_found", "OAuth state not found").await;
    let old = leave(&api, "provider=x").await;
    api.sql("update auth.oauth_client_states set created_at = created_at - interval '301 s'").await;
    check(&old, "server_error", "oauth_client_state_expired", "OAuth state expired").await;
    let other = leave(&api, "provider=x").await;
    api.sql("update auth.oauth_client_states set provider_type = 'github'").await;
    check(&other, "invalid_request", "oauth_invalid_state", "OAuth provider mismatch").await;
    let without = leave(&api, "provider=x").await;
    api.sql("update auth.flow_state set oauth_client_state_id = null").await;
    check(&without, "invalid_request", "oauth_invalid_state", "OAuth PKCE code verifier missing").await;
    let exchange = leave(&api, "provider=github").await;
    provider.answers("/login/oauth/access_token", json!({ "error": "bad_verification_code" }));
    let failed = "Unable to exchange external code: abcd";
    check(&exchange, "server_error", "unexpected_failure", failed).await;
    let off = leave(&api, "provider=github").await;
    let _ = api.auth.reload(confirming());
    let unsupported = "Unsupported provider: provider is not enabled";
    check(&off, "invalid_request", "oauth_provider_not_supported", unsupported).await;
}

async fn accounts(c: &Catalogue) {
    let (api, provider) = github(confirming()).await;
    let check = async |path: &str, error: &str, code: &str, description: &str| {
        c.carried(&api, get(path, ""), error, code, description).await;
    };
    let come = async || leave(&api, "provider=github").await;
    provider.is_github(1, &[("jane@example.com", false)]);
    let sent = "Unverified email with github. A confirmation email has been sent to your github email";
    check(&come().await, "access_denied", "provider_email_needs_verification", sent).await;
    api.sql("update auth.users set email = null").await;
    let there = "Unverified email with github. Verify the email with github in order to sign in";
    check(&come().await, "access_denied", "provider_email_needs_verification", there).await;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    check(&come().await, "access_denied", "user_banned", "User is banned").await;

    let body = json!({ "type": "invite", "email": "joe@example.com" });
    let made = api.post_as(&api.service_role(), "/admin/generate_link", body).await.ok();
    let invited = format!("provider=github&invite_token={}", made["hashed_token"].as_str().unwrap());
    let (other, gone) = (leave(&api, &invited).await, leave(&api, &invited).await);
    let text = "Invited email does not match emails from external provider";
    check(&other, "invalid_request", "validation_failed", text).await;
    api.sql("delete from auth.users where email = 'joe@example.com'").await;
    check(&gone, "server_error", "invite_not_found", "Invite not found").await;

    let (api, _) = github(Config { enable_signup: false, ..confirming() }).await;
    let path = leave(&api, "provider=github").await;
    let closed = "Signups not allowed for this instance";
    c.carried(&api, get(&path, ""), "access_denied", "signup_disabled", closed).await;
}

async fn links(c: &Catalogue) {
    let (api, provider) = github(Config { enable_manual_linking: true, ..open() }).await;
    let check = async |path: &str, error: &str, code: &str, description: &str| {
        c.carried(&api, get(path, ""), error, code, description).await;
    };
    let begin = async |session: &serde_json::Value| {
        let path = "/user/identities/authorize?provider=github&skip_http_redirect=true";
        let url = api.get(path, token(session)).await.ok()["url"].as_str().unwrap().to_owned();
        format!("/callback?code=abcdef&state={}", parameters(&url)["state"])
    };
    let jane = api.sign_up("jane@example.com").await;
    let joe = api.sign_up("joe@example.com").await;
    api.get(&begin(&jane).await, "").await;
    let own = "Identity is already linked";
    check(&begin(&jane).await, "server_error", "identity_already_exists", own).await;
    let others = "Identity is already linked to another user";
    check(&begin(&joe).await, "server_error", "identity_already_exists", others).await;
    let anonymous = api.post("/signup", json!({})).await.ok();
    provider.is_github(8, &[("joe@example.com", true)]);
    let taken = "A user with this email address has already been registered";
    check(&begin(&anonymous).await, "invalid_request", "email_exists", taken).await;
    provider.is_github(9, &[("new@example.com", false)]);
    let mut config = with(confirming(), &["github", "x"], &provider);
    config.enable_manual_linking = true;
    let _ = api.auth.reload(config);
    let sent = "Unverified email with github. A confirmation email has been sent to your github email";
    check(&begin(&anonymous).await, "server_error", "email_not_confirmed", sent).await;
    let gone = begin(&joe).await;
    api.sql("delete from auth.users where email = 'joe@example.com'").await;
    check(&gone, "server_error", "user_not_found", "Linking target user not found").await;
}

async fn id_tokens(c: &Catalogue) {
    let (api, _) = github(confirming()).await;
    let grant = |body| post("/token?grant_type=id_token", "", body);
    c.standard(&api, grant(json!({})), "invalid request", "id_token required").await;
    let needs = json!({ "id_token": "x" });
    c.standard(&api, grant(needs), "invalid request", "provider or client_id and issuer required").await;
    let off = json!({ "id_token": "x", "provider": "google" });
    c.check(&api, grant(off), 400, "provider_disabled", "Provider (issuer …").await;
    let raw = request(Method::POST, "/token?grant_type=id_token", "").set_json(json!({
        "id_token": "x", "issuer": "http://127.0.0.1:1", "client_id": "x",
    }));
    c.check(&api, raw, 400, "validation_failed", "Custom OIDC provider \"\" not allowed").await;
}
