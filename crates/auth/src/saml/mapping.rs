//! What attributes of an identity provider become which claims.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::assertion::Assertion;
use crate::user::Object;

/// Claims, and what they are made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Mapping {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keys: Option<BTreeMap<String, Source>>,
}

/// What one claim is made from: the first of the attributes that says anything, else the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Source {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<Value>,
    /// Whether all values count, not the first alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) array: bool,
}

impl Mapping {
    /// The claims that an assertion makes.
    pub(crate) fn claims(&self, assertion: &Assertion) -> Object {
        let sources = self.keys.iter().flatten();
        sources.filter_map(|(key, source)| Some((key.clone(), source.value(assertion)?))).collect()
    }
}

impl Source {
    fn value(&self, assertion: &Assertion) -> Option<Value> {
        let names = [&self.name].into_iter().filter(|name| !name.is_empty()).chain(&self.names);
        for name in names {
            let mut values = assertion.values(name).filter(|value| !value.is_empty()).peekable();
            if values.peek().is_some() {
                return if self.array {
                    Some(json!(values.collect::<Vec<_>>()))
                } else {
                    values.next().map(Value::from)
                };
            }
        }
        self.default.clone()
    }
}

/// What a standard claim has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Flag,
    Number,
    /// A text or a number of seconds.
    Moment,
    /// A text or several.
    Texts,
}

/// The claims that identities keep by name; all others are the provider's own.
const STANDARD: [(&str, Kind); 28] = [
    ("iss", Kind::Text),
    ("sub", Kind::Text),
    ("aud", Kind::Texts),
    ("iat", Kind::Number),
    ("exp", Kind::Number),
    ("name", Kind::Text),
    ("family_name", Kind::Text),
    ("given_name", Kind::Text),
    ("middle_name", Kind::Text),
    ("nickname", Kind::Text),
    ("preferred_username", Kind::Text),
    ("profile", Kind::Text),
    ("picture", Kind::Text),
    ("website", Kind::Text),
    ("gender", Kind::Text),
    ("birthdate", Kind::Text),
    ("zoneinfo", Kind::Text),
    ("locale", Kind::Text),
    ("updated_at", Kind::Moment),
    ("email", Kind::Text),
    ("email_verified", Kind::Flag),
    ("phone", Kind::Text),
    ("phone_verified", Kind::Flag),
    ("full_name", Kind::Text),
    ("avatar_url", Kind::Text),
    ("slug", Kind::Text),
    ("provider_id", Kind::Text),
    ("user_name", Kind::Text),
];

/// Parts claims into those that identities keep by name and the provider's own; `None` if a standard one is
/// not of its kind.
pub(crate) fn sorted(claims: Object) -> Option<(Object, Object)> {
    let (mut standard, mut custom) = (Object::new(), Object::new());
    for (key, value) in claims {
        match STANDARD.iter().find(|(name, _)| *name == key).map(|(_, kind)| *kind) {
            None => drop(custom.insert(key, value)),
            Some(Kind::Text) if value == "" => {}
            Some(kind) if kind.fits(&value) => drop(standard.insert(key, value)),
            Some(_) => return None,
        }
    }
    Some((standard, custom))
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::Number => value.is_number(),
            Self::Moment => value.is_number() || value.is_string(),
            Self::Texts => {
                value.is_string() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::assertion::Attribute;
    use super::*;

    fn assertion(attributes: &[(&str, &[&str])]) -> Assertion {
        let attribute = |(name, values): &(&str, &[&str])| Attribute {
            name: (*name).to_owned(),
            friendly_name: String::new(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        Assertion { attributes: attributes.iter().map(attribute).collect(), ..Assertion::default() }
    }

    #[test]
    fn claims_of_attributes() {
        let assertion = assertion(&[("a", &["", "1", "2"]), ("b", &["3"]), ("empty", &[""])]);
        let mapping: Mapping = serde_json::from_value(json!({ "keys": {
            "first": { "name": "a" },
            "all": { "name": "A", "array": true },
            "second": { "names": ["none", "empty", "b", "a"] },
            "default": { "name": "none", "default": { "x": 1 } },
            "nothing": { "name": "none" },
        } }))
        .unwrap();
        let expected = json!({ "first": "1", "all": ["1", "2"], "second": "3", "default": { "x": 1 } });
        assert_eq!(Value::Object(mapping.claims(&assertion)), expected);
        assert_eq!(Mapping::default().claims(&assertion), Object::new());
    }

    #[test]
    fn a_mapping_is_written_as_it_was_given() {
        for mapping in [
            json!({}),
            json!({ "keys": {} }),
            json!({ "keys": { "a": { "name": "b" }, "c": { "names": ["d"], "default": false, "array": true } } }),
        ] {
            let read: Mapping = serde_json::from_value(mapping.clone()).unwrap();
            assert_eq!(json!(read), mapping);
        }
    }

    #[test]
    fn claims_of_their_own() {
        let claims = json!({ "name": "Jane", "slug": "", "aud": ["a"], "role": "x", "groups": ["a"] });
        let (standard, custom) = sorted(claims.as_object().unwrap().clone()).unwrap();
        assert_eq!(Value::Object(standard), json!({ "name": "Jane", "aud": ["a"] }));
        assert_eq!(Value::Object(custom), json!({ "role": "x", "groups": ["a"] }));
        for wrong in [json!({ "name": ["Jane"] }), json!({ "email_verified": "true" }), json!({ "exp": "1" })]
        {
            assert_eq!(sorted(wrong.as_object().unwrap().clone()), None, "{wrong}");
        }
    }
}
