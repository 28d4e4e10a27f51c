//! Every answer that is not success, one variant per cause.
//!
//! Codes, statuses and texts are PostgREST's to the letter: clients match on them; `BSLT…` are those
//! of extensions that PostgREST does not have. The enum says
//! what happened; [`answer`] says it over HTTP. Errors of the database itself pass through with
//! SQLSTATE, message, details and hint, because they are the contract of this API.

pub(crate) mod answer;
pub(crate) mod database;

use std::borrow::Cow;

use kernel::TokenError;
use serde_json::{Value, json};
use thiserror::Error;

use crate::request::MediaType;

pub(crate) use database::Database;

/// A failed request.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum Error {
    /// No connection to the database could be made; the text is the driver's.
    #[error("Database connection error.")]
    Unreachable(String),
    /// The connection broke during the request; the text is the driver's.
    #[error("Database client error. Retrying the connection.")]
    ConnectionLost(String),
    /// The schema cache was never loaded.
    #[error("Could not query the database for the schema cache. Retrying.")]
    NoSchemaCache,
    /// Every connection was busy for longer than a request may wait.
    #[error("Timed out acquiring connection from connection pool.")]
    PoolTimeout,

    /// A clause of the query string does not parse.
    #[error("{0}")]
    Query(QueryError),
    /// A function does not take this method.
    #[error("Cannot use the {0} method on RPC")]
    RpcMethod(String),
    /// The body does not parse, or is of a kind that is not taken here.
    #[error("{0}")]
    Body(String),
    /// The body is larger than the settings allow, in bytes.
    #[error("The request body is larger than the limit of {0} bytes")]
    BodyTooLarge(usize),
    /// Limit, offset or `Range` describe no rows.
    #[error("Requested range not satisfiable")]
    Range(RangeError),
    /// PUT needs the whole primary key, each column by `eq`.
    #[error("Filters must include all and only primary key columns with 'eq' operators")]
    PutFilters,
    /// The profile header names a schema that is not exposed.
    #[error("Invalid schema: {name}")]
    Schema {
        /// The schema asked for.
        name: String,
        /// The schemas there are.
        exposed: Vec<String>,
    },
    /// None of the accepted media types can be produced.
    #[error("None of these media types are available: {}", .0.join(", "))]
    MediaTypes(Vec<String>),
    /// A filter, order or limit names an embed that `select` does not have.
    #[error("'{name}' is not an embedded resource in this request")]
    NotEmbedded {
        /// The name used.
        name: String,
        /// The alias that must be used instead, if the name is that of an aliased embed.
        alias: Option<String>,
    },
    /// The setting `response.headers` is no list of headers.
    #[error(
        "response.headers guc must be a JSON array composed of objects with a single key and a string value"
    )]
    GucHeaders,
    /// The setting `response.status` is no status.
    #[error("response.status guc must be a valid status code")]
    GucStatus,
    /// PUT changes one row; there is nothing to limit.
    #[error("limit/offset querystring parameters are not allowed for PUT")]
    PutLimit,
    /// The body of a PUT has another key than its URL.
    #[error("Payload values do not match URL in primary key column(s)")]
    PutMismatch,
    /// One row was asked for; there are this many.
    #[error("Cannot coerce the result to a single JSON object")]
    NotSingular(i64),
    /// The resource does not take this method.
    #[error("Unsupported HTTP method: {0}")]
    Method(String),
    /// An order by an embed that may have several rows.
    #[error("A related order on '{target}' is not possible")]
    RelatedOrder {
        /// The relation that is ordered.
        origin: String,
        /// The embed that it should be ordered by.
        target: String,
    },
    /// `RAISE SQLSTATE 'PGRST'` without the JSON it needs.
    #[error("Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error")]
    Raise(RaiseError),
    /// Preferences that mean nothing, under `handling=strict`.
    #[error("Invalid preferences given with handling=strict")]
    Preferences(Vec<String>),
    /// Aggregates are switched off.
    #[error("Use of aggregate functions is not allowed")]
    Aggregates,
    /// More rows than `max-affected` would have changed.
    #[error("Query result exceeds max-affected preference constraint")]
    MaxAffected(i64),
    /// The path names nothing.
    #[error("Invalid path specified in request URL")]
    Path,
    /// The description of the schema is switched off.
    #[error("Root endpoint metadata is disabled")]
    RootDisabled,
    /// Something upstream does not do either; the text says what.
    #[error("Feature not implemented")]
    NotImplemented(&'static str),
    /// `max-affected` on a function that returns one value.
    #[error("Function must return SETOF or TABLE when max-affected preference is used with handling=strict")]
    MaxAffectedRoutine,

    /// An embed names no relationship.
    #[error("Could not find a relationship between '{parent}' and '{child}' in the schema cache")]
    NoRelationship {
        /// The relation that embeds.
        parent: String,
        /// What it embeds, as named.
        child: String,
        /// The hint of the request.
        hint: Option<String>,
        /// The schema searched.
        schema: String,
        /// What may have been meant.
        suggestion: Option<Box<Suggestion>>,
    },
    /// An embed names several relationships.
    #[error("Could not embed because more than one relationship was found for '{parent}' and '{child}'")]
    AmbiguousRelationship {
        /// The relation that embeds.
        parent: String,
        /// What it embeds, as named.
        child: String,
        /// The relationships found.
        candidates: Vec<Candidate>,
    },
    /// No function has this name and these parameters.
    #[error("{}", no_function_message(.0))]
    NoFunction(Box<NoFunction>),
    /// Several functions fit; each is given as `schema.name(parameter => type, …)`.
    #[error("Could not choose the best candidate function between: {}", .0.join(", "))]
    AmbiguousFunction(Vec<String>),
    /// The body or `columns` names a column that the relation does not have.
    #[error("Could not find the '{column}' column of '{relation}' in the schema cache")]
    NoColumn {
        /// The relation.
        relation: String,
        /// The column.
        column: String,
    },
    /// The relation does not exist, or not in this schema.
    #[error("Could not find the table '{schema}.{name}' in the schema cache")]
    NoTable {
        /// The schema searched.
        schema: String,
        /// The relation.
        name: String,
        /// A relation of the schema with a similar name.
        suggestion: Option<String>,
    },

    /// An item of a batch is not kept, because the one at this index failed.
    #[error("Nothing was kept, because the request at index {0} of the batch failed")]
    BatchAbandoned(usize),
    /// The answers of a batch are larger than the settings allow, in bytes.
    #[error("The answers of the batch are larger than the limit of {0} bytes")]
    BatchAnswer(usize),
    /// The description of a schema is asked for in a batch.
    #[error("The description of the schema is not available in a batch")]
    BatchRoot,

    /// The request embeds deeper than its role may, which is so many levels.
    #[error("Resources may be embedded no deeper than {0} levels")]
    EmbedDepth(u32),
    /// The planner expects the request to cost more than its role may spend.
    #[error("The request is estimated to cost more than the limit of {0}")]
    PlanCost(u64),
    /// A cursor that leads nowhere in this request; the text says why.
    #[error("The cursor cannot be used: {0}")]
    Cursor(&'static str),
    /// As many streams are under way as there may be.
    #[error("Too many streams are under way")]
    Streams,

    /// The caller's token is not acceptable.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The database refused.
    #[error("{0}")]
    Database(#[from] Box<Database>),
    /// A fault of ours; the text is for the log.
    #[error("Internal error")]
    Internal(String),
}

/// A clause that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct QueryError {
    /// What was parsed and where it went wrong.
    pub message: String,
    /// What was found and what was expected.
    pub details: String,
}

/// Why a range describes no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeError {
    /// `limit` is negative.
    NegativeLimit,
    /// The `Range` header ends before it begins.
    LowerAboveUpper,
    /// It begins after the last row.
    OutOfBounds {
        /// The first row asked for.
        lower: i64,
        /// The number of rows there are.
        total: i64,
    },
}

