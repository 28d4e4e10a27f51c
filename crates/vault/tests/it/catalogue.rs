//! Schema `vault` and `pgsodium.key` as the founding documents and the original extensions describe them.

use testkit::code;

use crate::{KEY, ready};

/// Column, type, may be null, default.
const SECRETS: &[(&str, &str, bool, Option<&str>)] = &[
    ("id", "uuid", false, Some("gen_random_uuid()")),
    ("name", "text", true, None),
    ("description", "text", false, Some("''::text")),
    ("secret", "text", false, None),
    ("key_id", "uuid", true, None),
    ("nonce", "bytea", true, Some("vault._crypto_aead_det_noncegen()")),
    ("created_at", "timestamp with time zone", false, Some("CURRENT_TIMESTAMP")),
    ("updated_at", "timestamp with time zone", false, Some("CURRENT_TIMESTAMP")),
];

const COLUMNS: &str = "
    select column_name::text, data_type::text, is_nullable = 'YES', column_default::text
      from information_schema.columns
     where table_schema = $1 and table_name = $2
     order by ordinal_position";

#[tokio::test]
async fn the_table_of_secrets() {
    let database = ready().await;
    let mut admin = database.admin().await;
    let rows = admin.query(COLUMNS, &[&"vault", &"secrets"]).await.unwrap();
    let found: Vec<(String, String, bool, Option<String>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let expected: Vec<_> = SECRETS
        .iter()
        .map(|(name, kind, null, default)| {
            ((*name).to_owned(), (*kind).to_owned(), *null, default.map(str::to_owned))
        })
        .collect();
    assert_eq!(found, expected);
    let facts = "
        select relrowsecurity,
               (select pg_get_constraintdef(oid) from pg_constraint where conrelid = c.oid and contype = 'p'),
               (select indexdef from pg_indexes where indexname = 'secrets_name_idx')
          from pg_class c where oid = 'vault.secrets'::regclass";
    let facts = admin.query_one(facts, &[]).await.unwrap();
    assert_eq!((facts.get::<_, bool>(0), facts.get::<_, &str>(1)), (false, "PRIMARY KEY (id)"));
    assert_eq!(
        facts.get::<_, &str>(2),
        "CREATE UNIQUE INDEX secrets_name_idx ON vault.secrets USING btree (name) WHERE (name IS NOT NULL)"
    );
}

#[tokio::test]
async fn the_view_of_opened_secrets() {
    let database = ready().await;
    let rows = database.admin().await.query(COLUMNS, &[&"vault", &"decrypted_secrets"]).await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        names,
        [
            "id",
            "name",
            "description",
            "secret",
            "decrypted_secret",
            "key_id",
            "nonce",
            "created_at",
            "updated_at"
        ]
    );
}

#[tokio::test]
async fn pgsodium_s_table_of_keys_is_a_view_that_shows_no_key() {
    let database = ready().await;
    let mut admin = database.admin().await;
    let rows = admin.query(COLUMNS, &[&"pgsodium", &"key"]).await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        names.join(" "),
        "id status created expires key_type key_id key_context name associated_data raw_key raw_key_nonce parent_key \
         comment user_data"
    );
    let mut postgres = database.session_as("postgres").await;
    for sql in [
        "select to_jsonb(k)::text from pgsodium.key k where status = 'valid'",
        "select to_jsonb(k)::text from pgsodium.valid_key k where key_type = 'aead-det'",
    ] {
        let rows = postgres.query(sql, &[]).await.unwrap();
        assert_eq!(rows.len(), 1, "{sql}");
        assert!(!rows[0].get::<_, &str>(0).contains(KEY), "{sql}");
    }
    let raw = "select raw_key is null and raw_key_nonce is null from pgsodium.key";
    assert!(postgres.query_one(raw, &[]).await.unwrap().get::<_, bool>(0));
    for role in ["postgres", "service_role", "anon", "authenticated"] {
        let mut session = database.session_as(role).await;
        for sql in ["insert into pgsodium.key (name) values ('x')", "delete from pgsodium.key"] {
            // 55000: a view that takes no writes; 42501: no right to try.
            let refused = code(session.query(sql, &[]).await);
            assert!(refused == "55000" || refused == "42501", "{role} {sql}: {refused}");
        }
    }
    let mut anon = database.session_as("anon").await;
    assert_eq!(code(anon.query("select * from pgsodium.valid_key", &[]).await), "42501");
}
