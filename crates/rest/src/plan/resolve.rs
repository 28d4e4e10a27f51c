//! From the tree as the request spells it to the tree of a read: relationships found, columns
//! resolved, joins and names laid down.

use std::borrow::Cow;

use super::Planner;
use super::field::{ResolveField, SelectColumn};
use super::read::{Condition, Embed, JoinOn, Node, OrderBy, Qualifier, Shape, Source};
use super::spread::spread_columns;
use super::tree::Draft;
use crate::error::{Error, QueryError};
use crate::request::{
    Aggregate, IsValue, JoinType, LogicTree, OpExpr, Operation, OrderTerm, Range, SelectItem,
};
use crate::schema::{QualifiedName, Relationship, RelationshipKind};

/// The most columns of all levels together. A few stars stand for very many, and what a spread selects
/// is selected again by each level above it.
const MAX_COLUMNS: usize = 50_000;

/// The columns that a request may still ask for.
struct Room(usize);

impl Room {
    fn take(&mut self, columns: usize) -> Result<(), Error> {
        self.0 = self.0.checked_sub(columns).ok_or_else(|| {
            Error::Query(QueryError {
                message: "\"failed to parse select parameter\" (line 1, column 1)".to_owned(),
                details: format!("the list stands for more than {MAX_COLUMNS} columns"),
            })
        })?;
        Ok(())
    }
}

/// Where a node stands.
struct Place<'p, 'a> {
    /// The relation whose relationships and columns apply.
    relation: &'p QualifiedName,
    source: Source<'a>,
    alias: Option<String>,
    joins: Vec<JoinOn<'a>>,
    /// 0 for the root.
    depth: usize,
    spread: Option<Spread>,
    /// A level above groups its rows, or makes arrays of this one's columns: `*` has to be
    /// spelled out.
    above_needs_names: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    One,
    Many,
}

