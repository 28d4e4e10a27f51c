//! What each service needs to start: its schema, its connections, its settings.

use std::path::{Path, PathBuf};

use anyhow::Context;
use db::{Fleet, Pool, PoolOptions, Target, bootstrap, migrate};
use jwt::LiveKeys;
use kernel::{Answers, Clock, Secret};
use serde_json::json;

use super::ServePlan;
use crate::connections::Connections;
use crate::database::{AUTH_ADMIN, AUTHENTICATOR, Database, REALTIME_ADMIN, STORAGE_ADMIN, one_connection};
use crate::installation::Place;
use crate::routes::Service;
use crate::secrets::{self, Secrets};
use crate::settings::{self, Settings};

/// Schemas and passwords. Returns how the services log in.
pub(super) async fn prepare(
    settings: &Settings,
    database: &Database,
    secrets: &Secrets,
) -> anyhow::Result<[Target; 4]> {
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
pub(super) async fn start_vault(
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

pub(super) async fn start_rest(
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

pub(super) async fn start_storage(
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

pub(super) async fn start_realtime(
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

pub(super) fn start_functions(
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

pub(super) fn named(target: &Target, name: &str) -> Target {
    target.clone().with_application_name(name)
}
