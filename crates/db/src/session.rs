//! A connection held for a while, in a transaction or not.

use futures_util::FutureExt;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};

use crate::Error;
use crate::pool::Pooled;

/// A bound value.
pub type Param<'a> = &'a (dyn ToSql + Sync);

/// A connection of a [`crate::Pool`]. In a transaction, dropping it rolls back.
pub struct Session {
    connection: Pooled,
    prepared: bool,
    in_transaction: bool,
}

impl Session {
    pub(crate) fn new(connection: Pooled, prepared: bool) -> Self {
        Self { connection, prepared, in_transaction: false }
    }

    /// A session over a connection on which a transaction is open already.
    pub(crate) fn within(connection: Pooled, prepared: bool) -> Self {
        Self { connection, prepared, in_transaction: true }
    }

    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        // Set first: if this future is dropped half-way, the transaction may have begun.
        self.in_transaction = true;
        self.connection.client.batch_execute("begin").await.map_err(Error::from)
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    ///
    /// What Postgres or the driver said. In a transaction every later statement fails as well.
    pub async fn query(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        if !self.prepared {
            let typed: Vec<_> = params.iter().map(|param| (*param, Type::UNKNOWN)).collect();
            return Ok(self.connection.client.query_typed(sql, &typed).await?);
        }
        let statement = self.statement(sql).await?;
        match self.connection.client.query(&statement, params).await.map_err(Error::from) {
            Err(error) if error.is_stale_statement() && !self.in_transaction => {
                self.connection.statements.clear();
                let statement = self.statement(sql).await?;
                Ok(self.connection.client.query(&statement, params).await?)
            }
            Err(error) => {
                if error.is_stale_statement() {
                    self.connection.statements.clear();
                }
                Err(error)
            }
            rows => rows,
        }
    }

    /// Runs a statement that yields at most one row.
    ///
    /// # Errors
    ///
    /// As [`Session::query`]; [`Error::Client`] if there is more than one row.
    pub async fn query_opt(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, Error> {
        let mut rows = self.query(sql, params).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            n => Err(Error::Client(format!("{n} rows where one was expected"))),
        }
    }

    /// Runs a statement that yields one row.
    ///
    /// # Errors
    ///
    /// As [`Session::query_opt`]; [`Error::Client`] if there is no row.
    pub async fn query_one(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Row, Error> {
        let row = self.query_opt(sql, params).await?;
        row.ok_or_else(|| Error::Client("no row where one was expected".to_owned()))
    }

    /// Runs a statement and returns how many rows it touched.
    ///
    /// # Errors
    ///
    /// As [`Session::query`].
    pub async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
        if !self.prepared {
            let typed: Vec<_> = params.iter().map(|param| (*param, Type::UNKNOWN)).collect();
            return Ok(self.connection.client.execute_typed(sql, &typed).await?);
        }
        let statement = self.statement(sql).await?;
        let result = self.connection.client.execute(&statement, params).await.map_err(Error::from);
        if result.as_ref().is_err_and(Error::is_stale_statement) {
            self.connection.statements.clear();
        }
        result
    }

    /// Runs one or more statements without parameters by the simple protocol.
    ///
    /// # Errors
    ///
    /// As [`Session::query`].
    pub async fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.connection.client.batch_execute(sql).await.map_err(Error::from)
    }

    /// Ends the transaction and keeps its work.
    ///
    /// # Errors
    ///
    /// A deferred constraint, or a lost connection: then nothing is known to be kept.
    pub async fn commit(mut self) -> Result<(), Error> {
        let result = self.connection.client.batch_execute("commit").await;
        self.in_transaction = false;
        result.map_err(Error::from)
    }

    /// Ends the transaction and forgets its work.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let result = self.connection.client.batch_execute("rollback").await;
        self.in_transaction = false;
        result.map_err(Error::from)
    }

    async fn statement(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.connection.statements.get("", sql) {
            return Ok(statement);
        }
        let statement = self.connection.client.prepare(sql).await?;
        self.connection.statements.put("", sql, statement.clone());
        Ok(statement)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.in_transaction {
            // The first poll queues the message; nobody needs the answer. The next user of the
            // connection comes after it.
            let _ = self.connection.client.batch_execute("rollback").now_or_never();
        }
    }
}
