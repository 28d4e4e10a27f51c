//! Getting changes to those who subscribed, may see them, and want them.
//!
//! A batch is whatever has come since the last one. What can be said in memory is (filters on plain types, tables
//! without policies, policies that compare columns with claims); the rest is asked of the database at once: all
//! filters in one burst, then all policies in one, grouped by role and claims. Only when all is known is anything
//! sent, in the order of the changes.
//!
//! Who wrote a row through the data API is answered before anybody is told of it, within bounds: programs expect
//! to know what they wrote when they hear of it, and the stream is often quicker than the answer.
//!
//! What is sent was decided for one caller. If the channel has another one by the time it is sent, because its
//! token was renewed, its changes are decided again. The questions about policies are in [`super::inquiry`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use db::{Error, Fleet, Pool};
use kernel::{Answers, Identity};
use tokio::time::timeout;

use super::Change;
use super::compare::{Verdict, compare};
use super::condition::{Truth, Value, Values};
use super::filter::Filter;
use super::known::{Memory, View, Who, who};
use super::letter::Letters;
use super::payload::{Told, Withheld};
use super::registry::{Receiver, Registry};
use super::sight::Sight;
use super::survey::{Asked, Asking, survey};
use super::wanted::Event;
use crate::metric::Metrics;
use crate::store::visible;
use crate::wal::decode::{Cell, Row};

/// How often longer than after the answer a change waits if there is none.
const PATIENCE: u32 = 4;

/// What sends changes.
pub(super) struct Dispatcher {
    pub(super) registry: Arc<Registry>,
    /// For the catalogue.
    pub(super) pool: Pool,
    /// For questions, as callers.
    pub(super) fleet: Fleet,
    /// Bytes of a change at most.
    pub(super) largest: usize,
    /// Policies are asked about the row as it was committed, not as it is.
    pub(super) by_image: bool,
    /// What those who write are still to be told.
    pub(super) answers: Answers,
    /// How long after that they are told of what they wrote.
    pub(super) answers_first: Duration,
    pub(super) memory: Memory,
    pub(super) sight: Sight,
    pub(super) metrics: Arc<Metrics>,
}

/// A change on its way to one wish of one receiver.
pub(super) struct Case {
    pub(super) change: usize,
    receiver: Arc<Receiver>,
    wish: usize,
    identity: Arc<Identity>,
    pub(super) who: Arc<Who>,
    fate: Fate,
}

/// What is known of a case.
enum Fate {
    Told,
    Withheld(Withheld),
    /// These filters are asked about.
    Filtered(Vec<usize>),
}

impl Dispatcher {
    /// Delivers changes to everybody, in their order; whom some of them reached.
    ///
    /// # Errors
    ///
    /// A database that cannot be reached; then nothing was sent.
    pub(super) async fn deliver(&mut self, changes: &[Change]) -> Result<HashSet<u64>, Error> {
        self.sight.wait(&self.pool, changes).await?;
        let mut sent = self.work(changes, &HashMap::new()).await?;
        let mut again = std::mem::take(&mut sent.again);
        while !again.is_empty() {
            again = self.again(changes, &again).await;
        }
        Ok(sent.reached)
    }

    /// Delivers changes that everybody else has to one receiver.
    pub(super) async fn deliver_to(&mut self, receiver: &Receiver, changes: &[Change]) {
        let mut again = HashMap::from([(receiver.id, 0)]);
        while !again.is_empty() {
            again = self.again(changes, &again).await;
        }
    }

    /// For these receivers, from a change on: those with a new token from the change on at which it was met.
    async fn again(&mut self, changes: &[Change], only: &HashMap<u64, usize>) -> HashMap<u64, usize> {
        // The others have theirs already, so this must not fail as a whole.
        loop {
            match self.work(changes, only).await {
                Ok(sent) => return sent.again,
                Err(error) => super::courier::pause(&error).await,
            }
        }
    }

