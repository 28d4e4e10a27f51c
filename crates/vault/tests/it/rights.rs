//! Who may do what.

use testkit::code;

use crate::{ready, text};

#[tokio::test]
async fn nobody_else_sees_anything() {
    let database = ready().await;
    database.admin().await.query("select vault.create_secret('a', 'a')", &[]).await.unwrap();
    for role in ["anon", "authenticated", "authenticator", "dashboard_user", "supabase_storage_admin"] {
        let mut session = database.session_as(role).await;
        for sql in [
            "select * from vault.secrets",
            "select * from vault.decrypted_secrets",
            "delete from vault.secrets",
            "select vault.create_secret('x')",
            "select vault.update_secret(gen_random_uuid())",
            "select vault._key()",
            "select vault._keys()",
            "select vault._open(gen_random_uuid(), 'b1:')",
        ] {
            assert_eq!(code(session.query(sql, &[]).await), "42501", "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn the_developer_and_the_service_role_write_through_functions_only() {
    let database = ready().await;
    for role in ["postgres", "service_role"] {
        let mut session = database.session_as(role).await;
        session.query("select vault.create_secret($1, $1)", &[&role]).await.unwrap();
        let read = format!("select decrypted_secret from vault.decrypted_secrets where name = '{role}'");
        assert_eq!(text(&mut session, &read).await, role);
        for sql in [
            "insert into vault.secrets (secret) values ('plain')",
            "update vault.secrets set name = 'other'",
            "truncate vault.secrets",
            "insert into vault.decrypted_secrets (secret) values ('plain')",
            "select vault._key()",
            "select vault._keys()",
            "select vault._seal(gen_random_uuid(), 'x')",
            "select vault._reseal(gen_random_uuid(), 'x')",
            "select vault._crypto_aead_det_encrypt('', '', 0)",
            "select vault._crypto_aead_det_noncegen()",
            "create or replace function vault._keys() returns text[] language sql as 'select null::text[]'",
            "alter table vault.secrets add column x int",
            "drop view vault.decrypted_secrets",
        ] {
            assert_eq!(code(session.query(sql, &[]).await), "42501", "{role}: {sql}");
        }
        session.query("delete from vault.secrets", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn the_developer_may_hand_rights_on() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres
        .batch(
            "grant usage on schema vault to authenticated;
             grant select on vault.decrypted_secrets to authenticated;
             grant execute on function vault._open(uuid, text) to authenticated;
             select vault.create_secret('shared', 'a')",
        )
        .await
        .unwrap();
    let mut user = database.session_as("authenticated").await;
    assert_eq!(text(&mut user, "select decrypted_secret from vault.decrypted_secrets").await, "shared");
}

#[tokio::test]
async fn an_application_shows_a_secret_by_a_function_of_its_own() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    postgres
        .batch(
            "select vault.create_secret('shown', 'a');
             create function public.reveal() returns text language sql security definer set search_path = ''
               as 'select decrypted_secret from vault.decrypted_secrets where name = ''a'''",
        )
        .await
        .unwrap();
    let mut user = database.caller("authenticated", "{}").await;
    assert_eq!(text(&mut user, "select public.reveal()").await, "shown");
}

#[tokio::test]
async fn a_search_path_of_the_caller_changes_nothing() {
    let database = ready().await;
    let mut postgres = database.session_as("postgres").await;
    // Functions of the caller that would receive the key, were they found first.
    postgres
        .batch(
            "create schema trap;
             create function trap.pgp_sym_encrypt(text, text, text) returns bytea language sql as 'select ''''::bytea';
             create function trap.btrim(text, text) returns text language sql as 'select ''stolen''';
             set search_path to trap, pg_catalog, extensions;
             select vault.create_secret('safe', 'a')",
        )
        .await
        .unwrap();
    assert_eq!(text(&mut postgres, "select decrypted_secret from vault.decrypted_secrets").await, "safe");
}
