//! Pairs of keys of the S3 protocol. A signature is checked with the secret itself, so that is kept, where the installation's
//! own secrets are.

use std::path::Path;

use anyhow::{Context, bail};
use kernel::{RoleName, Secret};
use serde::{Deserialize, Serialize};
use storage::{S3Credentials, S3Pair};

use super::{BEFORE, is_name, keep, moment, revoke};
use crate::secrets::Secrets;
use crate::settings::Settings;

/// The role that policies do not bind.
const SERVICE_ROLE: &str = "service_role";

/// A pair beside the installation's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct S3Key {
    pub(crate) access_key: Secret,
    pub(crate) secret: Secret,
    #[serde(flatten)]
    pub(crate) grant: Grant,
    /// When it was made, in seconds since 1970.
    pub(crate) created_at: i64,
}

/// Who has a pair, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// Who uses it.
    pub(crate) name: String,
    /// The role in which it acts.
    pub(crate) role: String,
    /// The id of the user whom policies see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// The one bucket that it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bucket: Option<String>,
    /// Nothing can be changed with it.
    #[serde(default)]
    pub(crate) read_only: bool,
    /// Until when it counts, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
}

impl Grant {
    /// Of somebody who may do everything.
    pub(crate) fn full(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            role: SERVICE_ROLE.to_owned(),
            user: None,
            bucket: None,
            read_only: false,
            expires_at: None,
        }
    }
}

/// A pair as the operator sees it, without its secret.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) access_key: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) user: Option<String>,
    pub(crate) bucket: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) expires_at: Option<String>,
    pub(crate) created_at: Option<String>,
}

/// What the operator wants done.
pub(crate) enum Change {
    /// A further pair.
    Create(Grant),
    /// A fresh pair is the installation's own; the one before stays beside it.
    Rotate,
    /// The pair of this access key opens nothing any more.
    Revoke(String),
}

/// What was changed: the access key, and the secret if it is new.
pub(crate) struct Changed {
    pub(crate) access_key: Secret,
    pub(crate) secret: Option<Secret>,
}

/// All pairs that are accepted, or were until they expired.
pub(crate) fn list(secrets: &Secrets) -> Vec<Shown> {
    let show = |access_key: &Secret, grant: &Grant, created_at: Option<i64>| Shown {
        access_key: access_key.expose().to_owned(),
        name: grant.name.clone(),
        role: grant.role.clone(),
        user: grant.user.clone(),
        bucket: grant.bucket.clone(),
        read_only: grant.read_only,
        expires_at: grant.expires_at.and_then(moment),
        created_at: created_at.and_then(moment),
    };
    let mut shown = vec![show(&secrets.s3_access_key_id, &Grant::full("default"), None)];
    shown.extend(secrets.s3_keys.iter().map(|key| show(&key.access_key, &key.grant, Some(key.created_at))));
    shown
}

/// What a server with these secrets accepts.
///
/// # Errors
///
/// A role that has no name.
pub(crate) fn credentials(secrets: &Secrets) -> anyhow::Result<S3Credentials> {
    let mut pairs = vec![S3Pair::new(secrets.s3_access_key_id.clone(), secrets.s3_access_key_secret.clone())];
    for S3Key { access_key, secret, grant, .. } in &secrets.s3_keys {
        pairs.push(S3Pair {
            role: Some(RoleName::parse(&grant.role).context("a role without a name")?),
            user: grant.user.clone(),
            bucket: grant.bucket.clone(),
            read_only: grant.read_only,
            expires_at: grant.expires_at,
            ..S3Pair::new(access_key.clone(), secret.clone())
        });
    }
    let session_secrets = vec![secrets.anon_key.clone(), secrets.publishable_key.clone()];
    Ok(S3Credentials::new(pairs, session_secrets))
}

/// Changes the pairs in `data_dir`; `None` if there is no installation.
///
/// # Errors
///
/// Keys that are the settings' matter; changes that are not possible; files that cannot be written.
pub(crate) fn change(
    settings: &Settings,
    data_dir: &Path,
    change: Change,
    now: i64,
) -> anyhow::Result<Option<Changed>> {
    Secrets::change(data_dir, |secrets| apply(settings, secrets, change, now))
}

