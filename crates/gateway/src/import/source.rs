//! The source: one transaction that reads and sees one state, and the facts about it.

use anyhow::{Context, bail};
use db::{Pool, Session, Target};

/// Rows look alike on servers that are set otherwise.
pub(super) const ALIKE: &str = "
    set local datestyle = 'ISO, YMD'; set local timezone = 'UTC'; set local intervalstyle = 'postgres';
    set local extra_float_digits = 1; set local bytea_output = 'hex'; set local lc_monetary = 'C';
    set local search_path = ''; set local statement_timeout = 0; set local lock_timeout = '30s';
    set local idle_in_transaction_session_timeout = 0";

/// Schemas that are the platform's or an extension's. What is in them is made here, or has no place here.
pub(super) const PLATFORM: &[&str] = &[
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
    "etl",
    "pgmq",
    "pgbouncer",
    "pgtle",
    "basalt",
    "_analytics",
    "_supavisor",
];

/// Refuses a pooler that lends out connections between transactions: pg_dump sets an empty search path for its session, which
/// would be that of the project's applications next.
pub(super) async fn not_shared(target: &Target) -> anyhow::Result<()> {
    if db::is_shared(target).await.context("the source")? {
        bail!(
            "{} is a pooler in transaction mode: what is set while reading would reach the project's applications. Name \
             the database itself, or the pooler's port in session mode (5432, where 6543 is that of transactions)",
            target.place()
        );
    }
    Ok(())
}

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
    /// Roles, those of Postgres itself and those that every installation has left out.
    pub(super) roles: Vec<Role>,
    /// Tables of the project with row-level security on: schema and name.
    pub(super) protected: Vec<(String, String)>,
    /// Triggers on tables of the project, or of the platform's own that are not its own, that call a function of the platform.
    pub(super) hooks: Vec<Hook>,
    /// Tables whose rows are elsewhere: schema and name.
    pub(super) foreign_tables: Vec<(String, String)>,
    /// Files in its storage.
    pub(super) files: i64,
    /// A day before this run: what had ended by then stays there.
    pub(super) ended: String,
    /// Jobs of pg_cron: schedule and command.
    jobs: Vec<String>,
    publications: Vec<String>,
    event_triggers: Vec<String>,
    /// Names of settings of the database.
    settings: Vec<String>,
    large_objects: i64,
}

/// A role of the project.
pub(super) struct Role {
    pub(super) name: String,
    pub(super) can_login: bool,
    pub(super) inherits: bool,
    pub(super) bypasses_policies: bool,
    /// The platform's own, or a superuser: wanted only where the schemas name it, and then without any right.
    pub(super) is_bare: bool,
    /// Roles that it is a member of.
    pub(super) member_of: Vec<String>,
    /// Roles that are members of it.
    pub(super) members: Vec<String>,
}

