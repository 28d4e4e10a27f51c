//! Sealing secrets in the database: what `[auth.db_encryption]` says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Secrets sealed in the database, in the form of Supabase Auth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DbEncryption {
    /// Whether hashes of passwords, secrets of second factors and of custom providers, and keys of sessions
    /// are sealed when written, and again when they are used if another key sealed them. Whatever is sealed
    /// is opened either way.
    pub encrypt: bool,
    /// The name of the key that seals.
    pub encryption_key_id: String,
    /// The key that seals: 32 bytes in base64url without padding.
    #[schemars(extend("format" = "password"))]
    pub encryption_key: Secret,
    /// The keys that open, `name:key,name:key`; the one that seals must be among them.
    #[schemars(extend("format" = "password"))]
    pub decryption_keys: Secret,
}

/// Bytes of a key.
const KEY: usize = 32;

impl DbEncryption {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key, text: &str| problems.push(Problem { key, text: text.to_owned() });
        if self.keys().any(|(id, key)| id.is_empty() || decode(key).is_none()) {
            report(
                "db_encryption.decryption_keys",
                "must be name:key,… with keys of 32 bytes in base64url without padding",
            );
        }
        if self.encrypt {
            if decode(self.encryption_key.expose()).is_none() {
                report("db_encryption.encryption_key", "must be 32 bytes in base64url without padding");
            }
            let sealing = (self.encryption_key_id.as_str(), self.encryption_key.expose());
            if !self.keys().any(|pair| pair == sealing) {
                report(
                    "db_encryption.encryption_key_id",
                    "must name a key of db_encryption.decryption_keys, and that key must be the one that seals",
                );
            }
        }
        problems
    }

    fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.decryption_keys.expose().split(',').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once(':').unwrap_or_default())
    }

    /// The key that seals, with its name, if anything is to be sealed.
    pub(crate) fn sealing(&self) -> Option<(&str, [u8; KEY])> {
        let key = self.encrypt.then(|| decode(self.encryption_key.expose())).flatten()?;
        Some((&self.encryption_key_id, key))
    }

    /// The key of this name.
    pub(crate) fn opening(&self, id: &str) -> Option<[u8; KEY]> {
        self.keys().find(|(name, _)| *name == id).and_then(|(_, key)| decode(key))
    }
}

fn decode(key: &str) -> Option<[u8; KEY]> {
    URL_SAFE_NO_PAD.decode(key).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_seals_must_open() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let with = |keys: &str| DbEncryption {
            encrypt: true,
            encryption_key_id: "k1".to_owned(),
            encryption_key: Secret::new(key),
            decryption_keys: Secret::new(keys),
        };
        assert_eq!(with(&format!("k0:{key},k1:{key}")).check(), []);
        assert_eq!(with(&format!("k0:{key}")).check().len(), 1);
        assert_eq!(with("k1:short").check().len(), 2);
        assert_eq!(with(key).check().len(), 2);
        assert_eq!(DbEncryption::default().check(), []);
    }
}
