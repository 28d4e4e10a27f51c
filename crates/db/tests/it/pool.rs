//! Bounded connections that come back usable.

use std::time::Duration;

use db::{Error, Pool, PoolOptions};
use testkit::Database;

fn small(database: &Database) -> Pool {
    let options = PoolOptions { size: 1, wait: Duration::from_millis(50), ..PoolOptions::default() };
    Pool::new(&database.target(), options)
}

#[tokio::test]
async fn a_full_pool_makes_callers_wait_and_then_refuses() {
    let database = testkit::empty().await;
    let pool = small(&database);
    let held = pool.session().await.unwrap();
    assert!(matches!(pool.session().await, Err(Error::PoolTimeout)));
    drop(held);
    pool.session().await.unwrap();
    assert_eq!(pool.status().open, 1);
}

#[tokio::test]
async fn a_connection_that_was_ended_is_replaced() {
    let database = testkit::empty().await;
    let pool = small(&database);
    pool.session().await.unwrap().batch("select 1").await.unwrap();
    let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()";
    database.admin().await.query(end, &[]).await.unwrap();
    // The end of the connection may not have been seen yet: then the first use finds out.
    let mut failures = 0;
    while let Err(error) = pool.session().await.unwrap().batch("select 1").await {
        assert!(error == Error::Closed || error.code() == Some("57P01"), "{error}");
        failures += 1;
        assert!(failures < 2, "a dead connection was handed out again");
    }
}

#[tokio::test]
async fn nobody_there_is_told_from_refused() {
    let database = testkit::empty().await;
    let nobody = db::Target::socket(std::path::Path::new("/nonexistent"), 5432, "x", "x");
    assert!(matches!(Pool::new(&nobody, PoolOptions::default()).session().await, Err(Error::Connect(_))));
    let refused = Pool::new(&database.target_as("no_such_role"), PoolOptions::default()).session().await;
    assert_eq!(testkit::code(refused), "28000");
    let refused = Pool::new(&database.target().with_database("no_such_database"), PoolOptions::default());
    assert_eq!(testkit::code(refused.session().await), "3D000");
}

#[tokio::test]
async fn a_closed_pool_hands_out_nothing() {
    let database = testkit::empty().await;
    let pool = small(&database);
    pool.session().await.unwrap();
    pool.close();
    assert!(matches!(pool.session().await, Err(Error::Closed)));
}

#[tokio::test]
async fn unused_connections_can_be_closed() {
    let database = testkit::empty().await;
    let pool = Pool::new(&database.target(), PoolOptions { idle: Duration::ZERO, ..PoolOptions::default() });
    drop((pool.session().await.unwrap(), pool.session().await.unwrap()));
    assert_eq!(pool.status().open, 2);
    pool.reap();
    assert_eq!(pool.status().open, 0);
}