    async fn work(&mut self, changes: &[Change], only: &HashMap<u64, usize>) -> Result<Sent, Error> {
        self.memory.freshen(&self.pool).await?;
        let wishes = self.wishes(changes, only).await?;
        let mut filters = Asked::default();
        let mut cases = self.cases(changes, &wishes, only, &mut filters);
        if cases.is_empty() {
            return Ok(Sent::default());
        }
        let passed = filters.answers(&self.fleet, &self.metrics).await?;
        cases.retain(|case| match &case.fate {
            Fate::Filtered(asked) => asked.iter().all(|index| passed.contains(index)),
            Fate::Told | Fate::Withheld(_) => true,
        });
        self.look_up_claims(changes, &cases).await?;
        let unsure = self.judge(changes, &mut cases);
        if !unsure.is_empty() {
            let seen = self.ask(changes, &cases, &unsure).await?;
            let mut index = 0;
            cases.retain(|_| {
                let is_seen = seen.get(&index).copied().unwrap_or(true);
                index += 1;
                is_seen
            });
        }
        self.writers_are_answered(changes).await;
        Ok(self.send(changes, &cases))
    }

    /// Waits until those who wrote have their answers.
    async fn writers_are_answered(&self, changes: &[Change]) {
        let Some(mark) = changes.iter().map(|change| change.answers).max() else { return };
        let given = self.answers.given(mark, self.answers_first);
        let _ = timeout(self.answers_first.saturating_mul(PATIENCE), given).await;
    }

