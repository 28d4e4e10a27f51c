//! A caller's transaction in one round trip: what it sees, what it leaves, what it cannot do.

use std::borrow::Cow;
use std::time::Duration;

use db::{Access, End, Error, Fleet, Flight, Isolation, Landed, PoolOptions, Query, Setting, Text};
use testkit::{Database, code};

const ALICE: &str = r#"{"sub":"00000000-0000-4000-8000-00000000000a","role":"authenticated"}"#;
const BOB: &str = r#"{"sub":"00000000-0000-4000-8000-00000000000b","role":"authenticated"}"#;

/// Notes with an owner each, and a fleet of one connection, so that callers follow each other on it.
async fn notes(prepared: bool) -> (Database, Fleet) {
    let database = testkit::database(&[]).await;
    database
        .session_as("postgres")
        .await
        .batch(
            "create table public.notes (id int primary key, owner uuid default auth.uid(), body text);
             alter table public.notes enable row level security;
             create policy own on public.notes to authenticated using (owner = (select auth.uid()));
             create table public.deferred (id int unique deferrable initially deferred)",
        )
        .await
        .unwrap();
    let options = PoolOptions { size: 1, prepared, ..PoolOptions::default() };
    let fleet = Fleet::new(&database.target_as("authenticator"), options);
    (database, fleet)
}

async fn fly(fleet: &Fleet, role: &str, claims: &str, sql: &str, end: End) -> Result<Landed, Error> {
    let settings: [Setting<'_>; 2] =
        [(Cow::from("role"), Cow::from(role)), (Cow::from("request.jwt.claims"), Cow::from(claims))];
    fleet
        .run(&Flight {
            role,
            access: Access::ReadWrite,
            isolation: Isolation::ReadCommitted,
            settings: &settings,
            before: None,
            aside: None,
            main: Query { sql, params: &[] },
            describe: false,
            after: None,
            end,
        })
        .await
}

async fn as_user(fleet: &Fleet, claims: &str, sql: &str) -> Result<Landed, Error> {
    fly(fleet, "authenticated", claims, sql, End::Commit).await
}

async fn count(fleet: &Fleet, role: &str, claims: &str) -> i64 {
    let landed = fly(fleet, role, claims, "select count(*) from public.notes", End::Commit).await.unwrap();
    landed.rows[0].get(0).unwrap()
}

#[tokio::test]
async fn policies_see_the_caller_of_this_flight() {
    for prepared in [true, false] {
        let (_database, fleet) = notes(prepared).await;
        as_user(&fleet, ALICE, "insert into public.notes (id) values (1), (2)").await.unwrap();
        as_user(&fleet, BOB, "insert into public.notes (id) values (3)").await.unwrap();
        // Twice: the first time statements are prepared, the second all travels together.
        for _ in 0..2 {
            assert_eq!(count(&fleet, "authenticated", ALICE).await, 2);
            assert_eq!(count(&fleet, "authenticated", BOB).await, 1);
            assert_eq!(count(&fleet, "anon", "").await, 0);
            assert_eq!(count(&fleet, "service_role", "").await, 3);
        }
        let stolen =
            "insert into public.notes (id, owner) values (4, '00000000-0000-4000-8000-00000000000a')";
        for _ in 0..2 {
            assert_eq!(code(as_user(&fleet, BOB, stolen).await), "42501");
        }
    }
}

#[tokio::test]
async fn a_failure_leaves_nothing_and_the_connection_goes_on() {
    for prepared in [true, false] {
        let (_database, fleet) = notes(prepared).await;
        for _ in 0..3 {
            let failing = "with made as (insert into public.notes (id) values (1) returning id) select 1 / (id - 1) from made";
            assert_eq!(code(as_user(&fleet, ALICE, failing).await), "22012");
            assert_eq!(code(as_user(&fleet, ALICE, "select nope").await), "42703");
            assert_eq!(count(&fleet, "service_role", "").await, 0);
        }
        assert_eq!(fleet.status().open, 1);
    }
}

#[tokio::test]
async fn a_deferred_constraint_is_an_error_however_it_ends() {
    for prepared in [true, false] {
        let (_database, fleet) = notes(prepared).await;
        let twice = "insert into public.deferred values (1), (1)";
        for end in [End::Commit, End::Rollback, End::Commit, End::Rollback] {
            assert_eq!(code(fly(&fleet, "service_role", "", twice, end).await), "23505");
        }
    }
}

#[tokio::test]
async fn the_caller_may_decide_at_the_end() {
    let (_database, fleet) = notes(true).await;
    let insert = |id: i32| format!("insert into public.notes (id) values ({id}) returning id");
    for (id, keep) in [(1, true), (2, false), (3, true)] {
        let landed = fly(&fleet, "service_role", "", &insert(id), End::Decide).await.unwrap();
        let open = landed.open.unwrap();
        match keep {
            true => open.commit().await.unwrap(),
            false => open.rollback().await.unwrap(),
        }
    }
    drop(fly(&fleet, "service_role", "", &insert(4), End::Decide).await.unwrap());
    fly(&fleet, "service_role", "", &insert(5), End::Rollback).await.unwrap();
    assert_eq!(count(&fleet, "service_role", "").await, 2);
}

#[tokio::test]
async fn what_user_code_sets_does_not_outlive_its_request() {
    for prepared in [true, false] {
        let (database, fleet) = notes(prepared).await;
        database
            .session_as("postgres")
            .await
            .batch(
                "create function public.leak() returns text language sql volatile as $$
                   select set_config('statement_timeout', '1', false), set_config('search_path', 'pg_temp', false),
                          set_config('app.mark', 'left', false), set_config('request.jwt.claims', '{\"sub\":\"x\"}', false);
                   select set_config('role', 'service_role', false) $$",
            )
            .await
            .unwrap();
        for role in ["service_role", "authenticated"] {
            // Whether it may switch its role or not, nothing of it remains.
            let _ = fly(&fleet, role, "", "select public.leak()", End::Commit).await;
            let seen = "select concat_ws('|', current_setting('statement_timeout'), current_setting('app.mark', true),
                current_setting('search_path'), current_user, auth.jwt())";
            let landed = fly(&fleet, "anon", "", seen, End::Commit).await.unwrap();
            let seen: &str = landed.rows[0].get(0).unwrap();
            assert_eq!(seen.replace("||", "|"), "8s|\"$user\", public|anon", "{role}");
        }
    }
}

