//! Requests that mean harm.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::harness::{Api, open, request};

const INJECTIONS: [&str; 6] = [
    "'; drop table auth.users; --",
    "\" or 1=1 --",
    "') returning (select encrypted_password from auth.users) --",
    "$$; delete from auth.sessions; $$",
    "\\'; select pg_sleep(10); --",
    "%' or email like '%",
];

#[actix_web::test]
async fn sql_in_every_text_field_is_text() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let (user, admin) = (session["access_token"].as_str().unwrap(), api.service_role());
    for text in INJECTIONS {
        let bodies = [
            ("/signup", json!({ "email": text, "password": "password" })),
            ("/signup", json!({ "email": "a@example.com", "password": text, "data": { text: text } })),
            ("/token?grant_type=password", json!({ "email": text, "password": text })),
            ("/token?grant_type=password", json!({ "phone": text, "password": text })),
            ("/token?grant_type=refresh_token", json!({ "refresh_token": text })),
            ("/token?grant_type=pkce", json!({ "auth_code": text, "code_verifier": text })),
            ("/verify", json!({ "type": "signup", "token_hash": text })),
            ("/verify", json!({ "type": text, "token": text, "email": "jane@example.com" })),
            ("/verify", json!({ "type": "email", "token": text, "email": "jane@example.com" })),
            ("/recover", json!({ "email": text })),
            ("/otp", json!({ "email": text, "create_user": false })),
            ("/resend", json!({ "type": text, "email": text })),
        ];
        for (path, body) in bodies {
            let answer = api.post(path, body).await;
            assert!(answer.status < 500, "{path} {text}: {}", answer.text);
        }
        let escaped: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for path in [
            "/admin/users?filter=",
            "/admin/audit?query=author:",
            "/admin/users?sort=",
            "/admin/users/",
            "/verify?type=signup&token=",
            "/authorize?provider=",
        ] {
            let answer = api.get(&format!("{path}{escaped}"), &admin).await;
            assert!(answer.status < 500, "{path} {text}: {}", answer.text);
        }
        let answer = api.put_as(user, "/user", json!({ "data": { text: [text] }, "nonce": text })).await.ok();
        assert_eq!(answer["user_metadata"][text], json!([text]));
        let body = json!({ "email": format!("b{}@example.com", text.len()), "role": text, "app_metadata": { text: text } });
        api.post_as(&admin, "/admin/users", body).await;
        let aud = request(Method::GET, "/admin/users", &admin).insert_header(("x-jwt-aud", text));
        assert_eq!(api.send(aud).await.ok()["users"], json!([]));
    }
    assert_eq!(api.get("/user", user).await.status, 200);
}

#[actix_web::test]
async fn bodies_are_bounded_in_size_and_depth() {
    let api = Api::start(open()).await;
    let large = request(Method::POST, "/signup", "").set_json(json!({ "email": "x".repeat(1_100_000) }));
    api.send(large).await.refused(
        413,
        "request_entity_too_large",
        "Request body too large (max 1048576 bytes)",
    );
    for deep in ["[".repeat(100_000), format!("{{\"data\":{}1{}}}", "[".repeat(5000), "]".repeat(5000))] {
        let answer = api.send(request(Method::POST, "/signup", "").set_payload(deep)).await;
        assert_eq!(answer.error(), (400, "bad_json"));
    }
}

