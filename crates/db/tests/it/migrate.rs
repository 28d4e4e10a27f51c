//! The runner: empty databases, second runs, two at once, databases that hold the objects already, and what must be refused.

use std::time::Duration;

use db::bootstrap::Options;
use db::migrate::{MigrateError, Owner, Repeatable, Report};
use db::{Migrations, Target, migrate};
use testkit::Database;

fn base() -> Migrations {
    db::bootstrap::migrations(&Options::default())
}

fn rest(versioned: &[(&str, &str)], repeatables: &[Repeatable]) -> Migrations {
    let versioned: Vec<_> =
        versioned.iter().map(|(name, sql)| refinery::Migration::unapplied(name, sql).unwrap()).collect();
    Migrations::new(Owner::Rest, &refinery::Runner::new(&versioned), repeatables)
}

fn names(report: &Report) -> Vec<String> {
    report.applied.iter().map(ToString::to_string).collect()
}

async fn run(database: &Database, owners: &[Migrations]) -> Report {
    migrate::run(&database.target(), owners).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn an_empty_database_is_prepared_and_the_second_run_finds_nothing_to_do() {
    let database = testkit::empty().await;
    let report = run(&database, &[base()]).await;
    assert!(names(&report).contains(&"base/V0001__schemas.sql".to_owned()), "{report:?}");
    assert!(names(&report).contains(&"base/repeatable/auth_helpers.sql".to_owned()), "{report:?}");
    assert_eq!(run(&database, &[base()]).await, Report::default());
}

#[tokio::test]
async fn two_servers_may_start_together() {
    let database = testkit::empty().await;
    let target = database.target();
    let (base, other) = (base(), rest(&[("V1__t", "create table public.t (id int)")], &[]));
    let owners = [other, base];
    let runs = tokio::join!(
        migrate::run(&target, &owners),
        migrate::run(&target, &owners),
        migrate::run(&target, &owners)
    );
    let applied: Vec<usize> =
        [runs.0, runs.1, runs.2].into_iter().map(|report| report.unwrap().applied.len()).collect();
    assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "{applied:?}");
}

