//! The tree of a read: one node per level of the answer.

use std::borrow::Cow;

use super::field::{Field, SelectColumn};
use super::keyset::Bound;
use super::{KeysetPlan, Output, Planner};
use crate::error::Error;
use crate::request::{Aggregate, Direction, LogicOperator, Nulls, OpExpr, Range};
use crate::schema::{Junction, QualifiedName, Relationship, Table};

/// Rows of a relation.
#[derive(Clone, Debug)]
pub(crate) struct ReadPlan<'a> {
    /// The relation.
    pub table: &'a Table,
    /// The answer's shape.
    pub tree: Node<'a>,
    /// The answer's form.
    pub output: Output<'a>,
    /// True for HEAD.
    pub headers_only: bool,
    /// The page is continued by the key of its last row.
    pub keyset: Option<KeysetPlan>,
}

/// One level of the answer.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    /// Where its rows come from.
    pub source: Source<'a>,
    /// The name its columns are qualified with, unless it is the relation's own.
    pub alias: Option<String>,
    /// Its own columns; empty selects none, unless there are no children either.
    pub select: Vec<SelectColumn<'a>>,
    /// What its rows must fulfil, joined by AND.
    pub filters: Vec<Condition<'a>>,
    /// Equalities that tie its rows to the parent's.
    pub joins: Vec<JoinOn<'a>>,
    /// How its rows are sorted.
    pub order: Vec<OrderBy<'a>>,
    /// Which of its rows are wanted.
    pub range: Range,
    /// The embeds in it, in the order of the request.
    pub children: Vec<Embed<'a>>,
}

/// What a node reads from.
#[derive(Clone, Debug)]
pub(crate) enum Source<'a> {
    /// A relation.
    Relation(&'a QualifiedName),
    /// The rows of the write or call that the statement begins with.
    Statement,
    /// A relation joined through a junction, both under their own names.
    Through(&'a QualifiedName, &'a Junction),
    /// A function of the parent's row.
    Computed {
        /// The function.
        function: &'a QualifiedName,
        /// The parent's name in the statement.
        parent: Cow<'a, str>,
        /// The parent's row type; the cast picks the overload.
        parent_type: &'a QualifiedName,
    },
}

/// A node inside another.
#[derive(Clone, Debug)]
pub(crate) struct Embed<'a> {
    /// The rows of the child.
    pub node: Node<'a>,
    /// What relates them to the parent's.
    pub relationship: &'a Relationship,
    /// The relation or relationship as the request names it.
    pub relation: &'a str,
    /// Its alias in the request.
    pub alias: Option<&'a str>,
    /// The name of the joined subquery.
    pub lateral: String,
    /// Parents without a match are dropped.
    pub inner: bool,
    /// What the parent makes of it.
    pub shape: Shape<'a>,
    /// It was addressed by the relation's name although it has an alias.
    pub legacy_name: bool,
}

impl<'a> Embed<'a> {
    /// The key in the answer, and the name in paths.
    pub fn key(&self) -> &'a str {
        self.alias.unwrap_or(self.relation)
    }

    /// A key of a table allows no second row. A view may repeat rows, a function may lie.
    pub fn is_unique(&self) -> bool {
        let by_key = self.relationship.is_to_one() && self.relationship.link().is_some();
        by_key && !self.relationship.foreign_table_is_view
    }
}

/// What a parent makes of an embed.
#[derive(Clone, Debug)]
pub(crate) enum Shape<'a> {
    /// An object under its own key.
    Object,
    /// An array under its own key.
    Array,
    /// Joined for its effect on the parent's rows; selects nothing.
    Hidden {
        /// Whether it could have had several rows.
        many: bool,
    },
    /// Its columns become the parent's.
    SpreadOne(Vec<SpreadColumn<'a>>),
    /// Each of its columns becomes an array in the parent.
    SpreadMany {
        /// The columns.
        columns: Vec<SpreadColumn<'a>>,
        /// Columns selected only to sort by.
        sort_columns: Vec<SortColumn<'a>>,
    },
}

