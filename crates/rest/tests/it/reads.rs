//! Reading relations.

use rest::Config;
use serde_json::json;

use crate::service::{Caller, Service};

#[actix_web::test]
async fn rows_are_filtered_sorted_and_cut() {
    let service = Service::start().await;
    let answer = service.get("/clients?select=id,name&name=in.(Ada,Cy)&order=id.desc&limit=1").await;
    assert_eq!((answer.status, answer.json()), (200, json!([{ "id": 3, "name": "Cy" }])));
    assert_eq!(answer.header("content-range"), Some("0-0/*"));
    let answer = service.get("/clients?select=id&or=(id.eq.1,and(id.gt.1,name.like.B*))&order=id").await;
    assert_eq!(answer.json(), json!([{ "id": 1 }, { "id": 2 }]));
    let answer = service.get("/projects?select=data-%3Ea-%3Eb-%3E%3E1&data-%3Ea-%3Eb-%3E%3E0=eq.1").await;
    assert_eq!(answer.json(), json!([{ "b": "2" }]));
    let answer = service.get("/clients?select=shout&shout=eq.ADA").await;
    assert_eq!(answer.json(), json!([{ "shout": "ADA" }]));
}

#[actix_web::test]
async fn related_rows_are_embedded() {
    let service = Service::start().await;
    let answer = service
        .get("/projects?select=name,clients(name),tasks(name,people(name))&order=id&tasks.order=id&limit=1")
        .await;
    assert_eq!(
        answer.json(),
        json!([{
            "name": "Alpha",
            "clients": { "name": "Ada" },
            "tasks": [
                { "name": "design", "people": [{ "name": "Pia" }] },
                { "name": "build", "people": [{ "name": "Pia" }] }
            ]
        }])
    );
    let answer = service.get("/clients?select=name,newest_project(name)&order=id").await;
    assert_eq!(answer.json()[0], json!({ "name": "Ada", "newest_project": { "name": "Beta" } }));
    assert_eq!(answer.json()[2], json!({ "name": "Cy", "newest_project": null }));
}

