//! Sockets, channels, broadcasts, presence: the API of Supabase Realtime.
//!
//! - `http/`: one file per URL; `websocket` turns a request into a socket.
//! - [`socket`]: one task per connection, with a bounded queue; [`channel`]: one task per joined topic.
//! - [`hub`]: who is on which topic, and getting a message to all of them; presence lives there too, and the way
//!   to other instances on the same database.
//! - [`protocol`]: frames and messages as values, pure.
//! - [`wal`]: the stream of what happens in the database, read by one instance and passed on to the others; messages
//!   written there are broadcasts. [`feed`]: where its rows come in, each once.
//! - [`changes`]: rows that were written, to those who subscribed and may see them.
//! - [`token`], [`authz`]: who somebody is, and what policies let them do; [`limit`]: how much of it;
//!   [`metric`]: how much there was.
//! - `store/`: the SQL of schema `realtime`, one file per table; `task/`: background work.
//!
//! Its connections log in as `supabase_realtime_admin`, who owns that schema and may become the roles of the
//! API to ask policies what they allow. While an instance is alone, a message between its sockets touches neither the
//! database nor a broker.
//! Refused: holding anything without a bound, dropping single messages for a slow client (its socket is closed
//! instead), and saying more to a refused client than upstream does.

mod authz;
mod changes;
mod channel;
mod config;
mod error;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod hub;
mod limit;
mod metric;
mod protocol;
mod service;
mod socket;
mod store;
mod task;
mod token;
mod wal;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use arc_swap::ArcSwap;
use db::{Fleet, Pool, Target};
use jwt::{ApiKeys, Verifier};
use kernel::{Answers, Clock, Health, Problem, Task};

pub use crate::config::{Config, Relay};
pub use crate::http::MAX_BODY;
use crate::hub::Hub;
use crate::limit::Counters;
use crate::service::{Service, Sockets};
use crate::token::Tokens;

mod embedded {
    refinery::embed_migrations!("../../migrations/realtime");
}

/// The migrations of schema `realtime`.
#[must_use]
pub fn migrations() -> db::Migrations {
    db::Migrations::new(
        db::migrate::Owner::Realtime,
        &embedded::migrations::runner(),
        &[
            ("changes", include_str!("../../../migrations/realtime/repeatable/changes.sql")),
            ("grants", include_str!("../../../migrations/realtime/repeatable/grants.sql")),
            ("send", include_str!("../../../migrations/realtime/repeatable/send.sql")),
        ],
    )
}

/// Makes what only an administrator may make: the publication of the messages. Run after the migrations.
///
/// # Errors
///
/// What the server said.
pub async fn prepare(administrator: &Pool) -> Result<(), db::Error> {
    store::publication::ensure(&mut administrator.session().await?).await
}

/// A running instance. Clones share it.
#[derive(Clone)]
pub struct Realtime(Arc<Service>);

/// What the service is given.
pub struct Deps {
    /// Connections that log in as `supabase_realtime_admin`, for its own tables. Their time zone is UTC.
    pub pool: Pool,
    /// Connections that log in as `supabase_realtime_admin`, to ask policies as a caller. Their time zone is UTC.
    pub fleet: Fleet,
    /// How to log in as `supabase_realtime_admin` past any pooler, for the stream of changes.
    pub stream: Target,
    /// What proves who somebody is.
    pub keys: Keys,
    /// The time.
    pub clock: Clock,
    /// What those who write through this process are still to be told.
    pub answers: Answers,
}

/// What proves who somebody is.
pub struct Keys {
    /// What verifies tokens.
    pub verifier: Verifier,
    /// The API keys that are accepted.
    pub keys: ApiKeys,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be used, each with what is wrong.
    #[error("{}", kernel::setting::told("realtime", .0))]
    Settings(Vec<Problem>),
    /// The database did not do what is needed, as making the partitions of `realtime.messages`.
    #[error("the database cannot be prepared for realtime: {0}")]
    Database(#[from] db::Error),
}

impl Realtime {
    /// Starts the service, after the migrations have been run.
    ///
    /// # Errors
    ///
    /// If the settings cannot be used, or today's messages would have no place.
    pub async fn start(config: Config, deps: Deps) -> Result<Self, StartError> {
        let problems = config.check();
        if !problems.is_empty() {
            return Err(StartError::Settings(problems));
        }
        let service = Arc::new(Service {
            tokens: Tokens::new(deps.keys, deps.clock.clone()),
            clock: deps.clock,
            fleet: deps.fleet,
            pool: deps.pool,
            hub: Hub::new(),
            counters: Counters::default(),
            metrics: Arc::default(),
            sockets: Sockets::default(),
            changes: changes::Changes::new(&deps.stream, !config.resume_window.0.is_zero(), deps.answers),
            follow: wal::stream::Follow::default(),
            // The texts of values are read by their form.
            stream: deps
                .stream
                .with_option("timezone", "UTC")
                .with_option("datestyle", "ISO")
                .with_option("intervalstyle", "postgres")
                .with_option("bytea_output", "hex")
                .with_option("extra_float_digits", "1"),
            voice: wal::voice::Voice::default(),
            feed: feed::Feed::default(),
            settings: ArcSwap::from_pointee(config),
        });
        let is_bounded = store::slot::is_bounded(&mut service.pool.session().await?).await?;
        let problems = service.config().check_slot(is_bounded);
        if !problems.is_empty() {
            return Err(StartError::Settings(problems));
        }
        task::partitions::keep(&service).await?;
        Ok(Self(service))
    }

    /// The endpoints, to be mounted below the prefix.
    pub fn routes(&self, cfg: &mut ServiceConfig) {
        http::routes(&self.0, cfg);
    }

    /// Background work, to be supervised.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks = vec![
            task::partitions::task(&self.0),
            wal::stream::task(&self.0),
            changes::task(&self.0),
            changes::watch::task(&self.0),
        ];
        tasks.extend(hub::relay::task(&self.0));
        tasks
    }

    /// Whether the service can serve. Public channels do without a database, private ones do not.
    pub async fn health(&self) -> Health {
        let answers = async { self.0.pool.session().await?.batch("select 1").await };
        match answers.await {
            Ok(()) => Health::Ready,
            Err(error) => Health::NotReady(error.to_string()),
        }
    }

    /// Figures, as Prometheus reads them.
    #[must_use]
    pub fn metrics(&self) -> String {
        metric::text(&self.0)
    }

    /// Takes new settings, for sockets and messages that come from then on. Returns the names of those that need a restart.
    ///
    /// # Errors
    ///
    /// Settings that cannot be used; the old ones stay.
    pub fn reload(&self, mut config: Config) -> Result<Vec<&'static str>, StartError> {
        let problems = config.check();
        if !problems.is_empty() {
            return Err(StartError::Settings(problems));
        }
        let kept = config.keep_fixed(&self.0.config());
        self.0.settings.store(Arc::new(config));
        Ok(kept)
    }

    /// Says goodbye to all sockets and refuses new channels: the server is about to stop. Returns when
    /// everybody has been told.
    pub async fn drain(&self) {
        self.0.sockets.drain(self.0.config().drain.0).await;
    }
}
