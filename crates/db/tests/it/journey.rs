//! Several legs of one caller: what each sees of the others, and what is left.

use std::borrow::Cow;
use std::time::Duration;

use db::{Access, Error, Fleet, Isolation, Journey, Leg, PoolOptions, Query, Record, Setting, Text};
use testkit::{Database, code};

/// A fleet of one connection, so that what a journey leaves behind on it would be seen.
async fn counters(prepared: bool) -> (Database, Fleet) {
    let database = testkit::database(&[]).await;
    database
        .session_as("postgres")
        .await
        .batch(
            "create table public.counters (id int primary key, value int);
             create table public.late (id int unique deferrable initially deferred);
             insert into public.late values (1);
             grant all on public.counters, public.late to anon, service_role",
        )
        .await
        .unwrap();
    let options = PoolOptions { size: 1, prepared, ..PoolOptions::default() };
    let fleet = Fleet::new(&database.target_as("authenticator"), options);
    (database, fleet)
}

async fn writing(fleet: &Fleet) -> Journey {
    fleet.journey(Access::ReadWrite, Isolation::ReadCommitted).await.unwrap()
}

async fn leg_with(
    journey: &mut Journey,
    access: Access,
    more: &[(&'static str, &'static str)],
    sql: &str,
) -> Result<Vec<Record>, Error> {
    let mut settings: Vec<Setting<'_>> = vec![(Cow::from("role"), Cow::from("service_role"))];
    settings.extend(more.iter().map(|(name, value)| (Cow::from(*name), Cow::from(*value))));
    let main = Query { sql, params: &[] };
    journey.fly(&Leg { role: "service_role", access, settings: &settings, before: None, main }).await
}

async fn leg(journey: &mut Journey, sql: &str) -> Result<Vec<Record>, Error> {
    leg_with(journey, Access::ReadWrite, &[], sql).await
}

async fn insert(journey: &mut Journey, id: i32) -> Result<(), Error> {
    leg(journey, &format!("insert into public.counters values ({id}, 0)")).await.map(drop)
}

async fn ids(fleet: &Fleet) -> Vec<i32> {
    let mut journey = writing(fleet).await;
    let rows = leg(&mut journey, "select id from public.counters order by id").await.unwrap();
    journey.rollback().await.unwrap();
    rows.iter().map(|row| row.get(0).unwrap()).collect()
}

#[tokio::test]
async fn legs_are_kept_or_forgotten_together() {
    for prepared in [true, false] {
        let (_database, fleet) = counters(prepared).await;
        let mut journey = writing(&fleet).await;
        for id in [1, 2] {
            insert(&mut journey, id).await.unwrap();
            journey.keep().await.unwrap();
        }
        journey.rollback().await.unwrap();
        assert!(ids(&fleet).await.is_empty());

        let mut journey = writing(&fleet).await;
        insert(&mut journey, 1).await.unwrap();
        journey.keep().await.unwrap();
        insert(&mut journey, 2).await.unwrap();
        journey.forget().await.unwrap();
        // A leg that failed has ended: the next one goes on after those that were kept.
        assert_eq!(code(insert(&mut journey, 1).await), "23505");
        insert(&mut journey, 3).await.unwrap();
        journey.keep().await.unwrap();
        journey.commit().await.unwrap();
        assert_eq!(ids(&fleet).await, [1, 3]);
    }
}

#[tokio::test]
async fn a_dropped_journey_leaves_nothing() {
    let (_database, fleet) = counters(true).await;
    let mut journey = writing(&fleet).await;
    insert(&mut journey, 1).await.unwrap();
    journey.keep().await.unwrap();
    drop(journey);
    assert!(ids(&fleet).await.is_empty());
}