#[tokio::test]
async fn databases_of_one_cluster_may_be_prepared_together() {
    let (one, two) = tokio::join!(testkit::empty(), testkit::empty());
    let (targets, owners) = ([one.target(), two.target()], [base()]);
    let (first, second) =
        tokio::join!(migrate::run(&targets[0], &owners), migrate::run(&targets[1], &owners));
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn owners_are_applied_in_their_order() {
    let database = testkit::empty().await;
    let report = run(&database, &[rest(&[("V1__t", "create table public.t (id int)")], &[]), base()]).await;
    assert_eq!(names(&report).last().unwrap(), "rest/V0001__t.sql");
}

#[tokio::test]
async fn a_repeatable_file_is_run_again_only_when_it_changes() {
    let database = testkit::database(&[]).await;
    let with = |sql: &'static str| [rest(&[], &[("one", "select 1"), ("two", sql)])];
    assert_eq!(run(&database, &with("select 2")).await.applied.len(), 2);
    assert_eq!(run(&database, &with("select 2")).await.applied.len(), 0);
    assert_eq!(names(&run(&database, &with("select 3")).await), ["rest/repeatable/two.sql"]);
}

#[tokio::test]
async fn a_setting_reaches_the_file_that_reads_it() {
    let database = testkit::database(&[]).await;
    const SQL: &str = "select set_config('basalt.seen', 'x', false);
        create or replace function public.seen() returns text language sql as 'select ''none''';
        do $$ begin execute format('create or replace function public.seen() returns text language sql as %L',
          format('select %L', current_setting('basalt.colour'))); end $$";
    let with =
        |colour: &str| [rest(&[], &[("colour", SQL), ("other", "select 1")]).with_setting("colour", colour)];
    run(&database, &with("red")).await;
    assert_eq!(names(&run(&database, &with("it's blue")).await), ["rest/repeatable/colour.sql"]);
    let row = database.admin().await.query_one("select public.seen()", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "it's blue");
}

#[tokio::test]
async fn a_copy_of_a_database_gets_what_copies_lack() {
    let original = testkit::empty().await;
    run(&original, &[base()]).await;
    let copy = testkit::empty().await;
    copy.restore(&original.dump());
    let report = names(&run(&copy, &[base()]).await);
    assert!(report.contains(&"base/repeatable/database.sql".to_owned()), "{report:?}");
    assert!(!report.contains(&"base/V0001__schemas.sql".to_owned()), "{report:?}");
    let owner = "select pg_get_userbyid(datdba) from pg_database where datname = current_database()";
    assert_eq!(copy.admin().await.query_one(owner, &[]).await.unwrap().get::<_, &str>(0), "postgres");
}

#[tokio::test]
async fn a_failing_file_is_named_and_leaves_nothing() {
    let database = testkit::database(&[]).await;
    let files = [
        ("V1__good", "create table public.a (id int)"),
        ("V2__bad", "create table public.b (id int); select 1/0"),
    ];
    let error = migrate::run(&database.target(), &[rest(&files, &[])]).await.unwrap_err();
    assert_eq!(error.to_string(), "migration rest/V0002__bad.sql failed: 22012: division by zero");
    let tables = "select to_regclass('public.a') is not null, to_regclass('public.b') is not null";
    let row = database.admin().await.query_one(tables, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (true, false));

    // Mended, it goes on where it stopped; the lock of the failed run is gone.
    let files =
        [("V1__good", "create table public.a (id int)"), ("V2__bad", "create table public.b (id int)")];
    let report =
        tokio::time::timeout(Duration::from_secs(10), run(&database, &[rest(&files, &[])])).await.unwrap();
    assert_eq!(names(&report), ["rest/V0002__bad.sql"]);
}

#[tokio::test]
async fn history_that_does_not_fit_is_refused() {
    let database = testkit::database(&[]).await;
    run(&database, &[rest(&[("V1__t", "select 1"), ("V2__u", "select 2")], &[])]).await;
    let changed = [rest(&[("V1__t", "select 1"), ("V2__u", "select 3")], &[])];
    let error = migrate::run(&database.target(), &changed).await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::Changed(file) if file.to_string() == "rest/V0002__u.sql"),
        "{error}"
    );
    let older = [rest(&[("V1__t", "select 1")], &[])];
    let error = migrate::run(&database.target(), &older).await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::Newer(file) if file.to_string() == "rest/V0002__u.sql"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_may_change_its_role() {
    let database = testkit::database(&[]).await;
    let sql = "set local role supabase_auth_admin; create table auth.made (id int)";
    run(&database, &[rest(&[("V1__t", sql)], &[("r", "select 1 / (current_user = 'supabase_admin')::int")])])
        .await;
    let owner = "select tableowner::text from pg_tables where tablename = 'made'";
    assert_eq!(
        database.admin().await.query_one(owner, &[]).await.unwrap().get::<_, &str>(0),
        "supabase_auth_admin"
    );
}

#[tokio::test]
async fn an_extension_replaces_an_owner() {
    let database = testkit::database(&[]).await;
    database.admin().await.batch("create extension citext schema extensions").await.unwrap();
    let owner = rest(&[("V1__t", "create table public.t (id int)")], &[]).unless_extension("citext");
    assert_eq!(run(&database, &[owner]).await, Report::default());
}

#[tokio::test]
async fn who_is_no_superuser_is_told_so() {
    let database = testkit::database(&[]).await;
    let other = rest(&[("V1__t", "select 1")], &[]);
    let target: Target = database.target_as("postgres");
    let error = migrate::run(&target, &[other]).await.unwrap_err();
    assert!(matches!(error, MigrateError::Privileges(_)));
    assert!(error.to_string().starts_with("the database role postgres is not a superuser"), "{error}");
    // Once a superuser has done it, nobody needs to be one.
    assert_eq!(migrate::run(&target, &[base()]).await.unwrap(), Report::default());
}

