//! The schema cache in use: loaded beside, swapped in one step, kept when loading fails.
//!
//! A request takes a [`Snapshot`] and keeps it to its end. Reloads run off the request path, asked for by `NOTIFY` or by new
//! settings; they never block a request, and a failed one is tried again while the old snapshot serves.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use db::{Event, Fleet, Listener, Pool, Target};
use kernel::{Health, Stop};
use tokio::sync::{Mutex, Notify};

use super::contents::SchemaCache;
use super::in_database;
use super::load::{Scope, load};
use super::model::RoleSettings;
use super::pace::{FIRST_WAIT, Pace};
use super::zones::Zones;
use crate::config::Config;

/// What holds for the length of a request.
#[derive(Debug)]
pub struct Snapshot {
    /// The settings in force, those in the database included.
    pub config: Config,
    /// Per-request settings by role.
    pub roles: HashMap<String, RoleSettings>,
    /// The database.
    pub schema: Arc<SchemaCache>,
    /// The time zones, if somebody asks.
    pub zones: Zones,
    /// Another number for every snapshot: a key for what is derived from one.
    pub version: u64,
}

/// How much to read anew. A larger one includes the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reload {
    /// Settings; the schema only if they change what is to be loaded.
    Config,
    /// Settings and schema.
    Schema,
}

/// The current snapshot and its upkeep.
pub struct Cache {
    pool: Pool,
    /// Where requests run.
    fleet: Fleet,
    base: ArcSwap<Config>,
    current: ArcSwapOption<Snapshot>,
    /// Why the last reload failed, while the next is due.
    failure: ArcSwapOption<String>,
    /// Seconds until the next try.
    retry_after: AtomicU64,
    version: AtomicU64,
    asked: Notify,
    /// One reload at a time.
    reloading: Mutex<()>,
}

impl Cache {
    /// An empty cache: [`Cache::refresh`] or [`Cache::run`] fills it.
    pub fn new(pool: Pool, fleet: Fleet, config: Config) -> Self {
        Self {
            pool,
            fleet,
            base: ArcSwap::from_pointee(config),
            current: ArcSwapOption::empty(),
            failure: ArcSwapOption::empty(),
            retry_after: AtomicU64::new(FIRST_WAIT.as_secs()),
            version: AtomicU64::new(0),
            asked: Notify::new(),
            reloading: Mutex::new(()),
        }
    }

    /// What a request works with; none before the first load has succeeded.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    /// Seconds after which a client may try again while there is no snapshot.
    pub fn retry_after(&self) -> u64 {
        self.retry_after.load(Ordering::Relaxed)
    }

    /// Ready when there is a snapshot and it is not known to be outdated.
    pub fn health(&self) -> Health {
        match (&*self.failure.load(), &*self.current.load()) {
            (Some(failure), _) => Health::NotReady(format!("the schema cannot be loaded: {failure}")),
            (None, None) => Health::NotReady("the schema is not loaded yet".to_owned()),
            (None, Some(_)) => Health::Ready,
        }
    }

    /// Takes new settings; [`Cache::run`] applies them.
    pub fn configure(&self, config: Config) {
        self.base.store(Arc::new(config));
        self.asked.notify_one();
    }

    /// Reads settings and schema now.
    ///
    /// # Errors
    ///
    /// What Postgres or the driver said; the snapshot stays as it was.
    pub async fn refresh(&self) -> Result<(), db::Error> {
        self.reload(Reload::Schema).await
    }

    /// Keeps the cache fresh until told to stop: listens, reloads, tries again.
    pub async fn run(&self, target: &Target, mut stop: Stop) {
        let config = self.base.load_full();
        let mut listener =
            config.channel_enabled.then(|| Listener::start(target.clone(), &[&config.channel]));
        let mut wanted = self.current.load().is_none().then_some(Reload::Schema);
        let mut pace = Pace::new(tokio::time::Instant::now());
        loop {
            // In this order, so that all signals there are share one reload.
            let told = tokio::select! {
                biased;
                () = stop.stopped() => return,
                event = next(&mut listener) => meaning(event),
                () = self.asked.notified() => Some(Reload::Config),
                () = tokio::time::sleep_until(pace.next()), if wanted.is_some() => {
                    let reload = self.reload(wanted.unwrap_or(Reload::Schema));
                    let result = tokio::select! {
                        () = stop.stopped() => return,
                        result = reload => result,
                    };
                    let now = tokio::time::Instant::now();
                    if result.is_ok() {
                        wanted = None;
                        pace.succeed(now);
                    } else {
                        self.retry_after.store(pace.fail(now).as_secs(), Ordering::Relaxed);
                    }
                    None
                }
            };
            if told.is_some() {
                wanted = wanted.max(told);
                pace.change();
            }
        }
    }

