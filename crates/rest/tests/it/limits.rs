//! Limits of single roles.

use kernel::units::Span;
use rest::{Config, Limits};
use serde_json::json;

use crate::service::{Answer, Caller, Service};

const USER: Caller = Caller::User("ada");
const BATCH: [(&str, &str); 1] = [("content-type", "application/vnd.basalt.batch+json")];

/// `authenticated` is limited, nobody else is.
fn limited(limits: Limits) -> Config {
    Config { role_limits: [("authenticated".to_owned(), limits)].into(), ..Config::default() }
}

async fn get(service: &Service, caller: Caller, path: &str) -> Answer {
    service.send(caller, "GET", path, &[], "").await
}

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

#[actix_web::test]
async fn a_role_gets_no_more_rows_than_it_may() {
    let limits = |rows| Limits { max_rows: Some(rows), ..Limits::default() };
    let role_limits =
        [("authenticated", 1), ("anon", 500)].map(|(role, rows)| (role.to_owned(), limits(rows)));
    let config = Config { max_rows: Some(2), role_limits: role_limits.into(), ..Config::default() };
    let service = Service::with(config).await;
    let path = "/clients?select=id,projects(id)&order=id&limit=10&projects.order=id&projects.limit=10";
    let rows = async |caller, path| get(&service, caller, path).await.json();
    assert_eq!(rows(USER, path).await, json!([{ "id": 1, "projects": [{ "id": 1 }] }]));
    for others in [Caller::Service, Caller::Anonymous] {
        assert_eq!(rows(others, path).await.as_array().unwrap().len(), 2, "never more than for all");
    }
    assert_eq!(rows(USER, "/rpc/projects_of?client=1&select=id").await, json!([{ "id": 1 }]));
    for (prefer, total) in [("count=exact", "0-0/3"), ("count=estimated", "0-0/")] {
        let answer = service.send(USER, "GET", "/clients?order=id", &[("prefer", prefer)], "").await;
        assert_eq!(answer.status, 206);
        assert!(answer.header("content-range").is_some_and(|range| range.starts_with(total)), "{answer:?}");
    }
    // What a batch or a stream answers is an answer as well.
    let lines =
        service.send(USER, "GET", "/clients?limit=3", &[("accept", "application/x-ndjson")], "").await;
    assert_eq!(lines.text.lines().count(), 1);
    let body = r#"{"requests":[{"method":"GET","path":"/clients?limit=3"}]}"#;
    let batch = service.send(USER, "POST", "/batch", &BATCH, body).await.json();
    assert_eq!(batch["responses"][0]["body"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_role_embeds_no_deeper_than_it_may() {
    let service = Service::with(limited(Limits { max_embed_depth: Some(1), ..Limits::default() })).await;
    for shallow in
        ["/projects?select=id", "/projects?select=id,tasks(id),clients(id)", "/tasks?select=...projects(id)"]
    {
        assert_eq!(get(&service, USER, shallow).await.status, 200, "{shallow}");
    }
    for deep in [
        "/clients?select=id,projects(id,tasks(id))",
        "/tasks?select=...projects(...clients(name))",
        "/clients?select=id,projects(tasks())",
        "/clients?select=id,projects!inner(tasks!inner())",
        "/clients?select=id,a:newest_project(b:tasks(id))",
        "/rpc/projects_of?client=1&select=id,tasks(id,people(id))",
        // Nothing is looked up below the limit, so that nothing is learned there.
        "/clients?select=id,projects(nothing_there(id))",
    ] {
        assert_eq!(refusal(&get(&service, USER, deep).await), (400, "BSLT004".to_owned()), "{deep}");
        assert!(!get(&service, Caller::Service, deep).await.text.contains("BSLT"));
    }
    let prefer = [("prefer", "return=representation")];
    let (path, body) = ("/clients?select=id,projects(tasks(id))", r#"{"id":9,"name":"Zoe"}"#);
    let written = service.send(USER, "POST", path, &prefer, body).await;
    assert_eq!(refusal(&written), (400, "BSLT004".to_owned()));
    assert_eq!(service.count("clients").await, 3);
}

const TIMES: &str = "
create function time_limit() returns text language sql stable as
    $$ select current_setting('statement_timeout') $$;
create function unhurried() returns text language sql volatile set statement_timeout = '1h' as
    $$ select pg_sleep(30)::text $$;
create function hasty() returns text language sql stable set statement_timeout = '40ms' as
    $$ select current_setting('statement_timeout') $$;
create function sleep(seconds float) returns text language sql volatile as
    $$ select pg_sleep(seconds)::text $$;
create function relax() returns text language sql volatile as
    $$ select set_config('statement_timeout', '0', false) $$;
";

fn hurried(time: &str) -> Config {
    limited(Limits { statement_timeout: Some(time.parse::<Span>().unwrap()), ..Limits::default() })
}

#[actix_web::test]
async fn a_role_takes_no_longer_than_it_may() {
    let service = Service::over(hurried("150ms"), TIMES).await;
    let limit = async |caller, name| get(&service, caller, &format!("/rpc/{name}")).await.json();
    assert_eq!(limit(USER, "time_limit").await, json!("150ms"));
    assert_eq!(limit(USER, "hasty").await, json!("40ms"));
    assert_eq!(limit(Caller::Service, "time_limit").await, json!("8s"), "as every session has it");
    for slow in ["/rpc/sleep?seconds=30", "/rpc/unhurried"] {
        assert_eq!(refusal(&get(&service, USER, slow).await), (500, "57014".to_owned()), "{slow}");
    }
    // What one request sets for its session is no other request's time.
    assert_eq!(service.send(USER, "POST", "/rpc/relax", &[], "{}").await.status, 200);
    assert_eq!(limit(USER, "time_limit").await, json!("150ms"));
    assert_eq!(get(&service, Caller::Service, "/rpc/sleep?seconds=0.3").await.status, 200);
    let items = r#"{"requests":[{"method":"POST","path":"/rpc/relax","body":{}},
                                {"method":"GET","path":"/rpc/sleep?seconds=30"}]}"#;
    let batch = service.send(USER, "POST", "/batch", &BATCH, items).await;
    assert_eq!((batch.status, &batch.json()["responses"][1]["body"]["code"]), (500, &json!("57014")));
}

#[actix_web::test]
async fn a_time_limit_never_gives_more_time() {
    let session = "do $$ begin
        execute format('alter role authenticator in database %I set statement_timeout = 7000', current_database());
    end $$;";
    // The ground gives `authenticated` eight seconds of its own, and `anon` three.
    for (in_database, user, anonymous) in [(true, "8s", "2s"), (false, "7s", "2s")] {
        let limits = |time: &str| Limits { statement_timeout: time.parse().ok(), ..Limits::default() };
        let role_limits = [("authenticated", "2m"), ("service_role", "500h"), ("anon", "2s")];
        let role_limits = role_limits.map(|(role, time)| (role.to_owned(), limits(time))).into();
        let config = Config { in_database, role_limits, ..Config::default() };
        let service = Service::over(config, &format!("{TIMES}{session}")).await;
        let expected = [(USER, user), (Caller::Service, "7s"), (Caller::Anonymous, anonymous)];
        for (caller, expected) in expected {
            assert_eq!(
                get(&service, caller, "/rpc/time_limit").await.json(),
                json!(expected),
                "{in_database}"
            );
        }
    }
}

const COSTS: &str = r#"
create view crowd as select a, b from generate_series(1, 1000) a, generate_series(1, 1000) b;
grant select on crowd to anon, authenticated, service_role;
create function crowded() returns setof crowd language sql stable as 'select * from crowd';
create sequence runs;
grant usage on runs to authenticated;
create function run() returns bigint language plpgsql volatile cost 1000000 as
    $$ begin return nextval('runs'); end $$;
create function sees() returns text language plpgsql as $$ begin
    perform set_config('response.headers', '[{"X-Seen": "yes"}]', true);
    return '';
end $$;
"#;

#[actix_web::test]
async fn a_role_spends_no_more_than_it_may() {
    let config = Config {
        plan: true,
        pre_request: Some("sees".to_owned()),
        ..limited(Limits { max_plan_cost: Some(2000), ..Limits::default() })
    };
    let service = Service::over(config, COSTS).await;
    let too_dear = (400, "BSLT005".to_owned());
    let cheap = get(&service, USER, "/clients?select=id,projects(id)&order=id&limit=1").await;
    assert_eq!(cheap.json(), json!([{ "id": 1, "projects": [{ "id": 1 }, { "id": 2 }] }]));
    assert_eq!((cheap.status, cheap.header("x-seen")), (200, Some("yes")), "what runs before counts");
    let counted = service.send(USER, "GET", "/clients?limit=1", &[("prefer", "count=planned")], "").await;
    assert!(counted.header("content-range").is_some_and(|range| !range.ends_with("/*")), "{counted:?}");

    for dear in [
        "/crowd?order=a.desc,b",
        "/crowd?select=a&a=gt.5&order=b&limit=1",
        "/rpc/crowded?order=a",
        "/rpc/run",
    ] {
        assert_eq!(refusal(&get(&service, USER, dear).await), too_dear, "{dear}");
    }
    assert_eq!(get(&service, USER, "/crowd?select=a&limit=1").await.status, 200);
    assert_eq!(refusal(&service.send(USER, "POST", "/rpc/run", &[], "{}").await), too_dear);
    let ran = service.database.admin().await.query_one("select is_called from runs", &[]).await.unwrap();
    assert!(!ran.get::<_, bool>(0), "nothing ran");

    // In a stream, in a batch, and where a plan is asked for that needs a run.
    let accepting =
        async |accept| service.send(USER, "GET", "/crowd?order=a.desc,b", &[("accept", accept)], "").await;
    assert_eq!(refusal(&accepting("application/x-ndjson").await), too_dear);
    assert_eq!(refusal(&accepting("application/vnd.pgrst.plan+json; options=analyze").await), too_dear);
    let explained = accepting("application/vnd.pgrst.plan+json").await.json();
    assert!(explained[0]["Plan"]["Total Cost"].as_f64().unwrap() > 2000.0, "only explained");
    let items = r#"{"requests":[{"method":"POST","path":"/clients","body":{"id":9,"name":"Zoe"}},
                                {"method":"GET","path":"/crowd?order=a.desc,b"}]}"#;
    let batch = service.send(USER, "POST", "/batch", &BATCH, items).await;
    assert_eq!((batch.status, &batch.json()["responses"][1]["body"]["code"]), (400, &json!("BSLT005")));
    assert_eq!(service.count("clients").await, 3);

    let other = service.send(Caller::Service, "POST", "/rpc/run", &[], "{}").await;
    assert_eq!((other.status, other.json()), (200, json!(1)));
}

