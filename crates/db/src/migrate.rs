//! The schemas of all owners, brought up to date.
//!
//! Each part of the product owns a schema and the files under `migrations/<owner>`:
//!
//! - **versioned** files `V0001__name.sql` change tables. Each is applied once, in its own transaction,
//!   and recorded in `basalt.migrations_<owner>`; a file that was changed or that is missing here
//!   stops the run.
//! - **repeatable** files hold functions, views, triggers and grants that can be run again at any
//!   time. They are, in the order of their names, when their text or a setting they read has
//!   changed, or when the database is not the one they were run in (a dump restored elsewhere).
//! - settings reach the files as session settings `basalt.<name>`, never by changing their text.
//!
//! [`run`] takes a session lock, so that servers may start together, and works as
//! `supabase_admin`. When everything is applied it costs a connection and one query.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{Error, Pool, PoolOptions, Session, Target, bootstrap, ident, literal};

/// Held by whoever migrates a database. Any constant would do.
const LOCK: i64 = 0x6261_7361_6c74;

/// The tables in which the runner remembers what it did.
const HISTORY: &str = "
    create schema if not exists basalt;
    create table if not exists basalt.owners (
      owner text primary key,
      fingerprint text not null,
      database text not null,
      applied_at timestamptz not null default now());
    create table if not exists basalt.repeatables (
      owner text not null,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now(),
      primary key (owner, name));";

/// Whoever brings migrations, in the order in which they are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Roles, schemas, extensions, default privileges: [`bootstrap::migrations`].
    Base,
    /// The server's own tables, in schema `basalt`.
    Gateway,
    /// Secrets at rest.
    Vault,
    /// Accounts and sessions.
    Auth,
    /// Files.
    Storage,
    /// Channels and row changes.
    Realtime,
    /// The data API.
    Rest,
}

impl Owner {
    /// The name of the owner's directory and history table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Gateway => "gateway",
            Self::Vault => "vault",
            Self::Auth => "auth",
            Self::Storage => "storage",
            Self::Realtime => "realtime",
            Self::Rest => "rest",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A file that can be run again: its name and its text.
pub type Repeatable = (&'static str, &'static str);

/// The migrations of one owner.
#[derive(Clone)]
pub struct Migrations {
    owner: Owner,
    versioned: Vec<refinery::Migration>,
    repeatables: Vec<Repeatable>,
    prelude: Option<&'static str>,
    settings: Vec<(&'static str, String)>,
    replaced_by: Option<&'static str>,
    login: Option<Target>,
}

impl Migrations {
    /// From the runner that `refinery::embed_migrations!("../../migrations/<owner>")` makes, and
    /// the repeatable files.
    #[must_use]
    pub fn new(owner: Owner, runner: &refinery::Runner, repeatables: &[Repeatable]) -> Self {
        let mut versioned = runner.get_migrations().clone();
        versioned.sort_by_key(refinery::Migration::version);
        let mut repeatables = repeatables.to_vec();
        repeatables.sort_unstable();
        Self {
            owner,
            versioned,
            repeatables,
            prelude: None,
            settings: Vec::new(),
            replaced_by: None,
            login: None,
        }
    }

    /// A value that the files read with `current_setting('basalt.<name>')`. Repeatable files that
    /// name it are run again when it changes.
    #[must_use]
    pub fn with_setting(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// A file that can be run again and is, before the versioned ones, whenever anything of this
    /// owner is.
    #[must_use]
    pub(crate) fn with_prelude(mut self, sql: &'static str) -> Self {
        self.prelude = Some(sql);
        self
    }

    /// Names an extension that brings what these migrations make: where it is installed, they are
    /// left out.
    #[must_use]
    pub fn unless_extension(mut self, name: &'static str) -> Self {
        self.replaced_by = Some(name);
        self
    }

    /// The files run in a session that logs in here, as the role that owns their tables. Whoever
    /// may plant a trigger on those tables could otherwise have it run in a superuser's session,
    /// where it can take the superuser's role back.
    #[must_use]
    pub fn run_by(mut self, login: Target) -> Self {
        self.login = Some(login);
        self
    }

    /// Whose these are.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// The names of the repeatable files, for the test that none was forgotten.
    pub fn repeatables(&self) -> impl Iterator<Item = &'static str> {
        self.repeatables.iter().map(|(name, _)| *name)
    }

