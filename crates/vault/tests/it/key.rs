//! The key file: readable or not, right or wrong, moved.

use std::path::PathBuf;

use db::{Pool, PoolOptions};
use testkit::code;
use vault::{Config, Deps, Key, StartError, Vault};

use crate::{KEY, ready, start, with_key};

const READ: &str = "select decrypted_secret from vault.decrypted_secrets";

#[tokio::test]
async fn without_a_start_secrets_cannot_be_used() {
    let database = testkit::database(&[vault::migrations()]).await;
    let mut postgres = database.session_as("postgres").await;
    assert_eq!(code(postgres.query("select vault.create_secret('a')", &[]).await), "F0000");
}

#[tokio::test]
async fn a_key_that_the_server_cannot_read_is_reported_and_its_path_kept_from_callers() {
    let database = ready().await;
    database.admin().await.query("select vault.create_secret('a')", &[]).await.unwrap();
    let vault = start(&database, Config { key_file: PathBuf::from("/nowhere/vault.key") }).await;
    let Key::Unreadable(reason) = vault.key() else { panic!("{:?}", vault.key()) };
    assert!(reason.contains("/nowhere/vault.key"), "{reason}");

    let mut postgres = database.pool_as("postgres").session().await.unwrap();
    let error = postgres.query(READ, &[]).await.unwrap_err();
    let error = error.server().unwrap();
    assert_eq!(error.message, "vault: the database server cannot read the key file");
    assert_eq!((error.code.as_str(), &error.detail, &error.hint), ("F0000", &None, &None));
    // What needs no key works.
    assert_eq!(postgres.query("select name from vault.secrets", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_of_the_wrong_shape_is_refused() {
    for content in ["", "short", &KEY[1..], &format!("{KEY}00"), &KEY.replace('0', "g")] {
        let (_database, vault) = with_key(content).await;
        assert!(
            matches!(vault.key(), Key::Unreadable(reason) if reason.contains("64 hex digits")),
            "{content:?}"
        );
    }
    let (_database, vault) = with_key(&format!("{KEY}\n")).await;
    assert_eq!(*vault.key(), Key::Readable);
}

#[tokio::test]
async fn another_key_opens_nothing_and_says_so() {
    let database = ready().await;
    database.admin().await.query("select vault.create_secret('a')", &[]).await.unwrap();
    let key_file = database.server_file("other.key", &KEY.replace('0', "f"));
    start(&database, Config { key_file }).await;
    let mut postgres = database.session_as("postgres").await;
    let error = postgres.query(READ, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some("XX001"));
    assert!(error.server().unwrap().message.contains("sealed with another key"), "{error}");
}

#[tokio::test]
async fn a_path_is_text_and_nothing_else() {
    let database = testkit::database(&[vault::migrations()]).await;
    let administrator = Pool::new(&database.target(), PoolOptions::default());
    for path in ["relative/key", "", "/a\nb"] {
        let config = Config { key_file: PathBuf::from(path) };
        let result = Vault::start(config, Deps { administrator: administrator.clone() }).await;
        assert!(matches!(result, Err(StartError::KeyPath(_))), "{path:?}");
    }
    // Quotes, dollars and backslashes of a path end no string.
    let odd = "it's $$ a \\ 'key'; drop table vault.secrets; --";
    let key_file = database.server_file(odd, KEY);
    let vault = Vault::start(Config { key_file }, Deps { administrator }).await.unwrap();
    assert_eq!(*vault.key(), Key::Readable);
}

#[tokio::test]
async fn migrations_run_again_keep_the_key() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres.query("select vault.create_secret('a')", &[]).await.unwrap();
    database
        .admin()
        .await
        .batch("delete from basalt.owners where owner = 'vault'; delete from basalt.repeatables")
        .await
        .unwrap();
    db::migrate::run(&database.target(), &[vault::migrations()]).await.unwrap();
    assert_eq!(postgres.query_one(READ, &[]).await.unwrap().get::<_, &str>(0), "a");
}
