//! Uploads in several requests, whatever happens between them.

use std::fs;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde_json::json;
use storage::Config;

use crate::harness::{Answer, Api, OTHER, USER, request};

const BASE: &str = "/upload/resumable";

fn metadata(bucket: &str, name: &str) -> String {
    let word = |text: &str| STANDARD.encode(text);
    format!(
        "bucketName {},objectName {},contentType {},cacheControl {},metadata {}",
        word(bucket),
        word(name),
        word("text/plain"),
        word("60"),
        word(r#"{"k":"v"}"#)
    )
}

fn tus(method: Method, path: &str, token: &str) -> TestRequest {
    request(method, path, token).insert_header(("tus-resumable", "1.0.0"))
}

fn creation(name: &str, length: usize, token: &str) -> TestRequest {
    tus(Method::POST, BASE, token)
        .insert_header(("upload-length", length.to_string()))
        .insert_header(("upload-metadata", metadata("b", name)))
}

fn piece(path: &str, offset: usize, content: &str, token: &str) -> TestRequest {
    tus(Method::PATCH, path, token)
        .insert_header(("upload-offset", offset.to_string()))
        .insert_header(("content-type", "application/offset+octet-stream"))
        .insert_header(("content-length", content.len().to_string()))
        .set_payload(content.to_owned())
}

/// The path of an upload that was begun.
#[track_caller]
fn path(created: &Answer) -> String {
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.bytes));
    created.header("location").split_once("/storage/v1").unwrap().1.to_owned()
}

impl Api {
    pub async fn begin(&self, name: &str, length: usize, token: &str) -> String {
        path(&self.send(creation(name, length, token)).await)
    }

    pub async fn piece(&self, path: &str, offset: usize, content: &str, token: &str) -> Answer {
        self.send(piece(path, offset, content, token)).await
    }

    pub async fn look(&self, path: &str, token: &str) -> Answer {
        self.send(tus(Method::HEAD, path, token)).await
    }

    /// The only file of this kind that belongs to a resumable upload.
    fn aside(&self, kind: &str) -> std::path::PathBuf {
        let is_wanted = |file: &String| file.starts_with(".resumable/") && file.ends_with(kind);
        let files: Vec<String> = self.local_files().into_iter().filter(is_wanted).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        self.directory.path().join(&files[0])
    }
}

#[track_caller]
fn refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, String::from_utf8_lossy(&answer.bytes).as_ref()), (status, text));
    assert_eq!(answer.header("tus-resumable"), "1.0.0");
}

