//! A connection that speaks the protocol itself, for transactions of callers.
//!
//! The driver ends each statement with a Sync, which costs a message each way, a flush of the
//! server and a wake-up of ours. Here a [`Wire::travel`] sends any number of statements and one
//! Sync, reads on the task that asked, and hands out the bytes it received without copying them.
//! A statement that the server has not seen yet is parsed in the same trip, where names in it mean
//! what they mean to the request. Logging in is left to the driver (`connect`).
//!
//! - `socket`: the stream; `connect`: from an address to a session, and cancelling.
//! - `outbox`: what goes out; `trip`: what comes back; `record`: a row of it.
//!
//! After a failure the server skips everything up to the Sync: so a trip has one error at most.

mod connect;
mod outbox;
mod record;
mod socket;
mod trip;

use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::AsyncReadExt;

use crate::statements::Statements;
use crate::{Error, Target};

use connect::Cancel;
use outbox::Outbox;
use trip::Reading;

pub(crate) use connect::log_in_to_replicate;
pub(crate) use outbox::Values;
pub use record::{Column, Columns, Record, Value};
pub(crate) use socket::Socket;
pub(crate) use trip::Trip;

/// A statement of a trip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    /// The role under which it is prepared.
    pub role: &'a str,
    /// The text.
    pub sql: &'a str,
    /// The values.
    pub values: Values<'a>,
    /// Its columns are to be described.
    pub describe: bool,
}

impl<'a> Step<'a> {
    /// A statement with values.
    pub const fn new(role: &'a str, sql: &'a str, values: Values<'a>) -> Self {
        Self { role, sql, values, describe: false }
    }

    /// A statement of ours without values.
    pub const fn plain(sql: &'a str) -> Self {
        Self::new("", sql, Values::None)
    }
}

/// Where the server stands, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It waits, outside of any transaction.
    Idle,
    /// It waits, in a transaction.
    Open,
    /// It waits, in a transaction that has failed.
    Failed,
    /// Answers are outstanding, or it is gone.
    Unknown,
}

/// A statement that the server keeps.
#[derive(Clone, Debug)]
struct Prepared {
    /// Unique among all connections: behind a pooler a name of one connection must never hit a
    /// statement of another.
    name: Box<str>,
    /// Its columns, if they were described.
    columns: Option<Columns>,
}

/// Bytes to read at once.
const CHUNK: usize = 8 * 1024;

/// A buffer larger than this, in bytes, is not kept for the next trip.
const WORTH_KEEPING: usize = 64 * 1024;

/// A connection.
pub(crate) struct Wire {
    socket: Socket,
    cancel: Option<Cancel>,
    inbox: BytesMut,
    /// The buffer grew, or is the rest of one that did.
    has_grown: bool,
    outbox: Outbox,
    statements: Statements<Prepared>,
    /// Statements to close with the next trip.
    closing: Vec<Box<str>>,
    prefix: String,
    named: u64,
    status: Status,
}

impl Wire {
    /// Connects and logs in; `statements` is how many are kept prepared.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], or what the server said.
    pub async fn connect(target: &Target, statements: usize) -> Result<Self, Error> {
        let (socket, cancel) = connect::connect(target).await?;
        Ok(Self {
            socket,
            cancel: Some(cancel),
            inbox: BytesMut::new(),
            has_grown: false,
            outbox: Outbox::default(),
            statements: Statements::new(statements),
            closing: Vec::new(),
            prefix: format!("basalt_{:016x}_", RandomState::new().build_hasher().finish()),
            named: 0,
            status: Status::Idle,
        })
    }

