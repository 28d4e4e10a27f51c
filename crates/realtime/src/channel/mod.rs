//! One task for each channel: it joins a topic, handles what its client sends there, and leaves.
//!
//! - [`opening`]: the checks of a join; [`replay`]: the past, for those who ask; [`broadcast`], [`presence`]: messages;
//!   [`changes`]: rows that were written; [`refresh`]: a new token.
//!
//! What others send does not come through here: the topic puts it into the socket's queue itself.

mod broadcast;
mod changes;
mod opening;
mod presence;
mod refresh;
mod replay;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::authz::Question;
use crate::error::JoinError;
use crate::hub::Membership;
use crate::hub::topic::Rights;
use crate::limit::Window;
use crate::protocol::message::{Body, Ref};
use crate::protocol::outgoing::{ending, push};
use crate::service::Service;
use crate::socket::mailbox::Mailbox;
use crate::socket::{Address, Delivery, Link};
use crate::token::Caller;

/// How often a token is looked at although it should live on.
const RECHECK: Duration = Duration::from_secs(300);

/// How long a client that wants messages of the database waits for them to flow.
const STREAM_WITHIN: Duration = Duration::from_secs(10);

/// A join as it was asked for.
pub(crate) struct Opening {
    pub(crate) address: Address,
    /// The topic without its prefix.
    pub(crate) name: Arc<str>,
    pub(crate) payload: Bytes,
    /// Other channels of the socket.
    pub(crate) others: usize,
    /// Set when the join was answered with success.
    pub(crate) is_joined: Rc<Cell<bool>>,
}

/// What ended with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The channel alone.
    Channel,
    /// Its socket must end too.
    Socket,
}

/// A joined channel.
struct Channel {
    link: Rc<Link>,
    /// The topic as the wire has it.
    topic: Box<str>,
    /// The topic without its prefix.
    name: Arc<str>,
    join_ref: Option<Ref>,
    caller: Caller,
    is_private: bool,
    ack: bool,
    to_self: bool,
    presence: presence::Presence,
    rights: Arc<Rights>,
    may_write: Writable,
    calls: Window,
    /// The client wants to be told when messages of the database flow.
    wants_stream: bool,
    /// The rows that it wants to hear of, if any.
    changes: Option<Box<changes::Changes>>,
    membership: Membership,
}

/// What the caller may write, as far as it was found out since the token came.
#[derive(Clone, Copy, Debug, Default)]
struct Writable {
    broadcast: Option<bool>,
    presence: Option<bool>,
}

/// Whether a channel goes on; if not, what its client is told.
enum Flow {
    On,
    /// The client left.
    Left,
    /// The channel is shut down with this message.
    Shut(String),
}

/// The life of a channel.
pub(crate) async fn run(link: Rc<Link>, opening: Box<Opening>, deliveries: Mailbox<Delivery>) -> Ending {
    // Boxed, as all that an idle channel does not need: its checks, its opening, what handles a message.
    match Box::pin(opening::open(&link, &opening)).await {
        Ok(channel) => {
            opening.is_joined.set(true);
            drop(opening);
            channel.serve(deliveries).await;
            Ending::Channel
        }
        Err(error) => {
            link.service.metrics.error(error.code());
            tracing::info!(%error, "a join was refused");
            sleep(link.service.config().join_backoff.0).await;
            link.refuse(&opening.address, &error.to_string());
            while let Some(delivery) = deliveries.try_take() {
                let message = delivery.message;
                let address = Address {
                    join_ref: message.join_ref,
                    reference: message.reference,
                    topic: message.topic,
                };
                link.refuse(&address, "unmatched topic");
            }
            if error == JoinError::TooManyJoins { Ending::Socket } else { Ending::Channel }
        }
    }
}

