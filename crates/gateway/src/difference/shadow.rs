//! A database for the moment, beside the real one: the platform's schemas as a first start makes them, then migrations.

use anyhow::{Context, anyhow};
use chrono::Utc;
use db::{Pool, Session, Target, bootstrap, ident, migrate};

use crate::database::{AUTH_ADMIN, REALTIME_ADMIN, STORAGE_ADMIN, one_connection};
use crate::installation::Place;
use crate::project::apply;
use crate::project::folder::Migration;
use crate::project::split::statements;
use crate::settings::Settings;

/// The database; [`Shadow::remove`] takes it away.
pub(crate) struct Shadow {
    /// The way into the real one.
    real: Target,
    administrator: Target,
    developer: Target,
}

/// In the place of the installation's keys of the vault.
const NO_KEY: &str = "
    create or replace function vault._keys() returns text[] language sql as
    $$ select array[pg_catalog.repeat('0', 64)] $$";

/// What its name begins with; behind it stands when it was made.
const PREFIX: &str = "basalt_shadow_";

impl Shadow {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// What Postgres said; then nothing is left.
    pub(crate) async fn create(place: &Place, settings: &Settings) -> anyhow::Result<Self> {
        let real = place.administrator()?;
        let mut session = session(&real).await?;
        remove_stale(&mut session).await?;
        let name = format!("{PREFIX}{:x}_{}", Utc::now().timestamp_micros(), std::process::id());
        session.batch(&format!("create database {} template template0", ident(&name))).await?;
        let shadow = Self {
            administrator: real.with_database(&name),
            developer: place.developer()?.with_database(&name),
            real,
        };
        match shadow.prepare(settings).await {
            Ok(()) => Ok(shadow),
            Err(error) => {
                shadow.remove().await?;
                Err(error)
            }
        }
    }

    /// A superuser's way in.
    pub(crate) fn administrator(&self) -> &Target {
        &self.administrator
    }

    /// The way in of whoever writes migrations.
    pub(crate) fn developer(&self) -> &Target {
        &self.developer
    }

    /// Drops it, whoever is still in it.
    ///
    /// # Errors
    ///
    /// What Postgres said.
    pub(crate) async fn remove(self) -> anyhow::Result<()> {
        let drop = format!("drop database if exists {} with (force)", ident(self.administrator.database()));
        Ok(session(&self.real).await?.batch(&drop).await?)
    }

    /// As a first start does it. Nobody has put anything into the tables of the services yet, so that their owners need no login.
    async fn prepare(&self, settings: &Settings) -> anyhow::Result<()> {
        let options = bootstrap::Options {
            auto_expose_new_tables: settings.database.auto_expose_new_tables,
            rls_auto_enable: settings.database.rls_auto_enable,
            jwt_exp: None,
        };
        let administrator = &self.administrator;
        let ground = [bootstrap::migrations(&options), vault::migrations()];
        migrate::run(administrator, &ground).await.context("preparing the shadow database")?;
        let by = |role: &str| administrator.clone().with_option("role", role);
        let services = [
            auth::migrations().run_by(by(AUTH_ADMIN)),
            storage::migrations().run_by(by(STORAGE_ADMIN)),
            realtime::migrations().run_by(by(REALTIME_ADMIN)),
        ];
        migrate::run(administrator, &services).await.context("preparing the shadow database")?;
        let pool = Pool::new(administrator, one_connection());
        realtime::prepare(&pool).await?;
        // What migrations seal here is sealed for nobody.
        pool.session().await?.batch(NO_KEY).await?;
        pool.close();
        Ok(())
    }

    /// Applies migrations, without what would reach beyond this database. Returns statements that were left out for that. `told` hears
    /// how many are done, of how many.
    ///
    /// # Errors
    ///
    /// The statement that failed, and why.
    pub(crate) async fn replay(
        &self,
        migrations: &[Migration],
        told: impl Fn(usize, usize),
    ) -> anyhow::Result<Vec<String>> {
        let mut session = session(&self.developer).await?;
        let mut left_out = Vec::new();
        for (done, migration) in migrations.iter().enumerate() {
            let text = migration.text()?;
            let (shared, own): (Vec<_>, Vec<_>) =
                statements(&text).into_iter().partition(|sql| is_shared(sql));
            let file = migration.path.file_name().unwrap_or_default().to_string_lossy();
            apply::alone(&mut session, &own, &file)
                .await
                .map_err(|error| anyhow!("in a shadow database: {error:#}"))?;
            left_out.extend(shared.into_iter().filter_map(|sql| sql.lines().next()).map(str::to_owned));
            told(done + 1, migrations.len());
        }
        Ok(left_out)
    }
}

async fn session(target: &Target) -> Result<Session, db::Error> {
    Pool::new(target, one_connection()).session().await
}

/// Takes away what was left behind by a command that was killed: it is old, and nobody is connected to it.
async fn remove_stale(session: &mut Session) -> Result<(), db::Error> {
    const SQL: &str = "
        select datname::text
          from pg_catalog.pg_database d
         where pg_catalog.starts_with(datname::text, $1)
           and not exists (select from pg_catalog.pg_stat_activity a where a.datid = d.oid)";
    const OLD: i64 = 60 * 60 * 1_000_000;
    for row in session.query(SQL, &[&PREFIX]).await? {
        let name: String = row.try_get(0)?;
        let made = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
        let made = made.and_then(|text| i64::from_str_radix(text, 16).ok());
        if made.is_some_and(|made| Utc::now().timestamp_micros() - made > OLD) {
            session.batch(&format!("drop database if exists {}", ident(&name))).await?;
        }
    }
    Ok(())
}

/// True for what changes things that all databases of a server have in common: roles, the server's settings.
fn is_shared(sql: &str) -> bool {
    let code = sql.lines().map(str::trim).filter(|line| !line.starts_with("--"));
    let words: Vec<String> =
        code.flat_map(str::split_whitespace).take(3).map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["create" | "alter" | "drop", "role" | "user" | "group" | "database" | "tablespace", ..]
            | ["alter", "system", ..]
            | ["reassign", "owned", ..]
            | ["drop", "owned", ..]
    ) || is_membership(sql)
}

/// `grant a to b`, which names no object.
fn is_membership(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let sql = sql.trim_start();
    (sql.starts_with("grant ") || sql.starts_with("revoke "))
        && !sql.split_whitespace().any(|word| word == "on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_beyond_a_database() {
        for sql in [
            "create role x",
            "-- first\nALTER ROLE authenticator set pgrst.db_schemas = 'a'",
            "alter database postgres set a.b = 'c'",
            "drop user x",
            "alter system set x = 1",
            "grant anon to x",
            "revoke a from b",
        ] {
            assert!(is_shared(sql), "{sql}");
        }
        for sql in [
            "create table role (a int)",
            "alter table users add a int",
            "grant select on t to anon",
            "do $$ begin create role x; end $$",
            "select 1",
            "create policy role on t",
        ] {
            assert!(!is_shared(sql), "{sql}");
        }
    }
}
