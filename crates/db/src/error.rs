//! What can go wrong between us and Postgres.

use std::error::Error as _;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;
use tokio_postgres::error::DbError;

/// An error Postgres itself sent. Its texts may be shown to the caller only where SQL is the
/// contract (the data API); everywhere else they stay in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// SQLSTATE, five characters.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// The `DETAIL` line.
    pub detail: Option<String>,
    /// The `HINT` line.
    pub hint: Option<String>,
    /// Schema of the object the error is about.
    pub schema: Option<String>,
    /// Table the error is about.
    pub table: Option<String>,
    /// Column the error is about.
    pub column: Option<String>,
    /// Constraint that was violated.
    pub constraint: Option<String>,
}

/// A statement, a connection or a pool that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection became free in time.
    #[error("timed out waiting for a free database connection")]
    PoolTimeout,
    /// No connection could be made; the text is the driver's and holds no password.
    #[error("could not connect to the database: {0}")]
    Connect(String),
    /// The connection was lost, or the pool is closed.
    #[error("the database connection was lost")]
    Closed,
    /// Postgres refused the statement.
    #[error("{}: {}", .0.code, .0.message)]
    Server(Box<ServerError>),
    /// The driver could not encode, decode or follow the protocol.
    #[error("database client error: {0}")]
    Client(String),
    /// A connection string that cannot be read.
    #[error("not a database URL: {0}")]
    Target(String),
}

impl Error {
    /// SQLSTATE, if Postgres sent this error.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.server().map(|error| error.code.as_str())
    }

    /// The error as Postgres sent it.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(error) => Some(error),
            _ => None,
        }
    }

    /// The violated constraint, if the error is about one.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.server().and_then(|error| error.constraint.as_deref())
    }

    /// True for a violated unique constraint (23505).
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        self.code() == Some("23505")
    }

    /// A prepared statement that Postgres no longer honours: its result type changed under it, or
    /// a pooler moved us to a server that never saw it.
    pub(crate) fn is_stale_statement(&self) -> bool {
        match self.server() {
            Some(error) => {
                error.code == "26000"
                    || (error.code == "0A000" && error.message.starts_with("cached plan must not change"))
            }
            None => false,
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(error) = error.as_db_error() {
            return Self::Server(Box::new(ServerError::from(error)));
        }
        if error.is_closed() {
            return Self::Closed;
        }
        let io = error.source().is_some_and(|source| source.is::<std::io::Error>());
        if io { Self::Closed } else { Self::Client(with_causes(&error)) }
    }
}

impl From<&DbError> for ServerError {
    fn from(error: &DbError) -> Self {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Self {
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: own(error.detail()),
            hint: own(error.hint()),
            schema: own(error.schema()),
            table: own(error.table()),
            column: own(error.column()),
            constraint: own(error.constraint()),
        }
    }
}

impl From<&ErrorResponseBody> for ServerError {
    fn from(body: &ErrorResponseBody) -> Self {
        let mut error = Self {
            code: String::new(),
            message: String::new(),
            detail: None,
            hint: None,
            schema: None,
            table: None,
            column: None,
            constraint: None,
        };
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b's' => error.schema = Some(value),
                b't' => error.table = Some(value),
                b'c' => error.column = Some(value),
                b'n' => error.constraint = Some(value),
                _ => {}
            }
        }
        error
    }
}

/// The error's text with those of its causes, which the driver leaves out of its own.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
