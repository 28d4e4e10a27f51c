//! The text of representative requests, and that no value ever gets into it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;

use db::Text;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::plan::plan;
use crate::plan::tests::{parsed, request};
use crate::plan::world::{cache, config};
use crate::request::{Position, Range};

fn statements(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
    config: &Config,
) -> Statements {
    let cache = cache();
    let request = request(method, target, headers, body, config);
    let limits = config.limits("");
    let plan = plan(&request, &cache, config, limits).unwrap();
    statement(&request, &plan, limits).unwrap()
}

/// The text, broken into lines at its clauses, and the values.
fn shown(statement: &Statement) -> String {
    let mut text = statement.text.clone();
    for clause in [
        " FROM ",
        " WHERE ",
        " LEFT JOIN ",
        " INNER JOIN ",
        " GROUP BY ",
        " ORDER BY ",
        " LIMIT ",
        " RETURNING ",
    ] {
        text = text.replace(clause, &format!("\n{}", &clause[1..]));
    }
    let values: Vec<_> = statement.params.iter().map(value).collect();
    format!("{text}\n{values:?}")
}

fn value(param: &Text) -> String {
    match param {
        Text::Null => "null".to_owned(),
        Text::Value(text) => text.clone(),
        Text::Body(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn get(target: &str) -> String {
    shown(&statements("GET", target, &[], "", &Config { max_rows: None, ..config() }).main)
}

fn send(method: &str, target: &str, prefer: &str, body: &str) -> String {
    shown(&statements(method, target, &[("prefer", prefer)], body, &config()).main)
}

#[test]
fn a_filtered_and_sorted_page() {
    assert_snapshot!(get("/clients?select=id,title:name::text&id=gte.2&name=not.ilike.*x*&or=(id.eq.1,name.in.(a,\"b,c\"))&order=name.desc.nullslast&limit=5&offset=10"), @r#"
    SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."clients"."id", CAST("test"."clients"."name" AS text) AS "title"
    FROM "test"."clients"
    WHERE "test"."clients"."id" >= $1 AND NOT "test"."clients"."name" ILIKE $2 AND ("test"."clients"."id" = $3 OR "test"."clients"."name" = ANY($4))
    ORDER BY "test"."clients"."name" DESC NULLS LAST
    LIMIT 5 OFFSET $5) basalt_rows
    ["2", "%x%", "1", "{\"a\",\"b,c\"}", "10"]
    "#);
}

#[test]
fn embeds_of_each_kind() {
    assert_snapshot!(get("/projects?select=name,clients(name),tasks!inner(id,users(name))&tasks.id=gt.3&clients=not.is.null"), @r#"
    SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."projects"."name", row_to_json("projects_clients_1".*) AS "clients", coalesce("projects_tasks_1"."projects_tasks_1", '[]') AS "tasks"
    FROM "test"."projects"
    LEFT JOIN LATERAL (SELECT "clients_1"."name"
    FROM "test"."clients" AS "clients_1"
    WHERE "clients_1"."id" = "test"."projects"."client_id") AS "projects_clients_1" ON TRUE
    INNER JOIN LATERAL (SELECT json_agg("projects_tasks_1") AS "projects_tasks_1"
    FROM (SELECT "tasks_1"."id", coalesce("tasks_users_2"."tasks_users_2", '[]') AS "users"
    FROM "test"."tasks" AS "tasks_1"
    LEFT JOIN LATERAL (SELECT json_agg("tasks_users_2") AS "tasks_users_2"
    FROM (SELECT "test"."users"."name"
    FROM "test"."users", "test"."users_tasks"
    WHERE "test"."users_tasks"."user_id" = "test"."users"."id" AND "test"."users_tasks"."task_id" = "tasks_1"."id") AS "tasks_users_2") AS "tasks_users_2" ON TRUE
    WHERE "tasks_1"."id" > $1 AND "tasks_1"."project_id" = "test"."projects"."id") AS "projects_tasks_1") AS "projects_tasks_1" ON "projects_tasks_1"."projects_tasks_1" IS NOT NULL
    WHERE "projects_clients_1" IS DISTINCT
    FROM NULL) basalt_rows
    ["3"]
    "#);
}

#[test]
fn a_computed_relationship() {
    assert_snapshot!(get("/clients?select=id,newest(name)"), @r#"
    SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."clients"."id", row_to_json("clients_newest_1".*) AS "newest"
    FROM "test"."clients"
    LEFT JOIN LATERAL (SELECT "projects_1"."name"
    FROM "test"."newest"("clients"::"test"."clients") AS "projects_1") AS "clients_newest_1" ON TRUE) basalt_rows
    []
    "#);
}

#[test]
fn spreads_and_aggregates() {
    let config = Config { aggregates: true, max_rows: None, ..config() };
    let target = "/tasks?select=...projects(client_id,...clients(name)),count()";
    assert_snapshot!(shown(&statements("GET", target, &[], "", &config).main), @r#"
    SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT count(*), "tasks_projects_1"."client_id", "tasks_projects_1"."name"
    FROM "test"."tasks"
    LEFT JOIN LATERAL (SELECT "projects_1"."client_id", "projects_clients_2"."name"
    FROM "test"."projects" AS "projects_1"
    LEFT JOIN LATERAL (SELECT "clients_2"."name"
    FROM "test"."clients" AS "clients_2"
    WHERE "clients_2"."id" = "projects_1"."client_id") AS "projects_clients_2" ON TRUE
    WHERE "projects_1"."id" = "test"."tasks"."project_id") AS "tasks_projects_1" ON TRUE
    GROUP BY 2, 3) basalt_rows
    []
    "#);
    let target = "/clients?select=name,...projects(ids:id,name)&projects.order=name.desc";
    assert_snapshot!(shown(&statements("GET", target, &[], "", &config).main), @r#"
    SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."clients"."name", "clients_projects_1"."ids", "clients_projects_1"."name"
    FROM "test"."clients"
    LEFT JOIN LATERAL (SELECT nullif(count(*), 0) AS "clients_projects_1", coalesce(json_agg("clients_projects_1"."ids"
    ORDER BY "clients_projects_1"."clients_projects_1_name_1" DESC), '[]') AS "ids", coalesce(json_agg("clients_projects_1"."name"
    ORDER BY "clients_projects_1"."clients_projects_1_name_1" DESC), '[]') AS "name"
    FROM (SELECT "projects_1"."id" AS "ids", "projects_1"."name", "projects_1"."name" AS "clients_projects_1_name_1"
    FROM "test"."projects" AS "projects_1"
    WHERE "projects_1"."client_id" = "test"."clients"."id") AS "clients_projects_1") AS "clients_projects_1" ON TRUE) basalt_rows
    []
    "#);
}

#[test]
fn json_paths_and_representations() {
    assert_snapshot!(get("/projects?select=data->a->>0&data->b->>c=eq.x&order=client_id->x"), @r#"
    SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."projects"."data"->$1->>$2::int AS "a"
    FROM "test"."projects"
    WHERE "test"."projects"."data"->$3->>$4 = $5
    ORDER BY to_jsonb("test"."projects"."client_id")->$6) basalt_rows
    ["a", "0", "b", "c", "x", "x"]
    "#);
    assert_snapshot!(get("/tasks?due=eq.2020-01-01&due=in.(a,b)&search=fts(english).cat&name=plfts.dog"), @r#"
    SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."tasks"."id", "test"."tasks"."name", "test"."tasks"."project_id", "test"."tasks"."search", "app"."day_to_json"("test"."tasks"."due") AS "due"
    FROM "test"."tasks"
    WHERE "test"."tasks"."due" = "app"."text_to_day"($1) AND "test"."tasks"."due" = ANY((SELECT "app"."text_to_day"(unnest($2::text[])))) AND "test"."tasks"."search" @@ to_tsquery($3, $4) AND to_tsvector("test"."tasks"."name") @@ plainto_tsquery($5)) basalt_rows
    ["2020-01-01", "{\"a\",\"b\"}", "english", "cat", "dog"]
    "#);
}

#[test]
fn counts() {
    let exact = statements("GET", "/clients?limit=10&offset=20", &[("prefer", "count=exact")], "", &config());
    assert_snapshot!(shown(&exact.main), @r#"
    SELECT CASE WHEN count(*) >= $1::bigint AND count(*) <= $2::bigint THEN count(*) + $3::bigint ELSE (SELECT count(*)
    FROM (SELECT 1
    FROM "test"."clients") basalt_count) END, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."clients".*
    FROM "test"."clients"
    LIMIT 10 OFFSET $4) basalt_rows
    ["1", "9", "20", "20"]
    "#);
    let estimated = statements("GET", "/clients?id=gt.1", &[("prefer", "count=estimated")], "", &config());
    assert_snapshot!(shown(&estimated.main), @r#"
    SELECT CASE WHEN count(*) >= $1::bigint AND count(*) <= $2::bigint THEN count(*) + $3::bigint ELSE (SELECT count(*)
    FROM (SELECT 1
    FROM "test"."clients"
    WHERE "test"."clients"."id" > $4
    LIMIT 1001) basalt_count) END, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."clients".*
    FROM "test"."clients"
    WHERE "test"."clients"."id" > $5
    LIMIT 1000) basalt_rows
    ["0", "999", "0", "1", "1"]
    "#);
    assert_snapshot!(shown(&estimated.count.unwrap()), @r#"
    EXPLAIN (FORMAT JSON) SELECT 1
    FROM "test"."clients"
    WHERE "test"."clients"."id" > $1
    ["1"]
    "#);
    let unlimited = Config { max_rows: None, ..config() };
    let all = statements("GET", "/clients", &[("prefer", "count=exact")], "", &unlimited);
    assert_snapshot!(shown(&all.main), @r#"
    SELECT count(*), count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "test"."clients".*
    FROM "test"."clients") basalt_rows
    []
    "#);
}

#[test]
fn inserts() {
    assert_snapshot!(send("POST", "/clients", "", r#"{"id":1,"name":"x"}"#), @r#"
    WITH basalt_source AS (INSERT INTO "test"."clients" ("id", "name") SELECT basalt_body."id", basalt_body."name"
    FROM (SELECT $1::json AS val) basalt_payload, LATERAL (SELECT "id", "name"
    FROM json_to_record(basalt_payload.val) AS _("id" integer, "name" text)) basalt_body
    RETURNING 1) SELECT null::bigint, count(*), null::text[], ''::text, nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), ''), null::int
    FROM (SELECT *
    FROM basalt_source) basalt_rows
    ["{\"id\":1,\"name\":\"x\"}"]
    "#);
    assert_snapshot!(send("POST", "/clients?columns=name&select=id", "return=representation,missing=default", r#"[{"name":"x"}]"#), @r#"
    WITH basalt_source AS (INSERT INTO "test"."clients" ("name") SELECT basalt_body."name"
    FROM (SELECT $1::jsonb AS val) basalt_payload, LATERAL (SELECT jsonb_agg(jsonb_build_object() || element) AS val
    FROM jsonb_array_elements(basalt_payload.val) element) basalt_filled, LATERAL (SELECT "name"
    FROM jsonb_to_recordset(basalt_filled.val) AS _("name" text)) basalt_body
    RETURNING "test"."clients"."id") SELECT null::bigint, count(*), null::text[], coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), ''), null::int
    FROM (SELECT "clients"."id"
    FROM "basalt_source" AS "clients") basalt_rows
    ["[{\"name\":\"x\"}]"]
    "#);
    assert_snapshot!(send("POST", "/tasks", "return=headers-only,resolution=merge-duplicates", r#"[{"id":1,"due":"today"}]"#), @r#"
    WITH basalt_source AS (INSERT INTO "test"."tasks" ("due", "id") SELECT basalt_body."due", basalt_body."id"
    FROM (SELECT $1::json AS val) basalt_payload, LATERAL (SELECT "app"."json_to_day"("due") AS "due", "id"
    FROM json_to_recordset(basalt_payload.val) AS _("due" json, "id" integer)) basalt_body
    WHERE set_config('basalt.inserted', (coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0) + 1)::text, true) <> '' ON CONFLICT ("id") DO UPDATE SET "due" = EXCLUDED."due", "id" = EXCLUDED."id"
    WHERE set_config('basalt.inserted', (coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0) - 1)::text, true) <> ''
    RETURNING "test"."tasks"."due", "test"."tasks"."id", "test"."tasks"."name", "test"."tasks"."project_id", "test"."tasks"."search") SELECT null::bigint, count(*), CASE WHEN count(*) = 1 THEN (SELECT array_agg(field.key || '=' || coalesce('eq.' || field.value, 'is.null'))
    FROM basalt_source _ CROSS JOIN json_each_text(row_to_json(_)) field
    WHERE field.key = ANY($2)) END, ''::text, nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), ''), coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0)
    FROM (SELECT *
    FROM basalt_source) basalt_rows
    ["[{\"id\":1,\"due\":\"today\"}]", "{\"id\"}"]
    "#);
    assert_snapshot!(send("PUT", "/clients?id=eq.1", "", r#"{"id":1,"name":"x"}"#), @r#"
    WITH basalt_source AS (INSERT INTO "test"."clients" ("id", "name") SELECT basalt_body."id", basalt_body."name"
    FROM (SELECT $1::json AS val) basalt_payload, LATERAL (SELECT "id", "name"
    FROM json_to_record(basalt_payload.val) AS _("id" integer, "name" text)) basalt_body
    WHERE set_config('basalt.inserted', (coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0) + 1)::text, true) <> '' AND "basalt_body"."id" = $2 ON CONFLICT ("id") DO UPDATE SET "id" = EXCLUDED."id", "name" = EXCLUDED."name"
    WHERE set_config('basalt.inserted', (coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0) - 1)::text, true) <> ''
    RETURNING 1) SELECT null::bigint, count(*), null::text[], ''::text, nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), ''), coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0)
    FROM (SELECT *
    FROM basalt_source) basalt_rows
    ["{\"id\":1,\"name\":\"x\"}", "1"]
    "#);
}

