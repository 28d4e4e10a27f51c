//! `[auth.impersonation]`: tokens with which administrators act as somebody else.

use kernel::Problem;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens with which administrators see what an account sees. Who holds a secret key can sign in as anybody in
/// other ways; these say who it was, and end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Impersonation {
    /// Whether there are any.
    pub enabled: bool,
    /// How long one is good for at most; not above an hour.
    pub max_lifetime: Span,
}

impl Default for Impersonation {
    fn default() -> Self {
        Self { enabled: true, max_lifetime: Span::secs(600) }
    }
}

impl Impersonation {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let seconds = self.max_lifetime.0.as_secs();
        let text = || "must be between one second and an hour".to_owned();
        let is_good = (1..=3600).contains(&seconds);
        (!is_good).then(|| Problem { key: "impersonation.max_lifetime", text: text() }).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_short_lived() {
        let check = |seconds, is_good: bool| {
            let settings = Impersonation { max_lifetime: Span::secs(seconds), ..Impersonation::default() };
            assert_eq!(settings.check().is_empty(), is_good, "{seconds}");
        };
        check(0, false);
        check(1, true);
        check(3600, true);
        check(3601, false);
    }
}
