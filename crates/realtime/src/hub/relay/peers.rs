//! The other instances as this one knows them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::time::Instant;

use super::SILENCE;
use super::envelope::{self, Entry, Envelope};
use crate::feed::Source;
use crate::hub::Key;
use crate::hub::presence::Who;
use crate::limit::Used;
use crate::service::Service;
use crate::wal::follow::{Hearing, Missed};

/// Another instance.
struct Peer {
    heard_at: Instant,
    /// While it tells who is present: the topics it has named.
    counting: Option<HashSet<Key>>,
    used: Used,
}

/// All of them.
pub(super) struct Peers<'a> {
    service: &'a Service,
    known: HashMap<u64, Peer>,
    /// The stream of changes, if one of them reads it.
    hearing: Hearing,
}

impl<'a> Peers<'a> {
    pub(super) fn new(service: &'a Service) -> Self {
        Self { service, known: HashMap::new(), hearing: Hearing::default() }
    }

    /// Says hello, and who is present here.
    pub(super) fn greet(&self) {
        self.service.hub.relay.push(Envelope::Hello);
        self.service.hub.census();
    }

    /// Takes in what an instance said.
    pub(super) fn take(&mut self, sender: u64, mut batch: Bytes) {
        let first = envelope::read(&mut batch);
        if first == Some(Envelope::Bye) {
            return self.forget(sender);
        }
        let new = || Peer { heard_at: Instant::now(), counting: None, used: Used::default() };
        let mut is_new = false;
        let peer = self.known.entry(sender).or_insert_with(|| {
            is_new = true;
            new()
        });
        peer.heard_at = Instant::now();
        // Before anything is answered: what happens from now on is passed on.
        self.count();
        if is_new {
            tracing::info!(sender, others = self.known.len(), "another instance serves this database");
            // It speaks of what it knows in its greeting; if this is none, it believes that it is known.
            if !matches!(first, Some(Envelope::Hello | Envelope::Census)) {
                self.greet();
            }
            self.service.voice.announce(&self.service.hub.relay);
        }
        let rest = std::iter::from_fn(|| envelope::read(&mut batch));
        for envelope in first.into_iter().chain(rest) {
            self.follow(sender, envelope);
        }
    }

    fn follow(&mut self, sender: u64, envelope: Envelope) {
        let hub = &self.service.hub;
        let now = self.service.now();
        let counters = &self.service.counters;
        match envelope {
            Envelope::Hello => {
                hub.census();
                self.service.voice.announce(&hub.relay);
            }
            Envelope::Message { key, message } => counters.events.add(now, hub.deliver(&key, &message)),
            Envelope::Present { key, entry: Entry { name, member, saying } } => {
                self.named(sender, &key);
                let who = Who { instance: sender, member };
                counters.presence.add(now, hub.change(&key, |all| all.put(&name, who, saying)));
            }
            Envelope::Absent { key, name, member } => {
                let who = Who { instance: sender, member };
                counters.presence.add(now, hub.change(&key, |all| all.remove(&name, who)));
            }
            Envelope::Census => {
                if let Some(peer) = self.known.get_mut(&sender) {
                    peer.counting = Some(HashSet::new());
                }
            }
            Envelope::Topic { key, entries } => {
                self.named(sender, &key);
                counters.presence.add(now, hub.adopt(&key, sender, entries));
            }
            Envelope::Counted => {
                let named = self.known.get_mut(&sender).and_then(|peer| peer.counting.take());
                if let Some(named) = named {
                    self.clear(sender, &named);
                }
            }
            Envelope::Stream { stream, history, number, behind } => {
                let source = Source { instance: sender, stream };
                self.hearing.stream(self.service, source, history, number, behind);
            }
            Envelope::Row(row) => {
                if let Err(Missed) = self.hearing.row(self.service, sender, &row) {
                    // Whoever has the stream says where it is.
                    hub.relay.push(Envelope::Hello);
                }
            }
            Envelope::Broken { stream } => self.hearing.end(self.service, sender, Some(stream)),
            Envelope::Used(used) => {
                if let Some(peer) = self.known.get_mut(&sender) {
                    peer.used = used;
                }
                self.count();
            }
            // Alone in its batch.
            Envelope::Bye => {}
        }
    }

    fn named(&mut self, sender: u64, key: &Key) {
        if let Some(Peer { counting: Some(named), .. }) = self.known.get_mut(&sender) {
            named.insert(key.clone());
        }
    }

    /// Nobody of an instance is present, but on the topics it named.
    fn clear(&self, sender: u64, but: &HashSet<Key>) {
        let hub = &self.service.hub;
        for key in hub.keys().into_iter().filter(|key| !but.contains(key)) {
            let told = hub.adopt(&key, sender, Vec::new());
            self.service.counters.presence.add(self.service.now(), told);
        }
    }

    /// Forgets those of whom nothing was heard.
    pub(super) fn drop_silent(&mut self) {
        let silent = self.known.iter().filter(|(_, peer)| peer.heard_at.elapsed() > SILENCE);
        for sender in silent.map(|(sender, _)| *sender).collect::<Vec<_>>() {
            tracing::warn!(sender, "another instance is silent; those present there have left");
            self.forget(sender);
        }
    }

    fn forget(&mut self, sender: u64) {
        if self.known.remove(&sender).is_some() {
            self.count();
            self.hearing.end(self.service, sender, None);
            self.clear(sender, &HashSet::new());
        }
    }

    /// Forgets everybody.
    pub(super) fn forget_all(&mut self) {
        for sender in self.known.keys().copied().collect::<Vec<_>>() {
            self.forget(sender);
        }
    }

    fn count(&self) {
        self.service.hub.relay.others.store(self.known.len(), Ordering::SeqCst);
        self.service.counters.set_elsewhere(self.known.values().map(|peer| peer.used).sum());
    }
}