    /// Changes when any file or any setting does: 64 hex digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |part: &str| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        add(self.prelude.unwrap_or_default());
        for file in &self.versioned {
            add(&file.checksum().to_string());
        }
        for (name, sql) in &self.repeatables {
            add(name);
            add(&self.checksum(sql));
        }
        hex::encode(digest.finalize())
    }

    /// Of a repeatable file and the settings it names.
    fn checksum(&self, sql: &str) -> String {
        let mut digest = Sha256::new_with_prefix(sql);
        for (name, value) in &self.settings {
            if sql.contains(&format!("'basalt.{name}'")) {
                digest.update(format!("\0{name}={value}"));
            }
        }
        hex::encode(digest.finalize())
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The files that were applied, in order; empty when everything was up to date.
    pub applied: Vec<File>,
}

/// A file of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Whose.
    pub owner: Owner,
    /// `V0001__name` or `repeatable/name`.
    pub name: String,
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.sql", self.owner, self.name)
    }
}

/// Why the database could not be brought up to date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// The login role may not do what the migrations do.
    #[error(transparent)]
    Privileges(#[from] bootstrap::MissingPrivileges),
    /// A file failed; nothing of it was kept, and what came before it was.
    #[error("migration {file} failed: {}", explained(.error))]
    File {
        /// The file.
        file: File,
        /// What the server said.
        error: Error,
    },
    /// A file was applied with another text than it has here.
    #[error("migration {0} is not what was applied to this database: its text has changed since")]
    Changed(File),
    /// The database has seen a migration that is unknown here.
    #[error("this database was migrated by a newer version: it has {0}, which is unknown here")]
    Newer(File),
    /// The connection, the lock or the history failed.
    #[error("could not bring the database up to date: {}", explained(.0))]
    Database(#[from] Error),
}

/// The server's message with its detail and hint, which say what to do.
fn explained(error: &Error) -> String {
    let mut text = error.to_string();
    if let Some(server) = error.server() {
        for (label, part) in [("detail", &server.detail), ("hint", &server.hint)] {
            if let Some(part) = part {
                text.push_str(&format!("; {label}: {part}"));
            }
        }
    }
    text
}

/// Brings the database up to date. `target` logs in as a superuser.
///
/// # Errors
///
/// [`MigrateError`]; a later run continues where this one stopped.
pub async fn run(target: &Target, owners: &[Migrations]) -> Result<Report, MigrateError> {
    // From the first statement on: whoever may create functions in a schema that a superuser searches
    // could have them run by him.
    let target = quiet(target).with_option("search_path", "");
    let pool = Pool::new(&target, PoolOptions { size: 1, ..PoolOptions::default() });
    let mut session = pool.session().await?;
    if is_current(&mut session, owners).await? {
        return Ok(Report::default());
    }
    session.query("select pg_advisory_lock($1)", &[&LOCK]).await?;
    // Without this the lock would last until the server notices that the connection is closed.
    let report = update(&mut session, owners).await;
    let unlocked = session.batch("select pg_advisory_unlock_all()").await;
    let report = report?;
    unlocked?;
    Ok(report)
}

/// Files make what may be there already: that it is, or is not, is no news.
fn quiet(target: &Target) -> Target {
    target.clone().with_option("client_min_messages", "warning")
}

/// One query: is every owner recorded, for this very database, with the fingerprint it has here?
async fn is_current(session: &mut Session, owners: &[Migrations]) -> Result<bool, Error> {
    let names: Vec<&str> = owners.iter().map(|owner| owner.owner.name()).collect();
    let fingerprints: Vec<String> = owners.iter().map(Migrations::fingerprint).collect();
    let count = format!(
        "select count(*) from basalt.owners o
           join unnest($1::text[], $2::text[]) here(owner, fingerprint) using (owner, fingerprint)
          where o.database = {IDENTITY}"
    );
    match session.query_one(&count, &[&names, &fingerprints]).await {
        Ok(row) if row.get::<_, i64>(0) == i64::try_from(owners.len()).unwrap_or(-1) => {
            bootstrap::has_roles(session).await
        }
        Ok(_) => Ok(false),
        // Nothing was ever applied: neither table nor schema is there.
        Err(error) if matches!(error.code(), Some("42P01" | "3F000" | "42501")) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Distinguishes this database from a copy of it: in another cluster, or in this one.
pub(crate) const IDENTITY: &str = "(select c.system_identifier || '/' || d.oid
           from pg_catalog.pg_control_system() c, pg_catalog.pg_database d
          where d.datname = pg_catalog.current_database())";

async fn update(session: &mut Session, owners: &[Migrations]) -> Result<Report, MigrateError> {
    bootstrap::become_administrator(session).await?;
    session.batch(HISTORY).await?;
    let mut report = Report::default();
    let mut owners: Vec<&Migrations> = owners.iter().collect();
    owners.sort_by_key(|owner| owner.owner);
    for owner in owners {
        apply(session, owner, &mut report).await?;
    }
    Ok(report)
}

async fn apply(
    session: &mut Session,
    migrations: &Migrations,
    report: &mut Report,
) -> Result<(), MigrateError> {
    let owner = migrations.owner.name();
    let fingerprint = migrations.fingerprint();
    let known = format!("select fingerprint, database = {IDENTITY} from basalt.owners where owner = $1");
    let known = session.query_opt(&known, &[&owner]).await?;
    // Roles that were dropped are made again, and everything that was granted to them.
    let has_roles = migrations.prelude.is_none() || bootstrap::has_roles(session).await?;
    let at_home = has_roles && known.as_ref().is_some_and(|row| row.get(1));
    if at_home && known.is_some_and(|row| row.get::<_, &str>(0) == fingerprint) {
        return Ok(());
    }
    for (name, value) in &migrations.settings {
        let setting = format!("basalt.{name}");
        session.query("select set_config($1, $2, false)", &[&setting, value]).await?;
    }
    if !is_replaced(session, migrations).await? {
        let mut by_owner = owner_session(migrations).await?;
        let mut work = Work { administrator: session, owner: by_owner.as_mut(), report };
        if let Some(sql) = migrations.prelude {
            let file = File { owner: migrations.owner, name: "cluster".to_owned() };
            work.apply(file, sql, "").await?;
        }
        apply_versioned(&mut work, migrations).await?;
        apply_repeatables(&mut work, migrations, at_home).await?;
    }
    let record = format!(
        "insert into basalt.owners (owner, fingerprint, database) values ($1, $2, {IDENTITY})
         on conflict (owner) do update
            set fingerprint = excluded.fingerprint, database = excluded.database, applied_at = now()"
    );
    session.execute(&record, &[&owner, &fingerprint]).await?;
    Ok(())
}

async fn is_replaced(session: &mut Session, migrations: &Migrations) -> Result<bool, Error> {
    let Some(extension) = migrations.replaced_by else { return Ok(false) };
    let installed = "select from pg_catalog.pg_extension where extname = $1";
    Ok(session.query_opt(installed, &[&extension]).await?.is_some())
}

/// The history has the shape that refinery gives it, so that its tools can read it.
async fn apply_versioned(work: &mut Work<'_>, migrations: &Migrations) -> Result<(), MigrateError> {
    let session = &mut *work.administrator;
    let owner = migrations.owner;
    let table = format!("basalt.{}", ident(&format!("migrations_{owner}")));
    let file = |version: i32, name: &str| File { owner, name: format!("V{version:04}__{name}") };
    session
        .batch(&format!(
            "create table if not exists {table} (
               version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))"
        ))
        .await?;
    let applied = format!("select version, name, checksum from {table} order by version");
    let applied: Vec<(i32, String, String)> =
        session.query(&applied, &[]).await?.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    for (version, name, checksum) in &applied {
        match migrations.versioned.iter().find(|here| here.version() == *version) {
            None => return Err(MigrateError::Newer(file(*version, name))),
            Some(here) if here.checksum().to_string() != *checksum => {
                return Err(MigrateError::Changed(file(*version, name)));
            }
            Some(_) => {}
        }
    }
    for here in &migrations.versioned {
        if applied.iter().any(|(version, ..)| *version == here.version()) {
            continue;
        }
        let file = file(here.version(), here.name());
        let record = format!(
            "insert into {table} (version, name, applied_on, checksum) values ({}, {},
               to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), {})",
            here.version(),
            literal(here.name()),
            literal(&here.checksum().to_string())
        );
        work.apply(file, here.sql().unwrap_or_default(), &record).await?;
    }
    Ok(())
}