#[actix_web::test]
async fn embeds_choose_their_parents() {
    let service = Service::start().await;
    let names = |answer: crate::service::Answer| {
        let rows = answer.json();
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let inner = service.get("/clients?select=name,projects!inner(id)&projects.name=eq.Beta").await;
    assert_eq!(names(inner), ["Ada"]);
    let without = service.get("/clients?select=name,projects()&projects=is.null").await;
    assert_eq!(names(without), ["Cy"]);
    let either = "/clients?select=name,p:projects(),q:projects()&p.name=eq.Beta&q.name=eq.Gamma\
                  &or=(p.not.is.null,q.not.is.null)&order=id";
    assert_eq!(names(service.get(either).await), ["Ada", "Bob"]);
    let sorted = service.get("/projects?select=name,clients(name)&order=clients(name).desc,id").await;
    assert_eq!(names(sorted), ["Gamma", "Alpha", "Beta"]);
}

#[actix_web::test]
async fn spreads_and_aggregates() {
    let service = Service::with(Config { aggregates: true, ..Config::default() }).await;
    let one = service.get("/projects?select=name,...clients(client:name)&order=id&limit=1").await;
    assert_eq!(one.json(), json!([{ "name": "Alpha", "client": "Ada" }]));
    let many =
        service.get("/clients?select=name,...projects(names:name)&projects.order=name.desc&order=id").await;
    assert_eq!(many.json()[0], json!({ "name": "Ada", "names": ["Beta", "Alpha"] }));
    assert_eq!(many.json()[2], json!({ "name": "Cy", "names": [] }));
    let grouped = service.get("/projects?select=client_id,count(),id.max()&client_id=eq.1").await;
    assert_eq!(grouped.json(), json!([{ "client_id": 1, "count": 2, "max": 2 }]));
    let hoisted = service.get("/tasks?select=...projects(client_id,id.count())&order=project_id").await;
    assert_eq!(hoisted.status, 400, "grouped rows cannot be sorted by what is not grouped");
}

#[actix_web::test]
async fn totals() {
    let service = Service::start().await;
    let exact = async |path| {
        let answer = service.send(Caller::Service, "GET", path, &[("prefer", "count=exact")], "").await;
        (answer.status, answer.header("content-range").unwrap_or_default().to_owned())
    };
    assert_eq!(exact("/clients").await, (200, "0-2/3".to_owned()));
    assert_eq!(exact("/clients?limit=2").await, (206, "0-1/3".to_owned()));
    assert_eq!(exact("/clients?limit=2&offset=2").await, (206, "2-2/3".to_owned()));
    assert_eq!(exact("/clients?limit=2&offset=3").await, (206, "*/3".to_owned()));
    assert_eq!(exact("/clients?limit=0").await, (206, "*/3".to_owned()));
    assert_eq!(exact("/clients?id=eq.9").await, (200, "*/0".to_owned()));
    assert_eq!(exact("/clients?select=*,projects!inner(*)&limit=1").await, (206, "0-0/2".to_owned()));
    // An embed that a limit empties drops its parent from the page, not from the total.
    assert_eq!(exact("/clients?select=*,projects!inner(*)&projects.limit=0").await, (206, "*/2".to_owned()));
    let beyond =
        service.send(Caller::Service, "GET", "/clients?offset=9", &[("prefer", "count=exact")], "").await;
    assert_eq!((beyond.status, beyond.code()), (416, "PGRST103".to_owned()));
    let planned = service.send(Caller::Service, "GET", "/clients", &[("prefer", "count=planned")], "").await;
    assert!(planned.header("content-range").is_some_and(|range| !range.ends_with("/*")), "{planned:?}");
}

#[actix_web::test]
async fn no_level_is_longer_than_the_limit() {
    let service = Service::with(Config { max_rows: Some(1), ..Config::default() }).await;
    let answer = service.get("/clients?select=id,projects(id)&order=id&limit=10&projects.limit=10").await;
    assert_eq!(answer.json(), json!([{ "id": 1, "projects": [{ "id": 1 }] }]));
    let estimated =
        service.send(Caller::Service, "GET", "/clients?order=id", &[("prefer", "count=estimated")], "").await;
    assert_eq!(estimated.status, 206, "{estimated:?}");
}

#[actix_web::test]
async fn forms_of_the_answer() {
    let service = Service::start().await;
    let accepting =
        async |path, accept| service.send(Caller::Service, "GET", path, &[("accept", accept)], "").await;
    let one = "application/vnd.pgrst.object+json";
    assert_eq!(accepting("/clients?id=eq.1", one).await.json(), json!({ "id": 1, "name": "Ada" }));
    let several = accepting("/clients", one).await;
    assert_eq!((several.status, several.code()), (406, "PGRST116".to_owned()));
    assert_eq!(several.json()["details"], "The result contains 3 rows");
    assert_eq!(accepting("/clients?id=lt.3&order=id", "text/csv").await.text, "id,name\n1,Ada\n2,Bob");
    let stripped =
        accepting("/projects?id=eq.2&select=id,data", "application/vnd.pgrst.array+json;nulls=stripped")
            .await;
    assert_eq!(stripped.json(), json!([{ "id": 2 }]));
    let head = service.send(Caller::Service, "HEAD", "/clients", &[("prefer", "count=exact")], "").await;
    assert_eq!((head.status, head.text.as_str(), head.header("content-range")), (200, "", Some("0-2/3")));
}

#[actix_web::test]
async fn rows_belong_to_their_owners() {
    let service = Service::start().await;
    let notes = async |caller| service.send(caller, "GET", "/notes?select=body", &[], "").await.json();
    assert_eq!(notes(Caller::User("ada")).await, json!([{ "body": "hers" }]));
    assert_eq!(notes(Caller::User("bob")).await, json!([{ "body": "his" }]));
    assert_eq!(notes(Caller::Anonymous).await, json!([]));
    assert_eq!(notes(Caller::Service).await.as_array().map(Vec::len), Some(2));
    let secrets = async |caller| {
        let answer = service.send(caller, "GET", "/secrets", &[], "").await;
        (answer.status, answer.code())
    };
    assert_eq!(secrets(Caller::Anonymous).await, (401, "42501".to_owned()));
    assert_eq!(secrets(Caller::User("ada")).await, (403, "42501".to_owned()));
}

#[actix_web::test]
async fn nothing_in_the_url_is_sql() {
    let service = Service::start().await;
    let evil = [
        "1;drop table clients",
        "1'; drop table clients; --",
        "1\"); drop table clients; --",
        "$1",
        "{}",
        "\\",
    ];
    for text in evil {
        let text: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let quoted = format!("%22{}%22", text.replace("%22", "%5c%22").replace("%5c%5c", "%5c"));
        for path in [
            format!("/clients?name=eq.{text}"),
            format!("/clients?name=in.(%22x%22,{text})"),
            format!("/clients?name=fts({quoted}).x"),
            format!("/clients?select={quoted}"),
            format!("/clients?select=id::{text}"),
            format!("/clients?order={quoted}"),
            format!("/clients?{quoted}=eq.1"),
            format!("/clients?or=(name.eq.{quoted})"),
            format!("/projects?select=data-%3E%3E{text}"),
            format!("/clients?select=*,{quoted}(*)"),
            format!("/clients?limit={text}&offset={text}"),
            format!("/rpc/joined?words={text}"),
            format!("/rpc/{text}"),
            format!("/{text}"),
        ] {
            service.get(&path).await;
        }
        let body = format!(r#"{{"id": 90, "name": {}}}"#, json!(text));
        let columns = format!("/clients?columns={quoted}&on_conflict={quoted}");
        service
            .send(Caller::Service, "POST", &columns, &[("prefer", "resolution=merge-duplicates")], &body)
            .await;
    }
    assert_eq!(service.count("clients").await, 3);
}
