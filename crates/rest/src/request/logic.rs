//! Logic trees: `and=(a.eq.1,or(b.eq.2,c.eq.3))`.

use super::filter::Filter;

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
