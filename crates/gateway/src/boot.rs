//! Start and stop, in order, readable as a list.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use db::{Fleet, Pool, PoolOptions, Target, bootstrap, migrate};
use jwt::{ApiKeys, LiveKeys};
use kernel::{Answers, Clock, Secret, Stop};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::connections::Connections;
use crate::database::{AUTH_ADMIN, AUTHENTICATOR, Database, REALTIME_ADMIN, STORAGE_ADMIN, one_connection};
use crate::edge::Edge;
use crate::edge::rules::Rules;
use crate::given::Given;
use crate::health::Health;
use crate::installation::{Installation, Place};
use crate::reload::Reading;
use crate::routes::Service;
use crate::secrets::{self, Secrets};
use crate::server::{self, Services};
use crate::settings::{self, Settings};
use crate::{keys, reload, rotation, s3_keys, supervisor};

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
        Some(secrets) => s3_keys::credentials(secrets)?,
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

/// Schemas and passwords. Returns how the services log in.
async fn prepare(settings: &Settings, database: &Database, secrets: &Secrets) -> anyhow::Result<[Target; 4]> {
    let options = bootstrap::Options {
        auto_expose_new_tables: settings.database.auto_expose_new_tables,
        rls_auto_enable: settings.database.rls_auto_enable,
        jwt_exp: u32::try_from(settings.auth.jwt_expiry.0.as_secs()).ok(),
    };
    let mut owners = vec![bootstrap::migrations(&options)];
    if settings.runs(Service::Vault) {
        owners.push(vault::migrations());
    }
    migrated(&database.administrator(), &owners).await?;
    let administrator = Pool::new(&database.administrator(), one_connection());
    if database.cluster.is_some() {
        let mut session = administrator.session().await?;
        bootstrap::set_passwords(&mut session, &secrets.passwords.by_role()).await?;
    }
    let passwords = &secrets.passwords;
    let [authenticator, auth_admin, storage_admin, realtime_admin] = database
        .logins([
            (AUTHENTICATOR, &passwords.authenticator),
            (AUTH_ADMIN, &passwords.auth_admin),
            (STORAGE_ADMIN, &passwords.storage_admin),
            (REALTIME_ADMIN, &passwords.realtime_admin),
        ])
        .await?;
    // By the owner of the tables: the developer may put triggers on them, which a superuser's
    // session would lend its rights to.
    let owners = [
        auth::migrations().run_by(auth_admin.clone()),
        storage::migrations().run_by(storage_admin.clone()),
        realtime::migrations().run_by(realtime_admin.clone()),
    ];
    migrated(&database.administrator(), &owners).await?;
    if settings.runs(Service::Realtime) {
        realtime::prepare(&administrator).await.context("realtime")?;
    }
    administrator.close();
    Ok([authenticator, auth_admin, storage_admin, realtime_admin])
}

/// The installation's own key serves unless the settings name another.
async fn start_vault(
    settings: &Settings,
    database: &Database,
    data_dir: &Path,
    connections: &mut Connections,
) -> anyhow::Result<vault::Vault> {
    let own_key = secrets::root_key_file(data_dir);
    database.hand_over(&own_key)?;
    let mut config = settings.vault.clone();
    if config.key_file.as_os_str().is_empty() {
        config.key_file = own_key;
    }
    let administrator =
        Pool::new(&named(&database.administrator(), "basalt vault"), settings.database.pool(2));
    connections.pool(&administrator);
    vault::Vault::start(config, vault::Deps { administrator }).await.context("vault")
}

async fn migrated(administrator: &Target, owners: &[migrate::Migrations]) -> anyhow::Result<()> {
    let report = migrate::run(administrator, owners).await.context("preparing the database")?;
    for file in &report.applied {
        tracing::debug!(%file, "applied");
    }
    Ok(())
}

async fn start_rest(
    settings: &Settings,
    login: &Target,
    connections: &mut Connections,
) -> anyhow::Result<rest::Rest> {
    let own = named(login, "basalt rest");
    let fleet = Fleet::new(&own, settings.database.pool(settings.database.pool_size));
    connections.fleet(&fleet);
    // To read the schema: two sessions that see one state of it. What they ask, they ask once, and
    // behind a pooler what they prepared would stay.
    let pool = Pool::new(&own, PoolOptions { prepared: false, ..settings.database.pool(2) });
    connections.pool(&pool);
    let target = named(&settings.database.listener(login)?, "basalt rest");
    if settings.rest.channel_enabled && settings.database.hears_through_pooler() {
        tracing::warn!(
            "behind a transaction pooler a change of the schema is not heard: set database.direct_url, or \
             rest.channel_enabled = false if the service is restarted after each"
        );
    }
    rest::Rest::start(settings.rest.clone(), rest::Deps { fleet, pool, target }).await.context("rest")
}

