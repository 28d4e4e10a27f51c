//! `auth.mfa_factors`.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

pub(crate) async fn update_friendly_name(
    session: &mut Session,
    id: Uuid,
    name: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.mfa_factors set friendly_name = $2, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &name, &now]).await.map(drop)
}

pub(crate) async fn update_phone(
    session: &mut Session,
    id: Uuid,
    phone: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "update auth.mfa_factors set phone = $2, updated_at = $3 where id = $1";
    session.execute(UPDATE, &[&id, &phone, &now]).await.map(drop)
}

pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.mfa_factors where id = $1", &[&id]).await.map(drop)
}

pub(crate) async fn delete_all(session: &mut Session, user_id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.mfa_factors where user_id = $1", &[&user_id]).await.map(drop)
}
