//! The same document in the words of OpenAPI 3.1, an extension of ours.
//!
//! It is made from the Swagger 2.0 document and from nothing else, so the two cannot differ in what
//! they describe. What 3.1 can say and 2.0 cannot is added: a column that may be null has a type
//! that includes null.

use serde_json::{Map, Value, json};

/// Keys of a Swagger parameter that belong to its schema.
const SCHEMA_KEYS: [&str; 5] = ["type", "format", "items", "default", "enum"];

/// The document, from one of Swagger 2.0.
pub(super) fn document(mut swagger: Value) -> Value {
    let mut take = |key: &str| swagger.get_mut(key).map(Value::take).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let server = {
        let scheme = take("schemes").get(0).map(text).unwrap_or_default();
        let base = text(&take("basePath"));
        format!("{scheme}://{}{}", text(&take("host")), base.trim_end_matches('/'))
    };
    let formats = Formats { consumed: take("consumes"), produced: take("produces") };
    let (bodies, parameters): (Map<_, _>, Map<_, _>) =
        entries(take("parameters")).partition(|(_, parameter)| parameter["in"] == "body");
    let components = json!({
        "schemas": keyed(entries(take("definitions")), definition),
        "parameters": keyed(parameters, parameter),
        "requestBodies": keyed(bodies, |body| formats.request_body(body)),
    });
    let paths: Map<_, _> = entries(take("paths"))
        .map(|(path, operations)| {
            let operations = entries(operations).map(|(method, own)| (method, formats.operation(own)));
            (path, Value::Object(operations.collect()))
        })
        .collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": take("info"),
        "externalDocs": take("externalDocs"),
        "servers": [{ "url": server }],
        "paths": paths,
        "components": components,
    });
    if let schemes @ Value::Object(_) = take("securityDefinitions") {
        document["components"]["securitySchemes"] = schemes;
        document["security"] = take("security");
    }
    document
}

/// The media types that hold where an operation does not say its own.
struct Formats {
    consumed: Value,
    produced: Value,
}

impl Formats {
    fn operation(&self, mut operation: Value) -> Value {
        let produced = operation.get_mut("produces").map(Value::take);
        let produced = produced.as_ref().unwrap_or(&self.produced);
        let all = operation.get_mut("parameters").map(Value::take);
        let mut parameters = Vec::new();
        if let Some(Value::Array(all)) = all {
            for one in all {
                let name = one["$ref"].as_str().and_then(|name| name.strip_prefix("#/parameters/"));
                match name {
                    Some(name) if name.starts_with("body.") => {
                        operation["requestBody"] = reference("requestBodies", name);
                    }
                    Some(name) => parameters.push(reference("parameters", name)),
                    None if one["in"] == "body" => operation["requestBody"] = self.request_body(one),
                    None => parameters.push(parameter(one)),
                }
            }
        }
        let responses = entries(operation["responses"].take()).map(|(status, mut response)| {
            if let Some(schema) = response.get_mut("schema").map(Value::take) {
                response["content"] = content(produced, &referring(schema));
                remove(&mut response, "schema");
            }
            (status, response)
        });
        operation["responses"] = Value::Object(responses.collect());
        operation["parameters"] = Value::Array(parameters);
        remove(&mut operation, "produces");
        operation
    }

    fn request_body(&self, mut body: Value) -> Value {
        let schema = referring(body["schema"].take());
        let mut request = json!({ "content": content(&self.consumed, &schema) });
        for key in ["description", "required"] {
            if let Some(value) = body.get_mut(key).map(Value::take) {
                request[key] = value;
            }
        }
        request
    }
}

/// A schema under each of the media types.
fn content(media_types: &Value, schema: &Value) -> Value {
    let types = media_types.as_array().into_iter().flatten().filter_map(Value::as_str);
    types.map(|name| (name.to_owned(), json!({ "schema": schema }))).collect::<Map<_, _>>().into()
}

/// A parameter with a schema of its own. Several values of one name are the default in 3.1.
fn parameter(mut parameter: Value) -> Value {
    let mut schema = Map::new();
    if let Value::Object(fields) = &mut parameter {
        fields.remove("collectionFormat");
        schema.extend(SCHEMA_KEYS.iter().filter_map(|key| fields.remove_entry(*key)));
    }
    parameter["schema"] = Value::Object(schema);
    parameter
}

/// A relation. What is not required may be null.
fn definition(mut definition: Value) -> Value {
    let required = definition.get("required").cloned().unwrap_or_default();
    let required: Vec<&str> = required.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(Value::Object(properties)) = definition.get_mut("properties") {
        let optional = properties.iter_mut().filter(|(name, _)| !required.contains(&name.as_str()));
        optional.for_each(|(_, property)| nullable(property));
    }
    definition
}

fn nullable(property: &mut Value) {
    if let Some(kind) = property.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(Value::Array(labels)) = property.get_mut("enum") {
        labels.push(Value::Null);
    }
}

/// A schema whose references lead to where 3.1 keeps schemas.
fn referring(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str)
                && let Some(name) = name.strip_prefix("#/definitions/")
            {
                return reference("schemas", name);
            }
            fields.values_mut().for_each(|value| *value = referring(value.take()));
        }
        Value::Array(all) => all.iter_mut().for_each(|value| *value = referring(value.take())),
        _ => {}
    }
    schema
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{}", key(name)) })
}

