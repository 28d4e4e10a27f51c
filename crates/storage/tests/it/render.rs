//! Pictures in other sizes and formats.

use std::io::Cursor;

use actix_web::http::Method;
use image::{DynamicImage, GenericImageView, ImageFormat, ImageReader, Rgb, RgbImage};
use kernel::units::{Bytes, Span};
use serde_json::{Value, json};
use storage::{Config, Images};

use crate::harness::{Answer, Api, USER, request};

const SVG: &str = "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"><circle r=\"1\"/></svg>";

fn photo(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([(x % 256) as u8, (y % 256) as u8, 40]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(image).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

async fn with_photo(config: Config) -> Api {
    let api = Api::with(config).await;
    api.bucket("b", json!({ "public": true })).await;
    api.bucket("private", json!({})).await;
    for path in ["b/a.jpg", "private/a.jpg"] {
        put(&api, path, "image/jpeg", &photo(400, 300, ImageFormat::Jpeg)).await;
    }
    api
}

async fn put(api: &Api, path: &str, media: &str, bytes: &[u8]) {
    let upload = request(Method::PUT, &format!("/object/{path}"), &api.service())
        .insert_header(("content-type", media))
        .insert_header(("cache-control", "max-age=77"))
        .set_payload(bytes.to_vec());
    api.send(upload).await.ok();
}

async fn get(api: &Api, path: &str, accept: &str) -> Answer {
    api.send(request(Method::GET, path, "").insert_header(("accept", accept))).await
}

#[track_caller]
fn size(answer: &Answer) -> (u32, u32) {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    let reader = ImageReader::new(Cursor::new(&answer.bytes)).with_guessed_format().unwrap();
    reader.decode().unwrap().dimensions()
}

fn renditions(api: &Api) -> usize {
    api.local_files().iter().filter(|path| path.starts_with(".renditions/")).count()
}

#[actix_web::test]
async fn a_picture_in_another_size() {
    let api = with_photo(Config::default()).await;
    let url = "/render/image/public/b/a.jpg?width=200&height=200&resize=cover&quality=60";
    let answer = get(&api, url, "image/*").await;
    assert_eq!(size(&answer), (200, 200));
    assert_eq!(answer.header("content-type"), "image/jpeg");
    assert_eq!(answer.header("x-transformations"), "height:200,width:200,resizing_type:fill,quality:60");
    assert_eq!((answer.header("cache-control"), answer.header("x-robots-tag")), ("max-age=77", "none"));
    let source = api.get("/object/public/b/a.jpg", "").await;
    assert_eq!(answer.header("etag"), source.header("etag"));
    assert_eq!(answer.header("last-modified"), source.header("last-modified"));
    // A name, and what the client has already.
    let named = get(&api, &format!("{url}&download=x.jpg"), "*/*").await;
    assert_eq!(named.header("content-disposition"), "attachment; filename=x.jpg; filename*=UTF-8''x.jpg");
    let again = request(Method::GET, url, "").insert_header(("if-none-match", source.header("etag")));
    assert_eq!(api.send(again).await.status, 304);
    let head = api.send(request(Method::HEAD, url, "")).await;
    assert_eq!((head.status, head.header("x-transformations")), (200, answer.header("x-transformations")));
    // One side gives the other; no side keeps it; too long a side is the longest there is.
    for (query, expected) in [
        ("width=200", (200, 150)),
        ("height=30&resize=contain", (40, 30)),
        ("width=80&height=80&resize=contain", (80, 60)),
        ("width=80&height=80&resize=fill", (80, 80)),
        ("width=0", (400, 300)),
        ("", (400, 300)),
        ("width=999999999999", (400, 300)),
    ] {
        let answer = get(&api, &format!("/render/image/public/b/a.jpg?{query}"), "*/*").await;
        assert_eq!(size(&answer), expected, "{query}");
    }
}

#[actix_web::test]
async fn clients_get_a_format_that_they_can_show() {
    let api = with_photo(Config::default()).await;
    let browser = "image/avif,image/webp,image/*,*/*;q=0.8";
    let media = async |query: &str, accept: &str| {
        let answer = get(&api, &format!("/render/image/public/b/a.jpg?width=40&{query}"), accept).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("vary"), if query.contains("format") { "" } else { "Accept" });
        answer.header("content-type").to_owned()
    };
    assert_eq!(media("", browser).await, "image/webp");
    assert_eq!(media("", "*/*").await, "image/jpeg");
    assert_eq!(media("format=origin", browser).await, "image/jpeg");
    assert_eq!(media("format=webp", "*/*").await, "image/webp");
    assert_eq!(media("format=avif", "*/*").await, "image/avif");
    api.sql("update storage.buckets set avif_autodetection = true where id = 'b'").await;
    assert_eq!(media("", browser).await, "image/avif");
    assert_eq!(media("", "image/webp").await, "image/webp");
    // From the cache it is the same.
    assert_eq!(media("", browser).await, "image/avif");
}

#[actix_web::test]
async fn policies_and_tokens_decide_who_sees_it() {
    let api = with_photo(Config::default()).await;
    let user = api.user(USER);
    let authenticated = "/render/image/authenticated/private/a.jpg?width=20";
    assert_eq!(api.get("/render/image/public/private/a.jpg", "").await.error(), (400, "404", "NoSuchBucket"));
    assert_eq!(api.get(authenticated, &user).await.error(), (400, "404", "NoSuchKey"));
    assert_eq!(api.get(authenticated, "").await.error(), (400, "400", "InvalidRequest"));
    // One that has been made is not for everybody either.
    assert_eq!(size(&api.get(authenticated, &api.service()).await), (20, 15));
    assert_eq!(api.get(authenticated, &user).await.error(), (400, "404", "NoSuchKey"));
    // Nor does a public bucket open this route.
    let open = api.get("/render/image/authenticated/b/a.jpg", &user).await;
    assert_eq!(open.error(), (400, "404", "NoSuchKey"));
    api.allow("objects", &["select"], "true").await;
    assert_eq!(size(&api.get(authenticated, &user).await), (20, 15));

    let transform = json!({ "width": 50, "height": 60, "resize": "fill", "format": "webp", "quality": "70" });
    let body = json!({ "expiresIn": 60, "transform": transform });
    let signed = api.post("/object/sign/private/a.jpg", &user, body).await.ok();
    let url = signed["signedURL"].as_str().unwrap();
    assert!(url.starts_with("/render/image/sign/private/a.jpg?token="), "{url}");
    // What the query says does not count.
    let answer = get(&api, &format!("{url}&width=7"), "*/*").await;
    assert_eq!((size(&answer), answer.header("content-type")), ((50, 60), "image/webp"));
    let told = "height:60,width:50,resizing_type:force,quality:70,format:webp";
    assert_eq!(answer.header("x-transformations"), told);
    assert_eq!(
        (answer.header("cache-control"), answer.header("expires")),
        ("", "Fri, 15 Jan 2027 08:01:00 GMT")
    );
    let other = url.replace("/private/", "/b/");
    api.get(&other, "").await.refused("400", "InvalidSignature", "Invalid signature");
    // The token opens the original too, as upstream's does; one for the original opens the picture.
    let plain = api.post("/object/sign/private/a.jpg", &user, json!({ "expiresIn": 60 })).await.ok();
    let plain = plain["signedURL"].as_str().unwrap().replace("/object/sign", "/render/image/sign");
    assert_eq!(size(&api.get(&plain, "").await), (400, 300));
    api.clock.advance(std::time::Duration::from_secs(61));
    api.get(url, "").await.refused("400", "InvalidJWT", "\"exp\" claim timestamp check failed");
    // Nothing asked for is nothing to transform.
    let empty = json!({ "expiresIn": 60, "transform": { "format": "origin" } });
    let user = api.user(USER);
    let signed = api.post("/object/sign/private/a.jpg", &user, empty).await.ok();
    assert!(signed["signedURL"].as_str().unwrap().starts_with("/object/sign/"));
}

#[actix_web::test]
async fn what_makes_no_sense_is_refused() {
    let api = with_photo(Config::default()).await;
    for (query, message) in [
        ("width=-1", "querystring/width must be >= 0"),
        ("width=big", "querystring/width must be integer"),
        ("height=1.5", "querystring/height must be integer"),
        ("quality=19", "querystring/quality must be >= 20"),
        ("quality=101", "querystring/quality must be <= 100"),
        ("resize=stretch", "querystring/resize must be equal to one of the allowed values"),
        ("format=jpeg", "querystring/format must be equal to one of the allowed values"),
        ("gravity=up", "querystring/gravity must be equal to one of the allowed values"),
        ("x_offset=a", "querystring/x_offset must be number"),
        (
            "gravity=fp&x_offset=0.5",
            "querystring must have required property 'y_offset', querystring must match \"then\" schema",
        ),
        (
            "gravity=fp&x_offset=0.5&y_offset=2",
            "querystring/y_offset must be <= 1, querystring must match \"then\" schema",
        ),
    ] {
        let answer = api.get(&format!("/render/image/public/b/a.jpg?{query}"), "").await;
        answer.refused("400", "InvalidRequest", message);
    }
    let body = json!({ "expiresIn": 60, "transform": { "width": -1 } });
    let answer = api.post("/object/sign/b/a.jpg", &api.service(), body).await;
    answer.refused("400", "InvalidRequest", "body/transform/width must be >= 0");
    assert_eq!(api.get("/render/image/public/b/none.jpg", "").await.error(), (400, "404", "NoSuchKey"));
    assert_eq!(api.get("/render/image/public/none/a.jpg", "").await.error(), (400, "404", "NoSuchBucket"));
}

/// A picture of so many pixels that says so, and has none.
fn bomb() -> Vec<u8> {
    let mut gif = photo(8, 8, ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xff; 4]);
    gif
}

