//! The query string, sorted into its clauses.

use std::collections::BTreeSet;

use percent_encoding::percent_decode;

use super::cursor::{Cursor, MAX_ITEMS, Parsed};
use super::filter::{Filter, expression, whole_value};
use super::logic::{self, LogicTree};
use super::name::{names, tree_path};
use super::order::{self, OrderTerm};
use super::range::Range;
use super::select::{self, SelectItem};
use super::{Action, keyset};
use crate::error::{Error, QueryError};

/// The embeds from the root to a node, by alias or name; empty for the root.
pub(crate) type EmbedPath = Vec<String>;

/// What a query string is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Rows of a relation: one of the parameters may be a cursor.
    Read,
    /// A function: a value that does not begin like an operator is an argument.
    Call,
    /// Anything else.
    Other,
}

impl Use {
    pub fn of(action: &Action) -> Self {
        match action {
            Action::Read { .. } => Self::Read,
            Action::Call { invoke, .. } if invoke.is_safe() => Self::Call,
            _ => Self::Other,
        }
    }
}

/// The clauses of a query string, each in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// `select`; `*` if absent, empty if present and empty.
    pub select: Vec<SelectItem>,
    /// Filters, with the embed that each applies to.
    pub filters: Vec<(EmbedPath, Filter)>,
    /// `and` and `or`.
    pub logic: Vec<(EmbedPath, LogicTree)>,
    /// `order`, once for each embed.
    pub order: Vec<(EmbedPath, Vec<OrderTerm>)>,
    /// `limit` and `offset` of embeds, once for each; the root's are in `ApiRequest::range`.
    pub ranges: Vec<(EmbedPath, Range)>,
    /// `columns`, if given.
    pub columns: Option<BTreeSet<String>>,
    /// `on_conflict`, if given.
    pub on_conflict: Option<Vec<String>>,
    /// Where the page begins, if it is continued by key.
    pub cursor: Option<String>,
    /// Arguments of a function called by GET or HEAD, in order; a repeated name is variadic.
    pub params: Vec<(String, String)>,
    /// The left sides of all filters and arguments as written: PUT compares them with the key.
    pub filter_fields: BTreeSet<String>,
    /// The parameters sorted by name and escaped anew, for `Content-Location`; empty if none.
    pub canonical: String,
}

/// Parses `text`, the query string without its question mark. Also returns the root's limit and
/// offset.
pub(super) fn parse(text: &[u8], used_for: Use) -> Result<(Query, Range), Error> {
    let pairs = pairs(text)?;
    let mut query = Query { canonical: canonical(&pairs), ..Query::default() };
    let present = pairs.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?)));

    let mut limits = Clauses::default();
    let mut offsets = Clauses::default();
    let mut filters = Vec::new();
    let mut logic = Vec::new();
    for (key, value) in present.clone() {
        match last_segment(key) {
            "order" => add_order(&mut query.order, key, value)?,
            "and" | "or" => logic.push((key, value)),
            "limit" => limits.set(key, value)?,
            "offset" => offsets.set(key, value)?,
            _ if matches!(key, "select" | "columns" | "on_conflict") => {}
            _ => match keyset::cursor(key, value).filter(|_| used_for == Use::Read) {
                Some(cursor) => query.cursor = Some(cursor.to_owned()),
                None => filters.push((key, value)),
            },
        }
    }
    // The first failure of this order answers.
    for (key, value) in logic {
        query.logic.push(logic_tree(key, value)?);
    }
    let reserved = |name| pairs.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref());
    if let Some(text) = reserved("columns") {
        query.columns = Some(clause("columns parameter", text, names)?.into_iter().collect());
    }
    query.select = clause("select parameter", reserved("select").unwrap_or("*"), select::forest)?;
    for (key, value) in filters {
        add_filter(&mut query, key, value, used_for == Use::Call)?;
    }
    if let Some(text) = reserved("on_conflict") {
        query.on_conflict = Some(clause("on_conflict parameter", text, names)?);
    }
    let root = add_ranges(&mut query.ranges, &limits, &offsets)?;
    Ok((query, root))
}

/// The last value of each `limit` or `offset`, by the key without that word.
#[derive(Default)]
struct Clauses<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Clauses<'a> {
    fn set(&mut self, key: &'a str, value: &'a str) -> Result<(), Error> {
        let place = key.rfind('.').map_or("", |dot| key.get(..dot).unwrap_or_default());
        let is_full = self.0.len() == MAX_ITEMS;
        match self.0.iter_mut().find(|(known, _)| *known == place) {
            Some(clause) => clause.1 = value,
            None if is_full => return Err(too_many(key)),
            None => self.0.push((place, value)),
        }
        Ok(())
    }

    fn get(&self, place: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == place).map(|(_, value)| *value)
    }
}

