//! Columns as the request names them, resolved to what the cache knows of their types.
//!
//! A column that the cache does not know is no error in a read: it may be a function of the row,
//! which the database finds by the same spelling, or else refuses.

use std::borrow::Cow;

use super::read::{AggregateCall, Condition, OrderBy};
use crate::request::{
    Aggregate, ColumnItem, Filter, JsonOperand, JsonStep, LogicTree, OpExpr, Operation, OrderTerm, select,
};
use crate::schema::{Column, QualifiedName, SchemaCache, Table};

/// A column, or a place inside its JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// The column; `*` for all.
    pub name: &'a str,
    /// The place inside; empty for the column itself.
    pub path: &'a [JsonStep],
    /// The column is no JSON: it is converted before the path applies.
    pub to_json: bool,
    /// A function between the column's domain and the form outside the database.
    pub transform: Option<&'a QualifiedName>,
    /// Stands for the row itself: what `count()` counts in a spread.
    pub whole_row: bool,
}

impl<'a> Field<'a> {
    /// A column without anything known of it.
    pub(super) fn plain(name: &'a str, path: &'a [JsonStep]) -> Self {
        Self { name, path, to_json: !path.is_empty(), transform: None, whole_row: false }
    }

    /// The last key of the path; the column if the path is of indexes only.
    fn last_key(&self) -> &'a str {
        let keys = self.path.iter().rev().filter_map(|step| match step.operand() {
            JsonOperand::Key(key) => Some(key.as_str()),
            JsonOperand::Index(_) => None,
        });
        keys.into_iter().next().unwrap_or(self.name)
    }
}

/// A column of the answer.
#[derive(Clone, Debug)]
pub(crate) struct SelectColumn<'a> {
    /// The column.
    pub field: Field<'a>,
    /// The type it is cast to.
    pub cast: Option<&'a str>,
    /// The aggregate over it.
    pub aggregate: Option<AggregateCall<'a>>,
    /// The key in the answer, if not the one that SQL gives it.
    pub alias: Option<Cow<'a, str>>,
}

impl<'a> SelectColumn<'a> {
    /// `count()` of the level's own rows.
    pub fn counts_rows(&self) -> bool {
        let counts = self.aggregate.is_some_and(|call| call.function == Aggregate::Count);
        counts && self.field.name == "*" && !self.field.whole_row
    }

    /// What the column is called one level up.
    pub fn name(&self) -> Cow<'a, str> {
        self.alias.clone().unwrap_or(Cow::Borrowed(self.field.name))
    }
}

/// A column that a body gives values for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The column.
    pub column: &'a Column,
    /// A function from JSON to the column's domain.
    pub transform: Option<&'a QualifiedName>,
}

impl<'a> Target<'a> {
    pub(super) fn of(column: &'a Column, cache: &'a SchemaCache) -> Self {
        Self { column, transform: cache.representation("json", &column.nominal_type) }
    }

    /// The type the value is read from the body as.
    pub fn body_type(&self) -> &'a str {
        if self.transform.is_some() { "json" } else { &self.column.nominal_type }
    }
}

/// Resolves the fields of one relation.
#[derive(Clone, Copy)]
pub(super) struct ResolveField<'a> {
    /// The relation, if the cache knows it.
    pub table: Option<&'a Table>,
    /// For representations.
    pub cache: &'a SchemaCache,
}

impl<'a> ResolveField<'a> {
    fn column(self, name: &str) -> Option<&'a Column> {
        self.table.and_then(|table| table.column(name))
    }

    fn field(self, field: &'a select::Field) -> Field<'a> {
        let mut resolved = Field::plain(&field.name, &field.path);
        if resolved.to_json && self.column(&field.name).is_some_and(|column| is_json(&column.nominal_type)) {
            resolved.to_json = false;
        }
        resolved
    }

    /// A column of the answer. In a spread an aggregate is named after its function, because the
    /// level above has to refer to it.
    pub fn select(self, item: &'a ColumnItem, in_spread: bool) -> SelectColumn<'a> {
        let mut field = self.field(&item.field);
        field.transform = self
            .column(field.name)
            .and_then(|column| self.cache.representation(&column.nominal_type, "json"));
        let alias = match (&item.alias, item.aggregate) {
            (Some(alias), _) => Some(alias.as_str()),
            (None, Some(aggregate)) => in_spread.then(|| aggregate.name()),
            (None, None) if !field.path.is_empty() => Some(field.last_key()),
            (None, None) => field.transform.map(|_| field.name),
        };
        SelectColumn {
            field,
            cast: item.cast.as_deref(),
            aggregate: item
                .aggregate
                .map(|function| AggregateCall { function, cast: item.aggregate_cast.as_deref() }),
            alias: alias.map(Cow::Borrowed),
        }
    }

    /// All columns of the relation, each by name.
    pub fn all_columns(self) -> impl Iterator<Item = SelectColumn<'a>> {
        let columns = self.table.map(|table| table.columns.as_slice()).unwrap_or_default();
        columns.iter().map(move |column| {
            let mut field = Field::plain(&column.name, &[]);
            field.transform = self.cache.representation(&column.nominal_type, "json");
            let alias = field.transform.map(|_| Cow::Borrowed(field.name));
            SelectColumn { field, cast: None, aggregate: None, alias }
        })
    }

    /// Some column of the relation has a form of its own in JSON.
    pub fn has_representations(self) -> bool {
        self.all_columns().any(|column| column.field.transform.is_some())
    }

    pub fn filter(self, filter: &'a Filter) -> Condition<'a> {
        let mut field = self.field(&filter.field);
        let column = self.column(field.name);
        field.transform = column.and_then(|column| self.cache.representation("text", &column.nominal_type));
        // A function of the row is taken to give a tsvector already.
        let is_text = column.is_some_and(|column| &*column.data_type != "tsvector");
        Condition::Filter { field, expr: &filter.expr, to_tsvector: is_text && is_search(&filter.expr) }
    }

    pub fn logic(self, tree: &'a LogicTree) -> Condition<'a> {
        match tree {
            LogicTree::Leaf(filter) => self.filter(filter),
            LogicTree::Node { negated, operator, children } => Condition::Group {
                negated: *negated,
                operator: *operator,
                children: children.iter().map(|child| self.logic(child)).collect(),
            },
        }
    }

    /// A sort term on a column of the relation itself, or of the embed `child`.
    pub fn order(self, term: &'a OrderTerm, child: Option<usize>) -> OrderBy<'a> {
        let field = match child {
            Some(_) => Field::plain(&term.field.name, &term.field.path),
            None => self.field(&term.field),
        };
        OrderBy { child, field, direction: term.direction, nulls: term.nulls }
    }
}

fn is_json(data_type: &str) -> bool {
    matches!(data_type, "json" | "jsonb")
}

fn is_search(expr: &OpExpr) -> bool {
    matches!(expr.operation, Operation::Fts(..))
}
