//! Passwords of database roles.

use jwt::generate::{self, NoRandomness};
use kernel::Secret;
use serde::{Deserialize, Serialize};

/// Passwords of database roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passwords {
    /// The developer's role.
    pub(crate) postgres: Secret,
    /// The login of the data API.
    pub(crate) authenticator: Secret,
    /// The login of auth.
    #[serde(rename = "supabase_auth_admin")]
    pub(crate) auth_admin: Secret,
    /// The login of storage.
    #[serde(rename = "supabase_storage_admin")]
    pub(crate) storage_admin: Secret,
    /// The login of realtime. Installations older than it get one at their next start.
    #[serde(rename = "supabase_realtime_admin", default)]
    pub(crate) realtime_admin: Secret,
}

impl Passwords {
    /// The password of `role`, if it is one of ours.
    pub(crate) fn of(&mut self, role: &str) -> Option<&mut Secret> {
        match role {
            "postgres" => Some(&mut self.postgres),
            "authenticator" => Some(&mut self.authenticator),
            "supabase_auth_admin" => Some(&mut self.auth_admin),
            "supabase_storage_admin" => Some(&mut self.storage_admin),
            "supabase_realtime_admin" => Some(&mut self.realtime_admin),
            _ => None,
        }
    }

    /// Every role with its password.
    pub(crate) fn by_role(&self) -> Vec<(&'static str, Secret)> {
        vec![
            ("postgres", self.postgres.clone()),
            ("authenticator", self.authenticator.clone()),
            ("supabase_auth_admin", self.auth_admin.clone()),
            ("supabase_storage_admin", self.storage_admin.clone()),
            ("supabase_realtime_admin", self.realtime_admin.clone()),
        ]
    }
}

/// A password of a database role: hexadecimal, so that it needs no escaping in URLs and shells.
///
/// # Errors
///
/// If the operating system has no randomness.
pub(crate) fn password() -> Result<Secret, NoRandomness> {
    Ok(Secret::new(hex::encode(generate::bytes::<24>()?)))
}
