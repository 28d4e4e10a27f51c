//! Several flights of one caller in one transaction, each as if it were the only one.
//!
//! A [`Flight`](crate::Flight) is one statement and a whole transaction. A [`Journey`] is for the
//! few requests that need more: several requests that are kept or forgotten together, a statement
//! that runs only if its plan is cheap enough, a result that is fetched in parts.
//!
//! Each leg stands on a savepoint, and begins like a flight: every setting of the session is reset
//! and the role is that of the login, before the leg's own settings take effect. So nothing that a
//! leg set, or a function in it, reaches the next one. A leg that may only read is read-only even
//! where the transaction as a whole may write; Postgres restores that when the savepoint ends.

use crate::Error;
use crate::fleet::{Fleet, Lease};
use crate::flight::{Access, CHECK, COMMIT, Isolation, Query, RESET, ROLLBACK, Setting, begin, settings};
use crate::wire::{Record, Step, Trip, Values};

const MARK: Step<'_> = Step::plain("savepoint basalt_leg");
const RESET_ROLE: Step<'_> = Step::plain("reset role");
const READ_ONLY: Step<'_> = Step::plain("set transaction read only");
const BACK: Step<'_> = Step::plain("rollback to savepoint basalt_leg");
const RELEASE: Step<'_> = Step::plain("release savepoint basalt_leg");

/// What is checked is checked again at the end: a trigger must not run twice for good.
const TRIAL: &[Step<'_>] = &[
    Step::plain("savepoint basalt_check"),
    CHECK,
    Step::plain("rollback to savepoint basalt_check"),
    Step::plain("release savepoint basalt_check"),
];

/// A transaction of several legs. Dropping it rolls back, cancels what is under way and closes the
/// connection: it is for callers who went away.
pub struct Journey {
    lease: Lease,
}

/// One part of a journey.
#[derive(Clone, Debug)]
pub struct Leg<'a> {
    /// The role that the settings switch to.
    pub role: &'a str,
    /// Whether this part may write; the transaction must allow it too.
    pub access: Access,
    /// Local settings in the order in which they take effect; `role` is one of them.
    pub settings: &'a [Setting<'a>],
    /// A statement to run first, whose rows nobody reads.
    pub before: Option<&'a str>,
    /// The statement.
    pub main: Query<'a>,
}

impl Fleet {
    /// Begins a journey.
    ///
    /// # Errors
    ///
    /// No connection, or what Postgres said.
    pub async fn journey(&self, access: Access, isolation: Isolation) -> Result<Journey, Error> {
        let mut lease = self.lease().await?;
        let start = [Step::plain(begin(access, isolation))];
        let mut trip = lease.travel(&start).await?;
        if trip.error.is_some() && lease.may_retry(&trip) {
            trip = lease.travel(&start).await?;
        }
        last(trip).map(|_| Journey { lease })
    }
}

impl Journey {
    /// Runs a leg up to its statement, whose rows it returns. [`Journey::keep`] or
    /// [`Journey::forget`] ends it.
    ///
    /// # Errors
    ///
    /// The first failure. Nothing of the leg is left then, it has ended, and others may follow.
    pub async fn fly(&mut self, leg: &Leg<'_>) -> Result<Vec<Record>, Error> {
        let steps = steps(leg);
        let mut trip = self.lease.travel(&steps).await?;
        if trip.error.is_some() && self.lease.may_retry(&trip) {
            self.forget().await?;
            trip = self.lease.travel(&steps).await?;
        }
        let result = last(trip);
        if result.is_err() {
            self.forget().await?;
        }
        result
    }

    /// Runs another statement within the leg under way, with its settings.
    ///
    /// # Errors
    ///
    /// What Postgres said; then the leg can only be forgotten.
    pub async fn query(&mut self, role: &str, query: Query<'_>) -> Result<Vec<Record>, Error> {
        let step = Step::new(role, query.sql, Values::Texts(query.params));
        last(self.lease.travel(&[step]).await?)
    }

    /// Ends the leg under way and keeps its work within the transaction.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn keep(&mut self) -> Result<(), Error> {
        self.go(&[RELEASE]).await
    }

    /// Ends the leg under way and undoes its work.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn forget(&mut self) -> Result<(), Error> {
        self.go(&[BACK, RELEASE]).await
    }

    /// Checks deferred constraints as the end of the transaction will. What triggers do meanwhile
    /// is undone.
    ///
    /// # Errors
    ///
    /// A violated constraint; then the leg under way can only be forgotten.
    pub async fn check(&mut self) -> Result<(), Error> {
        self.go(TRIAL).await
    }

    /// Keeps the work of all legs.
    ///
    /// # Errors
    ///
    /// A deferred constraint, or a lost connection.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.lease.end(&[COMMIT]).await
    }

    /// Forgets the work of all legs.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.lease.end(&[ROLLBACK]).await
    }

    /// Checks deferred constraints and forgets the work of all legs.
    ///
    /// # Errors
    ///
    /// A violated constraint, or a lost connection.
    pub async fn check_and_rollback(mut self) -> Result<(), Error> {
        self.lease.end(&[CHECK, ROLLBACK]).await
    }

    async fn go(&mut self, steps: &[Step<'_>]) -> Result<(), Error> {
        last(self.lease.travel(steps).await?).map(drop)
    }
}

/// Savepoint, settings, statements, in one round trip.
fn steps<'a>(leg: &'a Leg<'a>) -> Vec<Step<'a>> {
    let role = leg.role;
    let mut steps = vec![MARK, RESET, RESET_ROLE];
    if leg.access == Access::ReadOnly {
        steps.push(READ_ONLY);
    }
    steps.push(settings(leg.settings, false));
    steps.extend(leg.before.map(|sql| Step::new(role, sql, Values::None)));
    steps.push(Step::new(role, leg.main.sql, Values::Texts(leg.main.params)));
    steps
}

/// The rows of the last statement.
fn last(mut trip: Trip) -> Result<Vec<Record>, Error> {
    match trip.error {
        Some(error) => Err(error),
        None => Ok(trip.answers.pop().unwrap_or_default()),
    }
}
