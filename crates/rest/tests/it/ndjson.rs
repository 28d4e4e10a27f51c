//! Rows as lines of JSON, sent as they are read.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::Service as _;
use actix_web::{App, HttpMessage, HttpServer, web};
use bytes::Bytes;
use kernel::Credential;
use rest::Config;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::{Answer, Caller, Service};

const NDJSON: &str = "application/x-ndjson";
const ACCEPT: [(&str, &str); 1] = [("accept", NDJSON)];

const MORE: &str = r#"
create table many (id int primary key, word text);
insert into many select n, repeat('x', n % 50) from generate_series(1, 20000) n;
create view fragile as select id, 1 / (id - 5000) as inverse from many;
create table raw (id int primary key, text json);
insert into raw values (1, E'{\n "a": [1,\r\n2] }'), (2, '"line\nbreak"');
create view greedy as select n, pg_try_advisory_xact_lock(n) from generate_series(1, 4000) n;
create function numbers(most int) returns setof int language sql stable as 'select generate_series(1, most)';
create function pressed(most int) returns setof counters language plpgsql volatile as $$
begin
    return query update counters set value = value + 1 returning *;
    return query select n, n, 'more' from generate_series(1, most) n;
end $$;
create function sleepy() returns setof int language plpgsql stable as $$
begin
    return query select 1;
    perform pg_sleep(60);
end $$;
grant select on many, fragile, raw, greedy to anon, authenticated, service_role;
"#;

async fn service() -> Service {
    Service::over(Config { max_rows: None, ..Config::default() }, MORE).await
}

async fn read(service: &Service, caller: Caller, path: &str) -> Answer {
    service.send(caller, "GET", path, &ACCEPT, "").await
}

async fn open(service: &Service, path: &str) -> BoxBody {
    let answer = service.open(Caller::Service, "GET", path, &ACCEPT, "").await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.into_body()
}

async fn piece(body: &mut BoxBody) -> Option<Result<Bytes, String>> {
    let piece = poll_fn(|task| Pin::new(&mut *body).poll_next(task)).await;
    piece.map(|piece| piece.map_err(|error| error.to_string()))
}