#[actix_web::test]
async fn an_upload_in_pieces_becomes_an_object() {
    let api = Api::start().await;
    let user = api.user(USER);
    api.bucket("b", json!({})).await;
    api.allow("objects", &["insert"], "true").await;
    let created = api.send(creation("dir/a.txt", 11, &user)).await;
    assert_eq!(created.header("upload-expires"), "Sat, 16 Jan 2027 08:00:00 GMT");
    assert_eq!(created.header("tus-resumable"), "1.0.0");
    let path = path(&created);
    assert!(created.header("location").starts_with("http://localhost:8080/storage/v1/upload/resumable/"));
    assert_eq!(api.value("select count(*) from storage.objects").await, "0");
    api.clock.advance(Duration::from_secs(60));
    let first = api.piece(&path, 0, "hello ", &user).await;
    assert_eq!((first.status, first.header("upload-offset"), first.header("tus-complete")), (204, "6", ""));
    assert_eq!(first.header("upload-expires"), "Sat, 16 Jan 2027 08:01:00 GMT");
    let state = api.look(&path, &user).await;
    assert_eq!(
        (state.status, state.header("upload-offset"), state.header("upload-length")),
        (200, "6", "11")
    );
    assert_eq!(state.header("cache-control"), "no-store");
    assert_eq!(state.header("upload-metadata"), metadata("b", "dir/a.txt"));
    refused(&api.piece(&path, 0, "x", &user).await, 409, "Upload-Offset conflict\n");
    let last = api.piece(&path, 6, "world", &user).await;
    assert_eq!((last.status, last.header("upload-offset"), last.header("tus-complete")), (204, "11", "1"));
    assert_eq!(last.header("upload-expires"), "");
    let info = api.get("/object/info/b/dir/a.txt", &api.service()).await.ok();
    assert_eq!(info["etag"], "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
    assert_eq!((&info["size"], &info["content_type"]), (&json!(11), &json!("text/plain")));
    assert_eq!((&info["cache_control"], &info["metadata"]), (&json!("max-age=60"), &json!({ "k": "v" })));
    assert_eq!(api.value("select owner_id from storage.objects").await, USER);
    // Whoever did not hear the end asks.
    let state = api.look(&path, &user).await;
    assert_eq!((state.status, state.header("upload-offset"), state.header("tus-complete")), (200, "11", "1"));
    api.is_consistent().await;
}

#[actix_web::test]
async fn other_ways_to_begin() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    // With the first bytes, and with all of them.
    let with = |name: &str, length: usize, content: &str| {
        creation(name, length, &service)
            .insert_header(("content-type", "application/offset+octet-stream"))
            .set_payload(content.to_owned())
    };
    let some = api.send(with("some", 5, "he")).await;
    assert_eq!((some.header("upload-offset"), some.header("tus-complete")), ("2", ""));
    assert_eq!(api.piece(&path(&some), 2, "llo", &service).await.header("tus-complete"), "1");
    let all = api.send(with("all", 5, "hello")).await;
    assert_eq!((all.header("upload-offset"), all.header("tus-complete")), ("5", "1"));
    // Of another type a body is none of ours.
    let other = api.send(creation("other", 5, &service).set_payload("hello")).await;
    assert_eq!(api.look(&path(&other), &service).await.header("upload-offset"), "0");
    // Nothing at all.
    let empty = api.send(creation("empty", 0, &service)).await;
    assert_eq!((empty.status, empty.header("tus-complete")), (201, "1"));
    for (name, content) in [("some", "hello"), ("all", "hello"), ("empty", "")] {
        assert_eq!(api.get(&format!("/object/b/{name}"), &service).await.bytes, content.as_bytes());
    }
    // A length that comes later.
    let later = tus(Method::POST, BASE, &service)
        .insert_header(("upload-defer-length", "1"))
        .insert_header(("upload-metadata", metadata("b", "later")));
    let later = path(&api.send(later).await);
    let first = api.piece(&later, 0, "he", &service).await;
    assert_eq!((first.status, first.header("upload-offset")), (204, "2"));
    let state = api.look(&later, &service).await;
    assert_eq!((state.header("upload-defer-length"), state.header("upload-length")), ("1", ""));
    let short = piece(&later, 2, "llo", &service).insert_header(("upload-length", "1"));
    refused(&api.send(short).await, 400, "Upload-Length or Upload-Defer-Length header required\n");
    let last = piece(&later, 2, "llo", &service).insert_header(("upload-length", "5"));
    assert_eq!(api.send(last).await.header("tus-complete"), "1");
    // Without PATCH.
    let path = api.begin("override", 2, &service).await;
    let post = piece(&path, 0, "ok", &service).method(Method::POST);
    let post = api.send(post.insert_header(("x-http-method-override", "PATCH"))).await;
    assert_eq!((post.status, post.header("tus-complete")), (204, "1"));
    api.send(tus(Method::DELETE, &self::path(&other), &service)).await;
    api.is_consistent().await;
}

