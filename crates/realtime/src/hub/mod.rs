//! Who is on which topic, and getting a message to all of them.
//!
//! - [`topic`]: the channels on one topic and what they receive; [`presence`]: who says to be there.
//! - [`relay`]: the other instances that serve the same database, if there are any.
//!
//! A message is encoded once per version and its bytes are shared; delivering it is putting a pointer into
//! the queue of each socket. Nobody waits for anybody: queues are bounded by their sockets. While this is the
//! only instance nothing here touches the database; with others, what is sent is queued for them as well.

pub(crate) mod presence;
pub(crate) mod relay;
pub(crate) mod topic;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::protocol::outgoing::{Frame, Shared};
use presence::{Presences, Who};
use relay::Relay;
use relay::envelope::{Entry as Present, Envelope};
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

/// All topics with at least one channel, or with somebody present at another instance.
pub(crate) struct Hub {
    /// Names this instance.
    pub(crate) id: u64,
    /// What goes to the others.
    pub(crate) relay: Relay,
    shards: Vec<Shard>,
    hasher: RandomState,
    members: AtomicU64,
}

impl Hub {
    pub(crate) fn new() -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self {
            // As a number of Postgres, which knows no unsigned ones.
            id: rand::random::<u64>() >> 1,
            relay: Relay::default(),
            shards,
            hasher: RandomState::new(),
            members: AtomicU64::new(0),
        })
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

    /// Sends a message to all who are on a topic, here and elsewhere; how many they were here.
    pub(crate) fn broadcast(&self, key: &Key, message: &Shared) -> u64 {
        self.relay.pass_on(|| Envelope::Message { key: key.clone(), message: message.clone() });
        self.deliver(key, message)
    }

    /// Sends a message to all who are on a topic here; how many they were.
    fn deliver(&self, key: &Key, message: &Shared) -> u64 {
        let topic = self.shard(key).get(key).map(Arc::clone);
        topic.map_or(0, |topic| topic.broadcast(message, But::Nobody))
    }

    /// Sends a message that is a row of the database to all who are on a topic here and to whom it was not
    /// replayed; how many they were. Other instances hear of the row
    /// as a row of the stream.
    pub(crate) fn broadcast_row(&self, key: &Key, message: &Shared, id: Uuid) -> u64 {
        let topic = self.shard(key).get(key).map(Arc::clone);
        topic.map_or(0, |topic| topic.broadcast(message, But::Replayed(id)))
    }

    /// Those of another instance who are present on a topic: only `entries`.
    fn adopt(&self, key: &Key, instance: u64, entries: Vec<Present>) -> u64 {
        self.change(key, |presences| presences.replace(instance, entries))
    }

    /// Changes who is present on a topic, whether or not somebody is on it here; how many were told.
    fn change(&self, key: &Key, change: impl FnOnce(&mut Presences) -> Option<presence::Diff>) -> u64 {
        let mut shard = self.shard(key);
        let topic = shard.entry(key.clone()).or_insert_with(|| Arc::new(Topic::new(key.clone())));
        let told = topic.change(change);
        if topic.is_empty() {
            shard.remove(key);
        }
        told
    }

    /// The topics there are.
    fn keys(&self) -> Vec<Key> {
        let keys = |shard: &Shard| -> Vec<Key> {
            shard.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
        };
        self.shards.iter().flat_map(keys).collect()
    }

    /// Tells the others who is present here.
    fn census(&self) {
        self.relay.push(Envelope::Census);
        for key in self.keys() {
            let topic = self.shard(&key).get(&key).map(Arc::clone);
            if let Some(topic) = topic {
                // At a moment between two changes, which are queued behind it or are part of it.
                topic.presences(|presences| {
                    let entries = presences.of(self.id);
                    if !entries.is_empty() {
                        self.relay.push(Envelope::Topic { key, entries });
                    }
                });
            }
        }
        self.relay.push(Envelope::Counted);
    }

    /// How many topics there are.
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
    /// Sends a message to the others, and to the sender too if it wants; how many they were here.
    pub(crate) fn broadcast(&self, message: &Shared, to_self: bool) -> u64 {
        let key = || self.topic.key().clone();
        self.hub.relay.pass_on(|| Envelope::Message { key: key(), message: message.clone() });
        self.topic.broadcast(message, if to_self { But::Nobody } else { But::Member(self.id) })
    }

    fn who(&self) -> Who {
        Who { instance: self.hub.id, member: self.id }
    }

    /// Is present under `name` from now on, with `payload`; how many were told.
    pub(crate) fn track(&mut self, name: &str, payload: Map<String, Value>) -> u64 {
        self.presence = Some(name.into());
        let (who, key) = (self.who(), self.topic.key());
        self.topic.change(|presences| {
            let (diff, saying) = presences.say(name, who, payload)?;
            let entry = || Present { name: name.into(), member: who.member, saying };
            self.hub.relay.pass_on(|| Envelope::Present { key: key.clone(), entry: entry() });
            Some(diff)
        })
    }

    /// Is present no longer; how many were told.
    pub(crate) fn untrack(&mut self) -> u64 {
        let Some(name) = self.presence.take() else { return 0 };
        let (who, key) = (self.who(), self.topic.key());
        self.topic.change(|presences| {
            let diff = presences.remove(&name, who)?;
            self.hub.relay.pass_on(|| Envelope::Absent { key: key.clone(), name, member: who.member });
            Some(diff)
        })
    }

    /// Who is present, as JSON, handed to `send` at a moment between two changes.
    pub(crate) fn presence_state<R>(&self, send: impl FnOnce(String) -> R) -> R {
        // A change needs the topic for itself, so its diff is queued behind the state.
        self.topic.presences(|presences| send(presences.to_json()))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let hub = Arc::clone(&self.hub);
        let mut shard = hub.shard(self.topic.key());
        self.topic.remove(self.id);
        self.untrack();
        // Under the shard's lock nobody can have joined in between.
        if self.topic.is_empty()
            && let Entry::Occupied(entry) = shard.entry(self.topic.key().clone())
        {
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
