//! Against a real catalogue: what is loaded, what is inferred, how the cache follows changes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use db::Pool;
use kernel::{Health, Stop};
use testkit::Database;

use super::load::{Scope, begin, companion, load};
use super::*;
use crate::config::Config;

const SCHEMA: &str = include_str!("tests/schema.sql");

async fn loaded(schemas: &[&str]) -> (Database, SchemaCache) {
    let database = testkit::database(&[]).await;
    database.admin().await.batch(SCHEMA).await.unwrap();
    let cache = load(&admin(&database), &scope(schemas)).await.unwrap();
    (database, cache)
}

fn scope(schemas: &[&str]) -> Scope {
    Scope {
        schemas: schemas.iter().map(|&schema| schema.to_owned()).collect(),
        extra_search_path: vec!["public".to_owned()],
        hoisted_settings: vec!["statement_timeout".to_owned()],
    }
}

fn admin(database: &Database) -> Pool {
    Pool::new(&database.target(), db::PoolOptions::default())
}

fn api(name: &str) -> QualifiedName {
    QualifiedName::new("api", name)
}

/// Every relationship of a relation on a line of its own.
fn described(cache: &SchemaCache, origin: &str) -> Vec<String> {
    let columns = |columns: &[(Name, Name)]| {
        columns.iter().map(|(own, foreign)| format!("{own}={foreign}")).collect::<Vec<_>>().join(" ")
    };
    cache
        .relationships(&api(origin), "api")
        .map(|relationship| {
            let by = match &relationship.kind {
                RelationshipKind::OneToMany(link) => {
                    format!("many by {} {}", link.constraint, columns(&link.columns))
                }
                RelationshipKind::ManyToOne(link) => {
                    format!("one by {} {}", link.constraint, columns(&link.columns))
                }
                RelationshipKind::OneToOne { link, is_parent } => {
                    let side = if *is_parent { "child" } else { "parent" };
                    format!("its {side} by {} {}", link.constraint, columns(&link.columns))
                }
                RelationshipKind::ManyToMany(junction) => format!(
                    "many through {} {} / {}",
                    junction.table.name,
                    columns(&junction.source_columns),
                    columns(&junction.target_columns)
                ),
                RelationshipKind::Computed { function, is_to_one } => {
                    format!("{} to one: {is_to_one}", function.name)
                }
            };
            format!("{} {by}", relationship.foreign_table.name)
        })
        .collect()
}

