//! The keys that sign tokens of users: shown, made and taken away by the operator, and taken over by
//! the server that runs, along with the keys of applications.
//!
//! The operator's command changes the file of secrets; a running server looks at it every few
//! seconds. Neither has to find the other, and several servers on one directory agree.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use jwt::{Algorithm, ApiKeys, LiveKeys, RingError, State, generate};
use kernel::Task;
use serde::Serialize;
use storage::S3Credentials;

use crate::further_keys::{moment, s3};
use crate::keys;
use crate::secrets::Secrets;
use crate::settings::Settings;

/// How often a running server looks for other keys.
const EVERY: Duration = Duration::from_secs(2);

/// A key as the operator sees it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    /// Its name in tokens, or the setting it comes from.
    pub(crate) id: String,
    pub(crate) algorithm: String,
    /// `standby`, `in use`, `previously used`, `revoked`; `verifies` for keys whose life is the settings' matter.
    pub(crate) state: String,
    /// Since when, where that is known.
    pub(crate) since: Option<String>,
}

/// All keys that verify tokens of users, and those that no longer do.
///
/// # Errors
///
/// `jwt.keys` that cannot be used.
pub(crate) fn list(settings: &Settings, secrets: &Secrets) -> anyhow::Result<Vec<Shown>> {
    let by_secret = keys::secret_signs(settings, secrets);
    let mut shown = Vec::new();
    if settings.jwt.keys.is_empty() {
        shown.extend(secrets.signing_keys.keys().map(|key| {
            // The one of ours that would sign waits for the secret to step back.
            let state = if by_secret && key.state() == State::InUse { State::Standby } else { key.state() };
            Shown {
                id: key.kid(),
                algorithm: key.algorithm(),
                state: state.to_string(),
                since: moment(key.since()),
            }
        }));
    } else {
        let signing = keys::signing(settings, Some(secrets))?;
        shown.extend(signing.names().map(|(kid, algorithm, signs)| Shown {
            id: kid.unwrap_or("jwt.keys").to_owned(),
            algorithm: algorithm.name().to_owned(),
            state: if signs { "in use" } else { "verifies" }.to_owned(),
            since: None,
        }));
    }
    shown.push(Shown {
        id: "jwt.secret".to_owned(),
        algorithm: Algorithm::HS256.name().to_owned(),
        state: if by_secret { "in use" } else { "verifies" }.to_owned(),
        since: None,
    });
    Ok(shown)
}

/// What the operator wants done.
pub(crate) enum Change {
    /// A fresh key on standby.
    Add(Algorithm),
    /// The key on standby signs; a fresh one of this algorithm where there is none.
    Rotate(Algorithm),
    /// A key is taken away, if nobody is signed out by it or that is wanted.
    Revoke {
        /// Its name.
        kid: String,
        /// Whoever holds a token of it has to refresh.
        even_if_needed: bool,
    },
}

/// Changes the keys in `data_dir`; returns the name of the key it is about, `None` if there is no
/// installation.
///
/// # Errors
///
/// Keys that are the settings' matter; changes that are not possible; files that cannot be written.
pub(crate) fn change(
    settings: &Settings,
    data_dir: &Path,
    change: Change,
    now: i64,
) -> anyhow::Result<Option<String>> {
    if !settings.jwt.keys.is_empty() {
        bail!("jwt.keys is set, so the keys are changed there");
    }
    Secrets::change(data_dir, |secrets| apply(settings, secrets, change, now))
}

fn apply(settings: &Settings, secrets: &mut Secrets, change: Change, now: i64) -> anyhow::Result<String> {
    let by_secret = keys::secret_signs(settings, secrets);
    let ring = &mut secrets.signing_keys;
    match change {
        Change::Add(algorithm) => Ok(ring.add(fresh(algorithm)?, now)?),
        Change::Rotate(algorithm) => {
            secrets.rotated_at.get_or_insert(now);
            match ring.rotate(now) {
                // The first rotation moves on from the secret to the key that is there.
                Err(RingError::NoStandby) if by_secret => {
                    let first = ring.keys().find(|key| key.state() == State::InUse);
                    first.map(|key| key.kid()).context("no key is there to sign")
                }
                Err(RingError::NoStandby) => {
                    ring.add(fresh(algorithm)?, now)?;
                    Ok(ring.rotate(now)?)
                }
                rotated => Ok(rotated?),
            }
        }
        Change::Revoke { kid, even_if_needed } => {
            // Tokens are accepted a little longer than they live.
            let lifetime = settings.auth.jwt_expiry.0.saturating_add(settings.jwt.leeway.0);
            let lifetime = if even_if_needed { Duration::ZERO } else { lifetime };
            ring.revoke(&kid, i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX), now)?;
            Ok(kid)
        }
    }
}

fn fresh(algorithm: Algorithm) -> anyhow::Result<kernel::Secret> {
    generate::signing_key(algorithm)?.with_context(|| format!("no keys are made for {}", algorithm.name()))
}

/// The keys of a running server, which it takes over from the file of secrets.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) signing: LiveKeys,
    pub(crate) api_keys: ApiKeys,
    pub(crate) s3: S3Credentials,
}

