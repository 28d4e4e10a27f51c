//! From what was decided to frames in the queues of receivers.

use std::collections::{HashMap, HashSet};

use super::Change;
use super::cases::{Case, Fate};
use super::dispatch::Dispatcher;
use super::letter::Letters;

/// What became of changes.
#[derive(Default)]
pub(super) struct Sent {
    /// Receivers that are somebody else by now, and from which change on.
    pub(super) again: HashMap<u64, usize>,
    /// Those that something was sent to.
    pub(super) reached: HashSet<u64>,
}

impl Dispatcher {
    /// Sends what is left.
    pub(super) fn send(&self, changes: &[Change], cases: &[Case]) -> Sent {
        let mut sent = Sent::default();
        for of_change in cases.chunk_by(|one, other| one.change == other.change) {
            let Some(told) = of_change
                .first()
                .and_then(|case| changes.get(case.change))
                .and_then(|change| self.told(change))
            else {
                continue;
            };
            let mut letters = Letters::default();
            let mut by_receiver: HashMap<(u64, usize), usize> = HashMap::new();
            let mut sendings: Vec<(&Case, usize, Vec<u64>)> = Vec::new();
            for case in of_change {
                let Some(view) = self.view(case, changes) else { continue };
                let Some((id, wanted)) = case.receiver.wanted.get(case.wish) else { continue };
                let select = wanted.select.as_deref();
                let role = case.identity.role.as_str();
                let letter = letters.letter(role, select, || match case.fate {
                    Fate::Withheld(why) => told.withheld(why),
                    _ => told.to_json(&view.rights, select, told.table.has_policies),
                });
                match by_receiver.get(&(case.receiver.id, letter)).and_then(|index| sendings.get_mut(*index))
                {
                    Some((_, _, ids)) if ids.contains(id) => {}
                    Some((_, _, ids)) => ids.push(*id),
                    None => {
                        by_receiver.insert((case.receiver.id, letter), sendings.len());
                        sendings.push((case, letter, vec![*id]));
                    }
                }
            }
            for (case, letter, ids) in sendings {
                let receiver = &case.receiver;
                if sent.again.contains_key(&receiver.id) {
                    continue;
                }
                let Some(frame) = letters.frame(letter, receiver, &ids, told.event()) else { continue };
                if !receiver.send(&case.identity, frame) {
                    sent.again.insert(receiver.id, case.change);
                }
                sent.reached.insert(receiver.id);
            }
        }
        sent
    }
}
