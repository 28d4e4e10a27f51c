//! Files with policies: the API of Supabase Storage.
//!
//! - `http/`: one file per URL. It reads the request, calls a flow, shapes the answer.
//! - Flows: [`upload`] takes a body in, [`resumable`] takes several, [`transfer`] moves and copies,
//!   [`removal`] and [`bucket`] delete, `http/object/download` sends, [`render`] makes pictures of
//!   pictures.
//! - [`call`]: how a request looks to Postgres. A call acts as its caller, whose policies decide, or as
//!   the service.
//! - Rules without IO: [`path`], [`limit`], [`robots`], [`condition`], [`signed`], [`file`].
//! - [`s3`]: the S3 protocol without HTTP, whose endpoints are in `http/s3/`.
//! - `store/`: the SQL of schema `storage`, one file per table; `task/`: background work.
//!
//! Its connections log in as `supabase_storage_admin`, who owns that schema. Who may do what with a
//! file is asked of the policies on `storage.objects` and `storage.buckets` and never decided here: a
//! write is tried as the caller and undone, then the file is stored, then the row is written as the
//! service. A row never lacks its file, and files that no row needs any more are removed later
//! (`storage.basalt_removals`). What a bucket keeps, and how much it holds, is seen to by triggers, so that
//! it holds for every way in; [`restore`] brings versions back, [`scrub`] compares files with their rows.
//!
//! [`webhook`] tells another server what happened, if one is to be told.
//!
//! Not here yet: analytics and vectors.

mod bucket;
mod call;
mod condition;
mod config;
mod error;
mod file;
mod http;
mod limit;
mod path;
mod removal;
mod render;
mod restore;
mod resumable;
mod robots;
mod s3;
mod scrub;
mod service;
mod signed;
mod store;
mod task;
mod transfer;
mod upload;
mod webhook;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::object::{Bucket, Store};
use actix_web::web::ServiceConfig;
use arc_swap::ArcSwap;
use db::Fleet;
use jwt::KeySet;
use kernel::{Clock, Health, Problem, Task};
use lru::LruCache;

pub use crate::config::{Backend, Config, Images, Remote, S3, WebhookSettings};
pub use crate::error::{Error, Existing};
pub use crate::s3::keys::{S3Credentials, S3Keys, S3Pair};
use crate::service::Service;
use crate::webhook::Webhook;

mod embedded {
    refinery::embed_migrations!("../../migrations/storage");
}

/// The migrations of schema `storage`.
#[must_use]
pub fn migrations() -> db::Migrations {
    let repeatables = &[
        ("functions", include_str!("../../../migrations/storage/repeatable/functions.sql")),
        ("listing", include_str!("../../../migrations/storage/repeatable/listing.sql")),
        ("triggers", include_str!("../../../migrations/storage/repeatable/triggers.sql")),
        ("versions", include_str!("../../../migrations/storage/repeatable/versions.sql")),
        ("webhooks", include_str!("../../../migrations/storage/repeatable/webhooks.sql")),
    ];
    db::Migrations::new(db::migrate::Owner::Storage, &embedded::migrations::runner(), repeatables)
}

/// Uploads in parts that are remembered when they are done.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

/// A running instance. Clones share it.
#[derive(Clone)]
pub struct Storage(Arc<Service>);

/// What the service is given.
pub struct Deps {
    /// Connections that log in as `supabase_storage_admin`.
    pub fleet: Fleet,
    /// Signs and verifies the tokens of signed URLs.
    pub keys: KeySet,
    /// Who may sign requests of the S3 protocol.
    pub s3: S3Keys,
    /// The time.
    pub clock: Clock,
    /// The URL under which clients reach the server, without a slash at its end. Empty: the one that
    /// each request came by.
    pub public_url: String,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be used, each with what is wrong.
    #[error("{}", kernel::setting::told("storage", .0))]
    Settings(Vec<Problem>),
    /// The directory of the files cannot be used.
    #[error("cannot keep files in {path} (storage.path): {error}")]
    Directory {
        /// The directory.
        path: String,
        /// What is wrong with it.
        error: ::object::Error,
    },
    /// Requests to the webhook cannot be made.
    #[error("cannot make requests to the webhook (storage.webhook.url): {0}")]
    Webhook(String),
}

