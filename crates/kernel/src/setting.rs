//! Settings: what is wrong with one, and what a server that runs does not take over.

use std::fmt;

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its name within the section of its service.
    pub key: &'static str,
    /// What is wrong with it, and what it must be.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

/// All that is wrong with a section, on one line: `auth.site_url: …; auth.uri_allow_list: …`.
#[must_use]
pub fn told(section: &str, problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{section}.{problem}")).collect::<Vec<_>>().join("; ")
}

/// Puts the old value of a setting back that counts from the next start only. Returns its name if it had changed.
pub fn keep<T: PartialEq + Clone>(name: &'static str, new: &mut T, current: &T) -> Option<&'static str> {
    let has_changed = new != current;
    new.clone_from(current);
    has_changed.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_named_if_it_had_changed() {
        let mut new = 2;
        assert_eq!(keep("a", &mut new, &1), Some("a"));
        assert_eq!((new, keep("a", &mut new, &1)), (1, None));
    }
}
