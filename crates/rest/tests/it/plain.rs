//! Pages whose JSON is written here are what the database would have written, byte for byte.

use rest::Config;

use crate::service::{Caller, Service};

const SCHEMA: &str = r#"
create type mood as enum ('glad', 'so "so"');
create domain mark as int check (value > 0);
create domain label as text;
create type pair as (a int, b text);
create table things (
    id bigint primary key, small smallint, whole int, flag boolean, word text, short varchar(20),
    fixed char(5), num numeric(12, 4), big numeric, single real, double double precision,
    at timestamptz, moment timestamp, day date, hour time, span interval, raw bytea,
    key uuid, doc json, bin jsonb, list int[], words text[], feel mood, mark mark, label label,
    two pair, place inet, within int4range, "Odd ""name"" €" text
);
insert into things (id) values (1);
insert into things values (
    9223372036854775807, -32768, -2147483648, true, E'quo"te \\ slash / tab\t nl\n cr\r bs\b ff\f \u0001\u001f\u007f ü € 𝄞 </script>',
    'short', 'ab', -1.5, 'NaN', 'Infinity', 1e300, '2024-02-29 12:34:56.789+02', '2024-02-29 12:34:56.7', '0044-03-15 BC',
    '23:59:59.5', '1 year 2 days 03:04:05.6', '\x00ff', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
    E'{"a" :  1,\n "b": [1,2]}', '{"b": [1, 2], "a": "ü\"\\"}', '{1,NULL,3}', '{"a b","c\"d",NULL}', 'so "so"', 7, 'l',
    row(1, 'x'), '10.0.0.1/8', '[1,5)', 'odd'
);
insert into things (id, small, word, bin, doc, flag, double, num) values (-3, 32767, '', 'null', 'null', false, 0.1, 100);
create table lists (
    id int primary key, a int[], b text[], c uuid[], d timestamptz[], e numeric(9, 3)[], f jsonb[], g boolean[], h char(3)[], i varchar[]
);
insert into lists (id) values (1);
insert into lists values (2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (3, '{1,NULL,-3}', '{"a \"b\"",NULL,"",null}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{2024-01-01,NULL}', '{1,2.5}',
     array['{"a": [1]}', null, 'null']::jsonb[], '{t,f,NULL}', '{a,bcd}', '{x}'),
    (4, '{{1,2},{3,4}}', '[5:6]={a,b}', null, null, null, null, null, null, null);
create table parts (id int primary key, thing bigint references things, name text);
insert into parts values (1, 1, 'a'), (2, 1, 'b'), (3, -3, null);
create function shout(things) returns text language sql stable as 'select upper($1.word)';
create view thing_view as select id, word, at, list from things;
grant select on things, parts, thing_view, lists to service_role, anon;
"#;

/// The answer to a request and to the same request with a count, whose body the database builds.
async fn both(service: &Service, path: &str) -> (String, String) {
    let plain = service.get(path).await;
    let headers = [("prefer", "count=planned")];
    let built = service.send(Caller::Service, "GET", path, &headers, "").await;
    assert_eq!((plain.status, built.status / 100), (200, 2), "{path}: {plain:?} {built:?}");
    (plain.text, built.text)
}

#[actix_web::test]
async fn the_text_is_that_of_the_database() {
    let service = Service::over(Config { plan: true, aggregates: true, ..Config::default() }, SCHEMA).await;
    for path in [
        "/things",
        "/things?order=id",
        "/things?id=eq.77",
        "/things?select=id,word,bin,doc,key&order=id.desc",
        "/things?select=a:id,b:word,c:at::text,d:num::int8,e:double::text",
        "/things?select=bin-%3Eb,bin-%3Eb-%3E%3E1,x:bin-%3Ea,words-%3E0,two-%3E%3Eb",
        "/things?select=id,shout,word",
        "/things?select=id,id",
        "/things?select=id,x:id,id:word",
        "/things?select=%22Odd%20%5C%22name%5C%22%20%E2%82%AC%22",
        "/things?select=*,parts(*)&order=id",
        "/things?select=id,parts!inner(name)&parts.name=eq.a",
        "/things?select=id,all:parts(id,name)&all.order=id.desc&all.limit=1",
        "/parts?select=id,things(*)&order=id",
        "/parts?select=id,...things(word,num,at)&order=id",
        "/things?select=id,...parts(name,id)&order=id",
        "/things?select=id,parts()&order=id",
        "/things?select=flag,count()&order=flag",
        "/things?select=sum:num.sum(),whole.max()",
        "/things?limit=0",
        "/things?limit=1&offset=1&order=id",
        "/lists?order=id",
        "/lists?id=lt.4&order=id",
        "/parts",
        "/parts?select=*,things(id)&order=id",
        "/parts?select=*,name&order=id",
        "/parts?select=*,more:name&order=id",
        "/thing_view?order=id",
        "/parts?select=id,name&name=not.is.null&order=id",
    ] {
        let (plain, built) = both(&service, path).await;
        assert_eq!(plain, built, "{path}");
    }
}

#[actix_web::test]
async fn a_column_that_has_become_another_is_written_as_what_it_is() {
    // The cache is not told.
    let service = Service::over(Config::default(), SCHEMA).await;
    for change in [
        "alter table parts alter name type jsonb using to_jsonb(name)",
        "alter table parts alter name type int using 5",
        "alter table parts alter name type numeric using 1.50",
        "alter table parts alter name type timestamptz using '2024-01-01Z'",
        "alter table parts alter name type mood using 'glad'",
        "alter table parts alter name type bytea using '\\x00'",
        "alter table parts add more text default 'x'",
    ] {
        for path in ["/parts?select=id,name&order=id", "/parts?order=id"] {
            let (plain, built) = both(&service, path).await;
            assert_eq!(plain, built, "before: {change}");
        }
        service.database.admin().await.batch(change).await.unwrap();
        for path in ["/parts?select=id,name&order=id", "/parts?order=id"] {
            let (plain, built) = both(&service, path).await;
            assert_eq!(plain, built, "{change}");
        }
    }
}

#[actix_web::test]
async fn sql_may_change_the_answer_of_a_plain_page() {
    let service = Service::over(
        Config::default(),
        r#"
        create function marked(n int) returns boolean language plpgsql stable as $$ begin
          perform set_config('response.headers', '[{"x-mark": "seen"}]', true), set_config('response.status', '299', true);
          return true; end $$;
        create view marks as select id, name from clients where marked(id);
        grant select on marks to anon"#,
    )
    .await;
    let answer = service.send(Caller::Anonymous, "GET", "/marks?order=id", &[], "").await;
    assert_eq!((answer.status, answer.header("x-mark")), (299, Some("seen")));
    assert_eq!(answer.header("content-range"), Some("0-2/*"));
}

#[actix_web::test]
async fn times_are_in_the_zone_of_the_request() {
    let service = Service::over(Config::default(), SCHEMA).await;
    let headers = [("prefer", "timezone=Asia/Tokyo")];
    let answer = service.send(Caller::Service, "GET", "/things?select=at&at=not.is.null", &headers, "").await;
    assert_eq!(answer.text, r#"[{"at":"2024-02-29T19:34:56.789+09:00"}]"#);
}

#[actix_web::test]
async fn a_database_in_another_zone_keeps_its_times() {
    let service = Service::over(Config::default(), SCHEMA).await;
    let name = service.database.name().to_owned();
    let zone = format!(r#"alter database "{name}" set timezone = 'America/St_Johns'"#);
    service.database.admin().await.batch(&zone).await.unwrap();
    for _ in 0..2 {
        let (plain, built) = both(&service, "/things?select=at,moment,day&order=id").await;
        assert_eq!(plain, built);
        assert!(plain.contains("2024-02-29T07:04:56.789-03:30"), "{plain}");
    }
}

#[actix_web::test]
async fn times_and_numbers_of_every_size() {
    let values = r#"
        create table sizes (id int primary key, num numeric, at timestamptz, moment timestamp, day date);
        insert into sizes
          select n, (case n % 3 when 0 then -1 else 1 end) * power(10::numeric, n - 40) * (n * 7919 % 10007),
                 timestamptz '0001-01-01' + n * interval '51 years 37 days 13 hours 0.123457 s',
                 timestamp '0001-01-01' + n * interval '17 years 11 days 0.5 s', date '0001-01-01' + n * 18263
          from generate_series(0, 150) n;
        insert into sizes select 1000 + n, round(n::numeric / 7, n % 20), null, null, null from generate_series(0, 100) n;
        grant select on sizes to service_role"#;
    let service = Service::over(Config::default(), values).await;
    let (plain, built) = both(&service, "/sizes?order=id").await;
    assert_eq!(plain, built);
    // What only Postgres writes.
    let more = "insert into sizes values (-1, 'NaN', 'infinity', '-infinity', '5874897-12-31'), (-2, '-Infinity', '4713-01-01 BC', '294276-12-31', null)";
    service.database.admin().await.batch(more).await.unwrap();
    let (plain, built) = both(&service, "/sizes?order=id&limit=5").await;
    assert_eq!(plain, built);
}
