//! The keys that applications present. One publishable and one secret key are the installation's own; of those beside them the
//! digest is kept.

use anyhow::bail;
use jwt::api_key::{self, Kind};
use kernel::Secret;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::{BEFORE, is_name, keep, moment, revoke};
use crate::secrets::Secrets;
use crate::settings::Settings;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Use {
    /// Shown to browsers; acts as `anon`.
    Publishable,
    /// For servers; acts as `service_role`.
    Secret,
}

impl Use {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Publishable => Kind::Publishable,
            Self::Secret => Kind::Secret,
        }
    }

    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Publishable => "anon",
            Self::Secret => "service_role",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Publishable => "publishable",
            Self::Secret => "secret",
        }
    }
}

/// A key beside the installation's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    /// Who uses it.
    pub(crate) name: String,
    #[serde(rename = "use")]
    pub(crate) usage: Use,
    /// Its first characters, by which its owner knows it.
    pub(crate) begins: String,
    /// Its SHA-256.
    pub(crate) digest: String,
    /// When it was made, in seconds since 1970.
    pub(crate) created_at: i64,
}

/// A key as the operator sees it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) usage: Use,
    pub(crate) begins: String,
    pub(crate) created_at: Option<String>,
}

/// What the operator wants done.
pub(crate) enum Change {
    /// A further key.
    Create {
        /// Who is to use it.
        name: String,
        usage: Use,
    },
    /// A fresh key is the installation's own; the one before stays beside it.
    Rotate(Use),
    /// A key beside the installation's own opens nothing any more.
    Revoke(String),
}

/// What was changed: the key's id, and the key itself if it is new.
pub(crate) struct Changed {
    pub(crate) id: String,
    pub(crate) key: Option<Secret>,
}

/// All keys that are accepted, but for the JWTs of `anon` and `service_role`.
pub(crate) fn list(secrets: &Secrets) -> Vec<Shown> {
    let own = |usage: Use, key: &Secret| Shown {
        id: usage.id().to_owned(),
        name: "default".to_owned(),
        usage,
        begins: beginning(key),
        created_at: None,
    };
    let mut shown =
        vec![own(Use::Publishable, &secrets.publishable_key), own(Use::Secret, &secrets.secret_key)];
    shown.extend(secrets.api_keys.iter().map(|key| Shown {
        id: key.id.clone(),
        name: key.name.clone(),
        usage: key.usage,
        begins: key.begins.clone(),
        created_at: moment(key.created_at),
    }));
    shown
}

/// Changes the keys in `data_dir`; `None` if there is no installation.
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
        Change::Create { name, usage } => {
            if !is_name(&name) {
                bail!("a key needs a name of 1 to 100 characters");
            }
            let key = fresh(usage)?;
            let id = add(secrets, name, usage, &key, now)?;
            Ok(Changed { id, key: Some(key) })
        }
        Change::Rotate(usage) => {
            let (setting, own) = match usage {
                Use::Publishable => (&settings.keys.publishable_key, secrets.publishable_key.clone()),
                Use::Secret => (&settings.keys.secret_key, secrets.secret_key.clone()),
            };
            if !setting.is_empty() {
                bail!("keys.{}_key is set, so the key is changed there", usage.id());
            }
            add(secrets, BEFORE.to_owned(), usage, &own, now)?;
            let key = fresh(usage)?;
            match usage {
                Use::Publishable => secrets.publishable_key = key.clone(),
                Use::Secret => secrets.secret_key = key.clone(),
            }
            Ok(Changed { id: usage.id().to_owned(), key: Some(key) })
        }
        Change::Revoke(id) => {
            if [Use::Publishable, Use::Secret].iter().any(|usage| usage.id() == id) {
                bail!("this is the installation's own key: rotate it, then revoke the one before");
            }
            revoke(&mut secrets.api_keys, &id, |key| key.id == id)?;
            Ok(Changed { id, key: None })
        }
    }
}

fn add(secrets: &mut Secrets, name: String, usage: Use, key: &Secret, now: i64) -> anyhow::Result<String> {
    let id = hex::encode(jwt::generate::bytes::<4>()?);
    let (begins, digest) = (beginning(key), api_key::digest_of(key));
    keep(&mut secrets.api_keys, ApiKey { id: id.clone(), name, usage, begins, digest, created_at: now })?;
    Ok(id)
}

fn fresh(usage: Use) -> anyhow::Result<Secret> {
    Ok(match usage {
        Use::Publishable => api_key::publishable()?,
        Use::Secret => api_key::secret()?,
    })
}

/// The prefix and four characters more.
fn beginning(key: &Secret) -> String {
    let prefix = key.expose().rfind('_').map_or(0, |_| "sb_secret_".len());
    let prefix = if key.expose().starts_with("sb_publishable_") { "sb_publishable_".len() } else { prefix };
    key.expose().chars().take(prefix + 4).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::keys;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn keys_come_and_go_and_the_one_before_stays_until_it_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        let change = |what| change(&settings, dir.path(), what, NOW);
        assert!(change(Change::Rotate(Use::Secret)).unwrap().is_none(), "no installation");
        let first = Secrets::open(dir.path(), NOW).unwrap();
        let secrets = || Secrets::existing(dir.path()).unwrap().unwrap();
        let accepts = |key: &Secret| {
            let secrets = secrets();
            let live = keys::signing(&settings, Some(&secrets)).unwrap().into();
            let verifier = keys::verifier(&settings, live, false).unwrap();
            let keys = keys::api_keys(&settings, Some(&secrets)).unwrap();
            let resolved = keys.resolve(key.expose(), &verifier, NOW).ok();
            resolved.map(|resolved| resolved.identity.role.to_string())
        };

        let made = Change::Create { name: "shop".to_owned(), usage: Use::Secret };
        let made = change(made).unwrap().unwrap();
        let key = made.key.unwrap();
        assert_eq!(accepts(&key).as_deref(), Some("service_role"));
        let text = std::fs::read_to_string(dir.path().join("secrets").join("keys.json")).unwrap();
        assert!(!text.contains(key.expose()), "a key beside the own ones is kept as its digest");
        let shown = list(&secrets());
        assert_eq!(
            shown.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(),
            ["default", "default", "shop"]
        );
        assert!(key.expose().starts_with(&shown[2].begins) && shown[2].begins.len() == 14);
        change(Change::Revoke(made.id)).unwrap();
        assert_eq!(accepts(&key), None);

        for (usage, before) in [(Use::Secret, &first.secret_key), (Use::Publishable, &first.publishable_key)]
        {
            let fresh = change(Change::Rotate(usage)).unwrap().unwrap().key.unwrap();
            assert_eq!(accepts(&fresh).as_deref(), Some(usage.role()));
            assert_eq!(accepts(before).as_deref(), Some(usage.role()));
            let id = list(&secrets()).last().unwrap().id.clone();
            change(Change::Revoke(id)).unwrap();
            assert_eq!((accepts(before), accepts(&fresh).as_deref()), (None, Some(usage.role())));
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        let before = Secrets::open(dir.path(), NOW).unwrap();
        settings.keys.secret_key = Secret::new("sb_secret_configured");
        for what in [
            Change::Rotate(Use::Secret),
            Change::Revoke("secret".to_owned()),
            Change::Revoke("nothing".to_owned()),
            Change::Create { name: String::new(), usage: Use::Secret },
        ] {
            assert!(change(&settings, dir.path(), what, NOW).is_err());
        }
        assert_eq!(Secrets::existing(dir.path()).unwrap().unwrap(), before);
    }
}