    async fn reload(&self, what: Reload) -> Result<(), db::Error> {
        let _one_at_a_time = self.reloading.lock().await;
        let started = Instant::now();
        let result = self.build(what).await;
        match &result {
            Ok(snapshot) => {
                self.failure.store(None);
                tracing::info!(
                    version = snapshot.version,
                    relations = snapshot.schema.tables().count(),
                    functions = snapshot.schema.all_routines().count(),
                    elapsed = ?started.elapsed(),
                    "schema loaded"
                );
                self.current.store(Some(snapshot.clone()));
            }
            Err(error) => {
                tracing::error!(%error, "the schema cannot be loaded");
                self.failure.store(Some(Arc::new(error.to_string())));
            }
        }
        result.map(drop)
    }

    async fn build(&self, what: Reload) -> Result<Arc<Snapshot>, db::Error> {
        let base = self.base.load_full();
        let (config, mut roles) = if base.in_database {
            in_database::read(&self.pool, &base).await?
        } else {
            (Config::clone(&base), HashMap::new())
        };
        in_database::complete_timeouts(&self.pool, &config, &mut roles).await?;
        let scope = Scope::of(&config);
        let kept = match (what, self.snapshot()) {
            (Reload::Config, Some(snapshot)) if Scope::of(&snapshot.config) == scope => {
                Some(snapshot.schema.clone())
            }
            _ => None,
        };
        let schema = match kept {
            Some(schema) => schema,
            None => {
                let schema = Arc::new(load(&self.pool, &scope).await?);
                // Open connections hold statements that were prepared for the old schema.
                self.fleet.flush();
                schema
            }
        };
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Arc::new(Snapshot { config, roles, schema, zones: Zones::default(), version }))
    }
}

/// The next event of a listener; never, if there is none.
async fn next(listener: &mut Option<Listener>) -> Option<Event> {
    match listener {
        Some(listener) => listener.next().await,
        None => std::future::pending().await,
    }
}

/// What an event asks for.
fn meaning(event: Option<Event>) -> Option<Reload> {
    match event {
        // What was notified while nobody listened is lost.
        Some(Event::Connected) => Some(Reload::Schema),
        Some(Event::Notified { payload, .. }) => match payload.as_str() {
            "" | "reload schema" => Some(Reload::Schema),
            "reload config" => Some(Reload::Config),
            _ => None,
        },
        Some(Event::Lost(error)) => {
            tracing::warn!(error, "not listening for changes of the schema; trying again");
            None
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_payloads_ask_for_a_reload() {
        let notified = |payload: &str| {
            meaning(Some(Event::Notified { channel: "pgrst".to_owned(), payload: payload.to_owned() }))
        };
        assert_eq!(notified(""), Some(Reload::Schema));
        assert_eq!(notified("reload schema"), Some(Reload::Schema));
        assert_eq!(notified("reload config"), Some(Reload::Config));
        assert_eq!(notified("Reload schema"), None);
        assert_eq!(notified("reload"), None);
        assert_eq!(meaning(Some(Event::Connected)), Some(Reload::Schema));
        assert_eq!(meaning(Some(Event::Lost("gone".to_owned()))), None);
    }

    #[test]
    fn the_larger_reload_wins() {
        assert_eq!(Some(Reload::Config).max(Some(Reload::Schema)), Some(Reload::Schema));
        assert_eq!(Some(Reload::Schema).max(None), Some(Reload::Schema));
        assert_eq!(None.max(Some(Reload::Config)), Some(Reload::Config));
    }
}
