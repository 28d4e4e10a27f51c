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

use futures_util::future::join;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::Error;
use crate::flight::{
    Access, Isolation, Leash, Query, Setting, begin, first_error, setting_params, settings_sql, text_params,
    typed,
};
use crate::pool::{Connection, Pool};

const READ_WRITE: &str = "savepoint basalt_leg; reset all; reset role";
const READ_ONLY: &str = "savepoint basalt_leg; reset all; reset role; set transaction read only";
const KEEP: &str = "release savepoint basalt_leg";
const FORGET: &str = "rollback to savepoint basalt_leg; release savepoint basalt_leg";

/// What is checked is checked again at the end: a trigger must not run twice for good.
const CHECK: &str = "savepoint basalt_check; set constraints all immediate; \
                     rollback to savepoint basalt_check; release savepoint basalt_check";

/// A transaction of several legs. Dropping it rolls back, cancels what is under way and closes the
/// connection: it is for callers who went away.
pub struct Journey {
    leash: Leash,
    prepared: bool,
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

impl Pool {
    /// Begins a journey.
    ///
    /// # Errors
    ///
    /// No connection, or what Postgres said.
    pub async fn journey(&self, access: Access, isolation: Isolation) -> Result<Journey, Error> {
        let mut journey = Journey { leash: Leash::of(self.connection().await?), prepared: self.prepared() };
        journey.connection()?.soil();
        journey.batch(begin(access, isolation)).await?;
        Ok(journey)
    }
}

impl Journey {
    /// Runs a leg up to its statement, whose rows it returns. [`Journey::keep`] or
    /// [`Journey::forget`] ends it.
    ///
    /// # Errors
    ///
    /// The first failure. Nothing of the leg is left then, it has ended, and others may follow.
    pub async fn fly(&mut self, leg: &Leg<'_>) -> Result<Vec<Row>, Error> {
        let mut result = self.attempt(leg).await;
        if result.as_ref().is_err_and(Error::is_stale_statement) {
            self.forget().await?;
            self.connection()?.forget_statements();
            result = self.attempt(leg).await;
        }
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
    pub async fn query(&mut self, role: &str, query: Query<'_>) -> Result<Vec<Row>, Error> {
        let prepared = self.prepared;
        self.connection()?.ask(prepared, role, query).await
    }

    /// Ends the leg under way and keeps its work within the transaction.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn keep(&mut self) -> Result<(), Error> {
        self.batch(KEEP).await
    }

    /// Ends the leg under way and undoes its work.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn forget(&mut self) -> Result<(), Error> {
        self.batch(FORGET).await
    }

    /// Checks deferred constraints as the end of the transaction will. What triggers do meanwhile
    /// is undone.
    ///
    /// # Errors
    ///
    /// A violated constraint; then the leg under way can only be forgotten.
    pub async fn check(&mut self) -> Result<(), Error> {
        self.batch(CHECK).await
    }

    /// Keeps the work of all legs.
    ///
    /// # Errors
    ///
    /// A deferred constraint, or a lost connection.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.end("commit").await
    }

    /// Forgets the work of all legs.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.end("rollback").await
    }

    /// Checks deferred constraints and forgets the work of all legs.
    ///
    /// # Errors
    ///
    /// A violated constraint, or a lost connection.
    pub async fn check_and_rollback(mut self) -> Result<(), Error> {
        let checked = self.batch("set constraints all immediate").await;
        self.end("rollback").await?;
        checked
    }

    async fn end(&mut self, sql: &str) -> Result<(), Error> {
        let ended = self.batch(sql).await;
        self.connection()?.cleanse().await;
        // A failed `commit` ends the transaction as well.
        drop(self.leash.release());
        ended
    }

    async fn batch(&mut self, sql: &str) -> Result<(), Error> {
        Ok(self.connection()?.client.batch_execute(sql).await?)
    }

    async fn attempt(&mut self, leg: &Leg<'_>) -> Result<Vec<Row>, Error> {
        let prepared = self.prepared;
        let connection = self.connection()?;
        connection.depart(prepared, leg).await?;
        if let Some(sql) = leg.before {
            connection.ask(prepared, leg.role, Query { sql, params: &[] }).await?;
        }
        connection.ask(prepared, leg.role, leg.main).await
    }

    fn connection(&mut self) -> Result<&mut Connection, Error> {
        self.leash.connection()
    }
}

impl Connection {
    /// Savepoint and settings, in one round trip.
    async fn depart(&mut self, prepared: bool, leg: &Leg<'_>) -> Result<(), Error> {
        let start = match leg.access {
            Access::ReadOnly => READ_ONLY,
            Access::ReadWrite => READ_WRITE,
        };
        let values = setting_params(leg.settings);
        let results = if prepared {
            let statement = self.settings_statement(leg.settings.len()).await?;
            join(self.client.batch_execute(start), self.client.query(&statement, &values)).await
        } else {
            let sql = settings_sql(leg.settings.len());
            let values = typed(values, &Type::TEXT);
            join(self.client.batch_execute(start), self.client.query_typed(&sql, &values)).await
        };
        let (started, set) = results;
        first_error([started.err().map(Error::from), set.err().map(Error::from)])
    }

    /// Runs a statement, prepared under the role if it may be.
    async fn ask(&mut self, prepared: bool, role: &str, query: Query<'_>) -> Result<Vec<Row>, Error> {
        let params = text_params(query.params);
        if prepared {
            let statement = self.prepare(role, query.sql).await?;
            return Ok(self.client.query(&statement, &params).await?);
        }
        Ok(self.client.query_typed(query.sql, &typed(params, &Type::UNKNOWN)).await?)
    }
}
