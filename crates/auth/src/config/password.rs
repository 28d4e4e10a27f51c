//! `[auth.password_hibp]`: passwords that others know.

use kernel::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Refusing passwords that have leaked, by asking Have I Been Pwned for the beginnings of their hashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordHibp {
    /// Whether new passwords are checked.
    pub enabled: bool,
    /// Refuse passwords while the service does not answer.
    pub fail_closed: bool,
    /// How this installation introduces itself. Empty: by the name of this program.
    pub user_agent: String,
    /// The service, or a copy of it.
    pub url: String,
}

impl Default for PasswordHibp {
    fn default() -> Self {
        Self {
            enabled: false,
            fail_closed: false,
            user_agent: String::new(),
            url: "https://api.pwnedpasswords.com".to_owned(),
        }
    }
}

impl PasswordHibp {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let wrong = self.enabled && Url::parse(&self.url).is_err();
        let text = format!("`{}` is not an absolute URL", self.url);
        Vec::from_iter(wrong.then_some(Problem { key: "password_hibp.url", text }))
    }
}
