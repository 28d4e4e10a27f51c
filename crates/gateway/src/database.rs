//! The database behind the services: a cluster of our own, or one that runs elsewhere.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown, lchown};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use cluster::Cluster;
use db::{Pool, PoolOptions, Target, bootstrap};
use kernel::Secret;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::certificate;

/// The roles that services log in as.
pub(crate) const AUTHENTICATOR: &str = "authenticator";
pub(crate) const AUTH_ADMIN: &str = "supabase_auth_admin";
pub(crate) const STORAGE_ADMIN: &str = "supabase_storage_admin";
pub(crate) const REALTIME_ADMIN: &str = "supabase_realtime_admin";

/// Settings of the database.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// URL of a Postgres that runs elsewhere (15 or newer), as a superuser. Empty: Basalt runs its
    /// own in the data directory.
    pub url: Secret,
    /// URL of the same database past a transaction pooler that `url` leads to, for the connections that hear
    /// of changes of the schema and of the data: a pooler does not pass them on. Empty: `url`.
    pub direct_url: Secret,
    /// Directory of the Postgres server programs. Empty: look for them.
    pub bin_dir: PathBuf,
    /// Operating system user that Postgres runs as when Basalt is started by root. Empty:
    /// `postgres`.
    pub run_as: String,
    /// Address on which Basalt's own Postgres takes connections with a password, for psql and the
    /// like. None: only through its socket.
    pub listen: Option<SocketAddr>,
    /// Encryption of connections to that address.
    pub tls: Encryption,
    /// File with the certificate for them and those it hangs from, PEM. Empty: one that Basalt makes, signed by
    /// itself.
    pub tls_certificate_file: PathBuf,
    /// File with the private key of that certificate, PEM.
    pub tls_key_file: PathBuf,
    /// Further settings of Basalt's own Postgres, by name.
    pub settings: std::collections::BTreeMap<String, String>,
    /// Connections at most for requests to the data API.
    pub pool_size: usize,
    /// Connections at most for auth's own statements.
    pub auth_pool_size: usize,
    /// Connections at most for requests to storage.
    pub storage_pool_size: usize,
    /// Connections at most for asking policies about private channels.
    pub realtime_pool_size: usize,
    /// How long a request waits for a connection.
    pub pool_wait: Span,
    /// Connections are replaced when they are this old.
    pub max_lifetime: Span,
    /// Connections that nobody used for this long are closed.
    pub max_idle: Span,
    /// Prepare statements and keep them. Off behind a transaction pooler.
    pub prepared_statements: bool,
    /// Grant the API roles access to tables, sequences and functions that `postgres` creates in
    /// `public`. Row-level security then decides.
    pub auto_expose_new_tables: bool,
    /// Switch row-level security on for every new table in `public`.
    pub rls_auto_enable: bool,
}

/// Whether connections over TCP are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Never.
    Off,
    /// As the client wishes.
    Allowed,
    /// Always; others are refused.
    Required,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            direct_url: Secret::default(),
            bin_dir: PathBuf::new(),
            run_as: String::new(),
            listen: None,
            tls: Encryption::Allowed,
            tls_certificate_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            settings: std::collections::BTreeMap::new(),
            pool_size: 10,
            auth_pool_size: 5,
            storage_pool_size: 10,
            realtime_pool_size: 5,
            pool_wait: Span::secs(10),
            max_lifetime: Span::secs(30 * 60),
            max_idle: Span::secs(30),
            prepared_statements: true,
            auto_expose_new_tables: true,
            rls_auto_enable: false,
        }
    }
}

impl Config {
    /// The certificate for connections over TCP, made if it is wanted and there is none.
    fn certificate(&self, data_dir: &std::path::Path) -> anyhow::Result<Option<cluster::Tls>> {
        let Some(address) = self.listen.filter(|_| self.tls != Encryption::Off) else { return Ok(None) };
        let files = if self.tls_certificate_file.as_os_str().is_empty() {
            certificate::own(data_dir, address.ip())?
        } else {
            certificate::Files {
                certificate: self.tls_certificate_file.clone(),
                key: self.tls_key_file.clone(),
            }
        };
        let required = self.tls == Encryption::Required;
        Ok(Some(cluster::Tls { certificate: files.certificate, key: files.key, required }))
    }

    /// The options of a pool of `size`.
    pub(crate) fn pool(&self, size: usize) -> PoolOptions {
        PoolOptions {
            size,
            wait: self.pool_wait.0,
            max_lifetime: self.max_lifetime.0,
            idle: self.max_idle.0,
            prepared: self.prepared_statements,
            ..PoolOptions::default()
        }
    }

    /// Where notifications are heard for those who log in with `login`.
    pub(crate) fn listener(&self, login: &Target) -> anyhow::Result<Target> {
        if self.direct_url.is_empty() {
            return Ok(login.clone());
        }
        Target::parse(self.direct_url.expose()).context("database.direct_url")
    }

