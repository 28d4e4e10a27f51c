//! The settings: one struct of the services' own structs, filled from layers.
//!
//! ```text
//! schema      the names that exist, read from the types        value   a text becomes a value of its type
//! load        the layers, lowest first, and who set what       source  where a value came from; problems
//! assigned    what file and environment say                    mode    defaults by what the installation is for
//! given       one value, followed, tried and put in its place  check   what is wrong between values
//! compat/     names of Supabase's own programs, by table       reference  config/basalt.toml
//! show        the effective values                             log     section [log]
//! tokens      sections [jwt] and [keys]
//! ```
//!
//! Lowest first: the defaults, those of the mode (development, data API alone), those of a project folder, the file, names
//! of comparable stacks in the environment (`JWT_SECRET`, then `GOTRUE_…` and `PGRST_…`),
//! `BASALT_SECTION__KEY`, flags. Nothing is taken that is not understood: an unknown name of ours
//! is a problem, with the nearest known ones; an unknown name of another stack is a note.
//!
//! This is the only place that reads the environment.

mod assigned;
mod check;
mod compat;
mod given;
mod load;
mod log;
mod mode;
mod reference;
mod schema;
mod show;
mod source;
mod tokens;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use compat::project::{ProjectFile, with_variables};
pub(crate) use load::{Loaded, Request, load};
pub(crate) use log::{Dial as LogLevel, install as install_log};
pub(crate) use reference::reference;
pub(crate) use show::{changed, merged, show};
pub(crate) use source::{Problem, Source};

use crate::{database, routes, server};

/// Everything that can be set.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// What the installation is for: decides some defaults and how strict the checks are.
    pub(crate) mode: Mode,
    /// The services to run. With `rest` alone and a `database.url` the data API is served as
    /// PostgREST would: at the root, without API keys, without writing to that database.
    pub(crate) services: Services,
    /// The HTTP server.
    pub(crate) server: server::Config,
    /// The database.
    pub(crate) database: database::Config,
    /// Tokens: what signs and verifies them. What is left empty is generated at the first start.
    pub(crate) jwt: tokens::Jwt,
    /// Keys and passwords. What is left empty is generated at the first start.
    pub(crate) keys: tokens::Keys,
    /// Accounts, sign-in and sessions.
    pub(crate) auth: auth::Config,
    /// Tables and functions over HTTP.
    pub(crate) rest: rest::Config,
    /// Sockets, channels and messages.
    pub(crate) realtime: realtime::Config,
    /// Files over HTTP.
    pub(crate) storage: storage::Config,
    /// Secrets at rest.
    pub(crate) vault: vault::Config,
    /// Functions over HTTP.
    pub(crate) functions: functions::Config,
    /// What is logged, and how.
    pub(crate) log: log::Config,
}

/// What the installation is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Production if any address to listen on is not of this machine alone.
    #[default]
    Auto,
    /// Comfort: no API key needed and no mail to confirm, the database open to psql. Only on this
    /// machine's own addresses; elsewhere the keys are asked for all the same.
    Development,
    /// Strict, wherever it listens.
    Production,
}

/// A service that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    /// Accounts and sessions.
    Auth,
    /// Tables and functions.
    Rest,
    /// Sockets, channels and messages.
    Realtime,
    /// Files.
    Storage,
    /// Secrets at rest.
    Vault,
    /// Functions over HTTP.
    Functions,
}

/// The services to run; all unless told otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Services(BTreeSet<Service>);

impl Default for Services {
    fn default() -> Self {
        use Service::{Auth, Functions, Realtime, Rest, Storage, Vault};
        Self([Auth, Rest, Realtime, Storage, Vault, Functions].into())
    }
}

impl Settings {
    /// True if this process serves `service`.
    pub(crate) fn runs(&self, service: routes::Service) -> bool {
        match service {
            routes::Service::Auth => self.services.0.contains(&Service::Auth),
            routes::Service::Rest | routes::Service::RestAdmin => self.services.0.contains(&Service::Rest),
            routes::Service::Storage => self.services.0.contains(&Service::Storage),
            routes::Service::Realtime => self.services.0.contains(&Service::Realtime),
            routes::Service::Functions => self.services.0.contains(&Service::Functions),
            routes::Service::Vault => self.services.0.contains(&Service::Vault),
            routes::Service::Mailbox => {
                self.services.0.contains(&Service::Auth) && self.auth.email.mailbox && !self.is_production()
            }
            routes::Service::Gateway => true,
        }
    }

    /// The data API alone on somebody else's database, as PostgREST.
    pub(crate) fn is_bare(&self) -> bool {
        self.services.0 == [Service::Rest].into() && !self.database.url.is_empty()
    }

    /// True if mistakes of security are refused instead of told.
    pub(crate) fn is_production(&self) -> bool {
        match self.mode {
            Mode::Auto => !self.is_local(),
            Mode::Development => false,
            Mode::Production => true,
        }
    }

    /// True if only this machine can reach the server.
    pub(crate) fn is_local(&self) -> bool {
        self.server.listen.iter().all(|address| address.ip().is_loopback())
    }

    /// These settings with what follows from the server's own address.
    pub(crate) fn with_addresses(mut self) -> Self {
        if self.auth.external_url.is_empty() {
            self.auth.external_url = format!("{}/auth/v1", self.public_url());
        }
        self
    }

    /// The URL under which clients reach this server, without a slash at the end.
    pub(crate) fn public_url(&self) -> String {
        if !self.server.public_url.is_empty() {
            return self.server.public_url.trim_end_matches('/').to_owned();
        }
        match self.server.listen.first() {
            Some(address) if address.ip().is_unspecified() => format!("http://127.0.0.1:{}", address.port()),
            Some(address) => format!("http://{address}"),
            None => String::new(),
        }
    }
}

/// The process environment, read once; names and values that are not UTF-8 are nobody's settings.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses_follow_from_each_other() {
        let check = |listen: &str, public_url: &str, expected: &str| {
            let mut settings = Settings::default();
            settings.server.listen = vec![listen.parse().unwrap()];
            settings.server.public_url = public_url.to_owned();
            assert_eq!(settings.with_addresses().auth.external_url, expected);
        };
        check("127.0.0.1:8000", "", "http://127.0.0.1:8000/auth/v1");
        check("0.0.0.0:80", "", "http://127.0.0.1:80/auth/v1");
        check("[::1]:8000", "", "http://[::1]:8000/auth/v1");
        check("0.0.0.0:80", "https://api.example.com/", "https://api.example.com/auth/v1");
        let mut settings = Settings::default();
        settings.auth.external_url = "https://auth.example.com".to_owned();
        assert_eq!(settings.with_addresses().auth.external_url, "https://auth.example.com");
    }
}
