//! One task for each socket: it reads, answers heartbeats, and hands everything else to the channels.
//!
//! - [`inbox`]: what comes in; [`outbox`]: what waits to go out; [`mailbox`]: what waits for a channel.
//!
//! Each channel is a task of its own on the same thread, so that one that waits for the database holds up
//! nobody else. What waits for the channels of a socket is bounded in bytes: beyond that the socket is not
//! read, and the client is slowed down by TCP.

pub(crate) mod inbox;
pub(crate) mod mailbox;
pub(crate) mod outbox;

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::channel::{self, Ending, Opening};
use crate::limit::Seat;
use crate::protocol::message::{Body, Malformed, Message, Ref};
use crate::protocol::outgoing::{Frame, ending, refusal, reply};
use crate::protocol::{PREFIX, Version, binary, text};
use crate::service::{Entry, Service};
use crate::token::Caller;
use inbox::{Inbox, Incoming};
use mailbox::Mailbox;
use outbox::Outbox;

/// Bytes that may wait for the channels of one socket.
const WAITING: u32 = 8 * 1024 * 1024;

/// Bytes of a topic at most: a channel keeps it, and every message of it is sent along with it.
const LONGEST_TOPIC: usize = 1024;

/// What a message costs beyond its bytes.
const OVERHEAD: usize = 512;

const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;

/// What a socket and its channels share.
pub(crate) struct Link {
    pub(crate) service: Arc<Service>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) version: Version,
    /// Who opened the socket.
    pub(crate) caller: Caller,
    /// The headers that policies may look at, as JSON.
    pub(crate) headers: Box<str>,
}

impl Link {
    pub(crate) fn push(&self, frame: &Frame) {
        self.outbox.push(frame);
    }

    /// Answers a message.
    pub(crate) fn reply(&self, to: &Address, is_ok: bool, response: &str) {
        let frame =
            reply(self.version, to.join_ref.as_ref(), to.reference.as_ref(), &to.topic, is_ok, response);
        self.push(&frame);
    }

    /// Answers a message with why not.
    pub(crate) fn refuse(&self, to: &Address, reason: &str) {
        let frame = refusal(self.version, to.join_ref.as_ref(), to.reference.as_ref(), &to.topic, reason);
        self.push(&frame);
    }
}

/// What an answer names.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) join_ref: Option<Ref>,
    pub(crate) reference: Option<Ref>,
    pub(crate) topic: Box<str>,
}

/// A message on its way to a channel, with its share of what may wait.
pub(crate) struct Delivery {
    pub(crate) message: Message,
    _share: OwnedSemaphorePermit,
}

/// A channel as its socket sees it.
struct Handle {
    /// Which of the joins of its topic this is.
    serial: u64,
    join_ref: Option<Ref>,
    deliveries: Mailbox<Delivery>,
    task: JoinHandle<()>,
    /// The join was answered with success.
    is_joined: Rc<Cell<bool>>,
}

/// What a channel says when it ends.
struct Ended {
    topic: Box<str>,
    serial: u64,
    /// None if it panicked.
    how: Option<Ending>,
}

/// Says it even if the channel panics.
struct Farewell {
    ended: Option<Ended>,
    to: Mailbox<Ended>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            self.to.put(ended);
        }
    }
}

/// An open socket.
pub(crate) struct Socket {
    link: Rc<Link>,
    inbox: Inbox,
    channels: HashMap<Box<str>, Handle>,
    joins: u64,
    waiting: Arc<Semaphore>,
    ended: Mailbox<Ended>,
    heard_at: Instant,
    /// Since when there is no channel.
    alone_since: Instant,
    _seat: Seat,
    _entry: Entry,
}

/// Whether to go on.
type Flow = std::ops::ControlFlow<()>;

const ON: Flow = Flow::Continue(());
const END: Flow = Flow::Break(());

impl Socket {
    pub(crate) fn new(link: Link, inbox: Inbox, seat: Seat, entry: Entry) -> Self {
        let now = Instant::now();
        Self {
            link: Rc::new(link),
            inbox,
            channels: HashMap::new(),
            joins: 0,
            waiting: Arc::new(Semaphore::new(WAITING as usize)),
            ended: Mailbox::default(),
            heard_at: now,
            alone_since: now,
            _seat: seat,
            _entry: entry,
        }
    }

    /// Serves until either side ends it.
    pub(crate) async fn run(mut self) {
        loop {
            let deadline = self.deadline();
            let flow = tokio::select! {
                // What handles a message needs more memory than a socket that waits for one.
                incoming = self.inbox.next() => Box::pin(self.take(incoming)).await,
                ended = self.ended.take() => self.bury(ended),
                () = self.link.outbox.ended() => END,
                () = tokio::time::sleep_until(deadline) => self.look_at_the_clock(),
            };
            if flow.is_break() {
                break;
            }
        }
        if self.link.outbox.is_overrun() {
            self.link.service.metrics.overrun.add(1);
            tracing::info!("a client did not keep up with its messages; its socket was closed");
        }
    }

    fn deadline(&self) -> Instant {
        let config = self.link.service.config();
        let idle = self.heard_at + config.idle_timeout.0;
        if self.channels.is_empty() { idle.min(self.alone_since + config.no_channel_timeout.0) } else { idle }
    }

    fn look_at_the_clock(&mut self) -> Flow {
        // A message may have come in the very moment.
        if Instant::now() < self.deadline() {
            return ON;
        }
        END
    }