/// What is wrong with a `RAISE SQLSTATE 'PGRST'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RaiseError {
    /// MESSAGE, given here, is not the object it should be.
    Message(String),
    /// DETAIL, given here, is not the object it should be.
    Detail(String),
    /// DETAIL is missing.
    NoDetail,
}

/// A name that may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suggestion {
    /// The name in the request.
    pub instead_of: String,
    /// The name there is.
    pub meant: String,
}

/// One of several relationships that an embed could mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// `many-to-one`, `one-to-many`, `one-to-one` or `many-to-many`.
    pub cardinality: &'static str,
    /// `A with B`.
    pub embedding: String,
    /// `key using A(columns) and B(columns)`.
    pub relationship: String,
    /// `B!key`: what selects this one.
    pub hint: String,
}

/// A function call that no function fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoFunction {
    /// The schema searched.
    pub schema: String,
    /// The function's name.
    pub name: String,
    /// The names of the arguments, sorted.
    pub arguments: Vec<String>,
    /// The media type of the body.
    pub content_type: MediaType,
    /// True for POST, where a single unnamed parameter could have taken the body.
    pub is_post: bool,
    /// `name` or `name(parameters)` of a function that may have been meant.
    pub suggestion: Option<String>,
}

impl NoFunction {
    /// True if only a single unnamed parameter could have taken the body.
    pub fn wants_single_parameter(&self) -> bool {
        self.is_post
            && matches!(self.content_type, MediaType::TextPlain | MediaType::TextXml | MediaType::OctetStream)
    }
}