/// The name of a component: letters, digits, dots, dashes and underscores only. Other characters
/// are written as their code.
fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => key.push(c),
            other => key.push_str(&format!("_{:x}_", u32::from(other))),
        }
    }
    key
}

fn keyed(entries: impl IntoIterator<Item = (String, Value)>, convert: impl Fn(Value) -> Value) -> Value {
    entries.into_iter().map(|(name, value)| (key(&name), convert(value))).collect::<Map<_, _>>().into()
}

fn entries(object: Value) -> impl Iterator<Item = (String, Value)> {
    let fields = if let Value::Object(fields) = object { fields } else { Map::new() };
    fields.into_iter()
}

fn remove(object: &mut Value, key: &str) {
    if let Value::Object(fields) = object {
        fields.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swagger() -> Value {
        json!({
            "swagger": "2.0",
            "info": { "title": "t", "version": "1", "description": "d" },
            "externalDocs": { "url": "https://example.com" },
            "host": "api.example:443",
            "basePath": "/rest/v1",
            "schemes": ["https"],
            "consumes": ["application/json", "text/csv"],
            "produces": ["application/json"],
            "definitions": {
                "odd name": {
                    "type": "object",
                    "required": ["id"],
                    "properties": {
                        "id": { "type": "integer", "format": "int32" },
                        "mood": { "type": "string", "enum": ["good"] },
                        "data": { "format": "jsonb" },
                    },
                },
            },
            "parameters": {
                "order": { "name": "order", "in": "query", "required": false, "type": "string" },
                "body.odd name": {
                    "name": "odd name", "in": "body", "required": false,
                    "schema": { "$ref": "#/definitions/odd name" },
                },
            },
            "paths": {
                "/odd name": {
                    "get": {
                        "tags": ["odd name"],
                        "parameters": [{ "$ref": "#/parameters/order" }],
                        "responses": { "200": {
                            "description": "OK",
                            "schema": { "type": "array", "items": { "$ref": "#/definitions/odd name" } },
                        } },
                    },
                    "post": {
                        "parameters": [{ "$ref": "#/parameters/body.odd name" }],
                        "responses": { "201": { "description": "Created" } },
                    },
                },
                "/rpc/f": {
                    "get": {
                        "produces": ["text/plain"],
                        "parameters": [{
                            "name": "v", "in": "query", "required": true, "type": "array",
                            "items": { "type": "string" }, "collectionFormat": "multi",
                        }],
                        "responses": { "200": { "description": "OK", "schema": {} } },
                    },
                    "post": {
                        "parameters": [{
                            "name": "args", "in": "body", "required": true, "schema": { "type": "object" },
                        }],
                        "responses": {},
                    },
                },
            },
            "security": [{ "JWT": [] }],
            "securityDefinitions": { "JWT": { "type": "apiKey", "in": "header", "name": "Authorization" } },
        })
    }

    #[test]
    fn nothing_of_swagger_is_left() {
        let document = document(swagger());
        let text = document.to_string();
        for word in ["swagger", "basePath", "#/definitions", "#/parameters", "collectionFormat", "\"body\""] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"], json!([{ "url": "https://api.example:443/rest/v1" }]));
        assert_eq!(document["components"]["securitySchemes"]["JWT"]["type"], "apiKey");
        assert_eq!(document["security"], json!([{ "JWT": [] }]));
    }

    #[test]
    fn parameters_bodies_and_answers_have_their_places() {
        let document = document(swagger());
        let get = &document["paths"]["/odd name"]["get"];
        assert_eq!(get["parameters"], json!([{ "$ref": "#/components/parameters/order" }]));
        assert_eq!(
            get["responses"]["200"]["content"]["application/json"]["schema"]["items"]["$ref"],
            "#/components/schemas/odd_20_name"
        );
        let post = &document["paths"]["/odd name"]["post"];
        assert_eq!(post["requestBody"]["$ref"], "#/components/requestBodies/body.odd_20_name");
        assert_eq!(post["parameters"], json!([]));
        let bodies = &document["components"]["requestBodies"];
        assert!(bodies["body.odd_20_name"]["content"]["text/csv"]["schema"]["$ref"].is_string());
        assert_eq!(
            document["components"]["parameters"]["order"],
            json!({ "name": "order", "in": "query", "required": false, "schema": { "type": "string" } })
        );
        let call = &document["paths"]["/rpc/f"];
        assert_eq!(call["get"]["parameters"][0]["schema"]["items"], json!({ "type": "string" }));
        assert!(call["get"]["responses"]["200"]["content"]["text/plain"].is_object());
        assert_eq!(call["post"]["requestBody"]["required"], true);
    }

    #[test]
    fn what_may_be_null_says_so() {
        let document = document(swagger());
        let properties = &document["components"]["schemas"]["odd_20_name"]["properties"];
        assert_eq!(properties["id"]["type"], "integer");
        assert_eq!(properties["mood"], json!({ "type": ["string", "null"], "enum": ["good", null] }));
        assert_eq!(properties["data"], json!({ "format": "jsonb" }));
    }
}
