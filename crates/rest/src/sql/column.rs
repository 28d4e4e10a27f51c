//! Columns: with their path, cast, aggregate and name in the answer.

use crate::plan::field::{Field, SelectColumn};
use crate::plan::read::{AggregateCall, Node, OrderBy, Qualifier, Source, SpreadColumn};
use crate::request::{Direction, JsonOperand, JsonStep, Nulls};

use super::fragment::Sql;

/// What the columns of a node are qualified with.
#[derive(Clone, Copy)]
pub(super) enum Scope<'s> {
    /// A relation under its own name.
    Relation(&'s crate::schema::QualifiedName),
    /// A name given in the statement.
    Alias(&'s str),
}

impl<'s> Scope<'s> {
    pub fn of(node: &'s Node<'_>) -> Self {
        match (&node.alias, &node.source) {
            (Some(alias), _) => Self::Alias(alias),
            (None, Source::Relation(name) | Source::Through(name, _)) => Self::Relation(name),
            (None, Source::Computed { function, .. }) => Self::Alias(&function.name),
            (None, Source::Statement) => Self::Alias(super::SOURCE),
        }
    }

    pub fn of_qualifier(qualifier: &'s Qualifier<'_>) -> Self {
        match qualifier {
            Qualifier::Relation(name) => Self::Relation(name),
            Qualifier::Alias(alias) => Self::Alias(alias),
        }
    }
}

impl Sql {
    pub fn scope(&mut self, scope: Scope<'_>) -> &mut Self {
        match scope {
            Scope::Relation(name) => self.qualified(name),
            Scope::Alias(alias) => self.name(alias),
        }
    }

    /// `scope.column`, or `scope.*`.
    pub fn column(&mut self, scope: Scope<'_>, column: &str) -> &mut Self {
        self.scope(scope).push(".");
        if column == "*" { self.push("*") } else { self.name(column) }
    }

    /// A field without its transformation.
    pub fn field(&mut self, scope: Scope<'_>, field: &Field<'_>) -> &mut Self {
        if field.whole_row {
            return match scope {
                Scope::Relation(name) => self.name(&name.name),
                Scope::Alias(alias) => self.name(alias),
            };
        }
        if field.to_json {
            self.push("to_jsonb(").column(scope, field.name).push(")");
        } else {
            self.column(scope, field.name);
        }
        for step in field.path {
            self.push(match step {
                JsonStep::Arrow(_) => "->",
                JsonStep::DoubleArrow(_) => "->>",
            });
            match step.operand() {
                JsonOperand::Key(key) => self.value(key.as_str()),
                JsonOperand::Index(index) => self.value(index.as_str()).push("::int"),
            };
        }
        self
    }

    /// A column of the answer with its name.
    pub fn select_column(&mut self, scope: Scope<'_>, column: &SelectColumn<'_>) -> &mut Self {
        self.aggregated(column.aggregate, |sql| {
            sql.cast(column.cast, |sql| match column.field.transform {
                Some(function) => {
                    sql.qualified(function).push("(").field(scope, &column.field).push(")");
                }
                None if column.counts_rows() => {
                    sql.push("*");
                }
                None => {
                    sql.field(scope, &column.field);
                }
            });
        });
        self.named(column.alias.as_deref())
    }

    /// A column of a spread, taken up into its parent.
    pub fn spread_column(&mut self, lateral: &str, column: &SpreadColumn<'_>) -> &mut Self {
        self.aggregated(column.aggregate, |sql| {
            sql.column(Scope::Alias(lateral), &column.name);
        });
        self.named(column.alias.as_deref())
    }

    pub fn named(&mut self, alias: Option<&str>) -> &mut Self {
        match alias {
            Some(alias) => self.push(" AS ").name(alias),
            None => self,
        }
    }

    fn cast(&mut self, to: Option<&str>, write: impl FnOnce(&mut Self)) {
        match to {
            Some(to) => {
                self.push("CAST(");
                write(self);
                self.push(" AS ").type_name(to).push(")");
            }
            None => write(self),
        }
    }

    fn aggregated(&mut self, call: Option<AggregateCall<'_>>, write: impl FnOnce(&mut Self)) {
        match call {
            Some(AggregateCall { function, cast }) => self.cast(cast, |sql| {
                sql.push(function.name()).push("(");
                write(sql);
                sql.push(")");
            }),
            None => write(self),
        }
    }

    /// ` ORDER BY …`, or nothing.
    pub fn order_by(&mut self, node: &Node<'_>) -> &mut Self {
        if node.order.is_empty() {
            return self;
        }
        let scope = Scope::of(node);
        self.push(" ORDER BY ").list(", ", &node.order, |sql, term| {
            match term.child.and_then(|index| node.children.get(index)) {
                Some(child) => sql.field(Scope::Alias(&child.lateral), &term.field),
                None => sql.field(scope, &term.field),
            };
            sql.direction(term);
        })
    }

    /// The direction of a term, as far as the request says it.
    pub fn direction(&mut self, term: &OrderBy<'_>) -> &mut Self {
        match term.direction {
            Some(Direction::Asc) => self.push(" ASC"),
            Some(Direction::Desc) => self.push(" DESC"),
            None => self,
        };
        match term.nulls {
            Some(Nulls::First) => self.push(" NULLS FIRST"),
            Some(Nulls::Last) => self.push(" NULLS LAST"),
            None => self,
        }
    }
}
