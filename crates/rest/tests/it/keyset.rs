//! Pages that are continued by the key of their last row.

use rest::Config;
use serde_json::{Value, json};

use crate::service::{Answer, Caller, Service};

const PREFER: [(&str, &str); 1] = [("prefer", "cursor=keyset")];

/// Every order that matters: values twice and never, nulls, keys of two columns, text with odd signs.
const MORE: &str = r#"
create table things (
    a int, b text, n int not null, id int, data jsonb, at timestamptz, primary key (id, n)
);
insert into things
    select nullif(i % 4, 0), nullif(chr(64 + i % 3) || E'\'"\\,', E'@\'"\\,'), i % 5, i,
        case when i % 6 > 0 then jsonb_build_object('k', (i * 7) % 11) end,
        timestamptz '2026-01-01 00:00:00.123456+00' + (i / 2) * interval '1 millisecond'
    from generate_series(1, 37) i;
create view all_things as select * from things;
create table keyless (id int);
insert into keyless values (1), (2), (3);
create table "odd ones" ("the key" uuid primary key default gen_random_uuid(), cursor text);
insert into "odd ones" (cursor) values ('x'), ('y'), ('z');
create function twice(clients) returns setof people rows 1 language sql stable as 'select * from people';
create table owned (id int primary key, owner text not null);
insert into owned select i, case when i % 2 = 0 then 'ada' else 'bob' end from generate_series(1, 10) i;
alter table owned enable row level security;
create policy own on owned to authenticated
    using (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
grant select on things, all_things, keyless, "odd ones", owned to anon, authenticated, service_role;
"#;

async fn service() -> Service {
    Service::over(Config { aggregates: true, ..Config::default() }, MORE).await
}

async fn get(service: &Service, caller: Caller, path: &str) -> Answer {
    service.send(caller, "GET", path, &PREFER, "").await
}

/// The query string of the next page.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    Some(link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?.to_owned())
}

/// All rows, page by page; the links are followed without any preference.
async fn pages(service: &Service, caller: Caller, relation: &str, query: &str) -> Vec<Value> {
    let mut answer = get(service, caller, &format!("/{relation}?{query}")).await;
    let mut rows = Vec::new();
    for _ in 0..50 {
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        rows.extend(answer.json().as_array().unwrap().iter().cloned());
        let Some(link) = next(&answer) else { return rows };
        answer = service.send(caller, "GET", &format!("/{relation}{link}"), &[], "").await;
    }
    panic!("{query}: pages without an end");
}

#[actix_web::test]
async fn pages_together_are_all_rows_in_order() {
    let service = service().await;
    for order in [
        "",
        "id",
        "n",
        "a",
        "a.desc",
        "a.nullsfirst",
        "a.desc.nullslast",
        "b.desc,a",
        "b,a.desc.nullslast,n.desc",
        "n.desc,a.desc,id.desc",
        "n,id.desc",
        "at.desc",
        "at,a",
        "data->k",
        "data->>k.desc",
        "data->k.desc.nullslast,b.nullsfirst",
        "n,id",
        "id.desc,n",
    ] {
        for limit in [1, 3, 7, 36, 37, 40] {
            let order = order.replace('>', "%3E");
            let sorted = if order.is_empty() { String::new() } else { format!("&order={order}") };
            let by_page =
                pages(&service, Caller::Service, "things", &format!("select=id&limit={limit}{sorted}")).await;
            // The key decides where the request does not, the way its last term runs.
            let way = if order.rsplit(',').next().is_some_and(|term| term.contains(".desc")) {
                ".desc"
            } else {
                ""
            };
            let mut certain = order.clone();
            for key in ["id", "n"] {
                let is_there = order.split(',').any(|term| term.split('.').next() == Some(key));
                if !is_there {
                    certain = format!("{certain},{key}{way}");
                }
            }
            let certain = certain.trim_start_matches(',');
            let at_once = service.get(&format!("/things?select=id&order={certain}")).await.json();
            assert_eq!(Value::from(by_page), at_once, "{order} by {limit}");
        }
    }
}

