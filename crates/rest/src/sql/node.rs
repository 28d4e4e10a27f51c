//! The query of one node, the nodes below it joined in.

use crate::plan::Render;
use crate::plan::read::{Embed, Node, Shape, SortColumn, Source};
use crate::request::Range;

use super::column::Scope;
use super::fragment::Sql;

/// Rows of the largest page whose limit stands in the statement.
const LARGEST_PAGE: i64 = 1000;

/// What embeds are built as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `json`: the cheaper one.
    Json,
    /// `jsonb`: values can be compared, so rows can be grouped by them; its text is the one that
    /// clients of CSV and of the database's own handlers know.
    Jsonb,
}

impl Form {
    /// The form that all embeds of a tree need.
    pub fn of(tree: &Node<'_>, render: &Render<'_>) -> Self {
        let is_text = matches!(render, Render::Csv | Render::Custom { .. });
        if is_text || tree.has_groups() { Self::Jsonb } else { Self::Json }
    }

    fn cast(self) -> &'static str {
        match self {
            Self::Json => "",
            Self::Jsonb => "::jsonb",
        }
    }
}

impl Sql {
    pub fn node(&mut self, node: &Node<'_>, form: Form) -> &mut Self {
        self.node_with(node, &[], form)
    }

    /// The columns of a node, where its rows are in scope.
    pub fn columns_of(&mut self, node: &Node<'_>, form: Form) -> &mut Self {
        self.push("SELECT ").select_list(node, &[], form);
        self
    }

    /// What a node reads from, the nodes below it joined in.
    pub fn sources(&mut self, node: &Node<'_>, form: Form) -> &mut Self {
        self.from(node);
        for child in &node.children {
            self.join(child, form);
        }
        self
    }

