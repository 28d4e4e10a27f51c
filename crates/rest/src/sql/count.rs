//! How many rows there are in all, limits aside.

use crate::plan::read::{Embed, Node};
use crate::request::{Count, Range};

use super::column::Scope;
use super::fragment::{Sql, Statement};

/// What is counted of a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// Its rows.
    Rows,
    /// Nothing: a function gives one value, whatever it is.
    One,
}

/// A statement whose plan says how many rows the planner expects.
pub(super) fn planned(tree: &Node<'_>) -> Statement {
    let mut sql = Sql::default();
    sql.push("EXPLAIN (FORMAT JSON) ").matching(tree);
    sql.finish()
}

impl Sql {
    /// The rows of the page.
    pub fn page(&mut self, page: Page) -> &mut Self {
        match page {
            Page::Rows => self.push("count(*)"),
            Page::One => self.push("1::bigint"),
        }
    }

    /// The rows there are in all, where they are to be counted.
    ///
    /// A page that is not full ends where the rows end: then its offset and length are the total,
    /// and the scan for it is never run.
    pub fn total(
        &mut self,
        tree: &Node<'_>,
        page: Page,
        wanted: Option<Count>,
        requested: Range,
        max_rows: Option<u32>,
    ) -> &mut Self {
        if !matches!(wanted, Some(Count::Exact | Count::Estimated)) {
            return self.push("null::bigint");
        }
        if max_rows.is_none() && requested == Range::ALL {
            return self.page(page);
        }
        let shortcut = (page == Page::Rows && rows_are_rows(tree)).then(|| lengths_before_end(tree.range));
        if let Some((shortest, longest)) = shortcut {
            self.push("CASE WHEN ").page(page).push(" >= ").value(shortest.to_string()).push("::bigint");
            if let Some(longest) = longest {
                self.push(" AND ").page(page).push(" <= ").value(longest.to_string()).push("::bigint");
            }
            self.push(" THEN ").page(page).push(" + ").value(tree.range.offset().to_string());
            self.push("::bigint ELSE ");
        }
        self.push("(SELECT count(*) FROM (").matching(tree);
        if let (Some(Count::Estimated), Some(most)) = (wanted, max_rows) {
            self.push(" LIMIT ").push(&(u64::from(most) + 1).to_string());
        }
        self.push(") basalt_count)");
        if shortcut.is_some() {
            self.push(" END");
        }
        self
    }

    /// `SELECT 1` for every row of a node that fulfils its conditions and has its inner embeds.
    fn matching(&mut self, node: &Node<'_>) -> &mut Self {
        self.push("SELECT 1").from(node);
        let scope = Scope::of(node);
        let mut keyword = " WHERE ";
        for condition in &node.filters {
            self.push(keyword).condition(scope, condition, &mut |sql, index, is_empty| {
                if let Some(child) = node.children.get(index) {
                    sql.push(if is_empty { "NOT " } else { "" }).exists(child);
                }
            });
            keyword = " AND ";
        }
        for join in &node.joins {
            self.push(keyword).join_on(join);
            keyword = " AND ";
        }
        for child in node.children.iter().filter(|child| child.inner) {
            self.push(keyword).exists(child);
            keyword = " AND ";
        }
        self
    }

    fn exists(&mut self, child: &Embed<'_>) {
        self.push("EXISTS (").matching(&child.node).push(")");
    }
}

/// The least and greatest length of a page that is the last one.
fn lengths_before_end(range: Range) -> (i64, Option<i64>) {
    // An empty page at the start means that there is nothing; further on it says nothing.
    let shortest = i64::from(range.offset() > 0);
    (shortest, range.limit().map(|limit| limit.saturating_sub(1)))
}

/// A row of the page is a row of the relation: none is made of several, none repeated by what it is
/// joined to, and none dropped because a limit on an embed left it without one.
fn rows_are_rows(tree: &Node<'_>) -> bool {
    let repeats = |child: &Embed<'_>| child.relationship.is_to_one() && !child.is_unique();
    !tree.is_grouped() && !tree.children.iter().any(repeats) && !has_cut(tree)
}

/// Some embed starts late or is empty on purpose.
fn has_cut(node: &Node<'_>) -> bool {
    node.children.iter().any(|child| {
        let range = child.node.range;
        range.offset() != 0 || range.limit().is_some_and(|limit| limit < 1) || has_cut(&child.node)
    })
}