#[actix_web::test]
async fn the_rest_of_the_request_stays() {
    let service = service().await;
    let filtered = "select=id,b&a=gt.1&or=(n.eq.1,n.eq.2)&order=b.desc.nullslast&limit=2&n=not.is.null";
    let by_page = pages(&service, Caller::Service, "things", filtered).await;
    let at_once =
        service.get("/things?select=id,b&a=gt.1&or=(n.eq.1,n.eq.2)&order=b.desc.nullslast,id.desc").await;
    assert_eq!(Value::from(by_page), at_once.json());

    let embedded =
        "select=name,clients(name),tasks!inner(name)&tasks.order=id.desc&tasks.name=neq.test&limit=1";
    let by_page = pages(&service, Caller::Service, "projects", embedded).await;
    let whole = "/projects?select=name,clients(name),tasks!inner(name)&tasks.order=id.desc&tasks.name=neq.test&order=id";
    assert_eq!(Value::from(by_page), service.get(whole).await.json());

    let first = get(&service, Caller::Service, "/things?select=*&limit=1&offset=3&order=id").await;
    assert_eq!(first.header("preference-applied"), Some("cursor=keyset"));
    assert_eq!(
        first.json()[0].as_object().map(|row| row.len()),
        Some(6),
        "nothing of the key is among the columns"
    );
    let link = next(&first).unwrap();
    assert!(!link.contains("offset"), "{link}");
    let headers = [("prefer", "count=exact")];
    let second = service.send(Caller::Service, "GET", &format!("/things{link}"), &headers, "").await;
    assert_eq!((second.status, &second.json()[0]["id"]), (206, &json!(5)));
    assert_eq!(second.header("content-range"), Some("0-0/33"), "of those that are left");
    assert_eq!(second.header("preference-applied"), Some("count=exact"));

    // By the Range header as by limit; with the limit of the settings as well.
    let ranged = [PREFER[0], ("range", "0-4")];
    let answer = service.send(Caller::Service, "GET", "/things?select=id", &ranged, "").await;
    assert!(next(&answer).is_some_and(|link| link.ends_with("&limit=5")), "{answer:?}");
    let head = service.send(Caller::Service, "HEAD", "/things?limit=5", &PREFER, "").await;
    assert!(head.text.is_empty() && next(&head).is_some());
    let stripped = [PREFER[0], ("accept", "application/vnd.pgrst.array+json;nulls=stripped")];
    let answer =
        service.send(Caller::Service, "GET", "/things?limit=1&select=a,id&id=eq.4", &stripped, "").await;
    assert_eq!((answer.text.as_str(), next(&answer).is_some()), (r#"[{"id":4}]"#, true));
    let few = Service::over(Config { max_rows: Some(5), ..Config::default() }, MORE).await;
    assert_eq!(pages(&few, Caller::Service, "things", "select=id").await.len(), 37);
}

#[actix_web::test]
async fn odd_names_are_no_hindrance() {
    let service = service().await;
    let rows =
        pages(&service, Caller::Service, "odd%20ones", "select=cursor&order=%22the%20key%22&limit=1").await;
    assert_eq!(rows.len(), 3);
    // A column of that name is filtered as ever.
    let mine = get(&service, Caller::Service, "/odd%20ones?select=cursor&cursor=eq.y&limit=1").await;
    assert_eq!(mine.json(), json!([{ "cursor": "y" }]));
    let link = next(&mine).unwrap();
    assert!(link.contains("cursor=eq.y") && link.contains("cursor=keyset."), "{link}");
    assert_eq!(service.get(&format!("/odd%20ones{link}")).await.json(), json!([]));
}

#[actix_web::test]
async fn who_does_not_ask_gets_what_he_always_got() {
    let service = service().await;
    let plain = service.get("/things?limit=1&order=a").await;
    assert_eq!((plain.header("link"), plain.header("preference-applied")), (None, None));
    let strict = [("prefer", "handling=strict, cursor=keyset, what")];
    let sent = async |method, path, headers: &[(&str, &str)], body| {
        let answer = service.send(Caller::Service, method, path, headers, body).await;
        (answer.status, answer.json()["details"].as_str().map(str::to_owned))
    };
    let invalid = |names: &str| (400, Some(format!("Invalid preferences: {names}")));
    assert_eq!(sent("GET", "/things", &strict, "").await, invalid("what"));
    let strict = [("prefer", "handling=strict, cursor=keyset")];
    assert_eq!(sent("GET", "/things?limit=1", &strict, "").await.0, 200);
    // Where there is no key to go by, the preference is as unknown as it was.
    for path in [
        "/keyless",
        "/all_things",
        "/projects?select=*,clients(*)&order=clients(name)",
        "/things?select=n,count()",
        "/clients?select=*,twice(*)",
        "/rpc/projects_of?client=1",
    ] {
        assert_eq!(sent("GET", path, &strict, "").await, invalid("cursor=keyset"), "{path}");
        let lenient = get(
            &service,
            Caller::Service,
            &format!("{path}{}limit=1", if path.contains('?') { "&" } else { "?" }),
        )
        .await;
        assert_eq!(
            (lenient.status, lenient.header("link"), lenient.header("preference-applied")),
            (200, None, None)
        );
    }
    assert_eq!(sent("DELETE", "/clients?id=eq.99", &strict, "").await, invalid("cursor=keyset"));
    assert_eq!(sent("POST", "/clients", &strict, "[]").await, invalid("cursor=keyset"));
    let csv = [PREFER[0], ("accept", "text/csv")];
    let csv = service.send(Caller::Service, "GET", "/clients?order=id&limit=1", &csv, "").await;
    assert_eq!((csv.text.as_str(), csv.header("link")), ("id,name\n1,Ada", None));
    let patch = service.send(Caller::Service, "PATCH", "/things?cursor=keyset.W10", &[], "{}").await;
    assert_eq!((patch.status, patch.code().as_str()), (400, "PGRST100"));
}

fn forged(order: &str, values: &Value) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let json = json!([order, values]).to_string();
    let mut text = String::new();
    for chunk in json.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    format!("keyset.{text}")
}

#[actix_web::test]
async fn a_forged_cursor_gets_nobody_anywhere() {
    let service = service().await;
    let ada = Caller::User("ada");
    let mine = pages(&service, ada, "owned", "select=id&limit=2").await;
    assert_eq!(Value::from(mine), json!([{ "id": 2 }, { "id": 4 }, { "id": 6 }, { "id": 8 }, { "id": 10 }]));
    let read =
        async |cursor: &str| get(&service, ada, &format!("/owned?select=id&limit=9&cursor={cursor}")).await;
    let order = "id.asc.nullslast";
    // A made-up place is a place among one's own rows.
    assert_eq!(read(&forged(order, &json!(["-5"]))).await.json().as_array().map(Vec::len), Some(5));
    assert_eq!(read(&forged(order, &json!(["7"]))).await.json(), json!([{ "id": 8 }, { "id": 10 }]));
    assert_eq!(read(&forged(order, &json!([null]))).await.json(), json!([]));
    for (order, values) in [
        (order, json!([])),
        (order, json!(["1", "2"])),
        (order, json!([1])),
        (order, json!(["1\u{0}"])),
        (order, json!({ "id": "1" })),
        (order, json!(["x"])),
        (order, json!(["1) or true --"])),
        (order, json!(["1' or '1'='1"])),
        ("id.desc.nullsfirst", json!(["1"])),
        ("owner.asc.nullslast,id.asc.nullslast", json!(["a", "1"])),
        ("id) or true --", json!(["1"])),
        ("", json!([])),
    ] {
        let answer = read(&forged(order, &values)).await;
        let code = answer.code();
        assert_eq!(answer.status, 400, "{order} {values}: {answer:?}");
        assert!(["BSLT007", "22P02"].contains(&code.as_str()), "{order} {values}: {code}");
    }
    for nonsense in ["keyset.", "keyset.!", "keyset.AAAA", "keyset.W10", "keyset.bnVsbA"] {
        let answer = read(nonsense).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "BSLT007"), "{nonsense}");
    }
    // A cursor is never ignored where it cannot be used: that would be the first page again.
    let good = forged("id.asc.nullslast", &json!(["1"]));
    for path in ["/keyless", "/all_things", "/things?order=a", "/things?select=count()"] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let answer = service.get(&format!("{path}{separator}cursor={good}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "BSLT007"), "{path}");
    }
    let csv = [("accept", "text/csv")];
    let answer = service.send(Caller::Service, "GET", &format!("/clients?cursor={good}"), &csv, "").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "BSLT007"));
    let twice = service.get(&format!("/clients?cursor={good}&order=id&order=name")).await;
    assert_eq!(twice.json().as_array().map(Vec::len), Some(2));
}

