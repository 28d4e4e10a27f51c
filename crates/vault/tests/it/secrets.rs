//! Creating, reading, changing, deleting.

use testkit::code;

use crate::{KEY, ready, start, text};

const READ: &str = "select decrypted_secret from vault.decrypted_secrets where name = $1";

#[tokio::test]
async fn calls_by_position_and_by_name() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    for sql in [
        "select vault.create_secret('s3kr3t', 'by position', 'what it is')",
        "select vault.create_secret(new_secret := 's3kr3t', new_name := 'by name', new_description := 'what it is')",
        "select vault.create_secret(new_name => 'reordered', new_secret => 's3kr3t', new_key_id => gen_random_uuid())",
    ] {
        postgres.query(sql, &[]).await.unwrap();
    }
    for name in ["by position", "by name", "reordered"] {
        let row = postgres.query_one(READ, &[&name]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "s3kr3t");
    }
    let row = postgres
        .query_one("select description, key_id is null, length(nonce), secret from vault.secrets where name = 'reordered'", &[])
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("", true, 16));
    let secret: &str = row.get(3);
    assert!(secret.starts_with("b1:") && !secret.contains(['\n', ' ']), "{secret}");
}

#[tokio::test]
async fn every_text_comes_back_as_it_was() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    let long = "é".repeat(32 * 1024);
    for (name, secret) in [
        ("empty", ""),
        ("accents", "clé ✓ 鍵"),
        ("long", long.as_str()),
        ("odd", "\u{1f}'\\\n\t"),
        ("b1", "b1:b1:"),
    ] {
        postgres.query("select vault.create_secret($1, $2)", &[&secret, &name]).await.unwrap();
        let row = postgres.query_one(READ, &[&name]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), secret, "{name}");
    }
}

#[tokio::test]
async fn the_same_text_never_looks_the_same() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres.query("select vault.create_secret('same'), vault.create_secret('same')", &[]).await.unwrap();
    let distinct =
        "select concat_ws(' ', count(*), count(distinct secret), count(distinct nonce)) from vault.secrets";
    assert_eq!(text(&mut postgres, distinct).await, "2 2 2");
}

#[tokio::test]
async fn names_are_unique_where_given() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres.query("select vault.create_secret('a', 'n')", &[]).await.unwrap();
    assert_eq!(code(postgres.query("select vault.create_secret('b', 'n')", &[]).await), "23505");
    postgres.query("select vault.create_secret('a')", &[]).await.unwrap();
    postgres.query("select vault.create_secret('a')", &[]).await.unwrap();
}

#[tokio::test]
async fn an_update_keeps_what_is_null() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    let whole =
        "select concat_ws('|', s.name, s.description, s.decrypted_secret, s.updated_at > s.created_at,
        s.nonce = t.nonce, s.secret = t.secret) from vault.decrypted_secrets s join before t using (id)";
    postgres.query("select vault.create_secret('old', 'name', 'text')", &[]).await.unwrap();
    postgres.batch("create temp table before as select * from vault.secrets").await.unwrap();
    for (call, expected) in [
        ("select vault.update_secret(id) from before", "name|text|old|t|t|t"),
        ("select vault.update_secret(id, 'new') from before", "name|text|new|t|t|f"),
        ("select vault.update_secret(id, new_name := 'other') from before", "other|text|new|t|t|f"),
        (
            "select vault.update_secret(secret_id := id, new_description := '') from before",
            "other||new|t|t|f",
        ),
    ] {
        postgres.query(call, &[]).await.unwrap();
        assert_eq!(text(&mut postgres, whole).await, expected, "{call}");
    }
}

#[tokio::test]
async fn updating_what_is_not_there_is_no_error() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres.query("select vault.update_secret(gen_random_uuid(), 'x', 'y')", &[]).await.unwrap();
    assert_eq!(text(&mut postgres, "select count(*)::text from vault.secrets").await, "0");
}

