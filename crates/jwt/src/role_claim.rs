//! Where in the claims the role is: PostgREST's `jwt-role-claim-key`.
//!
//! Two syntaxes, told apart by their first character. `$…` is JSONPath (RFC 9535) without
//! descendants, slices and unions; filters compare with `==` and `!=` or call `search()` with a
//! literal that may be anchored by `^` and `$`. `.…` is the JSPath of PostgREST before 16:
//! `.name`, `."any text"`, `[0]`, and one filter at the end (`==`, `!=`, `^==`, `==^`, `*==`),
//! which looks at strings only.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use thiserror::Error;

mod parse;

/// A path to the role; the first value that it selects is the role.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleClaim {
    text: String,
    steps: Vec<Step>,
}

/// A text that is no path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("failed to parse role-claim-key value ({text}): {reason}")]
pub struct RoleClaimError {
    text: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    /// From the end if negative.
    Index(i64),
    Every,
    Filter(Filter),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    /// From the element under test (`@`); names and indexes only.
    path: Vec<Step>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// Any value against a literal; an absent one equals nothing.
    Equals { literal: Value, wanted: bool },
    /// Strings only.
    Matches { text: String, start: bool, end: bool, wanted: bool },
}

impl Default for RoleClaim {
    /// `$.role`
    fn default() -> Self {
        Self { text: "$.role".to_owned(), steps: vec![Step::Name("role".to_owned())] }
    }
}

impl FromStr for RoleClaim {
    type Err = RoleClaimError;

    fn from_str(text: &str) -> Result<Self, RoleClaimError> {
        let refused = |reason| RoleClaimError { text: text.to_owned(), reason };
        let steps = parse::steps(text).map_err(refused)?;
        Ok(Self { text: text.to_owned(), steps })
    }
}

impl fmt::Display for RoleClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl RoleClaim {
    /// The first value at this path.
    #[must_use]
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.steps.split_first()?;
        rest.iter()
            .fold(in_object(first, claims), |nodes, step| {
                nodes.into_iter().flat_map(|node| children(step, node)).collect()
            })
            .first()
            .copied()
    }
}

fn children<'a>(step: &Step, node: &'a Value) -> Vec<&'a Value> {
    match node {
        Value::Object(fields) => in_object(step, fields),
        Value::Array(list) => in_array(step, list),
        _ => Vec::new(),
    }
}

fn in_object<'a>(step: &Step, fields: &'a Map<String, Value>) -> Vec<&'a Value> {
    match step {
        Step::Name(name) => fields.get(name).into_iter().collect(),
        Step::Index(_) => Vec::new(),
        Step::Every => fields.values().collect(),
        Step::Filter(filter) => fields.values().filter(|value| filter.accepts(value)).collect(),
    }
}

fn in_array<'a>(step: &Step, list: &'a [Value]) -> Vec<&'a Value> {
    match step {
        Step::Name(_) => Vec::new(),
        Step::Index(index) => {
            let index = if *index < 0 { index.saturating_add_unsigned(list.len() as u64) } else { *index };
            usize::try_from(index).ok().and_then(|index| list.get(index)).into_iter().collect()
        }
        Step::Every => list.iter().collect(),
        Step::Filter(filter) => list.iter().filter(|value| filter.accepts(value)).collect(),
    }
}