    /// Where the server stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Sends all steps and a Sync, and reads until the server waits again. With `prepared`,
    /// statements are kept for the next time.
    ///
    /// # Errors
    ///
    /// A lost connection, or one that does not follow the protocol. What the server refuses is
    /// part of the trip.
    pub async fn travel(&mut self, steps: &[Step<'_>], prepared: bool) -> Result<Trip, Error> {
        let mut reading = Reading::new(steps);
        self.pack(&mut reading, prepared)?;
        self.status = Status::Unknown;
        poll_fn(|cx| self.poll_exchange(cx, &mut reading)).await?;
        if self.inbox.is_empty() && std::mem::take(&mut self.has_grown) {
            self.inbox = BytesMut::new();
        }
        Ok(reading.into_trip())
    }

    /// Forgets what was prepared; it is prepared anew when it is asked for.
    pub fn forget_statements(&mut self) {
        self.closing.extend(self.statements.drain().into_iter().map(|statement| statement.name));
    }

    /// Whether the server still listens, as far as one can know without asking.
    pub fn is_alive(&mut self) -> bool {
        if self.status != Status::Idle {
            return false;
        }
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            match self.poll_fill(cx) {
                Poll::Pending => return true,
                Poll::Ready(Err(_)) => return false,
                Poll::Ready(Ok(())) => {}
            }
            // A changed setting of the server may be told; a farewell is an error.
            while let Ok(Some(message)) = Message::parse(&mut self.inbox) {
                if !matches!(message, Message::ParameterStatus(_) | Message::NoticeResponse(_)) {
                    return false;
                }
            }
        }
    }

    /// What asks the server to give up the statement that runs here; none the second time.
    pub fn take_cancel(&mut self) -> Option<impl Future<Output = Result<(), Error>> + Send + use<>> {
        self.cancel.take().map(Cancel::send)
    }

    fn pack(&mut self, reading: &mut Reading<'_>, prepared: bool) -> Result<(), Error> {
        for name in self.closing.drain(..) {
            self.outbox.close(&name)?;
        }
        for (index, step) in reading.steps().iter().enumerate() {
            let known = if prepared { self.statements.get(step.role, step.sql) } else { None };
            if let Some(known) = known.filter(|known| known.columns.is_some() || !step.describe) {
                self.outbox.run(&known.name, step.values)?;
                reading.expect(index, None, known.columns.clone());
                continue;
            }
            let name: Box<str> = if prepared {
                self.named += 1;
                format!("{}{}", self.prefix, self.named).into()
            } else {
                Box::default()
            };
            self.outbox.parse(&name, step.sql)?;
            if step.describe {
                self.outbox.describe(&name)?;
            }
            self.outbox.run(&name, step.values)?;
            reading.expect(index, prepared.then_some(name), None);
        }
        self.outbox.sync();
        Ok(())
    }

    /// Writes and reads in turn: a server that is busy answering may not read what we still have
    /// to write.
    fn poll_exchange(&mut self, cx: &mut Context<'_>, reading: &mut Reading<'_>) -> Poll<Result<(), Error>> {
        loop {
            if let Poll::Ready(Err(_)) = self.outbox.poll_write(&mut self.socket, cx) {
                return Poll::Ready(Err(reading.lost()));
            }
            while let Some(message) = Message::parse(&mut self.inbox)
                .map_err(|error| Error::Client(format!("the server's message cannot be read: {error}")))?
            {
                if let Some(status) = reading.take(message, &mut self.statements, &mut self.closing)? {
                    self.status = status;
                    return Poll::Ready(Ok(()));
                }
            }
            if ready!(self.poll_fill(cx)).is_err() {
                return Poll::Ready(Err(reading.lost()));
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        // For the rest of a message that has begun, `Message::parse` has made room.
        if self.inbox.capacity() - self.inbox.len() < CHUNK / 2 {
            self.inbox.reserve(CHUNK);
        }
        self.has_grown |= self.inbox.capacity() > WORTH_KEEPING;
        match ready!(pin!(self.socket.read_buf(&mut self.inbox)).poll(cx))? {
            0 => Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A farewell, so that the server does not log a lost connection.
        if self.status != Status::Unknown {
            let mut farewell = BytesMut::new();
            frontend::terminate(&mut farewell);
            self.socket.send_last(&farewell);
        }
    }
}
