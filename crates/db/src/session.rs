//! A connection held for a while, in a transaction or not.

use futures_util::FutureExt;
use tokio_postgres::types::ToSql;
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
    has_failed: bool,
}

impl Session {
    pub(crate) fn new(connection: Pooled, prepared: bool) -> Self {
        Self { connection, prepared, in_transaction: false, has_failed: false }
    }

    pub(crate) fn client(&self) -> &tokio_postgres::Client {
        &self.connection.client
    }

    /// Remembers that a statement of the transaction failed.
    pub(crate) fn note(&mut self, has_failed: bool) {
        self.has_failed |= self.in_transaction && has_failed;
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
        Ok(self.run(Wanted::Rows, sql, params).await?.rows)
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
        Ok(self.run(Wanted::Count, sql, params).await?.count)
    }

    /// Runs one or more statements without parameters by the simple protocol.
    ///
    /// # Errors
    ///
    /// As [`Session::query`].
    pub async fn batch(&mut self, sql: &str) -> Result<(), Error> {
        let result = self.connection.client.batch_execute(sql).await;
        // Not `|=`: what succeeds after a failure went back to a savepoint, and the transaction is sound.
        self.has_failed = self.in_transaction && result.is_err();
        result.map_err(Error::from)
    }

    /// Ends the transaction and keeps its work.
    ///
    /// # Errors
    ///
    /// A deferred constraint, or a lost connection: then nothing is known to be kept. Also if a
    /// statement failed before, because Postgres would answer success and roll back.
    pub async fn commit(mut self) -> Result<(), Error> {
        if self.has_failed {
            return Err(Error::Client("a failed transaction cannot be committed".to_owned()));
        }
        self.end("commit").await
    }

    /// Ends the transaction and forgets its work.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.end("rollback").await
    }

    async fn end(&mut self, how: &str) -> Result<(), Error> {
        let result = self.connection.client.batch_execute(how).await;
        self.in_transaction = false;
        result.map_err(Error::from)
    }

    /// Prepares `sql`, or takes the statement that was prepared before, and runs it.
    async fn run(&mut self, wanted: Wanted, sql: &str, params: &[Param<'_>]) -> Result<Answer, Error> {
        if !self.prepared {
            return self.run_once(wanted, sql, params).await;
        }
        let mut result = self.run_kept(wanted, sql, params).await;
        if let Err(error) = &result
            && error.is_stale_statement()
        {
            self.connection.statements.drain();
            if !self.in_transaction {
                result = self.run_kept(wanted, sql, params).await;
            }
        }
        self.has_failed |= self.in_transaction && result.is_err();
        result
    }

    async fn run_kept(&mut self, wanted: Wanted, sql: &str, params: &[Param<'_>]) -> Result<Answer, Error> {
        let statement = self.statement(sql).await?;
        let client = &self.connection.client;
        let mut answer = Answer::default();
        match wanted {
            Wanted::Rows => answer.rows = client.query(&statement, params).await?,
            Wanted::Count => answer.count = client.execute(&statement, params).await?,
        }
        Ok(answer)
    }

    /// Behind a transaction pooler a named statement lives no longer than its transaction. One is
    /// made to learn the types of the parameters and closed at once; what runs has no name.
    async fn run_once(&mut self, wanted: Wanted, sql: &str, params: &[Param<'_>]) -> Result<Answer, Error> {
        let alone = !self.in_transaction;
        if alone {
            self.begin().await?;
        }
        let mut result = self.run_unnamed(wanted, sql, params).await;
        if alone {
            let end = if result.is_ok() { "commit" } else { "rollback" };
            let ended = self.connection.client.batch_execute(end).await.map_err(Error::from);
            self.in_transaction = false;
            result = result.and_then(|answer| ended.map(|()| answer));
        }
        self.has_failed |= self.in_transaction && result.is_err();
        result
    }

    async fn run_unnamed(&self, wanted: Wanted, sql: &str, params: &[Param<'_>]) -> Result<Answer, Error> {
        let client = &self.connection.client;
        // The server may keep statements of others, under names that ours have, too.
        client.batch_execute("deallocate all").await?;
        let types = client.prepare(sql).await?.params().to_vec();
        let params: Vec<_> = params.iter().copied().zip(types).collect();
        let mut answer = Answer::default();
        match wanted {
            Wanted::Rows => answer.rows = client.query_typed(sql, &params).await?,
            Wanted::Count => answer.count = client.execute_typed(sql, &params).await?,
        }
        Ok(answer)
    }

    async fn statement(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.connection.statements.get("", sql) {
            return Ok(statement.clone());
        }
        let statement = self.connection.client.prepare(sql).await?;
        self.connection.statements.put("", sql, statement.clone());
        Ok(statement)
    }
}

/// What a caller wants of a statement.
#[derive(Clone, Copy)]
enum Wanted {
    Rows,
    Count,
}

/// One of the two is filled.
#[derive(Default)]
struct Answer {
    rows: Vec<Row>,
    count: u64,
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
