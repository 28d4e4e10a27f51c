//! `auth.basalt_limits`: what has to be remembered of limits when the process starts again.

use chrono::{DateTime, Utc};
use db::{Error, Session};

/// What names of addresses and numbers without an account begin with.
const UNKNOWN: &str = "unknown:";

/// How full the bucket of this name was, and when.
pub(crate) async fn find(session: &mut Session, name: &str) -> Result<Option<(f64, DateTime<Utc>)>, Error> {
    const FIND: &str = "select tokens, at from auth.basalt_limits where name = $1";
    let row = session.query_opt(FIND, &[&name]).await?;
    row.map(|row| Ok((row.try_get("tokens")?, row.try_get("at")?))).transpose()
}

/// Remembers how full the bucket of this name is.
pub(crate) async fn put(
    session: &mut Session,
    name: &str,
    tokens: f64,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    const PUT: &str = "\
insert into auth.basalt_limits (name, tokens, at) values ($1, $2, $3)
on conflict (name) do update set tokens = excluded.tokens, at = excluded.at";
    session.execute(PUT, &[&name, &tokens, &at]).await.map(drop)
}

/// Remembers that a code for an address or number without an account was asked for, by a hash of both;
/// returns when it was the last time.
pub(crate) async fn touch_unknown(
    session: &mut Session,
    hash: &str,
    at: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    const TOUCH: &str = "\
with last as (select at from auth.basalt_limits where name = $1)
insert into auth.basalt_limits (name, tokens, at) values ($1, 0, $2)
on conflict (name) do update set at = excluded.at
returning (select at from last)";
    let row = session.query_one(TOUCH, &[&[UNKNOWN, hash].concat(), &at]).await?;
    row.try_get(0).map_err(Error::from)
}
