//! Changes to a relation.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::field::{ResolveField, Target};
use super::read::{Condition, Node};
use super::{Output, Planner};
use crate::error::Error;
use crate::request::{Missing, Mutation, Operation, Payload, QuantOperator, Representation, Resolution};
use crate::schema::{RelationshipKind, Table};

/// A change to a relation.
#[derive(Clone, Debug)]
pub(crate) struct WritePlan<'a> {
    /// The relation.
    pub table: &'a Table,
    /// The change.
    pub change: Change<'a>,
    /// The columns the change gives back; empty: none, so that no right to read is needed.
    pub returning: Vec<&'a str>,
    /// The shape of the changed rows in the answer.
    pub tree: Node<'a>,
    /// The answer's form.
    pub output: Output<'a>,
    /// What the request asked for.
    pub mutation: Mutation,
    /// How much of the changed rows is wanted.
    pub representation: Representation,
}

/// The three statements that change rows.
#[derive(Clone, Debug)]
pub(crate) enum Change<'a> {
    /// INSERT.
    Insert {
        /// Where the rows come from.
        body: Body<'a>,
        /// What happens to rows that are there already.
        conflict: Option<(Resolution, Vec<&'a str>)>,
        /// What the body's rows must fulfil: the key in the URL of a PUT.
        conditions: Vec<Condition<'a>>,
    },
    /// UPDATE.
    Update {
        /// The new values.
        body: Body<'a>,
        /// Which rows.
        conditions: Vec<Condition<'a>>,
    },
    /// DELETE.
    Delete {
        /// Which rows.
        conditions: Vec<Condition<'a>>,
    },
}

/// The rows of a body.
#[derive(Clone, Debug)]
pub(crate) struct Body<'a> {
    /// The JSON text; one parameter, whatever its size.
    pub json: &'a Bytes,
    /// The columns taken from it.
    pub columns: Vec<Target<'a>>,
    /// Missing keys mean the column's default, not null.
    pub defaults: bool,
}

/// One object rather than an array of them: told by the first character, the database checks the rest.
pub(crate) fn is_object(json: &[u8]) -> bool {
    json.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) == Some(&b'{')
}

static NO_BODY: Bytes = Bytes::from_static(b"[]");

impl<'a> Planner<'a> {
    pub(super) fn write(self, table: &'a Table, mutation: Mutation) -> Result<WritePlan<'a>, Error> {
        let tree = self.tree(&table.name)?;
        let change = self.change(table, mutation)?;
        self.check_preferences(false)?;
        let output = self.negotiate(&table.name, tree.is_default_select(), false)?;
        let representation = self.request.preferences.representation.unwrap_or(Representation::Minimal);
        let returning = match representation {
            Representation::Minimal => Vec::new(),
            _ => {
                let key = table.primary_key.iter().map(|column| &**column);
                needed_columns(&tree, key).into_iter().collect()
            }
        };
        Ok(WritePlan { table, change, returning, tree, output, mutation, representation })
    }

    fn change(self, table: &'a Table, mutation: Mutation) -> Result<Change<'a>, Error> {
        let preferences = &self.request.preferences;
        let key = || table.primary_key.iter().map(|column| &**column).collect::<Vec<_>>();
        let defaults = preferences.missing == Some(Missing::Default);
        match mutation {
            Mutation::Create => {
                let columns = match &self.request.query.on_conflict {
                    Some(columns) => columns.iter().map(String::as_str).collect(),
                    None => key(),
                };
                Ok(Change::Insert {
                    body: self.body(table, defaults)?,
                    conflict: preferences.resolution.map(|resolution| (resolution, columns)),
                    conditions: Vec::new(),
                })
            }
            Mutation::Update => Ok(Change::Update {
                body: self.body(table, defaults)?,
                conditions: self.root_conditions(table),
            }),
            Mutation::SingleUpsert => {
                self.check_put_filters(table)?;
                Ok(Change::Insert {
                    body: self.body(table, false)?,
                    conflict: Some((Resolution::MergeDuplicates, key())),
                    conditions: self.root_conditions(table),
                })
            }
            Mutation::Delete => Ok(Change::Delete { conditions: self.root_conditions(table) }),
        }
    }

    /// A PUT names its row by all columns of the primary key and nothing else.
    fn check_put_filters(self, table: &Table) -> Result<(), Error> {
        let query = &self.request.query;
        let key: BTreeSet<&str> = table.primary_key.iter().map(|column| &**column).collect();
        let named: BTreeSet<&str> = query.filter_fields.iter().map(String::as_str).collect();
        let is_equality =
            |operation: &Operation| matches!(operation, Operation::Quant(QuantOperator::Equal, None, _));
        let all_equal = query
            .filters
            .iter()
            .filter(|(path, _)| path.is_empty())
            .all(|(_, filter)| !filter.expr.negated && is_equality(&filter.expr.operation));
        if query.logic.is_empty() && !key.is_empty() && key == named && all_equal {
            return Ok(());
        }
        Err(Error::PutFilters)
    }

    fn body(self, table: &'a Table, defaults: bool) -> Result<Body<'a>, Error> {
        let columns = self.request.columns.iter().map(|name| {
            let column = table.column(name).ok_or_else(|| Error::NoColumn {
                relation: table.name.name.to_string(),
                column: name.clone(),
            })?;
            Ok(Target::of(column, self.cache))
        });
        let json = match &self.request.payload {
            Some(Payload::Json { raw, .. } | Payload::RawJson(raw) | Payload::Raw(raw)) => raw,
            Some(Payload::Form(_)) | None => &NO_BODY,
        };
        Ok(Body { json, columns: columns.collect::<Result<_, Error>>()?, defaults })
    }

    /// The filters and logic trees that say which rows are changed.
    fn root_conditions(self, table: &'a Table) -> Vec<Condition<'a>> {
        let fields = ResolveField { table: Some(table), cache: self.cache };
        let query = &self.request.query;
        let filters = query.filters.iter().filter(|(path, _)| path.is_empty());
        let logic = query.logic.iter().filter(|(path, _)| path.is_empty());
        filters
            .map(|(_, filter)| fields.filter(filter))
            .chain(logic.map(|(_, tree)| fields.logic(tree)))
            .collect()
    }
}

/// The columns that a write or call must give back for the answer to be built from them: those
/// selected, those that embeds join on, and `always`. Only these need the right to be read.
pub(super) fn needed_columns<'a>(
    tree: &Node<'a>,
    always: impl Iterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    let mut needed: BTreeSet<&str> = tree.select.iter().map(|column| column.field.name).collect();
    if needed.contains("*") {
        return BTreeSet::from(["*"]);
    }
    for child in &tree.children {
        match &child.relationship.kind {
            RelationshipKind::OneToMany(link)
            | RelationshipKind::ManyToOne(link)
            | RelationshipKind::OneToOne { link, .. } => {
                needed.extend(link.columns.iter().map(|(own, _)| &**own));
            }
            RelationshipKind::ManyToMany(junction) => {
                needed.extend(junction.source_columns.iter().map(|(own, _)| &**own));
            }
            // The function may look at any column of the row.
            RelationshipKind::Computed { .. } => return BTreeSet::from(["*"]),
        }
    }
    needed.extend(always);
    needed
}
