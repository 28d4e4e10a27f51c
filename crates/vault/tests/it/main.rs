//! The vault, against a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admin;
mod catalogue;
mod http;
mod key;
mod rights;
mod secrets;

use db::{Pool, PoolOptions, Session};
use testkit::Database;
use vault::{Config, Deps, Vault};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A database with a vault whose key file holds `content`.
async fn with_key(content: &str) -> (Database, Vault) {
    let database = testkit::database(&[vault::migrations()]).await;
    let key_file = database.server_file("vault.key", content);
    let vault = start(&database, Config { key_file }).await;
    (database, vault)
}

async fn start(database: &Database, config: Config) -> Vault {
    let administrator = Pool::new(&database.target(), PoolOptions { size: 1, ..PoolOptions::default() });
    Vault::start(config, Deps { administrator }).await.unwrap()
}

async fn ready() -> Database {
    with_key(KEY).await.0
}

async fn text(session: &mut Session, sql: &str) -> String {
    session.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}")).get(0)
}

#[test]
fn no_repeatable_file_was_forgotten() {
    testkit::repeatables_are_complete(&vault::migrations());
}