/// A column of a spread as the parent sees it.
#[derive(Clone, Debug)]
pub(crate) struct SpreadColumn<'a> {
    /// Its name in the subquery; `*` for all.
    pub name: Cow<'a, str>,
    /// An aggregate that the parent applies.
    pub aggregate: Option<AggregateCall<'a>>,
    /// The key in the parent, if not `name`.
    pub alias: Option<Cow<'a, str>>,
}

/// An aggregate with the cast of its result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AggregateCall<'a> {
    /// The function.
    pub function: Aggregate,
    /// The type its result is cast to.
    pub cast: Option<&'a str>,
}

/// A term that sorts the arrays of a spread.
#[derive(Clone, Debug)]
pub(crate) struct SortColumn<'a> {
    /// What is sorted by, in terms of the child.
    pub term: OrderBy<'a>,
    /// Its name in the subquery.
    pub alias: String,
}

/// A condition on rows.
#[derive(Clone, Debug)]
pub(crate) enum Condition<'a> {
    /// Several, joined.
    Group {
        /// True after `not.`.
        negated: bool,
        /// What joins them.
        operator: LogicOperator,
        /// The joined conditions.
        children: Vec<Condition<'a>>,
    },
    /// One on a field.
    Filter {
        /// The field.
        field: Field<'a>,
        /// The operation.
        expr: &'a OpExpr,
        /// The field is turned into a tsvector first.
        to_tsvector: bool,
    },
    /// After the row with these values, in the order of the rows.
    After(Vec<Bound<'a>>),
    /// Whether an embed has rows.
    Embedded {
        /// Index into the node's children.
        child: usize,
        /// True if it must have none.
        is_empty: bool,
    },
}

/// A term of a sort order.
#[derive(Clone, Debug)]
pub(crate) struct OrderBy<'a> {
    /// The to-one embed whose column it is: index into the node's children.
    pub child: Option<usize>,
    /// The field.
    pub field: Field<'a>,
    /// Ascending or descending, if said.
    pub direction: Option<Direction>,
    /// Where nulls go, if said.
    pub nulls: Option<Nulls>,
}

/// An equality between two columns.
#[derive(Clone, Debug)]
pub(crate) struct JoinOn<'a> {
    /// A column of the child or the junction.
    pub left: (Qualifier<'a>, &'a str),
    /// A column of the parent or the junction.
    pub right: (Qualifier<'a>, &'a str),
}

/// What stands before a column's name.
#[derive(Clone, Debug)]
pub(crate) enum Qualifier<'a> {
    /// A relation under its own name.
    Relation(&'a QualifiedName),
    /// A name given in the statement.
    Alias(Cow<'a, str>),
}

impl Node<'_> {
    /// Rows are grouped: some column is an aggregate, its own or one hoisted from a spread.
    pub fn is_grouped(&self) -> bool {
        self.select.iter().any(|column| column.aggregate.is_some())
            || self.children.iter().any(|child| match &child.shape {
                Shape::SpreadOne(columns) | Shape::SpreadMany { columns, .. } => {
                    columns.iter().any(|column| column.aggregate.is_some())
                }
                _ => false,
            })
    }

    /// Some level groups its rows.
    pub fn has_groups(&self) -> bool {
        self.is_grouped() || self.children.iter().any(|child| child.node.has_groups())
    }

    /// All columns and nothing else.
    pub fn is_default_select(&self) -> bool {
        match self.select.as_slice() {
            [only] => only.field.name == "*" && self.children.is_empty(),
            _ => false,
        }
    }

    /// (relation, alias) of the embeds that were addressed by a name that an alias hides.
    pub fn legacy_names(&self) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        for child in &self.children {
            if let (true, Some(alias)) = (child.legacy_name, child.alias) {
                found.push((child.relation, alias));
            }
            found.extend(child.node.legacy_names());
        }
        found
    }
}

impl<'a> Planner<'a> {
    pub(super) fn read(self, table: &'a Table, headers_only: bool) -> Result<ReadPlan<'a>, Error> {
        let mut tree = self.tree(&table.name)?;
        let output = self.negotiate(&table.name, tree.is_default_select(), true)?;
        let keyset = self.keyset(table, &mut tree, &output)?;
        self.check_preferences(keyset.is_some())?;
        Ok(ReadPlan { table, tree, output, headers_only, keyset })
    }
}
