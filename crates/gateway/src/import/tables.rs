//! Rows: those of the project's own tables, and those of auth. A table that is equal on both sides is left alone; any
//! other is emptied and filled again, in one transaction.

use anyhow::{Context, bail};
use db::{Session, ident, literal};
use serde::Serialize;

use super::source::Facts;

/// Tables of auth whose rows stay where they are: what was migrated, and sign-ins under way.
const AUTH_NOT: &[&str] = &[
    "schema_migrations",
    "flow_state",
    "saml_relay_states",
    "oauth_client_states",
    "oauth_authorizations",
    "mfa_challenges",
    "webauthn_challenges",
];

/// Rows of auth that are swept away here sooner or later, so that no two looks would find the same: each table with what
/// its rows have to be. `ended` is a day before the run.
const KEPT: &[(&str, &str)] = &[
    ("sessions", "not_after is null or not_after >= {ended}"),
    ("mfa_amr_claims", "session_id not in (select id from auth.sessions where not_after < {ended})"),
    ("mfa_factors", "status <> 'unverified' or created_at >= {ended}"),
    (
        "refresh_tokens",
        "(not revoked or updated_at >= {ended}) and (session_id is null \
         or session_id not in (select id from auth.sessions where not_after < {ended}))",
    ),
];

/// How a table stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Compared {
    pub(crate) table: String,
    pub(crate) rows_there: i64,
    pub(crate) rows_here: i64,
    /// By count and checksum over every column that both have.
    pub(crate) equal: bool,
    /// It was filled in this run.
    pub(crate) copied: bool,
}

/// A table of the source, with the columns that both sides have.
struct Table {
    schema: String,
    name: String,
    columns: Vec<String>,
    is_here: bool,
    /// What rows have to be to come.
    kept: Option<String>,
}

impl Table {
    /// `from …`, with what rows have to be.
    fn from(&self) -> String {
        let kept = self.kept.as_ref().map(|kept| format!(" where {kept}")).unwrap_or_default();
        format!("from only {}{kept}", self.path())
    }

    fn path(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }

    fn columns(&self) -> String {
        self.columns.iter().map(|name| ident(name)).collect::<Vec<_>>().join(", ")
    }
}

/// Both sides of all tables, as they are.
pub(super) async fn compare(
    source: &mut Session,
    here: &mut Session,
    facts: &Facts,
) -> anyhow::Result<Vec<Compared>> {
    let mut compared = Vec::new();
    for table in tables(source, here, facts).await? {
        if !table.is_here {
            let there = sum(source, &table).await?;
            compared.push(stand(&table, &there, &Sum { rows: 0, checksum: String::new() }, false));
            continue;
        }
        super::begin(here).await?;
        let sums = both(source, here, &table).await;
        let (there, own) = super::end(here, sums).await?;
        compared.push(stand(&table, &there, &own, false));
    }
    Ok(compared)
}

