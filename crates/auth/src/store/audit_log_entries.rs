//! `auth.audit_log_entries`.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use serde_json::Value;
use uuid::Uuid;

pub(crate) async fn insert(
    session: &mut Session,
    payload: &Value,
    ip_address: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
values ('00000000-0000-0000-0000-000000000000', $1, $2, $3, $4)";
    session.execute(INSERT, &[&Uuid::new_v4(), payload, &now, &ip_address]).await.map(drop)
}

/// An entry as the admin API shows it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Entry {
    id: Uuid,
    payload: Value,
    created_at: DateTime<Utc>,
    ip_address: String,
}

/// Entries whose payload has `value` under one of `keys`, newest first; all without `value`.
pub(crate) async fn list(
    session: &mut Session,
    keys: &[&str],
    value: Option<&str>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Entry>, Error> {
    const SELECT: &str = "\
select id, payload, created_at, ip_address from auth.audit_log_entries
 where $2::text is null
    or exists (select from unnest($1::text[]) as k (name) where payload ->> k.name ilike $2)
 order by created_at desc, id limit $3 offset $4";
    let rows = session.query(SELECT, &[&keys, &value.map(contains), &limit, &offset]).await?;
    rows.iter()
        .map(|row| {
            Ok(Entry {
                id: row.try_get("id")?,
                payload: row.try_get::<_, Option<Value>>("payload")?.unwrap_or_default(),
                created_at: row.try_get::<_, Option<_>>("created_at")?.unwrap_or_default(),
                ip_address: row.try_get("ip_address")?,
            })
        })
        .collect()
}

pub(crate) async fn count(session: &mut Session, keys: &[&str], value: Option<&str>) -> Result<i64, Error> {
    const COUNT: &str = "\
select count(*) as total from auth.audit_log_entries
 where $2::text is null
    or exists (select from unnest($1::text[]) as k (name) where payload ->> k.name ilike $2)";
    Ok(session.query_one(COUNT, &[&keys, &value.map(contains)]).await?.try_get("total")?)
}

/// A pattern in which the wildcards of `value` count as characters.
fn contains(value: &str) -> String {
    format!("%{}%", value.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}