#[tokio::test]
async fn any_superuser_will_do_and_the_administrator_owns_the_outcome() {
    let database = testkit::empty().await;
    let role = format!("super_{}", database.name());
    database.admin().await.batch(&format!("create role {role} superuser login")).await.unwrap();
    migrate::run(&database.target_as(&role), &[base()]).await.unwrap();
    // Fails if the role owns anything.
    let mut admin = database.admin().await;
    admin.batch(&format!("drop role {role}")).await.unwrap();
    let owners = "select string_agg(distinct nspowner::regrole::text, ',') from pg_namespace
        where nspname in ('auth', 'storage', 'realtime', 'vault', 'extensions', 'graphql_public', 'basalt')";
    assert_eq!(admin.query_one(owners, &[]).await.unwrap().get::<_, &str>(0), "supabase_admin");
}

#[tokio::test]
async fn a_trap_of_the_developer_is_not_sprung() {
    let database = testkit::database(&[]).await;
    // Found before the operator of Postgres, if `public` were searched: the types fit better.
    database
        .session_as("postgres")
        .await
        .batch(
            "create function public.trap(bigint, text) returns text language plpgsql as
               'begin raise exception ''sprung by %'', current_user; end';
             create operator public.|| (leftarg = bigint, rightarg = text, function = public.trap)",
        )
        .await
        .unwrap();
    run(&database, &[base()]).await;
    run(&database, &[rest(&[("V1__t", "select 1")], &[("r", "select 1")])]).await;
}

#[tokio::test]
async fn a_trigger_on_an_owners_table_gets_the_owners_rights_only() {
    let database = testkit::database(&[]).await;
    let mut owner = database.session_as("supabase_auth_admin").await;
    owner
        .batch(
            "create table auth.t (id int);
             create function auth.trap() returns trigger language plpgsql as
               'begin execute ''set local role supabase_admin''; return new; end';
             create trigger trap before insert on auth.t for each row execute function auth.trap()",
        )
        .await
        .unwrap();
    let files = rest(&[("V1__rows", "insert into auth.t values (1)")], &[]);
    let by_owner = files.run_by(database.target_as("supabase_auth_admin"));
    let error = migrate::run(&database.target(), &[by_owner]).await.unwrap_err();
    assert!(error.to_string().contains("permission denied to set role"), "{error}");
    owner.batch("drop trigger trap on auth.t").await.unwrap();
    let files = rest(&[("V1__rows", "insert into auth.t values (1)")], &[]);
    let by_owner = files.run_by(database.target_as("supabase_auth_admin"));
    assert_eq!(run(&database, std::slice::from_ref(&by_owner)).await.applied.len(), 1);
    assert_eq!(run(&database, &[by_owner]).await.applied.len(), 0);
}

#[tokio::test]
async fn what_another_installation_made_is_taken_over() {
    let database = testkit::empty().await;
    database
        .admin()
        .await
        .batch(
            "create schema auth; create schema extensions; create schema storage;
             create extension pgcrypto with schema extensions;
             create publication supabase_realtime;
             create function auth.uid() returns uuid language sql stable as 'select null::uuid';
             create table public.notes (id int, owner uuid);
             alter table public.notes enable row level security;
             create policy own on public.notes using (owner = auth.uid());
             create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql as 'begin end';
             create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch()",
        )
        .await
        .unwrap();
    run(&database, &[base()]).await;
    let uid = "select set_config('request.jwt.claim.sub', '00000000-0000-4000-8000-000000000001', false), auth.uid()::text";
    let mut admin = database.admin().await;
    admin.query(uid, &[]).await.unwrap();
    let row =
        admin.query_one("select auth.uid()::text, count(*) from pg_policies group by 1", &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("00000000-0000-4000-8000-000000000001", 1_i64));
}

#[test]
fn no_repeatable_file_was_forgotten() {
    testkit::repeatables_are_complete(&base());
}