/// Fills those that differ.
pub(super) async fn bring(
    source: &mut Session,
    here: &mut Session,
    facts: &Facts,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<Vec<Compared>> {
    let tables = tables(source, here, facts).await?;
    let mut brought = Vec::new();
    for (n, table) in tables.iter().enumerate() {
        tell(&format!("table {} of {}: {}", n + 1, tables.len(), table.path()));
        super::begin(here).await?;
        let done = bring_one(source, here, table).await.with_context(|| table.path());
        brought.push(super::end(here, done).await?);
    }
    Ok(brought)
}

async fn bring_one(source: &mut Session, here: &mut Session, table: &Table) -> anyhow::Result<Compared> {
    if !table.is_here {
        bail!("it is not here");
    }
    let (there, own) = both(source, here, table).await?;
    if there == own {
        return Ok(stand(table, &there, &own, false));
    }
    // Not truncate: it asks for all tables that refer to this one.
    here.batch(&format!("delete from only {}", table.path())).await?;
    let out = format!("copy (select {} {}) to stdout", table.columns(), table.from());
    let into = format!("copy {} ({}) from stdin", table.path(), table.columns());
    here.copy_from(&into, source, &out).await?;
    let own = sum(here, table).await?;
    Ok(stand(table, &there, &own, true))
}

fn stand(table: &Table, there: &Sum, own: &Sum, copied: bool) -> Compared {
    Compared {
        table: format!("{}.{}", table.schema, table.name),
        rows_there: there.rows,
        rows_here: own.rows,
        equal: there == own,
        copied,
    }
}

#[derive(PartialEq, Eq)]
struct Sum {
    rows: i64,
    checksum: String,
}

async fn both(source: &mut Session, here: &mut Session, table: &Table) -> Result<(Sum, Sum), db::Error> {
    Ok((sum(source, table).await?, sum(here, table).await?))
}

/// Whatever the order of rows: the sum of their digests.
async fn sum(session: &mut Session, table: &Table) -> Result<Sum, db::Error> {
    let lines = format!("select md5(row({})::text) as line {}", table.columns(), table.from());
    let sql = format!(
        "with lines as ({lines})
         select count(*), coalesce(sum(('x' || left(line, 15))::bit(60)::bigint), 0)::text
                       || coalesce(sum(('x' || right(line, 15))::bit(60)::bigint), 0)::text
           from lines"
    );
    let row = session.query_one(&sql, &[]).await?;
    Ok(Sum { rows: row.try_get(0)?, checksum: row.try_get(1)? })
}

/// All tables that hold rows of the project; sessions before what [`KEPT`] says of theirs.
async fn tables(source: &mut Session, here: &mut Session, facts: &Facts) -> anyhow::Result<Vec<Table>> {
    const SQL: &str = "
        select n.nspname::text, c.relname::text,
               array(select a.attname::text from pg_catalog.pg_attribute a
                      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                      order by a.attnum)
          from pg_catalog.pg_class c
          join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'r'
           and (n.nspname = any ($1)
                or n.nspname = 'auth' and c.relname <> all ($2) and c.relname !~ '^basalt_'
                or n.nspname = 'storage' and c.relname = 'buckets')
           and not exists (select from pg_catalog.pg_depend d
                            where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
                              and d.deptype = 'e')
         order by n.nspname <> 'auth', n.nspname, c.relname <> 'sessions', c.relname";
    let rows = source.query(SQL, &[&facts.schemas, &AUTH_NOT]).await?;
    let own = here.query(SQL, &[&facts.schemas, &AUTH_NOT]).await?;
    let read = |row: &db::Row| -> anyhow::Result<Table> {
        let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let kept = KEPT.iter().find(|(table, _)| schema == "auth" && name == *table);
        let kept = kept.map(|(_, kept)| kept.replace("{ended}", &literal(&facts.ended)));
        Ok(Table { schema, name, columns: row.try_get(2)?, is_here: true, kept })
    };
    let own = own.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let mut tables = Vec::new();
    for row in &rows {
        let mut table = read(row)?;
        match own.iter().find(|one| one.schema == table.schema && one.name == table.name) {
            Some(one) => {
                table.columns.retain(|column| one.columns.contains(column));
                if !table.columns.is_empty() {
                    tables.push(table);
                }
            }
            // A table of the platform that this version of it does not have.
            None if matches!(table.schema.as_str(), "auth" | "storage") => {}
            None => tables.push(Table { is_here: false, ..table }),
        }
    }
    Ok(tables)
}

/// Tables of storage that say nothing of a project that its files do not say: prefixes are made of names, uploads that are
/// under way stay there.
const STORAGE_NOT: &[&str] =
    &["objects", "migrations", "prefixes", "s3_multipart_uploads", "s3_multipart_uploads_parts"];

/// What rows of the platform's tables say there that nothing here can hold.
pub(super) async fn left_behind(source: &mut Session, here: &mut Session) -> anyhow::Result<Vec<String>> {
    const SQL: &str = "
        select n.nspname::text, c.relname::text, a.attname::text
          from pg_catalog.pg_class c
          join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          join pg_catalog.pg_attribute a on a.attrelid = c.oid
         where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
           and (n.nspname = 'auth' and c.relname <> all ($1) or n.nspname = 'storage' and c.relname <> all ($2))
         order by 1, 2, a.attnum";
    let read = |row: &db::Row| -> Result<(String, String, String), db::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    };
    let there = source.query(SQL, &[&AUTH_NOT, &STORAGE_NOT]).await?;
    let own = here.query(SQL, &[&AUTH_NOT, &STORAGE_NOT]).await?;
    let own = own.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut notes = Vec::new();
    let mut told: Vec<(String, String)> = Vec::new();
    for row in &there {
        let (schema, table, column) = read(row)?;
        let is_known = |known: &(String, String, String)| known.0 == schema && known.1 == table;
        let path = format!("{}.{}", ident(&schema), ident(&table));
        let (what, rows) = if !own.iter().any(is_known) {
            let pair = (schema.clone(), table.clone());
            if told.contains(&pair) {
                continue;
            }
            told.push(pair);
            (format!("{schema}.{table}"), ["select count(*) from ", &path].concat())
        } else if own.iter().any(|known| is_known(known) && known.2 == column) {
            continue;
        } else {
            let filled = ["select count(", &ident(&column), ") from ", &path].concat();
            (format!("{schema}.{table}.{column}"), filled)
        };
        let rows: i64 = source.query_one(&rows, &[]).await?.try_get(0)?;
        if rows > 0 {
            notes.push(format!("{what} has no place here: {rows} rows of it were not taken over"));
        }
    }
    Ok(notes)
}

/// Sets sequences to where they are there.
pub(super) async fn sequences(
    source: &mut Session,
    here: &mut Session,
    facts: &Facts,
) -> Result<(), db::Error> {
    const SQL: &str = "
        select schemaname::text, sequencename::text, last_value
          from pg_catalog.pg_sequences
         where (schemaname = any ($1) or schemaname = 'auth') and last_value is not null";
    for row in source.query(SQL, &[&facts.schemas]).await? {
        let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let path = format!("{}.{}", ident(&schema), ident(&name));
        let set = "select setval(to_regclass($1), $2) where to_regclass($1) is not null";
        here.query(set, &[&path, &row.try_get::<_, i64>(2)?]).await?;
    }
    // A role that may not see where this one stands is told that it has never been used.
    const TOKENS: &str = "
        select pg_catalog.setval('auth.refresh_tokens_id_seq', t.most)
          from (select max(id) as most from auth.refresh_tokens) t, auth.refresh_tokens_id_seq s
         where t.most >= s.last_value";
    here.query(TOKENS, &[]).await?;
    Ok(())
}
