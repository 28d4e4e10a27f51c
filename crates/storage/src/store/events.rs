//! `storage.basalt_events`: what happened to objects and has not been told yet. A trigger fills it.

use std::time::Duration;

use db::Fleet;
use serde_json::value::RawValue;

use super::{array, json, own};

/// An event to be told.
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) payload: Box<RawValue>,
    /// When it happened, in milliseconds.
    pub(crate) at: i64,
    /// The attempt that this is.
    pub(crate) attempt: i32,
}

/// Whoever takes an event has until its next attempt to tell it: nobody else does so meanwhile, and one that
/// was not told is due again. The second attempt comes after ten
/// seconds, each later one after twice as long, up to an hour.
const TAKE: &str = "
    with due as (
      select id from storage.basalt_events
       where due_at <= now()
       order by due_at, number
       limit 50
         for update skip locked),
    taken as (
      update storage.basalt_events e
         set attempts = e.attempts + 1,
             due_at = now() + least(interval '1 hour', interval '10 seconds' * power(2, least(e.attempts, 20)))
        from due
       where e.id = due.id
      returning e.*)
    select id::text, type, payload::text, (extract(epoch from created_at) * 1000)::bigint, attempts
      from taken
     order by number";

/// Takes some of the events that are due.
pub(crate) async fn take(fleet: &Fleet) -> Result<Vec<Event>, db::Error> {
    let rows = own(fleet, TAKE, &[]).await?;
    let read = |row: &db::Record| {
        let payload = json(row, 2)?.ok_or_else(|| db::Error::Client("an event says nothing".to_owned()))?;
        Ok(Event { id: row.get(0)?, kind: row.get(1)?, payload, at: row.get(3)?, attempt: row.get(4)? })
    };
    rows.iter().map(read).collect()
}

const DELETE: &str = "delete from storage.basalt_events where id = any ($1::uuid[])";

/// Forgets events that were told.
pub(crate) async fn delete(fleet: &Fleet, ids: &[String]) -> Result<(), db::Error> {
    own(fleet, DELETE, &[array(ids)]).await.map(drop)
}

const EXPIRE: &str = "delete from storage.basalt_events where created_at < now() - $1::interval returning id";

/// Forgets events that nobody took for so long. Returns how many.
pub(crate) async fn expire(fleet: &Fleet, age: Duration) -> Result<usize, db::Error> {
    let age = format!("{} milliseconds", age.as_millis());
    Ok(own(fleet, EXPIRE, &[age.as_str().into()]).await?.len())
}