#[test]
fn updates_and_deletes() {
    assert_snapshot!(send("PATCH", "/clients?id=eq.1", "return=representation", r#"{"name":"x"}"#), @r#"
    WITH basalt_source AS (UPDATE "test"."clients" SET "name" = basalt_body."name"
    FROM (SELECT $1::json AS val) basalt_payload, LATERAL (SELECT "name"
    FROM json_to_record(basalt_payload.val) AS _("name" text)) basalt_body
    WHERE "test"."clients"."id" = $2
    RETURNING "test"."clients".*) SELECT null::bigint, count(*), null::text[], coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), ''), null::int
    FROM (SELECT "clients".*
    FROM "basalt_source" AS "clients") basalt_rows
    ["{\"name\":\"x\"}", "1"]
    "#);
    assert_snapshot!(send("PATCH", "/clients?id=eq.1", "return=representation", "{}"), @r#"
    WITH basalt_source AS (SELECT "test"."clients".*
    FROM "test"."clients"
    WHERE false) SELECT null::bigint, count(*), null::text[], coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), ''), null::int
    FROM (SELECT "clients".*
    FROM "basalt_source" AS "clients") basalt_rows
    []
    "#);
    assert_snapshot!(send("DELETE", "/clients?id=in.(1,2)&select=id,projects(id)&projects.id=gt.5", "return=representation", ""), @r#"
    WITH basalt_source AS (DELETE
    FROM "test"."clients"
    WHERE "test"."clients"."id" = ANY($1)
    RETURNING "test"."clients"."id") SELECT null::bigint, count(*), null::text[], coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), ''), null::int
    FROM (SELECT "clients"."id", coalesce("clients_projects_1"."clients_projects_1", '[]') AS "projects"
    FROM "basalt_source" AS "clients"
    LEFT JOIN LATERAL (SELECT json_agg("clients_projects_1") AS "clients_projects_1"
    FROM (SELECT "projects_1"."id"
    FROM "test"."projects" AS "projects_1"
    WHERE "projects_1"."id" > $2 AND "projects_1"."client_id" = "clients"."id") AS "clients_projects_1") AS "clients_projects_1" ON TRUE) basalt_rows
    ["{\"1\",\"2\"}", "5"]
    "#);
}

