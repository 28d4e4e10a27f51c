//! What of one owner is missing, applied and recorded.

use super::{File, IDENTITY, MigrateError, Migrations, Report, quiet};
use crate::{Error, Pool, PoolOptions, Session, bootstrap, ident, literal};

pub(super) async fn apply(
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
