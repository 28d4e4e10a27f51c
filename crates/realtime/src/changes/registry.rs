//! Who subscribes to what, in memory.
//!
//! Subscriptions name tables and are looked up by name when a table changes, so that a table that is
//! published later, or made anew, is theirs at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kernel::Identity;

use super::wanted::{ALL, Wanted};
use crate::protocol::Version;
use crate::protocol::outgoing::Frame;
use crate::socket::outbox::Outbox;

/// A channel that receives changes.
pub(crate) struct Receiver {
    pub(super) id: u64,
    pub(super) outbox: Arc<Outbox>,
    pub(super) version: Version,
    /// The topic as the wire has it.
    pub(super) topic: Box<str>,
    /// An old client: each change is an event of its own.
    pub(super) is_legacy: bool,
    /// It is told where it is.
    resumes: bool,
    /// It has what it missed before it came; until then it receives nothing else.
    is_awake: AtomicBool,
    /// What it wants, each with the id that its client knows it by.
    pub(super) wanted: Vec<(u64, Wanted)>,
    /// Who looks at the changes; nobody when the channel is closed.
    identity: Mutex<Option<Arc<Identity>>>,
}

impl Receiver {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Identity>>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_awake(&self) -> bool {
        self.is_awake.load(Ordering::Acquire)
    }

    /// From now on it receives what all receive.
    pub(super) fn wake(&self) {
        self.is_awake.store(true, Ordering::Release);
    }

    pub(super) fn identity(&self) -> Option<Arc<Identity>> {
        self.lock().clone()
    }

    /// Sends what `identity` was found to be allowed to see; false if the receiver is somebody else by now.
    pub(super) fn send(&self, identity: &Arc<Identity>, frame: &Frame) -> bool {
        // Held while it is queued: nothing follows the end of a channel, or a new token.
        match &*self.lock() {
            Some(now) if Arc::ptr_eq(now, identity) => {
                self.outbox.push(frame);
                true
            }
            Some(_) => false,
            None => true,
        }
    }
}

/// All receivers.
#[derive(Default)]
pub(crate) struct Registry {
    state: RwLock<State>,
    next: AtomicU64,
}

#[derive(Default)]
struct State {
    receivers: HashMap<u64, Arc<Receiver>>,
    /// Those that are told where they are.
    resuming: BTreeSet<u64>,
    /// By schema and table, either of which may be all.
    places: HashMap<(String, String), BTreeSet<(u64, usize)>>,
}

/// Where the changes of a channel go.
pub(crate) struct Destination {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) version: Version,
    pub(crate) topic: Box<str>,
    pub(crate) is_legacy: bool,
    /// It is to be told where it is, and first has to be given what it missed.
    pub(crate) resumes: bool,
}

impl Registry {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a channel; `greet` runs before the first change can reach it, and none is missed after.
    pub(crate) fn enter<R>(
        self: &Arc<Self>,
        to: Destination,
        wanted: Vec<(u64, Wanted)>,
        identity: Option<Arc<Identity>>,
        greet: impl FnOnce() -> R,
    ) -> (Subscribed, R) {
        let receiver = Arc::new(Receiver {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            outbox: to.outbox,
            version: to.version,
            topic: to.topic,
            is_legacy: to.is_legacy,
            resumes: to.resumes,
            is_awake: AtomicBool::new(!to.resumes),
            wanted,
            identity: Mutex::default(),
        });
        let mut state = receiver.lock();
        {
            let mut registry = self.write();
            registry.receivers.insert(receiver.id, Arc::clone(&receiver));
            if receiver.resumes {
                registry.resuming.insert(receiver.id);
            }
            for (index, (_, wanted)) in receiver.wanted.iter().enumerate() {
                let place = (wanted.schema.clone(), wanted.table.clone());
                registry.places.entry(place).or_default().insert((receiver.id, index));
            }
        }
        // Whoever looks for receivers now waits for us at this one.
        let greeted = greet();
        *state = identity;
        drop(state);
        (Subscribed { registry: Arc::clone(self), receiver }, greeted)
    }

    /// Who wants to hear of a table, each with which of its wishes that is.
    pub(super) fn about(&self, schema: &str, table: &str) -> Vec<(Arc<Receiver>, usize)> {
        let state = self.read();
        let mut found = Vec::new();
        for place in [(schema, table), (schema, ALL), (ALL, table), (ALL, ALL)] {
            let place = (place.0.to_owned(), place.1.to_owned());
            for (id, index) in state.places.get(&place).into_iter().flatten() {
                found.extend(state.receivers.get(id).map(|receiver| (Arc::clone(receiver), *index)));
            }
        }
        found
    }

    /// A receiver, if it is still there.
    pub(super) fn receiver(&self, id: u64) -> Option<Arc<Receiver>> {
        self.read().receivers.get(&id).cloned()
    }

    /// Those that are told where they are.
    pub(super) fn resuming(&self) -> Vec<Arc<Receiver>> {
        let state = self.read();
        state.resuming.iter().filter_map(|id| state.receivers.get(id).cloned()).collect()
    }

    /// How many channels receive changes.
    pub(crate) fn len(&self) -> usize {
        self.read().receivers.len()
    }
}

/// A channel's entry; dropping it ends its changes.
pub(crate) struct Subscribed {
    registry: Arc<Registry>,
    receiver: Arc<Receiver>,
}

impl Subscribed {
    /// The receiver, as the courier calls it.
    pub(crate) fn id(&self) -> u64 {
        self.receiver.id
    }

    /// Who looks at the changes from now on; nobody if none.
    pub(crate) fn set_identity(&self, identity: Option<Arc<Identity>>) {
        *self.receiver.lock() = identity;
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        *self.receiver.lock() = None;
        let mut state = self.registry.write();
        state.receivers.remove(&self.receiver.id);
        state.resuming.remove(&self.receiver.id);
        for (index, (_, wanted)) in self.receiver.wanted.iter().enumerate() {
            let place = (wanted.schema.clone(), wanted.table.clone());
            if let Some(here) = state.places.get_mut(&place) {
                here.remove(&(self.receiver.id, index));
                if here.is_empty() {
                    state.places.remove(&place);
                }
            }
        }
    }
}
