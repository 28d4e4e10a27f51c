//! What a request asks for, before any schema object is looked at.
//!
//! One pure step: method, path, headers and body in, an [`ApiRequest`] or the first failure out.
//! The order of failures is observable and PostgREST's: path, profile, method, query string,
//! ranges, body. Nothing here knows which tables exist; names are carried as the client wrote
//! them, unquoted and unchecked.

pub(crate) mod batch;
pub(crate) mod body;
mod csv;
mod cursor;
pub(crate) mod filter;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
pub(crate) mod header;
pub(crate) mod keyset;
pub(crate) mod logic;
pub(crate) mod media;
mod name;
pub(crate) mod order;
pub(crate) mod prefer;
pub(crate) mod query;
pub(crate) mod range;
pub(crate) mod select;

use std::collections::BTreeSet;

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RANGE};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::config::{Config, OpenApiMode};
use crate::error::{Error, QueryError};

pub(crate) use body::Payload;
pub(crate) use filter::{
    Filter, FtsOperator, IsValue, OpExpr, Operation, QuantOperator, Quantifier, SimpleOperator,
};
pub(crate) use keyset::{Keyset, Position};
pub(crate) use logic::{LogicOperator, LogicTree};
pub(crate) use media::{MediaType, PlanFormat, PlanOption};
pub(crate) use order::{Direction, Nulls, OrderTerm};
pub(crate) use prefer::{Count, Handling, Missing, Preferences, Representation, Resolution, Transaction};
pub(crate) use query::Query;
use query::Use;
pub(crate) use range::Range;
pub(crate) use select::{Aggregate, ColumnItem, EmbedItem, JoinType, JsonOperand, JsonStep, SelectItem};

/// A request, parsed.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest {
    /// What is asked of which object of `schema`.
    pub action: Action,
    /// The schema that the profile header named, else the first configured one.
    pub schema: String,
    /// True if answers that carry a `Content-Type` also name the schema: a profile header was
    /// sent, or there is more than one schema to choose from.
    pub negotiated_by_profile: bool,
    /// The query string.
    pub query: Query,
    /// The rows of the root that were asked for: limit and offset narrowed by the `Range` header.
    pub range: Range,
    /// The page of a read that is continued by key.
    pub keyset: Option<Keyset>,
    /// The body, where the action takes one.
    pub payload: Option<Payload>,
    /// The columns that the payload holds or `columns` names, in the order of the names.
    pub columns: BTreeSet<String>,
    /// The `Prefer` headers.
    pub preferences: Preferences,
    /// The acceptable media types, best first; never empty.
    pub accept: Vec<MediaType>,
    /// The `Content-Type` of the body, `application/json` if absent.
    pub content_type: MediaType,
    /// `GET`, `POST`, … as sent: the setting `request.method`.
    pub method: String,
    /// The path below the mount point, still escaped: the setting `request.path`.
    pub path: String,
    /// The headers but `Cookie` as a JSON object with lower-case names: `request.headers`.
    pub headers_json: String,
    /// The cookies as a JSON object: `request.cookies`.
    pub cookies_json: String,
}

/// What the path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `/`: the description of the schema.
    Root,
    /// `/name`: a table, view, foreign, materialized or partitioned table.
    Relation(String),
    /// `/rpc/name`: a function, or the one that stands for the root.
    Routine(String),
}

/// Resource and method, as far as they go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// GET or HEAD on a relation.
    Read {
        /// The relation.
        relation: String,
        /// True for HEAD: no body is sent, none is built.
        headers_only: bool,
    },
    /// A change to a relation.
    Mutate {
        /// The relation.
        relation: String,
        /// Which change.
        mutation: Mutation,
    },
    /// A function call.
    Call {
        /// The function.
        routine: String,
        /// How it was called.
        invoke: Invoke,
    },
    /// GET or HEAD on the root.
    Describe {
        /// True for HEAD.
        headers_only: bool,
    },
    /// OPTIONS on a relation.
    RelationInfo {
        /// The relation.
        relation: String,
    },
    /// OPTIONS on a function.
    RoutineInfo {
        /// The function.
        routine: String,
    },
    /// OPTIONS on the root.
    RootInfo,
}

/// How a relation is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// POST: insert, or upsert if `Prefer: resolution` or `on_conflict` says so.
    Create,
    /// PATCH.
    Update,
    /// PUT: insert or replace the one row that the filters name.
    SingleUpsert,
    /// DELETE.
    Delete,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invoke {
    /// POST: arguments in the body; the transaction may write if the function is volatile.
    Post,
    /// GET or HEAD: arguments in the query string, read-only transaction.
    Get {
        /// True for HEAD.
        headers_only: bool,
    },
}

impl Invoke {
    /// True for GET and HEAD.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get { .. })
    }
}

