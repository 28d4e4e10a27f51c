//! A whole transaction in one round trip.
//!
//! A request of the data API is: begin, settings (role, claims, search path …), one statement,
//! commit. Sent one by one that is four round trips; here all are written before the first answer
//! is read. Three facts make it safe:
//!
//! - The settings are a statement of their own *before* the query: permissions and row policies
//!   are bound when a statement starts, so a `set_config` inside it would come too late.
//! - The login role can do nothing by itself (`authenticator`, no inherited rights). If `begin` or
//!   the settings fail, everything behind them fails too, with 25P02.
//! - `commit` after a failed statement answers success but rolls back; so the outcome is read off
//!   the statements, in order, and the commit's own answer last (deferred constraints).
//!
//! `reset all` travels behind the end: what a function of the user set for the session
//! (`set_config(…, false)`) does not outlive its request. A connection on which that fails is not
//! used again, so that no transaction begins under a `statement_timeout` that somebody left.
//!
//! A statement seen for the first time needs its own round trip to be prepared; that happens
//! inside the transaction, after the settings, because names in it are resolved under the
//! request's search path and role.

use std::borrow::Cow;

use futures_util::future::{Either, Ready, join, join3, join5, ready};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Statement};

use crate::pool::{Connection, Pool, Pooled};
use crate::session::{Param, Session};
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
    /// How it ends.
    pub end: End,
}

/// What came back.
pub struct Landed {
    /// Rows of [`Flight::aside`].
    pub aside: Vec<Row>,
    /// Rows of [`Flight::main`].
    pub rows: Vec<Row>,
    /// The open transaction, after [`End::Decide`].
    pub open: Option<Open>,
}

/// A transaction that waits for the caller's decision. Dropping it rolls back.
pub struct Open(Session);

impl Open {
    /// Keeps the work.
    ///
    /// # Errors
    ///
    /// A deferred constraint, or a lost connection.
    pub async fn commit(self) -> Result<(), Error> {
        self.0.commit().await
    }

    /// Forgets the work.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn rollback(self) -> Result<(), Error> {
        self.0.rollback().await
    }

    /// Checks deferred constraints and forgets the work.
    ///
    /// # Errors
    ///
    /// A violated constraint, or a lost connection.
    pub async fn check_and_rollback(mut self) -> Result<(), Error> {
        self.0.batch("set constraints all immediate").await?;
        self.0.rollback().await
    }
}

impl Pool {
    /// Runs a flight.
    ///
    /// If the future is dropped before it is done (the client went away), the statement is
    /// cancelled on the server and the connection closed.
    ///
    /// # Errors
    ///
    /// The first failure in the order of the statements.
    pub async fn run(&self, flight: &Flight<'_>) -> Result<Landed, Error> {
        let mut leash = Leash::of(self.connection().await?);
        let mut result = leash.fly(flight, self.prepared()).await;
        if result.as_ref().is_err_and(Error::is_stale_statement) {
            // The transaction is rolled back: with fresh statements it may run again, once.
            if let Some(connection) = &mut leash.0 {
                connection.forget_statements();
            }
            result = leash.fly(flight, self.prepared()).await;
        }
        let (aside, rows) = match result {
            Ok(rows) => rows,
            Err(error) => {
                leash.release();
                return Err(error);
            }
        };
        let open = match (flight.end, leash.release()) {
            (End::Decide, Some(connection)) => Some(Open(Session::within(connection, self.prepared()))),
            (_, Some(connection)) if is_bulky(flight, &rows) => {
                drop(Pooled::take(connection));
                None
            }
            _ => None,
        };
        Ok(Landed { aside, rows, open })
    }
}

/// Bytes of a row or a value from which its connection is not kept.
const BULKY: usize = 4 * 1024 * 1024;

/// The buffers of a connection grow to the largest thing that went through them and never shrink:
/// after a large one, a new connection costs less than the memory that the old one holds.
fn is_bulky(flight: &Flight<'_>, rows: &[Row]) -> bool {
    let is_large = |param: &Text| match param {
        Text::Null => false,
        Text::Value(text) => text.len() >= BULKY,
        Text::Body(bytes) => bytes.len() >= BULKY,
    };
    rows.iter().any(|row| row.raw_size_bytes() >= BULKY) || flight.main.params.iter().any(is_large)
}

/// Holds a connection while statements are under way on it.
pub(crate) struct Leash(Option<Pooled>);

impl Leash {
    pub(crate) fn of(connection: Pooled) -> Self {
        Self(Some(connection))
    }

    pub(crate) fn connection(&mut self) -> Result<&mut Connection, Error> {
        self.0.as_deref_mut().ok_or(Error::Closed)
    }

