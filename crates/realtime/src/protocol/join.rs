//! The payload of a join.
//!
//! Clients differ and the oldest are years old, so everything here has a default: what is missing or of
//! another shape is as if it had not been sent. Only `replay` remembers that it was malformed, because a
//! client that asks for messages must not believe that there were none.

use serde_json::{Map, Value};

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Join {
    /// Policies decide who may come and what it may do.
    pub(crate) private: bool,
    /// Broadcasts are answered.
    pub(crate) ack: bool,
    /// The sender hears itself.
    pub(crate) to_self: bool,
    /// The client wants to be told when broadcasts of the database flow.
    pub(crate) replication_ready: bool,
    /// Past messages.
    pub(crate) replay: Option<Replay>,
    /// Presence is wanted from the beginning.
    pub(crate) presence: bool,
    /// The name under which this channel is present, if the client chose one.
    pub(crate) presence_key: Option<String>,
    /// Row changes, as they were asked for.
    pub(crate) changes: Vec<Map<String, Value>>,
    /// The token, from wherever the client put it.
    pub(crate) token: Option<String>,
    /// The client is so old that its topic says which row changes it wants.
    pub(crate) is_legacy: bool,
    /// The payload was not of the expected shape.
    pub(crate) is_odd: bool,
}

/// Which past messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Those since a moment (milliseconds since 1970), so many at most.
    Since { millis: i64, limit: i64 },
    /// The parameters say nothing.
    Invalid,
}

/// Bytes of a presence key at most; a longer one is as none.
const LONGEST_KEY: usize = 1024;

/// Replayed messages of a join at most.
const MOST: i64 = 25;

impl Join {
    /// Reads a payload, JSON text.
    pub(crate) fn parse(payload: &[u8]) -> Self {
        let Ok(Value::Object(payload)) = serde_json::from_slice(payload) else {
            return Self { is_odd: true, ..Self::default() };
        };
        let config = Part::of(payload.get("config"));
        let broadcast = Part::of(config.get("broadcast"));
        let presence = Part::of(config.get("presence"));
        let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            private: flag(config.get("private")),
            ack: flag(broadcast.get("ack")),
            to_self: flag(broadcast.get("self")),
            replication_ready: flag(broadcast.get("replication_ready")),
            replay: broadcast.get("replay").and_then(replay),
            presence: flag(presence.get("enabled")),
            presence_key: presence.get("key").and_then(key),
            changes: objects(config.get("postgres_changes")),
            is_legacy: !payload.contains_key("config"),
            token: text("access_token").or_else(|| text("user_token")),
            is_odd: config.is_odd || broadcast.is_odd || presence.is_odd,
        }
    }
}

/// An object inside an object, which may be absent.
struct Part<'a> {
    map: Option<&'a Map<String, Value>>,
    is_odd: bool,
}

impl<'a> Part<'a> {
    fn of(value: Option<&'a Value>) -> Self {
        let map = value.and_then(Value::as_object);
        Self { map, is_odd: map.is_none() && value.is_some_and(|value| !value.is_null()) }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.and_then(|map| map.get(name))
    }
}

fn flag(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// The name is text; a number is taken as its digits. Nothing and emptiness are no name.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            Some(text.clone()).filter(|text| !text.is_empty() && text.len() <= LONGEST_KEY)
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn objects(value: Option<&Value>) -> Vec<Map<String, Value>> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_object).cloned().collect()
}

fn replay(value: &Value) -> Option<Replay> {
    value.as_object()?;
    let since = value.get("since").and_then(Value::as_i64);
    let limit = match value.get("limit") {
        None | Some(Value::Null) => Some(MOST),
        Some(limit) => limit.as_i64(),
    };
    Some(match since.zip(limit) {
        Some((millis, limit)) => Replay::Since { millis, limit: limit.clamp(1, MOST) },
        None => Replay::Invalid,
    })
}
