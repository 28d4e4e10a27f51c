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
//! - `original`: opens what the original extension sealed.
//!
//! Refused: a cipher of its own in SQL (pgcrypto does the work), a key in a setting or a table, and opening secrets of the
//! original extension in SQL, as a stock server does not have its cipher: they are adopted first.

pub mod admin;
mod config;
mod key;
mod key_file;
mod migrations;
mod original;
mod store;

use db::Pool;

pub use config::Config;
pub use migrations::migrations;
pub use original::RootKey;

/// The vault, ready: the database knows where its key is.
#[derive(Clone, Debug)]
pub struct Vault {
    key: Key,
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

/// What the vault works with.
pub struct Deps {
    /// A pool that logs in as a superuser; used only while starting.
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
    pub async fn start(config: Config, deps: Deps) -> Result<Vault, StartError> {
        let mut session = deps.administrator.session().await?;
        let key = key::install(&mut session, &config.key_file).await?;
        if let Key::Unreadable(reason) = &key {
            tracing::warn!(%reason, "the database server cannot read the key of the vault; secrets cannot be used");
        }
        Ok(Vault { key })
    }

    /// Whether secrets can be opened.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }
}
