//! Connections of one login role, bounded and reused.

use std::time::Duration;

use deadpool::managed::{self, Hook, HookError, Metrics, PoolError, RecycleError, RecycleResult, Timeouts};
use deadpool_postgres::{ClientWrapper, ManagerConfig, RecyclingMethod};
use tokio_postgres::Statement;

use crate::error::with_causes;
use crate::statements::Statements;
use crate::{Error, Session, Target};

/// How many connections, and for how long.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Connections at most.
    pub size: usize,
    /// How long a caller waits for a free one before [`Error::PoolTimeout`].
    pub wait: Duration,
    /// A connection older than this is replaced.
    pub max_lifetime: Duration,
    /// A connection unused for longer than this is closed by [`Pool::reap`].
    pub idle: Duration,
    /// False behind a transaction pooler that does not follow prepared statements: every
    /// statement is then parsed anew.
    pub prepared: bool,
    /// Prepared statements kept per connection.
    pub statements: usize,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            size: 10,
            wait: Duration::from_secs(10),
            max_lifetime: Duration::from_secs(30 * 60),
            idle: Duration::from_secs(30),
            prepared: true,
            statements: 500,
        }
    }
}

/// Connections in use and at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections open.
    pub open: usize,
    /// Of these, free.
    pub free: usize,
    /// Connections at most.
    pub limit: usize,
}

/// Connections of one login role. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Pool {
    inner: managed::Pool<Connector>,
    options: PoolOptions,
}

pub(crate) type Pooled = managed::Object<Connector>;

/// An open connection with the statements prepared on it.
pub(crate) struct Connection {
    pub(crate) client: ClientWrapper,
    pub(crate) statements: Statements<Statement>,
}

pub(crate) struct Connector {
    /// An address whose certificate authorities cannot be read fails when it is used.
    way: Result<deadpool_postgres::Manager, Error>,
    max_lifetime: Duration,
    statements: usize,
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection, Error> {
        let manager = self.way.as_ref().map_err(Clone::clone)?;
        let client = managed::Manager::create(manager).await.map_err(|error| match error.as_db_error() {
            Some(_) => Error::from(error),
            None => Error::Connect(with_causes(&error)),
        })?;
        let statements = Statements::new(self.statements);
        Ok(Connection { client, statements })
    }

    async fn recycle(&self, connection: &mut Connection, metrics: &Metrics) -> RecycleResult<Error> {
        if connection.client.is_closed() || metrics.age() > self.max_lifetime {
            return Err(RecycleError::Backend(Error::Closed));
        }
        Ok(())
    }
}

impl Pool {
    /// A pool that opens its connections as they are asked for.
    #[must_use]
    pub fn new(target: &Target, options: PoolOptions) -> Self {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let connector = Connector {
            way: target
                .tls()
                .map(|tls| deadpool_postgres::Manager::from_config(target.config().clone(), tls, config)),
            max_lifetime: options.max_lifetime,
            statements: options.statements,
        };
        let connect = target.config().get_connect_timeout().copied();
        let inner = managed::Pool::builder(connector)
            .max_size(options.size.max(1))
            .timeouts(Timeouts { wait: Some(options.wait), create: connect, recycle: None })
            .runtime(deadpool::Runtime::Tokio1)
            .pre_recycle(Hook::sync_fn(|connection: &mut Connection, _| {
                match connection.client.is_closed() {
                    true => Err(HookError::Backend(Error::Closed)),
                    false => Ok(()),
                }
            }))
            .build();
        match inner {
            Ok(inner) => Self { inner, options },
            // The only error of the builder is a missing runtime, and one is given above.
            Err(error) => unreachable!("{error}"),
        }
    }

    /// A session whose statements commit one by one.
    ///
    /// # Errors
    ///
    /// No connection: [`Error::PoolTimeout`], [`Error::Connect`], or what the server said.
    pub async fn session(&self) -> Result<Session, Error> {
        Ok(Session::new(self.connection().await?, self.options.prepared))
    }

    /// A session in a transaction, which is rolled back unless it is committed.
    ///
    /// # Errors
    ///
    /// As [`Pool::session`].
    pub async fn begin(&self) -> Result<Session, Error> {
        let mut session = self.session().await?;
        session.begin().await?;
        Ok(session)
    }

    pub(crate) async fn connection(&self) -> Result<Pooled, Error> {
        self.inner.get().await.map_err(|error| match error {
            PoolError::Timeout(managed::TimeoutType::Wait) => Error::PoolTimeout,
            PoolError::Timeout(_) => Error::Connect("timed out".to_owned()),
            PoolError::Backend(error) => error,
            PoolError::Closed => Error::Closed,
            other => Error::Connect(other.to_string()),
        })
    }

    /// Connections in use and at rest.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let status = self.inner.status();
        PoolStatus { open: status.size, free: status.available, limit: status.max_size }
    }

    /// Closes the connections that nobody used for a while, so that an idle installation is small.
    pub fn reap(&self) {
        let idle = self.options.idle;
        self.inner.retain(|_, metrics| metrics.last_used() < idle);
    }

    /// Closes the pool; callers get [`Error::Closed`] from now on.
    pub fn close(&self) {
        self.inner.close();
    }
}
