//! Finding the relationship that an embed names.

use std::collections::HashMap;

use super::contents::SchemaCache;
use super::model::{Name, QualifiedName, Relationship, RelationshipKind};

/// The relationships that start at one relation, reachable by every name a request may use for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    all: Vec<Relationship>,
    by_target: HashMap<Name, Vec<usize>>,
}

impl Outgoing {
    /// Takes the relationships in the order in which errors shall print them.
    pub fn new(all: Vec<Relationship>) -> Self {
        let mut by_target: HashMap<Name, Vec<usize>> = HashMap::new();
        for (index, relationship) in all.iter().enumerate() {
            for target in targets(relationship) {
                let indexes = by_target.entry(target.clone()).or_default();
                if indexes.last() != Some(&index) {
                    indexes.push(index);
                }
            }
        }
        Self { all, by_target }
    }

    pub fn all(&self) -> &[Relationship] {
        &self.all
    }

    fn named(&self, target: &str) -> impl Iterator<Item = &Relationship> {
        let indexes = self.by_target.get(target).map(Vec::as_slice).unwrap_or_default();
        indexes.iter().filter_map(|index| self.all.get(*index))
    }
}

/// Every name that can stand for a relationship: the other relation, the constraint, a single foreign key column; the function
/// of a computed one.
fn targets(relationship: &Relationship) -> Vec<&Name> {
    if let RelationshipKind::Computed { function, .. } = &relationship.kind {
        return vec![&function.name];
    }
    let mut targets = vec![&relationship.foreign_table.name];
    if let Some(link) = relationship.link() {
        targets.push(&link.constraint);
        if let [(column, _)] = link.columns.as_slice() {
            targets.push(column);
        }
    }
    targets
}

impl SchemaCache {
    /// The relationships from `origin` to its own schema that `target` and `hint` can mean: none is PGRST200, several are
    /// PGRST201. The rules are those of PostgREST's `findRel`.
    pub fn find_relationships(
        &self,
        origin: &QualifiedName,
        target: &str,
        hint: Option<&str>,
    ) -> Vec<&Relationship> {
        let Some(outgoing) = self.relationships.get(origin) else { return Vec::new() };
        outgoing
            .named(target)
            .filter(|relationship| relationship.target_schema() == &*origin.schema)
            .filter(|relationship| is_meant(relationship, target, hint))
            .collect()
    }
}

fn is_meant(relationship: &Relationship, target: &str, hint: Option<&str>) -> bool {
    if let RelationshipKind::Computed { function, .. } = &relationship.kind {
        return &*function.name == target;
    }
    let is_foreign_table = &*relationship.foreign_table.name == target;
    let column = |near: bool, name: &str| match relationship.link().map(|link| link.columns.as_slice()) {
        Some([(own, other)]) => name == if near { &**own } else { &**other },
        _ => false,
    };
    let is_constraint = |name: &str| relationship.link().is_some_and(|link| &*link.constraint == name);
    // A key from a relation to itself makes two relationships. The name of the relation means the many, the column the one.
    if relationship.is_self {
        let is_one_to_many = matches!(relationship.kind, RelationshipKind::OneToMany(_));
        let is_many_to_one = matches!(relationship.kind, RelationshipKind::ManyToOne(_));
        return match hint {
            None => (is_foreign_table && is_one_to_many) || (is_many_to_one && column(true, target)),
            Some(hint) => is_foreign_table && is_one_to_many && column(false, hint),
        };
    }
    match hint {
        None => {
            is_foreign_table
                || (!relationship.foreign_table_is_view && (is_constraint(target) || column(true, target)))
        }
        Some(hint) => {
            let is_junction = match &relationship.kind {
                RelationshipKind::ManyToMany(junction) => &*junction.table.name == hint,
                _ => false,
            };
            is_foreign_table
                && (is_constraint(hint) || column(true, hint) || column(false, hint) || is_junction)
        }
    }
}
