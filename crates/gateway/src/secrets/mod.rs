//! The installation's own secrets: made at the first start, reused ever after.
//!
//! ```text
//! <data>/secrets/keys.json   0600 in a 0700 directory: everything but the vault's key
//! <data>/secrets/postgres.*  the certificate of the Postgres port (`certificate`)
//! <data>/vault/root.key      0600 in a 0700 directory: the vault's key, 64 hex digits; behind it, while
//!                            one key replaces another, the old one
//! ```
//!
//! One file holds what belongs together, so that there is no half set: it is written beside,
//! forced to disk and renamed. The vault's key has a directory of its own because the account of
//! Postgres reads it; it is made first and never replaced. A file that others may read, or that
//! cannot be understood, is an error with a remedy, never a reason to make a new one.

mod file;
mod passwords;
mod root_key;
#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(crate) use file::{SecretsError, read, write};
use jwt::generate;
use jwt::{Ring, api_key};
use kernel::Secret;
pub(crate) use passwords::{Passwords, password};
use root_key::root_key;
pub(crate) use root_key::{fresh_root_key, root_key_file};
use serde::{Deserialize, Serialize};

use crate::further_keys::api::ApiKey;
use crate::further_keys::s3::{self, S3Key};
use crate::settings::Settings;

/// How long the JWT API keys live: 10 years of 365 days.
const KEY_LIFETIME: i64 = 10 * 365 * 24 * 60 * 60;

/// Everything that must not be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    /// When they were made, in seconds since 1970; API keys say they were issued then.
    pub(crate) created_at: i64,
    /// Signs the JWT API keys.
    pub(crate) jwt_secret: Secret,
    /// Sign tokens of users.
    pub(crate) signing_keys: Ring,
    /// When the operator first rotated them, in seconds since 1970. From then on they sign even
    /// where the settings bring a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotated_at: Option<i64>,
    pub(crate) anon_key: Secret,
    pub(crate) service_role_key: Secret,
    pub(crate) publishable_key: Secret,
    pub(crate) secret_key: Secret,
    /// Keys beside the two above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) api_keys: Vec<ApiKey>,
    pub(crate) s3_access_key_id: Secret,
    pub(crate) s3_access_key_secret: Secret,
    /// Pairs beside the one above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) s3_keys: Vec<S3Key>,
    pub(crate) passwords: Passwords,
}

impl Secrets {
    /// The secrets in `data_dir`, made at `now` (seconds since 1970) if there are none. The caller
    /// has made `data_dir`.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or written, that others may read, or that are damaged.
    pub(crate) fn open(data_dir: &Path, now: i64) -> Result<Self, SecretsError> {
        // The vault's key is made first: where the others are, it must be too.
        if let Some(secrets) = Self::existing(data_dir)? {
            return match root_key(data_dir)? {
                true => secrets.completed(data_dir),
                false => Err(SecretsError::LostRootKey { path: root_key_file(data_dir) }),
            };
        }
        if !root_key(data_dir)? {
            write(&root_key_file(data_dir), format!("{}\n", fresh_root_key()?.expose()).as_bytes())?;
        }
        let secrets = Self::generate(now)?;
        secrets.write(data_dir)?;
        Ok(secrets)
    }

    /// These secrets, with those that an older version did not know.
    fn completed(self, data_dir: &Path) -> Result<Self, SecretsError> {
        if !self.passwords.realtime_admin.is_empty() {
            return Ok(self);
        }
        let completed = Self::change(data_dir, |secrets| {
            if secrets.passwords.realtime_admin.is_empty() {
                secrets.passwords.realtime_admin = password()?;
            }
            Ok::<_, SecretsError>(secrets.clone())
        })?;
        Ok(completed.unwrap_or(self))
    }

    /// Changes the secrets in `data_dir`, one at a time; `None` if there are none. Nothing is
    /// written where `change` fails.
    ///
    /// # Errors
    ///
    /// As [`Secrets::open`]; those of `change`.
    pub(crate) fn change<T, E: From<SecretsError>>(
        data_dir: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        if Self::existing(data_dir)?.is_none() {
            return Ok(None);
        }
        let path = file(data_dir).with_extension("lock");
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        // Given back with the file.
        let lock = lock.and_then(|lock| {
            durable::keep_owner(&lock, &file(data_dir))?;
            lock.lock().map(|()| lock)
        });
        let _lock = lock.map_err(SecretsError::io("lock", &path))?;
        let Some(mut secrets) = Self::existing(data_dir)? else { return Ok(None) };
        let result = change(&mut secrets)?;
        secrets.write(data_dir)?;
        Ok(Some(result))
    }

