//! Changes of part of what is said of someone: the operations of RFC 7644, 3.5.2, as identity providers send them.

use serde_json::{Map, Value, json};

use super::Refusal;
use super::person::{SCHEMA, field};
use crate::user::Object;

/// More operations are refused.
const MOST: usize = 100;

/// The attributes that count. Others are taken and not kept.
const KNOWN: [&str; 6] = ["userName", "externalId", "active", "displayName", "name", "emails"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// Adding to what is single is replacing it.
    Set,
    Remove,
}

/// Changes `said` as the body asks.
pub(crate) fn apply(said: &mut Object, body: &Object) -> Result<(), Refusal> {
    let Some(Value::Array(operations)) = field(body, "Operations") else {
        return Err(Refusal::syntax("Operations must be a list"));
    };
    if operations.len() > MOST {
        return Err(Refusal::syntax(format!("at most {MOST} operations at once")));
    }
    operations.iter().try_for_each(|operation| apply_one(said, operation))
}

fn apply_one(said: &mut Object, operation: &Value) -> Result<(), Refusal> {
    let operation = operation.as_object().ok_or_else(|| Refusal::syntax("an operation must be an object"))?;
    let name = field(operation, "op").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let kind = match name.as_str() {
        "add" | "replace" => Operation::Set,
        "remove" => Operation::Remove,
        _ => return Err(Refusal::syntax("op must be add, replace or remove")),
    };
    let value = field(operation, "value");
    match (field(operation, "path"), kind, value) {
        (Some(Value::String(path)), Operation::Remove, _) => change(said, path, None),
        (Some(Value::String(path)), Operation::Set, Some(value)) => change(said, path, Some(value)),
        (None, Operation::Set, Some(Value::Object(values))) => {
            values.iter().try_for_each(|(path, value)| change(said, path, Some(value)))
        }
        (None, Operation::Remove, _) => {
            Err(Refusal::Invalid { kind: "noTarget", detail: "remove needs a path".to_owned() })
        }
        (Some(Value::String(_)) | None, Operation::Set, _) => {
            Err(Refusal::value("an operation that sets something needs a value"))
        }
        _ => Err(invalid_path("a path must be a string")),
    }
}

fn invalid_path(detail: &str) -> Refusal {
    Refusal::Invalid { kind: "invalidPath", detail: detail.to_owned() }
}

/// Sets what the path names, or takes it away.
fn change(said: &mut Object, path: &str, value: Option<&Value>) -> Result<(), Refusal> {
    let Some((name, part)) = parse(path)? else { return Ok(()) };
    let value = value.filter(|value| !value.is_null());
    match (name, part, value) {
        ("userName" | "active", None, None) => {
            Err(Refusal::Invalid { kind: "mutability", detail: format!("{name} cannot be removed") })
        }
        // We keep one address, so that a list of some is a list of it.
        ("emails", Some("value"), Some(value)) => {
            said.insert(name.to_owned(), json!([{ "value": value, "primary": true }]));
            Ok(())
        }
        ("emails", None, Some(Value::Object(mail))) => {
            said.insert(name.to_owned(), json!([mail]));
            Ok(())
        }
        // Of what we do not keep of an address.
        ("emails", Some(part), _) if part != "value" => Ok(()),
        ("name", Some(part), value) => {
            let whole = said.entry("name").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(whole) = whole {
                whole.retain(|key, _| !key.eq_ignore_ascii_case(part));
                if let Some(value) = value {
                    whole.insert(part.to_owned(), value.clone());
                }
            }
            Ok(())
        }
        // Parts that are not named stay.
        ("name", None, Some(Value::Object(parts))) => {
            parts.iter().try_for_each(|(part, value)| change(said, &format!("name.{part}"), Some(value)))
        }
        (name, None, Some(value)) => {
            said.insert(name.to_owned(), value.clone());
            Ok(())
        }
        (name, _, None) => {
            said.remove(name);
            Ok(())
        }
        (_, Some(_), Some(_)) => Err(invalid_path("the attribute has no parts")),
    }
}