#[tokio::test]
async fn a_time_limit_that_user_code_leaves_hits_nobody_else() {
    for prepared in [true, false] {
        let (database, fleet) = notes(prepared).await;
        database
            .session_as("postgres")
            .await
            .batch(
                "create function public.hurry() returns text language sql volatile as
                   $$ select set_config('statement_timeout', '1', false) $$",
            )
            .await
            .unwrap();
        for end in [End::Commit, End::Rollback, End::Decide] {
            for _ in 0..10 {
                if let Ok(Landed { open: Some(open), .. }) =
                    fly(&fleet, "anon", "", "select public.hurry()", end).await
                {
                    // Its own end may come too late for it.
                    let _ = open.commit().await;
                }
                let slow = "select pg_sleep(0.005)";
                fly(&fleet, "authenticated", BOB, slow, End::Commit).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn values_are_never_text() {
    let (_database, fleet) = notes(true).await;
    let settings: [Setting<'_>; 1] = [(Cow::from("role"), Cow::from("service_role"))];
    let evil = "'; drop table public.notes; --";
    let landed = fleet
        .run(&Flight {
            role: "service_role",
            access: Access::ReadOnly,
            isolation: Isolation::RepeatableRead,
            settings: &settings,
            before: Some("select 1"),
            aside: Some(Query { sql: "select $1::text", params: &[Text::from(evil)] }),
            main: Query {
                sql: "select $1::int + 1, $2::text is null",
                params: &[Text::from("41"), Text::Null],
            },
            describe: false,
            after: None,
            end: End::Commit,
        })
        .await
        .unwrap();
    assert_eq!(landed.aside[0].get::<&str>(0).unwrap(), evil);
    assert_eq!((landed.rows[0].get(0).unwrap(), landed.rows[0].get(1).unwrap()), (42, true));
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_database, fleet) = notes(true).await;
    let settings: [Setting<'_>; 1] = [(Cow::from("role"), Cow::from("service_role"))];
    let flight = Flight {
        role: "service_role",
        access: Access::ReadOnly,
        isolation: Isolation::Serializable,
        settings: &settings,
        before: None,
        aside: None,
        main: Query { sql: "insert into public.notes (id) values (1)", params: &[] },
        describe: false,
        after: None,
        end: End::Commit,
    };
    for _ in 0..2 {
        assert_eq!(code(fleet.run(&flight).await), "25006");
    }
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_runs_nothing() {
    let (_database, fleet) = notes(true).await;
    for role in ["postgres", "supabase_admin", "supabase_auth_admin", "no_such_role", "anon\"; select 1; --"]
    {
        for _ in 0..2 {
            let result = fly(&fleet, role, "", "insert into public.notes (id) values (9)", End::Commit).await;
            let code = code(result);
            assert!(matches!(code.as_str(), "42501" | "22023"), "{role}: {code}");
        }
    }
    assert_eq!(count(&fleet, "service_role", "").await, 0);
}

#[tokio::test]
async fn a_changed_table_is_read_anew() {
    let (database, fleet) = notes(true).await;
    let read = "select * from public.notes";
    fly(&fleet, "service_role", "", read, End::Commit).await.unwrap();
    let mut postgres = database.session_as("postgres").await;
    for change in [
        "alter table public.notes add column more text",
        "alter table public.notes alter column body type varchar",
    ] {
        postgres.batch(change).await.unwrap();
        fly(&fleet, "service_role", "", read, End::Commit)
            .await
            .unwrap_or_else(|error| panic!("{change}: {error}"));
    }
}

#[tokio::test]
async fn an_abandoned_flight_is_cancelled_on_the_server() {
    let (database, fleet) = notes(true).await;
    let sleep = "select pg_sleep(60), 'abandoned'";
    let flight = fly(&fleet, "service_role", "", sleep, End::Commit);
    assert!(tokio::time::timeout(Duration::from_millis(200), flight).await.is_err());
    let running = "select count(*) from pg_stat_activity
        where state = 'active' and query like '%''abandoned''%' and datname = current_database() and pid <> pg_backend_pid()";
    let mut admin = database.admin().await;
    let gone = async {
        while admin.query_one(running, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the statement is cancelled");
    assert_eq!(count(&fleet, "service_role", "").await, 0);
}

#[tokio::test]
async fn large_values_go_both_ways() {
    for prepared in [true, false] {
        let (_database, fleet) = notes(prepared).await;
        let settings: [Setting<'_>; 1] = [(Cow::from("role"), Cow::from("service_role"))];
        let large = "ü".repeat(3_000_000);
        let params = [Text::from("a"), Text::Body(large.clone().into()), Text::Null, Text::from("z")];
        for _ in 0..2 {
            let flight = Flight {
                role: "service_role",
                access: Access::ReadOnly,
                isolation: Isolation::ReadCommitted,
                settings: &settings,
                before: None,
                aside: None,
                main: Query { sql: "select $1::text, $2::text || $4::text, $3::text", params: &params },
                describe: false,
                after: None,
                end: End::Commit,
            };
            let landed = fleet.run(&flight).await.unwrap();
            let row = &landed.rows[0];
            assert_eq!((row.width(), row.get::<&str>(0).unwrap()), (3, "a"));
            assert_eq!(row.bytes(1).unwrap().unwrap(), format!("{large}z"));
            assert_eq!(row.bytes(2).unwrap(), None);
        }
        assert_eq!(fleet.status().open, 1);
    }
}

#[tokio::test]
async fn notices_during_a_large_request_do_not_block_it() {
    // The server fills its side of the connection before it reads ours.
    let (database, fleet) = notes(true).await;
    database
        .session_as("postgres")
        .await
        .batch(
            "create function public.chatter() returns void language plpgsql as $$ begin
               for i in 1..2000 loop raise notice '%', repeat('x', 1000); end loop; end $$",
        )
        .await
        .unwrap();
    let settings: [Setting<'_>; 2] =
        [(Cow::from("role"), Cow::from("anon")), (Cow::from("client_min_messages"), Cow::from("notice"))];
    let flight = Flight {
        role: "anon",
        access: Access::ReadWrite,
        isolation: Isolation::ReadCommitted,
        settings: &settings,
        before: Some("select public.chatter()"),
        aside: None,
        main: Query { sql: "select length($1::text)", params: &[Text::Body(vec![b'x'; 8_000_000].into())] },
        describe: false,
        after: None,
        end: End::Commit,
    };
    let landed = tokio::time::timeout(Duration::from_secs(20), fleet.run(&flight)).await.unwrap().unwrap();
    assert_eq!(landed.rows[0].get::<i32>(0).unwrap(), 8_000_000);
}

#[tokio::test]
async fn statements_beyond_the_bound_are_closed_on_the_server() {
    let database = testkit::database(&[]).await;
    let options = PoolOptions { size: 1, statements: 8, ..PoolOptions::default() };
    let fleet = Fleet::new(&database.target_as("authenticator"), options);
    for n in 0..40 {
        fly(&fleet, "anon", "", &format!("select {n}"), End::Commit).await.unwrap();
    }
    let count = "select count(*) from pg_prepared_statements";
    let landed = fly(&fleet, "anon", "", count, End::Commit).await.unwrap();
    // The eight, and those that were replaced on the last trip or two.
    assert!(landed.rows[0].get::<i64>(0).unwrap() <= 12);
}

#[tokio::test]
async fn a_connection_that_was_ended_is_replaced() {
    let (database, fleet) = notes(true).await;
    assert_eq!(count(&fleet, "service_role", "").await, 0);
    let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity
                where datname = current_database() and usename = 'authenticator'";
    database.admin().await.query(end, &[]).await.unwrap();
    // The end of the connection may not have been seen yet: then the first use finds out.
    let read = || fly(&fleet, "service_role", "", "select 1", End::Commit);
    if let Err(error) = read().await {
        assert!(error == Error::Closed || error.code() == Some("57P01"), "{error}");
        read().await.unwrap();
    }
}

#[tokio::test]
async fn nobody_there_is_told_from_refused() {
    let database = testkit::empty().await;
    let run = async |target: &db::Target| {
        let fleet = Fleet::new(target, PoolOptions::default());
        fly(&fleet, "anon", "", "select 1", End::Commit).await
    };
    let nobody = db::Target::socket(std::path::Path::new("/nonexistent"), 5432, "x", "x");
    assert!(matches!(run(&nobody).await, Err(Error::Connect(_))));
    assert_eq!(code(run(&database.target_as("no_such_role")).await), "28000");
    assert_eq!(code(run(&database.target().with_database("no_such_database")).await), "3D000");
}

#[tokio::test]
async fn a_full_fleet_makes_callers_wait_and_then_refuses() {
    let database = testkit::database(&[]).await;
    let options = PoolOptions { size: 1, wait: Duration::from_millis(50), ..PoolOptions::default() };
    let fleet = Fleet::new(&database.target_as("authenticator"), options);
    let held = fly(&fleet, "anon", "", "select 1", End::Decide).await.unwrap();
    let next = || fly(&fleet, "anon", "", "select 1", End::Commit);
    assert!(matches!(next().await, Err(Error::PoolTimeout)));
    drop(held);
    next().await.unwrap();
    assert_eq!(fleet.status().open, 1);
    fleet.close();
    assert!(matches!(next().await, Err(Error::Closed)));
}

#[tokio::test]
async fn unused_connections_can_be_closed() {
    let database = testkit::database(&[]).await;
    let options = PoolOptions { idle: Duration::ZERO, ..PoolOptions::default() };
    let fleet = Fleet::new(&database.target_as("authenticator"), options);
    fly(&fleet, "anon", "", "select 1", End::Commit).await.unwrap();
    assert_eq!(fleet.status().open, 1);
    fleet.reap();
    assert_eq!(fleet.status().open, 0);
}
