//! Operations on relations and functions.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::RESULTS;
use super::value::{element_of, first_line_and_rest, format_of, property, type_of};
use crate::schema::{Param, Routine, Table, Volatility};

/// The root, every relation and every function; of overloads the one with most parameters.
pub(super) fn paths(tables: &[&Table], routines: &[&Routine]) -> IndexMap<String, Value> {
    let mut paths = IndexMap::new();
    paths.insert("/".to_owned(), root());
    paths.extend(tables.iter().map(|table| (format!("/{}", table.name.name), relation(table))));
    paths.extend(routines.iter().map(|routine| (format!("/rpc/{}", routine.name.name), function(routine))));
    paths
}

fn root() -> Value {
    json!({ "get": {
        "tags": ["Introspection"],
        "summary": "OpenAPI description (this document)",
        "produces": ["application/openapi+json", "application/json"],
        "responses": { "200": { "description": "OK" } },
    }})
}

fn relation(table: &Table) -> Value {
    let name = &*table.name.name;
    let filters: Vec<String> =
        table.columns.iter().map(|column| format!("rowFilter.{name}.{}", column.name)).collect();
    let body = format!("body.{name}");
    let operation = |parameters: &[&str], with_filters: bool, responses: Value| {
        let filters = filters.iter().filter(|_| with_filters).map(String::as_str);
        let parameters: Vec<Value> = filters.chain(parameters.iter().copied()).map(reference).collect();
        let mut operation = described(table.description.as_deref(), name);
        operation.insert("parameters".to_owned(), json!(parameters));
        operation.insert("responses".to_owned(), responses);
        Value::from(operation)
    };
    let rows = json!({ "type": "array", "items": { "$ref": format!("#/definitions/{name}") } });
    let mut path = Map::new();
    path.insert(
        "get".to_owned(),
        operation(
            &["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"],
            true,
            json!({ "200": { "description": "OK", "schema": rows }, "206": { "description": "Partial Content" } }),
        ),
    );
    if table.is_insertable || table.is_updatable || table.is_deletable {
        let created = json!({ "201": { "description": "Created" } });
        let changed = json!({ "204": { "description": "No Content" } });
        path.insert("post".to_owned(), operation(&[&body, "select", "preferPost"], false, created));
        path.insert("delete".to_owned(), operation(&["preferReturn"], true, changed.clone()));
        path.insert("patch".to_owned(), operation(&[&body, "preferReturn"], true, changed));
    }
    Value::from(path)
}

fn function(routine: &Routine) -> Value {
    let operation = |parameters: Vec<Value>| {
        let tag = format!("(rpc) {}", routine.name.name);
        let mut operation = described(routine.description.as_deref(), &tag);
        operation.insert("produces".to_owned(), json!(RESULTS.get(..3)));
        operation.insert("responses".to_owned(), json!({ "200": { "description": "OK" } }));
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), json!(parameters));
        }
        Value::from(operation)
    };
    let mut path = Map::new();
    if routine.volatility != Volatility::Volatile {
        path.insert("get".to_owned(), operation(routine.params.iter().map(argument).collect()));
    }
    let arguments = json!({ "name": "args", "in": "body", "required": true, "schema": arguments(routine) });
    path.insert("post".to_owned(), operation(vec![arguments, reference("preferParams")]));
    Value::from(path)
}

/// Summary, description and tag of an operation.
fn described(comment: Option<&str>, tag: &str) -> Map<String, Value> {
    let mut operation = Map::new();
    operation.insert("tags".to_owned(), json!([tag]));
    if let Some((summary, description)) = comment.map(first_line_and_rest) {
        operation.insert("summary".to_owned(), json!(summary));
        if !description.is_empty() {
            operation.insert("description".to_owned(), json!(description));
        }
    }
    operation
}

fn reference(parameter: &str) -> Value {
    json!({ "$ref": format!("#/parameters/{parameter}") })
}

/// A parameter in the query string, where arrays are literals and everything has a type.
fn argument(param: &Param) -> Value {
    if param.is_variadic {
        let element = element_of(&param.data_type);
        let mut items = Map::new();
        items.insert("format".to_owned(), json!(format_of(element)));
        if let Some(name) = type_of(element) {
            items.insert("type".to_owned(), json!(name));
        }
        return json!({
            "name": param.name,
            "in": "query",
            "required": param.is_required,
            "type": type_of(&param.data_type).unwrap_or("string"),
            "collectionFormat": "multi",
            "items": items,
        });
    }
    json!({
        "name": param.name,
        "in": "query",
        "required": param.is_required,
        "type": type_of(&param.data_type).filter(|name| *name != "array").unwrap_or("string"),
        "format": format_of(&param.data_type),
    })
}

/// All parameters as one object.
fn arguments(routine: &Routine) -> Value {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    if let Some(description) = &routine.description {
        schema.insert("description".to_owned(), json!(description));
    }
    if !routine.params.is_empty() {
        let properties: Map<String, Value> = routine
            .params
            .iter()
            .map(|param| (param.name.to_string(), Value::from(property(&param.data_type))))
            .collect();
        schema.insert("properties".to_owned(), Value::from(properties));
    }
    let required: Vec<&str> =
        routine.params.iter().filter(|param| param.is_required).map(|param| &*param.name).collect();
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    Value::from(schema)
}
