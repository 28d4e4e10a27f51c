//! Names, bodies and tokens of somebody who means harm.

use actix_web::http::Method;
use serde_json::json;

use crate::harness::{Api, USER, request};

#[actix_web::test]
async fn no_name_leads_out_of_the_bucket() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    let outside = api.directory.path().join("stub/secret");
    std::fs::write(&outside, "secret").unwrap();
    for name in [
        "%2e%2e/%2e%2e/secret",
        "..%2f..%2fsecret",
        "a/%2e%2e/%2e%2e/%2e%2e/secret",
        "%2e",
        "a/.",
        "a%00b",
        "a%5c..%5cb",
        "..%255c..",
        "%c0%ae%c0%ae/x",
        "",
        "a%0d%0ab",
        "%E2%80%AE",
    ] {
        let upload = request(Method::POST, &format!("/object/b/{name}"), &service).set_payload("x");
        let answer = api.send(upload).await;
        assert_eq!((answer.status, answer.error().2), (400, "InvalidKey"), "{name}: {answer:?}");
        let answer = api.get(&format!("/object/b/{name}"), &service).await;
        assert_eq!((answer.status, answer.error().2), (400, "InvalidKey"), "{name}: {answer:?}");
    }
    for bucket in ["..", "%2e%2e", "..%2fstub", "."] {
        let answer = api.get(&format!("/object/public/{bucket}/x"), "").await;
        assert!(matches!(answer.error().2, "NoSuchBucket"), "{bucket}: {answer:?}");
    }
    assert_eq!(api.files().await, ["stub/secret"]);
}

#[actix_web::test]
async fn rows_that_lead_elsewhere_are_not_followed() {
    let api = Api::start().await;
    std::fs::write(api.directory.path().join("stub/secret"), "secret").unwrap();
    api.sql(
        "insert into storage.buckets (id, name, public) values ('b', 'b', true), ('..', 'dots', true);
         insert into storage.objects (bucket_id, name, version) values
           ('b', 'x', '../../../secret'), ('b', 'y', '..'), ('b', '../../secret', null), ('..', 'secret', null)",
    )
    .await;
    for path in ["b/x", "b/y", "b/..%2F..%2Fsecret", "..%2F/secret", "%2e%2e/secret"] {
        let answer = api.get(&format!("/object/public/{path}"), "").await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
    }
    // Nor removed, moved or copied.
    let service = api.service();
    let prefixes = json!({ "prefixes": ["x", "y", "../../secret"] });
    api.send(request(Method::DELETE, "/object/b", &service).set_json(prefixes)).await.ok();
    api.sql("insert into storage.objects (bucket_id, name, version) values ('b', 'z', '../../../secret')")
        .await;
    for path in ["/object/move", "/object/copy"] {
        let way = json!({ "bucketId": "b", "sourceKey": "z", "destinationKey": "stolen" });
        assert_eq!(api.post(path, &service, way).await.status, 400);
    }
    api.sql("update storage.basalt_removals set due_at = now()").await;
    api.storage.remove_due().await.unwrap();
    assert_eq!(api.files().await, ["stub/secret"]);
    assert_eq!(api.value("select count(*) from storage.basalt_removals").await, "0");
}

#[actix_web::test]
async fn values_are_never_code() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    api.upload("b/a'); drop table storage.objects; --", &service, "x").await;
    let quote = "a' or '1'='1";
    for body in [
        json!({ "prefix": quote }),
        json!({ "prefix": "", "search": quote }),
        json!({ "prefix": "%", "sortBy": { "column": "created_at" } }),
        json!({ "prefix": "\\", "search": "%_", "sortBy": { "column": "updated_at" } }),
    ] {
        assert_eq!(api.post("/object/list/b", &service, body).await.ok(), json!([]));
    }
    for body in [json!({ "prefix": quote }), json!({ "prefix": quote, "with_delimiter": true })] {
        assert_eq!(api.post("/object/list-v2/b", &service, body).await.ok()["objects"], json!([]));
    }
    let nul = api.post("/object/list/b", &service, json!({ "prefix": "a\0b" })).await;
    assert_eq!((nul.status, nul.error().2), (400, "InvalidParameter"), "{nul:?}");
    let found = api.get(&format!("/bucket?search={quote}"), &service).await.ok();
    assert_eq!(found, json!([]));
}

