//! How the accounts of a provider that an administrator defines are read.
//!
//! `custom_claims_allowlist` names claims that are kept as they are, `attribute_mapping` says which claim
//! of the provider is which of ours. A source may lie deeper (`profile.mail`); one that is not there
//! changes nothing, what is no text is a value to be set.

use serde_json::Value;

use super::super::claims::{TEXTS, of_id_token, of_userinfo};
use super::super::profile::{Email, Profile};
use super::Custom;
use crate::user::Object;

/// The account of a verified ID token.
pub(crate) fn in_id_token(custom: &Custom, claims: &Object) -> Profile {
    // It was verified to be of the one issuer that the administrator named.
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    mapped(custom, claims, of_id_token(claims, issuer))
}

/// The account as the provider's API describes it.
pub(crate) fn in_userinfo(custom: &Custom, claims: &Object) -> Profile {
    mapped(custom, claims, of_userinfo(claims))
}

fn mapped(custom: &Custom, raw: &Object, profile: Profile) -> Profile {
    let mut kept = match profile.data.get("custom_claims") {
        Some(Value::Object(kept)) => kept.clone(),
        _ => Object::new(),
    };
    for key in &custom.custom_claims_allowlist {
        kept.extend(raw.get(key).map(|value| (key.clone(), value.clone())));
    }
    let before = profile.custom(Value::Object(kept));
    let mut after = before.clone();
    for (target, source) in &custom.attribute_mapping {
        let value = match source {
            Value::String(path) => before.data.get(path).or_else(|| at(raw, path)),
            literal => Some(literal),
        };
        if let Some(value) = value {
            after = put(after, raw, target, value);
        }
    }
    after
}

/// The claim of this name, else the one at the end of a path with dots.
fn at<'a>(claims: &'a Object, path: &str) -> Option<&'a Value> {
    let deeper = || {
        let mut names = path.split('.');
        let first = claims.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    };
    claims.get(path).or_else(deeper)
}

fn put(mut profile: Profile, raw: &Object, target: &str, value: &Value) -> Profile {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    match target {
        "sub" => profile.with("sub", &text).with("provider_id", &text),
        "email" if text.is_empty() => profile,
        "email" => {
            // What the provider proved is the address that it calls so.
            let own = raw.get("email").and_then(Value::as_str).unwrap_or_default();
            let is_own = own.is_empty() || own.eq_ignore_ascii_case(&text);
            let verified = is_own && super::super::claims::flag(raw.get("email_verified"));
            profile.emails = vec![Email { address: text, verified, primary: true }];
            profile
        }
        "custom_claims" => profile.custom(value.clone()),
        target if TEXTS.contains(&target) => profile.with(target, &text),
        _ => profile,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::super::definition::Definition;
    use super::*;

    fn read(mapping: Value, allowlist: Value, claims: Value) -> Profile {
        let definition: Definition = serde_json::from_value(json!({ "provider_type": "oauth2",
            "attribute_mapping": mapping, "custom_claims_allowlist": allowlist }))
        .unwrap();
        let custom = definition.create(chrono::DateTime::default());
        in_userinfo(&custom, claims.as_object().unwrap())
    }

    #[test]
    fn mappings() {
        let claims = json!({ "id": 7, "sub": "s", "nick": "jane", "groups": ["a"], "name": "Jane",
            "profile": { "mail": "j@x.test" }, "email": "other@x.test", "email_verified": true });
        let profile = read(
            json!({ "sub": "id", "preferred_username": "nick", "full_name": "name", "locale": 7,
                "nickname": "nowhere", "custom_claims": "nothing", "unknown": "nick" }),
            json!(["groups", "absent"]),
            claims.clone(),
        );
        let text = |key: &str| profile.data.get(key).cloned();
        assert_eq!((profile.sub(), text("provider_id")), ("7", Some(json!("7"))));
        assert_eq!(text("preferred_username"), Some(json!("jane")));
        assert_eq!(text("full_name"), Some(json!("Jane")));
        assert_eq!(text("locale"), Some(json!("7")));
        assert_eq!(text("custom_claims"), Some(json!({ "groups": ["a"] })));
        assert_eq!((text("nickname"), text("unknown")), (None, None));
        assert_eq!(profile.verified(), ["other@x.test"]);

        // An address that the provider does not call so is not proved by it.
        let profile = read(json!({ "email": "profile.mail" }), json!([]), claims);
        assert_eq!(profile.email().unwrap().address, "j@x.test");
        assert_eq!(profile.verified(), Vec::<String>::new());
        let only = json!({ "sub": "s", "mail": "j@x.test", "email_verified": true });
        assert_eq!(read(json!({ "email": "mail" }), json!([]), only).verified(), ["j@x.test"]);
    }
}