#[tokio::test]
async fn a_secret_can_be_deleted_through_the_view_too() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres.query("select vault.create_secret('a', 'a'), vault.create_secret('b', 'b')", &[]).await.unwrap();
    assert_eq!(postgres.execute("delete from vault.secrets where name = 'a'", &[]).await.unwrap(), 1);
    assert_eq!(
        postgres.execute("delete from vault.decrypted_secrets where name = 'b'", &[]).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn a_secret_moved_to_another_row_is_refused() {
    let database = ready().await;
    let mut admin = database.admin().await;
    admin
        .query("select vault.create_secret('mine', 'mine'), vault.create_secret('yours', 'yours')", &[])
        .await
        .unwrap();
    admin
        .batch("update vault.secrets set secret = (select secret from vault.secrets where name = 'yours') where name = 'mine'")
        .await
        .unwrap();
    let mut postgres = database.session_as("postgres").await;
    assert_eq!(code(postgres.query(READ, &[&"mine"]).await), "XX001");
    assert_eq!(postgres.query_one(READ, &[&"yours"]).await.unwrap().get::<_, &str>(0), "yours");
}

#[tokio::test]
async fn a_changed_secret_is_refused() {
    let database = ready().await;
    let mut admin = database.admin().await;
    admin.query("select vault.create_secret('a secret of some length', 'a')", &[]).await.unwrap();
    // One bit of the last byte but one, as base64 of the message's own bytes.
    let flip = "update vault.secrets set secret = 'b1:' || translate(encode(set_bit(m, length(m) * 8 - 12,
          1 - get_bit(m, length(m) * 8 - 12)), 'base64'), E'\\n', '')
        from (select decode(substr(secret, 4), 'base64') from vault.secrets) t(m)";
    admin.batch(flip).await.unwrap();
    assert_eq!(code(admin.query(READ, &[&"a"]).await), "XX001");
}

#[tokio::test]
async fn a_foreign_format_is_named() {
    let database = ready().await;
    let mut admin = database.admin().await;
    let original = "insert into vault.secrets (name, secret) values ('a', 'X5mtDDx/HSbFSyeYZIU7H5ogc2H/5B8aONpUW1IczstZHjj0BNUSXLhf')";
    admin.batch(original).await.unwrap();
    assert_eq!(code(admin.query(READ, &[&"a"]).await), "0A000");
    admin.query("select vault.create_secret('x', 'b')", &[]).await.unwrap();
    assert_eq!(admin.query_one(READ, &[&"b"]).await.unwrap().get::<_, &str>(0), "x");
}

#[tokio::test]
async fn the_primitives_exist_under_their_names() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres.query("select vault.create_secret('plain', 'a')", &[]).await.unwrap();
    let decrypt = "select convert_from(vault._crypto_aead_det_decrypt(
        message := decode(substr(s.secret, 4), 'base64'), additional := convert_to(s.id::text, 'utf8'),
        key_id := 0, context := 'pgsodium'::bytea, nonce := s.nonce), 'utf8') from vault.secrets s";
    assert_eq!(text(&mut postgres, decrypt).await, "plain");
    let other = "select vault._crypto_aead_det_decrypt('\\x00', '\\x00', 0)";
    assert_eq!(code(postgres.query(other, &[]).await), "0A000");
    let mut admin = database.admin().await;
    assert_eq!(
        code(admin.query("select vault._crypto_aead_det_encrypt('\\x00', '\\x00', 0)", &[]).await),
        "0A000"
    );
    assert_eq!(text(&mut admin, "select length(vault._crypto_aead_det_noncegen())::text").await, "16");
}

#[tokio::test]
async fn a_dump_holds_ciphertext_that_opens_elsewhere_with_the_same_key() {
    let database = ready().await;
    database
        .admin()
        .await
        .query("select vault.create_secret('correct horse battery', 'a', 'a description')", &[])
        .await
        .unwrap();
    let dump = database.dump();
    assert!(dump.contains("a description") && dump.contains("b1:"));
    assert!(!dump.contains("correct horse") && !dump.contains(KEY));

    let copy = testkit::empty().await;
    copy.restore(&dump);
    let owners = [db::bootstrap::migrations(&db::bootstrap::Options::default()), vault::migrations()];
    db::migrate::run(&copy.target(), &owners).await.unwrap();
    let key_file = copy.server_file("vault.key", KEY);
    start(&copy, vault::Config { key_file }).await;
    let row = copy.admin().await.query_one(READ, &[&"a"]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "correct horse battery");
}

#[tokio::test]
async fn statistics_hold_no_secret() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres.query("select vault.create_secret('tr0ub4dor')", &[]).await.unwrap();
    postgres.query("select vault.create_secret($1)", &[&"tr0ub4dor"]).await.unwrap();
    let seen =
        "select count(*)::text from extensions.pg_stat_statements where query like '%tr0ub' || '4dor%'";
    assert_eq!(text(&mut database.admin().await, seen).await, "0");
}