#[actix_web::test]
async fn settings_of_a_token_stay_in_their_request() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.allow("objects", &["select", "insert"], "owner_id = auth.uid()::text").await;
    api.upload("b/a", &api.user(USER), "x").await.ok();
    // One after the other on the same connections.
    for _ in 0..5 {
        assert_eq!(api.get("/object/b/a", &api.user(USER)).await.status, 200);
        let none = api.token(json!({ "role": "authenticated" }));
        assert_eq!(api.get("/object/b/a", &none).await.error().2, "NoSuchKey");
        assert_eq!(
            api.get("/object/b/a", &api.token(json!({ "role": "anon", "sub": USER }))).await.error().2,
            "NoSuchKey"
        );
    }
}

#[actix_web::test]
async fn bodies_have_bounds() {
    let api = Api::start().await;
    let service = api.service();
    let body = json!({ "name": "b", "x": "y".repeat(1_100_000) });
    let answer = api.post("/bucket", &service, body).await;
    assert_eq!(answer.status, 413);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let request =
        request(Method::POST, "/bucket", &service).insert_header(("content-type", "application/json"));
    assert_eq!(api.send(request.set_payload(deep)).await.status, 400);
}

#[actix_web::test]
async fn names_of_any_character_are_an_option() {
    let name = "日本/ä#%~.txt";
    let escaped = "%E6%97%A5%E6%9C%AC/%C3%A4%23%25~.txt";
    let plain = Api::start().await;
    plain.bucket("b", json!({})).await;
    let path = format!("b/{escaped}");
    let refused = plain.upload(&path, &plain.service(), "x").await;
    refused.refused("400", "InvalidKey", &format!("Invalid key: {name}"));
    let api = Api::with(storage::Config { unicode_keys: true, ..storage::Config::default() }).await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    assert_eq!(api.upload(&path, &service, "x").await.ok()["Key"], format!("b/{name}"));
    assert_eq!(api.get(&format!("/object/{path}"), &service).await.bytes, b"x");
    let listed = api.post("/object/list/b", &service, json!({ "prefix": "日本" })).await.ok();
    assert_eq!(listed[0]["name"], "ä#%~.txt");
    let signed = api.post(&format!("/object/sign/{path}"), &service, json!({ "expiresIn": 60 })).await.ok();
    let token = signed["signedURL"].as_str().unwrap().rsplit_once("?token=").unwrap().1;
    assert_eq!(api.get(&format!("/object/sign/{path}?token={token}"), "").await.bytes, b"x");
    let up = api.upload("b/a%1Bb", &service, "x").await;
    assert_eq!(up.error(), (400, "400", "InvalidKey"));
    // Bytes that are no text: they would all be one name.
    let up = api.upload("b/a%FFb", &service, "x").await;
    assert_eq!(up.error(), (400, "400", "InvalidKey"));
    // Longer than a file system's names.
    let long = format!("b/{}", "ä".repeat(200));
    api.upload(&long.replace('ä', "%C3%A4"), &service, "long").await.ok();
    assert_eq!(api.get(&format!("/object/{}", long.replace('ä', "%C3%A4")), &service).await.bytes, b"long");
}

#[actix_web::test]
async fn caches_are_asked_by_the_service_alone() {
    let api = Api::start().await;
    for path in ["/cdn", "/cdn/b", "/cdn/b/dir/a?transformations=true"] {
        let done = api.delete(path, &api.service()).await.ok();
        assert_eq!(done, json!({ "message": "success", "statusCode": "200" }));
        let user = api.delete(path, &api.user(USER)).await;
        assert_eq!((user.status, &user.body["message"]), (403, &json!("Access denied: Invalid role")));
    }
}

/// A few bytes that would be gigabytes: nobody asked for them to be unpacked.
#[actix_web::test]
async fn what_is_packed_stays_packed() {
    let api = Api::start().await;
    let service = api.service();
    let packed = hex::decode("1f8b0800000000000203ab56ca4bcc4d55b2524a56aa0500f8fff28e0c000000").unwrap();
    let send = async |path: &str, media: &str| {
        let request = request(Method::POST, path, &service)
            .insert_header(("content-type", media))
            .insert_header(("content-encoding", "gzip"));
        api.send(request.set_payload(packed.clone())).await
    };
    // In it is `{"name":"c"}`.
    assert_eq!(send("/bucket", "application/json").await.status, 400);
    assert_eq!(api.value("select count(*) from storage.buckets").await, "0");
    api.bucket("b", json!({})).await;
    send("/object/b/a", "text/plain").await.ok();
    assert_eq!(api.get("/object/b/a", &service).await.bytes, packed);
}
