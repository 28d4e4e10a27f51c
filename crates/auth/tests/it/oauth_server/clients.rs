//! Registering applications, by administrators and by themselves.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{CALLBACK, Client, NOBODY, denied, person, serving, start, token, with_basic};
use crate::harness::{Api, request};

const CLIENTS: &str = "/admin/oauth/clients";

fn at(client: &Client) -> String {
    format!("{CLIENTS}/{}", client.id)
}

#[actix_web::test]
async fn a_life() {
    let api = start(serving()).await;
    let admin = api.service_role();
    let body = json!({ "client_name": "App", "redirect_uris": [CALLBACK, "http://localhost:3000/cb"],
        "client_uri": "https://client.test", "registration_type": "dynamic" });
    let made = api.post_as(&admin, CLIENTS, body).await;
    assert_eq!(made.status, 201);
    let mut made = made.body;
    let secret = made.as_object_mut().unwrap().remove("client_secret").unwrap();
    assert_eq!(secret.as_str().map(str::len), Some(43));
    let at = "2027-01-15T08:00:00.123456Z";
    let expected = json!({ "client_id": made["client_id"], "client_name": "App", "client_type": "confidential",
        "token_endpoint_auth_method": "client_secret_basic", "registration_type": "manual",
        "redirect_uris": [CALLBACK, "http://localhost:3000/cb"], "client_uri": "https://client.test",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "created_at": at, "updated_at": at });
    assert_eq!(made, expected);
    let path = format!("{CLIENTS}/{}", made["client_id"].as_str().unwrap());
    assert_eq!(api.get(&path, &admin).await.ok(), expected);
    assert_eq!(api.get(CLIENTS, &admin).await.ok(), json!({ "clients": [expected] }));

    api.advance(5);
    let changed =
        api.put_as(&admin, &path, json!({ "logo_uri": "https://client.test/l.png", "client_uri": "" })).await;
    let changed = changed.ok();
    assert_eq!(
        (&changed["logo_uri"], changed.get("client_uri")),
        (&json!("https://client.test/l.png"), None)
    );
    assert_eq!(
        (&changed["client_name"], &changed["updated_at"]),
        (&json!("App"), &json!("2027-01-15T08:00:05.123456Z"))
    );

    let fresh = api.post_as(&admin, &format!("{path}/regenerate_secret"), json!({})).await.ok();
    assert_ne!(fresh["client_secret"], secret);
    let kept = api.value("select client_secret_hash from auth.oauth_clients").await.unwrap();
    assert!(!kept.contains(fresh["client_secret"].as_str().unwrap()));

    assert_eq!(api.delete_as(&admin, &path).await.status, 204);
    let gone = ("oauth_client_not_found", "OAuth client not found");
    api.get(&path, &admin).await.refused(404, gone.0, gone.1);
    api.put_as(&admin, &path, json!({ "client_name": "B" })).await.refused(404, gone.0, gone.1);
    api.delete_as(&admin, &path).await.refused(404, gone.0, gone.1);
    api.post_as(&admin, &format!("{path}/regenerate_secret"), json!({})).await.refused(404, gone.0, gone.1);
    assert_eq!(api.get(CLIENTS, &admin).await.ok(), json!({ "clients": [] }));
    // The row stays, as with Supabase Auth.
    assert!(api.value("select 1 from auth.oauth_clients where deleted_at is not null").await.is_some());
}

#[actix_web::test]
async fn refusals() {
    let api = start(serving()).await;
    let admin = api.service_role();
    let client = Client::public(&api).await;
    for (body, text) in [
        (json!({ "redirect_uris": [] }), "400: redirect_uris is required"),
        (json!({}), "400: redirect_uris is required"),
        (
            json!({ "redirect_uris": ["https://a.test/#x"] }),
            "400: invalid redirect_uri 'https://a.test/#x': fragment not allowed in redirect URI",
        ),
        (
            json!({ "redirect_uris": [CALLBACK], "client_type": "x" }),
            "400: client_type must be 'public' or 'confidential'",
        ),
    ] {
        api.post_as(&admin, CLIENTS, body.clone()).await.refused(400, "validation_failed", text);
        api.post("/oauth/clients/register", body).await.refused(400, "validation_failed", text);
    }
    let wrong = json!({ "redirect_uris": "https://a.test" });
    api.post_as(&admin, CLIENTS, wrong.clone()).await.refused(400, "bad_json", "Invalid JSON body");
    let path = at(&client);
    api.put_as(&admin, &path, wrong).await.refused(400, "bad_json", "Invalid JSON body");
    for (body, text) in [
        (json!({}), "No fields provided for update"),
        (json!({ "client_type": "public" }), "No fields provided for update"),
        (json!({ "redirect_uris": [] }), "redirect_uris cannot be empty"),
        (
            json!({ "token_endpoint_auth_method": "client_secret_post" }),
            "token_endpoint_auth_method 'client_secret_post' is not valid for client_type 'public'; valid methods: [none]",
        ),
    ] {
        api.put_as(&admin, &path, body).await.refused(400, "validation_failed", text);
    }
    let public = "Cannot regenerate secret for public client";
    let regenerate = format!("{path}/regenerate_secret");
    api.post_as(&admin, &regenerate, json!({})).await.refused(400, "validation_failed", public);
    let format = "invalid client_id format";
    api.get(&format!("{CLIENTS}/x"), &admin).await.refused(400, "validation_failed", format);
    let none = api.get(&format!("{CLIENTS}/{NOBODY}"), &admin).await;
    none.refused(404, "oauth_client_not_found", "OAuth client not found");
}

