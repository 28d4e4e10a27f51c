//! Secrets at rest, with the SQL surface of Supabase Vault.
//!
//! Applications write `select vault.create_secret('…', 'name')` and read `vault.decrypted_secrets`, as `postgres` or
//! `service_role`; nobody else may. What is stored, dumped and replicated is ciphertext. The key is a file outside the
//! data directory that the *database server* reads, through one function, `vault._keys()`, which nobody may call. The server
//! makes that function when it starts, with the path in its text: no setting that a user could change leads to the key.
//!
//! The file holds 64 hex digits, and the operating system account of Postgres must be able to read it: mode 0600, owned
//! by that account. It is not made here.
//!
//! - `key`: the function that reads the file; `key_file`: the file while one key replaces another.
//! - `admin`: what the owner does (list, read, write, delete, exchange the key, adopt); `store`: its SQL.
//! - `http/`: `/vault/v1`, for the service key alone: what `admin` does, without the key's exchange.
//! - `original`: opens what the original extension sealed.
//!
//! Refused: a cipher of its own in SQL (pgcrypto does the work), a key in a setting or a table, and opening secrets of the
//! original extension in SQL, as a stock server does not have its cipher: they are adopted first.

pub mod admin;
mod config;
mod error;
mod http;
mod key;
mod key_file;
mod migrations;
mod original;
mod store;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use db::Pool;
use kernel::Health;

pub use config::Config;
pub use migrations::migrations;
pub use original::RootKey;

/// The vault, ready: the database knows where its key is. Clones share it.
#[derive(Clone)]
pub struct Vault(Arc<Service>);

/// What endpoints share.
pub(crate) struct Service {
    key: Key,
    administrator: Pool,
}

/// Whether secrets can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The database server reads the key file.
    Readable,
    /// It does not, and every use of a secret fails with a message that says so. The usual case is a database on
    /// another machine. The text is the server's and is for the operator.
    Unreadable(String),
    /// The original extension is installed and looks after its own key.
    Foreign,
}

/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = http::MAX_BODY;

/// What the vault works with.
pub struct Deps {
    /// A pool that logs in as a superuser, with an empty search path: only he may keep statements out of the log.
    pub administrator: Pool,
}

/// Why the vault could not start. An unreadable key is not among the reasons: see [`Key`].
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `vault.key_file` is not an absolute path of printable characters.
    #[error("vault.key_file must be an absolute path, not {0:?}")]
    KeyPath(String),
    /// The database could not be told where the key is.
    #[error("could not prepare the vault: {0}")]
    Database(#[from] db::Error),
}

impl Vault {
    /// Tells the database where the key is, after the migrations have been run.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(config: Config, deps: Deps) -> Result<Self, StartError> {
        let mut session = deps.administrator.session().await?;
        let key = key::install(&mut session, &config.key_file).await?;
        if let Key::Unreadable(reason) = &key {
            tracing::warn!(%reason, "the database server cannot read the key of the vault; secrets cannot be used");
        }
        drop(session);
        Ok(Self(Arc::new(Service { key, administrator: deps.administrator })))
    }

    /// Whether secrets can be opened.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    /// The endpoints, to be mounted below the prefix.
    pub fn routes(&self, cfg: &mut ServiceConfig) {
        http::routes(&self.0, cfg);
    }

    /// Whether the service can serve: it can if its database answers, with or without a key.
    pub async fn health(&self) -> Health {
        match self.0.administrator.session().await {
            Ok(_) => Health::Ready,
            Err(error) => Health::NotReady(error.to_string()),
        }
    }
}
