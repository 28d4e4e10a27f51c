//! Tables and functions as HTTP: the data API that PostgREST's clients speak to.
//!
//! A request goes one way, never back: `request` parses it, `plan` resolves it against the
//! cached `schema`, `sql` writes one statement, `exec` runs it as the caller, `response` turns
//! the result into an answer. All but `exec` are pure. `http` strings them together; a task keeps
//! the cache fresh.
//!
//! The service knows neither tokens nor keys: who is calling, the gateway's edge says. It owns
//! no table and runs every statement of a request under the caller's role.

mod config;
mod error;
mod exec;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod plan;
mod request;
mod response;
mod schema;
mod sql;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use arc_swap::ArcSwap;
use db::{Fleet, Pool, Target};
use kernel::{Health, Task};

pub use config::{Compatibility, Config, Limits, OpenApiMode, TxEnd, Verbosity};
use exec::Streams;
use response::Descriptions;
use schema::Cache;

/// The data API. Cheap to clone; all clones are one service.
#[derive(Clone)]
pub struct Rest(Arc<Shared>);

/// What the data API needs.
pub struct Deps {
    /// Connections of the login role that can become the API roles and nothing else: for requests.
    pub fleet: Fleet,
    /// The same login, to read the schema.
    pub pool: Pool,
    /// The same login, for the one connection that hears of schema changes.
    pub target: Target,
}

/// The service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that contradict each other or name the impossible.
    #[error("{}", .0.join("; "))]
    Config(Vec<String>),
}

/// What all clones share.
pub(crate) struct Shared {
    pub(crate) fleet: Fleet,
    pub(crate) pool: Pool,
    pub(crate) target: Target,
    pub(crate) cache: Cache,
    /// The streams under way.
    pub(crate) streams: Streams,
    /// Descriptions of the schema that were built already.
    pub(crate) descriptions: Descriptions,
    /// The settings as given: those that hold until the cache has its first snapshot.
    pub(crate) config: ArcSwap<Config>,
}

impl Rest {
    /// Starts the service and reads the schema. A database that does not answer is no error: the
    /// task tries again, and requests get `PGRST002` until it succeeds.
    ///
    /// # Errors
    ///
    /// Settings that cannot be.
    pub async fn start(config: Config, deps: Deps) -> Result<Self, StartError> {
        check(&config)?;
        let cache = Cache::new(deps.pool.clone(), deps.fleet.clone(), config.clone());
        let config = ArcSwap::from_pointee(config);
        let descriptions = Descriptions::default();
        let streams = Streams::of(&deps.fleet);
        let shared = Arc::new(Shared {
            fleet: deps.fleet,
            pool: deps.pool,
            target: deps.target,
            cache,
            streams,
            descriptions,
            config,
        });
        // The cache has logged why, and says so in `health`.
        let _ = shared.cache.refresh().await;
        Ok(Self(shared))
    }

    /// Mounts the service: everything below the prefix is its own.
    pub fn routes(&self, cfg: &mut ServiceConfig) {
        http::routes(&self.0, cfg);
    }

    /// The background work: keeping the schema cache fresh.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let shared = Arc::clone(&self.0);
        vec![Task::new("rest-schema", move |stop| {
            let shared = Arc::clone(&shared);
            async move { shared.cache.run(&shared.target, stop).await }
        })]
    }

    /// Whether the schema is known and was read without error the last time.
    pub async fn health(&self) -> Health {
        self.0.cache.health()
    }

    /// Takes new settings, which apply once the schema was read with them. Returns the names of
    /// those that need a restart.
    ///
    /// # Errors
    ///
    /// Settings that cannot be; the old ones stay.
    pub fn reload(&self, config: Config) -> Result<Vec<&'static str>, StartError> {
        check(&config)?;
        let old = self.0.config.swap(Arc::new(config.clone()));
        let restart = [
            ("channel", old.channel != config.channel),
            ("channel_enabled", old.channel_enabled != config.channel_enabled),
        ];
        self.0.cache.configure(config);
        Ok(restart.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect())
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    let problems = config.check();
    if problems.is_empty() { Ok(()) } else { Err(StartError::Config(problems)) }
}
