//! A text from the environment or a flag becomes a value of the setting's type.

use serde_json::{Map, Number, Value};

use super::schema::{Kind, Leaf};

/// Reads `text` for `leaf`; an empty text unsets what may be unset.
pub(crate) fn from_text(leaf: &Leaf, text: &str) -> Result<Value, String> {
    if text.is_empty() && leaf.optional {
        return Ok(Value::Null);
    }
    of_kind(&leaf.kind, text)
}

fn of_kind(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Flag => flag(text).map(Value::Bool).ok_or_else(|| "must be true or false".to_owned()),
        Kind::Integer => {
            let number = text.trim().parse::<i64>().map_err(|_| "must be a whole number".to_owned())?;
            Ok(Value::Number(Number::from(number)))
        }
        Kind::List(item) => list(item, text),
        Kind::Map => map(text),
    }
}

/// The spellings of Go, PostgREST and people.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "on" => Some(true),
        "false" | "f" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A JSON array, or parts with commas between. (`[::1]:80` begins like an array but is an address.)
fn list(item: &Kind, text: &str) -> Result<Value, String> {
    if text.trim().starts_with('[') && text.trim().ends_with(']') {
        return serde_json::from_str(text).map_err(|_| "must be a list: a,b,c or a JSON array".to_owned());
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| of_kind(item, part)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// A JSON object, or `name:value` and `name=value` with commas between.
fn map(text: &str) -> Result<Value, String> {
    let refused = || "must be a map: a=1,b=2 or a JSON object".to_owned();
    if text.trim_start().starts_with('{') {
        return serde_json::from_str::<Map<_, _>>(text).map(Value::Object).map_err(|_| refused());
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once([':', '=']).ok_or_else(refused)?;
            Ok((name.trim().to_owned(), Value::String(value.trim().to_owned())))
        })
        .collect::<Result<Map<_, _>, _>>()
        .map(Value::Object)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn texts_become_values() {
        let check = |kind: Kind, text: &str, expected: Option<Value>| {
            assert_eq!(of_kind(&kind, text).ok(), expected, "{text}");
        };
        check(Kind::Flag, "TRUE", Some(json!(true)));
        check(Kind::Flag, "f", Some(json!(false)));
        check(Kind::Flag, "", None);
        check(Kind::Integer, "12", Some(json!(12)));
        check(Kind::Integer, "1.5", None);
        let list = || Kind::List(Box::new(Kind::Text));
        check(list(), "", Some(json!([])));
        check(list(), r#"v1, v2,SPECIAL "@/\#~_-"#, Some(json!(["v1", "v2", r#"SPECIAL "@/\#~_-"#])));
        check(list(), r#"["a,b"]"#, Some(json!(["a,b"])));
        check(list(), "[oops]", None);
        check(list(), "[::1]:80", Some(json!(["[::1]:80"])));
        check(Kind::Map, "4152127777:123456,1=2", Some(json!({"4152127777": "123456", "1": "2"})));
        check(Kind::Map, r#"{"a":"b"}"#, Some(json!({"a": "b"})));
        check(Kind::Map, "a", None);
    }

    #[test]
    fn the_empty_text_unsets() {
        let leaf = |optional| Leaf {
            kind: Kind::Text,
            optional,
            secret: false,
            description: String::new(),
            choices: Vec::new(),
            entries: BTreeMap::new(),
        };
        assert_eq!(from_text(&leaf(true), ""), Ok(Value::Null));
        assert_eq!(from_text(&leaf(false), ""), Ok(json!("")));
    }
}
