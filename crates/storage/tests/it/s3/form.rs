//! Forms of browsers, with a policy that somebody signed.

use actix_web::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::{Client, Request, mac};
use crate::harness::{Answer, Api};

async fn start() -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    (api, client)
}

fn conditions(rest: Value) -> Value {
    let mut all = vec![json!({ "bucket": "b" }), json!(["starts-with", "$key", "up/"])];
    all.extend(rest.as_array().unwrap().iter().cloned());
    json!(all)
}

async fn post(api: &Api, client: &Client, conditions: Value, fields: &[(&str, &str)], file: &str) -> Answer {
    let policy = json!({ "expiration": "2027-01-15T08:01:00Z", "conditions": conditions });
    let policy = STANDARD.encode(policy.to_string());
    let signature = hex::encode(mac(&client.key(), &policy));
    let credential = format!("{}/{}", client.access, client.scope());
    let signed = [
        ("policy", policy.as_str()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &credential),
        ("x-amz-date", &client.moment()),
        ("x-amz-signature", &signature),
    ];
    let mut body = String::new();
    let mut add = |name: &str, more: &str, value: &str| {
        body.push_str(&format!(
            "--x\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n"
        ));
    };
    fields.iter().for_each(|(name, value)| add(name, "", value));
    // Some libraries give every field the name of a file.
    signed.iter().for_each(|(name, value)| add(name, &format!("; filename=\"{name}\""), value));
    body.push_str(&format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../dir/pic.txt\"\r\nContent-Type: text/csv\r\n\r\n{file}\r\n--x--\r\n"
    ));
    let request = Request::new(Method::POST, "/b").header("content-type", "multipart/form-data; boundary=x");
    api.send(request.body(body).send()).await
}

#[actix_web::test]
async fn a_form_uploads_what_its_policy_allows() {
    let (api, client) = start().await;
    let allowed = conditions(
        json!([["starts-with", "$Content-Type", "text/"], { "x-amz-meta-a": "1" }, ["eq", "$success_action_status", "201"]]),
    );
    let fields = [
        ("key", "up/${filename}"),
        ("Content-Type", "text/x"),
        ("x-amz-meta-a", "1"),
        ("success_action_status", "201"),
    ];
    let done = post(&api, &client, allowed, &fields, "hello").await.done(201);
    assert_eq!(done.element("Key"), "up/pic.txt");
    let told = client.get(&api, "/b/up/pic.txt").await.done(200);
    assert_eq!(
        (told.text().as_str(), told.header("content-type"), told.header("x-amz-meta-a")),
        ("hello", "text/x", "1")
    );
    post(&api, &client, conditions(json!([])), &[("key", "up/a")], "").await.done(204);
    let summed = [("key", "up/sum"), ("x-amz-checksum-crc32", "NhCmhg==")];
    post(&api, &client, conditions(json!([])), &summed, "hello").await.done(204);
    let head = Request::new(Method::HEAD, "/b/up/sum").header("x-amz-checksum-mode", "ENABLED");
    assert_eq!(client.send(&api, head).await.header("x-amz-checksum-crc32"), "NhCmhg==");
    post(&api, &client, conditions(json!([])), &summed, "HELLO").await.fails(400, "BadDigest");
    assert_eq!(client.get(&api, "/b/up/sum").await.text(), "hello");
    let away = conditions(json!([["starts-with", "$success_action_redirect", ""]]));
    for nowhere in ["javascript:alert(1)", "https://a.example/\r\nset-cookie: a=b", "https://a.example/ä b"]
    {
        let fields = [("key", "up/b"), ("success_action_redirect", nowhere)];
        let stays = post(&api, &client, away.clone(), &fields, "hello").await.done(204);
        assert_eq!((stays.header("set-cookie"), stays.header("location")), ("", "/b/up/b"));
    }
    let fields = [("key", "up/b"), ("success_action_redirect", "https://a.example/?x=1")];
    let gone = post(&api, &client, away, &fields, "hello").await.done(303);
    assert!(
        gone.header("location").starts_with("https://a.example/?x=1&bucket=b&key=up%2Fb&etag="),
        "{}",
        gone.header("location")
    );
    api.is_consistent().await;
}