#[actix_web::test]
async fn what_is_no_picture_or_too_much_of_one() {
    let images = Images { source_size: Bytes(100_000), ..Images::default() };
    let api = with_photo(Config { images, ..Config::default() }).await;
    put(&api, "b/text.png", "image/png", b"no picture").await;
    put(&api, "b/heif", "image/heif", b"\0\0\0\x10ftypmif1\0\0\0\0").await;
    put(&api, "b/empty.png", "image/png", b"").await;
    put(&api, "b/half.png", "image/png", &photo(64, 64, ImageFormat::Png)[..60]).await;
    put(&api, "b/bomb.gif", "image/gif", &bomb()).await;
    put(&api, "b/long.bmp", "image/bmp", &photo(300, 300, ImageFormat::Bmp)).await;
    put(&api, "b/drawing.svg", "image/svg+xml", SVG.as_bytes()).await;
    let check = async |name: &str, message: &str| {
        let answer = get(&api, &format!("/render/image/public/b/{name}"), "*/*").await;
        answer.refused("400", "InvalidRequest", message);
    };
    let invalid = "The source image is invalid or unsupported for rendering";
    for name in ["text.png", "heif", "empty.png", "half.png", "drawing.svg?format=webp"] {
        check(name, invalid).await;
    }
    check("bomb.gif", "The source image resolution is too large to process").await;
    check("long.bmp", "The source image file is too large to process").await;
    // A drawing is sent as it is, and runs no code.
    let drawing = get(&api, "/render/image/public/b/drawing.svg?width=10", "image/webp").await;
    assert_eq!((drawing.status, drawing.bytes.as_slice()), (200, SVG.as_bytes()));
    assert_eq!(drawing.header("content-type"), "image/svg+xml");
    assert_eq!(drawing.header("content-security-policy"), "script-src 'none'");
}

