//! Versions that are kept, and who may have them back.

use actix_web::http::Method;
use kernel::units::Span;
use serde_json::{Value, json};
use storage::Config;

use crate::harness::{Api, OTHER, USER, request, upload};

async fn keeping() -> Api {
    let api = Api::with(Config { removal_delay: Span::secs(0), ..Config::default() }).await;
    api.bucket("b", json!({})).await;
    let body = json!({ "keep_versions_seconds": 3600 });
    let told = api.put("/bucket/b/settings", &api.service(), body).await.ok();
    assert_eq!((&told["keep_versions_seconds"], &told["quota_bytes"]), (&json!(3600), &Value::Null));
    api
}

async fn put(api: &Api, path: &str, token: &str, content: &str) {
    api.send(upload(path, token, content).insert_header(("x-upsert", "true"))).await.ok();
}

async fn versions(api: &Api, token: &str) -> Vec<Value> {
    let listed = api.get("/versions/b", token).await.ok();
    listed.as_array().unwrap().clone()
}

async fn restore(api: &Api, id: &Value, token: &str) -> crate::harness::Answer {
    let url = format!("/versions/b/{}/restore", id.as_str().unwrap());
    api.send(request(Method::POST, &url, token)).await
}

#[actix_web::test]
async fn what_is_replaced_or_deleted_comes_back() {
    let api = keeping().await;
    let service = api.service();
    for content in ["one", "two", "three"] {
        put(&api, "b/dir/a.txt", &service, content).await;
    }
    let kept = versions(&api, &service).await;
    assert_eq!(kept.len(), 2);
    assert_eq!((&kept[0]["reason"], &kept[0]["name"]), (&json!("overwritten"), &json!("dir/a.txt")));
    assert_eq!(kept[0]["metadata"]["size"], 3);
    // The files stay when others would go.
    api.sql("update storage.basalt_removals set due_at = now()").await;
    api.storage.remove_due().await.unwrap();
    assert_eq!(api.files().await.len(), 3);
    restore(&api, &kept[1]["id"], &service).await.ok();
    assert_eq!(api.get("/object/b/dir/a.txt", &service).await.bytes, b"one");
    // What was there is kept in its turn; what came back is not there twice.
    let kept = versions(&api, &service).await;
    assert_eq!(kept.len(), 2);
    api.delete("/object/b/dir/a.txt", &service).await.ok();
    assert_eq!(api.get("/object/b/dir/a.txt", &service).await.status, 400);
    let kept = versions(&api, &service).await;
    assert_eq!((kept.len(), &kept[0]["reason"]), (3, &json!("deleted")));
    let back = restore(&api, &kept[0]["id"], &service).await.ok();
    assert_eq!(back["Key"], "b/dir/a.txt");
    let answer = api.get("/object/b/dir/a.txt", &service).await;
    assert_eq!((answer.bytes.as_slice(), answer.header("content-type")), (b"one".as_slice(), "text/plain"));
    // By name, and no more than asked for.
    put(&api, "b/other", &service, "x").await;
    api.delete("/object/b/other", &service).await.ok();
    let named = api.get("/versions/b?name=other", &service).await.ok();
    assert_eq!(named.as_array().unwrap().len(), 1);
    assert_eq!(api.get("/versions/b?prefix=dir/&limit=1", &service).await.ok().as_array().unwrap().len(), 1);
    assert_eq!(api.get("/versions/none", &service).await.ok(), json!([]));
}

#[actix_web::test]
async fn nothing_is_kept_where_nobody_asked_for_it() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    put(&api, "b/a", &service, "one").await;
    put(&api, "b/a", &service, "two").await;
    api.delete("/object/b/a", &service).await.ok();
    assert!(versions(&api, &service).await.is_empty());
    api.is_consistent().await;
    // What moves is not gone.
    let api = keeping().await;
    put(&api, "b/a", &service, "one").await;
    let way = json!({ "bucketId": "b", "sourceKey": "a", "destinationKey": "c" });
    api.post("/object/move", &service, way).await.ok();
    assert!(versions(&api, &service).await.is_empty());
}

