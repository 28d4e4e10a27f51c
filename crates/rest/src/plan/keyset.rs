//! Pages by the key of their last row: an order that tells all rows apart, and the rows after one.

use std::fmt::Write;

use super::field::Field;
use super::read::{Condition, Node, OrderBy};
use super::{Output, Planner, Render};
use crate::error::Error;
use crate::request::{Direction, JsonStep, MediaType, Nulls};
use crate::schema::Table;

/// The rows of a read can be continued after their last one.
#[derive(Clone, Debug)]
pub(crate) struct KeysetPlan {
    /// The order, spelled out: a cursor is good for rows in the same order only.
    pub order: String,
}

/// The value of a row in one term of the order.
#[derive(Clone, Debug)]
pub(crate) struct Bound<'a> {
    /// What is sorted by.
    pub field: Field<'a>,
    /// From the greatest to the least.
    pub descending: bool,
    /// Nulls are before all values.
    pub nulls_first: bool,
    /// There may be nulls.
    pub is_nullable: bool,
    /// The value; none for null.
    pub value: Option<&'a str>,
}

impl<'a> Planner<'a> {
    /// Makes the order of `tree` one that the primary key makes certain, and leaves out the rows up
    /// to the cursor. None if that was not asked for, or cannot be done: then nothing is changed.
    ///
    /// # Errors
    ///
    /// A cursor, but the rows cannot be told apart or are sorted otherwise.
    pub(super) fn keyset(
        self,
        table: &'a Table,
        tree: &mut Node<'a>,
        output: &Output<'_>,
    ) -> Result<Option<KeysetPlan>, Error> {
        let Some(asked) = &self.request.keyset else { return Ok(None) };
        if !is_array(output) || !can_be_told_apart(table, tree) {
            return match asked.after {
                Some(_) => Err(Error::Cursor("the rows of this request cannot be told apart by a key")),
                None => Ok(None),
            };
        }
        let direction = tree.order.last().and_then(|term| term.direction);
        for column in &table.primary_key {
            let is_there = |term: &OrderBy<'_>| term.field.name == &**column && term.field.path.is_empty();
            if !tree.order.iter().any(is_there) {
                tree.order.push(OrderBy {
                    child: None,
                    field: Field::plain(column, &[]),
                    direction,
                    nulls: None,
                });
            }
        }
        let order = spelled(&tree.order);
        if let Some(position) = &asked.after {
            if position.order != order || position.values.len() != tree.order.len() {
                return Err(Error::Cursor("it is of rows in another order"));
            }
            let bound = |(term, value): (&OrderBy<'a>, &'a Option<String>)| Bound {
                field: term.field,
                descending: is_descending(term),
                nulls_first: are_nulls_first(term),
                is_nullable: is_nullable(table, &term.field),
                value: value.as_deref(),
            };
            let bounds = tree.order.iter().zip(&position.values).map(bound).collect();
            tree.filters.push(Condition::After(bounds));
        }
        Ok(Some(KeysetPlan { order }))
    }
}

fn is_array(output: &Output<'_>) -> bool {
    let media_type = match &output.media_type {
        MediaType::Plan { of, .. } => of,
        other => other,
    };
    matches!(output.render, Render::Json { .. } | Render::Nothing)
        && matches!(media_type, MediaType::Json | MediaType::ArrayStripped)
}

/// Every row of the answer is one of the table, which has a key, and is sorted by its own values.
fn can_be_told_apart(table: &Table, tree: &Node<'_>) -> bool {
    let has_key = !table.is_view && !table.primary_key.is_empty();
    let repeats = tree.children.iter().any(|child| child.relationship.is_to_one() && !child.is_unique());
    has_key && !repeats && !tree.is_grouped() && tree.order.iter().all(|term| term.child.is_none())
}

fn is_nullable(table: &Table, field: &Field<'_>) -> bool {
    let column = table.column(field.name).filter(|_| field.path.is_empty());
    column.is_none_or(|column| column.is_nullable)
}

fn is_descending(term: &OrderBy<'_>) -> bool {
    term.direction == Some(Direction::Desc)
}

/// As Postgres has it where nothing is said: null is greater than any value.
fn are_nulls_first(term: &OrderBy<'_>) -> bool {
    term.nulls.map_or(is_descending(term), |nulls| nulls == Nulls::First)
}

fn spelled(order: &[OrderBy<'_>]) -> String {
    let mut text = String::new();
    for (index, term) in order.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(term.field.name);
        for step in term.field.path {
            let arrow = if matches!(step, JsonStep::Arrow(_)) { "->" } else { "->>" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{arrow}{:?}", step.operand());
        }
        text.push_str(if is_descending(term) { ".desc" } else { ".asc" });
        text.push_str(if are_nulls_first(term) { ".nullsfirst" } else { ".nullslast" });
    }
    text
}
