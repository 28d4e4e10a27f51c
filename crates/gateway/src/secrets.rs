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

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jwt::generate::{self, NoRandomness};
use jwt::{Ring, SignError, api_key};
use kernel::Secret;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::api_keys::ApiKey;
use crate::s3_keys::{self, S3Key};
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

/// Why there are no secrets. Paths only, no contents.
#[derive(Debug, Error)]
pub(crate) enum SecretsError {
    #[error("cannot {what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} can be read by others; run: chmod {mode} {path}")]
    Exposed { path: PathBuf, mode: &'static str },
    #[error(
        "{path} is damaged; restore it from a backup, or remove it to have new secrets (all keys change)"
    )]
    Damaged { path: PathBuf },
    #[error(
        "{path} is damaged; restore it from a backup: without it the secrets in the vault cannot be read any more"
    )]
    DamagedRootKey { path: PathBuf },
    #[error(
        "{path} is missing, but other secrets are there; restore it from a backup: without it the secrets in the vault cannot be read any more"
    )]
    LostRootKey { path: PathBuf },
    #[error(transparent)]
    Random(#[from] NoRandomness),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl SecretsError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
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
        let (s3_access_key_id, s3_access_key_secret) = s3_keys::fresh()?;
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

/// The file with the vault's key; absolute if `data_dir` is.
pub(crate) fn root_key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("vault").join("root.key")
}

/// A key for the vault: 64 hex digits.
///
/// # Errors
///
/// If the operating system has no randomness.
pub(crate) fn fresh_root_key() -> Result<Secret, NoRandomness> {
    Ok(Secret::new(hex::encode(generate::bytes::<32>()?)))
}

/// A password of a database role: hexadecimal, so that it needs no escaping in URLs and shells.
///
/// # Errors
///
/// If the operating system has no randomness.
pub(crate) fn password() -> Result<Secret, NoRandomness> {
    Ok(Secret::new(hex::encode(generate::bytes::<24>()?)))
}

/// Whether the vault's key is there, and whole.
fn root_key(data_dir: &Path) -> Result<bool, SecretsError> {
    let path = root_key_file(data_dir);
    let Some(text) = read(&path)? else { return Ok(false) };
    let keys: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).filter(|key| !key.is_empty()).collect();
    // Two while one replaces the other.
    let is_whole = matches!(keys.len(), 1 | 2)
        && keys.iter().all(|key| key.len() == 64 && key.iter().all(u8::is_ascii_hexdigit));
    if is_whole { Ok(true) } else { Err(SecretsError::DamagedRootKey { path }) }
}

/// The content of a file that nobody else may read.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, SecretsError> {
    // The account of Postgres could put a link in the place of the vault's key.
    let mut file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SecretsError::io("read", path)(error)),
    };
    let mode = file.metadata().map_err(SecretsError::io("read", path))?.mode();
    if mode & 0o077 != 0 {
        return Err(SecretsError::Exposed { path: path.to_owned(), mode: "600" });
    }
    if let Some(dir) = path.parent() {
        let mode = fs::metadata(dir).map_err(SecretsError::io("read", dir))?.mode();
        if mode & 0o077 != 0 {
            return Err(SecretsError::Exposed { path: dir.to_owned(), mode: "700" });
        }
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(SecretsError::io("read", path))?;
    Ok(Some(content))
}