#[actix_web::test]
async fn versions_go_when_their_time_is_over() {
    let api = keeping().await;
    let service = api.service();
    put(&api, "b/a", &service, "one").await;
    put(&api, "b/a", &service, "two").await;
    api.sql("update storage.basalt_versions set expires_at = now()").await;
    assert!(versions(&api, &service).await.is_empty());
    let swept = api.post("/sweep", &service, json!({})).await.ok();
    assert_eq!(swept["expired_versions"], 1);
    api.is_consistent().await;
    // One that is deleted by hand, too.
    put(&api, "b/a", &service, "three").await;
    let kept = versions(&api, &service).await;
    let url = format!("/versions/b/{}", kept[0]["id"].as_str().unwrap());
    api.delete(&url, &service).await.ok();
    assert_eq!(api.delete(&url, &service).await.error(), (400, "404", "NoSuchKey"));
    api.is_consistent().await;
    // And all of a bucket that is deleted.
    api.delete("/object/b/a", &service).await.ok();
    assert_eq!(versions(&api, &service).await.len(), 1);
    api.delete("/bucket/b", &service).await.ok();
    assert!(versions(&api, &service).await.is_empty());
    api.storage.remove_due().await.unwrap();
    api.is_consistent().await;
    assert!(api.files().await.is_empty());
}

#[actix_web::test]
async fn policies_decide_who_sees_and_restores() {
    let api = keeping().await;
    api.allow("objects", &["select", "insert", "update", "delete"], "true").await;
    let (user, other) = (api.user(USER), api.user(OTHER));
    put(&api, "b/mine", &user, "one").await;
    put(&api, "b/mine", &user, "two").await;
    // All objects are open, and no version.
    let id = versions(&api, &api.service()).await[0]["id"].clone();
    assert!(versions(&api, &user).await.is_empty());
    assert_eq!(restore(&api, &id, &user).await.error(), (400, "404", "NoSuchKey"));
    let url = format!("/versions/b/{}", id.as_str().unwrap());
    assert_eq!(api.delete(&url, &user).await.error(), (400, "404", "NoSuchKey"));
    assert_eq!(api.get("/versions/b", "").await.error(), (400, "400", "InvalidRequest"));
    api.sql(
        "create policy mine on storage.basalt_versions for select to authenticated
           using (owner_id = current_setting('request.jwt.claim.sub'))",
    )
    .await;
    assert!(versions(&api, &other).await.is_empty());
    assert_eq!(restore(&api, &id, &other).await.error(), (400, "404", "NoSuchKey"));
    assert_eq!(versions(&api, &user).await.len(), 1);
    // To see one is not to be allowed to write it.
    api.allow("objects", &["select"], "true").await;
    let denied = restore(&api, &id, &user).await;
    denied.refused("403", "AccessDenied", "new row violates row-level security policy");
    assert_eq!(api.get("/object/authenticated/b/mine", &user).await.bytes, b"two");
    api.allow("objects", &["select", "insert", "update"], "true").await;
    restore(&api, &id, &user).await.ok();
    assert_eq!(api.get("/object/authenticated/b/mine", &user).await.bytes, b"one");
    // Nor to delete it for good.
    let id = versions(&api, &user).await[0]["id"].clone();
    let url = format!("/versions/b/{}", id.as_str().unwrap());
    assert_eq!(api.delete(&url, &user).await.error(), (400, "404", "NoSuchKey"));
    // What is no id, and what is another bucket's.
    assert_eq!(api.get("/versions/b?limit=0", &user).await.error(), (400, "400", "InvalidRequest"));
    let wrong = api.send(request(Method::POST, "/versions/b/x/restore", &user)).await;
    assert_eq!(wrong.error(), (400, "400", "InvalidParameter"));
    let elsewhere = format!("/versions/c/{}/restore", id.as_str().unwrap());
    let elsewhere = api.send(request(Method::POST, &elsewhere, &user)).await;
    assert_eq!(elsewhere.error(), (400, "404", "NoSuchKey"));
}

