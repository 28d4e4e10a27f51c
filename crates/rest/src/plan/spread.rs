//! Spreads: embeds whose columns become the parent's.

use std::borrow::Cow;

use super::field::SelectColumn;
use super::read::{AggregateCall, Embed, Node, Shape, SortColumn, SpreadColumn};
use crate::error::Error;

/// An aggregate on its way up.
struct Hoisted<'a> {
    /// The column it is over, as the spread's subquery names it.
    name: Cow<'a, str>,
    call: AggregateCall<'a>,
    alias: Option<Cow<'a, str>>,
}

/// The columns that a spread gives to its parent.
pub(super) fn spread_columns<'a>(node: &Node<'a>) -> Vec<SpreadColumn<'a>> {
    let plain = |name| SpreadColumn { name, aggregate: None, alias: None };
    let own = node.select.iter().map(|column| plain(column.name()));
    let of_children = node.children.iter().flat_map(|child| match &child.shape {
        Shape::Hidden { .. } => Vec::new(),
        Shape::Object | Shape::Array => vec![plain(Cow::Borrowed(child.key()))],
        Shape::SpreadOne(columns) | Shape::SpreadMany { columns, .. } => columns.clone(),
    });
    own.chain(of_children).collect()
}

impl<'a> Node<'a> {
    /// Moves the aggregates of to-one spreads to the nearest level that is a row of its own:
    /// inside the spread they would aggregate one row.
    pub(super) fn hoist_aggregates(&mut self) {
        for child in &mut self.children {
            let hoisted = child.lift_aggregates();
            if let Shape::SpreadOne(columns) | Shape::SpreadMany { columns, .. } = &mut child.shape {
                for column in columns {
                    if let Some(found) = hoisted.iter().find(|hoisted| hoisted.name == column.name) {
                        column.aggregate = Some(found.call);
                        column.alias.clone_from(&found.alias);
                    }
                }
            }
        }
    }

    /// Sorts the arrays of to-many spreads instead of the rows they are made of.
    ///
    /// # Errors
    ///
    /// Aggregates inside such a spread.
    pub(super) fn sort_spreads(&mut self) -> Result<(), Error> {
        for child in &mut self.children {
            let is_grouped = child.node.is_grouped();
            if let Shape::SpreadMany { sort_columns, .. } = &mut child.shape {
                if is_grouped {
                    return Err(Error::NotImplemented(
                        "Aggregates are not implemented for one-to-many or many-to-many spreads.",
                    ));
                }
                for (index, term) in child.node.order.drain(..).enumerate() {
                    let alias = format!("{}_{}_{}", child.lateral, term.field.name, index + 1);
                    sort_columns.push(SortColumn { term, alias });
                }
            }
            child.node.sort_spreads()?;
        }
        Ok(())
    }
}

impl<'a> Embed<'a> {
    fn lift_aggregates(&mut self) -> Vec<Hoisted<'a>> {
        if !matches!(self.shape, Shape::SpreadOne(_)) {
            self.node.hoist_aggregates();
            return Vec::new();
        }
        let mut lifted: Vec<_> = self.node.select.iter_mut().filter_map(lift).collect();
        for child in &mut self.node.children {
            lifted.extend(child.lift_aggregates());
        }
        lifted
    }
}

fn lift<'a>(column: &mut SelectColumn<'a>) -> Option<Hoisted<'a>> {
    let call = column.aggregate.take()?;
    Some(Hoisted { name: column.name(), call, alias: column.alias.clone() })
}