/// `attribute`, `attribute.part` or `attribute[filter].part`, with or without the schema before it; `None` for
/// attributes that we do not keep.
fn parse(path: &str) -> Result<Option<(&'static str, Option<&str>)>, Refusal> {
    let bare = match path.get(..SCHEMA.len()).filter(|start| start.eq_ignore_ascii_case(SCHEMA)) {
        Some(_) => path.get(SCHEMA.len()..).unwrap_or_default().trim_start_matches(':'),
        None => path,
    };
    // Of an extension.
    if bare.to_ascii_lowercase().starts_with("urn:") {
        return Ok(None);
    }
    let (name, part) = match bare.split_once('[') {
        Some((name, rest)) => {
            let (_, rest) = rest.rsplit_once(']').ok_or_else(|| invalid_path("a bracket is not closed"))?;
            (name, rest.strip_prefix('.'))
        }
        None => match bare.split_once('.') {
            Some((name, part)) => (name, Some(part)),
            None => (bare, None),
        },
    };
    if name.is_empty() || part == Some("") || name.contains(char::is_whitespace) {
        return Err(invalid_path("the path cannot be read"));
    }
    Ok(KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name)).map(|known| (known, part)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn patched(operations: Value) -> Result<Value, (Option<&'static str>, String)> {
        let mut said = json!({
            "userName": "jane@example.com", "active": true, "externalId": "7", "name": { "givenName": "Jane" },
            "emails": [{ "value": "jane@example.com", "primary": true }],
        });
        let body =
            json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        apply(said.as_object_mut().unwrap(), body.as_object().unwrap())
            .map_err(|refusal| (refusal.place().1, refusal.to_string()))?;
        Ok(said)
    }

    #[test]
    fn what_identity_providers_send() {
        let check = |operation: Value, path: &str, expected: Value| {
            let said = patched(json!([operation])).unwrap();
            assert_eq!(said.pointer(path).cloned().unwrap_or_default(), expected, "{operation}");
        };
        check(json!({ "op": "replace", "path": "active", "value": false }), "/active", json!(false));
        check(json!({ "op": "Replace", "path": "active", "value": "False" }), "/active", json!("False"));
        check(json!({ "op": "replace", "value": { "active": false } }), "/active", json!(false));
        check(
            json!({ "op": "add", "path": "name.familyName", "value": "Doe" }),
            "/name",
            json!({ "givenName": "Jane", "familyName": "Doe" }),
        );
        check(json!({ "op": "replace", "value": { "name.givenName": "J" } }), "/name/givenName", json!("J"));
        check(
            json!({ "op": "replace", "path": "name", "value": { "familyName": "Doe" } }),
            "/name",
            json!({ "givenName": "Jane", "familyName": "Doe" }),
        );
        let mail =
            json!({ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "j@example.com" });
        check(mail, "/emails/0/value", json!("j@example.com"));
        check(json!({ "op": "remove", "path": "externalId" }), "/externalId", Value::Null);
        check(
            json!({ "op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:userName", "value": "x" }),
            "/userName",
            json!("x"),
        );
        // Taken and not kept.
        for path in [
            "title",
            "phoneNumbers[type eq \"work\"].value",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        ] {
            let before = patched(json!([])).unwrap();
            assert_eq!(
                patched(json!([{ "op": "add", "path": path, "value": "x" }])).unwrap(),
                before,
                "{path}"
            );
        }
    }

    #[test]
    fn what_cannot_be_done() {
        let check = |operation: Value, expected: &'static str| {
            let refused = patched(json!([operation])).unwrap_err();
            assert_eq!(refused.0, Some(expected), "{operation} {}", refused.1);
        };
        check(json!({ "op": "remove" }), "noTarget");
        check(json!({ "op": "move", "path": "active" }), "invalidSyntax");
        check(json!({ "op": "replace", "path": "active" }), "invalidValue");
        check(json!({ "op": "remove", "path": "userName" }), "mutability");
        check(json!({ "op": "replace", "path": "emails[type", "value": "x" }), "invalidPath");
        check(json!({ "op": "replace", "path": "active.now", "value": true }), "invalidPath");
        check(json!("x"), "invalidSyntax");
        let many = vec![json!({ "op": "replace", "path": "active", "value": true }); 101];
        assert_eq!(patched(json!(many)).unwrap_err().0, Some("invalidSyntax"));
    }
}
