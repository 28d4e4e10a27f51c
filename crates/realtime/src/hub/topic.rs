//! The channels on one topic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use uuid::Uuid;

use super::Key;
use super::presence::{Diff, Presences};
use crate::protocol::outgoing::{Encoder, Frame, Shared};
use crate::protocol::{PREFIX, Version};
use crate::socket::outbox::Outbox;

/// What a channel may read; its token decides, and may change.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    broadcast: AtomicBool,
    presence: AtomicBool,
}

impl Rights {
    pub(crate) fn new(broadcast: bool, presence: bool) -> Arc<Self> {
        let rights = Self::default();
        rights.set(broadcast, presence);
        Arc::new(rights)
    }

    pub(crate) fn set(&self, broadcast: bool, presence: bool) {
        self.broadcast.store(broadcast, Ordering::Release);
        self.presence.store(presence, Ordering::Release);
    }

    pub(crate) fn may_read_broadcasts(&self) -> bool {
        self.broadcast.load(Ordering::Acquire)
    }

    pub(crate) fn may_read_presence(&self) -> bool {
        self.presence.load(Ordering::Acquire)
    }
}

/// A channel as its topic sees it.
pub(crate) struct Member {
    /// Where its messages go.
    pub(crate) outbox: Arc<Outbox>,
    /// What its socket speaks.
    pub(crate) version: Version,
    /// What it may read.
    pub(crate) rights: Arc<Rights>,
    /// Rows that were sent to it when it joined.
    pub(crate) replayed: Box<[Uuid]>,
}

/// Who does not receive a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum But {
    Nobody,
    /// Who sent it.
    Member(u64),
    /// Who has this row already.
    Replayed(Uuid),
}

impl But {
    fn excludes(self, id: u64, member: &Member) -> bool {
        match self {
            Self::Nobody => false,
            Self::Member(sender) => sender == id,
            Self::Replayed(row) => member.replayed.contains(&row),
        }
    }
}

/// A topic.
pub(crate) struct Topic {
    key: Key,
    /// Its name on the wire.
    name: String,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    members: Vec<(u64, Member)>,
    presences: Presences,
}

impl Topic {
    pub(super) fn new(key: Key) -> Self {
        Self { name: format!("{PREFIX}{}", key.name), key, state: RwLock::default() }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, id: u64, member: Member, greeting: &Frame) {
        let mut state = self.write();
        member.outbox.push(greeting);
        state.members.push((id, member));
    }

    pub(super) fn remove(&self, id: u64) {
        let mut state = self.write();
        if let Some(index) = state.members.iter().position(|(member, _)| *member == id) {
            state.members.swap_remove(index);
        }
    }

    /// True if nobody is on it, here or elsewhere.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.read();
        state.members.is_empty() && state.presences.is_empty()
    }

    pub(super) fn broadcast(&self, message: &Shared, but: But) -> u64 {
        let encoder = Encoder::new(message, &self.name);
        let state = self.read();
        let receivers = state.members.iter().filter(|(id, member)| {
            !but.excludes(*id, member) && (!self.key.private || member.rights.may_read_broadcasts())
        });
        deliver(&encoder, receivers)
    }

    /// Changes who is present; how many were told.
    pub(super) fn change(&self, change: impl FnOnce(&mut Presences) -> Option<Diff>) -> u64 {
        let mut state = self.write();
        change(&mut state.presences).map_or(0, |diff| self.tell(&state, &diff))
    }

    /// Shows who is present.
    pub(super) fn presences<R>(&self, show: impl FnOnce(&Presences) -> R) -> R {
        show(&self.read().presences)
    }

    /// On public topics everybody is told, also those who did not ask for presence: upstream's rule.
    fn tell(&self, state: &State, diff: &Diff) -> u64 {
        let message = Shared::Event { event: "presence_diff", payload: Bytes::from(diff.to_json()) };
        let encoder = Encoder::new(&message, &self.name);
        let members = state.members.iter();
        deliver(&encoder, members.filter(|(_, m)| !self.key.private || m.rights.may_read_presence()))
    }
}

fn deliver<'a>(encoder: &Encoder<'_>, members: impl Iterator<Item = &'a (u64, Member)>) -> u64 {
    let mut delivered = 0;
    for (_, member) in members {
        let frame = encoder.frame(member.version);
        delivered += u64::from(frame.is_some_and(|frame| member.outbox.push(frame)));
    }
    delivered
}