/// Everything here is an administrator's, and an application's session is none, whosever it is.
#[actix_web::test]
async fn administrators_only() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let jane = person(&api, "jane@example.com").await;
    let paths = [CLIENTS.to_owned(), at(&client), format!("{}/regenerate_secret", at(&client))];
    let check = async |token: &str, status, code: &str, text: &str| {
        for (path, methods) in paths.iter().zip([
            vec![Method::GET, Method::POST],
            vec![Method::GET, Method::PUT, Method::DELETE],
            vec![Method::POST],
        ]) {
            for method in methods {
                api.send(request(method, path, token).set_json(json!({}))).await.refused(status, code, text);
            }
        }
    };
    check("", 401, "no_authorization", "This endpoint requires a valid Bearer token").await;
    check(&jane, 403, "not_admin", "User not allowed").await;
    api.sql("update auth.users set role = 'service_role'").await;
    let held = client.session(&api, &jane, "email").await;
    assert_eq!(api.claims(&held["access_token"])["role"], "service_role");
    check(&token(&held), 403, "not_admin", "User not allowed").await;
}

#[actix_web::test]
async fn pages() {
    let api = start(serving()).await;
    for _ in 0..3 {
        api.advance(1);
        Client::public(&api).await;
    }
    let admin = api.service_role();
    let list = async |query: &str| {
        let answer = api.get(&format!("{CLIENTS}{query}"), &admin).await;
        let count = answer.body["clients"].as_array().map(Vec::len);
        (count, answer.header("x-total-count").to_owned(), answer.header("link").to_owned())
    };
    let last = |page: u8| format!("</auth/v1/admin/oauth/clients?page={page}>; rel=\"last\"");
    assert_eq!(list("").await, (Some(3), "3".to_owned(), last(1)));
    // What auth-js sends where nothing is asked for.
    assert_eq!(list("?page=&per_page=").await.0, Some(3));
    assert_eq!(list("?page=2&per_page=2").await.0, Some(1));
    assert_eq!(list("?per_page=2").await.0, Some(2));
}

#[actix_web::test]
async fn applications_register_themselves() {
    let mut config = serving();
    config.rate_limit.oauth_client_registrations = 2;
    let api = start(config.clone()).await;
    let register = async || {
        api.post("/oauth/clients/register", json!({
        "client_name": "Tool", "redirect_uris": ["http://127.0.0.1:33418/"], "token_endpoint_auth_method": "none",
        "response_types": ["code"], "scope": "openid",
    })).await
    };
    let made = register().await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["registration_type"], "dynamic");
    assert_eq!((&made.body["client_type"], made.body.get("client_secret")), (&json!("public"), None));
    config.oauth_server.allow_dynamic_registration = false;
    assert_eq!(api.auth.reload(config), auth::Reload::Applied);
    let disabled =
        ("oauth_dynamic_client_registration_disabled", "Dynamic client registration is not enabled");
    register().await.refused(403, disabled.0, disabled.1);
    register().await.refused(429, "over_request_rate_limit", "Request rate limit reached");
}

