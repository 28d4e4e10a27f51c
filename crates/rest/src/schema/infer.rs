//! Relationships and view keys from the keys of the database.
//!
//! Pure: keys and views in, relationships out. A foreign key makes a many-to-one (or, if its columns are unique, a one-to-one)
//! relationship and its inverse; a view takes part in those of the tables whose key columns it shows; two foreign keys within
//! a primary key make a many-to-many one. Computed relationships replace those to a relation of the function's name.

use std::collections::{HashMap, HashSet};

use super::model::{Junction, Link, Name, QualifiedName, Relationship, RelationshipKind};
use super::view::{Exposed, View};

/// A primary, unique or foreign key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub constraint: Name,
    pub kind: KeyKind,
    pub relation: u32,
    pub name: QualifiedName,
    pub columns: Vec<KeyColumn>,
}

#[derive(Clone, Debug)]
pub(super) enum KeyKind {
    Primary,
    Unique,
    Foreign {
        relation: u32,
        name: QualifiedName,
        columns: Vec<KeyColumn>,
        /// False for the copy that a partition has of its parent's key.
        is_original: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub number: i16,
    pub name: Name,
}

/// Primary keys by relation: those of tables sorted by name, those of views as the tables' keys order them.
pub(super) type PrimaryKeys = HashMap<QualifiedName, Vec<Name>>;

/// The primary keys of tables, and of views that show all columns of one.
pub(super) fn primary_keys(keys: &[Key], views: &[(&View, Exposed)]) -> PrimaryKeys {
    let mut found = PrimaryKeys::new();
    let mut by_relation: HashMap<u32, &Key> = HashMap::new();
    for key in keys.iter().filter(|key| matches!(key.kind, KeyKind::Primary)) {
        by_relation.insert(key.relation, key);
        let mut columns: Vec<Name> = key.columns.iter().map(|column| column.name.clone()).collect();
        columns.sort();
        found.insert(key.name.clone(), columns);
    }
    for (view, exposed) in views {
        let mut shown: Vec<&Key> =
            relations(exposed).iter().filter_map(|oid| by_relation.get(oid).copied()).collect();
        shown.sort_by(|a, b| a.name.cmp(&b.name));
        let columns: Vec<Name> = shown
            .iter()
            .filter_map(|key| shown_as(exposed, key.relation, &key.columns))
            // A column shown more than once is represented by its first name.
            .flat_map(|columns| columns.into_iter().filter_map(|names| names.first().cloned()))
            .collect();
        if !columns.is_empty() {
            found.insert(view.name.clone(), columns);
        }
    }
    found
}

/// All relationships between relations for which `is_exposed`, those of `computed` included.
pub(super) fn relationships(
    keys: &[Key],
    views: &[(&View, Exposed)],
    primary_keys: &PrimaryKeys,
    computed: Vec<Relationship>,
    is_exposed: impl Fn(&QualifiedName) -> bool,
) -> Vec<Relationship> {
    let mut found = forward(keys, views);
    found.retain(|relationship| is_exposed(&relationship.table) && is_exposed(&relationship.foreign_table));
    let many_to_many = many_to_many(&found, primary_keys);
    let inverse: Vec<_> = found.iter().filter_map(inverse).collect();
    found.extend(inverse);
    found.extend(many_to_many);

    let replaced: HashSet<(QualifiedName, QualifiedName)> = computed
        .iter()
        .filter_map(|relationship| match &relationship.kind {
            RelationshipKind::Computed { function, .. } => {
                Some((relationship.table.clone(), function.clone()))
            }
            _ => None,
        })
        .collect();
    if !replaced.is_empty() {
        found.retain(|relationship| {
            !replaced.contains(&(relationship.table.clone(), relationship.foreign_table.clone()))
        });
    }
    found.extend(
        computed.into_iter().filter(|relationship| {
            is_exposed(&relationship.table) && is_exposed(&relationship.foreign_table)
        }),
    );
    found
}

/// The relationships from the relation that has the foreign key, or a view of it, to the one it refers to, or a view of that.
fn forward(keys: &[Key], views: &[(&View, Exposed)]) -> Vec<Relationship> {
    let unique = unique_columns(keys);
    let shown_by = views_by_relation(views);
    let views_of = |oid: u32| shown_by.get(&oid).map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    for key in keys {
        let KeyKind::Foreign { relation, name, columns, is_original: true } = &key.kind else { continue };
        let is_unique = unique.contains(&(key.relation, sorted_numbers(&key.columns)));
        let own = sides(key.relation, &key.name, &key.columns, views_of(key.relation));
        let foreign = sides(*relation, name, columns, views_of(*relation));
        for (near, far) in own.iter().flat_map(|near| foreign.iter().map(move |far| (near, far))) {
            let columns = near.columns.iter().cloned().zip(far.columns.iter().cloned()).collect();
            let link = Link { constraint: key.constraint.clone(), columns };
            found.push(Relationship {
                table: near.name.clone(),
                foreign_table: far.name.clone(),
                is_self: near.name == far.name,
                kind: if is_unique {
                    RelationshipKind::OneToOne { link, is_parent: false }
                } else {
                    RelationshipKind::ManyToOne(link)
                },
                table_is_view: near.is_view,
                foreign_table_is_view: far.is_view,
            });
        }
    }
    found
}

/// One end of a relationship: a table, or a view of it under the names it gives the columns.
struct Side {
    name: QualifiedName,
    columns: Vec<Name>,
    is_view: bool,
}

/// The table itself and every view that shows all of the columns, once for each way to choose among repeated ones.
fn sides(
    relation: u32,
    name: &QualifiedName,
    columns: &[KeyColumn],
    views: &[(&View, &Exposed)],
) -> Vec<Side> {
    let own = columns.iter().map(|column| column.name.clone()).collect();
    let mut sides = vec![Side { name: name.clone(), columns: own, is_view: false }];
    for (view, exposed) in views {
        let Some(names) = shown_as(exposed, relation, columns) else { continue };
        let mut choices: Vec<Vec<Name>> = vec![Vec::new()];
        for names in names {
            choices = choices
                .iter()
                .flat_map(|chosen| {
                    names.iter().map(move |name| chosen.iter().cloned().chain([name.clone()]).collect())
                })
                .collect();
        }
        sides.extend(choices.into_iter().map(|columns| Side {
            name: view.name.clone(),
            columns,
            is_view: true,
        }));
    }
    sides
}

/// Under which names a view shows each of the columns; none if it does not show all of them.
fn shown_as<'a>(exposed: &'a Exposed, relation: u32, columns: &[KeyColumn]) -> Option<Vec<&'a [Name]>> {
    columns.iter().map(|column| exposed.get(&(relation, column.number)).map(Vec::as_slice)).collect()
}

