//! Columns and parameters as properties: SQL types in Swagger's words.

use serde_json::{Value, json};

use super::put;
use crate::schema::{Column, Param, RelationshipKind, SchemaCache, Table};

/// Swagger's type of an SQL type; JSON has none.
pub(super) fn swagger_type(sql: &str) -> Option<&'static str> {
    match sql {
        "character varying" | "character" | "text" => Some("string"),
        "boolean" => Some("boolean"),
        "smallint" | "integer" | "bigint" => Some("integer"),
        "numeric" | "real" | "double precision" => Some("number"),
        "json" | "jsonb" => None,
        array if array.ends_with("[]") => Some("array"),
        _ => Some("string"),
    }
}

/// The format: the width of integers, else the SQL type itself.
pub(super) fn format(sql: &str) -> &str {
    match sql {
        "smallint" | "integer" => "int32",
        "bigint" => "int64",
        other => other,
    }
}

/// The type of an array's elements.
pub(super) fn element(sql: &str) -> Option<&str> {
    sql.strip_suffix("[]")
}

/// A property of the given type.
pub(super) fn of_type(sql: &str) -> Value {
    let mut property = json!({ "format": format(sql) });
    put(&mut property, "type", swagger_type(sql));
    if let Some(element) = element(sql) {
        let mut items = json!({});
        put(&mut items, "type", swagger_type(element));
        put(&mut property, "items", Some(items));
    }
    property
}

/// The type of a parameter as a request sees it: without the schema, if that is on the path.
pub(super) fn spelled<'a>(param: &'a Param, search_path: &[&str]) -> &'a str {
    let sql = &*param.data_type;
    let without = |schema: &str| sql.strip_prefix(schema)?.strip_prefix('.');
    let bare = search_path.iter().find_map(|schema| without(schema).or_else(|| without(&db::ident(schema))));
    bare.unwrap_or(sql)
}

/// A column of a relation.
pub(super) fn of_column(table: &Table, column: &Column, cache: &SchemaCache) -> Value {
    let mut property = of_type(&column.data_type);
    put(&mut property, "description", description(table, column, cache));
    put(&mut property, "maxLength", column.max_length);
    put(
        &mut property,
        "default",
        column.default.as_deref().and_then(|text| default(&column.data_type, text)),
    );
    put(&mut property, "enum", Some(column.enum_labels.clone()).filter(|labels| !labels.is_empty()));
    property
}

/// The comment, and a note if the column is a key.
fn description(table: &Table, column: &Column, cache: &SchemaCache) -> Option<String> {
    let mut notes = Vec::new();
    if table.primary_key.contains(&column.name) {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    notes.extend(foreign_key(table, column, cache));
    if notes.is_empty() {
        return column.description.clone();
    }
    let comment = column.description.as_ref().map(|comment| format!("{comment}\n\n")).unwrap_or_default();
    Some(format!("{comment}Note:\n{}", notes.join("\n")))
}

/// What the column alone refers to; a table rather than a view of it.
fn foreign_key(table: &Table, column: &Column, cache: &SchemaCache) -> Option<String> {
    let mut found: Vec<_> = cache.relationships(&table.name, &table.name.schema).collect();
    found.sort_by_key(|relationship| relationship.foreign_table_is_view);
    found.into_iter().find_map(|relationship| {
        let link = match &relationship.kind {
            RelationshipKind::ManyToOne(link) | RelationshipKind::OneToOne { link, is_parent: false } => link,
            _ => return None,
        };
        let [(own, foreign)] = link.columns.as_slice() else { return None };
        let foreign_table = &relationship.foreign_table.name;
        (*own == column.name).then(|| {
            format!(
                "This is a Foreign Key to `{foreign_table}.{foreign}`.<fk table='{foreign_table}' column='{foreign}'/>"
            )
        })
    })
}

/// A default as a value, if it is one: literals lose quotes and cast, other expressions of text
/// stay text, other expressions are left out.
fn default(sql: &str, expression: &str) -> Option<Value> {
    if swagger_type(sql) == Some("string") {
        let literal = expression
            .strip_suffix(sql)
            .and_then(|rest| rest.strip_suffix("::"))
            .map_or(expression, |literal| literal.trim_matches('\''));
        return serde_json::from_str(&format!("\"{literal}\"")).ok();
    }
    serde_json::from_str(expression).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_formats() {
        for (sql, expected) in [
            ("integer", json!({ "type": "integer", "format": "int32" })),
            ("bigint", json!({ "type": "integer", "format": "int64" })),
            ("jsonb", json!({ "format": "jsonb" })),
            ("uuid", json!({ "type": "string", "format": "uuid" })),
            ("text[]", json!({ "type": "array", "format": "text[]", "items": { "type": "string" } })),
            ("json[]", json!({ "type": "array", "format": "json[]", "items": {} })),
        ] {
            assert_eq!(of_type(sql), expected, "{sql}");
        }
    }

    #[test]
    fn defaults_that_are_values() {
        for (sql, expression, expected) in [
            ("text", "'default'::text", Some(json!("default"))),
            ("date", "'1900-01-01'::date", Some(json!("1900-01-01"))),
            ("text", "CURRENT_USER", Some(json!("CURRENT_USER"))),
            ("integer", "42", Some(json!(42))),
            ("boolean", "false", Some(json!(false))),
            ("integer", "nextval('s'::regclass)", None),
        ] {
            assert_eq!(default(sql, expression), expected, "{expression}");
        }
    }
}
