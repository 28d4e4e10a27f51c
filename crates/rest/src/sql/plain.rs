//! Rows as they are, for pages whose JSON is written here.
//!
//! Building one document of a hundred rows costs the database more than finding them. So a page of
//! a relation is read as plain rows wherever that gives the same text: columns of a few common
//! types and JSON come as they are, and any other through `to_json`, the function that the
//! document would have used. What the columns really are, the answer says; see `exec::json`.
//!
//! A row asked for by its key is left to the database: there, a document costs as much.

use std::collections::HashSet;

use crate::plan::field::SelectColumn;
use crate::plan::read::{Condition, Node, Shape};
use crate::plan::{Plan, ReadPlan, Render};
use crate::request::{ApiRequest, MediaType, Operation, QuantOperator};
use crate::schema::Table;

use super::ROWS;
use super::column::Scope;
use super::fragment::{Sql, Statement};
use super::node::Form;

/// Types that `exec::json` writes, as the catalogue spells them.
const WRITTEN: [&str; 12] = [
    "bigint",
    "boolean",
    "character varying",
    "date",
    "integer",
    "json",
    "jsonb",
    "numeric",
    "smallint",
    "text",
    "timestamp without time zone",
    "uuid",
];

/// Written there only for sessions in UTC.
const ZONED: &str = "timestamp with time zone";

/// The longest name that Postgres does not cut.
const LONGEST_NAME: usize = 63;

/// A column of the answer: its name, and whether it is of a type that is written here.
type Output = (String, bool);

/// The rows of a page as they are; none where the database has to build the answer. `utc` says that
/// the session's time zone is UTC.
pub(crate) fn plain(request: &ApiRequest, plan: &Plan<'_>, utc: bool) -> Option<Statement> {
    let Plan::Read(read) = plan else { return None };
    let is_array = read.output.render == Render::Json { nulls_stripped: false }
        && read.output.media_type == MediaType::Json;
    if !is_array
        || read.keyset.is_some()
        || request.preferences.count.is_some()
        || is_one_row(&read.tree, read.table)
    {
        return None;
    }
    let outputs = outputs(read, utc)?;
    let mut sql = Sql::default();
    sql.push("SELECT ").list(", ", &outputs, |sql, (name, is_written)| {
        let rows = Scope::Alias(ROWS);
        match is_written {
            true => sql.column(rows, name),
            false => sql.push("to_json(").column(rows, name).push(")").named(Some(name)),
        };
    });
    sql.push(" FROM (").node(&read.tree, Form::of(&read.tree, &read.output.render)).push(") ").push(ROWS);
    Some(sql.finish())
}

/// At most one row can be the answer.
fn is_one_row(node: &Node<'_>, table: &Table) -> bool {
    let is_fixed = |key: &str| {
        node.filters.iter().any(|filter| match filter {
            Condition::Filter { field, expr, .. } => {
                let is_equal = matches!(expr.operation, Operation::Quant(QuantOperator::Equal, None, _));
                field.name == key && field.path.is_empty() && is_equal && !expr.negated
            }
            _ => false,
        })
    };
    let has_key = !table.primary_key.is_empty() && table.primary_key.iter().all(|key| is_fixed(key));
    has_key || node.range.limit().is_some_and(|limit| limit <= 1)
}

/// The columns of the answer; none if their names are not known, or not all different.
fn outputs(read: &ReadPlan<'_>, utc: bool) -> Option<Vec<Output>> {
    let node = &read.tree;
    let mut outputs = Vec::with_capacity(node.select.len() + node.children.len());
    for column in &node.select {
        outputs.push((selected(column)?, is_written(column, read.table, utc)));
    }
    for child in &node.children {
        match &child.shape {
            Shape::Hidden { .. } => {}
            Shape::Object | Shape::Array => outputs.push((child.key().to_owned(), true)),
            Shape::SpreadOne(columns) | Shape::SpreadMany { columns, .. } => {
                for column in columns {
                    let name = column.alias.as_deref().unwrap_or(&column.name);
                    (name != "*" && column.aggregate.is_none()).then_some(())?;
                    outputs.push((name.to_owned(), false));
                }
            }
        }
    }
    let names: HashSet<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
    let is_sound = names.len() == outputs.len() && names.iter().all(|name| name.len() <= LONGEST_NAME);
    (is_sound && !outputs.is_empty()).then_some(outputs)
}

/// The name of a column, where it does not depend on what Postgres makes of an expression.
fn selected(column: &SelectColumn<'_>) -> Option<String> {
    let is_plain = column.aggregate.is_none() && column.field.name != "*" && !column.field.whole_row;
    is_plain.then(|| column.name().into_owned())
}

fn is_written(column: &SelectColumn<'_>, table: &Table, utc: bool) -> bool {
    if column.cast.is_some() || column.field.transform.is_some() {
        return false;
    }
    let known = || {
        let kind = table.column(column.field.name).map(|known| &*known.data_type);
        kind.is_some_and(|kind| WRITTEN.contains(&kind) || (utc && kind == ZONED))
    };
    // A path leads to text or JSON.
    !column.field.path.is_empty() || known()
}
