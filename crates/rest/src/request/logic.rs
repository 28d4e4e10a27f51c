//! Logic trees: `and=(a.eq.1,or(b.eq.2,c.eq.3))`.

use super::cursor::{Cursor, MAX_DEPTH, Parsed};
use super::filter::{Filter, expression, inner_value, negation};
use super::name::{delimiter, field, mark, name};
use super::query::EmbedPath;

/// A boolean expression over filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogicTree {
    /// Several expressions, joined; never empty.
    Node {
        /// True after `not.`.
        negated: bool,
        /// What joins the children.
        operator: LogicOperator,
        /// The joined expressions.
        children: Vec<LogicTree>,
    },
    /// One filter.
    Leaf(Filter),
}

/// What joins the parts of a logic tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogicOperator {
    /// `and`
    And,
    /// `or`
    Or,
}

/// One node: a filter, or `not.and(…)`.
pub(super) fn tree(cursor: &mut Cursor<'_>) -> Parsed<LogicTree> {
    tree_at(cursor, 0)
}

fn tree_at(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<LogicTree> {
    if depth > MAX_DEPTH {
        return Err(cursor.fail("the nesting is too deep"));
    }
    cursor.either(
        |cursor| cursor.attempt(leaf).map(LogicTree::Leaf),
        |cursor| {
            let negated = cursor.label("negation operator (not)", |cursor| cursor.maybe(negation))?.is_some();
            let operator = cursor.label("logic operator (and, or)", |cursor| {
                cursor.keyword(&[("and", LogicOperator::And), ("or", LogicOperator::Or)])
            })?;
            mark(cursor, '(')?;
            let children =
                cursor.separated(|cursor| tree_at(cursor, depth + 1), |cursor| mark(cursor, ','))?;
            mark(cursor, ')')?;
            Ok(LogicTree::Node { negated, operator, children })
        },
    )
}

fn leaf(cursor: &mut Cursor<'_>) -> Parsed<Filter> {
    let field = field(cursor)?;
    delimiter(cursor)?;
    let expr = expression(cursor, inner_value)?;
    Ok(Filter { field, expr })
}

/// `embed.not.or`: the left side of a tree, as the embed and the head of the tree.
pub(super) fn path(cursor: &mut Cursor<'_>) -> Parsed<(EmbedPath, String)> {
    let mut names = cursor.separated(name, delimiter)?;
    let operator = names.pop().unwrap_or_default();
    let negated = operator == "not" || names.iter().any(|name| name == "not");
    names.retain(|name| name != "not");
    Ok((names, if negated { format!("not.{operator}") } else { operator }))
}

#[cfg(test)]
#[path = "logic/tests.rs"]
mod tests;