#[actix_web::test]
async fn each_method_of_proof() {
    let api = start(serving()).await;
    let jane = person(&api, "jane@example.com").await;
    let basic = Client::register(&api, json!({})).await;
    let post = Client::register(&api, json!({ "token_endpoint_auth_method": "client_secret_post" })).await;
    let form = |client: &Client, code: &str, secret: Option<&str>| {
        let mut form = json!({ "grant_type": "authorization_code", "code": code, "code_verifier": super::VERIFIER,
            "client_id": client.id, "redirect_uri": CALLBACK });
        if let Some(secret) = secret {
            form["client_secret"] = json!(secret);
        }
        form
    };
    let call = || request(Method::POST, "/oauth/token", "");
    let secret = post.secret.as_deref();

    // In the body, as JSON and as a form.
    let code = post.code(&api, &jane, &[]).await;
    api.send(call().set_json(form(&post, &code, secret))).await.ok();
    let code = post.code(&api, &jane, &[]).await;
    api.send(call().set_form(form(&post, &code, secret))).await.ok();
    // In the header.
    let code = basic.code(&api, &jane, &[]).await;
    let call_as = |id: &str, secret: &str| with_basic(call(), id, secret);
    let body = form(&basic, &code, None);
    let check = async |request: actix_web::test::TestRequest, text: &str| {
        api.send(request).await.refused(400, "invalid_credentials", text);
    };
    check(call_as(&basic.id, "wrong").set_form(&body), "invalid client credentials").await;
    check(call_as(&basic.id, "").set_form(&body), "confidential clients must provide client_secret").await;
    check(call_as(NOBODY, "x").set_form(&body), "Invalid client credentials").await;
    check(call_as("x", "x").set_form(&body), "Invalid client_id format").await;
    let unused =
        "invalid authentication method: client is registered for 'client_secret_basic' but 'none' was used";
    check(call().set_form(&body), unused).await;
    let other = "invalid authentication method: client is registered for 'client_secret_basic' but 'client_secret_post' was used";
    check(call().set_form(form(&basic, &code, basic.secret.as_deref())), other).await;
    let header = |text: &str| call().insert_header(("Authorization", text.to_owned()));
    check(header("Basic ?").set_form(&body), "Invalid client credentials: invalid basic auth encoding").await;
    check(header("Basic eA==").set_form(&body), "Invalid client credentials: invalid basic auth format")
        .await;
    check(call().set_form(json!({ "code": "x" })), "Invalid client credentials: client_id is required").await;
    let json_type = || ("Content-Type", "application/json");
    let garbage = call().insert_header(json_type()).set_payload("{");
    check(garbage, "Invalid client credentials: failed to parse JSON body").await;

    let secret = basic.secret.as_deref().unwrap();
    let garbage = call_as(&basic.id, secret).insert_header(json_type()).set_payload("{");
    denied(&api.send(garbage).await, "invalid_request", "Invalid JSON body");
    let nobody = call_as("", "").set_form(&body);
    denied(&api.send(nobody).await, "invalid_client", "Client authentication required");
    // After all that, the code is still the application's to exchange.
    api.send(call_as(&basic.id, secret).set_form(&body)).await.ok();
}

#[actix_web::test]
async fn what_an_application_may_ask_for() {
    let api = start(serving()).await;
    let client = Client::public(&api).await;
    let narrow =
        Client::register(&api, json!({ "grant_types": ["authorization_code"], "client_type": "public" }))
            .await;
    let jane = person(&api, "jane@example.com").await;
    let check = async |client: &Client, form: &[(&str, &str)], error: &str, text: &str| {
        denied(&client.tokens(&api, form).await, error, text);
    };
    check(&client, &[], "invalid_request", "grant_type is required").await;
    let code = "code is required for authorization_code grant";
    check(&client, &[("grant_type", "authorization_code")], "invalid_request", code).await;
    let token = "refresh_token is required for refresh_token grant";
    check(&client, &[("grant_type", "refresh_token")], "invalid_request", token).await;
    let password = "Client is not allowed to use grant type: password";
    check(&client, &[("grant_type", "password")], "unsupported_grant_type", password).await;
    let held = narrow.session(&api, &jane, "email").await;
    let refresh = "Client is not allowed to use grant type: refresh_token";
    denied(&narrow.refresh(&api, &held["refresh_token"]).await, "unsupported_grant_type", refresh);
    let garbage = client.refresh(&api, &json!("x")).await;
    garbage.refused(400, "validation_failed", "Refresh token is not valid");
}

/// An installation of Supabase Auth was taken over, clients and all.
#[actix_web::test]
async fn clients_of_the_original() {
    let api: Api = start(serving()).await;
    // The secret is `secret`.
    api.sql(
        "insert into auth.oauth_clients (id, client_secret_hash, registration_type, client_type,
             token_endpoint_auth_method, redirect_uris, grant_types, client_name)
         values ('22222222-2222-4222-8222-222222222222', 'K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols', 'manual',
             'confidential', 'client_secret_basic',
             'https://other.test/cb,https://client.test/cb?x=1', 'authorization_code,refresh_token', 'Old')",
    )
    .await;
    let client =
        Client { id: "22222222-2222-4222-8222-222222222222".to_owned(), secret: Some("secret".to_owned()) };
    let jane = person(&api, "jane@example.com").await;
    let tokens: Value = client.session(&api, &jane, "openid").await;
    client.refresh(&api, &tokens["refresh_token"]).await.ok();
}
