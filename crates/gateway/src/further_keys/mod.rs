//! Keys beside the installation's own, changed by the operator while the server runs (it looks at the file of secrets every few
//! seconds, `rotation`): those that applications present (`api`) and pairs of the S3 protocol (`s3`).
//!
//! The installation's own are those that `basalt status` shows. Any number may be beside them, each with a name, shown once,
//! when it is made. Rotating makes a fresh one the installation's own; the one before goes on until it is revoked.

pub(crate) mod api;
pub(crate) mod s3;

use anyhow::bail;
use chrono::{DateTime, SecondsFormat};

/// Of each kind at most: every request is compared with all.
const MOST: usize = 100;

/// The name of what was the installation's own.
const BEFORE: &str = "before the last rotation";

/// Keeps one more.
fn keep<K>(keys: &mut Vec<K>, key: K) -> anyhow::Result<()> {
    if keys.len() >= MOST {
        bail!("there are {MOST} already; revoke some");
    }
    keys.push(key);
    Ok(())
}

/// Takes away the one that is called `id`.
fn revoke<K>(keys: &mut Vec<K>, id: &str, is: impl Fn(&K) -> bool) -> anyhow::Result<()> {
    let before = keys.len();
    keys.retain(|key| !is(key));
    if keys.len() == before {
        bail!("there is no key {id}");
    }
    Ok(())
}

/// What people call something.
fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Seconds since 1970, as the operator sees them.
pub(crate) fn moment(seconds: i64) -> Option<String> {
    Some(DateTime::from_timestamp(seconds, 0)?.to_rfc3339_opts(SecondsFormat::Secs, true))
}
