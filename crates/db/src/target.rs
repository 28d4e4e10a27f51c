//! Where Postgres is and whom to be there.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use kernel::Secret;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;
use crate::tls::{Trust, connector, system_file};

/// An address, a database and a login role.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    config: Config,
    trust: Trust,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({}@{}/{})", self.user(), self.place(), self.database())
    }
}

impl Target {
    /// Reads a URL (`postgresql://…`) or a `key=value` connection string.
    ///
    /// `sslmode` means what it means to libpq: `prefer` (the default) and `require` encrypt without
    /// asking who answers, `verify-full` asks the system's certificate authorities, or those of
    /// `sslrootcert`; with `sslrootcert`, `require` asks as well.
    ///
    /// # Errors
    ///
    /// [`Error::Target`] with the reason; the text of the string is not repeated, as it may hold
    /// a password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (text, trust) = Trust::take(text);
        let mut config = Config::from_str(&text).map_err(|error| {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            Error::Target(reason.unwrap_or_else(|| "it cannot be read".to_owned()))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::Target("it names no host".to_owned()));
        }
        if config.get_user().is_none() {
            return Err(Error::Target("it names no user".to_owned()));
        }
        limits(&mut config);
        Ok(Self { config, trust })
    }

    /// A server reached through the Unix socket in `directory`.
    #[must_use]
    pub fn socket(directory: &Path, port: u16, user: &str, database: &str) -> Self {
        let mut config = Config::new();
        config.host_path(directory).port(port).user(user).dbname(database);
        limits(&mut config);
        Self { config, trust: Trust::default() }
    }

    /// The same place, as another role.
    #[must_use]
    pub fn with_user(&self, user: &str, password: Option<&Secret>) -> Self {
        let mut target = self.clone();
        target.config.user(user);
        if let Some(password) = password {
            target.config.password(password.expose());
        }
        target
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        let mut target = self.clone();
        target.config.dbname(database);
        target
    }

    /// With a name that `pg_stat_activity` shows.
    #[must_use]
    pub fn with_application_name(mut self, name: &str) -> Self {
        self.config.application_name(name);
        self
    }

    /// With a setting that every session starts with.
    #[must_use]
    pub fn with_option(mut self, name: &str, value: &str) -> Self {
        let value = value.replace('\\', r"\\").replace(' ', r"\ ");
        let options = match self.config.get_options() {
            Some(options) => format!("{options} -c {name}={value}"),
            None => format!("-c {name}={value}"),
        };
        self.config.options(options);
        self
    }

    /// The login role.
    #[must_use]
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// The password, if one is to be sent.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        self.config.get_password().map(|bytes| Secret::new(String::from_utf8_lossy(bytes)))
    }

    /// The database; Postgres defaults to the role's name.
    #[must_use]
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.user())
    }

    /// Host (or socket directory) and port, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => format!("{host}:{port}"),
            Some(Host::Unix(path)) => format!("{}:{port}", path.display()),
            None => match self.config.get_hostaddrs().first() {
                Some(address) => format!("{address}:{port}"),
                None => "?".to_owned(),
            },
        }
    }

    /// What tells Postgres's own programs (pg_dump) to go here, as this server would: variables of the environment, for
    /// arguments are shown in the list of processes. The caller keeps other variables that begin with `PG` from them.
    ///
    /// # Errors
    ///
    /// [`Error::Target`] if the system's certificate authorities are asked for and nowhere to be found.
    pub fn variables(&self) -> Result<Vec<(&'static str, Secret)>, Error> {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(directory) => directory.display().to_string(),
        });
        let joined = |parts: Vec<String>| Secret::new(parts.join(","));
        let addresses = self.config.get_hostaddrs().iter().map(ToString::to_string);
        let ports = self.config.get_ports().iter().map(ToString::to_string);
        let mut variables = vec![
            ("PGHOST", joined(hosts.collect())),
            ("PGHOSTADDR", joined(addresses.collect())),
            ("PGPORT", joined(ports.collect())),
            ("PGUSER", Secret::new(self.user())),
            ("PGDATABASE", Secret::new(self.database())),
            ("PGPASSWORD", self.password().unwrap_or_default()),
            ("PGOPTIONS", Secret::new(self.config.get_options().unwrap_or_default())),
        ];
        let authorities = match &self.trust {
            Trust::Anybody => None,
            Trust::System => Some(system_file()?),
            Trust::File(path) => Some(path.clone()),
        };
        let mode = match (&authorities, self.config.get_ssl_mode()) {
            (Some(_), _) => "verify-full",
            (None, SslMode::Disable) => "disable",
            (None, SslMode::Require) => "require",
            (None, _) => "prefer",
        };
        variables.push(("PGSSLMODE", Secret::new(mode)));
        variables.extend(authorities.map(|path| ("PGSSLROOTCERT", Secret::new(path))));
        variables.retain(|(_, value)| !value.expose().is_empty());
        Ok(variables)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// How a connection to here is encrypted, if it is.
    pub(crate) fn tls(&self) -> Result<MakeRustlsConnect, Error> {
        connector(&self.trust)
    }
}

fn limits(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    // A peer that vanished without a word is noticed within about a minute.
    config.keepalives_idle(Duration::from_secs(30));
    config.keepalives_interval(Duration::from_secs(10));
    config.keepalives_retries(3);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::parse("postgresql://me:s3cret@db.example:6543/app").unwrap();
        assert_eq!(format!("{target:?}"), "Target(me@db.example:6543/app)");
        let error = Target::parse("postgresql://me:s3cret@db.example:notaport/app").unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn what_is_needed_must_be_named() {
        assert!(matches!(Target::parse("postgresql:///app"), Err(Error::Target(_))));
        assert!(matches!(Target::parse("postgresql://host/app"), Err(Error::Target(_))));
    }

    #[test]
    fn programs_go_where_we_go() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let variables = Target::parse(text).unwrap().variables().unwrap();
            let found: Vec<_> = variables.iter().map(|(name, value)| (*name, value.expose())).collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "postgresql://postgres.ref:p%40s/s?@h:6543/d?sslmode=require",
            &[
                ("PGHOST", "h"),
                ("PGPORT", "6543"),
                ("PGUSER", "postgres.ref"),
                ("PGDATABASE", "d"),
                ("PGPASSWORD", "p@s/s?"),
                ("PGSSLMODE", "require"),
            ],
        );
        check(
            "host=a,/run port=1,2 user=u password='it\\'s' sslmode=verify-full sslrootcert=/ca.pem",
            &[
                ("PGHOST", "a,/run"),
                ("PGPORT", "1,2"),
                ("PGUSER", "u"),
                ("PGDATABASE", "u"),
                ("PGPASSWORD", "it's"),
                ("PGSSLMODE", "verify-full"),
                ("PGSSLROOTCERT", "/ca.pem"),
            ],
        );
        check(
            "postgresql://u@/d?host=/run&sslmode=disable",
            &[("PGHOST", "/run"), ("PGUSER", "u"), ("PGDATABASE", "d"), ("PGSSLMODE", "disable")],
        );
    }

    #[test]
    fn options_are_escaped() {
        let target = Target::socket(Path::new("/run"), 5432, "me", "app")
            .with_option("search_path", "auth, public")
            .with_option("timezone", "UTC");
        assert_eq!(target.config().get_options(), Some(r"-c search_path=auth,\ public -c timezone=UTC"));
    }
}
