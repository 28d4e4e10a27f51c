//! The clauses of a query string, hung on the embeds they belong to.

use super::Planner;
use crate::error::Error;
use crate::request::{Action, EmbedItem, Filter, LogicTree, OrderTerm, Range, SelectItem};

/// One level of the answer as the request spells it, nothing looked up yet.
pub(super) struct Draft<'a> {
    /// The entry of the parent's `select`; none for the root.
    pub item: Option<&'a EmbedItem>,
    /// The columns and embeds wanted.
    pub select: &'a [SelectItem],
    pub filters: Vec<&'a Filter>,
    pub logic: Vec<&'a LogicTree>,
    pub order: &'a [OrderTerm],
    pub range: Range,
    pub children: Vec<Draft<'a>>,
    /// Addressed by the relation's name although it has an alias.
    pub legacy_name: bool,
}

impl<'a> Draft<'a> {
    fn new(item: Option<&'a EmbedItem>, select: &'a [SelectItem]) -> Self {
        let children = select.iter().filter_map(|item| match item {
            SelectItem::Embed(embed) => Some(Self::new(Some(embed), &embed.select)),
            SelectItem::Column(_) => None,
        });
        Self {
            item,
            select,
            filters: Vec::new(),
            logic: Vec::new(),
            order: &[],
            range: Range::ALL,
            children: children.collect(),
            legacy_name: false,
        }
    }

    /// The level that a path leads to.
    fn at(&mut self, path: &[String], legacy_target_names: bool) -> Result<&mut Self, Error> {
        let Some((name, rest)) = path.split_first() else { return Ok(self) };
        let by_key = |child: &Self| child.key() == Some(name.as_str());
        let by_relation = |child: &Self| child.item.is_some_and(|item| item.relation == *name);
        let found = self
            .children
            .iter()
            .position(|child| by_key(child) || (legacy_target_names && by_relation(child)));
        let hidden_by_alias = self.children.iter().find(|child| by_relation(child));
        let alias = hidden_by_alias.and_then(|child| child.item).and_then(|item| item.alias.clone());
        match found.and_then(|index| self.children.get_mut(index)) {
            Some(child) => {
                child.legacy_name |= child.key() != Some(name.as_str());
                child.at(rest, legacy_target_names)
            }
            None => Err(Error::NotEmbedded { name: name.clone(), alias }),
        }
    }

    /// The alias, or the relation's name.
    fn key(&self) -> Option<&str> {
        self.item.map(|item| item.alias.as_deref().unwrap_or(&item.relation))
    }
}

impl<'a> Planner<'a> {
    /// The tree of `select` with every filter, order, range and logic tree in its place.
    ///
    /// In a write, the root's filters say what is written and its range means nothing. Of several
    /// wrong paths the last is reported, as upstream does.
    pub(super) fn draft(self) -> Result<Draft<'a>, Error> {
        let query = &self.request.query;
        let legacy = self.config.legacy_target_names;
        let is_write = self.is_write();
        let mut root = Draft::new(None, &query.select);
        for (path, filter) in query.filters.iter().rev().filter(|(path, _)| !is_write || !path.is_empty()) {
            root.at(path, legacy)?.filters.push(filter);
        }
        for (path, order) in query.order.iter().rev() {
            root.at(path, legacy)?.order = order;
        }
        if !is_write {
            root.range = self.request.range;
            for (path, range) in query.ranges.iter().rev() {
                root.at(path, legacy)?.range = *range;
            }
        }
        for (path, tree) in query.logic.iter().rev().filter(|(path, _)| !is_write || !path.is_empty()) {
            root.at(path, legacy)?.logic.push(tree);
        }
        root.restore_order();
        Ok(root)
    }

    /// The rows of the statement's own write or call are the root's rows.
    pub(super) fn reads_statement(self) -> bool {
        matches!(
            self.request.action,
            Action::Mutate { .. } | Action::Call { .. } | Action::RoutineInfo { .. }
        )
    }
}

impl Draft<'_> {
    /// Clauses were hung on from the last to the first.
    fn restore_order(&mut self) {
        self.filters.reverse();
        self.logic.reverse();
        self.children.iter_mut().for_each(Self::restore_order);
    }
}