fn no_function_message(what: &NoFunction) -> String {
    let parameters = if what.wants_single_parameter() {
        String::new()
    } else if what.arguments.is_empty() {
        " without parameters".to_owned()
    } else {
        format!("({})", what.arguments.join(", "))
    };
    format!("Could not find the function {}.{}{parameters} in the schema cache", what.schema, what.name)
}

fn no_function_details(what: &NoFunction) -> String {
    let arguments = match what.arguments.as_slice() {
        [] => " without parameters".to_owned(),
        [one] => format!(" with parameter {one}"),
        several => format!(" with parameters {}", several.join(", ")),
    };
    let searched = match (&what.content_type, what.is_post) {
        (MediaType::TextPlain, true) => " with a single unnamed text parameter".to_owned(),
        (MediaType::TextXml, true) => " with a single unnamed xml parameter".to_owned(),
        (MediaType::OctetStream, true) => " with a single unnamed bytea parameter".to_owned(),
        (MediaType::Json, true) => format!("{arguments} or with a single unnamed json/jsonb parameter"),
        _ => arguments,
    };
    format!(
        "Searched for the function {}.{}{searched}, but no matches were found in the schema cache.",
        what.schema, what.name
    )
}

impl Error {
    /// The stable code: `PGRSTxxx`, `BSLTxxx`, or the SQLSTATE of a database error.
    pub fn code(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Unreachable(_) => "PGRST000",
            Self::ConnectionLost(_) => "PGRST001",
            Self::NoSchemaCache => "PGRST002",
            Self::PoolTimeout => "PGRST003",
            Self::Query(_) => "PGRST100",
            Self::RpcMethod(_) => "PGRST101",
            Self::Body(_) | Self::BodyTooLarge(_) => "PGRST102",
            Self::Range(_) => "PGRST103",
            Self::PutFilters => "PGRST105",
            Self::Schema { .. } => "PGRST106",
            Self::MediaTypes(_) => "PGRST107",
            Self::NotEmbedded { .. } => "PGRST108",
            Self::GucHeaders => "PGRST111",
            Self::GucStatus => "PGRST112",
            Self::PutLimit => "PGRST114",
            Self::PutMismatch => "PGRST115",
            Self::NotSingular(_) => "PGRST116",
            Self::Method(_) => "PGRST117",
            Self::RelatedOrder { .. } => "PGRST118",
            Self::Raise(_) => "PGRST121",
            Self::Preferences(_) => "PGRST122",
            Self::Aggregates => "PGRST123",
            Self::MaxAffected(_) => "PGRST124",
            Self::Path => "PGRST125",
            Self::RootDisabled => "PGRST126",
            Self::NotImplemented(_) => "PGRST127",
            Self::MaxAffectedRoutine => "PGRST128",
            Self::NoRelationship { .. } => "PGRST200",
            Self::AmbiguousRelationship { .. } => "PGRST201",
            Self::NoFunction(_) => "PGRST202",
            Self::AmbiguousFunction(_) => "PGRST203",
            Self::NoColumn { .. } => "PGRST204",
            Self::NoTable { .. } => "PGRST205",
            Self::BatchAbandoned(_) => "BSLT001",
            Self::BatchAnswer(_) => "BSLT002",
            Self::BatchRoot => "BSLT003",
            Self::EmbedDepth(_) => "BSLT004",
            Self::PlanCost(_) => "BSLT005",
            Self::Streams => "BSLT006",
            Self::Cursor(_) => "BSLT007",
            Self::Token(error) => token_code(error),
            Self::Database(error) => error.code(),
            Self::Internal(_) => "PGRSTX00",
        })
    }

    /// The connection is gone or was never there: whatever else was to run on it cannot.
    pub fn is_of_connection(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::ConnectionLost(_) | Self::PoolTimeout)
    }

    /// The HTTP status. May be any number from 100 on if the database chose it.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unreachable(_) | Self::ConnectionLost(_) | Self::NoSchemaCache | Self::Streams => 503,
            Self::PoolTimeout => 504,
            Self::RpcMethod(_) | Self::PutFilters | Self::Method(_) => 405,
            Self::BodyTooLarge(_) | Self::BatchAnswer(_) => 413,
            Self::BatchAbandoned(_) => 424,
            Self::Range(_) => 416,
            Self::Schema { .. } | Self::MediaTypes(_) | Self::NotSingular(_) => 406,
            Self::GucHeaders | Self::GucStatus | Self::Raise(_) | Self::Internal(_) => 500,
            Self::Path | Self::RootDisabled | Self::NoFunction(_) | Self::NoTable { .. } => 404,
            Self::AmbiguousRelationship { .. } | Self::AmbiguousFunction(_) => 300,
            Self::Token(TokenError::NoSecret) => 500,
            Self::Token(_) => 401,
            Self::Database(error) => error.status(),
            Self::Query(_)
            | Self::Body(_)
            | Self::NotEmbedded { .. }
            | Self::PutLimit
            | Self::PutMismatch
            | Self::RelatedOrder { .. }
            | Self::Preferences(_)
            | Self::Aggregates
            | Self::MaxAffected(_)
            | Self::NotImplemented(_)
            | Self::MaxAffectedRoutine
            | Self::NoRelationship { .. }
            | Self::NoColumn { .. }
            | Self::BatchRoot
            | Self::EmbedDepth(_)
            | Self::PlanCost(_)
            | Self::Cursor(_) => 400,
        }
    }

    /// What the client reads first.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Database(error) => Cow::Borrowed(error.message()),
            other => Cow::Owned(other.to_string()),
        }
    }

    /// What exactly went wrong.
    pub fn details(&self) -> Option<Value> {
        let text = match self {
            Self::Unreachable(text) | Self::ConnectionLost(text) => text.clone(),
            Self::Query(error) => error.details.clone(),
            Self::Range(RangeError::NegativeLimit) => {
                "Limit should be greater than or equal to zero.".to_owned()
            }
            Self::Range(RangeError::LowerAboveUpper) => "The lower boundary must be lower than or equal to \
                the upper boundary in the Range header."
                .to_owned(),
            Self::Range(RangeError::OutOfBounds { lower, total }) => {
                format!("An offset of {lower} was requested, but there are only {total} rows.")
            }
            Self::NotEmbedded { alias: Some(_), .. } => {
                "Target names are not allowed in filters if they have an alias".to_owned()
            }
            Self::NotSingular(rows) => format!("The result contains {rows} rows"),
            Self::RelatedOrder { origin, target } => {
                format!("'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship")
            }
            Self::Raise(RaiseError::Message(text)) => format!("Invalid JSON value for MESSAGE: '{text}'"),
            Self::Raise(RaiseError::Detail(text)) => format!("Invalid JSON value for DETAIL: '{text}'"),
            Self::Raise(RaiseError::NoDetail) => "DETAIL is missing in the RAISE statement".to_owned(),
            Self::Preferences(invalid) => format!("Invalid preferences: {}", invalid.join(", ")),
            Self::MaxAffected(rows) => format!("The query affects {rows} rows"),
            Self::NotImplemented(what) => (*what).to_owned(),
            Self::NoRelationship { parent, child, hint, schema, .. } => {
                let hint = hint.as_ref().map(|hint| format!("' using the hint '{hint}")).unwrap_or_default();
                format!(
                    "Searched for a foreign key relationship between '{parent}' and '{child}{hint}' in the \
                     schema '{schema}', but no matches were found."
                )
            }
            Self::AmbiguousRelationship { candidates, .. } => {
                return Some(candidates.iter().map(Candidate::to_json).collect());
            }
            Self::NoFunction(what) => no_function_details(what),
            Self::Token(error) => return token_details(error).map(Value::from),
            Self::Database(error) => return error.details().map(Value::from),
            _ => return None,
        };
        Some(Value::String(text))
    }

    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Schema { exposed, .. } => {
                Some(format!("Only the following schemas are exposed: {}", exposed.join(", ")))
            }
            Self::NotEmbedded { name, alias: None } => {
                Some(format!("Verify that '{name}' is included in the 'select' query parameter."))
            }
            Self::NotEmbedded { name, alias: Some(alias) } => {
                Some(format!("Change '{name}' to '{alias}' in filters, orders or limits."))
            }
            Self::Raise(RaiseError::Message(_)) => Some(
                "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: \
                 'details', 'hint'."
                    .to_owned(),
            ),
            Self::Raise(_) => Some(
                "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: \
                 'status_text'."
                    .to_owned(),
            ),
            Self::NoRelationship { suggestion: Some(found), .. } => {
                Some(format!("Perhaps you meant '{}' instead of '{}'.", found.meant, found.instead_of))
            }
            Self::AmbiguousRelationship { child, candidates, .. } => {
                let hints: Vec<_> = candidates.iter().map(|one| format!("'{}'", one.hint)).collect();
                Some(format!(
                    "Try changing '{child}' to one of the following: {}. Find the desired relationship in \
                     the 'details' key.",
                    hints.join(", ")
                ))
            }
            Self::NoFunction(what) if !what.wants_single_parameter() => what
                .suggestion
                .as_ref()
                .map(|found| format!("Perhaps you meant to call the function {}.{found}", what.schema)),
            Self::AmbiguousFunction(_) => Some(
                "Try renaming the parameters or the function itself in the database so function \
                 overloading can be resolved"
                    .to_owned(),
            ),
            Self::NoTable { schema, suggestion: Some(found), .. } => {
                Some(format!("Perhaps you meant the table '{schema}.{found}'"))
            }
            Self::Database(error) => error.hint().map(str::to_owned),
            _ => None,
        }
    }
}

impl Candidate {
    fn to_json(&self) -> Value {
        json!({
            "cardinality": self.cardinality,
            "embedding": self.embedding,
            "relationship": self.relationship,
        })
    }
}

fn token_code(error: &TokenError) -> &'static str {
    match error {
        TokenError::NoSecret => "PGRST300",
        TokenError::Empty
        | TokenError::Parts(_)
        | TokenError::NoKey
        | TokenError::Algorithm(_)
        | TokenError::Undecodable
        | TokenError::Kind => "PGRST301",
        TokenError::NoRole => "PGRST302",
        TokenError::Claims
        | TokenError::NotANumber(_)
        | TokenError::Expired
        | TokenError::NotYetValid
        | TokenError::IssuedInFuture
        | TokenError::AudienceShape
        | TokenError::Audience => "PGRST303",
    }
}

fn token_details(error: &TokenError) -> Option<&str> {
    match error {
        TokenError::NoKey => Some("None of the keys was able to decode the JWT"),
        TokenError::Algorithm(expectation) => Some(expectation),
        _ => None,
    }
}