impl Channel {
    async fn serve(mut self: Box<Self>, deliveries: Mailbox<Delivery>) {
        let mut flow = self.greet();
        let mut check_at = self.check_at();
        let mut stream = self.wants_stream.then(|| Box::pin(stands(Arc::clone(&self.link.service))));
        while let Flow::On = flow {
            flow = tokio::select! {
                stands = once(&mut stream) => self.tell_of_stream(stands),
                happened = next_of(&mut self.changes) => {
                    Box::pin(self.changes_happened(happened)).await;
                    Flow::On
                }
                delivery = deliveries.take() => {
                    let before = self.caller.expires_at;
                    let flow = Box::pin(self.handle(delivery)).await;
                    if self.caller.expires_at != before {
                        check_at = self.check_at();
                    }
                    flow
                }
                () = sleep_until(check_at) => {
                    check_at = self.check_at();
                    self.check_token()
                }
            };
        }
        if let Flow::Shut(message) = flow {
            self.system("system", false, &message);
        }
        (*self).leave();
    }

    /// Nothing of the topic comes behind the end.
    fn leave(self) {
        let Self { link, topic, join_ref, membership, changes, .. } = self;
        drop(membership);
        drop(changes);
        link.push(&ending(link.version, join_ref.as_ref(), &topic, "phx_close"));
    }

    /// What follows the answer to a join.
    fn greet(&mut self) -> Flow {
        if let flow @ Flow::Shut(_) = self.greet_with_presence() {
            return flow;
        }
        self.greet_with_changes();
        Flow::On
    }

    async fn handle(&mut self, delivery: Delivery) -> Flow {
        let message = &delivery.message;
        let address = Address {
            // Answers name the join even to clients that do not.
            join_ref: self.join_ref.clone(),
            reference: message.reference.clone(),
            topic: self.topic.clone(),
        };
        match &message.body {
            Body::Broadcast { event, metadata, content } => {
                self.binary_broadcast(&address, event, metadata, content).await
            }
            Body::Event { event, payload } => match &**event {
                "broadcast" => self.text_broadcast(&address, payload).await,
                "presence" => self.presence(&address, payload).await,
                "access_token" => self.access_token(payload).await,
                "phx_leave" => {
                    self.link.reply(&address, true, "{}");
                    Flow::Left
                }
                event => {
                    let service = &self.link.service;
                    service.counters.events.add(service.now(), 1);
                    tracing::debug!(event, "a client sent an event that has no meaning");
                    Flow::On
                }
            },
        }
    }

    /// When to look at the token.
    fn check_at(&self) -> Instant {
        let left = self.caller.expires_at.saturating_mul(1000);
        let left = left.saturating_sub(self.link.service.clock.now().timestamp_millis());
        Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or_default()).min(RECHECK)
    }

    fn check_token(&self) -> Flow {
        match self.link.service.tokens.unexpired(self.caller.expires_at) {
            Ok(()) => Flow::On,
            Err(refused) => Flow::Shut(refused.to_string()),
        }
    }

    fn tell_of_stream(&self, stands: bool) -> Flow {
        if !stands {
            return Flow::Shut("Replication connection was not established in time".to_owned());
        }
        self.system("system", true, "Replication connection established");
        Flow::On
    }

    /// The caller in front of this topic.
    fn question(&self) -> Question<'_> {
        Question {
            fleet: &self.link.service.fleet,
            caller: &self.caller,
            topic: &self.name,
            headers: &self.link.headers,
        }
    }

    /// Tells the client what became of something.
    fn system(&self, extension: &str, is_ok: bool, message: &str) {
        let status = if is_ok { "ok" } else { "error" };
        let payload = json!({
            "extension": extension, "status": status, "message": message, "channel": &*self.name
        });
        let version = self.link.version;
        self.link.push(&push(version, self.join_ref.as_ref(), &self.topic, "system", &payload.to_string()));
    }
}

/// Whether the stream of changes stands in time.
async fn stands(service: Arc<Service>) -> bool {
    let mut stands = service.feed.stands();
    // The sender lives as long as the service.
    matches!(timeout(STREAM_WITHIN, stands.wait_for(Option::is_some)).await, Ok(Ok(_)))
}

/// What a future comes to, if there is one, and then none any more.
async fn once<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    let Some(running) = future else { return std::future::pending().await };
    let output = running.await;
    *future = None;
    output
}

/// What happens next to the changes of a channel, if it has any.
async fn next_of(changes: &mut Option<Box<changes::Changes>>) -> changes::Happened {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}