#[test]
fn calls() {
    assert_snapshot!(get("/rpc/add?a=1&b=2"), @r#"
    WITH basalt_source AS (SELECT basalt_call.pgrst_scalar
    FROM (SELECT "test"."add"("a" := $1::integer, "b" := $2::integer) pgrst_scalar) basalt_call) SELECT null::bigint, 1::bigint, coalesce((json_agg(basalt_rows.pgrst_scalar)->0), 'null'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "add".*
    FROM "basalt_source" AS "add") basalt_rows
    ["1", "2"]
    "#);
    assert_snapshot!(get("/rpc/all_of?v=1&v=2"), @r#"
    WITH basalt_source AS (SELECT basalt_call.pgrst_scalar
    FROM (SELECT "test"."all_of"(VARIADIC "v" := $1::text[]) pgrst_scalar) basalt_call) SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows.pgrst_scalar)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "all_of".*
    FROM "basalt_source" AS "all_of") basalt_rows
    ["{\"1\",\"2\"}"]
    "#);
    assert_snapshot!(send("POST", "/rpc/projects_of?select=id,clients(name)&name=eq.x&order=data", "", r#"{"client":1}"#), @r#"
    WITH basalt_source AS (SELECT basalt_call."client_id", basalt_call."data", basalt_call."id", basalt_call."name"
    FROM (SELECT $1::json AS val) basalt_payload, LATERAL (SELECT "client"
    FROM json_to_record(basalt_payload.val) AS _("client" integer)
    LIMIT 1) basalt_body, LATERAL "test"."projects_of"("client" := basalt_body."client") basalt_call) SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "projects"."id", row_to_json("projects_clients_1".*) AS "clients"
    FROM "basalt_source" AS "projects"
    LEFT JOIN LATERAL (SELECT "clients_1"."name"
    FROM "test"."clients" AS "clients_1"
    WHERE "clients_1"."id" = "projects"."client_id") AS "projects_clients_1" ON TRUE
    WHERE "projects"."name" = $2
    ORDER BY "projects"."data"
    LIMIT 1000) basalt_rows
    ["{\"client\":1}", "x"]
    "#);
    let take =
        statements("POST", "/rpc/take", &[("content-type", "application/octet-stream")], "\u{1}z", &config());
    assert_snapshot!(shown(&take.main), @r#"
    WITH basalt_source AS (SELECT basalt_call.pgrst_scalar
    FROM (SELECT "test"."take"($1::bytea) pgrst_scalar) basalt_call) SELECT null::bigint, 1::bigint, coalesce((json_agg(basalt_rows.pgrst_scalar)->0), 'null'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')
    FROM (SELECT "take".*
    FROM "basalt_source" AS "take"
    LIMIT 1000) basalt_rows
    ["\\x017a"]
    "#);
}

#[test]
fn forms_of_the_body() {
    let body = |target: &str, accept: &str| {
        let config = Config { max_rows: None, ..config() };
        let text = statements("GET", target, &[("accept", accept)], "", &config).main.text;
        text.replace('\n', " ")
    };
    assert_snapshot!(body("/log", "application/vnd.pgrst.object+json"), @r#"SELECT null::bigint, count(*), coalesce((json_agg(basalt_rows)->0), 'null'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '') FROM (SELECT "test"."log".* FROM "test"."log") basalt_rows"#);
    assert_snapshot!(body("/log", "application/vnd.pgrst.array+json;nulls=stripped"), @r#"SELECT null::bigint, count(*), coalesce(json_strip_nulls(json_agg(basalt_rows)), '[]'), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '') FROM (SELECT "test"."log".* FROM "test"."log") basalt_rows"#);
    assert_snapshot!(body("/log", "text/csv"), @r#"WITH basalt_page AS (SELECT "test"."log".* FROM "test"."log") SELECT null::bigint, count(*), (SELECT coalesce(string_agg(key, ','), '') FROM (SELECT json_object_keys(row_to_json(first)) AS key FROM (SELECT * FROM basalt_page LIMIT 1) first) keys) || E'\n' || coalesce(string_agg(substring(basalt_rows::text, 2, length(basalt_rows::text) - 2), E'\n'), ''), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '') FROM (SELECT * FROM basalt_page) basalt_rows"#);
    assert_snapshot!(body("/clients", "text/calendar"), @r#"SELECT null::bigint, count(*), "test"."clients_calendar"(basalt_rows::"test"."clients"), nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '') FROM (SELECT "test"."clients".* FROM "test"."clients") basalt_rows"#);
}

#[test]
fn head_builds_no_body() {
    let head = statements("HEAD", "/clients", &[], "", &config()).main.text;
    assert!(head.contains("''::text"), "{head}");
    assert!(!head.contains("json_agg"), "{head}");
}

#[test]
fn minimal_writes_read_nothing_back() {
    for (method, target) in
        [("POST", "/clients"), ("PATCH", "/clients?id=eq.1"), ("DELETE", "/clients?id=eq.1")]
    {
        let text =
            statements(method, target, &[("prefer", "return=minimal")], r#"{"id":1}"#, &config()).main.text;
        assert!(text.contains(" RETURNING 1)"), "{text}");
    }
}

#[test]
fn names_cannot_leave_their_quotes() {
    let evil = "x\"; drop table clients; --";
    let escaped: String = evil.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let quoted = format!("%22{}%22", escaped.replace("%22", "%5c%22"));
    for target in [
        format!("/clients?select=id,{quoted}"),
        format!("/clients?{quoted}=eq.1"),
        format!("/clients?order={quoted}"),
        format!("/clients?select={quoted}:id"),
        format!("/clients?select={quoted}:projects({quoted}:id)"),
        format!("/projects?select=*,{quoted}:clients(*)&order={quoted}(id)"),
    ] {
        let text = statements("GET", &target, &[], "", &config()).main.text;
        assert!(text.contains("x\"\"; drop table"), "{text}");
        assert!(!text.contains("x\"; drop"), "{text}");
    }
}

/// Parts of requests that are put together at random; the rest is chance.
const TARGETS: [&str; 16] = [
    "select=id,name::text,data->a->>-1",
    "select=*,projects(id,...tasks(name,users(*)))",
    "select=...clients(*),x:name,count()",
    "select=\"a\"\"b--'$1;\":id,\"it's\"",
    "name=eq.'; drop table clients; --",
    "id=in.(1,\"$1\",'x')",
    "name=not.like(any).{a*,$$}",
    "name=fts(english).a",
    "or=(id.gt.1,and(name.is.null,not.and(id.lt.$2,name.neq.\"x)\")))",
    "data->>\"k'ey\"=isdistinct.x",
    "order=name.desc.nullslast,id",
    "order=clients(name),data->>'a",
    "limit=3&offset=2",
    "projects.order=id&projects.limit=1&projects.name=eq.x",
    "a=1&b='2",
    "v=1&v='",
];

/// What the client wants back.
const ACCEPTED: [&str; 7] = [
    "application/json",
    "text/csv",
    "application/x-ndjson",
    "application/geo+json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.plan+json;options=analyze",
    "text/calendar",
];

/// What the client prefers.
const PREFERRED: [&str; 5] = [
    "count=exact",
    "count=estimated, cursor=keyset",
    "cursor=keyset",
    "return=representation, missing=default",
    "return=headers-only, resolution=merge-duplicates",
];

/// The statements of a request in every form: as one document, as plain rows, as lines; none if it is
/// refused.
fn in_every_form(request: &ApiRequest, config: &Config) -> Option<Vec<Statement>> {
    let (cache, limits) = (cache(), config.limits(""));
    let plan = plan(request, &cache, config, limits).ok()?;
    let (main, count) = statement(request, &plan, limits).map(|all| (all.main, all.count)).unzip();
    let all =
        [main, count.flatten(), lines(&plan), plain(request, &plan, true), plain(request, &plan, false)];
    Some(all.into_iter().flatten().collect())
}

/// A cursor with these values, for the rows of `/clients` and `/projects` by name.
fn cursor(values: [Option<&str>; 2]) -> String {
    let position = Position {
        order: "name.asc.nullslast,id.asc.nullslast".to_owned(),
        values: values.map(|value| value.map(str::to_owned)).to_vec(),
    };
    let first = request("GET", "/clients?order=name", &[("prefer", "cursor=keyset")], "", &config());
    let link = first.keyset.unwrap().next(&position, Range::ALL).unwrap();
    link.split("&cursor=").nth(1).unwrap().split('>').next().unwrap().to_owned()
}

#[test]
fn the_proof_finds_what_is_not_ours() {
    let check = |text: &str, values: usize| {
        let statement = Statement { text: text.to_owned(), params: vec![Text::Null; values] };
        proof::check(&statement, &HashSet::new()).is_ok()
    };
    assert!(check(r#"SELECT "a""b" FROM "x'" WHERE "c" = $1 AND "d" = $2 LIMIT 3"#, 2));
    for (text, values) in [
        ("SELECT 'value'", 0),
        ("SELECT \"a", 0),
        ("SELECT 'a", 0),
        ("SELECT evil", 0),
        ("SELECT 1; SELECT 1", 0),
        ("SELECT 1 -- 1", 0),
        ("SELECT $$x$$", 0),
        ("SELECT $1", 0),
        ("SELECT $1, $1", 1),
        ("SELECT $1", 2),
        ("SELECT $2, $1", 3),
    ] {
        assert!(!check(text, values), "{text}");
    }
}

/// A value that cannot occur in a statement's own text.
fn values() -> impl Strategy<Value = String> {
    "[^\\x00]{0,20}".prop_map(|text| format!("§{text}§"))
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

proptest! {
    /// Whatever is put together, its statements are ours, and those of any other values.
    #[test]
    fn statements_are_ours_in_every_form(
        path in prop::sample::select(vec!["clients", "projects", "tasks", "log", "rpc/add", "rpc/all_of", "rpc/projects_of"]),
        method in prop::sample::select(vec!["GET", "POST", "PATCH", "DELETE"]),
        parts in prop::collection::vec(prop::sample::select(&TARGETS[..]), 0..5),
        accept in prop::sample::select(&ACCEPTED[..]),
        prefer in prop::sample::select(&PREFERRED[..]),
        aggregates: bool,
    ) {
        let config = Config { aggregates, ..config() };
        let query: Vec<_> = parts.iter().map(|part| escape(part).replace("%3d", "=").replace("%26", "&")).collect();
        let target = format!("/{path}?{}", query.join("&"));
        let headers = [("accept", accept), ("prefer", prefer)];
        let Ok(parsed) = parsed(method, &target, &headers, r#"{"name":"'x'"}"#, &config) else { return Ok(()) };
        let Some(statements) = in_every_form(&parsed, &config) else { return Ok(()) };
        let casts = proof::casts(&parsed);
        for statement in &statements {
            prop_assert_eq!(proof::check(statement, &casts), Ok(()));
        }
        let other = in_every_form(&proof::with_other_values(&parsed), &config).unwrap();
        let texts = |all: Vec<Statement>| all.into_iter().map(|statement| statement.text).collect::<Vec<_>>();
        prop_assert_eq!(texts(statements), texts(other));
    }

    /// Neither does what a cursor holds get into the text, nor what a plain page or lines filter by.
    #[test]
    fn values_of_cursors_pages_and_lines_never_get_into_the_text(value in values(), second in prop::option::of("[^\\x00]{0,20}")) {
        let forms = |target: &str, accept: &str| {
            let request = request("GET", target, &[("accept", accept)], "", &config());
            in_every_form(&request, &config()).unwrap().into_iter().map(|all| all.text).collect::<Vec<_>>()
        };
        let paged = |values| forms(&format!("/clients?order=name&cursor={}", cursor(values)), "application/json");
        let other = paged([Some("x"), second.as_deref().map(|_| "y")]);
        prop_assert_eq!(paged([Some(&value), second.as_deref()]), other);
        for accept in ["application/json", "application/x-ndjson"] {
            let one = forms(&format!("/clients?name=eq.{}", escape(&value)), accept);
            prop_assert!(one.len() >= 2 && one.iter().all(|text| !text.contains('§')));
        }
    }

    /// Whatever the value, the text is that of any other value.
    #[test]
    fn values_never_get_into_the_text(value in values(), operator in "eq|neq|gt|like|ilike|match|cs|ov|fts|plfts|isdistinct") {
        let target = |value: &str| format!("/clients?name={operator}.{}&limit=3", escape(value));
        let one = statements("GET", &target(&value), &[("prefer", "count=exact")], "", &config()).main;
        let other = statements("GET", &target("other"), &[("prefer", "count=exact")], "", &config()).main;
        prop_assert!(!one.text.contains('§'));
        prop_assert_eq!(one.text, other.text);
    }

    #[test]
    fn elements_never_get_into_the_text(elements in prop::collection::vec("[^\\x00\"\\\\]{0,9}", 1..5)) {
        let list: Vec<_> = elements.iter().map(|element| format!("%22{}%22", escape(element))).collect();
        let one = statements("GET", &format!("/clients?name=in.({})", list.join(",")), &[], "", &config()).main;
        let other = statements("GET", "/clients?name=in.(x)", &[], "", &config()).main;
        prop_assert_eq!(one.text, other.text);
    }

    #[test]
    fn logic_values_and_json_keys_never_get_into_the_text(value in "[^\\x00\"\\\\]{0,20}", key in "[a-z§ ]{1,9}") {
        let target = format!("/projects?select=data->{}&or=(name.eq.%22{}%22,id.is.null)", escape(&format!("§{key}")), escape(&format!("§{value}")));
        let text = statements("GET", &target, &[], "", &config()).main.text;
        // The key is the name of the answer's column, an identifier; the value is nowhere.
        prop_assert!(text.matches('§').count() <= key.matches('§').count() + 1);
    }

    #[test]
    fn bodies_never_get_into_the_text(value in values()) {
        let body = serde_json::json!({ "name": value }).to_string();
        for (method, target) in [("POST", "/clients"), ("PATCH", "/clients?id=eq.1"), ("POST", "/rpc/projects_of?columns=client")] {
            let main = statements(method, target, &[], &body, &config()).main;
            prop_assert!(!main.text.contains('§'));
        }
        let text = statements("GET", &format!("/rpc/all_of?v={}", escape(&value)), &[], "", &config()).main.text;
        prop_assert!(!text.contains('§'));
    }
}
