//! A stream of changes, as Postgres decodes them (`pgoutput`).
//!
//! Such a connection is an ordinary one that said `replication=database` when it logged in. The driver has no
//! word for that, so it is added to its greeting (see `wire`); everything after is a handful of messages.
//! What the changes mean is the reader's business.
//!
//! A slot that is temporary dies with the connection, so that nobody's disk is filled by a reader that is gone; what
//! happens between two connections is not seen. One that is durable keeps what was not confirmed for the next reader.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::{Socket, log_in_to_replicate};
use crate::{Error, Target, ident, literal};

/// Bytes to read at once.
const CHUNK: usize = 32 * 1024;

/// A position in the log of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    /// As Postgres prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

impl FromStr for Lsn {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (high, low) = text.split_once('/').unwrap_or_default();
        let half = |digits: &str| u32::from_str_radix(digits, 16).map(u64::from);
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

/// How long a slot lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// As long as the connection that made it.
    Temporary,
    /// Until it is dropped: the server keeps its log from what was confirmed last.
    Durable,
}

/// Something that came along the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streamed {
    /// A message of `pgoutput`.
    Change {
        /// The message.
        message: Bytes,
        /// Where the server's log ends.
        end: Lsn,
    },
    /// Nothing happened that concerns us.
    Alive {
        /// Where the server's log ends.
        end: Lsn,
        /// The server wants to hear from us.
        wants_answer: bool,
    },
}

/// A connection that streams.
pub struct Replication {
    socket: Socket,
    inbox: BytesMut,
}

impl Replication {
    /// Logs in; the role must have the attribute `replication`.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], or what the server said.
    pub async fn connect(target: &Target) -> Result<Self, Error> {
        Ok(Self { socket: log_in_to_replicate(target).await?, inbox: BytesMut::new() })
    }

    /// Makes a slot `name` for what happens from now on.
    ///
    /// # Errors
    ///
    /// What the server said: no right to replicate, no free slot, one of that name, or a log without enough in it.
    pub async fn create(&mut self, name: &str, kind: SlotKind) -> Result<(), Error> {
        let slot = ident(name);
        // Postgres 15 knows these words in capitals only.
        let kind = match kind {
            SlotKind::Temporary => " TEMPORARY",
            SlotKind::Durable => "",
        };
        self.command(&format!("CREATE_REPLICATION_SLOT {slot}{kind} LOGICAL pgoutput NOEXPORT_SNAPSHOT"))
            .await
    }

    /// Starts to stream what happened in the tables of these publications since the slot `name` was made, or
    /// since what was confirmed of it.
    ///
    /// # Errors
    ///
    /// What the server said: somebody else reads the slot, or it is lost.
    pub async fn start(&mut self, name: &str, publications: &[&str]) -> Result<(), Error> {
        let slot = ident(name);
        let publications: Vec<_> = publications.iter().map(|publication| ident(publication)).collect();
        let publications = literal(&publications.join(","));
        self.command(&format!(
            "START_REPLICATION SLOT {slot} LOGICAL 0/0 (proto_version '1', publication_names {publications})"
        ))
        .await
    }

    /// What comes next. May be dropped while it waits; nothing is lost.
    ///
    /// # Errors
    ///
    /// The end of the stream, or what the server said about it.
    pub async fn next(&mut self) -> Result<Streamed, Error> {
        loop {
            let (tag, mut body) = self.message().await?;
            match tag {
                b'd' => {
                    if let Some(streamed) = read(&mut body)? {
                        return Ok(streamed);
                    }
                }
                b'c' | b'C' => return Err(Error::Closed),
                _ => {}
            }
        }
    }

    /// Tells the server that everything before `position` has been seen.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn confirm(&mut self, position: Lsn) -> Result<(), Error> {
        let mut status = BytesMut::with_capacity(40);
        status.put_u8(b'd');
        status.put_i32(4 + 34);
        status.put_u8(b'r');
        // Written, flushed, applied; the time, which the server does not look at; no answer wanted.
        for _ in 0..3 {
            status.put_u64(position.0);
        }
        status.put_i64(0);
        status.put_u8(0);
        self.send(&status).await
    }

    /// Runs a command up to its end, or to the beginning of the stream.
    async fn command(&mut self, text: &str) -> Result<(), Error> {
        let mut query = BytesMut::new();
        frontend::query(text, &mut query).map_err(|error| Error::Client(error.to_string()))?;
        self.send(&query).await?;
        loop {
            // The stream begins, or the server waits.
            if matches!(self.message().await?.0, b'W' | b'Z') {
                return Ok(());
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sent = async {
            self.socket.write_all(bytes).await?;
            self.socket.flush().await
        };
        sent.await.map_err(|_| Error::Closed)
    }

    /// The tag and the body of the next message that is no error.
    async fn message(&mut self) -> Result<(u8, Bytes), Error> {
        loop {
            if let Some(mut message) = whole(&mut self.inbox)? {
                if message.first() != Some(&b'E') {
                    let tag = message.get_u8();
                    message.advance(4);
                    return Ok((tag, message.freeze()));
                }
                return Err(match Message::parse(&mut message) {
                    Ok(Some(Message::ErrorResponse(body))) => Error::Server(Box::new((&body).into())),
                    _ => Error::Client("the server's error cannot be read".to_owned()),
                });
            }
            self.inbox.reserve(CHUNK);
            match self.socket.read_buf(&mut self.inbox).await {
                Ok(0) | Err(_) => return Err(Error::Closed),
                Ok(_) => {}
            }
        }
    }
}

/// Cuts a whole message off the front, with its tag and its length.
fn whole(inbox: &mut BytesMut) -> Result<Option<BytesMut>, Error> {
    let Some(length) = inbox.get(1..5).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) else {
        return Ok(None);
    };
    let length = usize::try_from(i32::from_be_bytes(length)).ok().filter(|length| *length >= 4);
    let length = length.ok_or_else(|| Error::Client("a message of impossible length".to_owned()))?;
    if inbox.len() <= length {
        inbox.reserve(length + 1 - inbox.len());
        return Ok(None);
    }
    Ok(Some(inbox.split_to(length + 1)))
}

/// Reads what is inside a piece of the stream; kinds that we do not know are passed over.
fn read(body: &mut Bytes) -> Result<Option<Streamed>, Error> {
    let short = |_| Error::Client("a piece of the stream is too short".to_owned());
    match body.try_get_u8().map_err(short)? {
        b'w' => {
            body.try_get_u64().map_err(short)?;
            let end = Lsn(body.try_get_u64().map_err(short)?);
            body.try_get_i64().map_err(short)?;
            Ok(Some(Streamed::Change { message: body.clone(), end }))
        }
        b'k' => {
            let end = Lsn(body.try_get_u64().map_err(short)?);
            body.try_get_i64().map_err(short)?;
            let wants_answer = body.try_get_u8().map_err(short)? != 0;
            Ok(Some(Streamed::Alive { end, wants_answer }))
        }
        _ => Ok(None),
    }
}