fn count_lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// Waits until nothing of the data API is under way on the server.
async fn until_idle(service: &Service) {
    let busy = "select count(*) from pg_stat_activity
        where datname = current_database() and usename = 'authenticator' and state <> 'idle'";
    for _ in 0..500 {
        let row = service.database.admin().await.query_one(busy, &[]).await.unwrap();
        if row.get::<_, i64>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a transaction is still open");
}

#[actix_web::test]
async fn lines_are_the_rows_of_the_array() {
    let service = service().await;
    for path in [
        "/clients",
        "/clients?select=name&id=gt.1&order=name.desc",
        "/clients?select=id&order=id&limit=1&offset=1",
        "/projects?select=name,clients(name),tasks(name,people(name))&order=id&tasks.order=id.desc",
        "/projects?select=name,...clients(client:name)&clients=not.is.null&order=id",
        "/clients?select=shout,id::text&or=(id.eq.1,name.eq.Bob)&order=id",
        "/raw?order=id",
        "/clients?id=eq.99",
        "/rpc/projects_of?client=1&select=id,tasks(id)&order=id.desc",
        "/rpc/numbers?most=3",
        "/many?order=id.desc",
    ] {
        let lines = read(&service, Caller::Service, path).await;
        assert_eq!((lines.status, lines.header("content-type")), (200, Some(NDJSON)), "{path}");
        assert_eq!(lines.header("content-range"), Some("*/*"));
        assert!(lines.text.is_empty() || lines.text.ends_with('\n'));
        let rows: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(Value::from(rows), service.get(path).await.json(), "{path}");
        assert!(!lines.text.contains('\r'));
    }
    let range = [("accept", NDJSON), ("range", "1-2"), ("prefer", "count=exact, timezone=Asia/Tokyo")];
    let part = service.send(Caller::Service, "GET", "/clients?select=id&order=id", &range, "").await;
    assert_eq!((part.status, part.text.as_str()), (200, "{\"id\":2}\n{\"id\":3}\n"));
    assert_eq!(part.header("preference-applied"), Some("timezone=Asia/Tokyo"), "nothing is counted");
    let head = service.send(Caller::Service, "HEAD", "/clients", &ACCEPT, "").await;
    assert_eq!((head.status, head.text.as_str(), head.header("content-type")), (200, "", Some(NDJSON)));
}

#[actix_web::test]
async fn a_stream_is_a_read_like_any_other() {
    let limited = Config { max_rows: Some(2), pre_request: Some("teapot".to_owned()), ..Config::default() };
    let service = Service::with(limited).await;
    let answer = read(&service, Caller::User("ada"), "/clients?limit=3").await;
    assert_eq!((answer.text.lines().count(), answer.status), (2, 418), "limits, and what SQL says");
    assert_eq!(answer.header("x-brew"), Some("earl grey"));

    let service = self::service().await;
    let notes = async |caller| read(&service, caller, "/notes?select=body").await.text;
    assert_eq!(notes(Caller::User("ada")).await, "{\"body\":\"hers\"}\n");
    assert_eq!(notes(Caller::Anonymous).await, "");
    for (path, status, code) in [
        ("/secrets", 401, "42501"),
        ("/nothing", 404, "PGRST205"),
        ("/clients?nothing=eq.1", 400, "42703"),
        ("/clients?id=eq.x", 400, "22P02"),
        ("/fragile?id=eq.5000", 400, "22012"),
        ("/clients?select=id,many(id)", 400, "PGRST200"),
    ] {
        let answer = read(&service, Caller::Anonymous, path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    }
    // Errors leave no transaction behind.
    until_idle(&service).await;
}

#[actix_web::test]
async fn where_no_rows_are_read_the_type_is_as_unknown_as_ever() {
    let service = service().await;
    let representation = [("accept", NDJSON), ("prefer", "return=representation")];
    for (method, path, body) in [
        ("POST", "/clients", r#"{"id":9,"name":"Zoe"}"#),
        ("PATCH", "/clients?id=eq.1", r#"{"name":"Zoe"}"#),
        ("DELETE", "/counters", ""),
        ("GET", "/rpc/add?a=1", ""),
        ("GET", "/rpc/whoami", ""),
        ("GET", "/", ""),
    ] {
        let answer = service.send(Caller::Service, method, path, &representation, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (406, "PGRST107"), "{method} {path}");
        assert_eq!(answer.json()["message"], format!("None of these media types are available: {NDJSON}"));
    }
    let spelled = [("accept", "Application/x-ndjson")];
    let answer = service.send(Caller::Service, "GET", "/clients", &spelled, "").await;
    assert_eq!((answer.status, answer.code().as_str()), (406, "PGRST107"), "ours is spelled one way");
    let either = [("accept", "application/x-ndjson;q=0.5, application/json")];
    let answer = service.send(Caller::Service, "GET", "/clients?id=eq.1", &either, "").await;
    assert_eq!(answer.json(), json!([{ "id": 1, "name": "Ada" }]));
    assert_eq!(service.count("clients").await, 3);
}

#[actix_web::test]
async fn a_handler_of_the_database_comes_first() {
    let handler = r#"
        create domain "application/x-ndjson" as text;
        create function own(state text, item clients) returns text language sql as
            $$ select coalesce(state, '') || item.name || ';' $$;
        create function finish(state text) returns "application/x-ndjson" language sql as
            $$ select state::"application/x-ndjson" $$;
        create aggregate own_lines(clients) (sfunc = own, stype = text, finalfunc = finish);"#;
    let service = Service::over(Config::default(), handler).await;
    let answer = read(&service, Caller::Service, "/clients?order=id").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "Ada;Bob;Cy;"));
    let ours = read(&service, Caller::Service, "/people?select=name&id=eq.1").await;
    assert_eq!(ours.text, "{\"name\":\"Pia\"}\n");
}

#[actix_web::test]
async fn in_a_batch_lines_are_a_text() {
    let service = service().await;
    let path = "/projects?select=id,tasks(id)&order=id&limit=2&tasks.order=id";
    let body = json!({ "requests": [{ "method": "GET", "path": path, "headers": { "Accept": NDJSON } }] });
    let headers = [("content-type", "application/vnd.basalt.batch+json")];
    let answer = service.send(Caller::Service, "POST", "/batch", &headers, &body.to_string()).await;
    let text = answer.json()["responses"][0]["body"].as_str().unwrap().to_owned();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        rows,
        [json!({ "id": 1, "tasks": [{ "id": 1 }, { "id": 2 }] }), json!({ "id": 2, "tasks": [] })]
    );
}

#[actix_web::test]
async fn a_failure_on_the_way_breaks_the_body_off() {
    let service = service().await;
    let mut body = open(&service, "/fragile?order=id").await;
    let mut lines = 0;
    let failure = loop {
        match piece(&mut body).await {
            Some(Ok(bytes)) => lines += count_lines(&bytes),
            Some(Err(error)) => break error,
            None => panic!("a whole body of {lines} lines"),
        }
    };
    assert!((1..5000).contains(&lines), "{lines}");
    assert_eq!(failure, "the rows broke off", "and no more is told");
    until_idle(&service).await;
}

#[actix_web::test]
async fn rows_wait_for_their_reader() {
    let service = service().await;
    let mut body = open(&service, "/greedy").await;
    let first = count_lines(&piece(&mut body).await.unwrap().unwrap());
    let locks = "select count(*) from pg_locks where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())";
    let mut taken = -1;
    loop {
        let now: i64 = service.database.admin().await.query_one(locks, &[]).await.unwrap().get(0);
        if now == taken {
            break;
        }
        taken = now;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((8..1000).contains(&taken), "{taken} of 4000 rows were read for a client that took a few");
    assert_eq!(first + count_lines(&to_bytes(body).await.unwrap()), 4000);
}

#[actix_web::test]
async fn who_goes_away_leaves_nothing_behind() {
    let service = service().await;
    let mut body = open(&service, "/many").await;
    assert!(piece(&mut body).await.is_some());
    drop(body);
    until_idle(&service).await;
    for _ in 0..20 {
        drop(open(&service, "/many").await);
        until_idle(&service).await;
    }
    // While the database is at work.
    let work = service.open(Caller::Service, "GET", "/rpc/sleepy", &ACCEPT, "");
    assert!(tokio::time::timeout(Duration::from_millis(300), work).await.is_err(), "it sleeps");
    until_idle(&service).await;
    assert_eq!(read(&service, Caller::Service, "/many").await.text.lines().count(), 20_000);
}

#[actix_web::test]
async fn streams_leave_connections_to_others() {
    let service = service().await;
    let mut open_ones = Vec::new();
    let refused = loop {
        let answer = service.open(Caller::Service, "GET", "/many", &ACCEPT, "").await;
        match answer.status().as_u16() {
            200 => open_ones.push(answer.into_body()),
            _ => break answer,
        }
    };
    assert_eq!((open_ones.len(), refused.status().as_u16()), (5, 503));
    assert!(refused.headers().contains_key("retry-after"));
    let text = to_bytes(refused.into_body()).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&text).unwrap()["code"], "BSLT006");
    assert_eq!(service.get("/clients?select=id&limit=1&order=id").await.json(), json!([{ "id": 1 }]));
    // A place is free as soon as somebody has all rows, or has gone.
    assert_eq!(count_lines(&to_bytes(open_ones.pop().unwrap()).await.unwrap()), 20_000);
    assert_eq!(read(&service, Caller::Service, "/clients").await.status, 200);
    drop(open_ones);
    until_idle(&service).await;
}

