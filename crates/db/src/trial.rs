//! What would happen if: statements of a caller of which nothing is kept, in one round trip.
//!
//! Row policies can only be asked by trying. A [`Trial`] is a transaction that always rolls back: a statement
//! of the login role, which prepares the ground; then the caller's settings and role; then the statement whose
//! rows, or failure, are the answer.

use crate::Error;
use crate::fleet::Fleet;
use crate::flight::{Access, Isolation, Query, RESET, ROLLBACK, Setting, begin, settings};
use crate::wire::{Record, Step, Values};

/// A transaction that leaves nothing behind.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The role that the settings switch to.
    pub role: &'a str,
    /// A statement that the login role runs first.
    pub before: Option<Query<'a>>,
    /// Local settings in the order in which they take effect; `role` is one of them.
    pub settings: &'a [Setting<'a>],
    /// The statement that is tried.
    pub main: Query<'a>,
}

impl Fleet {
    /// Tries the statement and returns its rows.
    ///
    /// # Errors
    ///
    /// The first failure, which may be the answer that was looked for.
    pub async fn attempt<'a>(&self, trial: &Trial<'a>) -> Result<Vec<Record>, Error> {
        let step = |role, query: Query<'a>| Step::new(role, query.sql, Values::Texts(query.params));
        let mut steps = vec![Step::plain(begin(Access::ReadWrite, Isolation::ReadCommitted))];
        steps.extend(trial.before.map(|query| step("", query)));
        steps.push(settings(trial.settings, false));
        let main = steps.len();
        steps.push(step(trial.role, trial.main));
        steps.extend([ROLLBACK, RESET]);

        let mut lease = self.lease().await?;
        let mut trip = lease.travel(&steps).await?;
        if trip.answers.len() <= main && lease.may_retry(&trip) {
            lease.settle().await?;
            trip = lease.travel(&steps).await?;
        }
        if trip.answers.len() <= main {
            lease.settle().await?;
            return Err(trip.error.unwrap_or(Error::Closed));
        }
        if trip.error.is_some() {
            // The answer stands, but what the statement left in the session may not be gone.
            lease.spoil();
        }
        Ok(trip.answers.get_mut(main).map(std::mem::take).unwrap_or_default())
    }
}