    async fn fly(&mut self, flight: &Flight<'_>, prepared: bool) -> Result<(Vec<Row>, Vec<Row>), Error> {
        let connection = self.connection()?;
        connection.soil();
        match prepared {
            true => connection.fly_prepared(flight).await,
            false => connection.fly_unprepared(flight).await,
        }
    }

    pub(crate) fn release(&mut self) -> Option<Pooled> {
        self.0.take()
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Still held: the caller went away half-way. The connection leaves the pool for good, so
        // that the cancel request cannot hit a statement of its next user.
        let Some(connection) = self.0.take().map(Pooled::take) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = connection.cancel().await {
                tracing::debug!(%error, "could not cancel an abandoned statement");
            }
            drop(connection);
        });
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

const fn end(end: End) -> Option<&'static str> {
    match end {
        End::Commit => Some("commit"),
        End::Rollback => Some("set constraints all immediate; rollback"),
        End::Decide => None,
    }
}

/// `select set_config($1, $2, true), …` for so many settings.
pub(crate) fn settings_sql(count: usize) -> String {
    let calls = (0..count).map(|n| format!("set_config(${}, ${}, true)", 2 * n + 1, 2 * n + 2));
    format!("select {}", calls.collect::<Vec<_>>().join(", "))
}

pub(crate) fn setting_params<'a>(settings: &'a [Setting<'a>]) -> Vec<Param<'a>> {
    let mut params = Vec::with_capacity(2 * settings.len());
    params.extend(settings.iter().flat_map(|(name, value)| [name as Param<'_>, value as Param<'_>]));
    params
}

pub(crate) fn text_params(params: &[Text]) -> Vec<Param<'_>> {
    params.iter().map(|param| param as Param<'_>).collect()
}

/// Parameters of a statement that is not prepared. As `unknown`, Postgres infers the type.
pub(crate) fn typed<'a>(params: Vec<Param<'a>>, kind: &Type) -> Vec<(Param<'a>, Type)> {
    params.into_iter().map(|param| (param, kind.clone())).collect()
}

/// The first error that is not a mere consequence of an earlier one.
pub(crate) fn first_error<const N: usize>(results: [Option<Error>; N]) -> Result<(), Error> {
    let mut aftermath = None;
    for error in results.into_iter().flatten() {
        if !error.is_aftermath() {
            return Err(error);
        }
        aftermath = aftermath.or(Some(error));
    }
    aftermath.map_or(Ok(()), Err)
}

impl Connection {
    async fn fly_prepared(&mut self, flight: &Flight<'_>) -> Result<(Vec<Row>, Vec<Row>), Error> {
        let settings = self.settings_statement(flight.settings.len()).await?;
        let known = (
            self.known(flight.role, flight.before),
            self.known(flight.role, flight.aside.map(|query| query.sql)),
            self.known(flight.role, Some(flight.main.sql)),
        );
        let (Some(before), Some(aside), Some(Some(main))) = known else {
            return self.fly_first_time(flight, &settings).await;
        };
        let client = &self.client;
        let setting_values = setting_params(flight.settings);
        let main_params = text_params(flight.main.params);
        let aside_params = text_params(flight.aside.map_or(&[], |query| query.params));
        self.fly_at_once(
            flight,
            client.query(&settings, &setting_values),
            before.as_ref().map(|statement| client.query(statement, &[])),
            aside.as_ref().map(|statement| client.query(statement, &aside_params)),
            client.query(&main, &main_params),
        )
        .await
    }

    /// Without prepared statements all can still travel together: each is parsed where it runs.
    async fn fly_unprepared(&mut self, flight: &Flight<'_>) -> Result<(Vec<Row>, Vec<Row>), Error> {
        let client = &self.client;
        let settings = settings_sql(flight.settings.len());
        let setting_values = typed(setting_params(flight.settings), &Type::TEXT);
        let main_params = typed(text_params(flight.main.params), &Type::UNKNOWN);
        let aside_params = typed(text_params(flight.aside.map_or(&[], |query| query.params)), &Type::UNKNOWN);
        self.fly_at_once(
            flight,
            client.query_typed(&settings, &setting_values),
            flight.before.map(|sql| client.query_typed(sql, &[])),
            flight.aside.map(|query| client.query_typed(query.sql, &aside_params)),
            client.query_typed(flight.main.sql, &main_params),
        )
        .await
    }

