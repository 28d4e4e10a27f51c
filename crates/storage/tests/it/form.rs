//! Uploads as `multipart/form-data`.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::json;

use crate::harness::{Api, request};

const BOUNDARY: &str = "----geckoformboundary7";

struct Form(Vec<u8>);

impl Form {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        self.0.extend(head.into_bytes());
        self
    }

    fn file(mut self, head: &str, content: &[u8]) -> Self {
        self.0.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").into_bytes());
        self.0.extend(content);
        self.0.extend(b"\r\n");
        self
    }

    fn request(mut self, path: &str, token: &str) -> TestRequest {
        self.0.extend(format!("--{BOUNDARY}--").into_bytes());
        request(Method::POST, &format!("/object/{path}"), token)
            .insert_header(("content-type", format!("multipart/form-data; boundary={BOUNDARY}")))
            .insert_header(("content-length", self.0.len().to_string()))
            .set_payload(self.0)
    }
}

const FILE: &str =
    "Content-Disposition: form-data; name=\"\"; filename=\"a \\\"b\\\".txt\"\r\nContent-Type: text/markdown";

#[actix_web::test]
async fn fields_count_before_the_file_and_behind_it() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("b", json!({})).await;
    let content = b"line\r\n--not the boundary\r\n------geckoformboundary\r\n\r\n";
    for (name, form) in [
        (
            "before",
            Form::new().field("cacheControl", "60").field("metadata", r#"{"k":1}"#).file(FILE, content),
        ),
        (
            "behind",
            Form::new().file(FILE, content).field("cacheControl", "60").field("metadata", r#"{"k":1}"#),
        ),
        (
            "user",
            Form::new().field("userMetadata", r#"{"k":1}"#).file(FILE, content).field("cacheControl", "60"),
        ),
    ] {
        api.send(form.request(&format!("b/{name}"), &service)).await.ok();
        let info = api.get(&format!("/object/info/b/{name}"), &service).await.ok();
        assert_eq!(
            (&info["cache_control"], &info["metadata"]),
            (&json!("max-age=60"), &json!({ "k": 1 })),
            "{name}"
        );
        assert_eq!(info["content_type"], "text/markdown");
        assert_eq!(api.get(&format!("/object/b/{name}"), &service).await.bytes, content);
    }
}

#[actix_web::test]
async fn forms_of_all_sizes() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("b", json!({})).await;
    for size in [0_usize, 1, 70_000, 1_500_000] {
        // Everything that looks like the beginning of a boundary.
        let content: Vec<u8> = b"\r\n--\r\n----gecko\r\r\n-".iter().copied().cycle().take(size).collect();
        let form = Form::new().file(FILE, &content).field("contentType", "image/png");
        api.send(form.request(&format!("b/{size}"), &service)).await.ok();
        let answer = api.get(&format!("/object/b/{size}"), &service).await;
        assert_eq!(answer.bytes, content);
        assert_eq!(answer.header("content-type"), "image/png");
    }
}

#[actix_web::test]
async fn files_may_lack_a_name_or_a_type() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket("b", json!({})).await;
    for (n, head) in [
        "Content-Disposition: form-data; name=\"\"",
        "content-disposition: form-data; name=\"x\"; filename=blob",
        "Content-Disposition: form-data; name=\"x\"; filename*=UTF-8''%e2%82%ac",
        "Content-Disposition: form-data; name=\"x\"\r\nContent-Type: application/octet-stream",
    ]
    .into_iter()
    .enumerate()
    {
        let form = Form::new().file(head, b"x");
        api.send(form.request(&format!("b/{n}"), &service)).await.ok();
        let info = api.get(&format!("/object/info/b/{n}"), &service).await.ok();
        assert_eq!(info["content_type"], "application/octet-stream");
        assert_eq!(info["cache_control"], "no-cache");
    }
}

#[actix_web::test]
async fn what_is_no_form_is_refused_and_leaves_nothing() {
    let api = Api::start().await;
    let service = api.service();
    api.bucket(
        "b",
        json!({ "file_size_limit": 10, "allowed_mime_types": ["text/*", "application/octet-stream"] }),
    )
    .await;
    let nothing = "No content provided";
    api.send(Form::new().request("b/a", &service)).await.refused("400", "InvalidRequest", nothing);
    api.send(Form::new().field("metadata", "{}").request("b/a", &service)).await.refused(
        "400",
        "InvalidRequest",
        nothing,
    );
    let kind = |kind: &str, body: &str| {
        let request = request(Method::POST, "/object/b/a", &service);
        request.insert_header(("content-type", kind.to_owned())).set_payload(body.to_owned())
    };
    for body in
        ["", "x", "--x", "--x\r\n\r\ncut off", "--x\r\nContent-Disposition: form-data; name=\"\"\r\n\r\ncut"]
    {
        let answer = api.send(kind("multipart/form-data; boundary=x", body)).await;
        answer.refused("400", "InvalidRequest", nothing);
    }
    api.send(kind("multipart/form-data", "x")).await.refused("400", "InvalidRequest", nothing);
    let large = "The object exceeded the maximum allowed size";
    let form = Form::new().file(FILE, &[b'x'; 11]);
    api.send(form.request("b/a", &service)).await.refused("413", "EntityTooLarge", large);
    let form = Form::new().field("metadata", &"x".repeat(1_100_000)).file(FILE, b"x");
    let large = "The user_metadata exceeded the maximum allowed size";
    api.send(form.request("b/a", &service)).await.refused("413", "EntityTooLarge", large);
    // The type counts wherever it is told.
    let form = Form::new().file(FILE, b"x").field("contentType", "image/png");
    api.send(form.request("b/a", &service)).await.refused(
        "415",
        "InvalidMimeType",
        "mime type image/png is not supported",
    );
    let form = (0..11).fold(Form::new(), |form, n| form.field(&format!("f{n}"), "x")).file(FILE, b"x");
    assert_eq!(api.send(form.request("b/a", &service)).await.error(), (400, "400", "InvalidRequest"));
    assert_eq!(api.files().await, Vec::<String>::new());
}
