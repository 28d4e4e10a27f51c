//! Getting changes to those who subscribed, may see them, and want them.
//!
//! A batch is whatever has come since the last one. What can be said in memory is (filters on plain types, tables
//! without policies, policies that compare columns with claims: [`super::cases`], [`super::judging`]); the rest is asked
//! of the database at once: all filters in one burst, then all policies in one, grouped by role and claims
//! ([`super::inquiry`]). Only when all is known is anything sent, in the order of the changes ([`super::sending`]).
//!
//! The database is asked as soon as a change has come, as its row may be gone soon after. Nobody is told of it before
//! it can be seen, though: who then looks for the row finds it. And who wrote a row through the data API is answered
//! before anybody is told of it, within bounds: programs expect to know what they wrote when they hear of it, and the
//! stream is often quicker than the answer.
//!
//! What is sent was decided for one caller. If the channel has another one by the time it is sent, because its
//! token was renewed, its changes are decided again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use db::{Error, Fleet, Pool};
use kernel::Answers;
use tokio::time::timeout;

use super::Change;
use super::cases::{Case, Fate};
use super::known::{Memory, View};
use super::payload::Told;
use super::registry::{Receiver, Registry};
use super::sending::Sent;
use super::sight::Lookout;
use super::survey::Asked;
use crate::metric::Metrics;

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
    pub(super) lookout: Lookout,
    pub(super) metrics: Arc<Metrics>,
}

impl Dispatcher {
    /// Delivers changes to everybody, in their order; whom some of them reached.
    ///
    /// # Errors
    ///
    /// A database that cannot be reached; then nothing was sent.
    pub(super) async fn deliver(&mut self, changes: &[Change]) -> Result<HashSet<u64>, Error> {
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
        let seen = self.inquire(changes, &cases, &unsure).await?;
        let mut place = 0..;
        cases.retain(|_| place.next().is_none_or(|place| !unsure.contains(&place) || seen.contains(&place)));
        self.lookout.wait(&self.pool, &transactions(changes, &cases)).await?;
        self.writers_are_answered(changes).await;
        Ok(self.send(changes, &cases))
    }

    /// Waits until those who wrote have their answers.
    async fn writers_are_answered(&self, changes: &[Change]) {
        let Some(mark) = changes.iter().map(|change| change.answers).max() else { return };
        let given = self.answers.given(mark, self.answers_first);
        let _ = timeout(self.answers_first.saturating_mul(PATIENCE), given).await;
    }

    pub(super) fn told<'a>(&'a self, change: &'a Change) -> Option<Told<'a>> {
        let known = self.memory.table(&change.relation)?;
        let is_too_large = change.row.size() > self.largest;
        Some(Told { change, table: &known.table, types: &self.memory.types, is_too_large })
    }

    pub(super) fn view(&self, case: &Case, changes: &[Change]) -> Option<&View> {
        let change = changes.get(case.change)?;
        self.memory.table(&change.relation)?.view(case.identity.role.as_str())
    }
}

/// The transactions of these cases, which are in the order of the changes.
pub(super) fn transactions<'a>(changes: &[Change], cases: impl IntoIterator<Item = &'a Case>) -> Vec<u32> {
    let cases = cases.into_iter().filter_map(|case| changes.get(case.change));
    let mut transactions: Vec<_> = cases.map(|change| change.transaction.id).collect();
    // Neighbours are of the same transaction mostly.
    transactions.dedup();
    transactions
}