#[actix_web::test]
async fn what_is_no_tus_is_told_so() {
    let api = Api::with(Config { file_size_limit: kernel::units::Bytes::mib(1), ..Config::default() }).await;
    let service = api.service();
    api.bucket("b", json!({ "file_size_limit": 100, "allowed_mime_types": ["text/*"] })).await;
    let check = async |request: TestRequest, status: u16, text: &str| {
        refused(&api.send(request).await, status, text);
    };
    let post = || tus(Method::POST, BASE, &service);
    let told = |bucket: &str, name: &str| ("upload-metadata", metadata(bucket, name));
    check(request(Method::POST, BASE, &service), 412, "Tus-Resumable Required\n").await;
    let old = request(Method::POST, BASE, &service).insert_header(("tus-resumable", "0.2.2"));
    check(old, 400, "Invalid tus-resumable\n").await;
    let lengths = "Upload-Length or Upload-Defer-Length header required\n";
    check(post().insert_header(told("b", "a")), 400, lengths).await;
    check(creation("a", 1, &service).insert_header(("upload-defer-length", "1")), 400, lengths).await;
    check(post().insert_header(("upload-length", "1")), 400, "Metadata header is required").await;
    for length in ["-1", "x", "", "1.5", "+1", "9007199254740992"] {
        let bad = creation("a", 1, &service).insert_header(("upload-length", length));
        check(bad, 400, "Invalid upload-length\n").await;
    }
    let bad = creation("a", 1, &service).insert_header(("upload-metadata", "bucketName !"));
    check(bad, 400, "Invalid upload-metadata\n").await;
    check(
        creation("a", 1, &service).insert_header(("upload-concat", "partial")),
        501,
        "Concatenation extension is not (yet) supported. Disable parallel uploads in the tus client.\n",
    )
    .await;
    check(creation("a", 1, &service).insert_header(told("none", "a")), 404, "Bucket not found").await;
    check(creation("a", 1, &service).insert_header(told("", "a")), 400, "Bucket name invalid").await;
    check(creation("a#", 1, &service), 400, "Invalid key: a#").await;
    check(creation("../a", 1, &service), 400, "Invalid key: ../a").await;
    check(creation("a", 101, &service), 413, "Maximum size exceeded\n").await;
    let image =
        format!("bucketName {},objectName {},contentType {}", "Yg==", "YQ==", STANDARD.encode("image/png"));
    let image = creation("a", 1, &service).insert_header(("upload-metadata", image));
    check(image, 415, "mime type image/png is not supported").await;
    let untyped =
        creation("a", 1, &service).insert_header(("upload-metadata", "bucketName Yg==,objectName YQ=="));
    check(untyped, 415, "mime type application/octet-stream is not supported").await;
    api.allow("objects", &[], "true").await;
    check(creation("a", 1, &api.user(USER)), 403, "new row violates row-level security policy").await;
    let nobody = api.send(creation("a", 1, "")).await;
    assert_eq!(nobody.error(), (400, "403", "AccessDenied"));
    assert_eq!(nobody.body["message"], "Invalid Compact JWS");

    let path = api.begin("a", 10, &service).await;
    let no_offset = tus(Method::PATCH, &path, &service).set_payload("x");
    check(no_offset, 403, "Upload-Offset header required\n").await;
    let no_type = tus(Method::PATCH, &path, &service).insert_header(("upload-offset", "0")).set_payload("x");
    check(no_type, 403, "Content-Type header required\n").await;
    let bad = piece(&path, 0, "x", &service).insert_header(("content-type", "text/plain"));
    check(bad, 400, "Invalid content-type\n").await;
    check(piece(&path, 0, "01234567890", &service), 413, "upload's size exceeded\n").await;
    let unannounced = tus(Method::PATCH, &path, &service)
        .insert_header(("upload-offset", "0"))
        .insert_header(("content-type", "application/offset+octet-stream"))
        .set_payload("01234567890");
    check(unannounced, 413, "upload's size exceeded\n").await;
    assert_eq!(api.look(&path, &service).await.header("upload-offset"), "0");
    check(piece(&path, 0, "x", &service).insert_header(("upload-length", "10")), 400, lengths).await;
    check(piece(&format!("{BASE}/abc"), 0, "x", &service), 400, "Invalid upload id").await;
    let gone = path.replace(
        path.rsplit('/').next().unwrap(),
        "Yi9hLnBuZy80ZDU2ZTkwMi1mMGEwLTQ2NjItODQ0OC1hNGQ5ZTY0M2MxNDI",
    );
    check(piece(&gone, 0, "x", &service), 404, "The file for this url was not found\n").await;
    check(tus(Method::DELETE, &gone, &service), 404, "The file for this url was not found\n").await;
    assert_eq!(api.look(&gone, &service).await.status, 404);
    let get = api.get(&path, &service).await;
    assert_eq!((get.status, &get.body["error"]), (404, &json!("Not Found")));
}