#[actix_web::test]
async fn settings_and_upkeep_are_the_operators() {
    let api = keeping().await;
    let user = api.user(USER);
    for answer in [
        api.get("/bucket/b/settings", &user).await,
        api.put("/bucket/b/settings", &user, json!({ "quota_bytes": 1 })).await,
        api.post("/scrub", &user, json!({})).await,
        api.post("/sweep", &user, json!({})).await,
    ] {
        assert_eq!(answer.error(), (403, "403", "AccessDenied"));
    }
    let service = api.service();
    let none = api.put("/bucket/none/settings", &service, json!({})).await;
    assert_eq!(none.error(), (400, "404", "NoSuchBucket"));
    let bad = api.put("/bucket/b/settings", &service, json!({ "quota_bytes": -1 })).await;
    bad.refused("400", "InvalidRequest", "body/quota_bytes must be >= 0");
    // What is not named is off.
    let told = api.put("/bucket/b/settings", &service, json!({ "quota_objects": 5 })).await.ok();
    assert_eq!((&told["keep_versions_seconds"], &told["quota_objects"]), (&Value::Null, &json!(5)));
    // Nobody sets them by SQL who may not.
    for role in ["anon", "authenticated", "service_role"] {
        let sql = format!(
            "select has_table_privilege('{role}', 'storage.basalt_bucket_settings', 'select,insert,update,delete')"
        );
        assert_eq!(api.value(&sql).await, "f", "{role}");
        let sql = format!("select has_table_privilege('{role}', 'storage.basalt_versions', 'insert,update')");
        assert_eq!(api.value(&sql).await, "f", "{role}");
    }
}

#[actix_web::test]
async fn a_scrub_finds_what_is_not_what_it_was() {
    let api = keeping().await;
    let service = api.service();
    for n in 0..5 {
        put(&api, &format!("b/{n}"), &service, &format!("content {n}")).await;
    }
    let clean = api.post("/scrub", &service, json!({})).await.ok();
    assert_eq!(
        (&clean["checked"], &clean["problems"], &clean["next"]),
        (&json!(5), &json!([]), &Value::Null)
    );
    let file = async |name: &str| {
        let path =
            format!("select 'stub/stub/b/{name}/' || version from storage.objects where name = '{name}'");
        api.value(&path).await
    };
    api.lose(&file("1").await).await;
    api.place(&file("2").await, b"CONTENT 2").await;
    api.place(&file("3").await, b"short").await;
    let report = api.post("/scrub", &service, json!({ "bucket": "b" })).await.ok();
    let mut found: Vec<(&str, &str)> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (problem["name"].as_str().unwrap(), problem["problem"].as_str().unwrap()))
        .collect();
    found.sort_unstable();
    let expected = [
        ("1", "the file is missing"),
        ("2", "the file has another content"),
        ("3", "the file has another length"),
    ];
    assert_eq!(found, expected);
    let other = api.post("/scrub", &service, json!({ "bucket": "c" })).await.ok();
    assert_eq!(other["checked"], 0);
}

#[actix_web::test]
async fn a_scrub_looks_at_what_is_kept_too() {
    let api = keeping().await;
    let service = api.service();
    for (name, content) in [("a", "one"), ("a", "two"), ("b", "three"), ("c", "four"), ("d", "five")] {
        put(&api, &format!("b/{name}"), &service, content).await;
    }
    for name in ["b", "c", "d"] {
        api.delete(&format!("/object/b/{name}"), &service).await.ok();
    }
    let scrub = async |body: Value| api.post("/scrub", &service, body).await.ok();
    let clean = scrub(json!({})).await;
    assert_eq!(
        (&clean["checked"], &clean["problems"], &clean["next"]),
        (&json!(5), &json!([]), &Value::Null)
    );
    let file = async |name: &str| {
        let path = format!(
            "select 'stub/stub/b/{name}/' || version from storage.basalt_versions where name = '{name}'"
        );
        api.value(&path).await
    };
    api.lose(&file("a").await).await;
    api.place(&file("b").await, b"THREE").await;
    api.lose(&file("d").await).await;
    // What is over has nothing to lose.
    api.sql("update storage.basalt_versions set expires_at = now() where name = 'd'").await;
    let report = scrub(json!({ "bucket": "b" })).await;
    let mut found: Vec<(&str, &str, bool)> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| {
            let text = |name: &str| each[name].as_str().unwrap();
            (text("name"), text("problem"), each["kept"].as_bool().unwrap())
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("a", "the file is missing", true), ("b", "the file has another content", true)]);
    assert_eq!(report["checked"], 4);
    // From a cursor among the versions on, and from one that is none.
    let last = api.value("select max(id::text) from storage.basalt_versions where expires_at > now()").await;
    assert_eq!(scrub(json!({ "after": format!("kept:{last}") })).await["checked"], 0);
    assert_eq!(scrub(json!({ "after": "kept:" })).await["checked"], 3);
    let nonsense = api.post("/scrub", &service, json!({ "after": "kept:x" })).await;
    assert_eq!(nonsense.error(), (400, "400", "InvalidParameter"));
}