#[tokio::test]
async fn tables_and_columns_are_as_declared() {
    let (_database, cache) = loaded(&["api"]).await;
    let films = cache.table(&api("films")).unwrap();
    assert_eq!(films.description.as_deref(), Some("What can be seen"));
    assert!(films.is_insertable && films.is_updatable && films.is_deletable && !films.is_view);
    let lines: Vec<String> = films
        .columns
        .iter()
        .map(|column| {
            let null = if column.is_nullable { "null" } else { "not null" };
            let default = column.default.as_deref().unwrap_or("-");
            format!(
                "{} {} ({}) {null} {default} {:?}",
                column.name, column.data_type, column.nominal_type, column.max_length
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "id bigint (bigint) not null nextval('api.films_id_seq') None",
            "title character varying (character varying(40)) not null 'untitled'::character varying Some(40)",
            "rating integer (api.percentage) not null 50 None",
            "mood api.mood (api.mood) null - None",
            "twice integer (integer) null - None",
            "tags text[] (text[]) null - None",
            "director_id integer (integer) null - None",
        ]
    );
    assert_eq!(films.column("mood").unwrap().enum_labels, ["glad", "sad"]);
    assert_eq!(films.column("title").unwrap().description.as_deref(), Some("On the poster"));
    assert_eq!(films.column("Title"), None);
}

#[tokio::test]
async fn columns_share_a_default_and_generated_ones_have_none() {
    let (_database, cache) = loaded(&["api"]).await;
    let stamps = cache.table(&api("stamps")).unwrap();
    let defaults: Vec<_> = stamps.columns.iter().map(|column| column.default.as_deref()).collect();
    assert_eq!(defaults, [None, Some("now()"), Some("now()"), None]);
}

#[tokio::test]
async fn both_connections_see_one_state() {
    let database = testkit::database(&[]).await;
    let pool = admin(&database);
    let mut first = begin(&pool).await.unwrap();
    let seen = "select count(*) from pg_class where relname = 'later'";
    assert_eq!(first.query_one(seen, &[]).await.unwrap().get::<_, i64>(0), 0);
    database.admin().await.batch("create table public.later (id int)").await.unwrap();
    let mut second = companion(&pool, &mut first).await.unwrap().expect("a second connection");
    assert_eq!(second.query_one(seen, &[]).await.unwrap().get::<_, i64>(0), 0);
    drop((first, second));
    let mut after = begin(&pool).await.unwrap();
    assert_eq!(after.query_one(seen, &[]).await.unwrap().get::<_, i64>(0), 1);
}

/// All there is, in a certain order.
fn everything(cache: &SchemaCache) -> String {
    let mut tables: Vec<_> = cache.tables().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let ways: Vec<_> =
        tables.iter().map(|table| cache.relationships(&table.name, "api").collect::<Vec<_>>()).collect();
    let mut routines: Vec<_> = cache.all_routines().map(|routine| format!("{routine:?}")).collect();
    routines.sort();
    format!("{tables:#?} {ways:#?} {routines:#?}")
}

#[tokio::test]
async fn one_connection_loads_what_two_do() {
    let (database, by_two) = loaded(&["api", "private"]).await;
    let scope = scope(&["api", "private"]);
    let few = |size| {
        let options = db::PoolOptions { size, wait: Duration::from_secs(5), ..db::PoolOptions::default() };
        Pool::new(&database.target(), options)
    };
    let by_one = load(&few(1), &scope).await.unwrap();
    assert_eq!(everything(&by_one), everything(&by_two));
    // The other connection is busy, and stays so.
    let pool = few(2);
    let _busy = pool.begin().await.unwrap();
    let by_the_free_one = load(&pool, &scope).await.unwrap();
    assert_eq!(everything(&by_the_free_one), everything(&by_two));
}

#[tokio::test]
async fn only_what_is_exposed_is_there() {
    let (_database, cache) = loaded(&["api"]).await;
    assert!(cache.tables().all(|table| &*table.name.schema == "api"));
    assert_eq!(cache.table(&QualifiedName::new("private", "notes")), None);
    assert_eq!(cache.table(&api("events_2024")), None, "a partition");
    assert!(cache.table(&api("events")).is_some());
    assert!(cache.routines(&QualifiedName::new("private", "secret")).is_empty());
    // The key of a private table leads nowhere, that of a view of it does.
    assert_eq!(
        described(&cache, "notes"),
        ["film_titles one by notes_film_id_fkey film=key", "films one by notes_film_id_fkey film=id"]
    );
}

#[tokio::test]
async fn views_write_what_their_tables_do() {
    let (_database, cache) = loaded(&["api"]).await;
    let simple = cache.table(&api("film_titles")).unwrap();
    assert!(simple.is_view && simple.is_insertable && simple.is_deletable);
    assert_eq!(simple.primary_key, [Name::from("key")]);
    let grouped = cache.table(&api("film_counts")).unwrap();
    assert!(grouped.is_view && !grouped.is_insertable && !grouped.is_updatable && !grouped.is_deletable);
    assert_eq!(grouped.primary_key, []);
    let composite = cache.table(&api("film_actors")).unwrap();
    assert_eq!(composite.primary_key, [Name::from("actor_id"), Name::from("film_id")]);
}

#[tokio::test]
async fn relationships_follow_keys() {
    let (_database, cache) = loaded(&["api"]).await;
    assert_eq!(
        described(&cache, "actors"),
        [
            "film_actors many by film_actors_actor_id_fkey id=actor_id",
            "film_titles many through film_actors id=actor_id / key=film_id",
            "films many through film_actors id=actor_id / id=film_id",
        ]
    );
    assert_eq!(
        described(&cache, "directors"),
        [
            "directors many by directors_mentor_fkey id=mentor",
            "directors one by directors_mentor_fkey mentor=id",
            "film_counts many by films_director_id_fkey id=director_id",
            "films many by films_director_id_fkey id=director_id",
            "homes its child by homes_director_id_fkey id=director_id",
            "films newest to one: true",
        ]
    );
    assert_eq!(described(&cache, "homes"), ["directors its parent by homes_director_id_fkey director_id=id"]);
    // A function named like a relation replaces what was found to it.
    assert_eq!(described(&cache, "events"), ["films films to one: false"]);
}

#[tokio::test]
async fn embeds_find_their_relationship() {
    let (_database, cache) = loaded(&["api"]).await;
    let found = |origin: &str, target: &str, hint: Option<&str>| {
        let found = cache.find_relationships(&api(origin), target, hint);
        found.iter().map(|relationship| relationship.is_to_one()).collect::<Vec<_>>()
    };
    assert_eq!(found("films", "directors", None), [true]);
    assert_eq!(found("films", "director_id", None), [true]);
    assert_eq!(found("films", "films_director_id_fkey", None), [true]);
    assert_eq!(found("films", "directors", Some("director_id")), [true]);
    assert_eq!(found("films", "directors", Some("nonsense")), [false; 0]);
    assert_eq!(found("directors", "directors", None), [false]);
    assert_eq!(found("directors", "mentor", None), [true]);
    assert_eq!(found("directors", "directors", Some("mentor")), [false]);
    assert_eq!(found("actors", "films", Some("film_actors")), [false]);
    assert_eq!(found("directors", "newest", None), [true]);
    assert_eq!(found("nowhere", "films", None), [false; 0]);
}

#[tokio::test]
async fn functions_are_as_declared() {
    let (_database, cache) = loaded(&["api"]).await;
    let overloads: Vec<usize> =
        cache.routines(&api("add")).iter().map(|routine| routine.params.len()).collect();
    assert_eq!(overloads, [1, 2]);
    let [add, _] = cache.routines(&api("add")) else { panic!("two overloads") };
    assert_eq!(add.volatility, Volatility::Immutable);
    assert!(add.returns_scalar() && add.params.iter().all(|param| param.is_required));

    let [out] = cache.routines(&api("between")) else { panic!("one overload") };
    let params: Vec<_> =
        out.params.iter().map(|param| (&*param.name, &*param.data_type, param.is_required)).collect();
    assert_eq!(params, [("low", "integer", true), ("high", "character", false)]);
    assert_eq!(&*out.params[1].cast_type, "character varying");
    assert!(out.returns_single_composite());
    assert_eq!(out.isolation, Some(Isolation::Serializable));
    assert_eq!(out.settings, [("statement_timeout".to_owned(), "7s".to_owned())]);

    let [all] = cache.routines(&api("all_films")) else { panic!("one overload") };
    assert!(all.returns.is_set);
    assert_eq!(all.returned_relation(), Some(&api("films")));
    let [raw] = cache.routines(&api("raw")) else { panic!("one overload") };
    assert!(raw.unnamed_param().is_some() && raw.returns_void());
    let [many] = cache.routines(&api("many")) else { panic!("one overload") };
    assert!(many.is_variadic && many.params[0].is_variadic);
    for refused in ["unnamed_two", "unnamed_integer", "on_change"] {
        assert!(cache.routines(&api(refused)).is_empty(), "{refused}");
    }
}

#[tokio::test]
async fn casts_and_handlers_are_found() {
    let (_database, cache) = loaded(&["api"]).await;
    assert_eq!(cache.representation("api.percentage", "json"), Some(&api("as_json")));
    assert_eq!(cache.representation("json", "api.percentage"), None);
    let handler = cache.media_handler(Some(&api("films")), "text/x-films").unwrap();
    assert_eq!((&handler.function, &*handler.media_type), (&api("films_text"), "text/x-films"));
    assert_eq!(cache.media_handler(Some(&api("actors")), "text/x-films"), None);
    assert_eq!(cache.media_handler(None, "text/x-films"), None);
    let scalar = cache.media_handler(Some(&api("poster")), "text/x-films").unwrap();
    assert_eq!(scalar.function, api("text/x-films"));
}

#[tokio::test]
async fn hints_stay_within_the_exposed_schema() {
    let (_database, cache) = loaded(&["api"]).await;
    assert_eq!(cache.similar_table(&api("film")).as_deref(), Some("films"));
    assert_eq!(cache.similar_table(&api("secrets")), None, "a table of a private schema");
    assert_eq!(cache.similar_table(&api("xyz")), None);
    assert_eq!(cache.similar_routine(&api("betwen"), ["a"]).as_deref(), Some("between"));
    assert_eq!(
        cache.similar_routine(&api("between"), ["lowest", "high"]).as_deref(),
        Some("between(high, low)")
    );
    assert_eq!(cache.similar_routine(&api("secret"), []), None, "a function of a private schema");
    let correction = |parent: &str, child: &str| {
        cache
            .similar_relationship(&api(parent), child)
            .map(|found| format!("{} for {}", found.right, found.wrong))
    };
    assert_eq!(correction("directors", "film").as_deref(), Some("films for film"));
    assert_eq!(correction("director", "films").as_deref(), Some("directors for director"));
    assert_eq!(correction("directors", "films"), None);
}

#[tokio::test]
async fn a_schema_that_does_not_exist_is_an_error() {
    let database = testkit::database(&[]).await;
    assert_eq!(testkit::code(load(&admin(&database), &scope(&["nowhere"])).await.map(drop)), "3F000");
    let injected = load(&admin(&database), &scope(&[r#"x"}'; drop schema public cascade; --"#])).await;
    assert_eq!(testkit::code(injected.map(drop)), "3F000");
}

/// Waits until the snapshot is as wanted.
async fn until(cache: &Cache, wanted: impl Fn(&Snapshot) -> bool) {
    let reached = async {
        while !cache.snapshot().is_some_and(|snapshot| wanted(&snapshot)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("the cache follows");
}

fn config(schemas: &[&str]) -> Config {
    Config { schemas: schemas.iter().map(|&schema| schema.to_owned()).collect(), ..Config::default() }
}

#[tokio::test]
async fn the_cache_follows_notifications() {
    let database = testkit::database(&[]).await;
    let mut session = database.admin().await;
    session.batch(SCHEMA).await.unwrap();
    let cache = Arc::new(Cache::new(
        database.pool_as("authenticator"),
        database.fleet_as("authenticator"),
        config(&["api"]),
    ));
    assert!(cache.snapshot().is_none());
    assert!(!cache.health().is_ready());

    let (stop, stopped) = Stop::pair();
    let (running, target) = (Arc::clone(&cache), database.target_as("authenticator"));
    let task = tokio::spawn(async move { running.run(&target, stopped).await });
    until(&cache, |snapshot| snapshot.schema.table(&api("films")).is_some()).await;
    assert_eq!(cache.health(), Health::Ready);
    let old = cache.snapshot().unwrap();
    // The first load and the one after listening began.
    until(&cache, |snapshot| snapshot.version >= 2).await;

    session.batch("create table api.posters (id int); notify pgrst, 'reload schema'").await.unwrap();
    until(&cache, |snapshot| snapshot.schema.table(&api("posters")).is_some()).await;
    assert!(old.schema.table(&api("posters")).is_none(), "who holds a snapshot keeps it");

    let of_database = format!("alter role authenticator in database {}", db::ident(database.name()));
    session
        .batch(&format!("{of_database} set pgrst.db_max_rows = '7'; notify pgrst, 'reload config'"))
        .await
        .unwrap();
    until(&cache, |snapshot| snapshot.config.max_rows == Some(7)).await;
    let schema = Arc::clone(&cache.snapshot().unwrap().schema);
    assert!(schema.table(&api("posters")).is_some());

    // A broken configuration leaves the old snapshot in place and says so.
    session
        .batch(&format!("{of_database} set pgrst.db_schemas = 'nowhere'; notify pgrst, 'reload config'"))
        .await
        .unwrap();
    while cache.health().is_ready() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(cache.snapshot().unwrap().schema.table(&api("posters")).is_some());
    session.batch(&format!("{of_database} set pgrst.db_schemas = 'private'; notify pgrst")).await.unwrap();
    until(&cache, |snapshot| snapshot.config.schemas == ["private"]).await;
    assert_eq!(cache.health(), Health::Ready);
    assert!(cache.snapshot().unwrap().schema.table(&api("posters")).is_none());

    stop.stop();
    task.await.unwrap();
}

#[tokio::test]
async fn settings_of_roles_are_read() {
    let database = testkit::database(&[]).await;
    let role = format!("r_{}", database.name());
    let mut session = database.admin().await;
    let create = format!(
        "create role {role}; grant {role} to authenticator; alter role {role} set statement_timeout = '3s'; \
         alter role {role} set default_transaction_isolation = 'serializable'; alter role {role} set log_statement = 'all'; \
         create schema settings; create function settings.pre() returns void language sql as \
         $$ select set_config('pgrst.db_max_rows', '5', true), set_config('pgrst.db_plan_enabled', 'true', true) $$; \
         grant usage on schema settings to authenticator; \
         alter role authenticator in database {} set pgrst.db_max_rows = '9'",
        db::ident(database.name())
    );
    session.batch(&create).await.unwrap();
    let config = Config { pre_config: Some("settings.pre".to_owned()), ..config(&["public"]) };
    let cache = Cache::new(database.pool_as("authenticator"), database.fleet_as("authenticator"), config);
    let result = cache.refresh().await;
    session.batch(&format!("drop role {role}")).await.unwrap();
    result.unwrap();

    let snapshot = cache.snapshot().unwrap();
    let settings = &snapshot.roles[&role];
    assert_eq!(settings.isolation, Some(Isolation::Serializable));
    // What the login role may not set is left out.
    assert_eq!(settings.settings, [("statement_timeout".to_owned(), "3s".to_owned())]);
    assert_eq!(snapshot.config.max_rows, Some(9), "the role's setting wins over the function's");
    assert!(snapshot.config.plan, "the function's setting wins over the file's");
}
