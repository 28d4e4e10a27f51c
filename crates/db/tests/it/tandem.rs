//! Two statements in two roles at once: what each may, and what is left.

use std::borrow::Cow;

use db::{Abreast, Access, End, Error, Fleet, Leg, PoolOptions, Query, Setting};
use testkit::{Database, code};

/// A fleet of one connection, so that what is left behind on it would be seen.
async fn notes() -> (Database, Fleet) {
    let database = testkit::database(&[]).await;
    let mut admin = database.session_as("postgres").await;
    admin
        .batch(
            "create table public.notes (id int primary key, who text default current_user);
             insert into public.notes (id) values (1);
             grant all on public.notes to anon, service_role;
             alter table public.notes enable row level security;
             create policy own on public.notes to anon using (who = 'anon') with check (id < 100)",
        )
        .await
        .unwrap();
    let options = PoolOptions { size: 1, ..PoolOptions::default() };
    let fleet = Fleet::new(&database.target_as("authenticator"), options);
    (database, fleet)
}

async fn both(fleet: &Fleet, first: &str, second: &str, end: End) -> Result<Abreast, Error> {
    let settings = |role: &'static str| -> Vec<Setting<'static>> {
        vec![(Cow::from("role"), Cow::from(role)), (Cow::from("test.who"), Cow::from(role))]
    };
    let (service, anon) = (settings("service_role"), settings("anon"));
    let leg = |role, settings, sql| Leg {
        role,
        access: Access::ReadWrite,
        settings,
        before: None,
        main: Query { sql, params: &[] },
    };
    fleet.tandem(&leg("service_role", &service, first), &leg("anon", &anon, second), end).await
}

const COUNT: &str = "select count(*), current_user::text, current_setting('test.who') from public.notes";

fn read(rows: &[db::Record]) -> (i64, String, String) {
    (rows[0].get(0).unwrap(), rows[0].get(1).unwrap(), rows[0].get(2).unwrap())
}

#[tokio::test]
async fn each_has_its_role_and_its_settings() {
    let (_database, fleet) = notes().await;
    for _ in 0..3 {
        let (first, second) = both(&fleet, COUNT, COUNT, End::Commit).await.unwrap();
        assert_eq!(read(&first), (1, "service_role".to_owned(), "service_role".to_owned()));
        assert_eq!(read(&second.unwrap()), (0, "anon".to_owned(), "anon".to_owned()));
    }
}

#[tokio::test]
async fn what_the_first_read_is_there_when_the_second_fails() {
    let (_database, fleet) = notes().await;
    let refused = "insert into public.notes (id) values (100)";
    for end in [End::Commit, End::Rollback] {
        let (first, second) = both(&fleet, COUNT, refused, end).await.unwrap();
        assert_eq!(read(&first).0, 1);
        assert_eq!(code(second), "42501");
    }
    assert_eq!(code(both(&fleet, "select 1/0", COUNT, End::Commit).await), "22012");
    // The one connection is as good as new.
    assert!(both(&fleet, COUNT, COUNT, End::Commit).await.is_ok());
}

#[tokio::test]
async fn the_end_decides_what_is_kept() {
    let (_database, fleet) = notes().await;
    let insert = "insert into public.notes (id) values (2)";
    for (end, expected) in [(End::Rollback, 1), (End::Commit, 2)] {
        let (_, written) = both(&fleet, "select 1", insert, end).await.unwrap();
        written.unwrap();
        let (first, _) = both(&fleet, COUNT, "select 1", End::Commit).await.unwrap();
        assert_eq!(read(&first).0, expected, "{end:?}");
    }
}
