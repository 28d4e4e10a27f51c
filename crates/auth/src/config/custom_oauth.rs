//! `[auth.custom_oauth]`: providers that administrators define.

use kernel::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Providers of accounts that administrators define by the API (`/admin/custom-providers`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CustomOAuth {
    /// Whether there may be any.
    pub enabled: bool,
    /// How many there may be; 0 for any number.
    pub max_providers: u32,
    /// This API as these providers send people back to it, if it is not `auth.external_url`.
    pub external_url: String,
    /// Let these providers be in private networks. Whoever may define them can then have this server
    /// ask whatever it reaches.
    pub allow_private_networks: bool,
}

impl Default for CustomOAuth {
    fn default() -> Self {
        Self { enabled: true, max_providers: 0, external_url: String::new(), allow_private_networks: false }
    }
}

impl CustomOAuth {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let wrong = !self.external_url.is_empty() && Url::parse(&self.external_url).is_err();
        let text = format!("`{}` is not an absolute URL", self.external_url);
        Vec::from_iter(wrong.then_some(Problem { key: "custom_oauth.external_url", text }))
    }
}
