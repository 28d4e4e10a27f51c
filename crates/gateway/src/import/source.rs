//! The source: one transaction that reads and sees one state, and the facts about it.

use anyhow::bail;
use db::{Pool, Session};

/// Rows look alike on servers that are set otherwise.
pub(super) const ALIKE: &str = "
    set local datestyle = 'ISO, YMD'; set local timezone = 'UTC'; set local intervalstyle = 'postgres';
    set local extra_float_digits = 1; set local bytea_output = 'hex'; set local lc_monetary = 'C';
    set local search_path = ''; set local statement_timeout = 0; set local lock_timeout = '30s';
    set local idle_in_transaction_session_timeout = 0";

/// Schemas that are the platform's or an extension's. What is in them is made here, or has no place here.
const PLATFORM: &[&str] = &[
    "information_schema",
    "auth",
    "storage",
    "realtime",
    "_realtime",
    "vault",
    "extensions",
    "graphql",
    "graphql_public",
    "pgsodium",
    "pgsodium_masks",
    "supabase_functions",
    "net",
    "cron",
    "pgmq",
    "pgbouncer",
    "pgtle",
    "basalt",
    "_analytics",
    "_supavisor",
];

/// Begins the transaction. A role that would not see all rows is told so instead of being shown some.
pub(super) async fn open(pool: &Pool) -> Result<Session, db::Error> {
    let mut source = pool.begin().await?;
    source
        .batch("set transaction isolation level repeatable read, read only; set local row_security = off")
        .await?;
    source.batch(ALIKE).await?;
    Ok(source)
}

/// What the source is.
pub(super) struct Facts {
    /// Major version of its server.
    pub(super) version: i32,
    /// Says which database it is.
    pub(super) identity: String,
    /// The project's own schemas.
    pub(super) schemas: Vec<String>,
    /// Extensions, each with its schema.
    pub(super) extensions: Vec<(String, String)>,
    /// Roles that are not the platform's.
    pub(super) roles: Vec<Role>,
    /// Jobs of pg_cron: schedule and command.
    jobs: Vec<String>,
    publications: Vec<String>,
    event_triggers: Vec<String>,
    foreign_tables: i64,
}

/// A role of the project.
pub(super) struct Role {
    pub(super) name: String,
    pub(super) can_login: bool,
    pub(super) inherits: bool,
    pub(super) bypasses_policies: bool,
    /// Roles that it is a member of.
    pub(super) member_of: Vec<String>,
    /// Roles that are members of it.
    pub(super) members: Vec<String>,
}

pub(super) async fn facts(source: &mut Session) -> anyhow::Result<Facts> {
    let version: i32 = source
        .query_one("select current_setting('server_version_num')::int / 10000", &[])
        .await?
        .try_get(0)?;
    if version < 13 {
        bail!("the source runs Postgres {version}; 13 or newer can be read");
    }
    const IDENTITY: &str = "
        select s.system_identifier || ' ' || d.oid
          from pg_catalog.pg_control_system() s, pg_catalog.pg_database d where d.datname = current_database()";
    let identity = source.query_one(IDENTITY, &[]).await?.try_get(0)?;
    const SCHEMAS: &str = "
        select nspname::text from pg_catalog.pg_namespace n
         where nspname !~ '^pg_' and nspname <> all ($1)
           and not exists (select from pg_catalog.pg_depend d
                            where d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and d.objid = n.oid
                              and d.deptype = 'e')
         order by nspname";
    const EXTENSIONS: &str = "
        select extname::text, nspname::text from pg_catalog.pg_extension e
          join pg_catalog.pg_namespace n on n.oid = e.extnamespace
         order by extname";
    const ROLES: &str = "
        select r.rolname::text, r.rolcanlogin, r.rolinherit, r.rolbypassrls,
               array(select g.rolname::text from pg_catalog.pg_auth_members m
                       join pg_catalog.pg_roles g on g.oid = m.roleid where m.member = r.oid order by 1),
               array(select g.rolname::text from pg_catalog.pg_auth_members m
                       join pg_catalog.pg_roles g on g.oid = m.member where m.roleid = r.oid order by 1)
          from pg_catalog.pg_roles r
         where r.rolname !~ '^pg_' and r.rolname !~ '^(supabase|pgsodium|pgtle|cli_login)_' and not r.rolsuper
           and r.rolname not in ('postgres', 'anon', 'authenticated', 'service_role', 'authenticator',
                                 'dashboard_user', 'pgbouncer')
         order by r.rolname";
    const PUBLICATIONS: &str = "
        select pubname::text from pg_catalog.pg_publication
         where pubname !~ '^(supabase_realtime|realtime_messages)' order by 1";
    const EVENT_TRIGGERS: &str = "
        select evtname::text from pg_catalog.pg_event_trigger
         where evtname !~ '^(pgrst_|issue_|ensure_rls)' order by 1";
    let text = |row: &db::Row| row.try_get::<_, String>(0);
    let schemas = source.query(SCHEMAS, &[&PLATFORM]).await?;
    let extensions = source.query(EXTENSIONS, &[]).await?;
    let roles = source.query(ROLES, &[]).await?;
    let publications = source.query(PUBLICATIONS, &[]).await?;
    let event_triggers = source.query(EVENT_TRIGGERS, &[]).await?;
    let foreign = "select count(*) from pg_catalog.pg_class where relkind = 'f'";
    let foreign_tables = source.query_one(foreign, &[]).await?.try_get(0)?;
    let has_cron =
        source.query_opt("select from pg_catalog.pg_class where oid = to_regclass('cron.job')", &[]).await?;
    let jobs = match has_cron {
        Some(_) => {
            source.query("select schedule || '  ' || command from cron.job order by jobid", &[]).await?
        }
        None => Vec::new(),
    };
    Ok(Facts {
        version,
        identity,
        schemas: schemas.iter().map(text).collect::<Result<_, _>>()?,
        extensions: extensions
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<anyhow::Result<_>>()?,
        roles: roles
            .iter()
            .map(|row| {
                Ok(Role {
                    name: row.try_get(0)?,
                    can_login: row.try_get(1)?,
                    inherits: row.try_get(2)?,
                    bypasses_policies: row.try_get(3)?,
                    member_of: row.try_get(4)?,
                    members: row.try_get(5)?,
                })
            })
            .collect::<anyhow::Result<_>>()?,
        jobs: jobs.iter().map(text).collect::<Result<_, _>>()?,
        publications: publications.iter().map(text).collect::<Result<_, _>>()?,
        event_triggers: event_triggers.iter().map(text).collect::<Result<_, _>>()?,
        foreign_tables,
    })
}

impl Facts {
    /// What has to be done by hand, or has no place here.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        notes.extend(self.jobs.iter().map(|job| format!("a job of pg_cron was not taken over: {job}")));
        notes.extend(
            self.publications.iter().map(|name| format!("the publication {name} was not taken over")),
        );
        notes.extend(
            self.event_triggers.iter().map(|name| format!("the event trigger {name} was not taken over")),
        );
        if self.foreign_tables > 0 {
            notes.push(format!("{} foreign tables came without their rows", self.foreign_tables));
        }
        notes
    }
}
