//! Functions over HTTP, as Supabase has them: `/functions/v1/<name>`.
//!
//! A request goes to one of two places. `functions.upstream` names a server that runs them (Supabase's own edge runtime,
//! or anything that speaks HTTP). Otherwise `functions.path` is a folder as `supabase/functions`, and each function in it
//! gets a Deno process of its own: started by its first request, stopped when nobody asks, started anew when its files
//! change. Where neither is set, the answer is 501.
//!
//! - `http/`: who may call ([`http::admission`], `verify_jwt`), and the endpoint.
//! - [`proxy`]: a request and its answer passed on, both as streams; [`socket`]: WebSockets.
//! - [`folder`]: what is in a folder, and what `config.toml` beside it says.
//! - `deno/`: processes. They see the variables that are theirs, the files of the folder, and the network. Where the
//!   server is root, they are not; one that takes too much memory or processor time is ended.
//!
//! Refused: bodies over `functions.max_body`, JavaScript in our own process, and functions that listen to others than us:
//! each process answers only to the token that it was started with (older code, which listens by itself instead of
//! calling `Deno.serve`, hears every program of this machine).

mod config;
mod deno;
mod error;
mod folder;
mod http;
mod proxy;
mod socket;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use kernel::{Health, Problem, Secret, Task};
use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

pub use config::{Config, Function};

use crate::deno::{Account, Processes};
use crate::folder::Folder;

/// A running instance. Clones share it.
#[derive(Clone)]
pub struct Functions(Arc<Service>);

/// What the service is given.
pub struct Deps {
    /// Variables that every function sees.
    pub env: Vec<(String, Secret)>,
    /// Directories to look for `deno` in, if the settings do not say where it is.
    pub search: Vec<PathBuf>,
    /// A directory of our own, for what Deno downloads. It is made when it is needed.
    pub work_dir: PathBuf,
    /// The URL under which clients reach this server.
    pub public_url: String,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be used, each with what is wrong.
    #[error("{}", kernel::setting::told("functions", .0))]
    Settings(Vec<Problem>),
    /// The account that functions are to run under.
    #[error("functions.run_as: {0}")]
    Account(String),
    /// The HTTP client could not be made.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// What endpoints share.
pub(crate) struct Service {
    config: Config,
    backend: Backend,
    client: Client,
    /// `http` or `https`, as clients see it.
    scheme: String,
}

/// Who runs functions.
pub(crate) enum Backend {
    Nobody,
    Upstream(String),
    Deno(Box<Processes>, Arc<Folder>),
}

impl Functions {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// Settings that cannot be used.
    pub fn start(config: Config, deps: Deps) -> Result<Self, StartError> {
        let problems = config.check();
        if !problems.is_empty() {
            return Err(StartError::Settings(problems));
        }
        let client = Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .http1_only()
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(30))
            .build()?;
        let scheme = Url::parse(&deps.public_url).map_or("http".to_owned(), |url| url.scheme().to_owned());
        let backend = if !config.upstream.is_empty() {
            Backend::Upstream(config.upstream.trim_end_matches('/').to_owned())
        } else if config.path.as_os_str().is_empty() {
            Backend::Nobody
        } else {
            let folder = Arc::new(Folder::new(&config));
            let account = Account::choose(&config.run_as).map_err(StartError::Account)?;
            let processes = Processes::new(&config, account, deps);
            Backend::Deno(Box::new(processes), folder)
        };
        Ok(Self(Arc::new(Service { config, backend, client, scheme })))
    }

    /// The endpoints, to be mounted below the prefix.
    pub fn routes(&self, cfg: &mut ServiceConfig) {
        http::routes(&self.0, cfg);
    }

    /// Background work, to be supervised.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        match &self.0.backend {
            Backend::Deno(_, folder) => vec![deno::reaper(&self.0), folder::watcher(folder)],
            Backend::Nobody | Backend::Upstream(_) => Vec::new(),
        }
    }

    /// Whether the service can serve. What functions do is theirs.
    pub async fn health(&self) -> Health {
        Health::Ready
    }
}
