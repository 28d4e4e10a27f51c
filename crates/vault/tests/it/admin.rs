//! What the owner does, past the rights of the database.

use std::path::PathBuf;

use db::{Pool, PoolOptions};
use kernel::Secret;
use testkit::Database;
use vault::admin::{self, Error};
use vault::{Config, RootKey};

use crate::{KEY, ready, start, text};

fn pool(database: &Database) -> Pool {
    let target = database.target().with_option("search_path", "");
    Pool::new(&target, PoolOptions { size: 2, ..PoolOptions::default() })
}

#[tokio::test]
async fn secrets_are_written_read_listed_and_deleted_by_name() {
    let database = ready().await;
    let pool = pool(&database);
    admin::write(&pool, "b", &Secret::new("first"), Some("what for")).await.unwrap();
    admin::write(&pool, "a", &Secret::new(""), None).await.unwrap();
    admin::write(&pool, "b", &Secret::new("sécond"), None).await.unwrap();
    assert_eq!(admin::read(&pool, "b").await.unwrap().expose(), "sécond");
    assert_eq!(admin::read(&pool, "a").await.unwrap().expose(), "");
    let list = admin::list(&pool).await.unwrap();
    let names: Vec<_> = list.iter().map(|each| (each.name.as_deref(), each.description.as_str())).collect();
    assert_eq!(names, [(Some("a"), ""), (Some("b"), "what for")]);

    admin::remove(&pool, "a").await.unwrap();
    assert!(matches!(admin::remove(&pool, "a").await, Err(Error::NotFound(name)) if name == "a"));
    assert!(matches!(admin::read(&pool, "a").await, Err(Error::NotFound(_))));
    for name in ["", "a\0b", "a\nb", &"x".repeat(256)] {
        let written = admin::write(&pool, name, &Secret::new("x"), None).await;
        assert!(matches!(written, Err(Error::Name)), "{name:?}");
    }
}

/// A database and the file with its key.
async fn with_file() -> (Database, PathBuf) {
    let database = testkit::database(&[vault::migrations()]).await;
    let key_file = database.server_file("vault.key", KEY);
    start(&database, Config { key_file: key_file.clone() }).await;
    (database, key_file)
}

fn fresh() -> Secret {
    Secret::new("f".repeat(64))
}

