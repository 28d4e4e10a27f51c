//! New settings for a server that runs: SIGHUP reads them again.
//!
//! Those of `[auth]` count for requests that begin from then on. What else has changed is named in the log and waits for a
//! restart. Settings that are wrong change nothing.

use std::future::pending;

use auth::Reload;
use tokio::signal::unix::{SignalKind, signal};

use crate::boot::ServePlan;
use crate::server::Services;
use crate::settings::{self, Settings};

/// Takes new settings over at every signal, for ever.
pub(crate) async fn on_signal(plan: &ServePlan, services: &Services) {
    let Some(reading) = &plan.reading else { return pending().await };
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "settings cannot be reloaded");
            return pending().await;
        }
    };
    let mut current = plan.settings.clone();
    while hangup.recv().await.is_some() {
        match settings::load(reading) {
            Ok(loaded) => current = take_over(&current, loaded.settings.with_addresses(), services),
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the settings stay as they were");
                }
            }
        }
    }
    pending().await
}

/// Returns what is in force, with what waits for a restart as it was.
fn take_over(current: &Settings, new: Settings, services: &Services) -> Settings {
    let changed = settings::changed(current, &new);
    let (ours, others): (Vec<_>, Vec<_>) = changed.iter().partition(|path| path.starts_with("auth."));
    if !others.is_empty() {
        tracing::warn!(settings = ?others, "these have changed and count from the next start");
    }
    let mut in_force = current.clone();
    let Some(auth) = services.auth.as_ref().filter(|_| !ours.is_empty()) else { return in_force };
    match auth.reload(new.auth.clone()) {
        Reload::Applied => {
            tracing::info!(settings = ?ours, "new settings count");
            in_force.auth = new.auth;
        }
        Reload::Refused(problems) => {
            for problem in problems {
                tracing::error!(?problem, "the settings stay as they were");
            }
        }
    }
    in_force
}