fn last_segment(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Parses one clause, called `what` in error texts.
fn clause<T>(what: &str, text: &str, rule: impl FnOnce(&mut Cursor<'_>) -> Parsed<T>) -> Result<T, Error> {
    let mut cursor = Cursor::new(text);
    rule(&mut cursor).map_err(|failure| Error::Query(cursor.explain(&format!("{what} ({text})"), failure)))
}

fn add_order(orders: &mut Vec<(EmbedPath, Vec<OrderTerm>)>, key: &str, value: &str) -> Result<(), Error> {
    let (path, _) = clause("tree path", key, tree_path)?;
    let terms = clause("order", value, order::terms)?;
    if orders.iter().any(|(known, _)| *known == path) {
        return Ok(());
    }
    if orders.len() == MAX_ITEMS {
        return Err(too_many(key));
    }
    orders.push((path, terms));
    Ok(())
}

/// More embeds have this clause than there can be embeds.
fn too_many(key: &str) -> Error {
    Error::Query(QueryError {
        message: format!("\"failed to parse tree path ({key})\" (line 1, column 1)"),
        details: "there are too many clauses of this kind".to_owned(),
    })
}

fn logic_tree(key: &str, value: &str) -> Result<(EmbedPath, LogicTree), Error> {
    let (path, operator) = clause("logic path", key, logic::path)?;
    // The operator is parsed with its tree, so that columns in error texts count from there.
    let text = format!("{operator}{value}");
    let mut cursor = Cursor::new(&text);
    let tree = logic::tree(&mut cursor)
        .map_err(|failure| Error::Query(cursor.explain(&format!("logic tree ({value})"), failure)))?;
    Ok((path, tree))
}

fn add_filter(query: &mut Query, key: &str, value: &str, is_call: bool) -> Result<(), Error> {
    let (path, field) = clause("tree path", key, tree_path)?;
    let expr = clause("filter", value, |cursor| {
        if is_call {
            cursor.maybe(|cursor| expression(cursor, whole_value))
        } else {
            expression(cursor, whole_value).map(Some)
        }
    })?;
    query.filter_fields.insert(key.to_owned());
    match expr {
        Some(expr) => query.filters.push((path, Filter { field, expr })),
        None => query.params.push((field.name, value.to_owned())),
    }
    Ok(())
}

fn add_ranges(
    ranges: &mut Vec<(EmbedPath, Range)>,
    limits: &Clauses<'_>,
    offsets: &Clauses<'_>,
) -> Result<Range, Error> {
    let mut root = Range::ALL;
    let only_offsets = offsets.0.iter().filter(|(place, _)| limits.get(place).is_none());
    for (place, _) in limits.0.iter().chain(only_offsets) {
        let range = Range::from_clauses(limits.get(place), offsets.get(place));
        if place.is_empty() {
            root = range;
        } else {
            let (mut path, field) = clause("tree path", place, tree_path)?;
            path.push(field.name);
            ranges.push((path, range));
        }
    }
    Ok(root)
}

/// The parameters, decoded; `None` for one without `=`.
fn pairs(text: &[u8]) -> Result<Vec<(String, Option<String>)>, Error> {
    text.split(|&byte| byte == b'&' || byte == b';')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let mut halves = part.splitn(2, |&byte| byte == b'=');
            let key = decode(halves.next().unwrap_or_default())?;
            Ok((key, halves.next().map(decode).transpose()?))
        })
        .collect()
}

/// `%xx` and `+` decoded. Text that is not UTF-8 or holds a NUL is nothing Postgres could take.
pub(super) fn decode(text: &[u8]) -> Result<String, Error> {
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    match percent_decode(&spaced).decode_utf8() {
        Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(Error::Query(QueryError {
            message: "\"failed to decode the query string\" (line 1, column 1)".to_owned(),
            details: "the text is not valid UTF-8 or contains a null character".to_owned(),
        })),
    }
}

/// The parameters sorted by name, values of one name joined by commas.
fn canonical(pairs: &[(String, Option<String>)]) -> String {
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort_by_key(|(key, _)| key);
    let joined = sorted.chunk_by(|(one, _), (next, _)| one == next).map(|same| {
        let values: Vec<_> =
            same.iter().map(|(_, value)| escape(value.as_deref().unwrap_or_default())).collect();
        let key = same.first().map(|(key, _)| escape(key)).unwrap_or_default();
        format!("{key}={}", values.join(","))
    });
    joined.collect::<Vec<_>>().join("&")
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
pub(crate) fn escape(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, UNSAFE).to_string()
}

#[cfg(test)]
#[path = "query/tests.rs"]
mod tests;
