//! What the last start was told about addresses, kept in the data directory so that `basalt
//! status` can tell it while the server runs and after it has stopped.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use db::Target;
use kernel::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::given::Given;

/// Where the server is, and its database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installation {
    /// The URL under which clients reach the server, without a slash at the end.
    pub(crate) api_url: String,
    /// Where it listens.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) database: Place,
    /// Secrets that came by its settings.
    #[serde(default)]
    pub(crate) given: Given,
}

/// How the database is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// Our own server.
    Own {
        /// The directory of its socket.
        socket_dir: PathBuf,
        port: u16,
        /// Where it takes connections with a password.
        listen: Option<SocketAddr>,
    },
    /// Another's: the URL we were given.
    Elsewhere(Secret),
}

impl Installation {
    /// Writes it down; the file is for the operator alone, as a URL may hold a password.
    pub(crate) fn remember(&self, data_dir: &Path) -> io::Result<()> {
        durable::replace(&data_dir.join(NAME), &serde_json::to_vec_pretty(self)?)
    }

    /// True if only this machine could reach the server and its database.
    pub(crate) fn is_local(&self) -> bool {
        let database = match &self.database {
            Place::Own { listen, .. } => *listen,
            Place::Elsewhere(_) => None,
        };
        self.listen.iter().chain(&database).all(|address| address.ip().is_loopback())
    }

    /// What the last start wrote down, if there was one.
    pub(crate) fn last(data_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(data_dir.join(NAME)) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

const NAME: &str = "last-start.json";

impl Place {
    /// The superuser's way in. What a developer puts into `public` is never run by accident with
    /// his rights: the search path is empty.
    ///
    /// # Errors
    ///
    /// A URL that is none.
    pub(crate) fn administrator(&self) -> Result<Target, db::Error> {
        let target = match self {
            Self::Own { socket_dir, port, .. } => {
                Target::socket(socket_dir, *port, cluster::SUPERUSER, cluster::DATABASE)
            }
            Self::Elsewhere(url) => Target::parse(url.expose())?,
        };
        Ok(target.with_application_name("basalt command").with_option("search_path", ""))
    }

    /// The developer's way in, as role `postgres` or whom the URL names.
    ///
    /// # Errors
    ///
    /// A URL that is none.
    pub(crate) fn developer(&self) -> Result<Target, db::Error> {
        let target = match self {
            Self::Own { socket_dir, port, .. } => {
                Target::socket(socket_dir, *port, "postgres", cluster::DATABASE)
            }
            Self::Elsewhere(url) => Target::parse(url.expose())?,
        };
        Ok(target.with_application_name("basalt command"))
    }

    /// A URL for psql as role `postgres`: over TCP if that is open, else through the socket.
    pub(crate) fn url(&self, password: &Secret) -> String {
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        match self {
            Self::Elsewhere(url) => url.expose().to_owned(),
            Self::Own { listen: Some(address), .. } => {
                let ip = match address.ip() {
                    ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    ip => ip,
                };
                let address = SocketAddr::new(ip, address.port());
                format!("postgresql://postgres:{}@{address}/postgres", escaped(password.expose()))
            }
            Self::Own { socket_dir, port, listen: None } => {
                let dir = socket_dir.to_string_lossy();
                // Slashes are fine in a query and easier to read.
                let dir = dir.split('/').map(escaped).collect::<Vec<_>>().join("/");
                let port = if *port == 5432 { String::new() } else { format!("&port={port}") };
                format!("postgresql://postgres@/postgres?host={dir}{port}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn own(listen: Option<&str>) -> Place {
        let listen = listen.map(|address| address.parse().unwrap());
        Place::Own { socket_dir: "/srv/my data/run".into(), port: 5432, listen }
    }

    #[test]
    fn database_urls() {
        let password = Secret::new("p@ss/w:rd");
        let check = |place: Place, expected: &str| assert_eq!(place.url(&password), expected);
        check(own(Some("127.0.0.1:54322")), "postgresql://postgres:p%40ss%2Fw%3Ard@127.0.0.1:54322/postgres");
        check(own(Some("0.0.0.0:5432")), "postgresql://postgres:p%40ss%2Fw%3Ard@127.0.0.1:5432/postgres");
        check(own(Some("[::1]:1")), "postgresql://postgres:p%40ss%2Fw%3Ard@[::1]:1/postgres");
        check(own(None), "postgresql://postgres@/postgres?host=/srv/my%20data/run");
        check(
            Place::Own { socket_dir: "/run/x".into(), port: 6000, listen: None },
            "postgresql://postgres@/postgres?host=/run/x&port=6000",
        );
        check(Place::Elsewhere(Secret::new("postgresql://u@h/d")), "postgresql://u@h/d");
    }

    #[test]
    fn remembered_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Installation::last(dir.path()).unwrap().is_none());
        let installation = Installation {
            api_url: "http://127.0.0.1:8000".to_owned(),
            listen: vec!["127.0.0.1:8000".parse().unwrap()],
            database: own(None),
            given: Given::default(),
        };
        for _ in 0..2 {
            installation.remember(dir.path()).unwrap();
            assert_eq!(Installation::last(dir.path()).unwrap().as_ref(), Some(&installation));
        }
    }
}
