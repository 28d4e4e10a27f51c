//! `GET /health`: 200 when every part can serve, 503 with the reasons otherwise.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::sync::watch;

/// Where readiness is asked from.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) auth: Option<auth::Auth>,
    pub(crate) rest: Option<rest::Rest>,
    pub(crate) storage: Option<storage::Storage>,
    pub(crate) realtime: Option<realtime::Realtime>,
    pub(crate) vault: Option<vault::Vault>,
    pub(crate) cluster: Option<watch::Receiver<cluster::State>>,
}

/// The answer.
#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(skip)]
    pub(crate) ready: bool,
    status: &'static str,
    services: BTreeMap<&'static str, &'static str>,
}

impl Health {
    /// Asks every part.
    pub(crate) async fn report(&self) -> Report {
        let mut services = BTreeMap::new();
        let mut ready = true;
        let mut note = |name: &'static str, health: kernel::Health| {
            ready &= health.is_ready();
            let text = match health {
                kernel::Health::Ready => "ready",
                kernel::Health::NotReady(reason) => {
                    // Anybody may ask; the reason may name roles, addresses and statements.
                    tracing::warn!(service = name, reason, "not ready");
                    "not ready"
                }
            };
            services.insert(name, text);
        };
        if let Some(cluster) = &self.cluster {
            note("database", database(&cluster.borrow()));
        }
        if let Some(auth) = &self.auth {
            note("auth", auth.health().await);
        }
        if let Some(rest) = &self.rest {
            note("rest", rest.health().await);
        }
        if let Some(storage) = &self.storage {
            note("storage", storage.health().await);
        }
        if let Some(realtime) = &self.realtime {
            note("realtime", realtime.health().await);
        }
        if let Some(vault) = &self.vault {
            note("vault", vault.health().await);
        }
        Report { ready, status: if ready { "ready" } else { "not ready" }, services }
    }
}

fn database(state: &cluster::State) -> kernel::Health {
    // The reason of a failure is in the log: it may quote the database.
    let reason = match state {
        cluster::State::Running { .. } => return kernel::Health::Ready,
        cluster::State::Starting => "starting",
        cluster::State::Restarting { .. } => "restarting after a crash",
        cluster::State::Failed { .. } => "given up after repeated crashes; see the log",
        cluster::State::Stopped => "stopped",
    };
    kernel::Health::NotReady(reason.to_owned())
}
