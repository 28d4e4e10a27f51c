//! Who might hear of which changes: all that is not ruled out by what is known in memory.

use std::collections::HashMap;
use std::sync::Arc;

use db::Error;
use kernel::Identity;

use super::Change;
use super::compare::{Verdict, compare};
use super::dispatch::Dispatcher;
use super::filter::Filter;
use super::known::{View, Who, who};
use super::payload::{Told, Withheld};
use super::registry::Receiver;
use super::survey::Asked;
use super::wanted::Event;

/// A change on its way to one wish of one receiver.
pub(super) struct Case {
    pub(super) change: usize,
    pub(super) receiver: Arc<Receiver>,
    pub(super) wish: usize,
    pub(super) identity: Arc<Identity>,
    pub(super) who: Arc<Who>,
    pub(super) fate: Fate,
}

/// What is known of a case.
pub(super) enum Fate {
    Told,
    Withheld(Withheld),
    /// These filters are asked about.
    Filtered(Vec<usize>),
}

/// A wish of a receiver, as it looked at the time.
pub(super) struct Wish {
    receiver: Arc<Receiver>,
    index: usize,
    identity: Arc<Identity>,
    who: Arc<Who>,
}

impl Dispatcher {
    /// Who wants to hear of each table, and what must be known for it.
    pub(super) async fn wishes(
        &mut self,
        changes: &[Change],
        only: &HashMap<u64, usize>,
    ) -> Result<HashMap<u32, Vec<Wish>>, Error> {
        let mut wishes: HashMap<u32, Vec<Wish>> = HashMap::new();
        for change in changes {
            let relation = &change.relation;
            let here = wishes.entry(relation.id).or_insert_with(|| {
                let about = self.registry.about(&relation.schema, &relation.name).into_iter();
                about
                    // One that comes back has what it missed first.
                    .filter(|(receiver, _)| receiver.is_awake() || only.contains_key(&receiver.id))
                    .filter_map(|(receiver, index)| {
                        let identity = receiver.identity()?;
                        let who = Arc::new(who(&identity));
                        Some(Wish { receiver, index, identity, who })
                    })
                    .collect()
            });
            if !here.is_empty() {
                if !self.memory.knows(relation) {
                    self.lookout.wait(&self.pool, &[change.transaction.id]).await?;
                }
                let roles = here.iter().map(|wish| wish.identity.role.as_str());
                self.memory.learn(&self.pool, relation, roles).await?;
            }
        }
        Ok(wishes)
    }

    /// All that is not ruled out by what is known in memory.
    pub(super) fn cases(
        &self,
        changes: &[Change],
        wishes: &HashMap<u32, Vec<Wish>>,
        only: &HashMap<u64, usize>,
        filters: &mut Asked,
    ) -> Vec<Case> {
        let mut cases = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            let (Some(told), Some(known), Some(wishes)) =
                (self.told(change), self.memory.table(&change.relation), wishes.get(&change.relation.id))
            else {
                continue;
            };
            for wish in wishes {
                let from = if only.is_empty() { Some(&0) } else { only.get(&wish.receiver.id) };
                if from.is_none_or(|from| index < *from) {
                    continue;
                }
                let Some((_, wanted)) = wish.receiver.wanted.get(wish.index) else { continue };
                let Some(view) = known.view(wish.identity.role.as_str()) else { continue };
                if !wanted.event.covers(told.event()) {
                    continue;
                }
                let fate = match withheld(&told, view) {
                    Some(why) => Some(Fate::Withheld(why)),
                    None => passes(&told, view, &wanted.filters, filters),
                };
                cases.extend(fate.map(|fate| Case {
                    change: index,
                    receiver: Arc::clone(&wish.receiver),
                    wish: wish.index,
                    identity: Arc::clone(&wish.identity),
                    who: Arc::clone(&wish.who),
                    fate,
                }));
            }
        }
        cases
    }
}

/// Why a change is told to a role without its row, if it is.
fn withheld(told: &Told<'_>, view: &View) -> Option<Withheld> {
    if told.event() == Event::Delete {
        return None;
    }
    let mut key = told.table.columns.iter().filter(|column| column.is_pkey).peekable();
    if key.peek().is_none() {
        return Some(Withheld::NoKey);
    }
    let may_read = key.all(|column| view.rights.columns.contains(&column.number));
    (!may_read).then_some(Withheld::Unauthorized)
}

/// Compares with all filters; none if one of them fails.
fn passes(told: &Told<'_>, view: &View, filters: &[Filter], asked: &mut Asked) -> Option<Fate> {
    let mut open = Vec::new();
    for filter in filters {
        let column = told.table.columns.iter().find(|column| column.name == filter.column)?;
        if !view.rights.columns.contains(&column.number) {
            return None;
        }
        let cell = match told.event() {
            Event::Delete => told.old_cell(&column.name)?,
            _ => told.new_cell(&column.name)?,
        };
        match compare(told.types, column.kind, cell.text(), filter) {
            Verdict::Passes => {}
            Verdict::Fails => return None,
            Verdict::Ask => open.push(asked.ask(column.kind, cell.text().unwrap_or_default(), filter)),
        }
    }
    Some(if open.is_empty() { Fate::Told } else { Fate::Filtered(open) })
}