#[actix_web::test]
async fn what_the_server_can_do() {
    let api = Api::start().await;
    let ask = request(Method::OPTIONS, BASE, "").insert_header(("access-control-request-headers", "x-mine"));
    let answer = api.send(ask).await;
    assert_eq!(answer.status, 204);
    assert_eq!((answer.header("tus-version"), answer.header("tus-resumable")), ("1.0.0", "1.0.0"));
    let extensions = "creation,creation-with-upload,creation-defer-length,termination,expiration";
    assert_eq!(answer.header("tus-extension"), extensions);
    assert_eq!(answer.header("tus-max-size"), "52428800");
    assert!(answer.header("access-control-allow-headers").ends_with("x-signature, x-mine"));
    assert!(answer.header("access-control-expose-headers").contains("Upload-Offset"));
    for path in
        ["/upload/resumable/", "/upload/resumable/sign", "/upload/resumable/x", "/upload/resumable/sign/x"]
    {
        assert_eq!(api.send(request(Method::OPTIONS, path, "")).await.status, 204, "{path}");
    }
}

#[actix_web::test]
async fn policies_are_asked_at_every_step() {
    let api = Api::start().await;
    let user = api.user(USER);
    api.bucket("b", json!({})).await;
    api.allow("objects", &["insert"], "name = 'mine' and owner_id = auth.uid()::text").await;
    let denied = "new row violates row-level security policy";
    refused(&api.send(creation("other", 1, &user)).await, 403, denied);
    let path = api.begin("mine", 4, &user).await;
    api.allow("objects", &[], "true").await;
    refused(&api.piece(&path, 0, "x", &user).await, 403, denied);
    refused(&api.send(tus(Method::DELETE, &path, &user)).await, 403, denied);
    // What the policies see.
    let rule = "user_metadata ->> 'k' = 'v' and metadata ->> 'contentLength' = '4' and metadata ->> 'mimetype' = 'text/plain'
                and storage.allow_any_operation(array['tus.upload.part', 'tus.upload.create'])";
    api.allow("objects", &["insert"], rule).await;
    assert_eq!(api.piece(&path, 0, "four", &user).await.header("tus-complete"), "1");
    // Again, and with the right to replace.
    refused(&api.send(creation("mine", 4, &user)).await, 409, "The resource already exists");
    api.allow("objects", &["select", "insert"], "true").await;
    let upsert = |request: TestRequest| request.insert_header(("x-upsert", "true"));
    refused(&api.send(upsert(creation("mine", 4, &user))).await, 403, denied);
    api.allow("objects", &["select", "insert", "update"], "true").await;
    let path = self::path(&api.send(upsert(creation("mine", 4, &user))).await);
    refused(&api.piece(&path, 0, "more", &user).await, 409, "The resource already exists");
    assert_eq!(api.send(upsert(piece(&path, 0, "more", &user))).await.header("tus-complete"), "1");
    assert_eq!(api.get("/object/b/mine", &user).await.bytes, b"more");
    api.is_consistent().await;
}

#[actix_web::test]
async fn an_object_that_came_first_stays() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("b", json!({})).await;
    let path = api.begin("a", 4, &service).await;
    api.piece(&path, 0, "ab", &service).await;
    // The last piece is under way while somebody else is quicker: the policies' question came before.
    api.sql(
        "create function public.late() returns trigger language plpgsql as $$ begin
           if new.version <> '1' and new.metadata ->> 'size' = '4' then
             raise unique_violation; end if; return new; end $$;
         create trigger late before insert on storage.objects for each row execute function public.late();",
    )
    .await;
    refused(&api.piece(&path, 2, "cd", &service).await, 409, "The resource already exists");
    assert_eq!(api.look(&path, &service).await.status, 404);
    assert_eq!(api.files().await, Vec::<String>::new());
}

