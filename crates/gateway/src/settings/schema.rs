//! The names that exist: read from the types, so that a setting is declared once.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Settings;

/// All settings and sections.
pub(crate) struct Known {
    /// By path (`auth.email.otp_length`).
    pub(crate) leaves: BTreeMap<String, Leaf>,
    /// Sections by path, with what they are for.
    pub(crate) sections: BTreeMap<String, String>,
    /// The defaults, as a tree.
    pub(crate) defaults: Value,
}

/// One setting.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) kind: Kind,
    /// It may be left unset.
    pub(crate) optional: bool,
    pub(crate) secret: bool,
    pub(crate) description: String,
    /// The values it may have, if they are few.
    pub(crate) choices: Vec<String>,
    /// Of a map: what is set below each of its names. Empty if every name has a text.
    pub(crate) entries: BTreeMap<String, Leaf>,
}

/// What a setting holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Flag,
    Integer,
    Text,
    List(Box<Kind>),
    /// Names of the operator's choice.
    Map,
}

impl Known {
    pub(crate) fn read() -> Self {
        let schema = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = schema.into_generator().into_root_schema_for::<Settings>();
        let mut known = Self {
            leaves: BTreeMap::new(),
            sections: BTreeMap::new(),
            defaults: serde_json::to_value(Settings::default()).unwrap_or_default(),
        };
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            known.walk("", properties);
        }
        known
    }

    fn walk(&mut self, prefix: &str, properties: &Map<String, Value>) {
        for (name, schema) in properties {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match schema.get("properties").and_then(Value::as_object) {
                Some(properties) => {
                    self.sections.insert(path.clone(), description(schema));
                    self.walk(&path, properties);
                }
                None => {
                    self.leaves.insert(path, leaf(schema));
                }
            }
        }
    }

    /// The default of the setting at `path`.
    pub(crate) fn default(&self, path: &str) -> &Value {
        path.split('.').fold(&self.defaults, |node, name| &node[name])
    }

    /// Up to three known names that `path` may have been meant to be.
    pub(crate) fn nearest(&self, path: &str) -> Vec<&str> {
        let last = |path: &str| path.rsplit('.').next().map(str::to_owned);
        let mut scored: Vec<(f64, &str)> = self
            .leaves
            .keys()
            .chain(self.sections.keys())
            .map(|known| {
                let near = strsim::normalized_damerau_levenshtein(known, path);
                let same_name = if last(known) == last(path) { 0.5 } else { 0.0 };
                (near + same_name, known.as_str())
            })
            .filter(|(score, _)| *score > 0.6)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().take(3).map(|(_, known)| known).collect()
    }
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

fn leaf(schema: &Value) -> Leaf {
    let mut inner = schema;
    let mut optional = has_type(schema, "null");
    // `Option<T>` of a described T is spelled `anyOf: [T, null]`.
    if let Some(variants) = schema["anyOf"].as_array() {
        optional = true;
        inner = variants.iter().find(|variant| !has_type(variant, "null")).unwrap_or(schema);
    }
    Leaf {
        kind: kind(inner),
        optional,
        secret: schema["format"] == "password",
        description: description(schema),
        choices: choices(inner),
        entries: entries(inner),
    }
}

fn entries(schema: &Value) -> BTreeMap<String, Leaf> {
    let properties = schema["additionalProperties"]["properties"].as_object().into_iter().flatten();
    properties.map(|(name, schema)| (name.clone(), leaf(schema))).collect()
}

fn has_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(own) => own == name,
        Value::Array(several) => several.iter().any(|own| own == name),
        _ => false,
    }
}

fn kind(schema: &Value) -> Kind {
    if has_type(schema, "boolean") {
        Kind::Flag
    } else if has_type(schema, "array") {
        Kind::List(Box::new(kind(&schema["items"])))
    } else if has_type(schema, "object") {
        Kind::Map
    } else if has_type(schema, "integer") && !has_type(schema, "string") {
        Kind::Integer
    } else {
        Kind::Text
    }
}

fn choices(schema: &Value) -> Vec<String> {
    let schema = if schema["items"].is_object() { &schema["items"] } else { schema };
    let plain = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten().map(|variant| &variant["const"]);
    plain.chain(described).filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_types_are_read() {
        let known = Known::read();
        let kind =
            |path: &str| known.leaves.get(path).map(|leaf| (leaf.kind.clone(), leaf.optional)).unwrap();
        assert_eq!(kind("auth.enable_signup"), (Kind::Flag, false));
        assert_eq!(kind("auth.jwt_expiry"), (Kind::Text, false));
        assert_eq!(kind("auth.sessions.timebox"), (Kind::Text, true));
        assert_eq!(kind("auth.sms.test_otp"), (Kind::Map, false));
        assert_eq!(kind("rest.max_rows"), (Kind::Integer, true));
        assert_eq!(kind("rest.role_limits"), (Kind::Map, false));
        let limits = &known.leaves["rest.role_limits"].entries;
        assert_eq!((&limits["max_rows"].kind, limits["max_rows"].optional), (&Kind::Integer, true));
        assert_eq!(limits["statement_timeout"].kind, Kind::Text);
        assert_eq!(kind("rest.anon_role"), (Kind::Text, true));
        assert_eq!(kind("rest.schemas"), (Kind::List(Box::new(Kind::Text)), false));
        assert_eq!(kind("services"), (Kind::List(Box::new(Kind::Text)), false));
        assert!(known.sections.contains_key("auth.email"));
        assert_eq!(
            known.leaves["services"].choices,
            ["auth", "rest", "realtime", "storage", "vault", "functions"]
        );
    }

    #[test]
    fn everything_is_described() {
        let known = Known::read();
        let silent = known.leaves.iter().filter(|(_, leaf)| leaf.description.is_empty());
        assert_eq!(silent.map(|(path, _)| path).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn what_sounds_secret_is_secret() {
        let sounds =
            |name: &str| ["secret", "password", "_key", ".keys"].iter().any(|word| name.ends_with(word));
        let known = Known::read();
        let told = known.leaves.iter().filter(|(path, leaf)| {
            sounds(path) && leaf.kind == Kind::Text && !leaf.secret && !is_secret_elsewhere(path)
        });
        assert_eq!(told.map(|(path, _)| path.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    fn is_secret_elsewhere(path: &str) -> bool {
        super::super::given::is_secret(path, &Known::read().leaves[path])
    }

    #[test]
    fn typing_errors_find_their_name() {
        let known = Known::read();
        assert_eq!(known.nearest("auth.site_ulr").first(), Some(&"auth.site_url"));
        assert_eq!(known.nearest("server.max_rows").first(), Some(&"rest.max_rows"));
        assert!(known.nearest("completely.different").is_empty());
    }
}
