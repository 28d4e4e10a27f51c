//! What the owner of an installation does with secrets, past the rights of the database.
//!
//! Each function is one transaction of a superuser, except [`exchange`]. Contents travel as
//! parameters, and the server is told to keep them out of its log and statistics.

use std::io;
use std::path::Path;

use db::{Pool, Session};
use kernel::Secret;

use crate::key_file::KeyFile;
use crate::original::{self, RootKey};
use crate::store::secrets;

pub use crate::store::secrets::{Change, Listed, Moved, Page, Which};

/// Secrets sealed anew in one transaction.
const BATCH: i64 = 200;

/// Bytes of a content, at most.
pub const MAX_CONTENT: usize = 256 * 1024;

/// The id before the first.
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// What could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What Postgres or the driver said.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// There is no secret of this name.
    #[error("there is no secret called {0:?}")]
    NotFound(String),
    /// A name that a secret cannot have.
    #[error("a secret needs a name of 1 to 255 characters without control characters")]
    Name,
    /// A content or description over [`MAX_CONTENT`] bytes, or with a NUL, which Postgres cannot keep.
    #[error("a secret has at most {MAX_CONTENT} bytes, none of them zero")]
    TooLong,
    /// A new secret without a content.
    #[error("a new secret needs a content")]
    NoContent,
    /// Another secret has this name.
    #[error("there is a secret of this name already")]
    Exists,
    /// The key file cannot be read or written.
    #[error("the key file {path}: {source}")]
    KeyFile {
        /// Its path.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The database seals with another key than the file's first: it reads another file.
    #[error("the database server does not read this key file; exchange the key where it lies")]
    OtherFile,
    /// Secrets that no key opens, by id. Both keys are kept.
    #[error(
        "{} secrets are damaged or sealed with a lost key; write or delete them, then try again: {}",
        .0.len(), .0.join(", ")
    )]
    Unopened(Vec<String>),
}

/// All secrets, without their contents, by name.
///
/// # Errors
///
/// [`Error::Database`].
pub async fn list(pool: &Pool) -> Result<Vec<Listed>, Error> {
    Ok(secrets::list(&mut pool.session().await?, None).await?)
}

/// The secrets of one page, without their contents, by name.
///
/// # Errors
///
/// [`Error::Database`].
pub async fn page(pool: &Pool, page: Page) -> Result<Vec<Listed>, Error> {
    Ok(secrets::list(&mut pool.session().await?, Some(page)).await?)
}

/// A secret with its content.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::Database`].
pub async fn open(pool: &Pool, which: Which<'_>) -> Result<(Listed, Secret), Error> {
    let mut session = begin(pool).await?;
    let found = secrets::open(&mut session, which).await?;
    session.rollback().await?;
    found.ok_or_else(|| not_found(which))
}

/// Makes a secret, with or without a name.
///
/// # Errors
///
/// [`Error::NoContent`], [`Error::Name`], [`Error::TooLong`], [`Error::Exists`], [`Error::Database`].
pub async fn create(pool: &Pool, change: &Change) -> Result<Listed, Error> {
    check(change)?;
    let content = change.secret.as_ref().ok_or(Error::NoContent)?;
    let mut session = begin(pool).await?;
    let id = secrets::create(&mut session, content, change).await.map_err(exists)?;
    let made = secrets::get(&mut session, &id).await?;
    session.commit().await?;
    Ok(made)
}

/// Writes what `change` holds and keeps the rest.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::Name`], [`Error::TooLong`], [`Error::Exists`], [`Error::Database`].
pub async fn change(pool: &Pool, which: Which<'_>, change: &Change) -> Result<Listed, Error> {
    check(change)?;
    let mut session = begin(pool).await?;
    let id = secrets::lock_any(&mut session, which).await?.ok_or_else(|| not_found(which))?;
    secrets::change(&mut session, &id, change).await.map_err(exists)?;
    let changed = secrets::get(&mut session, &id).await?;
    session.commit().await?;
    Ok(changed)
}