#[actix_web::test]
async fn what_is_given_up_is_removed() {
    let api = Api::start().await;
    let service = api.token(json!({ "role": "service_role", "exp": api.clock.unix() + 1_000_000 }));
    api.bucket("b", json!({})).await;
    let day = Duration::from_secs(24 * 60 * 60);
    let (old, young) = (api.begin("old", 4, &service).await, api.begin("young", 4, &service).await);
    api.clock.advance(day / 2);
    api.piece(&young, 0, "ab", &service).await;
    api.clock.advance(day / 2);
    refused(&api.piece(&old, 0, "ab", &service).await, 410, "The file for this url no longer exists\n");
    assert_eq!(api.look(&old, &service).await.status, 410);
    assert_eq!(api.storage.remove_expired().await.unwrap(), 1);
    assert_eq!(api.look(&old, &service).await.status, 404);
    assert_eq!(api.look(&young, &service).await.header("upload-offset"), "2");
    // By its client.
    let delete = api.send(tus(Method::DELETE, &young, &service)).await;
    assert_eq!((delete.status, delete.header("tus-resumable")), (204, "1.0.0"));
    assert_eq!(api.look(&young, &service).await.status, 404);
    assert_eq!(api.files().await, Vec::<String>::new());
    // What is complete is not given up, and its note goes with time.
    let done = api.begin("done", 2, &service).await;
    api.piece(&done, 0, "ok", &service).await;
    let upsert = tus(Method::DELETE, &done, &service).insert_header(("x-upsert", "true"));
    refused(&api.send(upsert).await, 400, "Cannot terminate an already completed upload");
    api.clock.advance(day);
    assert_eq!(api.storage.remove_expired().await.unwrap(), 1);
    assert_eq!(api.get("/object/b/done", &service).await.bytes, b"ok");
    assert_eq!(api.files().await.len(), 1);
}

#[actix_web::test]
async fn a_signed_url_stands_for_its_maker() {
    let api = Api::start().await;
    let user = api.user(USER);
    api.bucket("b", json!({})).await;
    api.allow("objects", &["insert"], "true").await;
    let signed = api.send(request(Method::POST, "/object/upload/sign/b/a", &user)).await.ok();
    let token = signed["token"].as_str().unwrap().to_owned();
    api.allow("objects", &[], "true").await;
    let base = format!("{BASE}/sign");
    let with = |request: TestRequest, token: &str| request.insert_header(("x-signature", token.to_owned()));
    let create = |name: &str| {
        tus(Method::POST, &base, "")
            .insert_header(("upload-length", "4"))
            .insert_header(("upload-metadata", metadata("b", name)))
    };
    refused(&api.send(create("a")).await, 400, "Missing x-signature header");
    refused(&api.send(with(create("a"), "x")).await, 400, "Invalid Compact JWS");
    refused(&api.send(with(create("other"), &token)).await, 400, "Invalid signature");
    let created = api.send(with(create("a"), &token)).await;
    let path = path(&created);
    assert!(path.starts_with("/upload/resumable/sign/"), "{path}");
    refused(&api.piece(&path, 0, "ab", "").await, 400, "Missing x-signature header");
    assert_eq!(api.look(&path, "").await.status, 400);
    // The token, not the header, says whether to replace.
    assert_eq!(api.send(with(piece(&path, 0, "ab", ""), &token)).await.status, 204);
    assert_eq!(api.send(with(tus(Method::HEAD, &path, ""), &token)).await.header("upload-offset"), "2");
    let last = api.send(with(piece(&path, 2, "cd", ""), &token)).await;
    assert_eq!(last.header("tus-complete"), "1");
    assert_eq!(api.value("select owner_id from storage.objects").await, USER);
    let again = with(create("a"), &token).insert_header(("x-upsert", "true"));
    refused(&api.send(again).await, 409, "The resource already exists");
    // A link for reading is none for writing, and a caller's token none either.
    for claims in [json!({ "url": "b/a", "scope": "download" }), json!({ "role": "service_role" })] {
        assert_eq!(api.send(with(create("a"), &api.token(claims))).await.status, 400);
    }
    api.is_consistent().await;
}

