//! Rows as they are, for pages whose JSON is written here.
//!
//! Building one document of a hundred rows costs the database more than finding them. So a page of
//! a relation is read as plain rows wherever that gives the same text: columns of a few common
//! types and JSON come as they are, and any other through `to_json`, the function that the
//! document would have used. What the columns really are, the answer says; see `exec::json`.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::plan::field::SelectColumn;
use crate::plan::read::Shape;
use crate::plan::{Plan, ReadPlan, Render};
use crate::request::{ApiRequest, MediaType};
use crate::schema::{Column, Table};

use super::ROWS;
use super::column::Scope;
use super::fragment::{Sql, Statement};
use super::node::Form;

/// Types that `exec::json` writes, as the catalogue spells them; arrays of them as well.
const WRITTEN: [&str; 13] = [
    "bigint",
    "boolean",
    "character",
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

/// A column of the answer.
struct Output<'a> {
    name: Cow<'a, str>,
    /// It is of a type that is written here.
    is_written: bool,
}

/// The rows of a page as they are; none where the database has to build the answer. `utc` says that
/// the session's time zone is UTC.
pub(crate) fn plain(request: &ApiRequest, plan: &Plan<'_>, utc: bool) -> Option<Statement> {
    let Plan::Read(read) = plan else { return None };
    let is_array = read.output.render == Render::Json { nulls_stripped: false }
        && read.output.media_type == MediaType::Json;
    if !is_array || read.keyset.is_some() || request.preferences.count.is_some() {
        return None;
    }
    let outputs = outputs(read, utc)?;
    let mut sql = Sql::default();
    let form = Form::of(&read.tree, &read.output.render);
    if outputs.iter().all(|output| output.is_written) {
        sql.node(&read.tree, form);
        return Some(sql.finish());
    }
    sql.push("SELECT ").list(", ", &outputs, |sql, output| {
        let rows = Scope::Alias(ROWS);
        match output.is_written {
            true => sql.column(rows, &output.name),
            false => sql.push("to_json(").column(rows, &output.name).push(")").named(Some(&output.name)),
        };
    });
    sql.push(" FROM (").node(&read.tree, form).push(") ").push(ROWS);
    Some(sql.finish())
}

/// The columns of the answer; none if their names are not known, or not all different.
fn outputs<'a>(read: &'a ReadPlan<'a>, utc: bool) -> Option<Vec<Output<'a>>> {
    let node = &read.tree;
    let table = read.table;
    let mut outputs = Vec::with_capacity(node.select.len() + node.children.len());
    for column in &node.select {
        match column.field.name {
            "*" => outputs.extend(all(column, table, utc)?),
            _ if column.aggregate.is_some() || column.field.whole_row => return None,
            _ => outputs.push(Output { name: column.name(), is_written: is_written(column, table, utc) }),
        }
    }
    for child in &node.children {
        match &child.shape {
            Shape::Hidden { .. } => {}
            Shape::Object | Shape::Array => {
                outputs.push(Output { name: Cow::Borrowed(child.key()), is_written: true });
            }
            Shape::SpreadOne(columns) | Shape::SpreadMany { columns, .. } => {
                for column in columns {
                    let name = column.alias.as_ref().unwrap_or(&column.name);
                    (name != "*" && column.aggregate.is_none()).then_some(())?;
                    outputs.push(Output { name: Cow::Borrowed(name), is_written: false });
                }
            }
        }
    }
    let names: HashSet<&str> = outputs.iter().map(|output| &*output.name).collect();
    let is_sound = names.len() == outputs.len() && names.iter().all(|name| name.len() <= LONGEST_NAME);
    (is_sound && !outputs.is_empty()).then_some(outputs)
}

/// All columns of the relation, as long as all can be written. Otherwise the database has to find
/// out which they are: it may know of one that the cache does not know yet.
fn all<'a>(star: &SelectColumn<'_>, table: &'a Table, utc: bool) -> Option<Vec<Output<'a>>> {
    (star.aggregate.is_none() && !table.columns.is_empty()).then_some(())?;
    let written = |column: &'a Column| {
        let output = Output { name: Cow::Borrowed(&*column.name), is_written: true };
        is_written_type(&column.data_type, utc).then_some(output)
    };
    table.columns.iter().map(written).collect()
}

fn is_written(column: &SelectColumn<'_>, table: &Table, utc: bool) -> bool {
    if column.cast.is_some() || column.field.transform.is_some() {
        return false;
    }
    let known =
        || table.column(column.field.name).is_some_and(|known| is_written_type(&known.data_type, utc));
    // A path leads to text or JSON.
    !column.field.path.is_empty() || known()
}

fn is_written_type(name: &str, utc: bool) -> bool {
    let name = name.strip_suffix("[]").unwrap_or(name);
    WRITTEN.contains(&name) || (utc && name == ZONED)
}
