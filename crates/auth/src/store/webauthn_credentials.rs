//! `auth.webauthn_credentials`: passkeys.

use chrono::{DateTime, Utc};
use db::{Error, Row, Session};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::webauthn::Credential;

/// A registered passkey.
pub(crate) struct PasskeyRow {
    pub(crate) id: Uuid,
    pub(crate) friendly_name: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) credential: Credential,
}

const SELECT: &str = "\
select id, credential_id, public_key, attestation_type, aaguid, sign_count, transports, backup_eligible, backed_up,
       friendly_name, created_at, last_used_at
  from auth.webauthn_credentials
";

fn passkey(row: &Row) -> Result<PasskeyRow, Error> {
    let transports = match row.try_get::<_, Value>("transports")? {
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Ok(PasskeyRow {
        id: row.try_get("id")?,
        friendly_name: row.try_get("friendly_name")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        credential: Credential {
            id: row.try_get("credential_id")?,
            public_key: row.try_get("public_key")?,
            sign_count: u32::try_from(row.try_get::<_, i64>("sign_count")?).unwrap_or_default(),
            backup_eligible: row.try_get("backup_eligible")?,
            backed_up: row.try_get("backed_up")?,
            transports,
            aaguid: row.try_get::<_, Option<_>>("aaguid")?.unwrap_or_default(),
            user_verified: false,
            attestation_type: row.try_get("attestation_type")?,
        },
    })
}

pub(crate) async fn list(session: &mut Session, user_id: Uuid) -> Result<Vec<PasskeyRow>, Error> {
    let sql = format!("{SELECT} where user_id = $1 order by created_at, id");
    session.query(&sql, &[&user_id]).await?.iter().map(passkey).collect()
}

/// The passkey of this account; `None` if it has none of this id.
pub(crate) async fn find(
    session: &mut Session,
    id: Uuid,
    user_id: Uuid,
) -> Result<Option<PasskeyRow>, Error> {
    let sql = format!("{SELECT} where id = $1 and user_id = $2");
    let row = session.query_opt(&sql, &[&id, &user_id]).await?;
    row.as_ref().map(passkey).transpose()
}

pub(crate) async fn insert(
    session: &mut Session,
    id: Uuid,
    user_id: Uuid,
    credential: &Credential,
    friendly_name: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.webauthn_credentials
  (id, user_id, credential_id, public_key, attestation_type, aaguid, sign_count, transports, backup_eligible,
   backed_up, friendly_name, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)";
    session
        .execute(
            INSERT,
            &[
                &id,
                &user_id,
                &credential.id,
                &credential.public_key,
                &credential.attestation_type,
                &credential.aaguid,
                &i64::from(credential.sign_count),
                &json!(credential.transports),
                &credential.backup_eligible,
                &credential.backed_up,
                &friendly_name,
                &now,
            ],
        )
        .await
        .map(drop)
}

/// Notes a sign-in; says whether the passkey is still there.
pub(crate) async fn set_used(
    session: &mut Session,
    id: Uuid,
    sign_count: u32,
    backed_up: bool,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    const UPDATE: &str = "\
update auth.webauthn_credentials set sign_count = $2, backed_up = $3, last_used_at = $4, updated_at = $4
 where id = $1";
    Ok(session.execute(UPDATE, &[&id, &i64::from(sign_count), &backed_up, &now]).await? > 0)
}

/// Renames a passkey of this account.
pub(crate) async fn rename(
    session: &mut Session,
    (id, user_id): (Uuid, Uuid),
    friendly_name: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.webauthn_credentials set friendly_name = $3, updated_at = $4 where id = $1 and user_id = $2";
    session.execute(UPDATE, &[&id, &user_id, &friendly_name, &now]).await.map(drop)
}

/// Removes a passkey of this account; says whether it had it.
pub(crate) async fn delete(session: &mut Session, id: Uuid, user_id: Uuid) -> Result<bool, Error> {
    const DELETE: &str = "delete from auth.webauthn_credentials where id = $1 and user_id = $2";
    Ok(session.execute(DELETE, &[&id, &user_id]).await? > 0)
}

pub(crate) async fn delete_all(session: &mut Session, user_id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.webauthn_credentials where user_id = $1", &[&user_id]).await.map(drop)
}