#[actix_web::test]
async fn what_a_function_did_is_kept_only_with_its_last_row() {
    let service = service().await;
    let value = async || {
        let row = service.database.admin().await.query_one("select value from counters", &[]).await.unwrap();
        row.get::<_, i32>(0)
    };
    let press = async |most: u32| {
        let body = json!({ "most": most }).to_string();
        service.open(Caller::Service, "POST", "/rpc/pressed", &ACCEPT, &body).await.into_body()
    };
    let mut body = press(5000).await;
    assert!(piece(&mut body).await.is_some());
    drop(body);
    until_idle(&service).await;
    assert_eq!(value().await, 0);
    for _ in 0..2 {
        assert_eq!(count_lines(&to_bytes(press(100).await).await.unwrap()), 101);
    }
    assert_eq!(value().await, 2);
}

/// Over a socket, as a client sees it.
#[actix_web::test]
async fn a_whole_answer_has_an_end_and_a_broken_one_has_none() {
    let service = service().await;
    let rest = service.rest();
    let server = HttpServer::new(move || {
        let rest = rest.clone();
        let scope = web::scope("/rest/v1").configure(move |cfg| rest.routes(cfg));
        App::new().service(scope).wrap_fn(|request, next| {
            let caller = Credential::Verified(Arc::new(Caller::Service.identity()));
            request.extensions_mut().insert(caller);
            next.call(request)
        })
    });
    let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.disable_signals().run();
    let handle = server.handle();
    let running = tokio::spawn(server);

    let ask = async |path: &str| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /rest/v1{path} HTTP/1.1\r\nhost: x\r\naccept: {NDJSON}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    };
    let mut whole = ask("/many?order=id").await;
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n0\r\n\r\n") {
        assert!(whole.read_buf(&mut text).await.unwrap() > 0, "an end before the end");
    }
    assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let mut text = Vec::new();
    // The connection ends, by a reset or not; the last chunk never comes.
    let _ = ask("/fragile?order=id").await.read_to_end(&mut text).await;
    assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n") && !text.ends_with(b"0\r\n\r\n"));

    let mut gone = ask("/many").await;
    let mut first = [0; 512];
    assert!(gone.read(&mut first).await.unwrap() > 0);
    drop(gone);
    until_idle(&service).await;
    handle.stop(false).await;
    running.await.unwrap().unwrap();
}
