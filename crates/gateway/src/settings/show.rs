//! The effective settings, for people and programs, without a secret.

use serde_json::{Map, Value, json};

use super::Settings;
use super::given::{is_secret, set};
use super::load::Loaded;
use super::schema::{Known, Leaf};
use super::source::Source;

/// One line of `basalt config show`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) path: String,
    /// The value, or a mask.
    pub(crate) value: Value,
    pub(crate) source: Source,
}

/// Words in a name below a map that ask for a mask: what is there is the operator's own.
const DISCREET: &[&str] = &["secret", "password", "key", "token"];

/// Every setting with its value and who set it.
pub(crate) fn show(loaded: &Loaded) -> Vec<Shown> {
    let known = Known::read();
    let tree = serde_json::to_value(&loaded.settings).unwrap_or_default();
    let shown = |(path, leaf): (&String, &Leaf)| {
        let value: &Value = path.split('.').fold(&tree, |node, name| &node[name]);
        let below = format!("{path}.");
        let mut sources = loaded.sources.iter().filter(|(set, _)| *set == path || set.starts_with(&below));
        let source = sources.next_back().map_or(Source::Default, |(_, source)| source.clone());
        let value = match value {
            Value::String(text) if is_secret(path, leaf) && !text.is_empty() => json!(MASK),
            Value::Object(fields) => Value::Object(fields.iter().map(masked).collect::<Map<_, _>>()),
            other => other.clone(),
        };
        Shown { path: path.clone(), value, source }
    };
    known.leaves.iter().map(shown).collect()
}

/// The settings in which two differ.
pub(crate) fn changed(one: &Settings, other: &Settings) -> Vec<String> {
    let tree = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let (one, other) = (tree(one), tree(other));
    let at = |tree: &Value, path: &str| path.split('.').fold(tree.clone(), |node, name| node[name].clone());
    let known = Known::read();
    known.leaves.into_keys().filter(|path| at(&one, path) != at(&other, path)).collect()
}

/// `current` with the settings at `paths` as `new` has them.
pub(crate) fn merged(current: &Settings, new: &Settings, paths: &[String]) -> Settings {
    let (Ok(mut tree), Ok(new)) = (serde_json::to_value(current), serde_json::to_value(new)) else {
        return current.clone();
    };
    for path in paths {
        set(&mut tree, path, path.split('.').fold(&new, |node, name| &node[name]).clone());
    }
    serde_json::from_value(tree).unwrap_or_else(|_| current.clone())
}

const MASK: &str = "(secret)";

fn masked((name, value): (&String, &Value)) -> (String, Value) {
    let discreet = DISCREET.iter().any(|word| name.to_ascii_lowercase().contains(word));
    let value = match value {
        _ if discreet => json!(MASK),
        Value::Object(fields) => Value::Object(fields.iter().map(masked).collect()),
        other => other.clone(),
    };
    (name.clone(), value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::load::{Request, load};
    use super::*;

    #[test]
    fn settings_that_count_and_settings_that_wait() {
        let current = Settings::default();
        let mut new = current.clone();
        new.rest.max_rows = Some(7);
        new.jwt.secret = kernel::Secret::new("a secret that is kept");
        new.database.pool_size = 3;
        assert_eq!(changed(&current, &new), ["database.pool_size", "jwt.secret", "rest.max_rows"]);
        let merged = merged(&current, &new, &["rest.max_rows".to_owned(), "jwt.secret".to_owned()]);
        assert_eq!((merged.rest.max_rows, merged.database.pool_size), (Some(7), current.database.pool_size));
        assert_eq!(changed(&merged, &new), ["database.pool_size"]);
    }

    #[test]
    fn values_sources_and_masks() {
        let environment = [
            ("JWT_SECRET", "hunter2"),
            ("BASALT_DATABASE__URL", "postgresql://u:hunter2@h/d"),
            ("PGRST_APP_SETTINGS_jwt_secret", "hunter2"),
            ("SITE_URL", "http://x"),
            ("GOTRUE_EXTERNAL_GITHUB_SECRET", "hunter2"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let request = Request { data_dir: "/nowhere".into(), environment, ..Request::default() };
        let shown = show(&load(&request).unwrap());
        assert!(!format!("{shown:?}").contains("hunter2"));
        let of = |path: &str| shown.iter().find(|shown| shown.path == path).cloned().unwrap();
        assert_eq!(of("auth.site_url").value, json!("http://x"));
        assert_eq!(of("auth.site_url").source, Source::Environment("SITE_URL".to_owned()));
        assert_eq!((of("jwt.secret").value, of("jwt.keys").value), (json!(MASK), json!("")));
        assert_eq!(of("rest.app_settings").value, json!({ "jwt_secret": MASK }));
        assert_eq!(of("auth.external").value["github"]["secret"], json!(MASK));
        assert_eq!(of("auth.jwt_expiry").source, Source::Default);
    }
}