impl Filter {
    fn accepts(&self, value: &Value) -> bool {
        let mut found = Some(value);
        for step in &self.path {
            found = found.and_then(|value| children(step, value).first().copied());
        }
        match &self.test {
            Test::Equals { literal, wanted } => (found == Some(literal)) == *wanted,
            Test::Matches { text, start, end, wanted } => {
                let matches = |value: &str| match (start, end) {
                    (true, true) => value == text,
                    (true, false) => value.starts_with(text),
                    (false, true) => value.ends_with(text),
                    (false, false) => value.contains(text),
                };
                found.and_then(Value::as_str).is_some_and(|value| matches(value) == *wanted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(path: &str, claims: Value, expected: Option<Value>) {
        let path: RoleClaim = path.parse().unwrap();
        assert_eq!(path.find(claims.as_object().unwrap()), expected.as_ref(), "{path}");
    }

    #[test]
    fn json_path() {
        let author = || Some(json!("author"));
        check("$.role", json!({"role": "author"}), author());
        check("$.role", json!({"role": null}), Some(Value::Null));
        check("$.postgrest.a_role", json!({"postgrest": {"a_role": "author"}}), author());
        check("$.a.roles[1]", json!({"a": {"roles": ["other", "author"]}}), author());
        check("$.a.roles[-1]", json!({"a": {"roles": ["other", "author"]}}), author());
        check("$.a.roles[-3]", json!({"a": {"roles": ["other", "author"]}}), None);
        check(
            r#"$["https://www.example.com/roles"][0].value"#,
            json!({"https://www.example.com/roles": [{"value": "author"}]}),
            author(),
        );
        check("$['it\\'s']", json!({"it's": "author"}), author());
        check("$.myDomain[3]", json!({"myDomain": ["other", "author"]}), None);
        check("$.myRole", json!({"role": "author"}), None);
        check("$.a[*].r", json!({"a": [{}, {"r": "author"}]}), author());
        check("$.aud", json!({"aud": ["x"]}), Some(json!(["x"])));
    }

    #[test]
    fn json_path_filters() {
        let claims = || json!({"a": {"roles": ["other", "author"]}});
        let author = || Some(json!("author"));
        check(r#"$.a.roles[?(@ == "author")]"#, claims(), author());
        check(r#"$.a.roles[?@=='author']"#, claims(), author());
        check(r#"$.a.roles[?(@ != "other")]"#, claims(), author());
        check("$.a.roles[?search(@, '^au')]", claims(), author());
        check("$.a.roles[?(search(@, 'or$'))]", claims(), author());
        check("$.a.roles[?search(@, 'the')]", claims(), Some(json!("other")));
        check("$.a.roles[?search(@, '^none')]", claims(), None);
        check(
            "$.grants[?@.app == 'shop'].role",
            json!({"grants": [{"app": "x", "role": "no"}, {"app": "shop", "role": "author"}]}),
            author(),
        );
        check("$.a[?@ != 'x']", json!({"a": [1]}), Some(json!(1)));
    }

    #[test]
    fn js_path() {
        let claims = || json!({"realm_access": {"roles": ["other", "pg_test_author"]}});
        let author = || Some(json!("pg_test_author"));
        check(".realm_access.roles[1]", claims(), author());
        check(r#".realm_access.roles[?(@ == "pg_test_author")]"#, claims(), author());
        check(r#".realm_access.roles[?(@ != "other")]"#, claims(), author());
        check(r#".realm_access.roles[?(@ ^== "pg_te")]"#, claims(), author());
        check(r#".realm_access.roles[?(@ ==^ "st_author")]"#, claims(), author());
        check(r#".realm_access.roles[?(@ *== "_test_")]"#, claims(), author());
        check(r#".r[?(@ == "string")]"#, json!({"r": [{"key": "value"}]}), None);
        check(r#".r[?(@ != "x")]"#, json!({"r": [1, {}]}), None);
        check(r#"."https://x/y"[0].value"#, json!({"https://x/y": [{"value": "a"}]}), Some(json!("a")));
        check(".role", json!({"role": "a"}), Some(json!("a")));
    }

    #[test]
    fn refused_paths() {
        for text in [
            "",
            "$",
            "role",
            "$.my_role;;domain",
            "@@.role.other",
            "$.",
            "$..role",
            "$.a[",
            "$.a[1",
            "$.a[1:2]",
            "$.a[?@ == ]",
            "$.a[?search(@, 'a.*b')]",
            ".",
            ".a[?(@ == \"x\")].b",
            ".a b",
            ".a[-1]",
            "$.1a",
            "$.a[99999999999999999999]",
            "$.a['x]",
        ] {
            let error = text.parse::<RoleClaim>().expect_err(text);
            assert!(error.to_string().starts_with(&format!("failed to parse role-claim-key value ({text})")));
        }
    }

    #[test]
    fn a_path_prints_as_it_was_written() {
        for text in ["$.role", ".a[?(@ ^== \"x\")]"] {
            assert_eq!(text.parse::<RoleClaim>().unwrap().to_string(), text);
        }
        assert_eq!(RoleClaim::default(), "$.role".parse().unwrap());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r#"[$.\[\]?()@=!^*"'\\ a-z0-9-]{0,40}|\PC{0,40}"#) {
            if let Ok(path) = text.parse::<RoleClaim>() {
                let _ = path.find(json!({"a": ["b", {"a": 1}]}).as_object().unwrap());
            }
        }
    }
}