impl<'a> Planner<'a> {
    /// The tree of the request, whose root is `relation`.
    pub(super) fn tree(self, relation: &QualifiedName) -> Result<Node<'a>, Error> {
        let draft = self.draft()?;
        // A write or call was looked up by this very name, so the cache can lend its own copy.
        let lent = self.cache.table(relation).map(|table| &table.name);
        let (source, alias) = match lent {
            Some(name) if !self.reads_statement() => (Source::Relation(name), None),
            _ => (Source::Statement, Some(relation.name.to_string())),
        };
        let place = Place {
            relation,
            source,
            alias,
            joins: Vec::new(),
            depth: 0,
            spread: None,
            above_needs_names: false,
        };
        let mut tree = self.node(&draft, place, &mut Room(MAX_COLUMNS))?;
        self.check_aggregates(&tree)?;
        tree.hoist_aggregates();
        tree.sort_spreads()?;
        if !self.is_write()
            && let Some(rows) = self.limits.max_rows
        {
            cap_rows(&mut tree, rows.into());
        }
        Ok(tree)
    }

    fn node(self, draft: &Draft<'a>, place: Place<'_, 'a>, room: &mut Room) -> Result<Node<'a>, Error> {
        let table = self.cache.table(place.relation);
        let fields = ResolveField { table, cache: self.cache };
        let mut select: Vec<SelectColumn<'a>> = Vec::with_capacity(draft.select.len());
        for item in draft.select {
            if let SelectItem::Column(item) = item {
                select.push(fields.select(item, place.spread.is_some()));
            }
        }
        let needs_names = place.above_needs_names
            || place.spread == Some(Spread::Many)
            || select.iter().any(|column| column.aggregate.is_some());
        let mut children = Vec::with_capacity(draft.children.len());
        for child in &draft.children {
            children.push(self.embed(child, &place, needs_names, room)?);
        }
        let is_grouped_by_spread = children.iter().any(spreads_aggregates);
        if needs_names || is_grouped_by_spread || (has_star(&select) && fields.has_representations()) {
            select = expand_star(select, fields, place.spread.is_some(), room)?;
        }
        let order = draft
            .order
            .iter()
            .map(|term| order_by(term, fields, place.relation, &children))
            .collect::<Result<_, _>>()?;
        let filters = draft
            .filters
            .iter()
            .map(|filter| fields.filter(filter))
            .chain(draft.logic.iter().map(|tree: &&'a LogicTree| fields.logic(tree)))
            .map(|condition| on_embeds(condition, &children))
            .collect();
        let Place { source, alias, joins, .. } = place;
        Ok(Node { source, alias, select, filters, joins, order, range: draft.range, children })
    }

    fn embed(
        self,
        draft: &Draft<'a>,
        parent: &Place<'_, 'a>,
        above_needs_names: bool,
        room: &mut Room,
    ) -> Result<Embed<'a>, Error> {
        let item = draft.item.ok_or_else(|| Error::Internal("an embed without a name".to_owned()))?;
        let depth = parent.depth + 1;
        if let Some(most) = self.limits.max_embed_depth
            && depth > usize::try_from(most).unwrap_or(usize::MAX)
        {
            return Err(Error::EmbedDepth(most));
        }
        let relationship = self.relationship(parent.relation, item)?;
        let parent_name: Qualifier<'a> = match &parent.alias {
            Some(alias) => Qualifier::Alias(Cow::Owned(alias.clone())),
            None => Qualifier::Relation(&relationship.table),
        };
        let child_name = format!("{}_{depth}", relationship.foreign_table.name);
        let (source, alias, joins) = match &relationship.kind {
            RelationshipKind::Computed { function, .. } => {
                let parent = match parent_name {
                    Qualifier::Alias(alias) => alias,
                    Qualifier::Relation(name) => Cow::Borrowed(&*name.name),
                };
                let source = Source::Computed { function, parent, parent_type: &relationship.table };
                (source, Some(child_name), Vec::new())
            }
            RelationshipKind::ManyToMany(junction) => {
                let joins = join_through(relationship, junction, &parent_name);
                (Source::Through(&relationship.foreign_table, junction), None, joins)
            }
            RelationshipKind::OneToMany(link)
            | RelationshipKind::ManyToOne(link)
            | RelationshipKind::OneToOne { link, .. } => {
                let own = || Qualifier::Alias(Cow::Owned(child_name.clone()));
                let joins = link.columns.iter().map(|(parent_column, column)| JoinOn {
                    left: (own(), column),
                    right: (parent_name.clone(), parent_column),
                });
                let joins = joins.collect();
                (Source::Relation(&relationship.foreign_table), Some(child_name), joins)
            }
        };
        let is_to_one = relationship.is_to_one();
        let spread = item.spread.then_some(if is_to_one { Spread::One } else { Spread::Many });
        let place = Place {
            relation: &relationship.foreign_table,
            source,
            alias,
            joins,
            depth,
            spread,
            above_needs_names,
        };
        let node = self.node(draft, place, room)?;
        let shape = match (spread, is_to_one) {
            (Some(Spread::One), _) => Shape::SpreadOne(spread_columns(&node)),
            (Some(Spread::Many), _) => {
                Shape::SpreadMany { columns: spread_columns(&node), sort_columns: Vec::new() }
            }
            (None, _) if selects_nothing(&node) => Shape::Hidden { many: !is_to_one },
            (None, true) => Shape::Object,
            (None, false) => Shape::Array,
        };
        if let Shape::SpreadOne(columns) | Shape::SpreadMany { columns, .. } = &shape {
            room.take(columns.len())?;
        }
        let key = item.alias.as_deref().unwrap_or(&item.relation);
        Ok(Embed {
            node,
            relationship,
            relation: &item.relation,
            alias: item.alias.as_deref(),
            lateral: format!("{}_{key}_{depth}", relationship.table.name),
            inner: item.join == Some(JoinType::Inner),
            shape,
            legacy_name: draft.legacy_name,
        })
    }

    fn check_aggregates(self, node: &Node<'a>) -> Result<(), Error> {
        if !self.config.aggregates && node.select.iter().any(|column| column.aggregate.is_some()) {
            return Err(Error::Aggregates);
        }
        node.children.iter().try_for_each(|child| self.check_aggregates(&child.node))
    }
}

fn join_through<'a>(
    relationship: &'a Relationship,
    junction: &'a crate::schema::Junction,
    parent: &Qualifier<'a>,
) -> Vec<JoinOn<'a>> {
    let to_target = junction.target_columns.iter().map(|(column, junction_column)| JoinOn {
        left: (Qualifier::Relation(&junction.table), junction_column),
        right: (Qualifier::Relation(&relationship.foreign_table), column),
    });
    let to_source = junction.source_columns.iter().map(|(column, junction_column)| JoinOn {
        left: (Qualifier::Relation(&junction.table), junction_column),
        right: (parent.clone(), column),
    });
    to_target.chain(to_source).collect()
}