#[actix_web::test]
async fn a_key_that_fits_into_no_link_is_told() {
    let long =
        "create table long (word text primary key); insert into long values (repeat('x', 9000)), ('y');
        grant select on long to service_role;";
    let service = Service::over(Config::default(), long).await;
    let answer = get(&service, Caller::Service, "/long?limit=1").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "BSLT007"));
    assert_eq!(get(&service, Caller::Service, "/long").await.status, 200);
}

#[actix_web::test]
async fn an_index_finds_where_the_page_begins() {
    let table = "create table log (id bigint generated always as identity primary key, at timestamptz not null, note text);
        insert into log (at, note) select timestamptz '2026-01-01' + (i / 3) * interval '1 second', 'n'
            from generate_series(1, 20000) i;
        create index on log (at desc, id desc);
        analyze log;
        grant select on log to service_role;";
    let service = Service::over(Config { plan: true, ..Config::default() }, table).await;
    let first = get(&service, Caller::Service, "/log?select=id&order=at.desc&limit=2").await;
    let link = next(&first).unwrap();
    let second = service.get(&format!("/log{link}")).await;
    assert_eq!(second.json(), json!([{ "id": 19_998 }, { "id": 19_997 }]));
    let explain = [("accept", "application/vnd.pgrst.plan+text")];
    let plan = service.send(Caller::Service, "GET", &format!("/log{link}"), &explain, "").await.text;
    assert!(
        plan.contains("Index Cond: (ROW(log.at, log.id) < ROW(")
            || plan.contains("Index Cond: (ROW(at, id) < ROW("),
        "{plan}"
    );
    assert!(!plan.contains("Sort"), "{plan}");
}