#[actix_web::test]
async fn a_restart_is_no_end() {
    let mut api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    let path = api.begin("a", 11, &service).await;
    api.piece(&path, 0, "hello ", &service).await;
    api.restart().await;
    assert_eq!(api.look(&path, &service).await.header("upload-offset"), "6");
    assert_eq!(api.piece(&path, 6, "world", &service).await.header("tus-complete"), "1");
    let info = api.get("/object/info/b/a", &service).await.ok();
    assert_eq!(info["etag"], "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
    api.is_consistent().await;
}

/// The process may end between any two of: the last byte is on the disk, the file has its key, the row is
/// there, the note says so.
#[actix_web::test]
async fn an_end_at_the_end_is_no_end_either() {
    let mut api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    // All bytes came, and no more happened.
    let path = api.begin("bytes", 5, &service).await;
    api.piece(&path, 0, "hel", &service).await;
    fs::write(api.aside(".part"), "hello").unwrap();
    api.restart().await;
    let state = api.look(&path, &service).await;
    assert_eq!((state.status, state.header("upload-offset"), state.header("tus-complete")), (200, "5", "1"));
    assert_eq!(api.get("/object/info/b/bytes", &service).await.ok()["etag"], etag);
    api.delete("/object/b/bytes", &service).await.ok();
    fs::remove_file(api.aside(".note")).unwrap();
    // The file has its key.
    for (name, finish) in [("by asking", Method::HEAD), ("by sending nothing more", Method::PATCH)] {
        let path = api.begin(name, 5, &service).await;
        let part = api.aside(".part");
        let version = part.file_stem().unwrap().to_str().unwrap();
        api.place(&format!("stub/stub/b/{name}/{version}"), b"hello").await;
        if crate::BACKEND == storage::Backend::S3 {
            fs::write(part.with_extension("sent"), "5 5d41402abc4b2a76b9719d911017c592").unwrap();
        }
        fs::remove_file(&part).unwrap();
        api.restart().await;
        let end = match finish {
            Method::HEAD => api.look(&path, &service).await,
            _ => api.piece(&path, 5, "", &service).await,
        };
        assert_eq!((end.header("upload-offset"), end.header("tus-complete")), ("5", "1"), "{end:?}");
        let info = api.get(&format!("/object/info/b/{name}"), &service).await.ok();
        assert_eq!(info["etag"], etag);
        fs::remove_file(api.aside(".note")).unwrap();
    }
    // The row is there.
    let path = api.begin("row", 5, &service).await;
    api.piece(&path, 0, "hello", &service).await;
    let note = fs::read_to_string(api.aside(".note")).unwrap();
    fs::write(api.aside(".note"), note.replace("\"is_complete\":true", "\"is_complete\":false")).unwrap();
    fs::File::open(api.aside(".note")).unwrap().set_modified(api.clock.now().into()).unwrap();
    api.restart().await;
    let upsert = tus(Method::HEAD, &path, &service).insert_header(("x-upsert", "true"));
    assert_eq!(api.send(upsert).await.header("tus-complete"), "1");
    assert_eq!(api.get("/object/b/row", &service).await.bytes, b"hello");
    api.sql("update storage.basalt_removals set due_at = now()").await;
    api.is_consistent().await;
}

#[actix_web::test]
async fn of_several_writers_of_one_upload_one_wins_each_byte() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    let path = api.begin("a", 8, &service).await;
    for (offset, content) in [(0, "abcd"), (4, "efgh")] {
        let answers = join_all((0..5).map(|_| api.piece(&path, offset, content, &service))).await;
        let won = answers.iter().filter(|answer| answer.status == 204).count();
        let told: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        // With the last byte the object is there: who comes then may not make it again.
        assert_eq!((won, told.iter().filter(|status| **status == 409).count()), (1, 4), "{told:?}");
    }
    assert_eq!(api.get("/object/b/a", &service).await.bytes, b"abcdefgh");
    api.is_consistent().await;
}

#[actix_web::test]
async fn of_two_uploads_of_one_name_one_wins() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.allow("objects", &["insert"], "true").await;
    let (one, two) = (api.user(USER), api.user(OTHER));
    let paths = [api.begin("a", 3, &one).await, api.begin("a", 3, &two).await];
    let answers =
        join_all([api.piece(&paths[0], 0, "one", &one), api.piece(&paths[1], 0, "two", &two)]).await;
    let mut told: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let content = if told[0] == 204 { "one" } else { "two" };
    told.sort_unstable();
    assert_eq!(told, [204, 409]);
    assert_eq!(api.get("/object/b/a", &api.service()).await.bytes, content.as_bytes());
    // The loser's bytes are given up with time.
    api.clock.advance(Duration::from_secs(24 * 60 * 60));
    api.storage.remove_expired().await.unwrap();
    api.is_consistent().await;
}