/// Makes the secret called `name`, or writes what `change` holds into it; its second part tells whether
/// it is new.
///
/// # Errors
///
/// [`Error::NoContent`] if it is new, [`Error::Name`], [`Error::TooLong`], [`Error::Database`].
pub async fn put(pool: &Pool, name: &str, change: Change) -> Result<(Listed, bool), Error> {
    let change = Change { name: Some(name.to_owned()), ..change };
    check(&change)?;
    let mut session = begin(pool).await?;
    let found = secrets::lock_any(&mut session, Which::Name(name)).await?;
    let (id, is_new) = match found {
        Some(id) => {
            secrets::change(&mut session, &id, &change).await?;
            (id, false)
        }
        None => {
            let content = change.secret.as_ref().ok_or(Error::NoContent)?;
            (secrets::create(&mut session, content, &change).await.map_err(exists)?, true)
        }
    };
    let put = secrets::get(&mut session, &id).await?;
    session.commit().await?;
    Ok((put, is_new))
}

/// Deletes a secret.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::Database`].
pub async fn delete(pool: &Pool, which: Which<'_>) -> Result<(), Error> {
    let mut session = begin(pool).await?;
    let id = secrets::lock_any(&mut session, which).await?.ok_or_else(|| not_found(which))?;
    secrets::remove(&mut session, &id).await?;
    Ok(session.commit().await?)
}

/// What is to be known of the key, which is never shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KeyState {
    /// The database server reads it: secrets can be used.
    pub readable: bool,
    /// One key is replacing another; `basalt secrets rotate-key` finishes it.
    pub changing: bool,
    /// How many secrets there are.
    pub secrets: i64,
    /// How many of them another server sealed; `basalt secrets adopt` opens them.
    pub sealed_elsewhere: i64,
}

/// How the key is now.
///
/// # Errors
///
/// [`Error::Database`].
pub async fn key_state(pool: &Pool) -> Result<KeyState, Error> {
    let mut session = pool.session().await?;
    let (secrets, sealed_elsewhere) = secrets::count(&mut session).await?;
    let keys = match secrets::count_keys(&mut session).await {
        Ok(keys) => keys,
        Err(error) if error.server().is_some() => 0,
        Err(error) => return Err(error.into()),
    };
    Ok(KeyState { readable: keys > 0, changing: keys > 1, secrets, sealed_elsewhere })
}

fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

fn check(change: &Change) -> Result<(), Error> {
    if change.name.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(Error::Name);
    }
    let longest = |text: &str| text.len() <= MAX_CONTENT && !text.contains('\0');
    let content = change.secret.as_ref().map_or("", Secret::expose);
    if longest(content) && longest(change.description.as_deref().unwrap_or_default()) {
        Ok(())
    } else {
        Err(Error::TooLong)
    }
}

fn not_found(which: Which<'_>) -> Error {
    let (Which::Id(text) | Which::Name(text)) = which;
    Error::NotFound(text.to_owned())
}

fn exists(error: db::Error) -> Error {
    if error.is_unique_violation() { Error::Exists } else { error.into() }
}

/// The content of the secret called `name`.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::Database`].
pub async fn read(pool: &Pool, name: &str) -> Result<Secret, Error> {
    let mut session = begin(pool).await?;
    let found = secrets::find(&mut session, name).await?;
    session.rollback().await?;
    found.ok_or_else(|| Error::NotFound(name.to_owned()))
}

/// Makes the secret called `name`, or gives it another content. Without a description it keeps the
/// one it has.
///
/// # Errors
///
/// [`Error::Name`], [`Error::Database`].
pub async fn write(
    pool: &Pool,
    name: &str,
    content: &Secret,
    description: Option<&str>,
) -> Result<(), Error> {
    if !is_name(name) {
        return Err(Error::Name);
    }
    let mut session = begin(pool).await?;
    match secrets::lock(&mut session, name).await? {
        Some(id) => secrets::update(&mut session, &id, content, description).await?,
        None => secrets::insert(&mut session, name, content, description).await?,
    }
    Ok(session.commit().await?)
}

/// Deletes the secret called `name`.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::Database`].
pub async fn remove(pool: &Pool, name: &str) -> Result<(), Error> {
    let mut session = begin(pool).await?;
    let was_there = secrets::delete(&mut session, name).await?;
    session.commit().await?;
    if was_there { Ok(()) } else { Err(Error::NotFound(name.to_owned())) }
}