    /// How who logs in with `login` does so past a transaction pooler, which does not pass on a stream of changes.
    pub(crate) fn direct(&self, login: &Target) -> anyhow::Result<Target> {
        if self.direct_url.is_empty() {
            return Ok(login.clone());
        }
        let direct = Target::parse(self.direct_url.expose()).context("database.direct_url")?;
        Ok(direct.with_user(login.user(), login.password().as_ref()))
    }

    /// True if all that was said speaks for a transaction pooler that keeps notifications to itself.
    pub(crate) fn hears_through_pooler(&self) -> bool {
        !self.url.is_empty() && !self.prepared_statements && self.direct_url.is_empty()
    }
}

/// A database that answers.
pub(crate) struct Database {
    /// Our own server, if it is ours.
    pub(crate) cluster: Option<Cluster>,
    /// The superuser's way in, as it was given.
    login: Target,
}

impl Database {
    /// Starts our own server, or takes the address of the other.
    pub(crate) async fn open(config: &Config, data_dir: &std::path::Path) -> anyhow::Result<Self> {
        if !config.url.is_empty() {
            let administrator = Target::parse(config.url.expose()).context("database.url")?;
            return Ok(Self { cluster: None, login: administrator.with_application_name("basalt") });
        }
        let mut options = cluster::Options::new(data_dir);
        options.bin_dir = Some(config.bin_dir.clone()).filter(|path| !path.as_os_str().is_empty());
        options.run_as = Some(config.run_as.clone()).filter(|user| !user.is_empty());
        options.tcp = config.listen;
        options.tls = config.certificate(data_dir)?;
        options.extra_settings = config.settings.clone().into_iter().collect();
        let cluster = Cluster::start(options).await?;
        let administrator =
            Target::socket(cluster.socket_dir(), cluster.port(), cluster.superuser(), cluster.database());
        Ok(Self { cluster: Some(cluster), login: administrator.with_application_name("basalt") })
    }

    /// A connection that may prepare everything. Its search path is empty: what a developer puts
    /// into `public` must never be run by accident with the rights of a superuser.
    pub(crate) fn administrator(&self) -> Target {
        self.login.clone().with_option("search_path", "")
    }

    /// The role and rights that were given, for a database that is only served.
    pub(crate) fn login(&self) -> &Target {
        &self.login
    }

    /// Gives a directory of ours and the file in it to the account that our own Postgres runs as,
    /// which is another than ours when we are root.
    pub(crate) fn hand_over(&self, file: &std::path::Path) -> anyhow::Result<()> {
        let Some(cluster) = &self.cluster else { return Ok(()) };
        let account = std::fs::metadata(cluster.socket_dir())?;
        let (user, group) = (Some(account.uid()), Some(account.gid()));
        if let Some(directory) = file.parent() {
            lchown(directory, user, group)?;
        }
        // That account may have put a link in the file's place: what is opened is what is given.
        let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(file);
        let give = |opened: File| {
            let found = opened.metadata()?;
            if !found.is_file() || found.nlink() != 1 {
                return Err(std::io::Error::other("it is not a plain file of its own"));
            }
            fchown(&opened, user, group)
        };
        opened
            .and_then(give)
            .with_context(|| format!("cannot give {} to the account of Postgres", file.display()))
    }

    /// Gives the login roles their passwords and returns how each logs in.
    ///
    /// Our own server lets us in by our operating system user. On another server a role that has
    /// no password gets ours; one that has one is left alone, because somebody else may be using
    /// it, and must then be reachable with our password or with that of the URL.
    pub(crate) async fn logins<const N: usize>(
        &self,
        roles: [(&str, &Secret); N],
    ) -> anyhow::Result<[Target; N]> {
        let mut logins = roles.map(|(role, _)| self.login.with_user(role, None));
        if self.cluster.is_some() {
            return Ok(logins);
        }
        let pool = Pool::new(&self.administrator(), one_connection());
        let mut session = pool.session().await?;
        for ((role, password), login) in roles.iter().zip(&mut logins) {
            let has_one = "select rolpassword is not null from pg_catalog.pg_authid where rolname = $1";
            let has_one: bool = session.query_one(has_one, &[role]).await?.try_get(0)?;
            if !has_one {
                bootstrap::set_passwords(&mut session, &[(role, (*password).clone())]).await?;
            }
            let from_url = self.login.password();
            let candidates = [Some((*password).clone()), from_url];
            *login = first_that_works(&self.login, role, &candidates).await.with_context(|| {
                format!(
                    "cannot log in as {role} on {}: its password is neither Basalt's nor that of database.url",
                    self.login.place()
                )
            })?;
        }
        pool.close();
        Ok(logins)
    }
}

async fn first_that_works(
    place: &Target,
    role: &str,
    passwords: &[Option<Secret>],
) -> Result<Target, db::Error> {
    let mut refused = db::Error::Closed;
    for password in passwords.iter().flatten() {
        let target = place.with_user(role, Some(password));
        match Pool::new(&target, one_connection()).session().await {
            Ok(_) => return Ok(target),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// For work that is done once.
pub(crate) fn one_connection() -> PoolOptions {
    PoolOptions { size: 1, wait: Duration::from_secs(10), ..PoolOptions::default() }
}
