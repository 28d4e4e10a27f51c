//! Rows of `realtime.messages`.

use chrono::NaiveDateTime;
use db::{Error, Fleet, Query, Session, Setting, Text, Trial};
use uuid::Uuid;

/// Put there by the owner of the table, whom policies do not bind.
const PROBE: &str = "
    insert into realtime.messages (id, topic, extension)
    select e.id, $1, e.extension
      from (values ($2::uuid, 'broadcast'), ($3::uuid, 'presence')) e(id, extension)
     where e.id is not null";

/// The default of `inserted_at` is the time at which the transaction began, so other partitions are not looked at.
const FIND: &str = "
    select m.extension
      from realtime.messages m
     where m.id in ($1::uuid, $2::uuid)
       and m.inserted_at = localtimestamp";

const WRITE: &str = "insert into realtime.messages (topic, extension) values ($1, $2)";

const REPLAY: &str = "
    select m.id, m.event, m.payload::text, m.binary_payload
      from realtime.messages m
     where m.topic = $1
       and m.private
       and m.extension = 'broadcast'
       and m.event is not null
       and m.inserted_at >= $2
       and m.inserted_at < timezone('utc', now()) + interval '1 minute'
     order by m.inserted_at desc, m.id desc
     limit $3";

/// A past message.
pub(crate) struct Past {
    pub(crate) id: Uuid,
    pub(crate) event: String,
    /// JSON text.
    pub(crate) payload: Option<String>,
    pub(crate) binary_payload: Option<Vec<u8>>,
}

/// The latest messages of a private topic since a moment, the oldest first.
pub(crate) async fn replay(
    session: &mut Session,
    topic: &str,
    since: NaiveDateTime,
    limit: i64,
) -> Result<Vec<Past>, Error> {
    let rows = session.query(REPLAY, &[&topic, &since, &limit]).await?;
    let past = rows.iter().rev().map(|row| Past {
        id: row.get(0),
        event: row.get(1),
        payload: row.get(2),
        binary_payload: row.get(3),
    });
    Ok(past.collect())
}

/// The extensions of `topic` that `role` may read under these settings.
pub(crate) async fn readable(
    fleet: &Fleet,
    role: &str,
    settings: &[Setting<'_>],
    topic: &str,
    with_presence: bool,
) -> Result<Vec<String>, Error> {
    let broadcast = Text::from(Uuid::new_v4().to_string());
    let presence = if with_presence { Text::from(Uuid::new_v4().to_string()) } else { Text::Null };
    let probe = [Text::from(topic), broadcast.clone(), presence.clone()];
    let find = [broadcast, presence];
    let trial = Trial {
        role,
        before: Some(Query { sql: PROBE, params: &probe }),
        settings,
        main: Query { sql: FIND, params: &find },
    };
    fleet.attempt(&trial).await?.iter().map(|record| record.get(0)).collect()
}

/// Succeeds if `role` may write to `topic` under these settings.
pub(crate) async fn write(
    fleet: &Fleet,
    role: &str,
    settings: &[Setting<'_>],
    topic: &str,
    extension: &str,
) -> Result<(), Error> {
    let params = [Text::from(topic), Text::from(extension)];
    let main = Query { sql: WRITE, params: &params };
    fleet.attempt(&Trial { role, before: None, settings, main }).await.map(drop)
}