#[actix_web::test]
async fn under_a_cost_limit_requests_are_answered_as_without() {
    let service = Service::with(limited(Limits { max_plan_cost: Some(100_000), ..Limits::default() })).await;
    let one = [("accept", "application/vnd.pgrst.object+json")];
    let several = service.send(USER, "GET", "/clients", &one, "").await;
    assert_eq!(refusal(&several), (406, "PGRST116".to_owned()));
    let representation = [("prefer", "return=representation")];
    let body = r#"{"id":9,"name":"Zoe"}"#;
    let created = service.send(USER, "POST", "/clients", &representation, body).await;
    assert_eq!((created.status, created.json()), (201, json!([{ "id": 9, "name": "Zoe" }])));
    let again = service.send(USER, "POST", "/clients", &[], body).await;
    assert_eq!(refusal(&again), (409, "23505".to_owned()));
    let orphan = r#"{"id":9,"name":"Omega","client_id":99}"#;
    let late = service.send(USER, "POST", "/projects", &[], orphan).await;
    assert_eq!(refusal(&late), (409, "23503".to_owned()), "a deferred constraint");
    let strict = [("prefer", "handling=strict, max-affected=1")];
    let many = service.send(USER, "DELETE", "/clients?id=gt.0", &strict, "").await;
    assert_eq!(refusal(&many), (400, "PGRST124".to_owned()));
    assert_eq!((service.count("clients").await, service.count("projects").await), (4, 3));
    let denied = get(&service, USER, "/secrets").await;
    assert_eq!(refusal(&denied), (403, "42501".to_owned()));
    assert_eq!(get(&service, USER, "/notes?select=body").await.json(), json!([{ "body": "hers" }]));
}