    fn node_with(&mut self, node: &Node<'_>, sort_columns: &[SortColumn<'_>], form: Form) -> &mut Self {
        self.push("SELECT ");
        // By position: a name could mean a column of the relation instead of the answer's.
        let groups = self.select_list(node, sort_columns, form);
        self.sources(node, form).conditions(node);
        if node.is_grouped() && !groups.is_empty() {
            self.push(" GROUP BY ").list(", ", groups, |sql, position| {
                sql.push(&position.to_string());
            });
        }
        self.order_by(node).limit(node.range)
    }

    /// The columns; returns the positions of those that are no aggregates.
    fn select_list(&mut self, node: &Node<'_>, sort_columns: &[SortColumn<'_>], form: Form) -> Vec<usize> {
        let scope = Scope::of(node);
        let mut list = List::default();
        if node.select.is_empty() && node.children.is_empty() {
            // Which columns these are matters to nobody: whoever embeds this selects none of them.
            list.next(self, false).column(scope, "*");
        }
        for column in &node.select {
            list.next(self, column.aggregate.is_some()).select_column(scope, column);
        }
        for SortColumn { term, alias } in sort_columns {
            let of_child = term.child.and_then(|index| node.children.get(index));
            let scope = of_child.map_or(scope, |child| Scope::Alias(&child.lateral));
            list.next(self, false).field(scope, &term.field).named(Some(alias));
        }
        for child in &node.children {
            match &child.shape {
                Shape::Hidden { .. } => {}
                Shape::Object => {
                    list.next(self, false).push("row_to_json(").name(&child.lateral);
                    self.push(".*)").push(form.cast()).named(Some(child.key()));
                }
                Shape::Array => {
                    list.next(self, false).push("coalesce(");
                    self.column(Scope::Alias(&child.lateral), &child.lateral).push(", '[]')");
                    self.named(Some(child.key()));
                }
                Shape::SpreadOne(columns) | Shape::SpreadMany { columns, .. } => {
                    for column in columns {
                        list.next(self, column.aggregate.is_some()).spread_column(&child.lateral, column);
                    }
                }
            }
        }
        list.groups
    }

    /// ` FROM …` with the junction, if there is one.
    pub fn from(&mut self, node: &Node<'_>) -> &mut Self {
        self.push(" FROM ");
        match &node.source {
            Source::Relation(name) | Source::Through(name, _) => self.qualified(name),
            Source::Statement => self.name(super::SOURCE),
            Source::Computed { function, parent, parent_type } => {
                self.qualified(function).push("(").name(parent).push("::");
                self.qualified(parent_type).push(")")
            }
        };
        self.named(node.alias.as_deref());
        if let Source::Through(_, junction) = &node.source {
            self.push(", ").qualified(&junction.table);
        }
        self
    }

    fn join(&mut self, child: &Embed<'_>, form: Form) {
        self.push(if child.inner { " INNER JOIN LATERAL (" } else { " LEFT JOIN LATERAL (" });
        let lateral = &child.lateral;
        match &child.shape {
            Shape::Object | Shape::SpreadOne(_) | Shape::Hidden { many: false } => {
                self.node(&child.node, form);
            }
            Shape::Array => {
                self.push("SELECT json_agg(").name(lateral).push(")").push(form.cast());
                self.named(Some(lateral)).push(" FROM (").node(&child.node, form).push(")");
                self.named(Some(lateral));
            }
            Shape::Hidden { many: true } => {
                self.push("SELECT ").any_rows(lateral);
                self.push(" FROM (").node(&child.node, form).push(")").named(Some(lateral));
            }
            Shape::SpreadMany { columns, sort_columns } => {
                self.push("SELECT ").any_rows(lateral);
                for column in columns {
                    self.push(", coalesce(json_agg(").column(Scope::Alias(lateral), &column.name);
                    self.array_order(lateral, sort_columns);
                    self.push("), '[]')").push(form.cast()).named(Some(&column.name));
                }
                self.push(" FROM (").node_with(&child.node, sort_columns, form).push(")");
                self.named(Some(lateral));
            }
        }
        self.push(")").named(Some(lateral)).push(" ON ");
        match (child.inner, &child.shape) {
            (true, Shape::Array | Shape::Hidden { many: true } | Shape::SpreadMany { .. }) => {
                self.column(Scope::Alias(lateral), lateral).push(" IS NOT NULL")
            }
            _ => self.push("TRUE"),
        };
    }

    /// A column that is null if there are no rows. It bears the subquery's own name, so that one
    /// name tests a row or an array.
    fn any_rows(&mut self, lateral: &str) {
        self.push("nullif(count(*), 0)").named(Some(lateral));
    }

    fn array_order(&mut self, lateral: &str, sort_columns: &[SortColumn<'_>]) {
        if sort_columns.is_empty() {
            return;
        }
        self.push(" ORDER BY ").list(", ", sort_columns, |sql, SortColumn { term, alias }| {
            sql.column(Scope::Alias(lateral), alias).direction(term);
        });
    }

    /// ` WHERE …`, or nothing.
    pub fn conditions(&mut self, node: &Node<'_>) {
        let joins = node.joins.as_slice();
        if node.filters.is_empty() && joins.is_empty() {
            return;
        }
        let scope = Scope::of(node);
        self.push(" WHERE ").list(" AND ", &node.filters, |sql, condition| {
            sql.condition(scope, condition, &mut |sql, index, is_empty| {
                if let Some(child) = node.children.get(index) {
                    sql.joined(child, is_empty);
                }
            });
        });
        if !node.filters.is_empty() && !joins.is_empty() {
            self.push(" AND ");
        }
        self.list(" AND ", joins, |sql, join| sql.join_on(join));
    }

    /// A limit.
    ///
    /// The planner has to see it: of a parameter it believes that it is a tenth of all rows. It plans
    /// for so many and, as that looks expensive, plans again with every request. A limit that no
    /// page has is a parameter nevertheless, so that the statements of one shape are few.
    pub fn number_of_rows(&mut self, rows: i64) -> &mut Self {
        match rows {
            0..=LARGEST_PAGE => self.push(&rows.to_string()),
            _ => self.value(rows.to_string()),
        }
    }

    pub fn limit(&mut self, range: Range) -> &mut Self {
        if let Some(limit) = range.limit() {
            self.push(" LIMIT ").number_of_rows(limit);
        }
        if range.offset() != 0 {
            self.push(" OFFSET ").value(range.offset().to_string());
        }
        self
    }
}

/// A list of columns under construction.
#[derive(Default)]
struct List {
    length: usize,
    groups: Vec<usize>,
}

impl List {
    fn next<'s>(&mut self, sql: &'s mut Sql, is_aggregate: bool) -> &'s mut Sql {
        if self.length > 0 {
            sql.push(", ");
        }
        self.length += 1;
        if !is_aggregate {
            self.groups.push(self.length);
        }
        sql
    }
}