    async fn take(&mut self, incoming: Incoming) -> Flow {
        self.heard_at = Instant::now();
        let metrics = &self.link.service.metrics;
        if let Incoming::Text(bytes) | Incoming::Binary(bytes) = &incoming {
            metrics.input.add(bytes.len() as u64);
        }
        let message = match incoming {
            Incoming::Text(bytes) => text::decode(self.link.version, &bytes),
            Incoming::Binary(bytes) => self.binary(&bytes),
            Incoming::Ping(bytes) => {
                self.link.push(&Frame::pong(&bytes));
                return ON;
            }
            Incoming::Pong => return ON,
            Incoming::Violation(code) => {
                self.link.outbox.close(code, "");
                return END;
            }
            Incoming::Close | Incoming::Gone => return END,
        };
        match message {
            Ok(message) => self.dispatch(message).await,
            Err(error) => {
                metrics.error("MalformedWebSocketMessage");
                tracing::info!(%error, error_code = "MalformedWebSocketMessage", "a frame was dropped")
            }
        }
        ON
    }

    fn binary(&self, bytes: &Bytes) -> Result<Message, Malformed> {
        match self.link.version {
            Version::V1 => Err(Malformed::Kind),
            Version::V2 => binary::decode(bytes),
        }
    }

    async fn dispatch(&mut self, message: Message) {
        let size = message.body.len();
        let address = Address {
            join_ref: message.join_ref.clone(),
            reference: message.reference.clone(),
            topic: message.topic.clone(),
        };
        let event = match &message.body {
            Body::Event { event, .. } => &**event,
            Body::Broadcast { .. } => "broadcast",
        };
        if &*message.topic == "phoenix" {
            if event == "heartbeat" {
                self.link.reply(&Address { join_ref: None, ..address }, true, "{}");
            }
            return;
        }
        if event == "phx_join" {
            let topic = message.topic.strip_prefix(PREFIX).filter(|name| name.len() <= LONGEST_TOPIC);
            if let (Some(name), Body::Event { payload, .. }) = (topic, &message.body) {
                self.join(&address, name, payload.clone());
            } else {
                self.link.refuse(&address, "unmatched topic");
            }
            return;
        }
        match self.channels.get(&message.topic) {
            // What was meant for an earlier join is too late.
            Some(handle) if message.join_ref.is_some() && message.join_ref != handle.join_ref => {}
            Some(handle) => {
                let share = (size + OVERHEAD).min(WAITING as usize);
                let share = u32::try_from(share).unwrap_or(WAITING);
                // It is never closed.
                if let Ok(share) = Arc::clone(&self.waiting).acquire_many_owned(share).await {
                    handle.deliveries.put(Delivery { message, _share: share });
                }
            }
            None if event == "phx_leave" => self.link.reply(&address, true, "{}"),
            None => self.link.refuse(&address, "unmatched topic"),
        }
    }

    fn join(&mut self, address: &Address, name: &str, payload: Bytes) {
        self.joins += 1;
        let serial = self.joins;
        let predecessor = self.channels.remove(&address.topic).map(|old| {
            old.task.abort();
            if old.is_joined.get() {
                self.link.push(&ending(
                    self.link.version,
                    old.join_ref.as_ref(),
                    &address.topic,
                    "phx_close",
                ));
            }
            old.task
        });
        let is_joined = Rc::new(Cell::new(false));
        let opening = Box::new(Opening {
            address: address.clone(),
            name: name.into(),
            payload,
            others: self.channels.len(),
            is_joined: Rc::clone(&is_joined),
        });
        let deliveries = Mailbox::default();
        let receiver = deliveries.clone();
        let ended = Ended { topic: address.topic.clone(), serial, how: None };
        let mut farewell = Farewell { ended: Some(ended), to: self.ended.clone() };
        let link = Rc::clone(&self.link);
        let task = actix_web::rt::spawn(async move {
            if let Some(predecessor) = predecessor {
                // It leaves its topic before it is joined anew.
                let _ = predecessor.await;
            }
            let how = channel::run(link, opening, receiver).await;
            if let Some(ended) = &mut farewell.ended {
                ended.how = Some(how);
            }
        });
        let handle = Handle { serial, join_ref: address.join_ref.clone(), deliveries, task, is_joined };
        self.channels.insert(address.topic.clone(), handle);
    }

    /// A channel has ended by itself.
    fn bury(&mut self, ended: Ended) -> Flow {
        let Slot::Occupied(slot) = self.channels.entry(ended.topic) else { return ON };
        if slot.get().serial != ended.serial {
            return ON;
        }
        let (topic, handle) = slot.remove_entry();
        if self.channels.is_empty() {
            self.alone_since = Instant::now();
        }
        match ended.how {
            Some(Ending::Channel) => ON,
            Some(Ending::Socket) => {
                self.link.outbox.close(GOING_AWAY, "");
                END
            }
            None => {
                self.link.service.metrics.error("UnknownErrorOnChannel");
                tracing::error!(error_code = "UnknownErrorOnChannel", "a channel panicked");
                let frame = ending(self.link.version, handle.join_ref.as_ref(), &topic, "phx_error");
                self.link.push(&frame);
                ON
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Whatever ended it: the connection ends with what is written to it.
        self.link.outbox.close(NORMAL, "");
        for channel in self.channels.values() {
            channel.task.abort();
        }
    }
}
