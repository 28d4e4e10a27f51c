//! Relationships: foreign keys, and those that views show because they show the columns of one.

use super::catalogue::{Definition, Key, KeyColumn, KeyForm, Link};
use super::view::Views;

/// The relationships of the relations in `schemas`.
pub(super) fn links(
    keys: &[Key],
    definitions: &[Definition],
    views: &Views<'_>,
    schemas: &[String],
) -> Vec<Link> {
    let shown: Vec<Shown<'_>> =
        definitions.iter().filter(|each| each.is_seen).map(|each| Shown::of(each, views)).collect();
    let mut links = Vec::new();
    for key in keys.iter().filter(|key| key.form == KeyForm::Foreign && key.is_original) {
        let Some(table) = link(key, keys) else { continue };
        let is_ours = schemas.contains(&key.schema);
        let from: Vec<_> = shown.iter().flat_map(|view| view.with(key.relation, &key.columns)).collect();
        let to: Vec<_> = shown
            .iter()
            .flat_map(|view| view.with(key.foreign.unwrap_or_default(), &key.foreign_columns))
            .collect();
        for (view, columns) in &from {
            links.push(Link {
                schema: view.schema.clone(),
                relation: view.name.clone(),
                columns: columns.clone(),
                ..table.clone()
            });
        }
        let sources = from.iter().map(|(view, columns)| (&view.schema, &view.name, columns));
        let sources: Vec<_> =
            sources.chain(is_ours.then_some((&table.schema, &table.relation, &table.columns))).collect();
        for (view, foreign_columns) in &to {
            for (schema, relation, columns) in &sources {
                links.push(Link {
                    schema: (*schema).clone(),
                    relation: (*relation).clone(),
                    columns: (*columns).clone(),
                    foreign_schema: view.schema.clone(),
                    foreign_relation: view.name.clone(),
                    foreign_columns: foreign_columns.clone(),
                    ..table.clone()
                });
            }
        }
        if is_ours {
            links.push(table);
        }
    }
    links
}

/// A foreign key as its table has it.
fn link(key: &Key, keys: &[Key]) -> Option<Link> {
    let is_whole = |other: &&Key| {
        let mut columns: Vec<&KeyColumn> = other.columns.iter().collect();
        columns.sort_by_key(|column| column.position);
        other.form != KeyForm::Foreign
            && other.relation == key.relation
            && columns.into_iter().eq(key.columns.iter())
    };
    Some(Link {
        name: key.name.clone(),
        schema: key.relation_schema.clone(),
        relation: key.relation_name.clone(),
        columns: names(&key.columns),
        is_one_to_one: keys.iter().any(|other| is_whole(&other)),
        foreign_schema: key.foreign_schema.clone()?,
        foreign_relation: key.foreign_name.clone()?,
        foreign_columns: names(&key.foreign_columns),
    })
}

fn names(columns: &[KeyColumn]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// A view with the columns that its own columns show.
struct Shown<'a> {
    view: &'a Definition,
    /// Own name, relation and position of what it shows.
    columns: Vec<(&'a str, i64, i32)>,
}

impl<'a> Shown<'a> {
    fn of(view: &'a Definition, views: &Views<'_>) -> Self {
        let name = |position| view.columns.iter().find(|column| column.position == position);
        let origins = views.origins(view.view).into_iter();
        let columns = origins.filter_map(|(position, (relation, column))| {
            Some((name(position)?.name.as_str(), relation, column))
        });
        Self { view, columns: columns.collect() }
    }

    /// Every way in which the view shows all of these columns of `relation`; it may show one under several names.
    fn with(&self, relation: i64, columns: &[KeyColumn]) -> Vec<(&'a Definition, Vec<String>)> {
        let mut ways = vec![Vec::new()];
        for column in columns {
            let names: Vec<&str> = self
                .columns
                .iter()
                .filter(|(_, table, position)| *table == relation && *position == column.position)
                .map(|(name, ..)| *name)
                .collect();
            ways = ways
                .iter()
                .flat_map(|way: &Vec<String>| {
                    names.iter().map(move |name| {
                        let mut way = way.clone();
                        way.push((*name).to_owned());
                        way
                    })
                })
                .collect();
        }
        ways.into_iter().map(|way| (self.view, way)).collect()
    }
}
