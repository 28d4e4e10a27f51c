//! `auth.basalt_device_codes`: devices that ask for access, until their code is exchanged. Ours.

use chrono::{DateTime, Utc};
use db::{Error, Row, Session};
use uuid::Uuid;

/// A device that asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeviceRow {
    pub(crate) hash: String,
    pub(crate) user_code: String,
    pub(crate) client_id: Uuid,
    /// Who answered.
    pub(crate) user_id: Option<Uuid>,
    pub(crate) scope: String,
    pub(crate) answer: Option<bool>,
    pub(crate) poll_seconds: i32,
    pub(crate) polled_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: DateTime<Utc>,
}

const SELECT: &str = "\
select hash, user_code, client_id, user_id, scope, nullif(status, 'pending') = 'approved' as answer, poll_seconds,
       polled_at, expires_at
  from auth.basalt_device_codes";

fn device(row: &Row) -> Result<DeviceRow, Error> {
    Ok(DeviceRow {
        hash: row.try_get("hash")?,
        user_code: row.try_get("user_code")?,
        client_id: row.try_get("client_id")?,
        user_id: row.try_get("user_id")?,
        scope: row.try_get("scope")?,
        answer: row.try_get("answer")?,
        poll_seconds: row.try_get("poll_seconds")?,
        polled_at: row.try_get("polled_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

/// A device that asks from now on.
pub(crate) struct NewDevice<'a> {
    pub(crate) hash: &'a str,
    pub(crate) user_code: &'a str,
    pub(crate) client_id: Uuid,
    pub(crate) scope: &'a str,
    pub(crate) poll_seconds: i32,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Returns whether the code was free.
pub(crate) async fn insert(
    session: &mut Session,
    new: &NewDevice<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    const INSERT: &str = "\
insert into auth.basalt_device_codes
  (hash, user_code, client_id, scope, status, poll_seconds, created_at, expires_at)
values ($1, $2, $3, $4, 'pending', $5, $6, $7)
on conflict do nothing";
    let NewDevice { hash, user_code, client_id, scope, poll_seconds, expires_at } = new;
    let params: [db::Param<'_>; 7] = [hash, user_code, client_id, scope, poll_seconds, &now, expires_at];
    Ok(session.execute(INSERT, &params).await? == 1)
}

/// The device that shows this code, which nobody else answers until the transaction ends.
pub(crate) async fn lock_by_user_code(session: &mut Session, code: &str) -> Result<Option<DeviceRow>, Error> {
    let row = session.query_opt(&format!("{SELECT} where user_code = $1 for update"), &[&code]).await?;
    row.as_ref().map(device).transpose()
}

/// The device whose code has this hash, which nobody else exchanges until the transaction ends.
pub(crate) async fn lock(session: &mut Session, hash: &str) -> Result<Option<DeviceRow>, Error> {
    let row = session.query_opt(&format!("{SELECT} where hash = $1 for update"), &[&hash]).await?;
    row.as_ref().map(device).transpose()
}

pub(crate) async fn answer(
    session: &mut Session,
    hash: &str,
    user_id: Uuid,
    approved: bool,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.basalt_device_codes
   set user_id = $2, status = case when $3 then 'approved' else 'denied' end
 where hash = $1";
    session.execute(UPDATE, &[&hash, &user_id, &approved]).await.map(drop)
}

/// The device asked now, and has to wait so long before it asks again.
pub(crate) async fn poll(
    session: &mut Session,
    hash: &str,
    poll_seconds: i32,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str =
        "update auth.basalt_device_codes set poll_seconds = $2, polled_at = $3 where hash = $1";
    session.execute(UPDATE, &[&hash, &poll_seconds, &now]).await.map(drop)
}

pub(crate) async fn delete(session: &mut Session, hash: &str) -> Result<(), Error> {
    session.execute("delete from auth.basalt_device_codes where hash = $1", &[&hash]).await.map(drop)
}

/// Forgets the devices of an application that someone let in and that have not come yet.
pub(crate) async fn delete_of(session: &mut Session, user_id: Uuid, client_id: Uuid) -> Result<(), Error> {
    const DELETE: &str = "delete from auth.basalt_device_codes where user_id = $1 and client_id = $2";
    session.execute(DELETE, &[&user_id, &client_id]).await.map(drop)
}
