//! Who is on which topic, and getting a message to all of them.
//!
//! - [`topic`]: the channels on one topic and what they receive; [`presence`]: who says to be there.
//!
//! A message is encoded once per version and its bytes are shared; delivering it is putting a pointer into
//! the queue of each socket. Nobody waits for anybody: queues are bounded by their sockets. Nothing here
//! touches the database.

pub(crate) mod presence;
pub(crate) mod topic;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::protocol::outgoing::{Frame, Shared};
use topic::{But, Member, Topic};

/// Locks over which the topics are spread.
const SHARDS: usize = 64;

/// A topic: public and private ones of the same name have nothing to do with each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Policies decide about it.
    pub(crate) private: bool,
    /// Its name, without the prefix of the wire.
    pub(crate) name: Arc<str>,
}

type Shard = Mutex<HashMap<Key, Arc<Topic>>>;

/// All topics with at least one channel.
pub(crate) struct Hub {
    shards: Vec<Shard>,
    hasher: RandomState,
    members: AtomicU64,
}

impl Hub {
    pub(crate) fn new() -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { shards, hasher: RandomState::new(), members: AtomicU64::new(0) })
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Arc<Topic>>> {
        let index = usize::try_from(self.hasher.hash_one(key)).unwrap_or(usize::MAX) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins a topic. `greeting` is queued before anything of the topic can be.
    pub(crate) fn join(self: &Arc<Self>, key: &Key, member: Member, greeting: &Frame) -> Membership {
        let id = self.members.fetch_add(1, Ordering::Relaxed);
        let mut shard = self.shard(key);
        let topic = shard.entry(key.clone()).or_insert_with(|| Arc::new(Topic::new(key.clone())));
        topic.add(id, member, greeting);
        Membership { hub: Arc::clone(self), topic: Arc::clone(topic), id, presence: None }
    }

    /// Sends a message to all who are on a topic; how many they were.
    pub(crate) fn broadcast(&self, key: &Key, message: &Shared) -> u64 {
        let topic = self.shard(key).get(key).map(Arc::clone);
        topic.map_or(0, |topic| topic.broadcast(message, But::Nobody))
    }

    /// Sends a message that is a row of the database, to whom it was not replayed; how many they were.
    pub(crate) fn broadcast_row(&self, key: &Key, message: &Shared, id: Uuid) -> u64 {
        let topic = self.shard(key).get(key).map(Arc::clone);
        topic.map_or(0, |topic| topic.broadcast(message, But::Replayed(id)))
    }

    /// Topics with at least one channel.
    #[cfg(test)]
    pub(crate) fn topics(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

/// A channel's place on a topic; dropping it leaves, and tells the others if it was present.
pub(crate) struct Membership {
    hub: Arc<Hub>,
    topic: Arc<Topic>,
    id: u64,
    /// The name under which it is present.
    presence: Option<Box<str>>,
}

impl Membership {
    /// Sends a message to the others, and to the sender too if it wants; how many they were.
    pub(crate) fn broadcast(&self, message: &Shared, to_self: bool) -> u64 {
        self.topic.broadcast(message, if to_self { But::Nobody } else { But::Member(self.id) })
    }

    /// Is present under `key` from now on, with `payload`; how many were told.
    pub(crate) fn track(&mut self, key: &str, payload: Map<String, Value>) -> u64 {
        self.presence = Some(key.into());
        self.topic.track(self.id, key, payload)
    }

    /// Is present no longer; how many were told.
    pub(crate) fn untrack(&mut self) -> u64 {
        self.presence.take().map_or(0, |key| self.topic.untrack(self.id, &key))
    }

    /// Who is present, as JSON, handed to `send` at a moment between two changes.
    pub(crate) fn presence_state<R>(&self, send: impl FnOnce(String) -> R) -> R {
        self.topic.presence_state(send)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut shard = self.hub.shard(self.topic.key());
        let is_empty = self.topic.remove(self.id, self.presence.take().as_deref());
        // Under the shard's lock nobody can have joined in between.
        if is_empty && let Entry::Occupied(entry) = shard.entry(self.topic.key().clone()) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Version;
    use crate::socket::outbox::{Bounds, Outbox};
    use topic::Rights;

    fn member() -> Member {
        let outbox = Outbox::new(Bounds { frames: 10, bytes: 1000 });
        Member { outbox, version: Version::V2, rights: Rights::new(true, true), replayed: Box::default() }
    }

    #[test]
    fn topics_live_as_long_as_somebody_is_there() {
        let hub = Hub::new();
        let key = |private| Key { private, name: "room".into() };
        let greeting = Frame::text("");
        let first = hub.join(&key(false), member(), &greeting);
        let second = hub.join(&key(false), member(), &greeting);
        let private = hub.join(&key(true), member(), &greeting);
        assert_eq!(hub.topics(), 2);
        let message = Shared::Event { event: "broadcast", payload: "{}".into() };
        assert_eq!(first.broadcast(&message, false), 1);
        assert_eq!(first.broadcast(&message, true), 2);
        assert_eq!(hub.broadcast(&key(true), &message), 1);
        drop((first, second, private));
        assert_eq!(hub.topics(), 0);
        assert_eq!(hub.broadcast(&key(false), &message), 0);
    }

    #[test]
    fn a_row_reaches_those_who_have_not_seen_it() {
        let hub = Hub::new();
        let key = Key { private: true, name: "room".into() };
        let greeting = Frame::text("");
        let row = Uuid::from_u128(1);
        let _old = hub.join(&key, Member { replayed: [row].into(), ..member() }, &greeting);
        let _new = hub.join(&key, member(), &greeting);
        let message = Shared::Event { event: "broadcast", payload: "{}".into() };
        assert_eq!(hub.broadcast_row(&key, &message, row), 1);
        assert_eq!(hub.broadcast_row(&key, &message, Uuid::from_u128(2)), 2);
    }
}
