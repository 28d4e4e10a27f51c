//! `auth.basalt_scim_tokens`: what identity providers prove themselves by. Ours.

use chrono::{DateTime, Utc};
use db::{Error, Row, Session};
use uuid::Uuid;

/// A token; what is secret of it is not kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TokenRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) used_at: Option<DateTime<Utc>>,
}

fn token(row: &Row) -> Result<TokenRow, Error> {
    Ok(TokenRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_at: row.try_get("created_at")?,
        used_at: row.try_get("used_at")?,
    })
}

/// Keeps the hash of a token, unless the provider has as many as it may. Returns whether it was kept.
pub(crate) async fn insert(
    session: &mut Session,
    provider_id: Uuid,
    hash: &str,
    new: &TokenRow,
    most: i64,
) -> Result<bool, Error> {
    const INSERT: &str = "\
insert into auth.basalt_scim_tokens (id, sso_provider_id, hash, name, created_at)
select $1, $2, $3, $4, $5
 where (select count(*) from auth.basalt_scim_tokens where sso_provider_id = $2) < $6";
    let TokenRow { id, name, created_at, .. } = new;
    Ok(session.execute(INSERT, &[id, &provider_id, &hash, name, created_at, &most]).await? == 1)
}

pub(crate) async fn list(session: &mut Session, provider_id: Uuid) -> Result<Vec<TokenRow>, Error> {
    const LIST: &str = "\
select id, name, created_at, used_at from auth.basalt_scim_tokens where sso_provider_id = $1 order by created_at, id";
    session.query(LIST, &[&provider_id]).await?.iter().map(token).collect()
}

/// Returns whether there was one.
pub(crate) async fn delete(session: &mut Session, provider_id: Uuid, id: Uuid) -> Result<bool, Error> {
    const DELETE: &str = "delete from auth.basalt_scim_tokens where sso_provider_id = $1 and id = $2";
    Ok(session.execute(DELETE, &[&provider_id, &id]).await? == 1)
}

/// The provider whose token has this hash, and whether it is disabled. Notes the use, not more often than once a
/// minute.
pub(crate) async fn find_provider(
    session: &mut Session,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<(Uuid, bool)>, Error> {
    const FIND: &str = "\
with used as (
  update auth.basalt_scim_tokens set used_at = $2
   where hash = $1 and (used_at is null or used_at < $2::timestamptz - interval '1 minute'))
select p.id, coalesce(p.disabled, false) as disabled
  from auth.basalt_scim_tokens t join auth.sso_providers p on p.id = t.sso_provider_id
 where t.hash = $1";
    let row = session.query_opt(FIND, &[&hash, &now]).await?;
    row.map(|row| Ok((row.try_get("id")?, row.try_get("disabled")?))).transpose()
}