#[actix_web::test]
async fn what_takes_more_memory_than_there_is_is_refused() {
    let images = Images { memory: Bytes(200_000), ..Images::default() };
    let api = with_photo(Config { images, ..Config::default() }).await;
    let check = async |query: &str| api.get(&format!("/render/image/public/b/a.jpg?{query}"), "").await;
    // All of it is too much; a part of it is decoded.
    check("").await.refused("400", "InvalidRequest", "The source image resolution is too large to process");
    assert_eq!(size(&check("width=40").await), (40, 30));
}

#[actix_web::test]
async fn what_was_made_is_kept_until_the_object_changes() {
    let api = with_photo(Config { removal_delay: Span::secs(0), ..Config::default() }).await;
    let url = "/render/image/public/b/a.jpg?width=40";
    let first = api.get(url, "").await;
    assert_eq!(renditions(&api), 1);
    // Without its file it can only come from the cache.
    let rows = "select 'stub/stub/b/a.jpg/' || version from storage.objects where bucket_id = 'b'";
    let file = api.value(rows).await;
    let content = api.get("/object/public/b/a.jpg", "").await.bytes;
    api.place(&file, b"gone").await;
    assert_eq!(api.get(url, "").await.bytes, first.bytes);
    assert_eq!(api.get("/render/image/public/b/a.jpg?width=41", "").await.status, 400);
    api.place(&file, &content).await;
    // Another content is another picture.
    put(&api, "b/a.jpg", "image/png", &photo(100, 100, ImageFormat::Png)).await;
    let second = api.get(url, "").await;
    assert_eq!((size(&second), second.header("content-type")), ((40, 40), "image/png"));
    assert_eq!(renditions(&api), 2);
    api.storage.remove_due().await.unwrap();
    assert_eq!(renditions(&api), 1);
    api.delete("/object/b/a.jpg", &api.service()).await.ok();
    assert_eq!(api.get(url, "").await.error(), (400, "404", "NoSuchKey"));
    api.storage.remove_due().await.unwrap();
    assert_eq!(renditions(&api), 0);
}