/// The settings of storage, with the place of its files.
pub(crate) fn storage_config(settings: &Settings, data_dir: &Path) -> storage::Config {
    let mut config = settings.storage.clone();
    if config.path.as_os_str().is_empty() {
        config.path = data_dir.join("storage");
    }
    config
}

async fn start_storage(
    plan: &ServePlan,
    secrets: &Secrets,
    login: &Target,
    s3: storage::S3Keys,
    clock: &Clock,
    connections: &mut Connections,
) -> anyhow::Result<storage::Storage> {
    let settings = &plan.settings;
    let fleet = Fleet::new(
        &named(login, "basalt storage"),
        settings.database.pool(settings.database.storage_pool_size),
    );
    connections.fleet(&fleet);
    let config = storage_config(settings, &plan.data_dir);
    // The secret alone, which links of an installation that moves in were signed with.
    let keys = jwt::KeySet::from_secret(secrets.jwt_secret.expose());
    // What is not set is better told by the request: it knows the proxy that it came through.
    let public_url = settings.server.public_url.trim_end_matches('/').to_owned();
    let deps = storage::Deps { fleet, keys, s3, clock: clock.clone(), public_url };
    storage::Storage::start(config, deps).await.context("storage")
}

async fn start_realtime(
    settings: &Settings,
    login: &Target,
    connections: &mut Connections,
    (keys, answers): (realtime::Keys, Answers),
) -> anyhow::Result<realtime::Realtime> {
    // Messages are kept by the day, in UTC.
    let own = named(login, "basalt realtime")
        .with_option("timezone", "UTC")
        .with_option("statement_timeout", "10s");
    let fleet = Fleet::new(&own, settings.database.pool(settings.database.realtime_pool_size));
    connections.fleet(&fleet);
    let pool = Pool::new(&own, settings.database.pool(2));
    connections.pool(&pool);
    let direct = settings.database.direct(login)?;
    let deps = realtime::Deps {
        pool,
        fleet,
        stream: named(&direct, "basalt realtime"),
        keys,
        clock: Clock::system(),
        answers,
    };
    realtime::Realtime::start(settings.realtime.clone(), deps).await.context("realtime")
}

fn start_functions(
    plan: &ServePlan,
    secrets: &Secrets,
    keys: &LiveKeys,
) -> anyhow::Result<functions::Functions> {
    let settings = &plan.settings;
    let by_name = |key: &Secret| Secret::new(json!({ "default": key.expose() }).to_string());
    let mut env = vec![
        ("SUPABASE_URL", Secret::new(settings.public_url())),
        ("SUPABASE_ANON_KEY", secrets.anon_key.clone()),
        ("SUPABASE_SERVICE_ROLE_KEY", secrets.service_role_key.clone()),
        ("SUPABASE_PUBLISHABLE_KEYS", by_name(&secrets.publishable_key)),
        ("SUPABASE_SECRET_KEYS", by_name(&secrets.secret_key)),
        ("SUPABASE_JWKS", Secret::new(keys.jwks().to_string())),
    ];
    // Functions reach nothing by sockets of the file system.
    if let Some(address) = settings.database.listen {
        let place = Place::Own { socket_dir: PathBuf::new(), port: address.port(), listen: Some(address) };
        env.push(("SUPABASE_DB_URL", Secret::new(place.url(&secrets.passwords.postgres))));
    }
    let environment = settings::environment();
    let path = environment.get("PATH").map(String::as_str).unwrap_or_default();
    let home = environment.get("HOME").map(|home| PathBuf::from(home).join(".deno/bin"));
    let deps = functions::Deps {
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        search: std::env::split_paths(path).chain(home).filter(|directory| directory.is_absolute()).collect(),
        work_dir: plan.data_dir.join("functions"),
        public_url: settings.public_url(),
    };
    functions::Functions::start(settings.functions.clone(), deps).context("functions")
}

fn named(target: &Target, name: &str) -> Target {
    target.clone().with_application_name(name)
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
