//! How SQL types, defaults and comments are said in OpenAPI.

use serde_json::{Map, Value, json};

/// The type in OpenAPI; none for JSON, which can be anything.
pub(super) fn type_of(data_type: &str) -> Option<&'static str> {
    match data_type {
        "boolean" => Some("boolean"),
        "smallint" | "integer" | "bigint" => Some("integer"),
        "numeric" | "real" | "double precision" => Some("number"),
        "json" | "jsonb" => None,
        array if array.ends_with("[]") => Some("array"),
        _ => Some("string"),
    }
}

/// The format: the SQL type, or the width of an integer.
pub(super) fn format_of(data_type: &str) -> &str {
    match data_type {
        "smallint" | "integer" => "int32",
        "bigint" => "int64",
        other => other,
    }
}

/// The type of an array's elements.
pub(super) fn element_of(data_type: &str) -> &str {
    data_type.strip_suffix("[]").unwrap_or(data_type)
}

/// A property with its type, format and, for arrays, elements.
pub(super) fn property(data_type: &str) -> Map<String, Value> {
    let mut property = Map::new();
    property.insert("format".to_owned(), json!(format_of(data_type)));
    if let Some(name) = type_of(data_type) {
        property.insert("type".to_owned(), json!(name));
        if name == "array" {
            let items =
                type_of(element_of(data_type)).map_or_else(|| json!({}), |name| json!({ "type": name }));
            property.insert("items".to_owned(), items);
        }
    }
    property
}

/// A default as a value: strings without their quotes and cast, all else if it reads as JSON.
pub(super) fn default_of(data_type: &str, expression: &str) -> Option<Value> {
    if type_of(data_type) != Some("string") {
        return serde_json::from_str(expression).ok();
    }
    let text = expression.strip_suffix(data_type).and_then(|rest| rest.strip_suffix("::"));
    Some(Value::from(text.map_or(expression, |text| text.trim_matches('\''))))
}

/// A comment's first line, and the rest without the blank lines before it.
pub(super) fn first_line_and_rest(comment: &str) -> (&str, &str) {
    let (first, rest) = comment.split_once('\n').unwrap_or((comment, ""));
    (first, rest.trim_start_matches('\n'))
}
