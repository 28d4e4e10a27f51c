//! A whole transaction in one round trip.
//!
//! A request of the data API is: begin, settings (role, claims, search path …), one statement,
//! commit. Sent one by one that is four round trips; here all travel together (see `wire`). Three
//! facts make it safe:
//!
//! - The settings are a statement of their own *before* the query: permissions and row policies
//!   are bound when a statement starts, so a `set_config` inside it would come too late.
//! - What follows a failed statement is skipped by the server, up to the end of the trip: nothing
//!   runs without the settings, and nothing is committed.
//! - The login role can do nothing by itself (`authenticator`, no inherited rights).
//!
//! A transaction that only reads needs no `begin` and no `commit`: the statements of one trip are
//! one transaction anyway, and a setting makes it read-only before anybody else's code runs.
//!
//! `reset all` travels behind the end: what a function of the user set for the session
//! (`set_config(…, false)`) does not outlive its request. A connection on which that fails is not
//! used again, so that no transaction begins under a `statement_timeout` that somebody left.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::fleet::{Fleet, Lease};
use crate::wire::{Columns, Record, Status, Step, Values};
use crate::{Error, Text};

/// Whether the transaction may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Postgres refuses every write.
    ReadOnly,
    /// Writes are possible.
    ReadWrite,
}

/// The isolation of a transaction, the weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    #[default]
    ReadCommitted,
    /// All statements see one snapshot.
    RepeatableRead,
    /// As if transactions ran one after the other.
    Serializable,
}

/// How the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Commit if every statement succeeded.
    Commit,
    /// Check deferred constraints, then forget the work.
    Rollback,
    /// Leave the transaction open: the caller looks at the rows and decides.
    Decide,
}

/// A statement with its values.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The text; it should be the same for requests of the same shape, so that it is prepared once.
    pub sql: &'a str,
    /// The values of `$1`, `$2` …
    pub params: &'a [Text],
}

/// A local setting of the transaction.
pub type Setting<'a> = (Cow<'a, str>, Cow<'a, str>);

/// One transaction of a caller.
#[derive(Clone, Debug)]
pub struct Flight<'a> {
    /// The role that the settings switch to: statements are prepared once per role.
    pub role: &'a str,
    /// Whether it may write.
    pub access: Access,
    /// Its isolation.
    pub isolation: Isolation,
    /// Local settings in the order in which they take effect; `role` is one of them.
    pub settings: &'a [Setting<'a>],
    /// A statement to run first, whose rows nobody reads.
    pub before: Option<&'a str>,
    /// A statement to run beside the main one, in the same transaction.
    pub aside: Option<Query<'a>>,
    /// The statement.
    pub main: Query<'a>,
    /// Whether the columns of the main statement are to be described.
    pub describe: bool,
    /// A statement to run behind the main one, in the same transaction.
    pub after: Option<Query<'a>>,
    /// How it ends.
    pub end: End,
}

/// What came back.
pub struct Landed {
    /// Rows of [`Flight::aside`].
    pub aside: Vec<Record>,
    /// Rows of [`Flight::main`].
    pub rows: Vec<Record>,
    /// The columns of these rows, if they were to be described.
    pub columns: Option<Columns>,
    /// Rows of [`Flight::after`].
    pub after: Vec<Record>,
    /// The open transaction, after [`End::Decide`].
    pub open: Option<Open>,
}

/// A transaction that waits for the caller's decision. Dropping it rolls back.
pub struct Open(Lease);

impl Open {
    /// Keeps the work.
    ///
    /// # Errors
    ///
    /// A deferred constraint, or a lost connection.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.0.end(&[COMMIT]).await
    }

    /// Forgets the work.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.0.end(&[ROLLBACK]).await
    }

    /// Checks deferred constraints and forgets the work.
    ///
    /// # Errors
    ///
    /// A violated constraint, or a lost connection.
    pub async fn check_and_rollback(mut self) -> Result<(), Error> {
        self.0.end(&[CHECK, ROLLBACK]).await
    }
}

impl Fleet {
    /// Runs a flight.
    ///
    /// If the future is dropped before it is done (the client went away), the statement is
    /// cancelled on the server and the connection closed.
    ///
    /// # Errors
    ///
    /// The failure that ended it; nothing is kept then.
    pub async fn run(&self, flight: &Flight<'_>) -> Result<Landed, Error> {
        let mut lease = self.lease().await?;
        let route = Route::of(flight);
        let mut trip = lease.travel(&route.steps).await?;
        if trip.answers.len() < route.end && lease.may_retry(&trip) {
            // The transaction is rolled back: with fresh statements it may run again, once.
            lease.settle().await?;
            trip = lease.travel(&route.steps).await?;
        }
        if trip.answers.len() < route.end {
            lease.settle().await?;
            return Err(trip.error.unwrap_or(Error::Closed));
        }
        if let Some(error) = trip.error {
            lease.spoil();
            // The end of a transaction without `commit` is that of the trip.
            if trip.answers.len() == route.steps.len() {
                return Err(error);
            }
        }
        let mut take = |index: usize| trip.answers.get_mut(index).map(std::mem::take).unwrap_or_default();
        let aside = route.aside.map(&mut take).unwrap_or_default();
        let rows = take(route.main);
        let after = route.after.map(&mut take).unwrap_or_default();
        let open = (flight.end == End::Decide).then_some(Open(lease));
        Ok(Landed { aside, rows, columns: trip.columns, after, open })
    }
}

