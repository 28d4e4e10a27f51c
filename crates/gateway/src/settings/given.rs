//! One value for one setting: followed to where it is, tried, and put in its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Settings;
use super::assigned::leaf;
use super::schema::{Kind, Known, Leaf};

/// True if the value must not be shown.
pub(super) fn is_secret(path: &str, leaf: &Leaf) -> bool {
    leaf.secret || path == "database.url"
}

/// Follows `file:/path` and `env:NAME` where a secret is expected.
pub(super) fn resolved(
    known: &Known,
    path: &str,
    value: Value,
    environment: &BTreeMap<String, String>,
) -> Result<Value, String> {
    let secret = leaf(known, path).is_some_and(|leaf| is_secret(path, leaf));
    let Value::String(text) = &value else { return Ok(value) };
    if !secret {
        return Ok(value);
    }
    if let Some(file) = text.strip_prefix("file:") {
        let content =
            fs::read_to_string(Path::new(file)).map_err(|error| format!("cannot read {file}: {error}"))?;
        // One newline at the end belongs to the file, as with PostgREST's `@file`.
        let content = content
            .strip_suffix('\n')
            .map_or(content.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        return Ok(Value::from(content));
    }
    if let Some(name) = text.strip_prefix("env:") {
        let content =
            environment.get(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
        return Ok(Value::from(content.as_str()));
    }
    Ok(value)
}

/// Tries a value alone on top of the defaults, so that a complaint is about this value.
pub(super) fn fitting(known: &Known, path: &str, value: Value) -> Result<Value, String> {
    let leaf = leaf(known, path);
    let secret = leaf.is_some_and(|leaf| is_secret(path, leaf));
    let value = match value {
        // A password of digits needs no quotes.
        Value::Number(number) if secret || leaf.is_some_and(|leaf| leaf.kind == Kind::Text) => {
            let mut tree = known.defaults.clone();
            set(&mut tree, path, Value::Number(number.clone()));
            let as_number = Settings::deserialize(tree).is_ok();
            if as_number { Value::Number(number) } else { Value::String(number.to_string()) }
        }
        value => value,
    };
    let mut tree = known.defaults.clone();
    set(&mut tree, path, value.clone());
    match Settings::deserialize(tree) {
        Ok(_) => Ok(value),
        Err(_) if secret => Err("is not valid".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn set(tree: &mut Value, path: &str, value: Value) {
    let mut node = tree;
    for name in path.split('.') {
        if !node.is_object() {
            *node = Value::Object(Map::new());
        }
        node = &mut node[name];
    }
    *node = value;
}
