//! Changes of part of what is said of someone: the operations of RFC 7644, 3.5.2, as identity providers send them.

use serde_json::{Map, Value, json};

use super::Refusal;
use super::person::{SCHEMA, field, is_primary};
use crate::user::Object;

/// More operations are refused.
const MOST: usize = 100;

/// The attributes that count. Others are taken and not kept.
const KNOWN: [&str; 6] = ["userName", "externalId", "active", "displayName", "name", "emails"];

/// What becomes of what a path names.
#[derive(Clone, Copy)]
enum Change<'a> {
    /// Of what is single it is replacing.
    Add(&'a Value),
    Replace(&'a Value),
    Remove,
}

impl<'a> Change<'a> {
    /// The value, if it says something: null is nothing.
    fn value(self) -> Option<&'a Value> {
        match self {
            Self::Add(value) | Self::Replace(value) => Some(value).filter(|value| !value.is_null()),
            Self::Remove => None,
        }
    }

    fn with(self, value: &'a Value) -> Self {
        match self {
            Self::Add(_) => Self::Add(value),
            Self::Replace(_) | Self::Remove => Self::Replace(value),
        }
    }
}

/// What a path names, of the attributes that we keep.
struct Target<'a> {
    name: &'static str,
    /// Which of several, as it is written between brackets.
    filter: Option<&'a str>,
    part: Option<&'a str>,
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
    let value = || {
        let missing = || Refusal::value("an operation that sets something needs a value");
        field(operation, "value").ok_or_else(missing)
    };
    let kind = match name.as_str() {
        "add" => Change::Add(value()?),
        "replace" => Change::Replace(value()?),
        "remove" => Change::Remove,
        _ => return Err(Refusal::syntax("op must be add, replace or remove")),
    };
    match (field(operation, "path"), kind) {
        (Some(Value::String(path)), kind) => change(said, path, kind),
        (None, Change::Add(Value::Object(values)) | Change::Replace(Value::Object(values))) => {
            values.iter().try_for_each(|(path, value)| change(said, path, kind.with(value)))
        }
        (None, Change::Remove) => {
            Err(Refusal::Invalid { kind: "noTarget", detail: "remove needs a path".to_owned() })
        }
        (None, _) => Err(Refusal::value("an operation without a path needs an object as its value")),
        _ => Err(invalid_path("a path must be a string")),
    }
}

fn invalid_path(detail: &str) -> Refusal {
    Refusal::Invalid { kind: "invalidPath", detail: detail.to_owned() }
}

/// Sets what the path names, or takes it away.
fn change(said: &mut Object, path: &str, kind: Change<'_>) -> Result<(), Refusal> {
    let Some(Target { name, filter, part }) = parse(path)? else { return Ok(()) };
    match (name, filter, part, kind.value()) {
        ("emails", filter, part, _) => change_emails(said, filter, part, kind),
        (_, Some(_), ..) => Err(invalid_path("the attribute is single")),
        ("userName" | "active", _, None, None) => {
            Err(Refusal::Invalid { kind: "mutability", detail: format!("{name} cannot be removed") })
        }
        ("name", _, Some(part), value) => {
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
        ("name", _, None, Some(Value::Object(parts))) => {
            parts.iter().try_for_each(|(part, value)| change(said, &format!("name.{part}"), kind.with(value)))
        }
        (_, _, Some(_), _) => Err(invalid_path("the attribute has no parts")),
        (name, _, None, Some(value)) => {
            said.insert(name.to_owned(), value.clone());
            Ok(())
        }
        (name, _, None, None) => {
            said.remove(name);
            Ok(())
        }
    }
}

/// We keep one address. Others that are added beside it, or changed, are taken and not kept: they are not what
/// somebody signs in with.
fn change_emails(
    said: &mut Object,
    filter: Option<&str>,
    part: Option<&str>,
    kind: Change<'_>,
) -> Result<(), Refusal> {
    let kept = said.get("emails").and_then(Value::as_array).and_then(|list| list.first());
    let kept = kept.and_then(Value::as_object).cloned();
    if let (Some(filter), Some(kept)) = (filter, &kept)
        && !names(filter, kept)?
    {
        return Ok(());
    }
    let part = part.map(str::to_ascii_lowercase);
    let mut mail = kept.clone().unwrap_or_default();
    let list = match (part.as_deref(), kind.value()) {
        (Some(part @ ("value" | "type")), Some(value)) => {
            mail.insert(part.to_owned(), value.clone());
            json!([mail])
        }
        (Some("type"), None) => {
            mail.remove("type");
            json!([mail])
        }
        (None | Some("value"), None) => {
            said.remove("emails");
            return Ok(());
        }
        // Of what we do not keep of an address.
        (Some(_), _) => return Ok(()),
        (None, Some(Value::Object(parts))) if filter.is_some() => {
            mail.retain(|key, _| field(parts, key).is_none());
            mail.extend(parts.clone());
            json!([mail])
        }
        (None, Some(value)) => {
            let list = if value.is_object() { json!([value]) } else { value.clone() };
            let has_primary =
                list.as_array().into_iter().flatten().filter_map(Value::as_object).any(is_primary);
            if matches!(kind, Change::Add(_)) && kept.is_some() && !has_primary {
                return Ok(());
            }
            list
        }
    };
    said.insert("emails".to_owned(), list);
    Ok(())
}

/// Whether `attribute eq value` is true of the address.
fn names(filter: &str, mail: &Object) -> Result<bool, Refusal> {
    let invalid = || Refusal::Invalid {
        kind: "invalidFilter",
        detail: "addresses are told apart by type, value or primary, each by eq".to_owned(),
    };
    let mut words = filter.split_whitespace();
    let (Some(attribute), Some(operator), Some(value), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid());
    };
    let attribute = attribute.to_ascii_lowercase();
    if !operator.eq_ignore_ascii_case("eq") || !matches!(attribute.as_str(), "type" | "value" | "primary") {
        return Err(invalid());
    }
    let value = value.trim_matches('"');
    Ok(match field(mail, &attribute) {
        Some(Value::String(text)) => text.eq_ignore_ascii_case(value),
        Some(Value::Bool(truth)) => value.eq_ignore_ascii_case(if *truth { "true" } else { "false" }),
        _ => false,
    })
}

