//! The one task that takes changes out of their queue: to those whom they concern, and then to what is kept of the past.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use db::Error;
use kernel::Stop;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::dispatch::Dispatcher;
use super::past::{Bookmark, Past};
use super::registry::Receiver;
use super::{BATCH, Change, Item, PAUSE, REAP};
use crate::protocol::PREFIX;
use crate::protocol::outgoing::push;
use crate::service::Service;

/// What a client is told that comes back after too long.
const FORGOTTEN: &str = "PostgreSQL changes behind the given position are not kept any more";

pub(super) struct Courier<'a> {
    service: &'a Service,
    dispatcher: Dispatcher,
    past: Past,
}

impl<'a> Courier<'a> {
    pub(super) fn new(service: &'a Service, dispatcher: Dispatcher) -> Self {
        let config = service.config();
        let past = Past::new(config.resume_window.0, config.resume_memory.get());
        Self { service, dispatcher, past }
    }

    pub(super) async fn run(mut self, mut stop: Stop) {
        let service = self.service;
        let mut out = service.changes.out.lock().await;
        let mut items = Vec::new();
        loop {
            tokio::select! {
                _ = out.recv_many(&mut items, BATCH) => {}
                () = sleep(REAP) => service.changes.fleet.reap(),
                () = stop.stopped() => return,
            }
            tokio::select! {
                () = self.carry(&mut items) => {}
                () = stop.stopped() => return,
            }
        }
    }

    async fn carry(&mut self, items: &mut Vec<Item>) {
        let mut changes = Vec::new();
        let mut items = items.drain(..).peekable();
        while let Some(item) = items.next() {
            match item {
                Item::Change(change) => {
                    changes.push(change);
                    if !matches!(items.peek(), Some(Item::Change(_))) {
                        self.deliver(&changes).await;
                        changes.clear();
                    }
                }
                Item::Past(change) => {
                    self.keep(&change);
                    self.service.changes.queued.fetch_sub(1, Ordering::AcqRel);
                }
                Item::Begin { history, from, is_seamless } => self.past.begin(history, from, is_seamless),
                Item::Passed(position) => {
                    let before = self.past.bookmark();
                    self.past.pass(position, Instant::now());
                    self.note_oldest();
                    if self.past.bookmark() != before {
                        self.tell_positions(|_| true);
                    }
                }
                Item::Resume { receiver, since } => self.resume(receiver, since.as_deref()).await,
            }
        }
    }

    /// To everybody, in their order.
    async fn deliver(&mut self, changes: &[Change]) {
        let mut reached = HashSet::new();
        if self.service.changes.is_wanted() {
            reached = loop {
                match self.dispatcher.deliver(changes).await {
                    Ok(reached) => break reached,
                    Err(error) => pause(&error).await,
                }
            };
        }
        for change in changes {
            self.keep(change);
        }
        if !reached.is_empty() {
            self.tell_positions(|receiver| reached.contains(&receiver.id));
        }
        self.service.changes.queued.fetch_sub(changes.len(), Ordering::AcqRel);
    }

    fn keep(&mut self, change: &Change) {
        let changes = &self.service.changes;
        changes.done.store(change.position.commit.0, Ordering::Release);
        if changes.keeps() {
            self.past.keep(change, Instant::now());
            self.note_oldest();
        }
    }

    fn note_oldest(&self) {
        let oldest = self.past.oldest().map_or(u64::MAX, |oldest| oldest.0);
        self.service.changes.oldest.store(oldest, Ordering::Release);
    }

    /// To a receiver that comes back: what it missed, and from then on what all receive.
    async fn resume(&mut self, id: u64, since: Option<&str>) {
        let Some(receiver) = self.dispatcher.registry.receiver(id) else { return };
        if let Some(since) = since {
            match since.parse().ok().and_then(|bookmark: Bookmark| self.past.behind(bookmark)) {
                Some(missed) => {
                    let missed: Vec<_> = missed.into_iter().map(Change::from).collect();
                    for changes in missed.chunks(BATCH) {
                        self.dispatcher.deliver_to(&receiver, changes).await;
                    }
                }
                None => tell(&receiver, "postgres_changes", false, FORGOTTEN),
            }
        }
        receiver.wake();
        tell(&receiver, "position", true, &self.past.bookmark().to_string());
    }

    /// Tells these of the receivers that want to know where they are.
    fn tell_positions(&self, concerns: impl Fn(&Receiver) -> bool) {
        let resuming = self.dispatcher.registry.resuming();
        let mut resuming =
            resuming.iter().filter(|receiver| receiver.is_awake() && concerns(receiver)).peekable();
        if resuming.peek().is_some() {
            let bookmark = self.past.bookmark().to_string();
            resuming.for_each(|receiver| tell(receiver, "position", true, &bookmark));
        }
    }
}

fn tell(receiver: &Receiver, extension: &str, is_ok: bool, message: &str) {
    let status = if is_ok { "ok" } else { "error" };
    let channel = receiver.topic.strip_prefix(PREFIX).unwrap_or_default();
    let payload = json!({ "extension": extension, "status": status, "message": message, "channel": channel });
    receiver.outbox.push(&push(receiver.version, None, &receiver.topic, "system", &payload.to_string()));
}

/// After a failure of the database: its stream says that it is gone, so this need not.
pub(super) async fn pause(error: &Error) {
    tracing::debug!(%error, "changes wait for the database");
    sleep(PAUSE).await;
}
