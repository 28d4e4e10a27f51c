//! What the server of the files does to us.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use kernel::units::Span;
use object::{Bucket, Error, Labels, Store};
use serde_json::json;
use storage::{Config, Remote};

use crate::blobs::{bytes, content, get, key, put};
use crate::harness::{Answer, Api, request, upload};
use crate::s3::Client;
use crate::server::{Fault, Server};
use actix_web::http::Method;

/// With a server that is not waited for for long.
async fn impatient() -> Api {
    let remote = Remote { timeout: Span(Duration::from_millis(700)), ..Remote::default() };
    let api = Api::with(Config { remote, removal_delay: Span::secs(0), ..Config::default() }).await;
    api.bucket("b", json!({})).await;
    api
}

fn server(api: &Api) -> &Server {
    api.remote.as_ref().unwrap()
}

#[track_caller]
fn unavailable(answer: &Answer) {
    assert_eq!(answer.error(), (503, "503", "S3Error"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
}

#[actix_web::test]
async fn a_server_that_fails_is_told_and_nothing_is_lost() {
    for fault in [Fault::Busy, Fault::Silent] {
        let api = impatient().await;
        let service = api.service();
        api.upload("b/a", &service, "kept").await.ok();
        api.upload("b/b", &service, "deleted").await.ok();
        server(&api).fails(fault);
        unavailable(&api.upload("b/new", &service, "x").await);
        unavailable(&api.get("/object/b/a", &service).await);
        let way = json!({ "bucketId": "b", "sourceKey": "a", "destinationKey": "x" });
        unavailable(&api.post("/object/copy", &service, way.clone()).await);
        unavailable(&api.post("/object/move", &service, way).await);
        let client = Client::service(&api);
        assert_eq!(client.get(&api, "/b/a").await.status, 503);
        assert_eq!(client.put(&api, "/b/new", "x").await.status, 503);
        // Rows do not need it: what is deleted is deleted, and its file goes when it can.
        api.delete("/object/b/b", &service).await.ok();
        assert_eq!(api.storage.remove_due().await.unwrap(), 0);
        server(&api).fails(Fault::None);
        assert_eq!(api.get("/object/b/a", &service).await.bytes, b"kept");
        assert_eq!(api.get("/object/b/new", &service).await.error().1, "404");
        api.upload("b/new", &service, "x").await.ok();
        api.storage.remove_orphans(Duration::ZERO).await.unwrap();
        api.is_consistent().await;
    }
}

#[actix_web::test]
async fn a_file_whose_answer_was_lost_is_found_and_removed() {
    let api = impatient().await;
    let service = api.service();
    server(&api).fails(Fault::Mute);
    unavailable(&api.upload("b/a", &service, "x").await);
    server(&api).fails(Fault::None);
    assert_eq!(
        (server(&api).keys().await.len(), api.value("select count(*) from storage.objects").await),
        (1, "0".to_owned())
    );
    assert_eq!(api.storage.remove_orphans(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(server(&api).keys().await, Vec::<String>::new());
}

#[actix_web::test]
async fn a_resumable_upload_waits_for_the_server() {
    let api = impatient().await;
    let service = api.service();
    let encoded = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let tus = |method: Method, path: &str| {
        request(method, path, &service).insert_header(("tus-resumable", "1.0.0"))
    };
    let metadata = format!("bucketName {},objectName {}", encoded("b"), encoded("a"));
    let begun = tus(Method::POST, "/upload/resumable").insert_header(("upload-length", "5"));
    let begun = api.send(begun.insert_header(("upload-metadata", metadata))).await;
    let location = begun.header("location").split_once("/storage/v1").unwrap().1.to_owned();
    server(&api).fails(Fault::Busy);
    let piece = tus(Method::PATCH, &location)
        .insert_header(("upload-offset", "0"))
        .insert_header(("content-type", "application/offset+octet-stream"))
        .set_payload("hello");
    assert_eq!(api.send(piece).await.status, 503);
    // The bytes have come, and are asked for no more.
    server(&api).fails(Fault::None);
    let state = api.send(tus(Method::HEAD, &location)).await;
    assert_eq!((state.header("upload-offset"), state.header("tus-complete")), ("5", "1"), "{state:?}");
    assert_eq!(api.get("/object/b/a", &service).await.bytes, b"hello");
    api.is_consistent().await;
}

#[actix_web::test]
async fn an_upload_that_cannot_be_ended_is_ended_later() {
    let api = impatient().await;
    let store = api.store();
    let mut incoming = store.create(key("a"), Labels::default());
    let all = content(12_000_000);
    for piece in all.chunks(300_000) {
        incoming = incoming.write(&Bytes::copy_from_slice(piece)).await.unwrap();
    }
    // The first part is there, or nearly.
    while server(&api).begun().await == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server(&api).fails(Fault::Busy);
    assert!(matches!(incoming.finish(Labels::default()).await, Err(Error::Unavailable(_))));
    // Whoever tried to end it has given up.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server(&api).fails(Fault::None);
    let notes: Vec<_> = api.local_files().into_iter().filter(|file| file.ends_with(".begun")).collect();
    assert_eq!((notes.len(), server(&api).begun().await.as_str()), (1, "1"));
    let note = std::fs::File::options().append(true).open(api.directory.path().join(&notes[0])).unwrap();
    note.set_modified(SystemTime::now() - Duration::from_secs(90_000)).unwrap();
    assert_eq!((store.sweep().await.unwrap(), server(&api).begun().await.as_str()), (1, "0"));
}

#[actix_web::test]
async fn a_server_that_does_not_know_us_is_told_from_one_that_is_away() {
    let api = Api::start().await;
    let directory = tempfile::tempdir().unwrap();
    let right = server(&api).bucket();
    let open = |bucket: Bucket| Store::in_bucket(directory.path(), &bucket).unwrap();
    let good = open(right.clone());
    good.greet().await.unwrap();
    let one = key("a");
    put(&good, &one, b"x").await.unwrap();
    for bucket in [
        Bucket { secret_key: "wrong".to_owned(), ..right.clone() },
        Bucket { access_key: "nobody".to_owned(), ..right.clone() },
    ] {
        let store = open(bucket);
        assert!(matches!(store.greet().await, Err(Error::Refused(_))));
        assert!(matches!(store.read(&one).await, Err(Error::Refused(_))));
        assert!(matches!(put(&store, &one, b"y").await, Err(Error::Refused(_))));
        assert!(matches!(store.remove(&one).await, Err(Error::Refused(_))));
    }
    let elsewhere = open(Bucket { name: "nowhere".to_owned(), ..right.clone() });
    assert!(matches!(elsewhere.greet().await, Err(Error::Refused(_))));
    assert!(matches!(put(&elsewhere, &one, b"y").await, Err(Error::Refused(_))));
    let away = open(Bucket { endpoint: "http://127.0.0.1:1".to_owned(), ..right });
    assert!(matches!(away.greet().await, Err(Error::Unavailable(_))));
    assert!(matches!(put(&away, &one, b"y").await, Err(Error::Unavailable(_))));
    assert_eq!(get(&good, &one).await, b"x");
}

#[actix_web::test]
async fn lines_that_break_are_taken_up_where_they_broke() {
    let api = impatient().await;
    let (store, key, all) = (api.store(), key("a"), content(2_000_000));
    put(&store, &key, &all).await.unwrap();
    // More often than a request is repeated.
    server(&api).fails(Fault::Cut(300_000));
    assert!(get(&store, &key).await == all);
    let blob = store.read(&key).await.unwrap();
    assert!(bytes(&blob, 500_000, 1_999_999).await == all[500_000..1_999_999]);
    server(&api).fails(Fault::Stuck(1_500_000));
    assert!(get(&store, &key).await == all);
    // One that brings nothing at all is given up, and whoever reads learns of it.
    let blob = store.read(&key).await.unwrap();
    server(&api).fails(Fault::Cut(0));
    let read: Result<Vec<Bytes>, Error> = blob.stream(10, 2_000_000).try_collect().await;
    assert!(read.is_err());
    server(&api).fails(Fault::None);
    assert!(get(&store, &key).await == all);
}

#[actix_web::test]
async fn a_server_that_is_full_is_told_from_one_that_refuses() {
    let api = impatient().await;
    let service = api.service();
    for (fault, status) in [
        (Fault::Refusing(507, "XMinioStorageFull"), 507),
        (Fault::Refusing(403, "QuotaExceeded"), 507),
        (Fault::Refusing(403, "AccessDenied"), 500),
        (Fault::Refusing(400, "EntityTooLarge"), 500),
        (Fault::Refusing(429, "TooManyRequests"), 503),
        (Fault::Refusing(500, "InternalError"), 503),
    ] {
        server(&api).fails(fault);
        for length in [5, 6_000_000] {
            let all = content(length);
            let request =
                upload("b/a", &service, "").insert_header(("content-length", all.len().to_string()));
            let answer = api.send(request.set_payload(all)).await;
            assert_eq!(answer.status, status, "{fault:?} {length}: {answer:?}");
        }
    }
    server(&api).fails(Fault::None);
    assert_eq!(api.local_files().into_iter().filter(|file| file.ends_with(".begun")).count(), 0);
    api.storage.remove_orphans(Duration::ZERO).await.unwrap();
    api.is_consistent().await;
    assert_eq!(server(&api).keys().await, Vec::<String>::new());
}

#[actix_web::test]
async fn one_upload_that_cannot_be_ended_does_not_keep_the_others() {
    let api = Api::start().await;
    let id = server(&api).begin("stub/b/x/v").await;
    let notes = api.directory.path().join(".incoming");
    let good = format!("stub/b/x/v\0{id}").into_bytes();
    // Whichever is looked at first: the others cannot be read.
    for (n, text) in std::iter::once(good).chain(vec![vec![0xff]; 7]).enumerate() {
        let note = notes.join(format!("{n}.begun"));
        std::fs::write(&note, text).unwrap();
        let old = SystemTime::now() - Duration::from_secs(90_000);
        std::fs::File::options().append(true).open(&note).unwrap().set_modified(old).unwrap();
    }
    assert!(api.store().sweep().await.is_err());
    assert_eq!(server(&api).begun().await, "0");
}
