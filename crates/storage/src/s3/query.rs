//! The parameters of a request, escapes resolved.

use percent_encoding::percent_decode_str;

/// Names and values, in the order they came. Of several with one name the first counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, Option<String>)>);

impl Query {
    pub(crate) fn read(raw: &str) -> Self {
        let decoded =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| match pair.split_once('=') {
                    Some((name, value)) => (decoded(name), Some(decoded(value))),
                    None => (decoded(pair), None),
                })
                .collect(),
        )
    }

    /// The value; empty if only the name is there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every parameter.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()))
    }

    /// Every parameter, and whether it has a value.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_ref().is_some_and(|value| !value.is_empty())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let query = Query::read("uploads&prefix=a%2Fb+c&prefix=2&empty=");
        assert_eq!(query.get("prefix"), Some("a/b c"));
        assert_eq!((query.get("uploads"), query.get("empty"), query.get("x")), (Some(""), Some(""), None));
        let names: Vec<_> = query.names().collect();
        assert_eq!(names, [("uploads", false), ("prefix", true), ("prefix", true), ("empty", false)]);
    }
}