#[actix_web::test]
async fn what_the_policy_does_not_allow_is_refused() {
    let (api, client) = start().await;
    let refused = async |rules: Value, fields: &[(&str, &str)], status: u16, code: &str| {
        post(&api, &client, rules, fields, "hello").await.fails(status, code);
    };
    refused(conditions(json!([])), &[("key", "elsewhere/a")], 403, "AccessDenied").await;
    refused(conditions(json!([])), &[("key", "up/a"), ("acl", "public")], 403, "AccessDenied").await;
    refused(conditions(json!([["content-length-range", 0, 4]])), &[("key", "up/a")], 413, "EntityTooLarge")
        .await;
    refused(conditions(json!([["content-length-range", 6, 9]])), &[("key", "up/a")], 400, "EntityTooSmall")
        .await;
    refused(conditions(json!([])), &[], 403, "AccessDenied").await;
    refused(
        json!([{ "bucket": "other" }, ["starts-with", "$key", ""]]),
        &[("key", "up/a")],
        403,
        "AccessDenied",
    )
    .await;
    refused(json!("x"), &[("key", "up/a")], 400, "InvalidPolicyDocument").await;
    let forger = Client { secret: "guessed".to_owned(), ..client.clone() };
    post(&api, &forger, conditions(json!([])), &[("key", "up/a")], "x")
        .await
        .fails(403, "SignatureDoesNotMatch");
    let late = client.clone();
    api.clock.advance(std::time::Duration::from_secs(61));
    post(&api, &late, conditions(json!([])), &[("key", "up/a")], "x").await.fails(403, "AccessDenied");
    assert!(api.files().await.is_empty());
    let unsigned = Request::new(Method::POST, "/b").header("content-type", "multipart/form-data; boundary=x");
    let body = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nup/a\r\n--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--x--\r\n";
    api.send(unsigned.body(body).send()).await.fails(403, "AccessDenied");
}

#[actix_web::test]
async fn the_policy_is_asked_about_the_key_that_counts() {
    let (api, client) = start().await;
    let key = [("key", "up/${filename}")];
    let rules = |rule: Value| conditions(json!([rule]));
    post(&api, &client, rules(json!(["eq", "$key", "up/pic.txt"])), &key, "x").await.done(204);
    post(&api, &client, rules(json!(["starts-with", "$key", "up/pic."])), &key, "x").await.done(204);
    for rule in [json!(["starts-with", "$key", "up/$"]), json!(["eq", "$key", "up/${filename}"])] {
        post(&api, &client, rules(rule), &key, "x").await.fails(403, "AccessDenied");
    }
    assert_eq!(client.get(&api, "/b?list-type=2").await.elements("Key"), ["up/pic.txt"]);
}

#[actix_web::test]
async fn a_field_that_comes_twice_is_no_way_around_the_policy() {
    let (api, client) = start().await;
    let rules = || conditions(json!([{ "x-amz-meta-by": "ada" }]));
    let good = [("key", "up/a"), ("x-amz-meta-by", "ada")];
    post(&api, &client, rules(), &good, "x").await.done(204);
    for second in [("key", "elsewhere/a"), ("x-amz-meta-by", "eve"), ("X-Amz-Meta-By", "eve")] {
        for fields in [[good[0], good[1], second], [second, good[0], good[1]]] {
            post(&api, &client, rules(), &fields, "y").await.fails(403, "AccessDenied");
        }
    }
    let told = client.head(&api, "/b/up/a").await;
    assert_eq!((told.header("x-amz-meta-by"), told.header("content-length")), ("ada", "1"));
}

#[actix_web::test]
async fn fields_of_strangers_are_bounded() {
    let (api, client) = start().await;
    let forger = Client { secret: "guessed".to_owned(), ..client };
    let large = "x".repeat(20_000);
    let fields = [("x-ignore-a", large.as_str()); 4];
    post(&api, &forger, conditions(json!([])), &fields[..3], "x").await.fails(403, "SignatureDoesNotMatch");
    let refused = post(&api, &forger, conditions(json!([])), &fields, "x").await;
    refused.fails(400, "MaxPostPreDataLengthExceededError");
}

#[actix_web::test]
async fn a_policy_that_names_no_bucket_opens_none() {
    let (api, client) = start().await;
    let any = json!([["starts-with", "$key", ""]]);
    post(&api, &client, any, &[("key", "a")], "x").await.fails(403, "AccessDenied");
    assert!(api.files().await.is_empty());
}

#[actix_web::test]
async fn a_user_signs_forms_too() {
    let (api, _) = start().await;
    api.allow("objects", &["select", "insert"], "true").await;
    let token = api.user(crate::harness::USER);
    let user = Client::user(&api, token.clone());
    let rules = conditions(json!([]));
    let fields = [("key", "up/a"), ("x-amz-security-token", token.as_str())];
    post(&api, &user, rules.clone(), &fields, "mine").await.done(204);
    assert_eq!(api.value("select owner_id from storage.objects").await, crate::harness::USER);
    api.allow("objects", &["select"], "true").await;
    post(&api, &user, rules, &fields, "again").await.fails(403, "AccessDenied");
}
