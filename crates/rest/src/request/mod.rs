//! What a request asks for, before any schema object is looked at.
//!
//! One pure step: method, path, headers and body in, an [`ApiRequest`] or the first failure out.
//! The order of failures is observable and PostgREST's: path, profile, method, query string,
//! ranges, body. Nothing here knows which tables exist; names are carried as the client wrote
//! them, unquoted and unchecked.

pub(crate) mod body;
mod cursor;
pub(crate) mod filter;
pub(crate) mod logic;
pub(crate) mod media;
mod name;
pub(crate) mod order;
pub(crate) mod prefer;
pub(crate) mod query;
pub(crate) mod range;
pub(crate) mod select;

use std::collections::BTreeSet;

pub(crate) use body::Payload;
pub(crate) use filter::{Filter, FtsOperator, IsValue, OpExpr, Operation, QuantOperator, Quantifier, SimpleOperator};
pub(crate) use logic::{LogicOperator, LogicTree};
pub(crate) use media::{MediaType, PlanFormat, PlanOption};
pub(crate) use order::{Direction, Nulls, OrderTerm};
pub(crate) use prefer::{Count, Handling, Missing, Preferences, Representation, Resolution, Transaction};
pub(crate) use query::{EmbedPath, Query};
pub(crate) use range::Range;
pub(crate) use select::{Aggregate, ColumnItem, EmbedItem, Field, JoinType, JsonOperand, JsonPath, JsonStep, SelectItem};

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
