//! Statements and transactions of the services.

use db::{Error, Pool, PoolOptions};
use testkit::code;

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let database = testkit::empty().await;
    let pool = Pool::new(&database.target(), PoolOptions { size: 1, ..PoolOptions::default() });
    pool.session().await.unwrap().batch("create table public.t (id int)").await.unwrap();
    let mut session = pool.begin().await.unwrap();
    session.execute("insert into public.t values (1)", &[]).await.unwrap();
    drop(session);
    let mut session = pool.begin().await.unwrap();
    session.execute("insert into public.t values (2)", &[]).await.unwrap();
    session.rollback().await.unwrap();
    let mut session = pool.begin().await.unwrap();
    assert_eq!(session.execute("insert into public.t values ($1)", &[&3]).await.unwrap(), 1);
    session.commit().await.unwrap();
    let rows = pool.session().await.unwrap().query("select id from public.t", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [3]);
}

#[tokio::test]
async fn a_future_dropped_half_way_leaves_the_connection_usable() {
    let database = testkit::empty().await;
    let pool = Pool::new(&database.target(), PoolOptions { size: 1, ..PoolOptions::default() });
    let abandoned = async {
        let mut session = pool.begin().await.unwrap();
        session.batch("create table public.t (id int); select pg_sleep(0.3)").await
    };
    let timeout = tokio::time::timeout(std::time::Duration::from_millis(100), abandoned).await;
    assert!(timeout.is_err());
    let mut session = pool.session().await.unwrap();
    let row = session.query_one("select to_regclass('public.t') is null", &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
}

#[tokio::test]
async fn rows_are_counted() {
    let database = testkit::empty().await;
    let mut session = database.admin().await;
    assert!(session.query_opt("select 1 where false", &[]).await.unwrap().is_none());
    assert!(matches!(session.query_one("select 1 where false", &[]).await, Err(Error::Client(_))));
    assert!(matches!(session.query_opt("select generate_series(1, 2)", &[]).await, Err(Error::Client(_))));
}

#[tokio::test]
async fn a_violation_names_its_constraint() {
    let database = testkit::empty().await;
    let mut session = database.admin().await;
    session.batch("create table public.t (id int constraint t_once unique)").await.unwrap();
    let insert = "insert into public.t values ($1)";
    session.execute(insert, &[&1]).await.unwrap();
    let error = session.execute(insert, &[&1]).await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.constraint(), Some("t_once"));
    let other = session.execute("select 1 / $1", &[&0]).await.unwrap_err();
    assert!(!other.is_unique_violation());
    assert_eq!(other.constraint(), None);
}

#[tokio::test]
async fn a_statement_survives_a_change_of_its_table() {
    let database = testkit::empty().await;
    let pool = Pool::new(&database.target(), PoolOptions { size: 1, ..PoolOptions::default() });
    let mut session = pool.session().await.unwrap();
    session.batch("create table public.t (id int); insert into public.t values (1)").await.unwrap();
    for change in [
        "select 1",
        "alter table public.t alter column id type bigint",
        "alter table public.t add column x text",
    ] {
        session.batch(change).await.unwrap();
        assert_eq!(session.query("select * from public.t", &[]).await.unwrap().len(), 1, "{change}");
    }
}

#[tokio::test]
async fn without_prepared_statements_nothing_is_kept_on_the_server() {
    let database = testkit::empty().await;
    let pool = Pool::new(&database.target(), PoolOptions { prepared: false, ..PoolOptions::default() });
    let mut session = pool.begin().await.unwrap();
    session.batch("create table public.t (id int, name text)").await.unwrap();
    assert_eq!(session.execute("insert into public.t values ($1, $2)", &[&7, &"x"]).await.unwrap(), 1);
    let row = session.query_one("select name from public.t where id = $1", &[&7]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "x");
    let kept = session.query("select statement from pg_prepared_statements", &[]).await.unwrap();
    let kept: Vec<String> = kept.iter().map(|row| row.get(0)).collect();
    assert!(kept.is_empty(), "{kept:?}");
    assert_eq!(code(session.query("select nope", &[]).await), "42703");
    assert_eq!(code(session.query("select 1", &[]).await), "25P02");
}

#[tokio::test]
async fn without_prepared_statements_a_statement_commits_by_itself() {
    let database = testkit::empty().await;
    let pool = Pool::new(&database.target(), PoolOptions { prepared: false, ..PoolOptions::default() });
    let mut session = pool.session().await.unwrap();
    session.batch("create table public.t (id int primary key)").await.unwrap();
    session.execute("insert into public.t values ($1)", &[&1]).await.unwrap();
    assert_eq!(code(session.execute("insert into public.t values ($1)", &[&1]).await), "23505");
    session.execute("insert into public.t values ($1)", &[&2]).await.unwrap();
    let mut other = pool.session().await.unwrap();
    assert_eq!(other.query("select id from public.t", &[]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_failed_transaction_does_not_claim_to_be_committed() {
    let database = testkit::empty().await;
    let pool = Pool::new(&database.target(), PoolOptions::default());
    let mut session = pool.begin().await.unwrap();
    let _ = session.query("select nope", &[]).await;
    assert!(session.commit().await.is_err());
}