/// Writes a file so that after a crash there is all of it or nothing.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), SecretsError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(SecretsError::io("create", dir))?;
    let finish = || {
        durable::replace(path, content)?;
        // The directory may be new itself.
        dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    finish().map_err(SecretsError::io("write", path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = Secrets::open(dir.path(), 1).unwrap();
        let root_key = fs::read(root_key_file(dir.path())).unwrap();
        assert_eq!(Secrets::open(dir.path(), 2).unwrap(), first);
        assert_eq!(fs::read(root_key_file(dir.path())).unwrap(), root_key);
        for path in [file(dir.path()), root_key_file(dir.path())] {
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
        let other = tempfile::tempdir().unwrap();
        let second = Secrets::open(other.path(), 1).unwrap();
        assert_ne!(second.jwt_secret, first.jwt_secret);
        assert_ne!(second.passwords.postgres, first.passwords.postgres);
        assert!(!format!("{first:?}").contains(first.jwt_secret.expose()));
    }

    #[test]
    fn nothing_is_made_by_looking() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Secrets::existing(dir.path()).unwrap().is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_start_that_was_killed_leaves_no_half_set() {
        let dir = tempfile::tempdir().unwrap();
        let first = Secrets::open(dir.path(), 1).unwrap();
        // Killed before the rename: only the file beside it, cut short.
        fs::rename(file(dir.path()), file(dir.path()).with_extension("new")).unwrap();
        fs::write(file(dir.path()).with_extension("new"), "{\"created").unwrap();
        let second = Secrets::open(dir.path(), 2).unwrap();
        assert_ne!(first, second);
        assert_eq!(Secrets::open(dir.path(), 3).unwrap(), second);
        // Killed between the two files: the vault's key stays what it was.
        let root_key = fs::read(root_key_file(dir.path())).unwrap();
        fs::remove_file(file(dir.path())).unwrap();
        Secrets::open(dir.path(), 4).unwrap();
        assert_eq!(fs::read(root_key_file(dir.path())).unwrap(), root_key);
    }

    #[test]
    fn damaged_files_are_told_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        Secrets::open(dir.path(), 1).unwrap();
        let whole = fs::read(file(dir.path())).unwrap();
        for content in [&b""[..], &whole[..whole.len() / 2], b"{}", b"null"] {
            fs::write(file(dir.path()), content).unwrap();
            assert!(matches!(Secrets::open(dir.path(), 2), Err(SecretsError::Damaged { .. })));
            assert_eq!(fs::read(file(dir.path())).unwrap(), content);
        }
        fs::write(file(dir.path()), whole).unwrap();
        fs::write(root_key_file(dir.path()), "abc").unwrap();
        let error = Secrets::open(dir.path(), 2).unwrap_err();
        assert!(
            matches!(error, SecretsError::DamagedRootKey { .. }) && error.to_string().contains("root.key")
        );
        fs::remove_file(root_key_file(dir.path())).unwrap();
        assert!(matches!(Secrets::open(dir.path(), 2), Err(SecretsError::LostRootKey { .. })));
    }

    /// Who may change everything leaves the files to the account that they belong to.
    #[test]
    fn a_change_keeps_the_owner() {
        let dir = tempfile::tempdir().unwrap();
        Secrets::open(dir.path(), 1).unwrap();
        let path = file(dir.path());
        let owner = |path: &Path| (fs::metadata(path).unwrap().uid(), fs::metadata(path).unwrap().gid());
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
        }
        let before = owner(&path);
        let changed = Secrets::change(dir.path(), |secrets| {
            secrets.rotated_at = Some(7);
            Ok::<_, SecretsError>(())
        });
        assert!(changed.unwrap().is_some());
        assert_eq!(Secrets::existing(dir.path()).unwrap().unwrap().rotated_at, Some(7));
        assert_eq!((owner(&path), owner(&path.with_extension("lock"))), (before, before));
    }

    #[test]
    fn a_link_in_place_of_a_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        Secrets::open(dir.path(), 1).unwrap();
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(root_key_file(dir.path()), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, root_key_file(dir.path())).unwrap();
        assert!(matches!(Secrets::open(dir.path(), 2), Err(SecretsError::Io { .. })));
    }

    #[test]
    fn files_that_others_may_read_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        Secrets::open(dir.path(), 1).unwrap();
        for path in [file(dir.path()), root_key_file(dir.path())] {
            chmod(&path, 0o640);
            let text = Secrets::open(dir.path(), 2).unwrap_err().to_string();
            assert!(text.contains("chmod 600"), "{text}");
            chmod(&path, 0o600);
        }
        chmod(&dir.path().join("secrets"), 0o755);
        let text = Secrets::open(dir.path(), 2).unwrap_err().to_string();
        assert!(text.contains("chmod 700"), "{text}");
    }

    #[test]
    fn what_the_settings_give_wins() {
        let own = Secrets::generate(1).unwrap();
        let mut settings = Settings::default();
        settings.keys.postgres_password = Secret::new("hunter2");
        settings.keys.publishable_key = Secret::new("sb_publishable_x");
        let effective = own.clone().with_settings(&settings).unwrap();
        assert_eq!(effective.passwords.postgres.expose(), "hunter2");
        assert_eq!(effective.publishable_key.expose(), "sb_publishable_x");
        assert_eq!(effective.anon_key, own.anon_key);
        settings.jwt.secret = Secret::new("another secret of thirty-two characters");
        let effective = own.clone().with_settings(&settings).unwrap();
        assert_ne!(effective.anon_key, own.anon_key);
        assert_eq!(effective.jwt_secret, settings.jwt.secret);
    }
}