/// A trigger that calls a function of the platform, as the webhooks of a hosted project do.
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) schema: String,
    pub(super) table: String,
    /// The function's schema and name.
    pub(super) function: (String, String),
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
               r.rolsuper or r.rolname ~ '^(supabase|pgsodium|pgtle|cli_login)_',
               array(select g.rolname::text from pg_catalog.pg_auth_members m
                       join pg_catalog.pg_roles g on g.oid = m.roleid where m.member = r.oid order by 1),
               array(select g.rolname::text from pg_catalog.pg_auth_members m
                       join pg_catalog.pg_roles g on g.oid = m.member where m.roleid = r.oid order by 1)
          from pg_catalog.pg_roles r
         where r.rolname !~ '^pg_' and r.rolname not in ('postgres', 'anon', 'authenticated', 'service_role', 'authenticator',
                                 'dashboard_user', 'pgbouncer')
         order by r.rolname";
    const PUBLICATIONS: &str = "
        select pubname::text from pg_catalog.pg_publication
         where pubname !~ '^(supabase_realtime|realtime_messages)' order by 1";
    const EVENT_TRIGGERS: &str = "
        select evtname::text from pg_catalog.pg_event_trigger
         where evtname !~ '^(pgrst_|issue_|ensure_rls)' order by 1";
    const PROTECTED: &str = "
        select n.nspname::text, c.relname::text
          from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relrowsecurity and c.relkind in ('r', 'p') and n.nspname = any ($1) order by 1, 2";
    const FOREIGN: &str = "
        select n.nspname::text, c.relname::text
          from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'f' and n.nspname = any ($1) order by 1, 2";
    const HOOKS: &str = "
        select t.tgname::text, n.nspname::text, c.relname::text, f.nspname::text, p.proname::text
          from pg_catalog.pg_trigger t
          join pg_catalog.pg_class c on c.oid = t.tgrelid
          join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          join pg_catalog.pg_proc p on p.oid = t.tgfoid
          join pg_catalog.pg_namespace f on f.oid = p.pronamespace
         where not t.tgisinternal
           and (n.nspname = any ($1) and f.nspname = any ($2)
                or n.nspname in ('auth', 'storage', 'realtime') and f.nspname = any ($2)
                   and f.nspname not in ('auth', 'storage', 'realtime', 'extensions'))
         order by 2, 3, 1";
    // Values may be secrets.
    const SETTINGS: &str = "
        select distinct pg_catalog.split_part(entry, '=', 1)
          from pg_catalog.pg_db_role_setting s
          join pg_catalog.pg_database d on d.oid = s.setdatabase, pg_catalog.unnest(s.setconfig) entry
         where d.datname = current_database() and s.setrole = 0 and entry !~ '^(search_path|app\\.settings\\.jwt_)'
         order by 1";
    const LARGE_OBJECTS: &str = "select count(*) from pg_catalog.pg_largeobject_metadata";
    let text = |row: &db::Row| row.try_get::<_, String>(0);
    let pair =
        |row: &db::Row| -> Result<(String, String), db::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
    let schemas = source.query(SCHEMAS, &[&PLATFORM]).await?;
    let extensions = source.query(EXTENSIONS, &[]).await?;
    let roles = source.query(ROLES, &[]).await?;
    let publications = source.query(PUBLICATIONS, &[]).await?;
    let event_triggers = source.query(EVENT_TRIGGERS, &[]).await?;
    let settings = source.query(SETTINGS, &[]).await?;
    let large_objects = source.query_one(LARGE_OBJECTS, &[]).await?.try_get(0)?;
    let names: Vec<String> = schemas.iter().map(text).collect::<Result<_, _>>()?;
    let protected = source.query(PROTECTED, &[&names]).await?;
    let foreign_tables = source.query(FOREIGN, &[&names]).await?;
    let hooks = source.query(HOOKS, &[&names, &PLATFORM]).await?;
    let files = source.query_one("select count(*) from storage.objects", &[]).await;
    let files = files.context("this is no database of Supabase")?.try_get(0)?;
    let ended = source.query_one("select (now() - interval '1 day')::text", &[]).await?.try_get(0)?;
    Ok(Facts {
        version,
        identity,
        schemas: names,
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
                    is_bare: row.try_get(4)?,
                    member_of: row.try_get(5)?,
                    members: row.try_get(6)?,
                })
            })
            .collect::<anyhow::Result<_>>()?,
        protected: protected.iter().map(pair).collect::<Result<_, _>>()?,
        hooks: hooks.iter().map(hook).collect::<Result<_, _>>()?,
        foreign_tables: foreign_tables.iter().map(pair).collect::<Result<_, _>>()?,
        files,
        ended,
        jobs: jobs(source).await?,
        publications: publications.iter().map(text).collect::<Result<_, _>>()?,
        event_triggers: event_triggers.iter().map(text).collect::<Result<_, _>>()?,
        settings: settings.iter().map(text).collect::<Result<_, _>>()?,
        large_objects,
    })
}

fn hook(row: &db::Row) -> Result<Hook, db::Error> {
    Ok(Hook {
        name: row.try_get(0)?,
        schema: row.try_get(1)?,
        table: row.try_get(2)?,
        function: (row.try_get(3)?, row.try_get(4)?),
    })
}

/// Jobs of pg_cron, as far as this role may see them.
async fn jobs(source: &mut Session) -> Result<Vec<String>, db::Error> {
    const THERE: &str = "select from pg_catalog.pg_class where oid = to_regclass('cron.job')";
    if source.query_opt(THERE, &[]).await?.is_none() {
        return Ok(Vec::new());
    }
    source.batch("savepoint jobs").await?;
    match source.query("select schedule || '  ' || command from cron.job order by jobid", &[]).await {
        Ok(rows) => rows.iter().map(|row| Ok(row.try_get(0)?)).collect(),
        Err(error) if error.server().is_some() => {
            source.batch("rollback to savepoint jobs").await?;
            Ok(vec![format!("unknown ones, for {error}")])
        }
        Err(error) => Err(error),
    }
}

impl Hook {
    /// Says that it stays there.
    pub(super) fn left(&self) -> String {
        let (Self { name, schema, table, .. }, (of, function)) = (self, &self.function);
        format!("the trigger {name} on {schema}.{table} was not taken over: {of}.{function} is not here")
    }
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
        notes.extend(self.settings.iter().map(|name| {
            format!("the setting {name} of the database was not taken over (alter database … set)")
        }));
        if self.large_objects > 0 {
            notes.push(format!("{} large objects were not taken over", self.large_objects));
        }
        notes.extend(
            self.foreign_tables
                .iter()
                .map(|(schema, name)| format!("the foreign table {schema}.{name} was not taken over")),
        );
        notes
    }
}
