//! Which relationship an embed means, and what to say when it means none or several.

use super::Planner;
use crate::error::{Candidate, Error, Suggestion};
use crate::request::EmbedItem;
use crate::schema::{Link, Name, QualifiedName, Relationship, RelationshipKind};

impl<'a> Planner<'a> {
    /// The one relationship that leads from `origin` to what `item` names.
    pub(super) fn relationship(
        self,
        origin: &QualifiedName,
        item: &EmbedItem,
    ) -> Result<&'a Relationship, Error> {
        let hint = item.hint.as_deref();
        match self.cache.find_relationships(origin, &item.relation, hint).as_slice() {
            [one] => Ok(one),
            [] => Err(Error::NoRelationship {
                parent: origin.name.to_string(),
                child: item.relation.clone(),
                hint: item.hint.clone(),
                schema: origin.schema.to_string(),
                suggestion: self
                    .cache
                    .similar_relationship(origin, &item.relation)
                    .map(|found| Box::new(Suggestion { instead_of: found.wrong, meant: found.right })),
            }),
            several => Err(Error::AmbiguousRelationship {
                parent: origin.name.to_string(),
                child: item.relation.clone(),
                candidates: several.iter().filter_map(|relationship| candidate(relationship)).collect(),
            }),
        }
    }
}

/// How an error describes a relationship; computed ones are never ambiguous.
fn candidate(relationship: &Relationship) -> Option<Candidate> {
    let (table, foreign) = (&relationship.table.name, &relationship.foreign_table.name);
    let of_key = |link: &Link| {
        let own: Vec<&str> = link.columns.iter().map(|(own, _)| &**own).collect();
        let other: Vec<&str> = link.columns.iter().map(|(_, other)| &**other).collect();
        format!("{} using {table}({}) and {foreign}({})", link.constraint, own.join(", "), other.join(", "))
    };
    let (cardinality, by, hint) = match &relationship.kind {
        RelationshipKind::Computed { .. } => return None,
        RelationshipKind::ManyToMany(junction) => {
            let by = format!(
                "{} using {}({}) and {}({})",
                junction.table.name,
                junction.source_constraint,
                junction_columns(&junction.source_columns),
                junction.target_constraint,
                junction_columns(&junction.target_columns),
            );
            ("many-to-many", by, &junction.table.name)
        }
        RelationshipKind::OneToMany(link) => ("one-to-many", of_key(link), &link.constraint),
        RelationshipKind::ManyToOne(link) => ("many-to-one", of_key(link), &link.constraint),
        RelationshipKind::OneToOne { link, .. } => ("one-to-one", of_key(link), &link.constraint),
    };
    Some(Candidate {
        cardinality,
        embedding: format!("{table} with {foreign}"),
        relationship: by,
        hint: format!("{foreign}!{hint}"),
    })
}

fn junction_columns(columns: &[(Name, Name)]) -> String {
    columns.iter().map(|(_, column)| &**column).collect::<Vec<_>>().join(", ")
}
