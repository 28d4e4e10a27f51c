//! The stream as the instance that has it tells of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::decode::{Message, Relation, decode};
use crate::changes::Arrival;
use crate::feed::Source;
use crate::hub::relay::envelope::Row;
use crate::service::Service;
use crate::wal::position::Position;

/// What is heard.
#[derive(Default)]
pub(crate) struct Hearing {
    heard: Option<Heard>,
}

/// The stream that is listened to.
struct Heard {
    source: Source,
    /// The number of the next row.
    next: u64,
    /// Tables, each with the version of its description.
    relations: HashMap<u32, (u64, Arc<Relation>)>,
}

/// Something was not heard, or cannot be kept: whoever has the stream must say where it is.
pub(crate) struct Missed;

impl Hearing {
    /// `sender` has the stream: all rows behind `behind` follow, from this number on.
    pub(crate) fn stream(
        &mut self,
        service: &Service,
        source: Source,
        history: u32,
        number: u64,
        behind: Position,
    ) {
        if self.is_deaf(service) {
            return;
        }
        if let Some(heard) = &self.heard {
            // Late words of an instance that had it before, or nothing new.
            let is_old = source.stream < heard.source.stream;
            if is_old {
                return;
            }
            if source == heard.source && number == heard.next {
                return service.pass(source, behind);
            }
        }
        self.heard = Some(Heard { source, next: number, relations: HashMap::new() });
        service.begin_feed(source, history, behind);
        service.feed.open(source);
    }

    /// A row of `sender`.
    pub(crate) fn row(&mut self, service: &Service, sender: u64, row: &Row) -> Result<(), Missed> {
        let source = Source { instance: sender, stream: row.stream };
        if self.is_deaf(service) {
            return Ok(());
        }
        let Some(heard) = self.heard.as_mut().filter(|heard| heard.source == source) else { return Ok(()) };
        if row.number < heard.next {
            return Ok(());
        }
        let is_next = row.number == heard.next;
        heard.next += 1;
        if is_next && heard.take(service, row).is_some() {
            return Ok(());
        }
        tracing::warn!(sender, "rows of the stream of changes were missed, which another instance passed on");
        service.feed.lose(source);
        self.heard = None;
        Err(Missed)
    }

    /// `sender` has the stream no longer, this one or any.
    pub(crate) fn end(&mut self, service: &Service, sender: u64, stream: Option<u64>) {
        let ended = |heard: &mut Heard| {
            heard.source.instance == sender && stream.is_none_or(|stream| stream == heard.source.stream)
        };
        if let Some(heard) = self.heard.take_if(ended) {
            service.feed.end(heard.source);
            // It may be free.
            service.follow.restart.notify_one();
        }
    }

    /// Whether this instance has the stream itself.
    fn is_deaf(&mut self, service: &Service) -> bool {
        let is_deaf = service.voice.is_ours();
        if is_deaf {
            self.heard = None;
        }
        is_deaf
    }
}

impl Heard {
    /// Takes in a row; none if it cannot be.
    fn take(&mut self, service: &Service, row: &Row) -> Option<()> {
        if !service.feed.admits(self.source, row.position) {
            return Some(());
        }
        let Ok(Message::Row { relation: id, row: values }) = decode(&row.row) else { return None };
        let relation = match self.relations.get(&id) {
            Some((version, relation)) if *version == row.version => Arc::clone(relation),
            _ => {
                let Ok(Message::Relation(relation)) = decode(&row.relation) else { return None };
                let relation = Arc::new(relation);
                self.relations.insert(id, (row.version, Arc::clone(&relation)));
                relation
            }
        };
        let arrival = Arrival {
            relation,
            row: values,
            transaction: row.transaction,
            position: row.position,
            message: row.row.clone(),
        };
        let share = service.changes.room_now(&arrival)?;
        service.take_in(arrival, share);
        Some(())
    }
}
