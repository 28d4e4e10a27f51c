//! A connection held for a while, in a transaction or not.

use deadpool_postgres::ClientWrapper;
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
    has_failed: bool,
}

impl Session {
    pub(crate) fn new(connection: Pooled, prepared: bool) -> Self {
        Self { connection, prepared, in_transaction: false, has_failed: false }
    }

    /// A session over a connection on which a transaction is open already.
    pub(crate) fn within(connection: Pooled, prepared: bool) -> Self {
        Self { connection, prepared, in_transaction: true, has_failed: false }
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
        self.run(sql, async |client, how| match how {
            How::Kept(statement) => client.query(statement, params).await,
            How::Once(types) => client.query_typed(sql, &typed(params, types)).await,
        })
        .await
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
        self.run(sql, async |client, how| match how {
            How::Kept(statement) => client.execute(statement, params).await,
            How::Once(types) => client.execute_typed(sql, &typed(params, types)).await,
        })
        .await
    }

    /// Runs one or more statements without parameters by the simple protocol.
    ///
    /// # Errors
    ///
    /// As [`Session::query`].
    pub async fn batch(&mut self, sql: &str) -> Result<(), Error> {
        let result = self.connection.client.batch_execute(sql).await;
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

    /// Prepares `sql`, or takes the statement that was prepared before, and runs it.
    async fn run<T>(
        &mut self,
        sql: &str,
        call: impl AsyncFn(&ClientWrapper, How<'_>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        if !self.prepared {
            return self.run_once(sql, call).await;
        }
        let mut result = self.attempt(sql, &call).await;
        if let Err(error) = &result
            && error.is_stale_statement()
        {
            self.connection.statements.clear();
            if !self.in_transaction {
                result = self.attempt(sql, &call).await;
            }
        }
        self.has_failed |= self.in_transaction && result.is_err();
        result
    }

    async fn attempt<T>(
        &mut self,
        sql: &str,
        call: impl AsyncFn(&ClientWrapper, How<'_>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let statement = self.statement(sql).await?;
        Ok(call(&self.connection.client, How::Kept(&statement)).await?)
    }

    /// Behind a transaction pooler a named statement lives no longer than its transaction. One is
    /// made to learn the types of the parameters and closed at once; what runs has no name.
    async fn run_once<T>(
        &mut self,
        sql: &str,
        call: impl AsyncFn(&ClientWrapper, How<'_>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let alone = !self.in_transaction;
        if alone {
            self.begin().await?;
        }
        let client = &self.connection.client;
        let result = async {
            let types = client.prepare(sql).await?.params().to_vec();
            call(client, How::Once(&types)).await
        };
        let mut result = result.await.map_err(Error::from);
        if alone {
            let end = if result.is_ok() { "commit" } else { "rollback" };
            let ended = client.batch_execute(end).await.map_err(Error::from);
            self.in_transaction = false;
            result = result.and_then(|value| ended.map(|()| value));
        }
        self.has_failed |= self.in_transaction && result.is_err();
        result
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

/// How a statement is run: by its name, or once, knowing the types of its parameters.
enum How<'a> {
    Kept(&'a Statement),
    Once(&'a [Type]),
}

fn typed<'a>(params: &[Param<'a>], types: &[Type]) -> Vec<(Param<'a>, Type)> {
    params.iter().copied().zip(types.iter().cloned()).collect()
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
