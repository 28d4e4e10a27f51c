//! Start and stop, in order, readable as a list.

mod services;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use db::Pool;
use jwt::{ApiKeys, LiveKeys};
use kernel::{Answers, Clock, Stop};
pub(crate) use services::storage_config;
use services::{named, prepare, start_functions, start_realtime, start_rest, start_storage, start_vault};
use tokio::signal::unix::{SignalKind, signal};

use crate::connections::Connections;
use crate::database::Database;
use crate::edge::Edge;
use crate::edge::rules::Rules;
use crate::further_keys::s3;
use crate::given::Given;
use crate::health::Health;
use crate::installation::{Installation, Place};
use crate::reload::Reading;
use crate::routes::Service;
use crate::secrets::Secrets;
use crate::server::{self, Services};
use crate::settings::Settings;
use crate::{keys, reload, rotation, supervisor};

/// Everything `serve` was told.
pub(crate) struct ServePlan {
    /// The effective settings.
    pub(crate) settings: Settings,
    /// Where everything lies.
    pub(crate) data_dir: PathBuf,
    /// How to read the settings again when told to (SIGHUP); none where that signal ends the process.
    pub(crate) reading: Option<Reading>,
    /// The installation's secrets; none where the data API serves somebody else's database.
    pub(crate) secrets: Option<Secrets>,
}

/// Serves until told to stop. `ready` begins when the server answers and is given up when it stops.
pub(crate) async fn serve(
    plan: ServePlan,
    ready: impl AsyncFnOnce(&ServePlan, &Installation),
) -> anyhow::Result<()> {
    let listeners = server::bind(&plan.settings.server)?;
    let starting = server::serve_starting(&listeners)?;
    let waiting_room = starting.handle();
    tokio::spawn(starting);

    let mut interrupted = Interrupt::listen()?;
    let started = tokio::select! {
        started = start(&plan) => started,
        () = interrupted.wait() => return Ok(()),
    };
    let running = started?;
    // Before anybody can see that the server is ready: `basalt status` reads it.
    let installation = running.installation(&plan)?;
    if plan.secrets.is_some() {
        installation.remember(&plan.data_dir).context("cannot write to the data directory")?;
    }
    waiting_room.stop(false).await;
    let server = server::serve(listeners, Arc::clone(&running.edge), running.services.clone())?;
    let handle = server.handle();
    let mut serving = tokio::spawn(server);
    let company = async {
        ready(&plan, &installation).await;
        std::future::pending::<()>().await;
    };

    tokio::select! {
        () = company => {}
        () = reload::on_signal(&plan, &running.services, &running.edge) => {}
        () = interrupted.wait() => tracing::info!("stopping: requests may finish"),
        ended = &mut serving => {
            tracing::error!(?ended, "the HTTP server ended by itself");
        }
    }
    // A second signal ends the wait for requests.
    let farewell = async {
        tokio::join!(running.services.drain(), handle.stop(true));
    };
    tokio::select! {
        () = farewell => {}
        () = interrupted.wait() => tracing::warn!("stopping now"),
    }
    running.stop().await;
    Ok(())
}

/// A started installation.
struct Running {
    database: Database,
    edge: Arc<Edge>,
    services: Services,
    connections: Connections,
    tasks: tokio::task::JoinSet<()>,
    stop: kernel::task::StopHandle,
}

impl Running {
    /// Where this server is.
    fn installation(&self, plan: &ServePlan) -> anyhow::Result<Installation> {
        let database = match &self.database.cluster {
            Some(cluster) => Place::Own {
                socket_dir: cluster.socket_dir().to_owned(),
                port: cluster.port(),
                listen: plan.settings.database.listen,
            },
            None => Place::Elsewhere(plan.settings.database.url.clone()),
        };
        let listen = plan.settings.server.listen.clone();
        let given = Given::by(&plan.settings)?;
        Ok(Installation { api_url: plan.settings.public_url(), listen, database, given })
    }

    async fn stop(mut self) {
        self.stop.stop();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(5), ended).await.is_err() {
            tracing::warn!("background tasks did not end in time");
        }
        self.connections.close();
        if let Some(cluster) = &self.database.cluster
            && let Err(error) = cluster.stop().await
        {
            tracing::error!(%error, "Postgres did not stop");
        }
    }
}

