//! Schema `supabase_migrations`: what was applied, to the letter of the Supabase command line, so that
//! both can be used on one database.

use db::{Error, Session};

/// Two who migrate at once wait for each other.
const LOCK: &str = "select pg_advisory_lock(hashtextextended('supabase_migrations', 0))";

const CREATE: &str = "\
set lock_timeout = '4s';
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
create table if not exists supabase_migrations.seed_files (path text not null primary key, hash text not null);
reset lock_timeout";

/// A migration that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) version: String,
    pub(crate) name: Option<String>,
}

/// Keeps others from migrating for as long as the session lives.
pub(crate) async fn lock(session: &mut Session) -> Result<(), Error> {
    session.execute(LOCK, &[]).await.map(drop)
}

/// Makes the tables if they are not there.
pub(crate) async fn create(session: &mut Session) -> Result<(), Error> {
    // Also where creating would be refused to the role: whoever made them did what is needed.
    const IS_THERE: &str = "
        select count(*) = 5
        from pg_catalog.pg_attribute
        where attname in ('version', 'statements', 'name', 'path', 'hash') and not attisdropped
          and attrelid in (to_regclass('supabase_migrations.schema_migrations'), to_regclass('supabase_migrations.seed_files'))";
    let is_there: bool = session.query_one(IS_THERE, &[]).await?.try_get(0)?;
    if is_there { Ok(()) } else { session.batch(CREATE).await }
}

/// All migrations that were applied, in order; none if there is no table.
pub(crate) async fn list(session: &mut Session) -> Result<Vec<Applied>, Error> {
    const IS_THERE: &str = "select to_regclass('supabase_migrations.schema_migrations') is not null";
    const SQL: &str = "
        select version, to_jsonb(m) ->> 'name' from supabase_migrations.schema_migrations m order by version";
    if !session.query_one(IS_THERE, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(Vec::new());
    }
    let rows = session.query(SQL, &[]).await?;
    rows.iter().map(|row| Ok(Applied { version: row.try_get(0)?, name: row.try_get(1)? })).collect()
}

/// The statements of every migration that was applied, by version; none where they were not kept.
pub(crate) async fn statements(session: &mut Session) -> Result<Vec<(String, Option<Vec<String>>)>, Error> {
    const SQL: &str = "select version, statements from supabase_migrations.schema_migrations";
    let rows = session.query(SQL, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Records a migration, in place of what was recorded for its version.
pub(crate) async fn record(
    session: &mut Session,
    version: &str,
    name: &str,
    statements: &[&str],
) -> Result<(), Error> {
    const SQL: &str = "
        insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)
        on conflict (version) do update set name = excluded.name, statements = excluded.statements";
    session.execute(SQL, &[&version, &name, &statements]).await.map(drop)
}

/// Forgets migrations; returns how many there were.
pub(crate) async fn forget(session: &mut Session, versions: &[String]) -> Result<u64, Error> {
    const SQL: &str = "delete from supabase_migrations.schema_migrations where version = any ($1)";
    session.execute(SQL, &[&versions]).await
}

/// The hash with which a seed was recorded.
pub(crate) async fn seed_hash(session: &mut Session, path: &str) -> Result<Option<String>, Error> {
    const SQL: &str = "select hash from supabase_migrations.seed_files where path = $1";
    session.query_opt(SQL, &[&path]).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Records a seed.
pub(crate) async fn record_seed(session: &mut Session, path: &str, hash: &str) -> Result<(), Error> {
    const SQL: &str = "
        insert into supabase_migrations.seed_files (path, hash) values ($1, $2)
        on conflict (path) do update set hash = excluded.hash";
    session.execute(SQL, &[&path, &hash]).await.map(drop)
}
