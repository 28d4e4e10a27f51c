//! The settings of realtime.

use std::time::Duration;

use kernel::setting::keep;
use kernel::units::{Bytes, Span};
use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::socket::outbox::Bounds;

/// Sockets, channels and messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Open sockets at most. Each is a connection too: see `server.max_connections`.
    pub max_sockets: usize,
    /// Channels that one socket may join.
    pub max_channels_per_socket: usize,
    /// Joins per second on the average of a minute. Beyond it a socket that joins is closed, and new ones
    /// are refused.
    pub max_joins_per_second: u64,
    /// Messages per second, sent and delivered, on the average of a minute. Beyond it channels that
    /// send are ended, and requests that send are refused.
    pub max_events_per_second: u64,
    /// Presence messages per second, sent and delivered, on the average of a minute.
    pub max_presence_events_per_second: u64,
    /// Presence calls that one channel may make within `presence_window`.
    pub max_presence_calls: u32,
    /// See `max_presence_calls`.
    pub presence_window: Span,
    /// Largest payload of a broadcast or of a presence.
    pub max_payload: Bytes,
    /// Largest message that a client may send.
    pub max_frame: Bytes,
    /// Messages that may wait for a client that reads slowly.
    pub queue_messages: usize,
    /// Bytes that may wait for a client that reads slowly.
    pub queue_bytes: Bytes,
    /// A socket on which nothing comes in for so long is closed; clients send a heartbeat every 25 to
    /// 30 seconds.
    pub idle_timeout: Span,
    /// A socket that is on no channel for so long is closed.
    pub no_channel_timeout: Span,
    /// How long a refusal to open a socket is held back, to slow storms of clients that try again.
    pub connect_backoff: Span,
    /// How long a refusal to join a channel is held back.
    pub join_backoff: Span,
    /// Refuse channels that are not private.
    pub private_only: bool,
    /// Days for which messages are kept, today not counted.
    pub retention_days: u32,
    /// The way to other instances that serve the same database. An instance that is alone sends nothing along it.
    pub relay: Relay,
    /// Where NATS is: `nats://user:password@host:4222`, or several with commas.
    pub nats_url: Secret,
    /// The subject on which instances speak there. Installations that share a NATS need different ones.
    pub nats_subject: String,
    /// Keep the replication slot when nobody reads it: what is committed while the server restarts, or while another
    /// instance takes over, is not lost. Postgres keeps its log for it meanwhile.
    pub durable_slot: bool,
    /// Allow a durable slot although Postgres would keep its log without a bound (`max_slot_wal_keep_size = -1`): a
    /// server that does not come back fills the disk.
    pub unbounded_slot: bool,
    /// What the name of the replication slot begins with; the number of the database follows. Instances that serve
    /// one database have the same.
    pub slot_name: String,
    /// The publication whose tables clients may subscribe to.
    pub publication: String,
    /// How often the tables of the publication are looked at: subscriptions follow.
    pub publication_check: Span,
    /// A row that changed is told without its large values if it has more bytes than this.
    pub max_change: Bytes,
    /// How long changes are kept for clients that come back and say where they were; 0 keeps none.
    pub resume_window: Span,
    /// Bytes of changes that are kept for them.
    pub resume_memory: Bytes,
    /// Who writes through the data API has its answer before the changes that it made are told to anybody: they are
    /// told so long after it, or four times as long after they are known, whichever comes first. 0: at once.
    pub answers_first: Span,
    /// Ask policies about a row as it was committed and not as it is when they are asked: a row that changes
    /// again at once is told each time.
    pub check_image: bool,
    /// Over how long the goodbyes to all sockets are spread when the server stops.
    pub drain: Span,
}