    fn write(&self, data_dir: &Path) -> Result<(), SecretsError> {
        let path = file(data_dir);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| SecretsError::io("write", &path)(io::Error::other(error)))?;
        write(&path, &text)
    }

    /// When the secrets in `data_dir` were last changed, as far as the file system tells.
    pub(crate) fn changed_at(data_dir: &Path) -> io::Result<(u64, SystemTime)> {
        let metadata = fs::metadata(file(data_dir))?;
        Ok((metadata.ino(), metadata.modified()?))
    }

    /// The secrets in `data_dir` if there are any.
    ///
    /// # Errors
    ///
    /// As [`Secrets::open`].
    pub(crate) fn existing(data_dir: &Path) -> Result<Option<Self>, SecretsError> {
        let path = file(data_dir);
        let Some(text) = read(&path)? else { return Ok(None) };
        let secrets: Self =
            serde_json::from_slice(&text).map_err(|_| SecretsError::Damaged { path: path.clone() })?;
        let empty = [&secrets.jwt_secret, &secrets.secret_key].iter().any(|secret| secret.is_empty());
        if empty || secrets.signing_keys.keys().next().is_none() {
            Err(SecretsError::Damaged { path })
        } else {
            Ok(Some(secrets))
        }
    }

    /// Fresh secrets.
    pub(crate) fn generate(now: i64) -> Result<Self, SecretsError> {
        let jwt_secret = generate::secret()?;
        let (s3_access_key_id, s3_access_key_secret) = s3::fresh()?;
        let exp = now.saturating_add(KEY_LIFETIME);
        Ok(Self {
            created_at: now,
            signing_keys: Ring::new(generate::es256()?, now),
            rotated_at: None,
            anon_key: api_key::mint_legacy(jwt_secret.expose(), "anon", now, exp)?,
            service_role_key: api_key::mint_legacy(jwt_secret.expose(), "service_role", now, exp)?,
            jwt_secret,
            publishable_key: api_key::publishable()?,
            secret_key: api_key::secret()?,
            api_keys: Vec::new(),
            s3_access_key_id,
            s3_access_key_secret,
            s3_keys: Vec::new(),
            passwords: Passwords {
                postgres: password()?,
                authenticator: password()?,
                auth_admin: password()?,
                storage_admin: password()?,
                realtime_admin: password()?,
            },
        })
    }

    /// Puts another secret in the place of the one that signs the JWT API keys, which are made anew at `now`.
    ///
    /// # Errors
    ///
    /// If signing fails.
    pub(crate) fn sign_with(&mut self, secret: Secret, now: i64) -> Result<(), SecretsError> {
        let exp = now.saturating_add(KEY_LIFETIME);
        self.anon_key = api_key::mint_legacy(secret.expose(), "anon", now, exp)?;
        self.service_role_key = api_key::mint_legacy(secret.expose(), "service_role", now, exp)?;
        self.jwt_secret = secret;
        Ok(())
    }

    /// These secrets, with those that the settings give in their place. JWT API keys follow the
    /// secret that signs them.
    ///
    /// # Errors
    ///
    /// If signing fails.
    pub(crate) fn with_settings(mut self, settings: &Settings) -> Result<Self, SecretsError> {
        let given = |setting: &Secret, own: &mut Secret| {
            if !setting.is_empty() {
                *own = setting.clone();
            }
        };
        let keys = &settings.keys;
        if !settings.jwt.secret.is_empty() && settings.jwt.secret != self.jwt_secret {
            let exp = self.created_at.saturating_add(KEY_LIFETIME);
            let mint = |role| api_key::mint_legacy(settings.jwt.secret.expose(), role, self.created_at, exp);
            (self.anon_key, self.service_role_key) = (mint("anon")?, mint("service_role")?);
        }
        given(&settings.jwt.secret, &mut self.jwt_secret);
        given(&keys.anon_key, &mut self.anon_key);
        given(&keys.service_role_key, &mut self.service_role_key);
        given(&keys.publishable_key, &mut self.publishable_key);
        given(&keys.secret_key, &mut self.secret_key);
        given(&keys.s3_access_key_id, &mut self.s3_access_key_id);
        given(&keys.s3_access_key_secret, &mut self.s3_access_key_secret);
        given(&keys.postgres_password, &mut self.passwords.postgres);
        Ok(self)
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("secrets").join("keys.json")
}
