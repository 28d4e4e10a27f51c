//! `/vault/v1`: what its owner may do over HTTP, and that nobody else may do anything.

use std::sync::Arc;

use actix_web::dev::Service;
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::{App, HttpMessage, web};
use kernel::{Credential, Identity, RoleName, TokenError};
use serde_json::{Value, json};
use testkit::Database;
use vault::{Config, Vault};

use crate::{KEY, start};

/// What came back.
struct Answer {
    status: u16,
    body: Value,
    kept: bool,
}

async fn api(content: &str) -> (Database, Vault) {
    let database = testkit::database(&[vault::migrations()]).await;
    let key_file = database.server_file("vault.key", content);
    let vault = start(&database, Config { key_file }).await;
    (database, vault)
}

async fn call(vault: &Vault, role: &str, method: Method, path: &str, body: Value) -> Answer {
    let credential = match RoleName::parse(role) {
        Some(role) => Credential::Verified(Arc::new(Identity::anonymous(role))),
        None => Credential::Refused(TokenError::Expired),
    };
    let app = App::new()
        .wrap_fn(move |request, next| {
            request.extensions_mut().insert(credential.clone());
            next.call(request)
        })
        .service(web::scope("/vault/v1").configure(|scope| vault.routes(scope)));
    let service = init_service(app).await;
    let request = TestRequest::with_uri(&format!("/vault/v1{path}")).method(method);
    let request = if body.is_null() { request } else { request.set_json(body) };
    let response = try_call_service(&service, request.to_request()).await.unwrap();
    let status = response.status().as_u16();
    let kept = response.headers().get("cache-control").is_none();
    let body = serde_json::from_slice(&read_body(response).await).unwrap_or_default();
    Answer { status, body, kept }
}

async fn owner(vault: &Vault, method: Method, path: &str, body: Value) -> Answer {
    call(vault, "service_role", method, path, body).await
}

#[actix_web::test]
async fn secrets_are_made_read_changed_and_deleted() {
    let (_database, vault) = api(KEY).await;
    let made = owner(&vault, Method::POST, "/secrets", json!({ "secret": "sécret", "name": "a b/c" })).await;
    assert_eq!((made.status, &made.body["name"], made.kept), (201, &json!("a b/c"), false));
    assert!(made.body.get("secret").is_none() && made.body.get("decrypted_secret").is_none());
    let id = made.body["id"].as_str().unwrap().to_owned();
    for path in [format!("/secrets/{id}"), "/secrets/a%20b/c".to_owned()] {
        let read = owner(&vault, Method::GET, &path, Value::Null).await;
        assert_eq!((read.status, read.kept), (200, false));
        assert_eq!(read.body["decrypted_secret"], "sécret");
    }
    let again = owner(&vault, Method::POST, "/secrets", json!({ "secret": "x", "name": "a b/c" })).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("already_exists")));

    let changed = json!({ "name": "other", "description": "for the shop" });
    let changed = owner(&vault, Method::PATCH, &format!("/secrets/{id}"), changed).await;
    assert_eq!((changed.status, &changed.body["description"]), (200, &json!("for the shop")));
    let read = owner(&vault, Method::GET, "/secrets/other", Value::Null).await;
    assert_eq!(read.body["decrypted_secret"], "sécret");

    let put = json!({ "secret": "new" });
    assert_eq!(owner(&vault, Method::PUT, "/secrets/other", put.clone()).await.status, 200);
    assert_eq!(owner(&vault, Method::PUT, "/secrets/fresh", put).await.status, 201);
    let read = owner(&vault, Method::GET, "/secrets/other", Value::Null).await.body;
    assert_eq!((&read["decrypted_secret"], &read["description"]), (&json!("new"), &json!("for the shop")));

    let list = owner(&vault, Method::GET, "/secrets", Value::Null).await;
    let names: Vec<_> = list.body.as_array().unwrap().iter().map(|each| each["name"].clone()).collect();
    assert_eq!(names, ["fresh", "other"]);
    assert!(!list.body.to_string().contains("new"), "no contents in a list");
    let page = owner(&vault, Method::GET, "/secrets?limit=1&offset=1", Value::Null).await.body;
    assert_eq!(page.as_array().unwrap().len(), 1);
    assert_eq!(page[0]["name"], "other");

    assert_eq!(owner(&vault, Method::DELETE, "/secrets/fresh", Value::Null).await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        let gone = owner(&vault, method, "/secrets/fresh", Value::Null).await;
        assert_eq!((gone.status, &gone.body["code"]), (404, &json!("not_found")));
    }
    let gone = owner(&vault, Method::PATCH, "/secrets/fresh", json!({ "secret": "x" })).await;
    assert_eq!(gone.status, 404);
}

#[actix_web::test]
async fn nobody_but_the_service_role_comes_in() {
    let (_database, vault) = api(KEY).await;
    owner(&vault, Method::PUT, "/secrets/a", json!({ "secret": "x" })).await;
    for role in ["anon", "authenticated", "postgres", "supabase_admin"] {
        for (method, path, body) in [
            (Method::GET, "/secrets", Value::Null),
            (Method::GET, "/secrets/a", Value::Null),
            (Method::GET, "/key", Value::Null),
            (Method::POST, "/secrets", json!({ "secret": "x" })),
            (Method::PUT, "/secrets/a", json!({ "secret": "y" })),
            (Method::PATCH, "/secrets/a", json!({ "secret": "y" })),
            (Method::DELETE, "/secrets/a", Value::Null),
        ] {
            let refused = call(&vault, role, method.clone(), path, body).await;
            assert_eq!(
                (refused.status, &refused.body["code"]),
                (403, &json!("forbidden")),
                "{role} {method}"
            );
        }
    }
    assert_eq!(call(&vault, "", Method::GET, "/secrets/a", Value::Null).await.status, 401);
    let read = owner(&vault, Method::GET, "/secrets/a", Value::Null).await;
    assert_eq!(read.body["decrypted_secret"], "x");
}

