//! `[auth.external.<name>]`: providers whose accounts people may sign in with.

use std::collections::BTreeMap;

use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oauth::PROVIDERS;

/// A provider whose accounts people may sign in with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct External {
    /// Whether it may be used.
    pub enabled: bool,
    /// The client's id at the provider; of several, separated by commas, the first signs in and all
    /// are accepted in ID tokens.
    pub client_id: String,
    /// The client's secret at the provider. Apple's is a JWT that you sign.
    #[schemars(extend("format" = "password"))]
    pub secret: Secret,
    /// Where the provider sends people back to. Empty: `callback` below `auth.external_url`.
    pub redirect_uri: String,
    /// Your own instance: GitHub Enterprise, GitLab, a realm of Keycloak, a tenant of Azure.
    pub url: String,
    /// Accept ID tokens whose nonce the client cannot name; allows them to be replayed.
    pub skip_nonce_check: bool,
    /// Whether an account without an address may come in.
    pub email_optional: bool,
}

impl External {
    /// The client ids, without the spaces around them.
    pub(crate) fn client_ids(&self) -> Vec<String> {
        self.client_id.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }
}

/// Names that are none of a provider.
pub(super) fn check(external: &BTreeMap<String, External>) -> Vec<Problem> {
    let unknown = external.keys().filter(|name| !PROVIDERS.contains(&name.as_str()));
    let text = |name: &String| format!("`{name}` is not a provider; there are {}", PROVIDERS.join(", "));
    unknown.map(|name| Problem { key: "external", text: text(name) }).collect()
}
