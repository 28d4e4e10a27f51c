//! New settings for a server that runs: SIGHUP reads them again.
//!
//! Those of `[auth]`, `[rest]`, `[storage]`, `[realtime]`, `[server]` and `log.level` count for requests that begin from then on, but for
//! the few that a running server cannot change. One line says what counts now, one what has changed and waits for a restart.
//! Settings that are wrong change nothing. Neither does a file with another `mode`, other `services` or another `server.listen`: what
//! is safe where nobody else listens would count before anybody has stopped listening.

use std::future::pending;

use auth::Reload;
use tokio::signal::unix::{SignalKind, signal};

use crate::boot::{self, ServePlan};
use crate::edge::Edge;
use crate::server::Services;
use crate::settings::{self, LogLevel, Request, Settings};

/// How to read the settings again, and the log, whose level is one of them.
pub(crate) struct Reading {
    pub(crate) request: Request,
    pub(crate) log: LogLevel,
}

/// Takes new settings over at every signal, for ever.
pub(crate) async fn on_signal(plan: &ServePlan, services: &Services, edge: &Edge) {
    let Some(reading) = &plan.reading else { return pending().await };
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "settings cannot be reloaded");
            return pending().await;
        }
    };
    let mut running = Running { plan, reading, services, edge, current: plan.settings.clone() };
    while hangup.recv().await.is_some() {
        match settings::load(&reading.request) {
            Ok(loaded) => running.take_over(loaded.settings.with_addresses()),
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the settings stay as they were");
                }
            }
        }
    }
    pending().await
}

/// Who has settings, and those that are in force.
struct Running<'a> {
    plan: &'a ServePlan,
    reading: &'a Reading,
    services: &'a Services,
    edge: &'a Edge,
    current: Settings,
}

/// Sections that take new settings, each with the dot at its end.
const SECTIONS: [&str; 6] = ["auth.", "rest.", "storage.", "realtime.", "server.", "log."];

/// Settings that defaults of others hang from.
const GROUND: [&str; 3] = ["mode", "services", "server.listen"];

impl Running<'_> {
    fn take_over(&mut self, new: Settings) {
        let changed = settings::changed(&self.current, &new);
        if changed.is_empty() {
            tracing::info!("no setting has changed");
            return;
        }
        if let Some(ground) = changed.iter().find(|path| GROUND.contains(&path.as_str())) {
            tracing::warn!(settings = ?changed, "{ground} has changed: these count from the next start, together");
            return;
        }
        let mut taken = Vec::new();
        for section in SECTIONS {
            let of_section: Vec<_> = changed.iter().filter(|path| path.starts_with(section)).collect();
            if of_section.is_empty() {
                continue;
            }
            match self.apply(section, &new) {
                Ok(Applied::Except(kept)) => {
                    let kept: Vec<_> = kept.into_iter().map(|name| format!("{section}{name}")).collect();
                    let is_kept = |path: &&String| {
                        kept.iter().any(|name| *path == name || path.starts_with(&format!("{name}.")))
                    };
                    taken.extend(of_section.into_iter().filter(|path| !is_kept(path)).cloned());
                }
                Ok(Applied::Nobody) => {}
                Err(problem) => tracing::error!(problem, section, "the settings stay as they were"),
            }
        }
        let waiting: Vec<_> = changed.iter().filter(|path| !taken.contains(path)).collect();
        if !taken.is_empty() {
            tracing::info!(settings = ?taken, "new settings count");
        }
        if !waiting.is_empty() {
            tracing::warn!(settings = ?waiting, "these have changed and count from the next start");
        }
        self.current = settings::merged(&self.current, &new, &taken);
    }

    fn apply(&self, section: &str, new: &Settings) -> Result<Applied, String> {
        let Services { auth, rest, storage, realtime, .. } = self.services;
        let kept = match section {
            "auth." => auth.as_ref().map(|auth| match auth.reload(new.auth.clone()) {
                Reload::Applied => Ok(Vec::new()),
                Reload::Refused(problems) => Err(format!("{problems:?}")),
            }),
            "rest." => rest.as_ref().map(|rest| {
                let kept = rest.reload(new.rest.clone()).map_err(|error| error.to_string())?;
                self.edge.reload(new).map_err(|error| format!("{error:#}"))?;
                Ok(kept)
            }),
            "storage." => storage.as_ref().map(|storage| {
                let config = boot::storage_config(new, &self.plan.data_dir);
                storage.reload(config).map_err(|error| error.to_string())
            }),
            "realtime." => realtime
                .as_ref()
                .map(|realtime| realtime.reload(new.realtime.clone()).map_err(|error| error.to_string())),
            "server." => Some(self.edge.reload(new).map_err(|error| format!("{error:#}"))),
            _ => Some(self.reading.log.set(&new.log).map(|()| vec!["format", "keep"])),
        };
        kept.transpose().map(|kept| kept.map_or(Applied::Nobody, Applied::Except))
    }
}

/// What became of a section.
enum Applied {
    /// It counts, but for these.
    Except(Vec<&'static str>),
    /// Nobody here has such settings.
    Nobody,
}
