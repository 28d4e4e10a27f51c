//! Secrets that are sealed in the database, in the form of Supabase Auth.

use auth::{Config, DbEncryption};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Secret;
use serde_json::{Value, json};

use crate::harness::{Api, open};
use crate::mfa::{answer, challenge, enroll, factors, prove};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const NEWER: &str = "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Under the key `k1`.
fn sealing() -> DbEncryption {
    DbEncryption {
        encrypt: true,
        encryption_key_id: "k1".to_owned(),
        encryption_key: Secret::new(KEY),
        decryption_keys: Secret::new(format!("k1:{KEY}")),
    }
}

/// Under the key `k2`; what `k1` sealed still opens.
fn newer() -> DbEncryption {
    DbEncryption {
        encrypt: true,
        encryption_key_id: "k2".to_owned(),
        encryption_key: Secret::new(NEWER),
        decryption_keys: Secret::new(format!("k1:{KEY},k2:{NEWER}")),
    }
}

/// As Supabase Auth seals a value of the object `id` under the key of [`sealing`].
fn seal(id: &str, text: &str) -> Value {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            32
        }
    }
    let key: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let mut derived = [0; 32];
    let extracted = Salt::new(HKDF_SHA256, &[]).extract(&key);
    extracted.expand(&[id.as_bytes()], Length).unwrap().fill(&mut derived).unwrap();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived).unwrap());
    let mut data = text.as_bytes().to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key([7; 12]), Aad::empty(), &mut data).unwrap();
    json!({ "key_id": "k1", "alg": "aes-gcm-hkdf", "data": STANDARD.encode(data), "nonce": STANDARD.encode([7; 12]) })
}

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

/// The name of the key that sealed a column; nothing if it is not sealed.
async fn key_of(api: &Api, column: &str, table: &str) -> Option<String> {
    let sql = format!(
        "select case when {column} like '{{%' then {column}::json ->> 'key_id' end from auth.{table}"
    );
    api.value(&sql).await
}

#[actix_web::test]
async fn hashes_of_passwords_are_sealed_whoever_sets_them() {
    let api = Api::start(Config { db_encryption: sealing(), ..open() }).await;
    let session = api.sign_up("jane@example.com").await;
    let key = async || key_of(&api, "encrypted_password", "users").await;
    assert_eq!(key().await.as_deref(), Some("k1"));
    api.put_as(token(&session), "/user", json!({ "password": "another" })).await.ok();
    assert_eq!(key().await.as_deref(), Some("k1"));
    api.sign_in("jane@example.com", "another").await.ok();
    assert_eq!(api.sign_in("jane@example.com", "password").await.error(), (400, "invalid_credentials"));

    let admin = api.service_role();
    let path = format!("/admin/users/{}", session["user"]["id"].as_str().unwrap());
    api.put_as(&admin, &path, json!({ "password": "a third one" })).await.ok();
    assert_eq!(key().await.as_deref(), Some("k1"));
    api.sign_in("jane@example.com", "a third one").await.ok();
    api.sql("delete from auth.users").await;
    let body = json!({ "email": "joe@example.com", "password": "password", "email_confirm": true });
    api.post_as(&admin, "/admin/users", body).await.ok();
    assert_eq!(key().await.as_deref(), Some("k1"));
    api.sign_in("joe@example.com", "password").await.ok();
    // Who has no password has nothing to be sealed.
    api.sql("delete from auth.users").await;
    api.post("/signup", json!({})).await.ok();
    assert_eq!(api.value("select encrypted_password from auth.users").await, None);
}

