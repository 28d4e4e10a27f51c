//! Finding the relationship that an embed names.

use super::contents::SchemaCache;
use super::model::{Name, QualifiedName, Relationship, RelationshipKind};

/// The relationships that start at one relation, reachable by every name a request may use for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    all: Box<[Relationship]>,
    /// Names and the relationships they can mean, in order.
    by_target: Box<[(Name, u32)]>,
}

impl Outgoing {
    /// Takes the relationships in the order in which errors shall print them.
    pub fn new(all: Vec<Relationship>) -> Self {
        let targets = (0..).zip(&all).flat_map(|(index, relationship)| {
            targets(relationship).into_iter().flatten().map(move |target| (target.clone(), index))
        });
        let mut by_target: Vec<(Name, u32)> = targets.collect();
        by_target.sort_unstable();
        by_target.dedup();
        Self { all: all.into(), by_target: by_target.into() }
    }

    pub fn all(&self) -> &[Relationship] {
        &self.all
    }

    fn named(&self, target: &str) -> impl Iterator<Item = &Relationship> + use<'_> {
        let first = self.by_target.partition_point(|(name, _)| &**name < target);
        let last = self.by_target.partition_point(|(name, _)| &**name <= target);
        let named = self.by_target.get(first..last).unwrap_or_default();
        named.iter().filter_map(|(_, index)| self.all.get(*index as usize))
    }
}

/// Every name that can stand for a relationship: the other relation, the constraint, a single foreign key column; the function
/// of a computed one.
fn targets(relationship: &Relationship) -> [Option<&Name>; 3] {
    if let RelationshipKind::Computed { function, .. } = &relationship.kind {
        return [Some(&function.name), None, None];
    }
    let link = relationship.link();
    let column = link.and_then(|link| match link.columns.as_slice() {
        [(column, _)] => Some(column),
        _ => None,
    });
    [Some(&relationship.foreign_table.name), link.map(|link| &link.constraint), column]
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