async fn apply_repeatables(
    work: &mut Work<'_>,
    migrations: &Migrations,
    at_home: bool,
) -> Result<(), MigrateError> {
    let session = &mut *work.administrator;
    let owner = migrations.owner;
    let applied = "select name, checksum from basalt.repeatables where owner = $1";
    let applied: Vec<(String, String)> = match at_home {
        true => session
            .query(applied, &[&owner.name()])
            .await?
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect(),
        false => Vec::new(),
    };
    for (name, sql) in &migrations.repeatables {
        let checksum = migrations.checksum(sql);
        if applied.iter().any(|(known, sum)| known == name && *sum == checksum) {
            continue;
        }
        let record = format!(
            "insert into basalt.repeatables (owner, name, checksum) values ({}, {}, {})
             on conflict (owner, name) do update set checksum = excluded.checksum, applied_at = now()",
            literal(owner.name()),
            literal(name),
            literal(&checksum)
        );
        let file = File { owner, name: format!("repeatable/{name}") };
        work.apply(file, sql, &record).await?;
    }
    Ok(())
}

/// A session of the owner's own, with his settings and no limits.
async fn owner_session(migrations: &Migrations) -> Result<Option<Session>, Error> {
    let Some(login) = &migrations.login else { return Ok(None) };
    let login = quiet(login).with_option("search_path", "").with_option("statement_timeout", "0");
    let mut session = Pool::new(&login, PoolOptions { size: 1, ..PoolOptions::default() }).session().await?;
    for (name, value) in &migrations.settings {
        session.query("select set_config($1, $2, false)", &[&format!("basalt.{name}"), value]).await?;
    }
    Ok(Some(session))
}