/// A request as it came, below the mount point.
pub(crate) struct Incoming<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The path, escaped, beginning with a slash.
    pub path: &'a str,
    /// The query string without its question mark.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl ApiRequest {
    /// Parses a request.
    ///
    /// # Errors
    ///
    /// The first failure: path, profile, method, query string, range, body.
    pub fn parse(incoming: Incoming<'_>, config: &Config) -> Result<Self, Error> {
        let Incoming { method, path, query, headers, body } = incoming;
        let resource = Resource::parse(path, config)?;
        let (schema, negotiated_by_profile) = schema(method, headers, config)?;
        let action = Action::new(resource, method)?;

        let preferences = preferences(headers, config);
        let text = query;
        let (query, clauses) = query::parse(text.as_bytes(), Use::of(&action))?;
        let is_read = matches!(action, Action::Read { .. });
        let keyset = (is_read && (preferences.keyset || query.cursor.is_some()))
            .then(|| Keyset::parse(text, query.cursor.as_deref()))
            .transpose()?;
        let range = range::root(clauses, header::text(headers, &RANGE), method)?;

        let content_type = header::text(headers, &CONTENT_TYPE).map_or(MediaType::Json, MediaType::parse);
        let payload = match &action {
            Action::Mutate { mutation: Mutation::Create | Mutation::Update, .. } => {
                Some(Payload::parse(body, &content_type, query.columns.is_some(), false)?)
            }
            Action::Mutate { mutation: Mutation::SingleUpsert, .. } => {
                Some(Payload::parse(body, &content_type, false, false)?)
            }
            Action::Call { invoke: Invoke::Post, .. } => {
                Some(Payload::parse(body, &content_type, query.columns.is_some(), true)?)
            }
            _ => None,
        };
        let columns = match &payload {
            Some(payload @ Payload::RawJson(_)) => {
                payload.keys().or_else(|| query.columns.clone()).unwrap_or_default()
            }
            Some(payload) => payload.keys().unwrap_or_default(),
            None => BTreeSet::new(),
        };
        Ok(Self {
            action,
            schema,
            negotiated_by_profile,
            query,
            range,
            keyset,
            payload,
            columns,
            preferences,
            accept: header::text(headers, &ACCEPT)
                .map_or_else(|| vec![MediaType::Any], MediaType::parse_accept),
            content_type,
            method: method.to_owned(),
            path: path.to_owned(),
            headers_json: header::headers_json(headers),
            cookies_json: header::cookies_json(headers),
        })
    }
}

/// The `Prefer` headers.
pub(crate) fn preferences(headers: &HeaderMap, config: &Config) -> Preferences {
    Preferences::parse(header::texts(headers, "prefer"), config.tx_end.allows_override())
}

impl Resource {
    fn parse(path: &str, config: &Config) -> Result<Self, Error> {
        let below = path.strip_prefix('/').unwrap_or(path);
        let segments: Vec<&str> = if below.is_empty() { Vec::new() } else { below.split('/').collect() };
        match segments.as_slice() {
            [] if config.openapi_mode == OpenApiMode::Disabled => Err(Error::RootDisabled),
            [] => Ok(match &config.root_spec {
                Some(routine) => {
                    let name = routine.split_once('.').map_or(routine.as_str(), |(_, name)| name);
                    Self::Routine(name.to_owned())
                }
                None => Self::Root,
            }),
            [relation] => Ok(Self::Relation(segment(relation)?)),
            ["rpc", routine] => Ok(Self::Routine(segment(routine)?)),
            _ => Err(Error::Path),
        }
    }
}

/// A path segment, decoded. Text that is not UTF-8 or holds a NUL is no name.
fn segment(text: &str) -> Result<String, Error> {
    match percent_decode_str(text).decode_utf8() {
        Ok(name) if !name.contains('\0') => Ok(name.into_owned()),
        _ => Err(Error::Query(QueryError {
            message: "\"failed to decode the path\" (line 1, column 1)".to_owned(),
            details: "the text is not valid UTF-8 or contains a null character".to_owned(),
        })),
    }
}

/// The schema that the profile header names, or the default; and whether to name it in answers.
fn schema(method: &str, headers: &HeaderMap, config: &Config) -> Result<(String, bool), Error> {
    let profile = match method {
        "DELETE" | "PATCH" | "POST" | "PUT" => "content-profile",
        _ => "accept-profile",
    };
    match header::texts(headers, profile).next() {
        Some(name) if config.schemas.iter().any(|schema| schema == name) => Ok((name.to_owned(), true)),
        Some(name) => Err(Error::Schema { name: name.to_owned(), exposed: config.schemas.clone() }),
        None => Ok((config.default_schema().to_owned(), config.schemas.len() != 1)),
    }
}

impl Action {
    fn new(resource: Resource, method: &str) -> Result<Self, Error> {
        let headers_only = method == "HEAD";
        Ok(match (resource, method) {
            (Resource::Routine(routine), "HEAD" | "GET") => {
                Self::Call { routine, invoke: Invoke::Get { headers_only } }
            }
            (Resource::Routine(routine), "POST") => Self::Call { routine, invoke: Invoke::Post },
            (Resource::Routine(routine), "OPTIONS") => Self::RoutineInfo { routine },
            (Resource::Routine(_), _) => return Err(Error::RpcMethod(method.to_owned())),
            (Resource::Relation(relation), "HEAD" | "GET") => Self::Read { relation, headers_only },
            (Resource::Relation(relation), "OPTIONS") => Self::RelationInfo { relation },
            (Resource::Relation(relation), _) => {
                let mutation = match method {
                    "POST" => Mutation::Create,
                    "PUT" => Mutation::SingleUpsert,
                    "PATCH" => Mutation::Update,
                    "DELETE" => Mutation::Delete,
                    _ => return Err(Error::Method(method.to_owned())),
                };
                Self::Mutate { relation, mutation }
            }
            (Resource::Root, "HEAD" | "GET") => Self::Describe { headers_only },
            (Resource::Root, "OPTIONS") => Self::RootInfo,
            (Resource::Root, _) => return Err(Error::Method(method.to_owned())),
        })
    }

    /// True for HEAD: the answer has no body.
    pub fn is_headers_only(&self) -> bool {
        match self {
            Self::Read { headers_only, .. }
            | Self::Describe { headers_only }
            | Self::Call { invoke: Invoke::Get { headers_only }, .. } => *headers_only,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
