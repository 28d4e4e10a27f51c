//! What can be asked of relations and functions.

use serde_json::{Map, Value, json};

use super::parameter::row_filter;
use super::{mimes, property, put, summary};
use crate::request::MediaType;
use crate::schema::{Param, Routine, Table, Volatility};

/// All paths.
pub(super) fn all(tables: &[&Table], routines: &[&Routine], extra_path: &[String]) -> Value {
    let mut all = Map::new();
    all.insert("/".to_owned(), root());
    all.extend(tables.iter().map(|table| (format!("/{}", table.name.name), relation(table))));
    all.extend(
        routines.iter().map(|routine| (format!("/rpc/{}", routine.name.name), function(routine, extra_path))),
    );
    Value::Object(all)
}

fn root() -> Value {
    json!({
        "get": {
            "tags": ["Introspection"],
            "summary": "OpenAPI description (this document)",
            "produces": mimes(&[MediaType::OpenApi, MediaType::Json]),
            "responses": { "200": { "description": "OK" } },
        },
    })
}

fn relation(table: &Table) -> Value {
    let name = &*table.name.name;
    let filters = || table.columns.iter().map(|column| row_filter(name, &column.name));
    let operation = |parameters: Vec<String>, responses: Value| {
        let parameters: Vec<_> = parameters
            .iter()
            .map(|parameter| json!({ "$ref": format!("#/parameters/{parameter}") }))
            .collect();
        let mut operation = json!({ "tags": [name], "parameters": parameters, "responses": responses });
        describe(&mut operation, table.description.as_deref());
        operation
    };
    let with = |own: &[&str]| own.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let rows = ["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"];
    let body = format!("body.{name}");
    let mut path = json!({
        "get": operation(filters().chain(with(&rows)).collect(), json!({
            "200": {
                "description": "OK",
                "schema": { "type": "array", "items": { "$ref": format!("#/definitions/{name}") } },
            },
            "206": { "description": "Partial Content" },
        })),
    });
    if table.is_insertable || table.is_updatable || table.is_deletable {
        let done = json!({ "204": { "description": "No Content" } });
        path["post"] =
            operation(with(&[&body, "select", "preferPost"]), json!({ "201": { "description": "Created" } }));
        path["patch"] = operation(filters().chain(with(&[&body, "preferReturn"])).collect(), done.clone());
        path["delete"] = operation(filters().chain(with(&["preferReturn"])).collect(), done);
    }
    path
}

fn function(routine: &Routine, extra_path: &[String]) -> Value {
    let search_path: Vec<&str> =
        std::iter::once(&*routine.name.schema).chain(extra_path.iter().map(String::as_str)).collect();
    let search_path = search_path.as_slice();
    let operation = |parameters: Vec<Value>| {
        let mut operation = json!({
            "tags": [format!("(rpc) {}", routine.name.name)],
            "produces": mimes(&[
                MediaType::Json,
                MediaType::Singular { nulls_stripped: true },
                MediaType::Singular { nulls_stripped: false },
            ]),
            "parameters": parameters,
            "responses": { "200": { "description": "OK" } },
        });
        describe(&mut operation, routine.description.as_deref());
        operation
    };
    let body =
        json!({ "name": "args", "required": true, "in": "body", "schema": arguments(routine, search_path) });
    let mut path = json!({ "post": operation(vec![body, json!({ "$ref": "#/parameters/preferParams" })]) });
    if routine.volatility != Volatility::Volatile {
        path["get"] = operation(routine.params.iter().map(|param| argument(param, search_path)).collect());
    }
    path
}

/// The arguments as one object.
fn arguments(routine: &Routine, search_path: &[&str]) -> Value {
    let property = |param: &Param| property::of_type(property::spelled(param, search_path));
    let properties: Map<_, _> =
        routine.params.iter().map(|param| (param.name.to_string(), property(param))).collect();
    let required: Vec<&str> =
        routine.params.iter().filter(|param| param.is_required).map(|param| &*param.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    put(&mut schema, "description", routine.description.as_deref());
    put(&mut schema, "required", Some(required).filter(|required| !required.is_empty()));
    schema
}

/// An argument in the query string, where arrays are written as text.
fn argument(param: &Param, search_path: &[&str]) -> Value {
    let sql = property::spelled(param, search_path);
    let swagger = property::swagger_type(sql).unwrap_or("string");
    let mut argument = json!({ "name": &*param.name, "required": param.is_required, "in": "query" });
    if param.is_variadic {
        let element = property::element(sql).unwrap_or(sql);
        let mut items = json!({ "format": property::format(element) });
        put(&mut items, "type", property::swagger_type(element));
        put(&mut argument, "type", Some(swagger));
        put(&mut argument, "items", Some(items));
        put(&mut argument, "collectionFormat", Some("multi"));
    } else {
        put(&mut argument, "type", Some(if swagger == "array" { "string" } else { swagger }));
        put(&mut argument, "format", Some(property::format(sql)));
    }
    argument
}

/// The comment as summary and description.
fn describe(operation: &mut Value, comment: Option<&str>) {
    let (first, rest) = comment.map(summary).unwrap_or_default();
    put(operation, "summary", first);
    put(operation, "description", rest.filter(|rest| !rest.is_empty()));
}
