//! The shared parameters that paths refer to.

use serde_json::{Map, Value, json};

use super::put;
use crate::schema::Table;

/// All of them.
pub(super) fn all(tables: &[&Table]) -> Value {
    let mut all: Map<String, Value> = [
        ("preferParams", prefer(&[])),
        ("preferReturn", prefer(&["return=representation", "return=minimal", "return=none"])),
        ("preferCount", prefer(&["count=none"])),
        (
            "preferPost",
            prefer(&[
                "return=representation",
                "return=minimal",
                "return=none",
                "resolution=ignore-duplicates",
                "resolution=merge-duplicates",
            ]),
        ),
        ("select", text("select", "Filtering Columns", "query")),
        ("on_conflict", text("on_conflict", "On Conflict", "query")),
        ("order", text("order", "Ordering", "query")),
        ("range", text("Range", "Limiting and Pagination", "header")),
        ("offset", text("offset", "Limiting and Pagination", "query")),
        ("limit", text("limit", "Limiting and Pagination", "query")),
    ]
    .into_iter()
    .map(|(name, parameter)| (name.to_owned(), parameter))
    .collect();
    let mut unit = text("Range-Unit", "Limiting and Pagination", "header");
    put(&mut unit, "default", Some("items"));
    all.insert("rangeUnit".to_owned(), unit);
    for table in tables {
        let name = &*table.name.name;
        all.insert(
            format!("body.{name}"),
            json!({
                "name": name,
                "description": name,
                "required": false,
                "in": "body",
                "schema": { "$ref": format!("#/definitions/{name}") },
            }),
        );
        for column in &table.columns {
            let mut filter =
                json!({ "name": &*column.name, "required": false, "in": "query", "type": "string" });
            put(&mut filter, "description", column.description.as_deref());
            all.insert(row_filter(name, &column.name), filter);
        }
    }
    Value::Object(all)
}

/// The name of the parameter that filters by a column.
pub(super) fn row_filter(table: &str, column: &str) -> String {
    format!("rowFilter.{table}.{column}")
}

fn text(name: &str, description: &str, place: &str) -> Value {
    json!({ "name": name, "description": description, "required": false, "in": place, "type": "string" })
}

fn prefer(values: &[&str]) -> Value {
    let mut parameter = text("Prefer", "Preference", "header");
    put(&mut parameter, "enum", Some(values.to_vec()).filter(|values| !values.is_empty()));
    parameter
}
