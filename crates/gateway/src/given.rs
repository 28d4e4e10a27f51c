//! Secrets that the last start was given by its settings, as salted digests beside what else it was told.
//!
//! Whoever asks for keys afterwards reads settings of his own, which need not be the same: a variable of the server's
//! service is none of a shell's. Without a look at these, he would be shown keys that are good nowhere.

use std::collections::BTreeMap;

use jwt::generate::{self, NoRandomness};
use kernel::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::settings::Settings;

/// The digests. Salted, so that equal secrets of two installations do not show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    salt: String,
    /// By name in the environment.
    secrets: BTreeMap<String, String>,
}

impl Given {
    /// Those of `settings`.
    ///
    /// # Errors
    ///
    /// If the operating system has no randomness.
    pub(crate) fn by(settings: &Settings) -> Result<Self, NoRandomness> {
        let salt = hex::encode(generate::bytes::<16>()?);
        let secrets = digests(settings, &salt);
        Ok(Self { salt, secrets })
    }

    /// The names of those that `settings` gives otherwise.
    pub(crate) fn differing(&self, settings: &Settings) -> Vec<String> {
        // Written by a version before this one.
        if self.salt.is_empty() {
            return Vec::new();
        }
        let now = digests(settings, &self.salt);
        let all: BTreeMap<_, _> = self.secrets.iter().chain(&now).collect();
        all.into_keys().filter(|name| self.secrets.get(*name) != now.get(*name)).cloned().collect()
    }
}

fn digests(settings: &Settings, salt: &str) -> BTreeMap<String, String> {
    let keys = &settings.keys;
    let all: [(&str, &Secret); 8] = [
        ("JWT_SECRET", &settings.jwt.secret),
        ("ANON_KEY", &keys.anon_key),
        ("SERVICE_ROLE_KEY", &keys.service_role_key),
        ("SUPABASE_PUBLISHABLE_KEY", &keys.publishable_key),
        ("SUPABASE_SECRET_KEY", &keys.secret_key),
        ("POSTGRES_PASSWORD", &keys.postgres_password),
        ("S3_PROTOCOL_ACCESS_KEY_ID", &keys.s3_access_key_id),
        ("S3_PROTOCOL_ACCESS_KEY_SECRET", &keys.s3_access_key_secret),
    ];
    let given = all.into_iter().filter(|(_, secret)| !secret.is_empty());
    given
        .map(|(name, secret)| {
            let digest = Sha256::digest([salt, name, secret.expose()].join("\0"));
            (name.to_owned(), hex::encode(digest))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_differs_is_named_and_not_shown() {
        let mut settings = Settings::default();
        settings.jwt.secret = Secret::new("the secret of the server");
        let given = Given::by(&settings).unwrap();
        assert!(!serde_json::to_string(&given).unwrap().contains("the secret"));
        assert!(given.differing(&settings).is_empty());
        assert_eq!(given.differing(&Settings::default()), ["JWT_SECRET"]);
        settings.keys.anon_key = Secret::new("another");
        assert_eq!(given.differing(&settings), ["ANON_KEY"]);
        assert!(Given::default().differing(&settings).is_empty());
        assert_ne!(Given::by(&settings).unwrap(), Given::by(&settings).unwrap());
    }
}