#[actix_web::test]
async fn many_at_once_wait_or_come_back() {
    let images = Images { workers: 1, queue: 1, cache: Bytes(0), ..Images::default() };
    let api = with_photo(Config { images, ..Config::default() }).await;
    // Large enough that the first is not done before the last has come.
    put(&api, "b/large.jpg", "image/jpeg", &photo(3000, 2000, ImageFormat::Jpeg)).await;
    let urls: Vec<String> =
        (0..12).map(|n| format!("/render/image/public/b/large.jpg?width={}", 1000 + n)).collect();
    let answers = futures_util::future::join_all(urls.iter().map(|url| api.get(url, ""))).await;
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    let busy: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(good + busy.len(), 12);
    assert!(good >= 2 && !busy.is_empty(), "{good}");
    assert_eq!(busy[0].error(), (503, "503", "SlowDown"));
    assert_eq!(busy[0].header("retry-after"), "1");
    // Those who want the same wait for one.
    let same = vec!["/render/image/public/b/a.jpg?width=77"; 12];
    let answers = futures_util::future::join_all(same.into_iter().map(|url| api.get(url, ""))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    // What takes too long is not waited for.
    let images = Images { timeout: Span(std::time::Duration::ZERO), ..Images::default() };
    let slow = with_photo(Config { images, ..Config::default() }).await;
    put(&slow, "b/large.jpg", "image/jpeg", &photo(3000, 2000, ImageFormat::Jpeg)).await;
    let late = slow.get("/render/image/public/b/large.jpg?width=33", "").await;
    late.refused("408", "InvalidRequest", "Image request timed out");
}

#[actix_web::test]
async fn without_it_there_are_no_such_routes() {
    let images = Images { enabled: false, ..Images::default() };
    let api = with_photo(Config { images, ..Config::default() }).await;
    let answer = api.get("/render/image/public/b/a.jpg?width=10", "").await;
    assert_eq!((answer.status, &answer.body["error"]), (404, &Value::from("Not Found")));
    let body = json!({ "expiresIn": 60, "transform": { "width": 10 } });
    let signed = api.post("/object/sign/b/a.jpg", &api.service(), body).await.ok();
    assert!(signed["signedURL"].as_str().unwrap().starts_with("/object/sign/"));
}
