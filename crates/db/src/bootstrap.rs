//! The ground on which every schema stands: roles, shared schemas, extensions, default privileges.
//!
//! The files are `migrations/base`. They are run as `supabase_admin`, a superuser: on a cluster of
//! ours it is the one made with the cluster, on any other server it is created by the superuser who
//! logs in. Without a superuser the product cannot make event triggers, hand out `bypassrls` or let
//! the developer set parameters; that is refused with a message which says so.

use kernel::Secret;
use postgres_protocol::password::scram_sha_256;

use crate::migrate::{IDENTITY, MigrateError, Migrations, Owner, Repeatable};
use crate::{Error, Session, ident, literal};

mod embedded {
    refinery::embed_migrations!("../../migrations/base");
}

/// Owner, rights and settings of the database itself, which a copy of it lacks.
const DATABASE: &str = include_str!("../../../migrations/base/repeatable/database.sql");

const REPEATABLES: &[Repeatable] = &[
    ("auth_helpers", include_str!("../../../migrations/base/repeatable/auth_helpers.sql")),
    ("database", DATABASE),
    ("exposure", include_str!("../../../migrations/base/repeatable/exposure.sql")),
    ("graphql_placeholder", include_str!("../../../migrations/base/repeatable/graphql_placeholder.sql")),
    ("pgjwt", include_str!("../../../migrations/base/repeatable/pgjwt.sql")),
    ("rls_auto_enable", include_str!("../../../migrations/base/repeatable/rls_auto_enable.sql")),
    ("schema_watch", include_str!("../../../migrations/base/repeatable/schema_watch.sql")),
    ("service_schemas", include_str!("../../../migrations/base/repeatable/service_schemas.sql")),
];

/// What an operator decides about the ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Tables, sequences and functions that `postgres` creates in `public` are granted to the API
    /// roles at once. Upstream's `api.auto_expose_new_tables`.
    pub auto_expose_new_tables: bool,
    /// Row-level security is switched on for every new table in `public`.
    pub rls_auto_enable: bool,
    /// Life of an access token in seconds, shown to SQL as `app.settings.jwt_exp`.
    pub jwt_exp: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { auto_expose_new_tables: true, rls_auto_enable: false, jwt_exp: None }
    }
}

/// The migrations of owner `base`.
#[must_use]
pub fn migrations(options: &Options) -> Migrations {
    Migrations::new(Owner::Base, &embedded::migrations::runner(), REPEATABLES)
        .with_prelude(include_str!("../../../migrations/base/cluster.sql"))
        .with_setting("auto_expose_new_tables", options.auto_expose_new_tables.to_string())
        .with_setting("rls_auto_enable", options.rls_auto_enable.to_string())
        .with_setting("jwt_exp", options.jwt_exp.map(|seconds| seconds.to_string()).unwrap_or_default())
}

/// The login role lacks what the migrations need.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database role {role} is not a superuser on this server (PostgreSQL {version}), and preparing the database takes one: \
     it creates roles with BYPASSRLS, event triggers and extensions. Connect once as a superuser, or start only services that \
     need no preparation"
)]
pub struct MissingPrivileges {
    role: String,
    version: String,
}

/// Who we are, and whether the administrator exists.
const STANDING: &str = "
    select r.rolname::text, r.rolsuper, pg_catalog.current_setting('server_version'),
           exists (select from pg_catalog.pg_roles where rolname = 'supabase_admin')
      from pg_catalog.pg_roles r
     where r.rolname = current_user";

/// The roles without which no service starts.
const NEEDED: &[&str] = &[
    "anon",
    "authenticated",
    "authenticator",
    "postgres",
    "service_role",
    "supabase_auth_admin",
    "supabase_realtime_admin",
];

/// Whether those roles exist. The developer may create and drop roles, these among them.
pub(crate) async fn has_roles(session: &mut Session) -> Result<bool, Error> {
    let count = "select count(*) from pg_catalog.pg_roles where rolname = any ($1::text[]::name[])";
    let row = session.query_one(count, &[&NEEDED]).await?;
    Ok(row.get::<_, i64>(0) == i64::try_from(NEEDED.len()).unwrap_or(-1))
}

/// Turns the session into one of the administrator, created if need be, with no timeout inherited
/// from the login role.
pub(crate) async fn become_administrator(session: &mut Session) -> Result<(), MigrateError> {
    let row = session.query_one(STANDING, &[]).await?;
    let (role, is_superuser, version, exists): (String, bool, String, bool) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    if !is_superuser {
        return Err(MissingPrivileges { role, version }.into());
    }
    if !exists {
        let create = "create role supabase_admin superuser login createdb createrole replication bypassrls";
        match session.batch(create).await {
            // Another database of the cluster was quicker.
            Err(error) if matches!(error.code(), Some("42710" | "23505")) => {}
            done => done?,
        }
    }
    session
        .batch(
            "set role supabase_admin;
             set statement_timeout to 0;
             set lock_timeout to 0;
             set idle_in_transaction_session_timeout to 0;
             set default_transaction_read_only to off;
             set client_min_messages to warning;",
        )
        .await?;
    Ok(())
}

/// Gives a database that was cloned from a migrated template of the same cluster the owner, the
/// rights and the settings that clones lack, and records that its migrations are done. For any
/// other copy run the migrations.
///
/// # Errors
///
/// What the server said; only a superuser may.
pub async fn own_clone(session: &mut Session) -> Result<(), Error> {
    session.batch(DATABASE).await?;
    let record = format!("update basalt.owners set database = {IDENTITY}");
    session.execute(&record, &[]).await?;
    Ok(())
}

/// Sets the passwords of login roles. The session is a superuser's. What is sent is the SCRAM
/// verifier that Postgres stores, so that no log and no statistics of the server ever see a
/// password; the verifier stays out of them too.
///
/// # Errors
///
/// What the server said; then none of the passwords is changed.
pub async fn set_passwords(session: &mut Session, passwords: &[(&str, Secret)]) -> Result<(), Error> {
    // A message is logged before its first statement runs: these come in one of their own.
    session
        .batch(
            "begin;
             set local log_statement to 'none';
             set local log_min_duration_statement to -1;
             set local log_min_error_statement to 'panic';
             set local pg_stat_statements.track to 'none';",
        )
        .await?;
    let mut sql = String::new();
    for (role, password) in passwords {
        let verifier = scram_sha_256(password.expose().as_bytes());
        sql.push_str(&format!("alter role {} with password {};", ident(role), literal(&verifier)));
    }
    sql.push_str("commit;");
    let result = session.batch(&sql).await;
    if result.is_err() {
        // The connection may be gone; the error above is the one that tells.
        let _ = session.batch("rollback").await;
    }
    result
}