impl Storage {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// If the settings or the directory cannot be used.
    pub async fn start(config: Config, deps: Deps) -> Result<Self, StartError> {
        let problems = config.check();
        if !problems.is_empty() {
            return Err(StartError::Settings(problems));
        }
        let disk = open(&config)
            .map_err(|error| StartError::Directory { path: config.path.display().to_string(), error })?;
        let Deps { fleet, keys, s3, clock, public_url } = deps;
        let (parts, seats) = (disk.parts(), resumable::Seats::default());
        let completed = Mutex::new(LruCache::new(REMEMBERED));
        let host = public_url.split_once("://").map_or("", |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default();
        let webhook = Webhook::new(&config.webhook, (&config.tenant, host), &s3.region)
            .map_err(|error| StartError::Webhook(error.to_string()))?;
        let renderer = render::Renderer::new(&config.images, &config.path);
        Ok(Self(Arc::new(Service {
            settings: ArcSwap::from_pointee(config),
            fleet,
            disk,
            parts,
            keys,
            s3,
            clock,
            public_url,
            seats,
            completed,
            renderer,
            webhook,
        })))
    }

    /// Takes new settings, for requests that come from then on. Returns the names of those that need a restart.
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

    /// The endpoints, to be mounted below the prefix.
    pub fn routes(&self, cfg: &mut ServiceConfig) {
        http::routes(&self.0, cfg);
    }

    /// Background work, to be supervised.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks =
            vec![task::removals::task(&self.0), task::resumable::task(&self.0), task::uploads::task(&self.0)];
        tasks.extend(task::webhooks::task(&self.0));
        tasks
    }

    /// Removes the files that are due now, which a task does every half minute. Returns how many.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn remove_due(&self) -> Result<usize, Error> {
        Ok(task::removals::once(&self.0).await?.files)
    }

    /// Removes files that got their place at least so long ago and have no row, because their process
    /// ended; a task does so too. Returns how many.
    ///
    /// # Errors
    ///
    /// If the database or the disk does not answer.
    pub async fn remove_orphans(&self, age: Duration) -> Result<usize, Error> {
        task::removals::orphans(&self.0, age).await
    }

    /// Gives up the resumable uploads whose time is over, which a task does every few minutes. Returns
    /// how many.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub async fn remove_expired(&self) -> Result<usize, Error> {
        resumable::sweep(&self.0).await.map_err(|error| Error::disk(error, ""))
    }

    /// Ends uploads in parts that nobody has gone on with, which a task does every quarter of an hour.
    /// Returns how many.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn end_abandoned_uploads(&self) -> Result<usize, Error> {
        task::uploads::once(&self.0).await
    }

    /// Tells the webhook of events that are due, which a task does every second. Returns how many arrived.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn tell_events(&self) -> Result<usize, Error> {
        task::webhooks::once(&self.0).await
    }

    /// Whether the service can serve: it can if its database answers.
    pub async fn health(&self) -> Health {
        match store::removals::due(&self.0.fleet).await {
            Ok(_) => Health::Ready,
            Err(error) => Health::NotReady(error.to_string()),
        }
    }
}

/// The files, wherever they are kept.
fn open(config: &Config) -> Result<Store, ::object::Error> {
    match config.backend {
        Backend::File => Store::on_disk(&config.path, &Path::new(&config.bucket).join(&config.tenant)),
        Backend::S3 => {
            let Remote { endpoint, region, access_key_id, secret_access_key, .. } = &config.remote;
            let bucket = Bucket {
                name: config.bucket.clone(),
                endpoint: endpoint.clone(),
                region: region.clone(),
                access_key: access_key_id.expose().to_owned(),
                secret_key: secret_access_key.expose().to_owned(),
                path_style: config.remote.force_path_style,
                tenant: config.tenant.clone(),
                part_size: config.remote.part_size.0,
                senders: config.remote.senders,
                timeout: config.remote.timeout.0,
            };
            Store::in_bucket(&config.path, &bucket)
        }
    }
}