/// Replaces the key: seals every secret with `fresh` (64 hex digits), in batches, while the server
/// goes on. `progress` is told how many of how many are done. An exchange that was interrupted is
/// finished instead, with the key it began with; until then both keys open secrets. Returns how many
/// were sealed.
///
/// # Errors
///
/// [`Error::KeyFile`], [`Error::OtherFile`], [`Error::Unopened`], [`Error::Database`]; calling it again goes on.
pub async fn exchange(
    pool: &Pool,
    key_file: &Path,
    fresh: Secret,
    mut progress: impl FnMut(i64, i64),
) -> Result<i64, Error> {
    let failed = |source| Error::KeyFile { path: key_file.display().to_string(), source };
    let mut file = KeyFile::read(key_file).map_err(failed)?;
    if !file.is_changing() {
        file.begin(fresh).map_err(failed)?;
    }
    let mut session = begin(pool).await?;
    let is_read = secrets::seals_with(&mut session, file.current()).await?;
    let total = secrets::count_sealed(&mut session).await?;
    session.rollback().await?;
    if !is_read {
        return Err(Error::OtherFile);
    }
    let (mut after, mut done, mut unopened) = (NIL.to_owned(), 0, Vec::new());
    loop {
        let mut session = begin(pool).await?;
        let batch = secrets::reseal(&mut session, &after, BATCH).await?;
        session.commit().await?;
        let Some(last) = batch.last else { break };
        after = last;
        done += batch.count;
        unopened.extend(batch.unopened);
        progress(done, total.max(done));
    }
    if !unopened.is_empty() {
        return Err(Error::Unopened(unopened));
    }
    file.finish().map_err(failed)?;
    Ok(done)
}

/// What became of secrets that the original extension had sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// How many are sealed with our key now.
    pub opened: usize,
    /// The ids of those that the root key does not open; they are as they were.
    pub unopened: Vec<String>,
}

/// Opens what the original extension sealed with `root`, and seals it with our key. All or nothing,
/// but for those that cannot be opened.
///
/// # Errors
///
/// [`Error::Database`].
pub async fn adopt(pool: &Pool, root: &RootKey) -> Result<Adopted, Error> {
    let mut session = begin(pool).await?;
    let mut adopted = Adopted::default();
    for row in secrets::list_foreign(&mut session).await? {
        let opened = original::open(root, &row.id, row.nonce.as_deref(), &row.secret);
        match opened.ok().filter(|_| !row.has_key_id) {
            Some(content) => {
                secrets::take_over(&mut session, &row.id, &content).await?;
                adopted.opened += 1;
            }
            None => adopted.unopened.push(row.id),
        }
    }
    session.commit().await?;
    Ok(adopted)
}

/// Seals secrets of another vault here, under the ids they have there; those that are here already are left alone.
/// Returns how many were sealed.
///
/// # Errors
///
/// [`Error::Database`]; then nothing is sealed.
pub async fn take_in(pool: &Pool, secrets: &[Moved]) -> Result<usize, Error> {
    let mut session = begin(pool).await?;
    let mut sealed = 0;
    for moved in secrets {
        // One that cannot be opened is another one, and must not end the transaction.
        session.batch("savepoint look").await?;
        let is_here = match secrets::is_here(&mut session, moved).await {
            Ok(is_here) => is_here,
            Err(error) if error.server().is_some() => {
                session.batch("rollback to savepoint look").await?;
                false
            }
            Err(error) => return Err(error.into()),
        };
        if !is_here {
            secrets::settle(&mut session, moved).await?;
            sealed += 1;
        }
    }
    session.commit().await?;
    Ok(sealed)
}

/// Whether every one of them is here and opens to the same content.
///
/// # Errors
///
/// [`Error::Database`], also where one cannot be opened.
pub async fn holds(pool: &Pool, secrets: &[Moved]) -> Result<bool, Error> {
    let mut session = begin(pool).await?;
    for moved in secrets {
        if !secrets::is_here(&mut session, moved).await? {
            return Ok(false);
        }
    }
    session.rollback().await?;
    Ok(true)
}

async fn begin(pool: &Pool) -> Result<Session, Error> {
    let mut session = pool.begin().await?;
    secrets::quiet(&mut session).await?;
    Ok(session)
}
