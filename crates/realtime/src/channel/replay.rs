//! Past messages for those who join.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime};
use tokio::time::timeout;
use uuid::Uuid;

use crate::authz::Readable;
use crate::error::JoinError;
use crate::protocol::Version;
use crate::protocol::join::{Join, Replay};
use crate::protocol::message::Content;
use crate::protocol::outgoing::{Encoder, Frame, Shared, push};
use crate::protocol::text::quoted;
use crate::socket::Link;
use crate::store::message::{self, Past};

/// How long a join may wait for the past.
const PATIENCE: Duration = Duration::from_secs(5);

/// The past as the client will see it, and the rows it was made of.
#[derive(Default)]
pub(super) struct Replayed {
    pub(super) frames: Vec<Frame>,
    pub(super) rows: Vec<Uuid>,
}

/// Reads what a join asked for, if it may.
pub(super) async fn replay(
    link: &Link,
    name: &str,
    join: &Join,
    readable: Readable,
) -> Result<Replayed, JoinError> {
    let Some(replay) = join.replay else { return Ok(Replayed::default()) };
    if !readable.broadcast {
        return Err(JoinError::Unauthorized(name.to_owned()));
    }
    if !join.private {
        return Err(JoinError::ReplayOfPublic);
    }
    let Replay::Since { millis, limit } = replay else { return Err(JoinError::ReplayParameters) };
    // Nothing is older than this, and Postgres' years do not reach as far back as ours.
    let since = DateTime::from_timestamp_millis(millis).ok_or(JoinError::ReplayParameters)?;
    let since = since.max(DateTime::UNIX_EPOCH).naive_utc();
    let past = timeout(PATIENCE, read(link, name, since, limit)).await.map_err(|_| JoinError::Replay)?;
    let past = past.map_err(|error| {
        tracing::warn!(%error, error_code = "UnableToReplayMessages", "past messages cannot be read");
        JoinError::Replay
    })?;
    let topic = format!("{}{name}", crate::protocol::PREFIX);
    Ok(Replayed {
        frames: past.iter().filter_map(|past| frame(link.version, &topic, past)).collect(),
        rows: past.iter().map(|past| past.id).collect(),
    })
}

async fn read(link: &Link, name: &str, since: NaiveDateTime, limit: i64) -> Result<Vec<Past>, db::Error> {
    message::replay(&mut link.service.pool.session().await?, name, since, limit).await
}

/// JSON goes out as text, bytes as a binary frame, which the first version does not have.
fn frame(version: Version, topic: &str, past: &Past) -> Option<Frame> {
    let meta = format!(r#"{{"id":"{}","replayed":true}}"#, past.id);
    match (&past.payload, &past.binary_payload) {
        (Some(payload), None) => {
            let event = quoted(&past.event);
            let payload =
                format!(r#"{{"type":"broadcast","event":{event},"payload":{payload},"meta":{meta}}}"#);
            Some(push(version, None, topic, "broadcast", &payload))
        }
        (None, Some(bytes)) => {
            let content = Content::Binary(Bytes::copy_from_slice(bytes));
            let message =
                Shared::Broadcast { event: past.event.as_str().into(), metadata: Bytes::from(meta), content };
            Encoder::new(&message, topic).frame(version).cloned()
        }
        _ => None,
    }
}
