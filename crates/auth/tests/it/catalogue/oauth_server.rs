//! Other applications that sign people in with accounts of ours.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Catalogue, NOBODY, both, delete, get, post, put};
use crate::harness::request;
use crate::oauth_server::{CALLBACK, Client, VERIFIER, consent, person, serving, start, token};

/// What is shown here.
pub const CODES: &str = "bad_json feature_disabled invalid_credentials no_authorization oauth_authorization_not_found \
    oauth_client_not_found oauth_consent_not_found oauth_dynamic_client_registration_disabled refresh_token_not_found \
    validation_failed";

const CLIENTS: &str = "/admin/oauth/clients";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        registrations(c).await;
        changes(c).await;
        requests(c).await;
        consents(c).await;
        tokens(c).await;
    })
    .await;
}

async fn registrations(c: &Catalogue) {
    let mut config = serving();
    config.oauth_server.allow_dynamic_registration = false;
    let api = start(config.clone()).await;
    let admin = api.service_role();
    let register = "/oauth/clients/register";
    let (code, text) =
        ("oauth_dynamic_client_registration_disabled", "Dynamic client registration is not enabled");
    c.check(&api, post(register, "", json!({})), 403, code, text).await;
    let garbage = request(Method::POST, CLIENTS, &admin).set_payload("{");
    c.check(&api, garbage, 400, "bad_json", "Invalid JSON body").await;
    let invalid = async |more: Value, text: &str| {
        let mut body = json!({ "client_name": "App", "redirect_uris": [CALLBACK] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let text = format!("400: {text}");
        c.check(&api, post(CLIENTS, &admin, body), 400, "validation_failed", &text).await;
    };
    let many: Vec<_> = (0..11).map(|n| format!("https://a.test/{n}")).collect();
    invalid(json!({ "redirect_uris": [] }), "redirect_uris is required").await;
    invalid(json!({ "redirect_uris": many }), "redirect_uris cannot exceed 10 items").await;
    invalid(json!({ "redirect_uris": ["nowhere"] }), "invalid redirect_uri 'nowhere': …").await;
    let grants = "grant_types must only contain 'authorization_code' and/or 'refresh_token'";
    invalid(json!({ "grant_types": ["password"] }), grants).await;
    let long = "x".repeat(1025);
    invalid(json!({ "client_name": long }), "client_name cannot exceed 1024 characters").await;
    let long = format!("https://a.test/{}", "x".repeat(2048));
    for key in ["client_uri", "logo_uri"] {
        invalid(json!({ key: "nonsense" }), &format!("{key} must be a valid URL")).await;
        invalid(json!({ key: long }), &format!("{key} cannot exceed 2048 characters")).await;
    }
    let kinds = "client_type must be 'public' or 'confidential'";
    invalid(json!({ "client_type": "x" }), kinds).await;
    config.oauth_server.enabled = false;
    let _ = api.auth.reload(config);
    let off = "OAuth server is disabled";
    for ask in [post(register, "", json!({})), get("/oauth/authorize", ""), get(CLIENTS, &admin)] {
        c.check(&api, ask, 404, "feature_disabled", off).await;
    }
}

async fn changes(c: &Catalogue) {
    let api = start(serving()).await;
    let admin = api.service_role();
    let client = Client::public(&api).await;
    let path = format!("{CLIENTS}/{}", client.id);
    let invalid = async |ask, text: &str| {
        c.check(&api, ask, 400, "validation_failed", text).await;
    };
    invalid(put(&path, &admin, json!({})), "No fields provided for update").await;
    let empty = "redirect_uris cannot be empty";
    invalid(put(&path, &admin, json!({ "redirect_uris": [] })), empty).await;
    let public = "Cannot regenerate secret for public client";
    invalid(post(&format!("{path}/regenerate_secret"), &admin, json!({})), public).await;
    invalid(get(&format!("{CLIENTS}/x"), &admin), "invalid client_id format").await;
    let path = format!("{CLIENTS}/{NOBODY}");
    let none = "OAuth client not found";
    for ask in [get(&path, &admin), put(&path, &admin, json!({ "client_name": "x" })), delete(&path, &admin)]
    {
        c.check(&api, ask, 404, "oauth_client_not_found", none).await;
    }
}

async fn requests(c: &Catalogue) {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let uri = url::form_urlencoded::byte_serialize(CALLBACK.as_bytes()).collect::<String>();
    let check = async |query: String, code: &str, text: &str| {
        c.check(&api, get(&format!("/oauth/authorize?{query}"), ""), 400, code, text).await;
    };
    let (invalid, unknown) = ("validation_failed", "oauth_client_not_found");
    check(format!("redirect_uri={uri}"), invalid, "client_id is required").await;
    check(format!("client_id={}", client.id), invalid, "redirect_uri is required").await;
    check(format!("client_id=x&redirect_uri={uri}"), unknown, "invalid client_id format").await;
    check(format!("client_id={NOBODY}&redirect_uri={uri}"), unknown, "invalid client_id").await;
    let other = format!("client_id={}&redirect_uri=https://evil.test/", client.id);
    check(other, invalid, "invalid redirect_uri").await;
}

async fn consents(c: &Catalogue) {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let check = async |ask, status, code: &str, text: &str| c.check(&api, ask, status, code, text).await;
    let (none, unknown) = ("oauth_authorization_not_found", "authorization not found");
    check(get("/oauth/authorizations/x", &jane), 404, none, unknown).await;
    check(post("/oauth/authorizations/x/consent", &jane, json!({ "action": "deny" })), 404, none, unknown)
        .await;
    let id = client.ask(&api, &[]).await;
    let (look, say) = (format!("/oauth/authorizations/{id}"), format!("/oauth/authorizations/{id}/consent"));
    let foreign = get(&look, &jane).insert_header(("Origin", "https://evil.test"));
    check(foreign, 400, "validation_failed", "unauthorized request origin").await;
    let garbage = request(Method::POST, &say, &jane).set_payload("{");
    check(garbage, 400, "bad_json", "invalid JSON body").await;
    let other = post(&say, &jane, json!({ "action": "maybe" }));
    check(other, 400, "validation_failed", "action must be 'approve' or 'deny'").await;
    api.get(&look, &jane).await.ok();
    consent(&api, &jane, &id, "deny").await.ok();
    let again = post(&say, &jane, json!({ "action": "approve" }));
    check(again, 400, "validation_failed", "authorization request is no longer pending").await;
    check(get(&look, &jane), 400, "validation_failed", "authorization request cannot be processed").await;
    let grants = "/user/oauth/grants";
    let text = "client_id query parameter is required";
    check(delete(grants, &jane), 400, "validation_failed", text).await;
    let text = "invalid client_id format";
    check(delete(&format!("{grants}?client_id=x"), &jane), 400, "validation_failed", text).await;
    let text = "No active grant found for this client";
    let path = format!("{grants}?client_id={}", client.id);
    check(delete(&path, &jane), 404, "oauth_consent_not_found", text).await;
    let held = client.session(&api, &jane, "email").await;
    let text = "Session of an OAuth client not allowed to perform these actions";
    check(put("/user", &token(&held), json!({ "data": {} })), 403, "no_authorization", text).await;
}

async fn tokens(c: &Catalogue) {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let (narrow, other) = (
        Client::register(&api, json!({ "grant_types": ["authorization_code"], "client_type": "public" }))
            .await,
        Client::public(&api).await,
    );
    let jane = person(&api, "jane@example.com").await;
    let form = |client: &Client, fields: &[(&str, &str)]| {
        let mut fields = fields.to_vec();
        fields.push(("client_id", &client.id));
        request(Method::POST, "/oauth/token", "").set_form(fields)
    };
    let denied = async |ask, error: &str, text: &str| c.standard(&api, ask, error, text).await;
    denied(form(&client, &[]), "invalid_request", "grant_type is required").await;
    let code = [("grant_type", "authorization_code")];
    denied(form(&client, &code), "invalid_request", "code is required for authorization_code grant").await;
    let refresh = [("grant_type", "refresh_token")];
    let text = "refresh_token is required for refresh_token grant";
    denied(form(&client, &refresh), "invalid_request", text).await;
    let text = "Client is not allowed to use grant type: refresh_token";
    denied(form(&narrow, &refresh), "unsupported_grant_type", text).await;
    let exchange = |client: &Client, code: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("grant_type", "authorization_code"), ("code", code)];
        fields.extend(more);
        form(client, &fields)
    };
    let proof = ("code_verifier", VERIFIER);
    denied(exchange(&client, "x", &[proof]), "invalid_grant", "Invalid authorization code").await;
    let code = client.code(&api, &jane, &[]).await;
    let text = "Authorization code was not issued for this client";
    denied(exchange(&other, &code, &[proof]), "invalid_grant", text).await;
    let elsewhere = ("redirect_uri", "https://evil.test/");
    denied(exchange(&client, &code, &[proof, elsewhere]), "invalid_grant", "Invalid redirect_uri").await;
    let wrong = ("code_verifier", "0123456789012345678901234567890123456789012");
    let text = "PKCE verification failed: code challenge does not match previously saved code verifier";
    denied(exchange(&client, &code, &[wrong]), "invalid_grant", text).await;
    api.advance(601);
    denied(exchange(&client, &code, &[proof]), "invalid_grant", "Authorization code has expired").await;

    let check = async |ask, code: &str, text: &str| {
        c.check(&api, ask, 400, code, text).await;
    };
    let unknown = Client { id: NOBODY.to_owned(), secret: None };
    check(form(&unknown, &refresh), "invalid_credentials", "Invalid client credentials").await;
    let garbage = [("grant_type", "refresh_token"), ("refresh_token", "abcdefghijkl")];
    let text = "Invalid Refresh Token: Refresh Token Not Found";
    check(form(&client, &garbage), "refresh_token_not_found", text).await;

    // Whose session it is.
    let held = client.session(&api, &jane, "email").await;
    let theirs = held["refresh_token"].as_str().unwrap();
    let text = "Client does not match the session's OAuth client";
    let fields = [("grant_type", "refresh_token"), ("refresh_token", theirs)];
    denied(form(&other, &fields), "invalid_client", text).await;
    let text = "Client authentication required for OAuth session";
    let ask = post("/token?grant_type=refresh_token", "", json!({ "refresh_token": theirs }));
    denied(ask, "invalid_client", text).await;
}