#[tokio::test]
async fn a_key_is_exchanged() {
    let (database, file) = with_file().await;
    let pool = pool(&database);
    let mut admin = database.admin().await;
    admin
        .batch(
            "select count(vault.create_secret('content ' || g, 'name ' || g)) from generate_series(1, 450) g",
        )
        .await
        .unwrap();
    let sealed = "select string_agg(secret || updated_at, '' order by id) from vault.secrets";
    let times = "select string_agg(updated_at::text, '' order by id) from vault.secrets";
    let before = (text(&mut admin, sealed).await, text(&mut admin, times).await);

    let mut told = Vec::new();
    let done = admin::exchange(&pool, &file, fresh(), |done, of| told.push((done, of))).await;
    assert_eq!(done.unwrap(), 450);
    assert_eq!(told, [(200, 450), (400, 450), (450, 450)]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", fresh().expose()));
    let after = (text(&mut admin, sealed).await, text(&mut admin, times).await);
    assert_ne!(before.0, after.0);
    assert_eq!(before.1, after.1, "nobody wrote them");

    let count = "select count(decrypted_secret)::text from vault.decrypted_secrets
                 where decrypted_secret = replace(name, 'name', 'content')";
    assert_eq!(text(&mut admin, count).await, "450");
    let _ = database.server_file("vault.key", KEY);
    assert_eq!(testkit::code(admin.query(count, &[]).await), "XX001");
}

#[tokio::test]
async fn an_exchange_that_was_interrupted_is_finished_with_the_key_it_began_with() {
    let (database, file) = with_file().await;
    let pool = pool(&database);
    admin::write(&pool, "a", &Secret::new("one"), None).await.unwrap();
    let _ = database.server_file("vault.key", &format!("{}\n{KEY}\n", fresh().expose()));
    // Meanwhile both keys open, and the new one seals.
    admin::write(&pool, "b", &Secret::new("two"), None).await.unwrap();
    assert_eq!(admin::read(&pool, "a").await.unwrap().expose(), "one");
    let other = Secret::new("e".repeat(64));
    assert_eq!(admin::exchange(&pool, &file, other, |_, _| {}).await.unwrap(), 2);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", fresh().expose()));
    assert_eq!(admin::read(&pool, "a").await.unwrap().expose(), "one");
    assert_eq!(admin::read(&pool, "b").await.unwrap().expose(), "two");
}

#[tokio::test]
async fn only_the_file_that_the_server_reads_is_exchanged() {
    let (database, _file) = with_file().await;
    let other = tempfile::tempdir().unwrap();
    let other = other.path().join("vault.key");
    std::fs::write(&other, KEY).unwrap();
    let refused = admin::exchange(&pool(&database), &other, fresh(), |_, _| {}).await;
    assert!(matches!(refused, Err(Error::OtherFile)));
}

#[tokio::test]
async fn a_key_is_kept_for_as_long_as_a_secret_is_not_opened() {
    let (database, file) = with_file().await;
    let pool = pool(&database);
    admin::write(&pool, "sound", &Secret::new("x"), None).await.unwrap();
    admin::write(&pool, "damaged", &Secret::new("x"), None).await.unwrap();
    let mut admin = database.admin().await;
    admin.batch("update vault.secrets set secret = 'b1:AAAA' where name = 'damaged'").await.unwrap();
    let id = text(&mut admin, "select id::text from vault.secrets where name = 'damaged'").await;
    let failed = admin::exchange(&pool, &file, fresh(), |_, _| {}).await;
    assert!(matches!(failed, Err(Error::Unopened(ids)) if ids == [id]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n{KEY}\n", fresh().expose()));
    admin::remove(&pool, "damaged").await.unwrap();
    assert_eq!(admin::exchange(&pool, &file, fresh(), |_, _| {}).await.unwrap(), 1);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", fresh().expose()));
}

#[tokio::test]
async fn secrets_of_the_original_are_adopted() {
    let database = ready().await;
    let pool = pool(&database);
    let mut admin = database.admin().await;
    admin
        .batch(
            "insert into vault.secrets (id, name, secret, nonce, key_id) values
               ('00000000-0000-4000-8000-000000000001', 'original',
                'X5mtDDx/HSbFSyeYZIU7H5ogc2H/5B8aONpUW1IczstZHjj0BNUSXLhf', '\\xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf', null),
               ('00000000-0000-4000-8000-000000000002', 'moved',
                'X5mtDDx/HSbFSyeYZIU7H5ogc2H/5B8aONpUW1IczstZHjj0BNUSXLhf', '\\xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf', null)",
        )
        .await
        .unwrap();
    let before = admin::read(&pool, "original").await.unwrap_err();
    assert!(matches!(before, Error::Database(error) if error.code() == Some("0A000")));
    let adopted = admin::adopt(&pool, &RootKey::parse(KEY).unwrap()).await.unwrap();
    assert_eq!(
        (adopted.opened, adopted.unopened),
        (1, vec!["00000000-0000-4000-8000-000000000002".to_owned()])
    );
    assert_eq!(admin::read(&pool, "original").await.unwrap().expose(), "s3kr3t_k3y");
    // A second time changes nothing.
    assert_eq!(admin::adopt(&pool, &RootKey::parse(KEY).unwrap()).await.unwrap().opened, 0);
}

#[tokio::test]
async fn secrets_of_another_vault_are_taken_in_once() {
    let database = ready().await;
    let pool = pool(&database);
    let moved = |n: u8, content: &str| admin::Moved {
        id: format!("00000000-0000-4000-8000-00000000000{n}"),
        name: (n > 1).then(|| format!("name {n}")),
        description: String::new(),
        content: Secret::new(content),
        created_at: "2025-01-02 03:04:05+00".to_owned(),
        updated_at: "2025-01-02 03:04:05+00".to_owned(),
    };
    // One of the same name, which came about here.
    admin::write(&pool, "name 2", &Secret::new("ours"), None).await.unwrap();
    let mut secrets = vec![moved(1, ""), moved(2, "two"), moved(3, "three")];
    assert!(!admin::holds(&pool, &secrets).await.unwrap());
    assert_eq!(admin::take_in(&pool, &secrets).await.unwrap(), 3);
    assert!(admin::holds(&pool, &secrets).await.unwrap());
    assert_eq!(admin::take_in(&pool, &secrets).await.unwrap(), 0);
    assert_eq!(admin::read(&pool, "name 2").await.unwrap().expose(), "two");
    assert_eq!(admin::list(&pool).await.unwrap().len(), 3);
    secrets[2] = moved(3, "changed");
    // One that was damaged here is sealed anew.
    let mut owner = database.admin().await;
    owner.batch("update vault.secrets set secret = 'b1:AAAA' where name = 'name 2'").await.unwrap();
    assert_eq!(admin::take_in(&pool, &secrets).await.unwrap(), 2);
    assert!(admin::holds(&pool, &secrets).await.unwrap());
}