fn apply(settings: &Settings, secrets: &mut Secrets, change: Change, now: i64) -> anyhow::Result<Changed> {
    match change {
        Change::Create(grant) => {
            check(&grant)?;
            let (access_key, secret) = fresh()?;
            let key =
                S3Key { access_key: access_key.clone(), secret: secret.clone(), grant, created_at: now };
            keep(&mut secrets.s3_keys, key)?;
            Ok(Changed { access_key, secret: Some(secret) })
        }
        Change::Rotate => {
            let keys = &settings.keys;
            if !keys.s3_access_key_id.is_empty() || !keys.s3_access_key_secret.is_empty() {
                bail!(
                    "keys.s3_access_key_id or keys.s3_access_key_secret is set, so the pair is changed there"
                );
            }
            let (access_key, secret) = fresh()?;
            let before = S3Key {
                access_key: std::mem::replace(&mut secrets.s3_access_key_id, access_key.clone()),
                secret: std::mem::replace(&mut secrets.s3_access_key_secret, secret.clone()),
                grant: Grant::full(BEFORE),
                created_at: now,
            };
            keep(&mut secrets.s3_keys, before)?;
            Ok(Changed { access_key, secret: Some(secret) })
        }
        Change::Revoke(access_key) => {
            let own = [&secrets.s3_access_key_id, &settings.keys.s3_access_key_id];
            if own.iter().any(|own| own.expose() == access_key) {
                bail!("this is the installation's own pair: rotate it, then revoke the one before");
            }
            revoke(&mut secrets.s3_keys, &access_key, |key| key.access_key.expose() == access_key)?;
            Ok(Changed { access_key: Secret::new(access_key), secret: None })
        }
    }
}

fn check(grant: &Grant) -> anyhow::Result<()> {
    if !is_name(&grant.name) {
        bail!("a pair needs a name of 1 to 100 characters");
    }
    if RoleName::parse(&grant.role).is_none() {
        bail!("a pair needs a role to act in");
    }
    if grant.role == SERVICE_ROLE && grant.user.is_some() {
        bail!(
            "policies do not bind {SERVICE_ROLE}: name the role in which the user is to act, authenticated for one"
        );
    }
    match [&grant.user, &grant.bucket].into_iter().flatten().all(|text| is_name(text)) {
        true => Ok(()),
        false => bail!("a user and a bucket have names of 1 to 100 characters"),
    }
}

/// As those of the installation: 32 and 64 hexadecimal digits, as upstream's have.
pub(crate) fn fresh() -> Result<(Secret, Secret), jwt::generate::NoRandomness> {
    let access_key = Secret::new(hex::encode(jwt::generate::bytes::<16>()?));
    Ok((access_key, Secret::new(hex::encode(jwt::generate::bytes::<32>()?))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn pairs_come_and_go_and_the_one_before_stays_until_it_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        let change = |what| change(&settings, dir.path(), what, NOW);
        assert!(change(Change::Rotate).unwrap().is_none(), "no installation");
        let first = Secrets::open(dir.path(), NOW).unwrap();
        let secrets = || Secrets::existing(dir.path()).unwrap().unwrap();
        let names = || list(&secrets()).into_iter().map(|key| key.name).collect::<Vec<_>>();

        let grant = Grant {
            role: "authenticated".to_owned(),
            user: Some("u1".to_owned()),
            bucket: Some("photos".to_owned()),
            read_only: true,
            expires_at: Some(NOW + 60),
            ..Grant::full("backup")
        };
        let made = change(Change::Create(grant.clone())).unwrap().unwrap();
        assert_eq!(made.secret.as_ref().unwrap().expose().len(), 64);
        let key = secrets().s3_keys.pop().unwrap();
        assert_eq!((key.grant, key.access_key), (grant, made.access_key.clone()));
        let shown = serde_json::to_string(&list(&secrets())).unwrap();
        assert!(!shown.contains(made.secret.unwrap().expose()), "a list shows no secret");

        let fresh = change(Change::Rotate).unwrap().unwrap();
        assert_eq!(secrets().s3_access_key_id, fresh.access_key);
        assert_eq!(names(), ["default", "backup", "before the last rotation"]);
        let before = secrets().s3_keys.pop().unwrap();
        assert_eq!(
            (before.access_key, before.secret),
            (first.s3_access_key_id.clone(), first.s3_access_key_secret)
        );
        change(Change::Revoke(first.s3_access_key_id.expose().to_owned())).unwrap();
        change(Change::Revoke(made.access_key.expose().to_owned())).unwrap();
        assert_eq!(names(), ["default"]);
        credentials(&secrets()).unwrap();
    }

    #[test]
    fn what_cannot_be_done_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        let before = Secrets::open(dir.path(), NOW).unwrap();
        settings.keys.s3_access_key_id = Secret::new("configured");
        let own = before.s3_access_key_id.expose().to_owned();
        let nobody = Grant { role: String::new(), ..Grant::full("x") };
        let both = Grant { user: Some("u1".to_owned()), ..Grant::full("x") };
        for what in [
            Change::Rotate,
            Change::Revoke(own),
            Change::Revoke("configured".to_owned()),
            Change::Revoke("nothing".to_owned()),
            Change::Create(Grant::full("")),
            Change::Create(nobody),
            Change::Create(both),
        ] {
            assert!(change(&settings, dir.path(), what, NOW).is_err());
        }
        assert_eq!(Secrets::existing(dir.path()).unwrap().unwrap(), before);
    }
}
