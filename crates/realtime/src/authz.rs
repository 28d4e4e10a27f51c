//! Who may read and write private topics: the policies of `realtime.messages` decide, as in upstream.
//!
//! To read is to see a row of the topic, so a row is put there, looked for as the caller, and taken back. To
//! write is to be able to insert one, so one is inserted as the caller and taken back. Each question is one
//! round trip, and nothing of it is ever kept. The answers are cached by the channel that asked, for as long
//! as its token lives.

use std::borrow::Cow;

use db::{Error as DbError, Fleet};
use thiserror::Error;

use crate::store::message;
use crate::token::Caller;

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    Broadcast,
    Presence,
}

impl Extension {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Presence => "presence",
        }
    }
}

/// What the caller may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readable {
    pub(crate) broadcast: bool,
    pub(crate) presence: bool,
}

impl Readable {
    /// Nothing at all.
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unanswered {
    /// A policy, a trigger or the role failed; the text is the database's.
    #[error("the policies could not be evaluated: {0}")]
    Policy(DbError),
    /// The statement was cancelled.
    #[error("{0}")]
    Cancelled(String),
    /// There is no partition for today.
    #[error("no partition of realtime.messages for today")]
    NoPartition,
    /// All connections are in use.
    #[error("no free connection")]
    Busy,
    /// There is no database.
    #[error("no database: {0}")]
    Unreachable(DbError),
}

impl From<DbError> for Unanswered {
    fn from(error: DbError) -> Self {
        match (&error, error.code()) {
            (DbError::PoolTimeout, _) => Self::Busy,
            (DbError::Server(server), Some("57014")) => Self::Cancelled(server.message.clone()),
            (DbError::Server(server), Some("23514")) if server.constraint.is_none() => Self::NoPartition,
            // A server that starts, stops or takes no more connections.
            (DbError::Server(_), Some("57P01" | "57P02" | "57P03" | "53300"))
            | (DbError::Connect(_) | DbError::Closed, _) => Self::Unreachable(error),
            _ => Self::Policy(error),
        }
    }
}

/// A caller in front of a topic.
pub(crate) struct Question<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) caller: &'a Caller,
    /// The name of the topic, without the prefix of the wire.
    pub(crate) topic: &'a str,
    /// The headers of the request that policies may look at, as JSON.
    pub(crate) headers: &'a str,
}

impl Question<'_> {
    /// What the caller may read; presence is asked for only if it is wanted.
    pub(crate) async fn readable(&self, with_presence: bool) -> Result<Readable, Unanswered> {
        let settings = self.settings();
        let found = message::readable(self.fleet, self.role(), &settings, self.topic, with_presence).await?;
        let has = |extension: Extension| found.iter().any(|found| found == extension.name());
        Ok(Readable { broadcast: has(Extension::Broadcast), presence: has(Extension::Presence) })
    }

    /// Whether the caller may write.
    pub(crate) async fn is_writable(&self, extension: Extension) -> Result<bool, Unanswered> {
        let written =
            message::write(self.fleet, self.role(), &self.settings(), self.topic, extension.name()).await;
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some("42501") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn role(&self) -> &str {
        self.caller.identity.role.as_str()
    }

    fn settings(&self) -> [db::Setting<'_>; 6] {
        let claims = &self.caller.identity.claims;
        let set = |name, value| (Cow::Borrowed(name), Cow::Borrowed(value));
        [
            set("role", self.role()),
            set("realtime.topic", self.topic),
            set("request.jwt.claims", claims.text()),
            set("request.jwt.claim.sub", claims.str("sub").unwrap_or_default()),
            set("request.jwt.claim.role", self.role()),
            set("request.headers", self.headers),
        ]
    }
}