/// The statements of a flight, in order.
struct Route<'a> {
    steps: Vec<Step<'a>>,
    aside: Option<usize>,
    main: usize,
    after: Option<usize>,
    /// So many steps must succeed for the flight to succeed.
    end: usize,
}

impl<'a> Route<'a> {
    fn of(flight: &'a Flight<'a>) -> Self {
        let role = flight.role;
        let run = |query: Query<'a>| Step::new(role, query.sql, Values::Texts(query.params));
        let is_implicit = flight.end == End::Commit
            && flight.access == Access::ReadOnly
            && flight.isolation == Isolation::ReadCommitted;
        let mut steps = Vec::with_capacity(8);
        if !is_implicit {
            steps.push(Step::plain(begin(flight.access, flight.isolation)));
        }
        steps.push(settings(flight.settings, is_implicit));
        steps.extend(flight.before.map(|sql| run(Query { sql, params: &[] })));
        let beside = |query: Option<Query<'a>>, steps: &mut Vec<Step<'a>>| {
            steps.extend(query.map(run));
            query.map(|_| steps.len() - 1)
        };
        let aside = beside(flight.aside, &mut steps);
        let main = steps.len();
        steps.push(Step { describe: flight.describe, ..run(flight.main) });
        let after = beside(flight.after, &mut steps);
        if !is_implicit {
            steps.extend_from_slice(match flight.end {
                End::Commit => &[COMMIT],
                End::Rollback => &[CHECK, ROLLBACK],
                End::Decide => &[],
            });
        }
        let end = steps.len();
        if flight.end != End::Decide {
            steps.push(RESET);
        }
        Self { steps, aside, main, after, end }
    }
}

pub(crate) const COMMIT: Step<'_> = Step::plain("commit");
pub(crate) const ROLLBACK: Step<'_> = Step::plain("rollback");
pub(crate) const CHECK: Step<'_> = Step::plain("set constraints all immediate");
pub(crate) const RESET: Step<'_> = Step::plain("reset all");

impl Lease {
    /// Ends an open transaction. Whatever comes of it, nothing of it is left on the connection.
    pub(crate) async fn end(&mut self, steps: &[Step<'_>]) -> Result<(), Error> {
        let all = [steps, &[RESET]].concat();
        let trip = self.travel(&all).await?;
        if trip.answers.len() >= steps.len() {
            // It has ended as it should; if the settings could not be reset, that is ours to bear.
            if trip.error.is_some() {
                self.spoil();
            }
            return Ok(());
        }
        self.settle().await?;
        Err(trip.error.unwrap_or(Error::Closed))
    }

    /// After a failure: rolls back what is open. Settings of a transaction that failed are gone
    /// with it.
    pub(crate) async fn settle(&mut self) -> Result<(), Error> {
        if self.status() == Status::Idle {
            return Ok(());
        }
        let trip = self.travel(&[ROLLBACK, RESET]).await?;
        if trip.error.is_some() {
            self.spoil();
        }
        Ok(())
    }
}

pub(crate) const fn begin(access: Access, isolation: Isolation) -> &'static str {
    use Access::{ReadOnly, ReadWrite};
    use Isolation::{ReadCommitted, RepeatableRead, Serializable};
    match (isolation, access) {
        (ReadCommitted, ReadOnly) => "begin isolation level read committed read only",
        (ReadCommitted, ReadWrite) => "begin isolation level read committed read write",
        (RepeatableRead, ReadOnly) => "begin isolation level repeatable read read only",
        (RepeatableRead, ReadWrite) => "begin isolation level repeatable read read write",
        (Serializable, ReadOnly) => "begin isolation level serializable read only",
        (Serializable, ReadWrite) => "begin isolation level serializable read write",
    }
}

/// Local settings that one transaction may make.
const MOST_SETTINGS: usize = 128;

/// The texts of the statements that make so many settings; the second of each makes the
/// transaction read-only first.
static SETTINGS: [[OnceLock<String>; 2]; MOST_SETTINGS + 1] =
    [const { [const { OnceLock::new() }; 2] }; MOST_SETTINGS + 1];

/// The statement that makes these settings, and the transaction read-only if that is wanted.
pub(crate) fn settings<'a>(settings: &'a [Setting<'a>], read_only: bool) -> Step<'a> {
    // More than there is a text for: the server refuses the values that have no place.
    let count = settings.len().min(MOST_SETTINGS);
    let text = || {
        let first = read_only.then(|| "set_config('transaction_read_only', 'on', true)".to_owned());
        let call = |n: usize| format!("set_config(${}, ${}, true)", 2 * n + 1, 2 * n + 2);
        let calls: Vec<String> = first.into_iter().chain((0..count).map(call)).collect();
        format!("select {}", calls.join(", "))
    };
    let text = SETTINGS.get(count).map(|texts| texts[usize::from(read_only)].get_or_init(text));
    Step::new("", text.map_or("", String::as_str), Values::Settings(settings))
}
