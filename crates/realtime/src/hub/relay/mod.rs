//! The other instances that serve the same database: what is sent on one reaches the sockets of all.
//!
//! - [`envelope`]: what is said, as bytes; [`peers`]: who the others are, and what became of what they said.
//! - [`postgres`]: the way there that needs nothing else; [`nats`]: a quicker one, for those who have it; [`Way`]: what any way must do.
//!
//! An instance that starts says hello. While nobody answers it is alone: it listens, and says nothing more. As soon
//! as there is another one, both write down what they send, in batches that are numbered by their sender, and say
//! something every second even if it is nothing. Each keeps everybody's presence, so that whoever joins a topic sees
//! all at once; who was not heard of for [`SILENCE`] is gone, and so are its presences. After a gap, and after a
//! lost connection, an instance says hello again, and everybody tells who is present: what one missed of presence
//! heals, and messages are lost only if the way there was broken for longer than it keeps them.
//!
//! With the word of every second each says how much of the limits it uses, so that they hold for all together, but
//! for what happens within that second.

pub(crate) mod envelope;
mod nats;
mod peers;
mod postgres;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kernel::{Stop, Task};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::config;
use crate::service::Service;
use envelope::Envelope;
use peers::Peers;

/// How often an instance says something.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// After how long without a word an instance is gone.
const SILENCE: Duration = Duration::from_secs(5);

/// Bytes of a batch, if it is not one envelope alone.
const BATCH: usize = 256 * 1024;

/// Bytes that may wait for the way to the others. Beyond them, what waits is given up.
const WAITING: usize = 64 * 1024 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What waits to be told to the others.
#[derive(Default)]
pub(crate) struct Relay {
    /// How many others there are.
    others: AtomicUsize,
    queue: Mutex<Queue>,
    filled: Notify,
    /// Envelopes that were ever given up.
    lost: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    envelopes: VecDeque<Envelope>,
    bytes: usize,
    /// Envelopes that were given up since the last batch.
    lost: usize,
}

impl Relay {
    /// How many other instances there are.
    pub(crate) fn others(&self) -> usize {
        self.others.load(Ordering::SeqCst)
    }

    /// Envelopes that were ever given up.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// Queues what `make` makes, if anybody is there to hear it.
    pub(crate) fn pass_on(&self, make: impl FnOnce() -> Envelope) {
        if self.others() > 0 {
            self.push(make());
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues something.
    pub(super) fn push(&self, envelope: Envelope) {
        let mut queue = self.queue();
        queue.bytes += envelope.size();
        queue.envelopes.push_back(envelope);
        if queue.bytes > WAITING {
            queue.lost += queue.envelopes.len();
            self.lost.fetch_add(queue.envelopes.len(), Ordering::Relaxed);
            queue.envelopes.clear();
            queue.bytes = 0;
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// What waits, up to the size of a batch; empty after a second in which nothing was queued. And how many
    /// envelopes were given up since.
    async fn batch(&self) -> (BytesMut, usize) {
        let filled = async {
            while self.queue().envelopes.is_empty() {
                self.filled.notified().await;
            }
        };
        let _ = timeout(HEARTBEAT, filled).await;
        let (mut batch, mut queue) = (BytesMut::new(), self.queue());
        while let Some(envelope) = queue.envelopes.front()
            && (batch.is_empty() || batch.len() + envelope.size() <= BATCH)
        {
            envelope.write(&mut batch);
            queue.bytes = queue.bytes.saturating_sub(envelope.size());
            queue.envelopes.pop_front();
        }
        (batch, std::mem::take(&mut queue.lost))
    }
}

/// A way to the other instances, and back.
trait Way {
    /// Where batches go.
    type Out: Outlet;
    /// Where they come from.
    type In: Inlet;

    /// Both ends, for the instance `own`. The error is for the log.
    fn open(self, own: u64) -> impl Future<Output = Result<(Self::Out, Self::In), String>> + Send;
}

/// The end that speaks.
trait Outlet: Send {
    /// Sends a batch to all others; it may be sent again if that failed. The error is for the log.
    fn send(&mut self, batch: &Bytes) -> impl Future<Output = Result<(), String>> + Send;
}

/// The end that hears.
trait Inlet: Send {
    /// What comes next. May be dropped while it waits; nothing is lost.
    fn next(&mut self) -> impl Future<Output = Heard> + Send;
}

/// Something heard.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// From now on everything is heard.
    Connected,
    /// A batch of another instance. Those of one sender come in its order; `is_behind_gap` if some were missed.
    Batch { sender: u64, batch: Bytes, is_behind_gap: bool },
}

/// The task that keeps in touch, if anybody is to be kept in touch with.
pub(crate) fn task(service: &Arc<Service>) -> Option<Task> {
    let way = service.config().relay;
    let service = Arc::clone(service);
    (way != config::Relay::None).then(|| {
        Task::new("realtime relay", move |stop| {
            let service = Arc::clone(&service);
            async move {
                match way {
                    config::Relay::Nats => keep(&service, nats::Nats::of(&service), stop).await,
                    config::Relay::Postgres => keep(&service, postgres::Postgres::of(&service), stop).await,
                    config::Relay::None => {}
                }
            }
        })
    })
}

async fn keep<W: Way>(service: &Service, way: W, mut stop: Stop) {
    let (mut outlet, mut inlet) = match way.open(service.hub.id).await {
        Ok(ends) => ends,
        Err(error) => {
            tracing::error!(error, "there is no way to other instances");
            // The supervisor begins anew.
            tokio::select! {
                () = sleep(LONGEST_PAUSE) => {}
                () = stop.stopped() => {}
            }
            return;
        }
    };
    let mut peers = Peers::new(service);
    tokio::select! {
        () = speak(service, &mut outlet) => {}
        () = hear(&mut peers, &mut inlet) => {}
        () = stop.stopped() => {}
    }
    if service.hub.relay.others() > 0 {
        let mut goodbye = BytesMut::new();
        Envelope::Bye.write(&mut goodbye);
        // Who does not hear it notices within seconds.
        let _ = timeout(GOODBYE, outlet.send(&goodbye.freeze())).await;
    }
    peers.forget_all();
}

async fn speak(service: &Service, outlet: &mut impl Outlet) {
    let relay = &service.hub.relay;
    let mut say_at = Instant::now();
    loop {
        let (mut batch, lost) = relay.batch().await;
        if relay.others() > 0 && (batch.is_empty() || Instant::now() >= say_at) {
            say_at = Instant::now() + HEARTBEAT;
            Envelope::Used(service.counters.used_here(service.now())).write(&mut batch);
        }
        if batch.is_empty() {
            continue;
        }
        let batch = batch.freeze();
        let mut pause = FIRST_PAUSE;
        while let Err(error) = outlet.send(&batch).await {
            if pause == FIRST_PAUSE {
                tracing::warn!(error, "other instances cannot be reached");
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if lost > 0 {
            tracing::error!(lost, "messages for other instances were given up: too many were waiting");
            service.hub.census();
        }
    }
}

async fn hear(peers: &mut Peers<'_>, inlet: &mut impl Inlet) {
    let mut look = interval(HEARTBEAT);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            heard = inlet.next() => match heard {
                Heard::Connected => peers.greet(),
                Heard::Batch { sender, batch, is_behind_gap } => {
                    if is_behind_gap {
                        tracing::warn!(sender, "something that another instance said was missed");
                        peers.greet();
                    }
                    peers.take(sender, batch);
                }
            },
            _ = look.tick() => peers.drop_silent(),
        }
    }
}
