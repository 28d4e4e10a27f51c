//! The query string, sorted into its clauses.

use std::collections::BTreeSet;

use super::filter::Filter;
use super::logic::LogicTree;
use super::order::OrderTerm;
use super::range::Range;
use super::select::SelectItem;

/// The embeds from the root to a node, by alias or name; empty for the root.
pub(crate) type EmbedPath = Vec<String>;

/// The clauses of a query string, each in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// `select`; `*` if absent, empty if present and empty.
    pub select: Vec<SelectItem>,
    /// Filters, with the embed that each applies to.
    pub filters: Vec<(EmbedPath, Filter)>,
    /// `and` and `or`.
    pub logic: Vec<(EmbedPath, LogicTree)>,
    /// `order`; at most the first for each embed counts.
    pub order: Vec<(EmbedPath, Vec<OrderTerm>)>,
    /// `limit` and `offset` of embeds; the root's are in `ApiRequest::range`.
    pub ranges: Vec<(EmbedPath, Range)>,
    /// `columns`, if given.
    pub columns: Option<BTreeSet<String>>,
    /// `on_conflict`, if given.
    pub on_conflict: Option<Vec<String>>,
    /// Arguments of a function called by GET or HEAD, in order; a repeated name is variadic.
    pub params: Vec<(String, String)>,
    /// The left sides of all filters and arguments as written: PUT compares them with the key.
    pub filter_fields: BTreeSet<String>,
    /// The parameters sorted by name and escaped anew, for `Content-Location`; empty if none.
    pub canonical: String,
}
