//! `[auth.scim]`: identity providers keep the accounts of their people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SCIM 2.0, by which identity providers of organisations make, change and shut the accounts of their people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scim {
    /// Whether they may. Each needs a token besides, which the admin API makes.
    pub enabled: bool,
}