/// `attribute`, `attribute.part` or `attribute[filter].part`, with or without the schema before it; `None` for
/// attributes that we do not keep.
fn parse(path: &str) -> Result<Option<Target<'_>>, Refusal> {
    let bare = match path.get(..SCHEMA.len()).filter(|start| start.eq_ignore_ascii_case(SCHEMA)) {
        Some(_) => path.get(SCHEMA.len()..).unwrap_or_default().trim_start_matches(':'),
        None => path,
    };
    // Of an extension.
    if bare.to_ascii_lowercase().starts_with("urn:") {
        return Ok(None);
    }
    let unreadable = || invalid_path("the path cannot be read");
    let (name, filter, part) = match bare.split_once('[') {
        Some((name, rest)) => {
            let (filter, rest) =
                rest.rsplit_once(']').ok_or_else(|| invalid_path("a bracket is not closed"))?;
            let part = match rest {
                "" => None,
                rest => Some(rest.strip_prefix('.').ok_or_else(unreadable)?),
            };
            (name, Some(filter), part)
        }
        None => match bare.split_once('.') {
            Some((name, part)) => (name, None, Some(part)),
            None => (bare, None, None),
        },
    };
    if name.is_empty() || part == Some("") || name.contains(char::is_whitespace) {
        return Err(unreadable());
    }
    let known = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    Ok(known.map(|name| Target { name, filter, part }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patched(operations: Value) -> Result<Value, (Option<&'static str>, String)> {
        let mut said = json!({
            "userName": "jane@example.com", "active": true, "externalId": "7", "name": { "givenName": "Jane" },
            "emails": [{ "value": "jane@example.com", "type": "work", "primary": true }],
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
        check(
            json!({ "op": "replace", "path": "emails", "value": [{ "value": "x@example.com" }] }),
            "/emails/0/value",
            json!("x@example.com"),
        );
        let primary = json!([{ "value": "p@example.com", "primary": true }]);
        check(
            json!({ "op": "add", "path": "emails", "value": primary }),
            "/emails/0/value",
            json!("p@example.com"),
        );
        let whole = json!({ "op": "replace", "path": "emails[primary eq true]", "value": { "Value": "w@example.com" } });
        check(whole, "/emails/0", json!({ "Value": "w@example.com", "type": "work", "primary": true }));
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
            "emails[type eq \"home\"].value",
            "emails[value eq \"j@example.com\"].value",
            "emails[type eq \"work\"].display",
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

    /// An address that is added beside the one that somebody signs in with does not take its place.
    #[test]
    fn other_addresses_are_not_theirs() {
        let before = patched(json!([])).unwrap();
        let other = json!({ "value": "home@example.com", "type": "home" });
        for operation in [
            json!({ "op": "add", "path": "emails", "value": [other] }),
            json!({ "op": "add", "value": { "emails": [other] } }),
            json!({ "op": "remove", "path": "emails[type eq \"home\"]" }),
            json!({ "op": "replace", "path": "emails[type eq \"home\"]", "value": other }),
        ] {
            assert_eq!(patched(json!([operation])).unwrap(), before, "{operation}");
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
        check(json!({ "op": "replace", "path": "active[x eq 1]", "value": true }), "invalidPath");
        check(json!({ "op": "remove", "path": "emails[type eq \"work\"]value" }), "invalidPath");
        check(json!({ "op": "remove", "path": "emails[type]" }), "invalidFilter");
        check(json!({ "op": "remove", "path": "emails[display eq \"x\"]" }), "invalidFilter");
        check(json!({ "op": "replace", "value": "x" }), "invalidValue");
        check(json!("x"), "invalidSyntax");
        let many = vec![json!({ "op": "replace", "path": "active", "value": true }); 101];
        assert_eq!(patched(json!(many)).unwrap_err().0, Some("invalidSyntax"));
    }

    proptest! {
        #[test]
        fn whatever_a_path_says_it_is_read_or_refused(
            op in "add|replace|remove",
            path in "\\PC{0,60}|(emails|name|active|urn:[a-zA-Z:.]{0,50})[a-zA-Z.\\[\\] \"]{0,30}",
            value in "\\PC{0,10}",
        ) {
            let operation = json!({ "op": op, "path": path, "value": value });
            if let Ok(said) = patched(json!([operation])) {
                prop_assert!(said["userName"].is_string());
                let addresses = said.get("emails").and_then(Value::as_array).map_or(0, Vec::len);
                prop_assert!(addresses <= 1 || value.starts_with('['));
            }
        }
    }
}