    /// Sends everything before the first answer is read.
    async fn fly_at_once(
        &self,
        flight: &Flight<'_>,
        set: impl Future<Output = Answer>,
        before: Option<impl Future<Output = Answer>>,
        aside: Option<impl Future<Output = Answer>>,
        main: impl Future<Output = Answer>,
    ) -> Result<(Vec<Row>, Vec<Row>), Error> {
        // Polled in order: the order of first polls is the order of sending.
        let (begun, set, (before, aside), main, (ended, ())) = join5(
            self.client.batch_execute(begin(flight.access, flight.isolation)),
            set,
            join(optional(before), optional(aside)),
            main,
            join(self.end(flight.end), self.cleanse_after(flight.end)),
        )
        .await;
        let (aside, aside_error) = split(aside);
        let (main, main_error) = split(main);
        let outcome = first_error([
            begun.err().map(Error::from),
            set.err().map(Error::from),
            before.err().map(Error::from),
            aside_error,
            main_error,
            ended.err(),
        ]);
        self.settle(flight.end, outcome).await?;
        Ok((aside, main))
    }

    /// Step by step, preparing what is new where names mean what they mean to the request.
    async fn fly_first_time(
        &mut self,
        flight: &Flight<'_>,
        settings: &Statement,
    ) -> Result<(Vec<Row>, Vec<Row>), Error> {
        let (aside, statement) = match self.approach(flight, settings).await {
            Ok(ready) => ready,
            Err(error) => {
                // The error that matters is the one already in hand.
                let _ = self.client.batch_execute("rollback").await;
                self.cleanse().await;
                return Err(error);
            }
        };
        let params = text_params(flight.main.params);
        let (rows, ended, ()) = join3(
            self.client.query(&statement, &params),
            self.end(flight.end),
            self.cleanse_after(flight.end),
        )
        .await;
        let (rows, error) = split(rows);
        self.settle(flight.end, first_error([error, ended.err()])).await?;
        Ok((aside, rows))
    }

    /// Everything before the main statement, which is then prepared.
    async fn approach(
        &mut self,
        flight: &Flight<'_>,
        settings: &Statement,
    ) -> Result<(Vec<Row>, Statement), Error> {
        let setting_values = setting_params(flight.settings);
        let (begun, set) = join(
            self.client.batch_execute(begin(flight.access, flight.isolation)),
            self.client.query(settings, &setting_values),
        )
        .await;
        first_error([begun.err().map(Error::from), set.err().map(Error::from)])?;
        if let Some(sql) = flight.before {
            let statement = self.prepare(flight.role, sql).await?;
            self.client.query(&statement, &[]).await?;
        }
        let aside = match flight.aside {
            Some(query) => {
                let statement = self.prepare(flight.role, query.sql).await?;
                self.client.query(&statement, &text_params(query.params)).await?
            }
            None => Vec::new(),
        };
        Ok((aside, self.prepare(flight.role, flight.main.sql).await?))
    }

    async fn end(&self, how: End) -> Result<(), Error> {
        match end(how) {
            Some(sql) => self.client.batch_execute(sql).await.map_err(Error::from),
            None => Ok(()),
        }
    }

    /// Nothing while the transaction stays open: then its end sees to it.
    async fn cleanse_after(&self, how: End) {
        if how != End::Decide {
            self.cleanse().await;
        }
    }

    /// Every `commit` ends its transaction, a failed one too; after other ends that failed, or none,
    /// it is still open.
    async fn settle(&self, how: End, outcome: Result<(), Error>) -> Result<(), Error> {
        if outcome.is_err() && how != End::Commit {
            let _ = self.client.batch_execute("rollback").await;
        }
        outcome
    }

    pub(crate) async fn settings_statement(&mut self, count: usize) -> Result<Statement, Error> {
        if let Some(statement) = self.settings.get(&count) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&settings_sql(count)).await?;
        self.settings.insert(count, statement.clone());
        Ok(statement)
    }

    pub(crate) async fn prepare(&mut self, role: &str, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(role, sql) {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.put(role, sql, statement.clone());
        Ok(statement)
    }

    /// `None` if there is a text but no statement for it yet.
    fn known(&mut self, role: &str, sql: Option<&str>) -> Option<Option<Statement>> {
        match sql {
            Some(sql) => self.statements.get(role, sql).map(Some),
            None => Some(None),
        }
    }
}

/// What the driver answers to a query.
type Answer = Result<Vec<Row>, tokio_postgres::Error>;

/// Runs a query if there is one.
fn optional<F: Future<Output = Answer>>(query: Option<F>) -> Either<F, Ready<Answer>> {
    match query {
        Some(query) => Either::Left(query),
        None => Either::Right(ready(Ok(Vec::new()))),
    }
}

fn split(answer: Answer) -> (Vec<Row>, Option<Error>) {
    match answer {
        Ok(rows) => (rows, None),
        Err(error) => (Vec::new(), Some(error.into())),
    }
}