async fn start(plan: &ServePlan) -> anyhow::Result<Running> {
    let settings = &plan.settings;
    let (clock, answers) = (Clock::system(), Answers::default());
    let database = Database::open(&settings.database, &plan.data_dir).await?;
    let keys = LiveKeys::from(keys::signing(settings, plan.secrets.as_ref())?);
    let api_keys = keys::api_keys(settings, plan.secrets.as_ref())?;
    let s3 = match &plan.secrets {
        Some(secrets) => s3::credentials(secrets)?,
        None => storage::S3Credentials::new(Vec::new(), Vec::new()),
    };
    let mut connections = Connections::default();
    let mut tasks = Vec::new();

    let (auth, rest, storage, realtime, vault) = match &plan.secrets {
        Some(secrets) => {
            let [authenticator, auth_admin, storage_admin, realtime_admin] =
                prepare(settings, &database, secrets).await?;
            let auth = match settings.runs(Service::Auth) {
                true => {
                    let pool = Pool::new(
                        &named(&auth_admin, "basalt auth").with_option("statement_timeout", "10s"),
                        settings.database.pool(settings.database.auth_pool_size),
                    );
                    connections.pool(&pool);
                    let deps = auth::Deps {
                        pool,
                        keys: keys.clone(),
                        clock: clock.clone(),
                        captcha_sites: auth::CaptchaSites::default(),
                    };
                    Some(auth::Auth::start(settings.auth.clone(), deps).await.context("auth")?)
                }
                false => None,
            };
            let rest = match settings.runs(Service::Rest) {
                true => Some(start_rest(settings, &authenticator, &mut connections).await?),
                false => None,
            };
            let storage = match settings.runs(Service::Storage) {
                true => {
                    let keys = storage::S3Keys {
                        credentials: s3.clone(),
                        region: settings.keys.s3_region.clone(),
                        verifier: keys::verifier(settings, keys.clone(), false)?,
                    };
                    Some(start_storage(plan, secrets, &storage_admin, keys, &clock, &mut connections).await?)
                }
                false => None,
            };
            let realtime = match settings.runs(Service::Realtime) {
                true => {
                    let tokens = realtime::Keys {
                        verifier: keys::verifier(settings, keys.clone(), false)?,
                        keys: api_keys.clone(),
                    };
                    let deps = (tokens, answers.clone());
                    Some(start_realtime(settings, &realtime_admin, &mut connections, deps).await?)
                }
                false => None,
            };
            let vault = match settings.runs(Service::Vault) {
                true => Some(start_vault(settings, &database, &plan.data_dir, &mut connections).await?),
                false => None,
            };
            (auth, rest, storage, realtime, vault)
        }
        // The data API alone, on a database that is not ours: log in as we were told, write nothing.
        None => {
            let rest = start_rest(settings, database.login(), &mut connections).await?;
            (None, Some(rest), None, None, None)
        }
    };

    if let Some(auth) = &auth {
        tasks.extend(auth.tasks());
    }
    if let Some(rest) = &rest {
        tasks.extend(rest.tasks());
    }
    if let Some(storage) = &storage {
        tasks.extend(storage.tasks());
    }
    if let Some(realtime) = &realtime {
        tasks.extend(realtime.tasks());
    }
    let functions = match &plan.secrets {
        Some(secrets) if settings.runs(Service::Functions) => Some(start_functions(plan, secrets, &keys)?),
        _ => None,
    };
    if let Some(functions) = &functions {
        tasks.extend(functions.tasks());
    }
    tasks.push(connections.reaper());
    if plan.secrets.is_some() {
        let live = rotation::Live { signing: keys.clone(), api_keys: api_keys.clone(), s3 };
        tasks.push(rotation::watcher(settings, &plan.data_dir, &live));
    }
    let (handle, stop) = Stop::pair();
    let tasks = supervisor::run(tasks, &stop);
    let health = Health {
        auth: auth.clone(),
        rest: rest.clone(),
        storage: storage.clone(),
        realtime: realtime.clone(),
        vault: vault.clone(),
        cluster: database.cluster.as_ref().map(cluster::Cluster::state),
    };
    let edge = Arc::new(edge(plan, keys, api_keys, clock, answers)?);
    Ok(Running {
        database,
        edge,
        services: Services { auth, rest, storage, realtime, vault, functions, health },
        connections,
        tasks,
        stop: handle,
    })
}

fn edge(
    plan: &ServePlan,
    keys: LiveKeys,
    api_keys: ApiKeys,
    clock: Clock,
    answers: Answers,
) -> anyhow::Result<Edge> {
    let settings = &plan.settings;
    let secrets = plan.secrets.as_ref();
    Ok(Edge {
        rules: ArcSwap::from_pointee(Rules::of(settings)?),
        verifier: keys::verifier(settings, keys, secrets.is_none())?,
        keys: api_keys,
        clock,
        answers,
        bare: secrets.is_none(),
        local: settings.is_local(),
        functions_max_body: settings.functions.max_body.0,
        enabled: [
            Service::Auth,
            Service::Rest,
            Service::RestAdmin,
            Service::Storage,
            Service::Realtime,
            Service::Vault,
            Service::Functions,
            Service::Mailbox,
        ]
        .into_iter()
        .filter(|service| settings.runs(*service))
        .collect(),
    })
}

/// The operator's wish to stop.
struct Interrupt {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Interrupt {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
