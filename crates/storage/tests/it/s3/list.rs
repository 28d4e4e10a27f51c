//! Lists.

use serde_json::json;

use super::client::Client;
use crate::harness::{Answer, Api};

async fn start(names: &[&str]) -> (Api, Client) {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let client = Client::service(&api);
    for name in names {
        client.put(&api, &format!("/b/{name}"), "x").await.done(200);
    }
    (api, client)
}

fn prefixes(answer: &Answer) -> Vec<String> {
    let groups = answer.text();
    let groups = groups.split("<CommonPrefixes><Prefix>").skip(1);
    groups.map(|group| group.split("</").next().unwrap().to_owned()).collect()
}

const NAMES: [&str; 6] = ["a", "b/1", "b/2", "b/3/x", "c", "d-1-2"];

#[actix_web::test]
async fn pages_of_the_second_version() {
    let (api, client) = start(&NAMES).await;
    let all = client.get(&api, "/b?list-type=2").await.done(200);
    assert_eq!(all.elements("Key"), NAMES);
    assert_eq!(
        (all.element("KeyCount"), all.element("IsTruncated"), all.element("Size")),
        ("6".into(), "false".into(), "1".into())
    );
    let mut keys = Vec::new();
    let mut folders = Vec::new();
    let mut token = String::new();
    for _ in 0..4 {
        let next = if token.is_empty() { String::new() } else { format!("&continuation-token={token}") };
        let page = client.get(&api, &format!("/b?list-type=2&max-keys=1&delimiter=/{next}")).await.done(200);
        assert_eq!(page.element("KeyCount"), "1");
        keys.extend(page.elements("Key"));
        folders.extend(prefixes(&page));
        token = page.element("NextContinuationToken");
    }
    assert_eq!(
        (keys, folders, token),
        (vec!["a".into(), "c".into(), "d-1-2".into()], vec!["b/".to_owned()], String::new())
    );
    let below = client.get(&api, "/b?list-type=2&prefix=b/&delimiter=/").await.done(200);
    assert_eq!(
        (below.elements("Key"), prefixes(&below)),
        (vec!["b/1".into(), "b/2".into()], vec!["b/3/".to_owned()])
    );
    let after = client.get(&api, "/b?list-type=2&start-after=b/2").await.done(200);
    assert_eq!(after.elements("Key"), ["b/3/x", "c", "d-1-2"]);
    assert_eq!(after.element("StartAfter"), "b/2");
    let dashes = client.get(&api, "/b?list-type=2&delimiter=-&prefix=d").await.done(200);
    assert_eq!(prefixes(&dashes), ["d-"]);
    let none = client.get(&api, "/b?list-type=2&max-keys=0").await.done(200);
    assert_eq!((none.element("IsTruncated"), none.element("KeyCount")), ("false".into(), "0".into()));
    client.get(&api, "/b?list-type=2&max-keys=x").await.fails(400, "InvalidArgument");
    client.get(&api, "/b?list-type=2&max-keys=-1").await.fails(400, "InvalidArgument");
    client.get(&api, "/b?list-type=2&continuation-token=").await.done(200);
    client.get(&api, "/b?list-type=2&continuation-token=%21").await.fails(400, "InvalidArgument");
    client.get(&api, "/b?list-type=2&encoding-type=x").await.fails(400, "InvalidArgument");
    client.get(&api, "/none?list-type=2").await.fails(404, "NoSuchBucket");
}

#[actix_web::test]
async fn pages_of_the_first_version() {
    let (api, client) = start(&NAMES).await;
    let page = client.get(&api, "/b?max-keys=2&delimiter=/").await.done(200);
    assert_eq!(
        (page.elements("Key"), prefixes(&page), page.element("NextMarker")),
        (vec!["a".into()], vec!["b/".to_owned()], "b/".into())
    );
    let rest = client.get(&api, "/b?delimiter=/&marker=b/").await.done(200);
    assert_eq!(
        (rest.elements("Key"), rest.element("IsTruncated")),
        (vec!["c".into(), "d-1-2".into()], "false".into())
    );
    let page = client.get(&api, "/b?max-keys=2").await.done(200);
    assert_eq!((page.element("IsTruncated"), page.element("NextMarker")), ("true".into(), String::new()));
    let rest = client.get(&api, "/b?marker=b/1").await.done(200);
    assert_eq!(rest.elements("Key"), NAMES[2..]);
    let versions = client.get(&api, "/b?versions").await.done(200);
    assert_eq!((versions.elements("Key").len(), versions.element("VersionId")), (6, "null".into()));
}

#[actix_web::test]
async fn names_are_escaped_when_asked_for() {
    let (api, client) = start(&["a b/c+d&e"]).await;
    let page = client.get(&api, "/b?list-type=2").await.done(200);
    assert_eq!(page.element("Key"), "a b/c+d&amp;e");
    let page = client.get(&api, "/b?list-type=2&encoding-type=url&prefix=a b").await.done(200);
    assert_eq!((page.element("Key"), page.element("Prefix")), ("a%20b/c%2Bd%26e".into(), "a%20b".into()));
}