#[actix_web::test]
async fn what_makes_no_sense_is_refused() {
    let (_database, vault) = api(KEY).await;
    let long = "x".repeat(vault::admin::MAX_CONTENT + 1);
    let id = "00000000-0000-4000-8000-000000000001";
    let by_id = format!("/secrets/{id}");
    for (method, path, body, status) in [
        (Method::POST, "/secrets", json!({ "name": "a" }), 400),
        (Method::POST, "/secrets", json!({ "secret": "x", "nmae": "a" }), 400),
        (Method::POST, "/secrets", json!({ "secret": 1 }), 400),
        (Method::POST, "/secrets", json!({ "secret": "x", "name": "a\nb" }), 400),
        (Method::POST, "/secrets", json!({ "secret": "a\0b" }), 413),
        (Method::POST, "/secrets", json!({ "secret": long }), 413),
        (Method::PUT, "/secrets/a", json!({}), 400),
        (Method::PUT, "/secrets/a", json!({ "secret": "x", "name": "b" }), 400),
        (Method::PUT, &by_id, json!({ "secret": "x" }), 400),
        (Method::GET, "/secrets?limit=1001", Value::Null, 400),
        (Method::GET, "/secrets?limit=-1", Value::Null, 400),
        (Method::GET, "/secrets?offset=-1", Value::Null, 400),
        (Method::GET, "/secrets/%00", Value::Null, 400),
        (Method::GET, "/secrets/' or true --", Value::Null, 404),
        (Method::GET, "/nothing", Value::Null, 404),
    ] {
        let path = path.replace(' ', "%20");
        let refused = owner(&vault, method.clone(), &path, body).await;
        assert_eq!(refused.status, status, "{method} {path}: {}", refused.body);
        assert!(refused.body["code"].is_string() && refused.body["message"].is_string(), "{method} {path}");
    }
    let largest = json!({ "secret": "é".repeat(vault::admin::MAX_CONTENT / 2) });
    assert_eq!(owner(&vault, Method::PUT, "/secrets/large", largest).await.status, 201);
    assert_eq!(owner(&vault, Method::PUT, "/secrets/empty", json!({ "secret": "" })).await.status, 201);
}

#[actix_web::test]
async fn a_row_that_was_tampered_with_is_not_opened() {
    let (database, vault) = api(KEY).await;
    for name in ["a", "b", "c"] {
        owner(&vault, Method::PUT, &format!("/secrets/{name}"), json!({ "secret": name })).await;
    }
    let mut admin = database.admin().await;
    admin
        .batch(
            // One bit of the middle; the content of another row; another server's.
            "update vault.secrets set secret = (
               select 'b1:' || encode(set_bit(bytes, length(bytes) * 4, 1 - get_bit(bytes, length(bytes) * 4)), 'base64')
                 from (select decode(substr(secret, 4), 'base64') as bytes) flipped)
              where name = 'a';
             update vault.secrets set secret = (select secret from vault.secrets where name = 'c') where name = 'b';
             insert into vault.secrets (name, secret) values ('elsewhere', 'AAAA')",
        )
        .await
        .unwrap();
    for name in ["a", "b"] {
        let refused = owner(&vault, Method::GET, &format!("/secrets/{name}"), Value::Null).await;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("damaged")), "{name}");
    }
    let elsewhere = owner(&vault, Method::GET, "/secrets/elsewhere", Value::Null).await;
    assert_eq!(elsewhere.body["code"], "sealed_elsewhere");
    assert_eq!(owner(&vault, Method::GET, "/secrets/c", Value::Null).await.body["decrypted_secret"], "c");
    // They can be deleted and written again, and are listed meanwhile.
    assert_eq!(owner(&vault, Method::GET, "/secrets", Value::Null).await.body.as_array().unwrap().len(), 4);
    assert_eq!(owner(&vault, Method::PATCH, "/secrets/a", json!({ "secret": "again" })).await.status, 200);
    assert_eq!(owner(&vault, Method::GET, "/secrets/a", Value::Null).await.body["decrypted_secret"], "again");
}

#[actix_web::test]
async fn the_state_of_the_key_is_told_and_never_the_key() {
    let (database, vault) = api(KEY).await;
    owner(&vault, Method::PUT, "/secrets/a", json!({ "secret": "x" })).await;
    let state = owner(&vault, Method::GET, "/key", Value::Null).await.body;
    assert_eq!(state, json!({ "readable": true, "changing": false, "secrets": 1, "sealed_elsewhere": 0 }));
    let _ = database.server_file("vault.key", &format!("{}\n{KEY}\n", "f".repeat(64)));
    assert_eq!(owner(&vault, Method::GET, "/key", Value::Null).await.body["changing"], true);
    let _ = database.server_file("vault.key", "lost");
    assert_eq!(owner(&vault, Method::GET, "/key", Value::Null).await.body["readable"], false);
    let refused = owner(&vault, Method::GET, "/secrets/a", Value::Null).await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("key_unreadable")));
    assert!(!refused.body.to_string().contains("vault.key"), "no path of a file: {}", refused.body);
}

#[actix_web::test]
async fn a_dump_holds_neither_contents_nor_the_key() {
    let (database, vault) = api(KEY).await;
    owner(&vault, Method::PUT, "/secrets/a", json!({ "secret": "must-not-be-dumped" })).await;
    let dump = database.dump();
    assert!(dump.contains("vault.secrets") && dump.contains("b1:"));
    assert!(!dump.contains("must-not-be-dumped") && !dump.contains(KEY));
}