/// A way to other instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Relay {
    /// Through the database.
    Postgres,
    /// Through NATS, for more messages than a database should see.
    Nats,
    /// None: this is the only instance.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_sockets: 10_000,
            max_channels_per_socket: 100,
            max_joins_per_second: 1_000,
            max_events_per_second: 10_000,
            max_presence_events_per_second: 1_000,
            max_presence_calls: 50,
            presence_window: Span::secs(10),
            max_payload: Bytes(3_000_500),
            max_frame: Bytes(5_000_000),
            queue_messages: 1024,
            queue_bytes: Bytes::mib(4),
            idle_timeout: Span::secs(60),
            no_channel_timeout: Span::secs(600),
            connect_backoff: Span::secs(2),
            join_backoff: Span::secs(5),
            private_only: false,
            retention_days: 3,
            relay: Relay::Postgres,
            nats_url: Secret::default(),
            nats_subject: "basalt.realtime".to_owned(),
            durable_slot: false,
            unbounded_slot: false,
            slot_name: "basalt_realtime".to_owned(),
            publication: "supabase_realtime".to_owned(),
            publication_check: Span::secs(60),
            max_change: Bytes::mib(1),
            resume_window: Span::secs(600),
            resume_memory: Bytes::mib(8),
            answers_first: Span(Duration::from_millis(5)),
            check_image: false,
            drain: Span::secs(10),
        }
    }
}

/// Postgres takes no others, and has 63 bytes for all of it.
fn is_slot_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=40).contains(&name.len()) && name.bytes().all(fits)
}

impl Config {
    /// What cannot be used.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let is_nats = self.relay == Relay::Nats;
        let is_subject = |text: &str| {
            text.split('.').all(|word| {
                !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
            })
        };
        let checks = [
            (is_nats && self.nats_url.is_empty(), "nats_url", "must be set for relay = \"nats\""),
            (
                !is_subject(&self.nats_subject),
                "nats_subject",
                "must be words of letters and digits with dots between them",
            ),
            (self.max_frame.0 > 64 << 20, "max_frame", "more than 64 MiB for one message is not possible"),
            (self.max_frame < self.max_payload, "max_frame", "must not be smaller than max_payload"),
            (self.queue_messages == 0, "queue_messages", "must be 1 or more"),
            (self.queue_bytes.0 == 0, "queue_bytes", "must be 1 or more"),
            (self.idle_timeout.0 < Duration::from_secs(1), "idle_timeout", "must be a second or more"),
            (
                !is_slot_name(&self.slot_name),
                "slot_name",
                "must be small letters, digits and underscores, 40 at most",
            ),
            (
                self.durable_slot && self.relay == Relay::None,
                "durable_slot",
                "needs a relay: without one, several instances would each want the slot",
            ),
            (self.publication.is_empty(), "publication", "must name a publication"),
            (self.publication_check.0.is_zero(), "publication_check", "must be longer than nothing"),
            (self.retention_days == 0, "retention_days", "must be 1 or more"),
            (self.retention_days > 3650, "retention_days", "must be 3650 or less"),
        ];
        let found = checks.into_iter().filter(|(is_wrong, ..)| *is_wrong);
        found.map(|(_, key, text)| Problem { key, text: text.to_owned() }).collect()
    }

    /// What cannot be used with the database as it is.
    pub(crate) fn check_slot(&self, is_bounded: bool) -> Vec<Problem> {
        const TEXT: &str = "Postgres would keep its log without a bound for a slot that nobody reads: set \
                            max_slot_wal_keep_size there, or allow it with unbounded_slot";
        let is_refused = self.durable_slot && !is_bounded && !self.unbounded_slot;
        is_refused.then_some(Problem { key: "durable_slot", text: TEXT.to_owned() }).into_iter().collect()
    }

    /// Leaves what a running instance cannot change as it is in `current`; returns what of it had changed.
    pub(crate) fn keep_fixed(&mut self, current: &Self) -> Vec<&'static str> {
        let kept = [
            keep("relay", &mut self.relay, &current.relay),
            keep("nats_url", &mut self.nats_url, &current.nats_url),
            keep("nats_subject", &mut self.nats_subject, &current.nats_subject),
            keep("durable_slot", &mut self.durable_slot, &current.durable_slot),
            keep("unbounded_slot", &mut self.unbounded_slot, &current.unbounded_slot),
            keep("slot_name", &mut self.slot_name, &current.slot_name),
            keep("publication", &mut self.publication, &current.publication),
            keep("max_change", &mut self.max_change, &current.max_change),
            keep("check_image", &mut self.check_image, &current.check_image),
            keep("answers_first", &mut self.answers_first, &current.answers_first),
            keep("resume_window", &mut self.resume_window, &current.resume_window),
            keep("resume_memory", &mut self.resume_memory, &current.resume_memory),
        ];
        kept.into_iter().flatten().collect()
    }

    pub(crate) fn queue(&self) -> Bounds {
        Bounds { frames: self.queue_messages, bytes: self.queue_bytes.get() }
    }
}