fn has_star(select: &[SelectColumn<'_>]) -> bool {
    select.iter().any(|column| is_star(column) && column.aggregate.is_none())
}

fn is_star(column: &SelectColumn<'_>) -> bool {
    column.field.name == "*" && column.field.path.is_empty()
}

/// Spells `*` out. In a spread, `count()` counts the spread's row: `count(*)` would count the
/// rows of whatever the spread is joined to.
fn expand_star<'a>(
    select: Vec<SelectColumn<'a>>,
    fields: ResolveField<'a>,
    in_spread: bool,
    room: &mut Room,
) -> Result<Vec<SelectColumn<'a>>, Error> {
    let mut expanded = Vec::with_capacity(select.len());
    for mut column in select {
        match column.aggregate {
            None if is_star(&column) => {
                let length = expanded.len();
                expanded.extend(fields.all_columns());
                room.take(expanded.len() - length)?;
            }
            Some(call) if in_spread && is_star(&column) && call.function == Aggregate::Count => {
                column.field.whole_row = true;
                expanded.push(column);
            }
            _ => expanded.push(column),
        }
    }
    Ok(expanded)
}

/// A to-one spread hands its aggregates up.
fn spreads_aggregates(child: &Embed<'_>) -> bool {
    matches!(child.shape, Shape::SpreadOne(_))
        && (child.node.select.iter().any(|column| column.aggregate.is_some())
            || child.node.children.iter().any(spreads_aggregates))
}

/// Nothing is selected here or further down: the embed is joined for its effect on the parent.
fn selects_nothing(node: &Node<'_>) -> bool {
    node.select.is_empty() && node.children.iter().all(|child| selects_nothing(&child.node))
}

/// A filter on an embed's own name asks whether it has rows.
fn on_embeds<'a>(condition: Condition<'a>, children: &[Embed<'a>]) -> Condition<'a> {
    match condition {
        Condition::Group { negated, operator, children: conditions } => Condition::Group {
            negated,
            operator,
            children: conditions.into_iter().map(|condition| on_embeds(condition, children)).collect(),
        },
        Condition::Filter {
            field,
            expr: OpExpr { negated, operation: Operation::Is(IsValue::Null) },
            ..
        } if field.path.is_empty()
            && let Some(child) = children.iter().position(|child| child.key() == field.name) =>
        {
            Condition::Embedded { child, is_empty: !negated }
        }
        other => other,
    }
}

/// A sort term may name a to-one embed.
fn order_by<'a>(
    term: &'a OrderTerm,
    fields: ResolveField<'a>,
    origin: &QualifiedName,
    children: &[Embed<'a>],
) -> Result<OrderBy<'a>, Error> {
    let Some(name) = &term.relation else { return Ok(fields.order(term, None)) };
    let child = children.iter().position(|child| child.key() == name);
    match child.and_then(|index| children.get(index)) {
        Some(embed) if embed.relationship.is_to_one() => Ok(fields.order(term, child)),
        Some(_) => Err(Error::RelatedOrder { origin: origin.name.to_string(), target: name.clone() }),
        None => Err(Error::NotEmbedded { name: name.clone(), alias: None }),
    }
}

/// No level gives more than `rows`. An embed that a key makes the only one needs no limit, and
/// without one the database can join it as it likes.
fn cap_rows(node: &mut Node<'_>, rows: i64) {
    node.range = capped(node.range, rows);
    for child in &mut node.children {
        let range = child.node.range;
        cap_rows(&mut child.node, rows);
        if child.is_unique() && range == Range::ALL {
            child.node.range = range;
        }
    }
}

fn capped(range: Range, rows: i64) -> Range {
    if range.upper == Range::LIMIT_ZERO.upper {
        return Range::LIMIT_ZERO;
    }
    let last = range.lower.saturating_add(rows).saturating_sub(1);
    Range { lower: range.lower, upper: Some(range.upper.map_or(last, |upper| upper.min(last))) }
}
