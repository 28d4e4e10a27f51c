//! Relations: their definitions, and the parameters that operations on them share.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::value::{default_of, property};
use crate::schema::{Column, RelationshipKind, SchemaCache, Table};

#[derive(Serialize)]
pub(super) struct Definition<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    properties: IndexMap<&'a str, Map<String, Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required: Vec<&'a str>,
}

pub(super) fn definition<'a>(table: &'a Table, cache: &SchemaCache) -> Definition<'a> {
    let required = table.columns.iter().filter(|column| !column.is_nullable);
    Definition {
        description: table.description.as_deref(),
        r#type: "object",
        properties: table
            .columns
            .iter()
            .map(|column| (&*column.name, described(column, table, cache)))
            .collect(),
        required: required.map(|column| &*column.name).collect(),
    }
}

fn described(column: &Column, table: &Table, cache: &SchemaCache) -> Map<String, Value> {
    let mut described = property(&column.data_type);
    let mut set = |key: &str, value: Value| drop(described.insert(key.to_owned(), value));
    if let Some(text) = description(column, table, cache) {
        set("description", json!(text));
    }
    if let Some(default) =
        column.default.as_deref().and_then(|default| default_of(&column.data_type, default))
    {
        set("default", default);
    }
    if let Some(length) = column.max_length {
        set("maxLength", json!(length));
    }
    if !column.enum_labels.is_empty() {
        set("enum", json!(column.enum_labels));
    }
    described
}

/// The comment, and a note about keys that clients read by its tags.
fn description(column: &Column, table: &Table, cache: &SchemaCache) -> Option<String> {
    let mut notes = Vec::new();
    if table.primary_key.contains(&column.name) {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    notes.extend(foreign_key(column, table, cache).map(|(foreign, key)| {
        format!("This is a Foreign Key to `{foreign}.{key}`.<fk table='{foreign}' column='{key}'/>")
    }));
    if notes.is_empty() {
        return column.description.clone();
    }
    let comment = column.description.as_ref().map(|text| format!("{text}\n\n")).unwrap_or_default();
    Some(format!("{comment}Note:\n{}", notes.join("\n")))
}

/// What the column alone refers to: a table rather than a view of it.
fn foreign_key<'a>(column: &Column, table: &Table, cache: &'a SchemaCache) -> Option<(&'a str, &'a str)> {
    let refers = cache.relationships(&table.name, &table.name.schema).filter_map(|relationship| {
        let (RelationshipKind::ManyToOne(link) | RelationshipKind::OneToOne { link, is_parent: false }) =
            &relationship.kind
        else {
            return None;
        };
        match link.columns.as_slice() {
            [(own, foreign)] if *own == column.name => Some((relationship, foreign)),
            _ => None,
        }
    });
    refers
        .min_by_key(|(relationship, _)| relationship.foreign_table_is_view)
        .map(|(relationship, foreign)| (&*relationship.foreign_table.name, &**foreign))
}

/// The parameters that paths refer to by name.
pub(super) fn parameters(tables: &[&Table]) -> IndexMap<String, Value> {
    let prefer = |values: &[&str]| {
        let mut parameter = parameter("Prefer", "header", Some("Preference"));
        if let (Some(fields), false) = (parameter.as_object_mut(), values.is_empty()) {
            fields.insert("enum".to_owned(), json!(values));
        }
        parameter
    };
    let mut parameters = IndexMap::new();
    let mut add = |name: &str, value: Value| drop(parameters.insert(name.to_owned(), value));
    add("preferParams", prefer(&[]));
    add("preferReturn", prefer(&["return=representation", "return=minimal", "return=none"]));
    add("preferCount", prefer(&["count=none"]));
    add(
        "preferPost",
        prefer(&[
            "return=representation",
            "return=minimal",
            "return=none",
            "resolution=ignore-duplicates",
            "resolution=merge-duplicates",
        ]),
    );
    add("select", parameter("select", "query", Some("Filtering Columns")));
    add("on_conflict", parameter("on_conflict", "query", Some("On Conflict")));
    add("order", parameter("order", "query", Some("Ordering")));
    add("range", parameter("Range", "header", Some("Limiting and Pagination")));
    let mut unit = parameter("Range-Unit", "header", Some("Limiting and Pagination"));
    if let Some(fields) = unit.as_object_mut() {
        fields.insert("default".to_owned(), json!("items"));
    }
    add("rangeUnit", unit);
    add("offset", parameter("offset", "query", Some("Limiting and Pagination")));
    add("limit", parameter("limit", "query", Some("Limiting and Pagination")));
    for table in tables {
        let name = &*table.name.name;
        add(
            &format!("body.{name}"),
            json!({
                "name": name,
                "description": name,
                "required": false,
                "in": "body",
                "schema": { "$ref": format!("#/definitions/{name}") },
            }),
        );
        for column in &table.columns {
            let filter = parameter(&column.name, "query", column.description.as_deref());
            add(&format!("rowFilter.{name}.{}", column.name), filter);
        }
    }
    parameters
}

fn parameter(name: &str, place: &str, description: Option<&str>) -> Value {
    let mut parameter = json!({ "name": name, "in": place, "required": false, "type": "string" });
    if let (Some(fields), Some(description)) = (parameter.as_object_mut(), description) {
        fields.insert("description".to_owned(), json!(description));
    }
    parameter
}