/// Where files are run and recorded.
struct Work<'a> {
    administrator: &'a mut Session,
    owner: Option<&'a mut Session>,
    report: &'a mut Report,
}

impl Work<'_> {
    /// Runs a file, which may change the role and the search path for itself, and records it: in
    /// one transaction where one session does both. Otherwise the record comes after, and a file
    /// whose record was lost is run again, which every file stands.
    async fn apply(&mut self, file: File, sql: &str, record: &str) -> Result<(), MigrateError> {
        let outcome = match &mut self.owner {
            Some(owner) => match transaction(owner, sql).await {
                Ok(()) => transaction(self.administrator, record).await,
                failed => failed,
            },
            None => {
                let both = format!("{sql}\n;set local role supabase_admin;\n{record}");
                transaction(self.administrator, &both).await
            }
        };
        match outcome {
            Ok(()) => {
                self.report.applied.push(file);
                Ok(())
            }
            Err(error) => Err(MigrateError::File { file, error }),
        }
    }
}

async fn transaction(session: &mut Session, sql: &str) -> Result<(), Error> {
    let result = session.batch(&format!("begin;\n{sql}\n;commit;")).await;
    if result.is_err() {
        // The connection may be gone; the error above is the one that tells.
        let _ = session.batch("rollback").await;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrations(repeatables: &[Repeatable]) -> Migrations {
        Migrations::new(Owner::Base, &refinery::Runner::new(&[]), repeatables)
    }

    #[test]
    fn a_setting_changes_only_the_files_that_read_it() {
        let on = migrations(&[]).with_setting("watch", "on");
        let off = migrations(&[]).with_setting("watch", "off");
        let reads = "select current_setting('basalt.watch')";
        assert_ne!(on.checksum(reads), off.checksum(reads));
        assert_eq!(on.checksum("select 1"), off.checksum("select 1"));
    }

    #[test]
    fn the_fingerprint_depends_on_names_and_texts_and_not_on_their_order() {
        let one = migrations(&[("a", "1"), ("b", "2")]).fingerprint();
        assert_eq!(one, migrations(&[("b", "2"), ("a", "1")]).fingerprint());
        assert_ne!(one, migrations(&[("a", "2"), ("b", "1")]).fingerprint());
        assert_ne!(one, migrations(&[("a", "1")]).fingerprint());
    }

    #[test]
    fn owners_come_in_their_order() {
        let mut owners = [Owner::Auth, Owner::Rest, Owner::Base, Owner::Vault, Owner::Gateway];
        owners.sort();
        assert_eq!(owners, [Owner::Base, Owner::Gateway, Owner::Vault, Owner::Auth, Owner::Rest]);
    }
}
