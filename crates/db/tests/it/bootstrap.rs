//! The ground: what each role may and may not do on it.

use std::time::Duration;

use db::bootstrap::{self, Options};
use db::{Event, Listener, Session};
use kernel::Secret;
use testkit::{Database, code};

/// Tables as the services will make them, so that their rights can be tried.
async fn with_service_tables() -> Database {
    let database = testkit::database(&[]).await;
    database
        .admin()
        .await
        .batch(
            "set role supabase_auth_admin;
             create table auth.users (id uuid primary key default gen_random_uuid(), email text);
             alter table auth.users enable row level security;
             set role supabase_storage_admin;
             create table storage.objects (id uuid primary key default gen_random_uuid(), name text);
             alter table storage.objects enable row level security;
             set role supabase_realtime_admin;
             create table realtime.messages (id uuid primary key default gen_random_uuid(), topic text);
             alter table realtime.messages enable row level security",
        )
        .await
        .unwrap();
    database
}

async fn text(session: &mut Session, sql: &str) -> String {
    session.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}")).get(0)
}

async fn yes(session: &mut Session, sql: &str) -> bool {
    session.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}")).get(0)
}

#[tokio::test]
async fn the_developer_can_do_what_migrations_of_applications_do() {
    let database = with_service_tables().await;
    let mut postgres = database.pool_as("postgres").session().await.unwrap();
    for sql in [
        "create table public.notes (id int primary key, owner uuid references auth.users (id) on delete cascade)",
        "create function public.made() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger made after insert on auth.users for each row execute function public.made()",
        "create policy own on auth.users for select using (id = (select auth.uid()))",
        "create policy own on storage.objects for select using (true)",
        "create policy own on realtime.messages for select using (true)",
        "alter publication supabase_realtime add table public.notes",
        "alter table auth.users disable row level security",
        "create extension hstore with schema extensions",
        "create extension citext",
        // Roles belong to all databases of the server, those of other tests among them.
        "begin; alter role authenticator set pgrst.db_schemas to 'public, api'; rollback",
        "begin; alter role authenticated set statement_timeout to '30s'; rollback",
        "set session_replication_role to replica",
        "set session_replication_role to origin",
        "create schema api",
        "insert into auth.users (email) values ('a@example.com')",
        "create view public.accounts as select id, email from auth.users",
        "select extensions.gen_random_bytes(4), extensions.uuid_generate_v4(), gen_random_bytes(4)",
        "select count(*) from extensions.pg_stat_statements",
        "do $$ begin execute format('alter database %I set \"app.settings.supabase_url\" to ''x''', current_database()); end $$",
    ] {
        postgres.batch(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

#[tokio::test]
async fn the_developer_is_no_superuser() {
    let database = with_service_tables().await;
    let mut postgres = database.pool_as("postgres").session().await.unwrap();
    for sql in [
        "set role supabase_admin",
        "create extension pg_buffercache",
        "create event trigger e on ddl_command_end execute function extensions.pgrst_ddl_watch()",
        "select pg_read_file('/etc/hostname')",
        "copy (select 1) to program 'true'",
        "alter role postgres superuser",
        "drop schema auth cascade",
        "delete from basalt.owners",
        "grant pg_execute_server_program to postgres",
        "grant pg_read_server_files to postgres",
        "grant pg_write_server_files to postgres",
        "grant pg_write_all_data to postgres",
        "create role thief in role pg_execute_server_program",
        "set log_statement to 'all'",
    ] {
        assert_eq!(code(postgres.batch(sql).await), "42501", "{sql}");
    }
}

#[tokio::test]
async fn a_custom_role_can_be_made_reachable() {
    let database = testkit::database(&[]).await;
    let mut postgres = database.pool_as("postgres").session().await.unwrap();
    let role = format!("role_of_{}", database.name());
    postgres.batch(&format!("create role {role}; grant {role} to authenticator")).await.unwrap();
    let reached =
        database.caller(&role, "{}").await.query_one("select current_user::text", &[]).await.unwrap();
    assert_eq!(reached.get::<_, &str>(0), role);
    postgres.batch(&format!("drop role {role}")).await.unwrap();
}

#[tokio::test]
async fn the_request_pool_cannot_become_an_owner() {
    let database = testkit::database(&[]).await;
    let mut session = database.pool_as("authenticator").session().await.unwrap();
    for role in [
        "postgres",
        "supabase_admin",
        "supabase_auth_admin",
        "supabase_storage_admin",
        "supabase_realtime_admin",
        "supabase_functions_admin",
        "dashboard_user",
        "pg_read_all_data",
    ] {
        assert_eq!(code(session.batch(&format!("set role {role}")).await), "42501", "{role}");
        let authorization = format!("set session authorization {role}");
        assert_eq!(code(session.batch(&authorization).await), "42501", "{role}");
    }
    for role in ["anon", "authenticated", "service_role"] {
        session.batch(&format!("set role {role}")).await.unwrap();
        assert_eq!(code(session.batch("set role supabase_auth_admin").await), "42501");
    }
    session.batch("reset role").await.unwrap();
    assert_eq!(code(session.batch("create table public.t (id int)").await), "42501");
    assert_eq!(code(session.batch("grant service_role to anon").await), "42501");
}

#[tokio::test]
async fn api_roles_have_no_table_in_auth_and_no_way_into_basalt() {
    let database = with_service_tables().await;
    for role in ["anon", "authenticated", "service_role"] {
        for sql in ["select * from auth.users", "delete from auth.users", "select * from basalt.owners"] {
            let mut caller = database.caller(role, "{}").await;
            assert_eq!(code(caller.query(sql, &[]).await), "42501", "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn helpers_read_the_claims_and_are_null_without() {
    let database = testkit::database(&[]).await;
    let claims = r#"{"sub":"00000000-0000-4000-8000-000000000001","role":"authenticated","email":"a@b.c","x":{"y":1}}"#;
    let mut caller = database.caller("authenticated", claims).await;
    let all = "select concat_ws(' ', auth.uid(), auth.role(), auth.email(), auth.jwt() -> 'x' ->> 'y')";
    assert_eq!(text(&mut caller, all).await, "00000000-0000-4000-8000-000000000001 authenticated a@b.c 1");
    let mut anon = database.caller("anon", "").await;
    assert!(yes(&mut anon, "select num_nulls(auth.uid(), auth.role(), auth.email(), auth.jwt()) = 4").await);
}

#[tokio::test]
async fn helpers_are_inlined_into_policies() {
    let database = testkit::database(&[]).await;
    let mut admin = database.admin().await;
    let explain = "explain (verbose, costs off)
        select from pg_class where relname = auth.role() and relname <> auth.email()
           and auth.uid() is not null and auth.jwt() is not null";
    let plan: Vec<String> = admin.query(explain, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(!plan.join("\n").contains("auth."), "{plan:#?}");
}

#[tokio::test]
async fn new_tables_are_exposed_unless_the_setting_says_no() {
    let privileges = "select concat_ws(' ',
        has_table_privilege('anon', 'public.t', 'select'), has_table_privilege('service_role', 'public.t', 'delete'),
        has_sequence_privilege('authenticated', 'public.s', 'usage'), has_table_privilege('postgres', 'public.t', 'select'))";
    let database = testkit::database(&[]).await;
    let mut postgres = database.pool_as("postgres").session().await.unwrap();
    postgres.batch("create table public.t (id int); create sequence public.s").await.unwrap();
    assert_eq!(text(&mut postgres, privileges).await, "t t t t");

    let closed = Options { auto_expose_new_tables: false, ..Options::default() };
    db::migrate::run(&database.target(), &[bootstrap::migrations(&closed)]).await.unwrap();
    postgres.batch("drop table public.t; drop sequence public.s").await.unwrap();
    postgres.batch("create table public.t (id int); create sequence public.s").await.unwrap();
    assert_eq!(text(&mut postgres, privileges).await, "f f f t");

    db::migrate::run(&database.target(), &[bootstrap::migrations(&Options::default())]).await.unwrap();
    postgres.batch("drop table public.t; drop sequence public.s").await.unwrap();
    postgres.batch("create table public.t (id int); create sequence public.s").await.unwrap();
    assert_eq!(text(&mut postgres, privileges).await, "t t t t");
}

#[tokio::test]
async fn the_life_of_tokens_is_known_to_sql() {
    let database = testkit::database(&[]).await;
    let options = Options { jwt_exp: Some(1234), ..Options::default() };
    db::migrate::run(&database.target(), &[bootstrap::migrations(&options)]).await.unwrap();
    let mut session = database.pool_as("authenticator").session().await.unwrap();
    assert_eq!(text(&mut session, "select current_setting('app.settings.jwt_exp')").await, "1234");
}

#[tokio::test]
async fn row_security_comes_by_itself_when_the_setting_says_so() {
    let secured = "select relrowsecurity from pg_class where oid = 'public.t'::regclass";
    let database = testkit::database(&[]).await;
    let mut postgres = database.pool_as("postgres").session().await.unwrap();
    postgres.batch("create table public.t (id int)").await.unwrap();
    assert!(!yes(&mut postgres, secured).await);

    let on = Options { rls_auto_enable: true, ..Options::default() };
    db::migrate::run(&database.target(), &[bootstrap::migrations(&on)]).await.unwrap();
    for create in [
        "create table public.t (id int)",
        "create table public.t as select 1",
        "select 1 as id into public.t",
    ] {
        postgres.batch("drop table public.t").await.unwrap();
        postgres.batch(create).await.unwrap();
        assert!(yes(&mut postgres, secured).await, "{create}");
    }

    db::migrate::run(&database.target(), &[bootstrap::migrations(&Options::default())]).await.unwrap();
    postgres.batch("drop table public.t; create table public.t (id int)").await.unwrap();
    assert!(!yes(&mut postgres, secured).await);
}

#[tokio::test]
async fn passwords_are_set_and_never_sent_in_clear() {
    let database = testkit::database(&[]).await;
    let role = format!("login_{}", database.name());
    let mut admin = database.admin().await;
    admin.batch(&format!("create role {role} login")).await.unwrap();
    let secret = Secret::new("it's a \\ secret");
    bootstrap::set_passwords(&mut admin, &[(&role, secret)]).await.unwrap();
    let stored = format!("select rolpassword from pg_authid where rolname = '{role}'");
    assert!(text(&mut admin, &stored).await.starts_with("SCRAM-SHA-256$4096:"));
    assert!(
        yes(
            &mut admin,
            "select not exists (select from extensions.pg_stat_statements
        where query ilike '%' || 'alter role \"login_%password%')"
        )
        .await
    );

    // All or none.
    let wrong = [(role.as_str(), Secret::new("other")), ("no_such_role", Secret::new("x"))];
    let before = text(&mut admin, &stored).await;
    assert_eq!(code(bootstrap::set_passwords(&mut admin, &wrong).await), "42704");
    assert_eq!(text(&mut admin, &stored).await, before);
    admin.batch(&format!("drop role {role}")).await.unwrap();
}

#[tokio::test]
async fn tokens_can_be_signed_and_verified_in_sql() {
    let database = testkit::database(&[]).await;
    let mut postgres = database.pool_as("postgres").session().await.unwrap();
    // The example of RFC 7519's usual introduction; the signature is computed elsewhere.
    let signed = r#"select sign('{"sub":"1234567890","name":"John Doe","iat":1516239022}', 'secret')"#;
    let token = text(&mut postgres, signed).await;
    assert_eq!(
        token,
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
         XbPfbIHMI6arZ3Y922BhjWgQzWXcXNrz0ogtVhfEd2o"
    );
    let valid = "select concat_ws(' ', (verify(t, 'secret')).valid, (verify(t, 'other')).valid,
        (verify(sign('{\"exp\":1}', 'secret'), 'secret')).valid, (verify(t, 'secret')).payload ->> 'name')
        from (select $1::text) x(t)";
    let row = postgres.query_one(valid, &[&token]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "t f f John Doe");
    assert!(postgres.query("select sign('{}', 'secret', 'none')", &[]).await.is_err());
}

#[tokio::test]
async fn graphql_says_that_it_is_not_there() {
    let database = testkit::database(&[]).await;
    let mut anon = database.caller("anon", "{}").await;
    let answer = text(&mut anon, "select graphql_public.graphql(query => '{ a }')::text").await;
    assert_eq!(answer, r#"{"data": null, "errors": ["pg_graphql extension is not enabled."]}"#);
}

#[tokio::test]
async fn changes_of_the_schema_are_announced_once_per_statement() {
    let database = with_service_tables().await;
    let mut postgres = database.pool_as("postgres").session().await.unwrap();
    let mut listener = Listener::start(database.target_as("authenticator"), &["pgrst"]);
    assert!(matches!(next(&mut listener).await, Event::Connected));

    for sql in [
        "create table public.a (id int primary key, b int references public.a (id))",
        "alter table public.a add column c text",
        "create view public.v as select * from public.a",
        "create materialized view public.m as select 1 as x",
        "create function public.f() returns int language sql as 'select 1'",
        "create type public.e as enum ('x')",
        "comment on table public.a is 'x'",
        "create schema api",
        "drop function public.f()",
        "drop table public.a cascade",
        "create table public.b as select 1 as id",
    ] {
        postgres.batch(sql).await.unwrap();
        assert_announced(&mut listener, sql).await;
    }
    // Neither of these is of interest; the next announcement is the one after them.
    for sql in [
        "create temporary table t (id int)",
        "create table auth.mine (id int)",
        "create index on public.b (id)",
        "drop table t, auth.mine",
    ] {
        postgres.batch(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    postgres.query("select pg_notify('pgrst', 'reload config')", &[]).await.unwrap();
    match next(&mut listener).await {
        Event::Notified { payload, .. } => assert_eq!(payload, "reload config"),
        other => panic!("{other:?}"),
    }
}

async fn assert_announced(listener: &mut Listener, sql: &str) {
    match next(listener).await {
        Event::Notified { channel, payload } => {
            assert_eq!((channel.as_str(), payload.as_str()), ("pgrst", "reload schema"), "{sql}");
        }
        other => panic!("{other:?}"),
    }
}

async fn next(listener: &mut Listener) -> Event {
    tokio::time::timeout(Duration::from_secs(10), listener.next()).await.expect("something is heard").unwrap()
}
