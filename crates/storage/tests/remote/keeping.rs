//! How files look in their bucket.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use object::{Labels, Store};
use serde_json::json;
use storage::{Config, Remote};
use uuid::Uuid;

use crate::blobs::{content, get, key, put};
use crate::harness::{Api, upload};
use crate::s3::Client;
use crate::server::Server;

fn server(api: &Api) -> &Server {
    api.remote.as_ref().unwrap()
}

/// Until something is so, for what is done in the background.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn a_bucket_has_the_keys_and_headers_of_the_original() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    let text = upload("b/dir/a b.txt", &service, "hello").insert_header(("cache-control", "max-age=60"));
    api.send(text).await.ok();
    let version = api.value("select version from storage.objects").await;
    let expected = format!("stub/b/dir/a b.txt/{version}");
    assert_eq!(server(&api).keys().await, [expected.as_str()]);
    let headers = server(&api).headers(&expected).await;
    assert_eq!(headers, ("text/plain".to_owned(), "max-age=60".to_owned()));
    // What passed through this machine is gone from it.
    assert_eq!(api.local_files(), Vec::<String>::new());
}

#[actix_web::test]
async fn a_large_file_goes_in_parts() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    let all = content(17_000_000);
    let request = upload("b/large", &service, "").set_payload(all.clone());
    api.send(request.insert_header(("content-length", all.len().to_string()))).await.ok();
    assert!(api.get("/object/b/large", &service).await.bytes == all);
    let version = api.value("select version from storage.objects").await;
    // 5, 5, 5 and the rest: the tag at the server says that it came in parts.
    let told = server(&api).tag(&format!("stub/b/large/{version}")).await;
    assert!(told.ends_with("-4\""), "{told}");
    let info = api.get("/object/info/b/large", &service).await.ok();
    assert_eq!(info["etag"].as_str().map(str::len), Some(34), "{info}");
    assert_eq!(server(&api).headers(&format!("stub/b/large/{version}")).await.0, "text/plain");
    let range = upload("b/large", &service, "").method(actix_web::http::Method::GET);
    let part = api.send(range.insert_header(("range", "bytes=6000000-6000099"))).await;
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 6000000-6000099/17000000"));
    assert!(part.bytes == all[6_000_000..6_000_100]);
    assert_eq!((server(&api).begun().await.as_str(), api.local_files()), ("0", Vec::new()));
}

#[actix_web::test]
async fn what_is_given_up_is_ended_at_the_server() {
    let api = Api::start().await;
    let store = api.store();
    let mut incoming = store.create(key("a"), Labels::default());
    for piece in content(12_000_000).chunks(300_000) {
        incoming = incoming.write(&Bytes::copy_from_slice(piece)).await.unwrap();
    }
    until(async || server(&api).begun().await == "1").await;
    drop(incoming);
    until(async || server(&api).begun().await == "0" && api.local_files().is_empty()).await;
    assert_eq!(server(&api).keys().await, Vec::<String>::new());
}

#[actix_web::test]
async fn what_a_process_had_begun_is_ended_by_the_next() {
    let api = Api::start().await;
    let (path, id) = ("stub/b/x/v", server(&api).begin("stub/b/x/v").await);
    let notes = api.directory.path().join(".incoming");
    let note = |age: u64| {
        let note = notes.join(format!("{}.begun", Uuid::new_v4()));
        std::fs::write(&note, format!("{path}\0{id}")).unwrap();
        let moment = SystemTime::now() - Duration::from_secs(age);
        std::fs::File::options().append(true).open(&note).unwrap().set_modified(moment).unwrap();
    };
    let store = api.store();
    note(3600);
    assert_eq!((store.sweep().await.unwrap(), server(&api).begun().await.as_str()), (0, "1"));
    note(90_000);
    assert_eq!((store.sweep().await.unwrap(), server(&api).begun().await.as_str()), (1, "0"));
    // That there is none any more is fine.
    note(90_000);
    assert_eq!(store.sweep().await.unwrap(), 1);
}

#[actix_web::test]
async fn names_that_a_bucket_cannot_have_have_a_place() {
    let api = Api::with(Config { unicode_keys: true, ..Config::default() }).await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    for name in ["a//b", "a/b", &"ü".repeat(500)] {
        client.put(&api, &format!("/b/{name}"), name).await.done(200);
    }
    for name in ["a//b", "a/b", &"ü".repeat(500)] {
        assert_eq!(client.get(&api, &format!("/b/{name}")).await.text(), name);
    }
    api.storage.remove_due().await.unwrap();
    assert_eq!(server(&api).keys().await.len(), 3);
}

#[actix_web::test]
async fn many_uploads_share_the_memory_of_few_parts() {
    let api =
        Api::with(Config { remote: Remote { senders: 1, ..Remote::default() }, ..Config::default() }).await;
    let store = api.store();
    let all = content(6_000_000);
    let work: Vec<_> = (0..6).map(|n| (key(&format!("{n}")), all.clone(), store.clone())).collect();
    let keys = futures_util::future::join_all(work.into_iter().map(
        async |(key, all, store): (_, Vec<u8>, Store)| {
            put(&store, &key, &all).await.unwrap();
            key
        },
    ))
    .await;
    for key in keys {
        assert!(get(&store, &key).await == all);
    }
}