#[tokio::test]
async fn settings_of_a_leg_stay_in_it() {
    for prepared in [true, false] {
        let (_database, fleet) = counters(prepared).await;
        let mut journey = writing(&fleet).await;
        let set = "select set_config('app.word', 'local', true), set_config('app.other', 'session', false)";
        leg_with(&mut journey, Access::ReadWrite, &[("timezone", "Asia/Tokyo")], set).await.unwrap();
        journey.keep().await.unwrap();
        let read = "select coalesce(current_setting('app.word', true), '')
            || coalesce(current_setting('app.other', true), '') || current_setting('timezone')";
        let rows = leg(&mut journey, read).await.unwrap();
        assert!(!rows[0].get::<String>(0).unwrap().contains("Tokyo"));
        assert!(!rows[0].get::<String>(0).unwrap().contains("local"));
        assert!(!rows[0].get::<String>(0).unwrap().contains("session"));
        journey.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_leg_cannot_assume_another_role_than_the_login_may() {
    let (_database, fleet) = counters(true).await;
    let mut journey = writing(&fleet).await;
    let main = Query { sql: "select 1", params: &[] };
    for role in ["postgres", "supabase_admin"] {
        let settings: [Setting<'_>; 1] = [(Cow::from("role"), Cow::from(role))];
        let access = Access::ReadWrite;
        let refused = journey.fly(&Leg { role, access, settings: &settings, before: None, main }).await;
        assert_eq!(code(refused), "42501");
    }
    insert(&mut journey, 1).await.unwrap();
    journey.rollback().await.unwrap();
}

#[tokio::test]
async fn a_reading_leg_cannot_write_and_does_not_bind_the_next() {
    for prepared in [true, false] {
        let (_database, fleet) = counters(prepared).await;
        let mut journey = writing(&fleet).await;
        let write = "insert into public.counters values (9, 0)";
        for _ in 0..2 {
            let refused = leg_with(&mut journey, Access::ReadOnly, &[], write).await;
            assert_eq!(code(refused), "25006");
            leg_with(&mut journey, Access::ReadOnly, &[], "select 1").await.unwrap();
            journey.keep().await.unwrap();
        }
        insert(&mut journey, 1).await.unwrap();
        journey.keep().await.unwrap();
        journey.commit().await.unwrap();
        assert_eq!(ids(&fleet).await, [1]);
    }
}

#[tokio::test]
async fn deferred_constraints_can_be_checked_on_the_way() {
    let (_database, fleet) = counters(true).await;
    let twice = "insert into public.late values (1)";
    let mut journey = writing(&fleet).await;
    leg(&mut journey, twice).await.unwrap();
    assert_eq!(code(journey.check().await), "23505");
    journey.forget().await.unwrap();
    leg(&mut journey, "insert into public.late values (2)").await.unwrap();
    journey.check().await.unwrap();
    journey.keep().await.unwrap();
    // Constraints are deferred still.
    leg(&mut journey, twice).await.unwrap();
    journey.keep().await.unwrap();
    leg(
        &mut journey,
        "delete from public.late where ctid in (select max(ctid) from public.late where id = 1)",
    )
    .await
    .unwrap();
    journey.keep().await.unwrap();
    journey.commit().await.unwrap();

    let mut journey = writing(&fleet).await;
    leg(&mut journey, twice).await.unwrap();
    journey.keep().await.unwrap();
    assert_eq!(code(journey.commit().await), "23505");
    let mut journey = writing(&fleet).await;
    leg(&mut journey, twice).await.unwrap();
    journey.keep().await.unwrap();
    assert_eq!(code(journey.check_and_rollback().await), "23505");
}

#[tokio::test]
async fn a_cursor_is_fetched_in_parts() {
    for prepared in [true, false] {
        let (_database, fleet) = counters(prepared).await;
        let mut journey = fleet.journey(Access::ReadOnly, Isolation::ReadCommitted).await.unwrap();
        let settings: [Setting<'_>; 1] = [(Cow::from("role"), Cow::from("service_role"))];
        let sql = "declare rows no scroll cursor for select n from generate_series(1, $1::int) n";
        let params = [Text::from("5")];
        let main = Query { sql, params: &params };
        let access = Access::ReadOnly;
        journey
            .fly(&Leg { role: "service_role", access, settings: &settings, before: None, main })
            .await
            .unwrap();
        let fetch = Query { sql: "fetch 3 from rows", params: &[] };
        for expected in [3, 2, 0] {
            let rows = journey.query("service_role", fetch).await.unwrap();
            assert_eq!(rows.len(), expected);
        }
        journey.keep().await.unwrap();
        journey.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_table_is_read_anew() {
    let (database, fleet) = counters(true).await;
    let read = "select * from public.counters";
    let mut journey = writing(&fleet).await;
    leg(&mut journey, read).await.unwrap();
    journey.rollback().await.unwrap();
    let alter = "alter table public.counters add column more text";
    database.session_as("postgres").await.batch(alter).await.unwrap();
    let mut journey = writing(&fleet).await;
    insert(&mut journey, 1).await.unwrap_or_else(|error| panic!("{error}"));
    journey.keep().await.unwrap();
    assert_eq!(leg(&mut journey, read).await.unwrap().len(), 1);
    journey.rollback().await.unwrap();
}

#[tokio::test]
async fn an_abandoned_leg_is_cancelled_on_the_server() {
    let (database, fleet) = counters(true).await;
    let mut journey = writing(&fleet).await;
    let sleep = leg(&mut journey, "select pg_sleep(60), 'forsaken'");
    assert!(tokio::time::timeout(Duration::from_millis(200), sleep).await.is_err());
    drop(journey);
    let running = "select count(*) from pg_stat_activity
        where state = 'active' and query like '%''forsaken''%' and datname = current_database() and pid <> pg_backend_pid()";
    let mut admin = database.admin().await;
    let gone = async {
        while admin.query_one(running, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the statement is cancelled");
}
