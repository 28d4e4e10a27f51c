//! The rows after one, and the key of the last.

use crate::plan::keyset::Bound;
use crate::plan::read::Node;

use super::ROWS;
use super::column::Scope;
use super::fragment::Sql;
use super::node::Form;

/// A row's values in the order of the rows.
const KEY: &str = "basalt_key";

impl Sql {
    /// The query of the root, each row beside its key.
    pub fn keyed_node(&mut self, node: &Node<'_>, form: Form) -> &mut Self {
        let scope = Scope::of(node);
        self.push("SELECT ").push(ROWS).push(", json_build_array(");
        self.list(", ", &node.order, |sql, term| {
            sql.push("(").field(scope, &term.field).push(")::text");
        });
        self.push(")::text AS ").push(KEY).sources(node, form);
        self.push(" CROSS JOIN LATERAL (").columns_of(node, form).push(") ").push(ROWS);
        self.conditions(node);
        self.order_by(node).limit(node.range)
    }

    /// The key of the last row of the page.
    pub fn last_key(&mut self) -> &mut Self {
        self.push("(array_agg(").push(KEY).push("))[count(*)]")
    }

    /// Whether a row comes after the one with these values.
    ///
    /// One comparison of rows says it, and an index can begin there, if all terms run the same way
    /// and no null comes after a value. Else term by term: beyond the first, or equal in it and
    /// beyond the second, and so on; an index can begin at the first one's value.
    pub fn after(&mut self, scope: Scope<'_>, bounds: &[Bound<'_>]) {
        let Some(first) = bounds.first() else {
            self.push("true");
            return;
        };
        let runs_alike = bounds.iter().all(|bound| bound.descending == first.descending);
        if runs_alike && bounds.iter().all(Bound::is_followed_by_values) {
            self.push("ROW(").list(", ", bounds, |sql, bound| {
                sql.field(scope, &bound.field);
            });
            self.push(") ").push(first.beyond()).push(" ROW(").list(", ", bounds, |sql, bound| {
                sql.bound(bound);
            });
            self.push(")");
            return;
        }
        self.push("(");
        if first.is_followed_by_values() {
            self.field(scope, &first.field).push(" ").push(first.beyond()).push("= ").bound(first);
            self.push(" AND ");
        }
        self.beyond(scope, bounds);
        self.push(")");
    }

    fn beyond(&mut self, scope: Scope<'_>, bounds: &[Bound<'_>]) {
        let Some((bound, rest)) = bounds.split_first() else {
            self.push("false");
            return;
        };
        self.push("(").strictly_beyond(scope, bound).push(" OR (").field(scope, &bound.field);
        match bound.value {
            Some(_) => self.push(" = ").bound(bound),
            None => self.push(" IS NULL"),
        };
        self.push(" AND ");
        self.beyond(scope, rest);
        self.push("))");
    }

    fn strictly_beyond(&mut self, scope: Scope<'_>, bound: &Bound<'_>) -> &mut Self {
        match (bound.value, bound.nulls_first) {
            (None, false) => self.push("false"),
            (None, true) => self.field(scope, &bound.field).push(" IS NOT NULL"),
            (Some(_), _) => {
                self.field(scope, &bound.field).push(" ").push(bound.beyond()).push(" ").bound(bound);
                if !bound.is_followed_by_values() {
                    self.push(" OR ").field(scope, &bound.field).push(" IS NULL");
                }
                self
            }
        }
    }

    fn bound(&mut self, bound: &Bound<'_>) -> &mut Self {
        match bound.value {
            Some(value) => self.value(value),
            None => self.push("NULL"),
        }
    }
}

impl Bound<'_> {
    /// What follows a value is greater, or less.
    fn beyond(&self) -> &'static str {
        if self.descending { "<" } else { ">" }
    }

    /// It is a value, and no null comes after it.
    fn is_followed_by_values(&self) -> bool {
        self.value.is_some() && (self.nulls_first || !self.is_nullable)
    }
}