    /// Who wants to hear of each table, and what must be known for it.
    async fn wishes(
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
                let roles = here.iter().map(|wish| wish.identity.role.as_str());
                self.memory.learn(&self.pool, relation, roles).await?;
            }
        }
        Ok(wishes)
    }

    pub(super) fn told<'a>(&'a self, change: &'a Change) -> Option<Told<'a>> {
        let known = self.memory.table(&change.relation)?;
        let is_too_large = change.row.size() > self.largest;
        Some(Told { change, table: &known.table, types: &self.memory.types, is_too_large })
    }

    fn view(&self, case: &Case, changes: &[Change]) -> Option<&View> {
        let change = changes.get(case.change)?;
        self.memory.table(&change.relation)?.view(case.identity.role.as_str())
    }

    /// All that is not ruled out by what is known in memory.
    fn cases(
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

    /// Whether policies decide about a case.
    fn is_bound(&self, changes: &[Change], case: &Case) -> bool {
        let is_delete =
            changes.get(case.change).is_some_and(|change| matches!(change.row, Row::Delete { .. }));
        !is_delete
            && !matches!(case.fate, Fate::Withheld(_))
            && self.view(case, changes).is_some_and(|view| view.is_bound)
    }

    /// Learns the values of the claims that policies ask for.
    async fn look_up_claims(&mut self, changes: &[Change], cases: &[Case]) -> Result<(), Error> {
        let mut missing: HashMap<&Who, HashSet<&String>> = HashMap::new();
        for case in cases.iter().filter(|case| self.is_bound(changes, case)) {
            let Some(known) = changes.get(case.change).and_then(|change| self.memory.table(&change.relation))
            else {
                continue;
            };
            if known.conditions.claims.is_empty() {
                continue;
            }
            let values = self.memory.claims.get(&*case.who);
            for claim in &known.conditions.claims {
                if !values.is_some_and(|values| values.contains_key(claim)) {
                    missing.entry(&case.who).or_default().insert(claim);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<(Who, Vec<String>)> = missing
            .into_iter()
            .map(|(who, claims)| (who.clone(), claims.into_iter().cloned().collect()))
            .collect();
        let questions = missing.iter().flat_map(|(who, claims)| {
            claims
                .iter()
                .map(move |claim| Asking { who: Some(who.clone()), asks: vec![visible::claim(claim)] })
        });
        let answers = survey(&self.fleet, &questions.collect::<Vec<_>>()).await?;
        let all = missing.iter().flat_map(|(who, claims)| claims.iter().map(move |claim| (who, claim)));
        for ((who, claim), answer) in all.zip(answers) {
            let value = answer.ok().and_then(|rows| {
                let record = rows.first()?.first()?;
                record.get::<Option<String>>(0).ok()
            });
            self.memory.claims.entry(who.clone()).or_default().insert(claim.clone(), value);
        }
        Ok(())
    }

    /// Drops the cases that are certainly not visible; the places of those of which it is not certain.
    fn judge(&self, changes: &[Change], cases: &mut Vec<Case>) -> HashSet<usize> {
        let mut unsure = HashSet::new();
        let mut kept = 0;
        cases.retain(|case| {
            let truth = match changes.get(case.change) {
                Some(change) if self.is_bound(changes, case) => self.truth(change, case),
                _ => Truth::True,
            };
            match truth {
                Truth::False | Truth::Null => return false,
                Truth::Unsure => {
                    unsure.insert(kept);
                }
                Truth::True => {}
            }
            kept += 1;
            true
        });
        unsure
    }

    fn truth(&self, change: &Change, case: &Case) -> Truth {
        let (Some(told), Some(known)) = (self.told(change), self.memory.table(&change.relation)) else {
            return Truth::False;
        };
        let Some(view) = known.view(case.identity.role.as_str()) else { return Truth::False };
        let of_caller = self.memory.claims.get(&*case.who);
        let claims = known.conditions.claims.iter();
        let claims: Option<Vec<_>> =
            claims.map(|claim| of_caller.and_then(|claims| claims.get(claim)?.as_ref())).collect();
        // An expression that fails would fail the query of whoever looks.
        let Some(claims) = claims else { return Truth::Unsure };
        let image = Image { told: &told, claims };
        known.conditions.judge(&known.table, &view.policies, &image)
    }

    /// Sends what is left.
    fn send(&self, changes: &[Change], cases: &[Case]) -> Sent {
        let Sent { mut again, mut reached } = Sent::default();
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
                let Some((id, _)) = case.receiver.wanted.get(case.wish) else { continue };
                let wanted = case.receiver.wanted.get(case.wish);
                let select = wanted.and_then(|(_, wanted)| wanted.select.as_deref());
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
                if again.contains_key(&receiver.id) {
                    continue;
                }
                let Some(frame) = letters.frame(letter, receiver, &ids, told.event()) else { continue };
                if !receiver.send(&case.identity, frame) {
                    again.insert(receiver.id, case.change);
                }
                reached.insert(receiver.id);
            }
        }
        Sent { again, reached }
    }
}

/// What became of changes.
#[derive(Default)]
struct Sent {
    /// Receivers that are somebody else by now, and from which change on.
    again: HashMap<u64, usize>,
    /// Those that something was sent to.
    reached: HashSet<u64>,
}

/// A wish of a receiver, as it looked at the time.
struct Wish {
    receiver: Arc<Receiver>,
    index: usize,
    identity: Arc<Identity>,
    who: Arc<Who>,
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

/// The values of a row that was committed, and of somebody's claims.
struct Image<'a> {
    told: &'a Told<'a>,
    claims: Vec<&'a Option<String>>,
}

impl Values for Image<'_> {
    fn column(&self, index: usize) -> Value<'_> {
        let column = self.told.table.columns.get(index);
        match column.and_then(|column| self.told.new_cell(&column.name)) {
            Some(Cell::Null) => Value::Null,
            Some(cell) => cell.text().map_or(Value::Unknown, Value::Text),
            None => Value::Unknown,
        }
    }

    fn claim(&self, index: usize) -> Value<'_> {
        match self.claims.get(index) {
            Some(Some(text)) => Value::Text(text),
            Some(None) => Value::Null,
            None => Value::Unknown,
        }
    }
}