fn relations(exposed: &Exposed) -> HashSet<u32> {
    exposed.keys().map(|(relation, _)| *relation).collect()
}

fn views_by_relation<'a>(views: &'a [(&'a View, Exposed)]) -> HashMap<u32, Vec<(&'a View, &'a Exposed)>> {
    let mut found: HashMap<u32, Vec<(&View, &Exposed)>> = HashMap::new();
    for (view, exposed) in views {
        for relation in relations(exposed) {
            found.entry(relation).or_default().push((view, exposed));
        }
    }
    found
}

fn unique_columns(keys: &[Key]) -> HashSet<(u32, Vec<i16>)> {
    keys.iter()
        .filter(|key| matches!(key.kind, KeyKind::Primary | KeyKind::Unique))
        .map(|key| (key.relation, sorted_numbers(&key.columns)))
        .collect()
}

fn sorted_numbers(columns: &[KeyColumn]) -> Vec<i16> {
    let mut numbers: Vec<i16> = columns.iter().map(|column| column.number).collect();
    numbers.sort_unstable();
    numbers
}

/// For every relation two of whose many-to-one keys lie within its primary key, both directions.
fn many_to_many(found: &[Relationship], primary_keys: &PrimaryKeys) -> Vec<Relationship> {
    let mut by_junction: HashMap<&QualifiedName, Vec<(&Relationship, &Link)>> = HashMap::new();
    for relationship in found {
        let RelationshipKind::ManyToOne(link) = &relationship.kind else { continue };
        let Some(key) = primary_keys.get(&relationship.table) else { continue };
        if link.columns.iter().all(|(own, _)| key.contains(own)) {
            by_junction.entry(&relationship.table).or_default().push((relationship, link));
        }
    }
    let mut pairs = Vec::new();
    for (junction, arms) in by_junction {
        for (source, source_link) in &arms {
            for (target, target_link) in &arms {
                if source_link.constraint == target_link.constraint {
                    continue;
                }
                pairs.push(Relationship {
                    table: source.foreign_table.clone(),
                    foreign_table: target.foreign_table.clone(),
                    is_self: source.foreign_table == target.foreign_table,
                    kind: RelationshipKind::ManyToMany(Junction {
                        table: junction.clone(),
                        source_constraint: source_link.constraint.clone(),
                        target_constraint: target_link.constraint.clone(),
                        source_columns: swapped(&source_link.columns),
                        target_columns: swapped(&target_link.columns),
                    }),
                    table_is_view: source.foreign_table_is_view,
                    foreign_table_is_view: target.foreign_table_is_view,
                });
            }
        }
    }
    pairs
}

fn inverse(relationship: &Relationship) -> Option<Relationship> {
    let turned = |link: &Link| Link { constraint: link.constraint.clone(), columns: swapped(&link.columns) };
    let kind = match &relationship.kind {
        RelationshipKind::ManyToOne(link) => RelationshipKind::OneToMany(turned(link)),
        RelationshipKind::OneToOne { link, is_parent } => {
            RelationshipKind::OneToOne { link: turned(link), is_parent: !is_parent }
        }
        _ => return None,
    };
    Some(Relationship {
        table: relationship.foreign_table.clone(),
        foreign_table: relationship.table.clone(),
        is_self: relationship.is_self,
        kind,
        table_is_view: relationship.foreign_table_is_view,
        foreign_table_is_view: relationship.table_is_view,
    })
}

fn swapped(columns: &[(Name, Name)]) -> Vec<(Name, Name)> {
    columns.iter().map(|(a, b)| (b.clone(), a.clone())).collect()
}