/// Takes over what the operator changed.
pub(crate) fn watcher(settings: &Settings, data_dir: &Path, live: &Live) -> Task {
    let given = (settings.clone(), data_dir.to_owned(), live.clone());
    Task::new("keys", move |mut stop| {
        let (settings, data_dir, live) = given.clone();
        async move {
            let mut seen = None;
            while !stop.is_stopped() {
                let state = Secrets::changed_at(&data_dir).ok();
                if state.is_some() && state != seen {
                    match read(&settings, &data_dir) {
                        Ok((signing, api_keys, s3)) => {
                            live.signing.replace(signing);
                            live.api_keys.replace(&api_keys);
                            live.s3.replace(&s3);
                        }
                        Err(error) => {
                            tracing::error!(%error, "the keys cannot be read; those of before stay in force");
                        }
                    }
                    seen = state;
                }
                tokio::select! {
                    () = stop.stopped() => return,
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
        }
    })
}

fn read(settings: &Settings, data_dir: &Path) -> anyhow::Result<(jwt::KeySet, ApiKeys, S3Credentials)> {
    let secrets = Secrets::existing(data_dir)?.context("they are gone")?.with_settings(settings)?;
    let signing = keys::signing(settings, Some(&secrets))?;
    Ok((signing, keys::api_keys(settings, Some(&secrets))?, s3::credentials(&secrets)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kernel::{Clock, Secret, Stop};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn states(settings: &Settings, data_dir: &Path) -> Vec<(String, String)> {
        let secrets = Secrets::existing(data_dir).unwrap().unwrap().with_settings(settings).unwrap();
        list(settings, &secrets).unwrap().into_iter().map(|key| (key.algorithm, key.state)).collect()
    }

    fn expect(settings: &Settings, data_dir: &Path, expected: &[(&str, &str)]) {
        let found = states(settings, data_dir);
        let found: Vec<_> = found.iter().map(|(a, s)| (a.as_str(), s.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn from_key_to_key() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let settings = Settings::default();
        let change = |what, now| change(&settings, dir, what, now);
        assert!(change(Change::Rotate(Algorithm::ES256), NOW).unwrap().is_none(), "no installation");
        let secrets = Secrets::open(dir, NOW).unwrap();
        expect(&settings, dir, &[("ES256", "in use"), ("HS256", "verifies")]);
        change(Change::Add(Algorithm::RS256), NOW).unwrap();
        assert!(change(Change::Add(Algorithm::RS256), NOW).is_err());
        expect(&settings, dir, &[("ES256", "in use"), ("RS256", "standby"), ("HS256", "verifies")]);
        change(Change::Rotate(Algorithm::ES256), NOW).unwrap();
        expect(&settings, dir, &[("ES256", "previously used"), ("RS256", "in use"), ("HS256", "verifies")]);
        change(Change::Rotate(Algorithm::EdDSA), NOW).unwrap();
        let first = secrets.signing_keys.keys().next().unwrap().kid();
        let revoke = |even_if_needed| Change::Revoke { kid: first.clone(), even_if_needed };
        let refused = change(revoke(false), NOW + 3629).unwrap_err().to_string();
        assert!(refused.contains("1 seconds more"), "{refused}");
        change(revoke(false), NOW + 3630).unwrap();
        let revoked = [("ES256", "revoked"), ("RS256", "previously used"), ("EdDSA", "in use")];
        expect(&settings, dir, &[revoked.as_slice(), &[("HS256", "verifies")]].concat());
        let second = Secrets::existing(dir).unwrap().unwrap().signing_keys.keys().nth(1).unwrap().kid();
        change(Change::Revoke { kid: second, even_if_needed: true }, NOW).unwrap();
        assert!(change(Change::Add(Algorithm::HS512), NOW).is_err());
    }

    #[test]
    fn from_a_secret_to_keys() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let mut settings = Settings::default();
        settings.jwt.secret = Secret::new("a secret that came with an old installation");
        Secrets::open(dir, NOW).unwrap();
        expect(&settings, dir, &[("ES256", "standby"), ("HS256", "in use")]);
        change(&settings, dir, Change::Rotate(Algorithm::ES256), NOW).unwrap();
        expect(&settings, dir, &[("ES256", "in use"), ("HS256", "verifies")]);
        change(&settings, dir, Change::Rotate(Algorithm::EdDSA), NOW).unwrap();
        expect(&settings, dir, &[("ES256", "previously used"), ("EdDSA", "in use"), ("HS256", "verifies")]);
        settings.jwt.keys = generate::es256().unwrap();
        expect(&settings, dir, &[("ES256", "in use"), ("HS256", "verifies")]);
        let refused = change(&settings, dir, Change::Rotate(Algorithm::ES256), NOW).unwrap_err();
        assert!(refused.to_string().contains("jwt.keys"));
    }

    #[test]
    fn changes_at_once_are_made_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        Secrets::open(dir.path(), NOW).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| change(&settings, dir.path(), Change::Rotate(Algorithm::ES256), NOW).unwrap());
            }
        });
        let found = states(&settings, dir.path());
        assert_eq!(found.len(), 10);
        assert_eq!(found.iter().filter(|(_, state)| state == "in use").count(), 1);
    }

    #[tokio::test]
    async fn a_running_server_takes_them_over() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        let secrets = Secrets::open(dir.path(), NOW).unwrap();
        let live = LiveKeys::from(keys::signing(&settings, Some(&secrets)).unwrap());
        let (handle, stop) = Stop::pair();
        let s3 = S3Credentials::new(Vec::new(), Vec::new());
        let all = Live { signing: live.clone(), api_keys: ApiKeys::default(), s3 };
        let running = tokio::spawn(watcher(&settings, dir.path(), &all).run(stop));
        let kid = change(&settings, dir.path(), Change::Rotate(Algorithm::EdDSA), Clock::system().unix());
        assert!(kid.unwrap().is_some());
        tokio::time::timeout(Duration::from_secs(20), async {
            while live.signing_algorithm() != Some(Algorithm::EdDSA) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap();
        assert_eq!(live.jwks()["keys"].as_array().unwrap().len(), 2);
        handle.stop();
        running.await.unwrap();
    }
}