/// A few hundred bytes can stand for gigabytes: what is compressed is read as it came.
#[actix_web::test]
async fn bodies_are_not_decompressed() {
    // gzip of {"email":"a@example.com","password":"password"}
    const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\xcd\x4d\xcc\xcc\x51\xb2\x52\x4a\x74\x48\xad\x48\xcc\x2d\xc8\x49\xd5\x4b\xce\xcf\x55\xd2\x51\x2a\x48\x2c\x2e\x2e\xcf\x2f\x4a\x01\x4a\xc1\x99\xb5\x00\x8d\xc0\xe8\x0f\x2f\x00\x00\x00";
    let api = Api::start(open()).await;
    let packed = request(Method::POST, "/signup", "").insert_header(("Content-Encoding", "gzip"));
    let answer = api.send(packed.set_payload(GZIP)).await;
    assert_eq!(answer.error(), (400, "bad_json"), "{}", answer.text);
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn names_of_audiences_are_bounded() {
    let api = Api::start(open()).await;
    let body = json!({ "email": "jane@example.com", "password": "password" });
    let long = request(Method::POST, "/signup", "").insert_header(("x-jwt-aud", "a".repeat(300)));
    let answer = api.send(long.set_json(body)).await;
    answer.refused(400, "validation_failed", "The audience is too long");
    let body = json!({ "email": "jane@example.com", "aud": "a".repeat(300) });
    let answer = api.post_as(&api.service_role(), "/admin/users", body).await;
    answer.refused(400, "validation_failed", "The audience is too long");
}

#[actix_web::test]
async fn bodies_that_are_not_what_they_should_be() {
    let api = Api::start(open()).await;
    for text in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{\"email\":1}",
        "{\"email\":[]}",
        "{\"data\":\"x\",\"email\":\"a@b.c\"}",
        "{\"email\":\"a@b.c\\u0000\"}",
        "{\"data\":{\"a\":[\"\\u0000\"]}}",
        "\u{feff}{}",
    ] {
        let answer = api.send(request(Method::POST, "/signup", "").set_payload(text.to_owned())).await;
        assert_eq!(answer.error(), (400, "bad_json"), "{text}");
        assert!(answer.body["msg"].as_str().unwrap().starts_with("Could not parse request body as JSON: "));
    }
    let nulls = json!({ "email": "a@example.com", "password": "password", "phone": null, "data": null, "unknown": 1 });
    api.post("/signup", nulls).await.ok();
}

#[actix_web::test]
async fn an_absurdly_large_number_of_things() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let data: Value =
        (0..20_000).map(|n| (format!("key{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    let answer =
        api.put_as(session["access_token"].as_str().unwrap(), "/user", json!({ "data": data })).await;
    assert_eq!(answer.status, 200);
    let admin = api.service_role();
    assert_eq!(
        api.get("/admin/users?page=18446744073709551615&per_page=18446744073709551615", &admin).await.ok()["users"],
        json!([])
    );
}

#[actix_web::test]
async fn clients_that_ask_too_often_wait() {
    let mut config = open();
    config.rate_limit.sign_in_sign_ups = 3;
    config.rate_limit.token_verifications = 3;
    config.rate_limit.token_refresh = 3;
    let api = Api::start(config).await;
    for (path, body) in [
        ("/token?grant_type=password", json!({ "email": "a@b.c", "password": "x" })),
        ("/recover", json!({ "email": "a@b.c" })),
        ("/otp", json!({ "email": "a@b.c", "create_user": false })),
        ("/resend", json!({ "email": "a@b.c", "type": "signup" })),
        ("/verify", json!({ "type": "signup", "token_hash": "x" })),
        ("/signup", json!({ "email": "a", "password": "password" })),
    ] {
        for _ in 0..3 {
            let answer = api.post(path, body.clone()).await;
            assert_ne!(answer.error().1, "over_request_rate_limit", "{path}");
        }
        let answer = api.post(path, body).await;
        answer.refused(429, "over_request_rate_limit", "Request rate limit reached");
        assert_eq!(answer.header("retry-after"), "100");
    }
}

#[actix_web::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let mut config = open();
    config.max_request_duration = kernel::units::Span(std::time::Duration::from_millis(200));
    let api = Api::start(config).await;
    let pool = api.database.pool_as("supabase_auth_admin");
    let mut holder = pool.begin().await.unwrap();
    holder.batch("lock table auth.users in access exclusive mode").await.unwrap();
    let request =
        request(Method::POST, "/recover", "").insert_header(("x-supabase-api-version", "2024-01-01"));
    let answer = api.send(request.set_json(json!({ "email": "jane@example.com" }))).await;
    let text = "Processing this request timed out, please retry after a moment.";
    assert_eq!((answer.status, answer.body["code"].as_str()), (504, Some("request_timeout")));
    assert_eq!(answer.body["message"], text);
    assert_eq!(answer.header("x-supabase-api-version"), "2024-01-01");
}