#[actix_web::test]
async fn signing_in_seals_under_the_key_that_is_in_force() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    let mut session = prove(&api, &session, &app, 0).await;
    let keys = async || {
        let mut keys = Vec::new();
        for (column, table) in [
            ("encrypted_password", "users"),
            ("refresh_token_hmac_key", "sessions"),
            ("secret", "mfa_factors"),
        ] {
            keys.push(key_of(&api, column, table).await);
        }
        keys
    };
    assert_eq!(keys().await, [None, None, None]);
    for (settings, key) in [(sealing(), "k1"), (newer(), "k2")] {
        let before = keys().await;
        assert_eq!(api.auth.reload(Config { db_encryption: settings, ..factors() }), auth::Reload::Applied);
        assert_eq!(api.sign_in("jane@example.com", "wrong").await.status, 400);
        assert_eq!(keys().await, before, "a wrong password changes nothing");
        api.sql("delete from auth.sessions where factor_id is null").await;
        session = api.refresh(&session["refresh_token"]).await.ok();
        api.advance(60);
        session = prove(&api, &session, &app, 0).await;
        let calls = (0..4).map(|_| api.sign_in("jane@example.com", "password"));
        let statuses: Vec<_> =
            futures_util::future::join_all(calls).await.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200; 4], "who signs in at the same time is not put off");
        api.sql("delete from auth.sessions where factor_id is null").await;
        assert_eq!(keys().await, [key; 3].map(|key| Some(key.to_owned())));
    }
    api.refresh(&session["refresh_token"]).await.ok();
}

/// Hashes of passwords that Supabase Auth sealed are opened, and keys of sessions are sealed.
#[actix_web::test]
async fn accounts_and_sessions_with_sealed_columns() {
    let api = Api::start(factors()).await;
    let session = api.sign_up("jane@example.com").await;
    let id = session["user"]["id"].as_str().unwrap();
    let hash = api.value("select encrypted_password from auth.users").await.unwrap();
    let sealed = seal(id, &hash);
    let _ = api.auth.reload(Config { db_encryption: sealing(), ..factors() });
    api.sql(&format!("update auth.users set encrypted_password = '{sealed}'")).await;
    let signed_in = api.sign_in("jane@example.com", "password").await.ok();
    assert_eq!(api.sign_in("jane@example.com", "otherword").await.error(), (400, "invalid_credentials"));
    let keys = "select count(*) from auth.sessions where refresh_token_hmac_key like '%\"k1\"%'";
    assert_eq!(api.value(keys).await.as_deref(), Some("1"));
    let refreshed = api.refresh(&signed_in["refresh_token"]).await.ok();
    let same = api.put_as(token(&refreshed), "/user", json!({ "password": "password" })).await;
    assert_eq!(same.error(), (422, "same_password"));
    // One that was sealed for another account does not open.
    let other = seal("3f2b8c1e-5a77-4d0e-9c61-0a1b2c3d4e5f", &hash);
    api.sql(&format!("update auth.users set encrypted_password = '{other}'")).await;
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 500);
}

/// The column is as long as Supabase Auth made it.
#[actix_web::test]
async fn a_hash_that_does_not_fit_sealed_stays_as_it_is() {
    let api = Api::start(Config { db_encryption: sealing(), ..open() }).await;
    let hash = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdHNhbHQ=$Y1FULYEag1Kxy4Xo8dySwZm9SSyOwNsSSgADe5x/0pEZ2Ygabx632pj+I/BWRf/VFK+0ti8zu5tOKtm9MzCCRw==";
    let body = json!({ "email": "joe@example.com", "password_hash": hash, "email_confirm": true });
    api.post_as(&api.service_role(), "/admin/users", body).await.ok();
    api.sign_in("joe@example.com", "correct horse").await.ok();
    assert_eq!(api.value("select encrypted_password from auth.users").await.as_deref(), Some(hash));
}

#[actix_web::test]
async fn secrets_are_sealed_where_that_is_asked_for() {
    let api = Api::start(Config { db_encryption: sealing(), ..factors() }).await;
    let session = api.sign_up("jane@example.com").await;
    let app = enroll(&api, &session, "a").await;
    assert_eq!(key_of(&api, "secret", "mfa_factors").await.as_deref(), Some("k1"));
    let raised = prove(&api, &session, &app, 0).await;
    let body = json!({ "factor_type": "phone", "friendly_name": "b", "phone": "15551234567" });
    let phone = api.post_as(token(&raised), "/factors", body).await.ok();
    let id = phone["id"].as_str().unwrap();
    let asked = challenge(&api, &raised, id).await;
    let plain = "select count(*) from auth.mfa_challenges where otp_code = '424242'";
    assert_eq!(api.value(plain).await.as_deref(), Some("0"));
    answer(&api, &raised, id, &asked, "424242").await.ok();
}
