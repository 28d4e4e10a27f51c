//! What the catalogue says of a table whose rows change: its columns and policies, their types, the rights of a role.

use db::{Error, Session};

use crate::changes::kind::{Kind, Type, Types, built_in};

/// Names are to come with their schemas.
const PATH: &str = "set local search_path to ''";

const FIND: &str = "
    select c.relrowsecurity, c.relforcerowsecurity, c.relowner,
           pg_catalog.format('%I.%I', n.nspname, c.relname)
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.oid = $1";

const COLUMNS: &str = "
    select a.attnum, a.attname::text, a.atttypid, t.typname::text, a.attgenerated <> '',
           coalesce(a.attnum = any (i.indkey), false),
           coalesce((select k.collisdeterministic from pg_catalog.pg_collation k where k.oid = a.attcollation), true)
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_type t on t.oid = a.atttypid
      left join pg_catalog.pg_index i on i.indrelid = a.attrelid and i.indisprimary
     where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
     order by a.attnum";

const POLICIES: &str = "
    select p.oid, p.polpermissive, pg_catalog.pg_get_expr(p.polqual, p.polrelid)
      from pg_catalog.pg_policy p
     where p.polrelid = $1 and p.polcmd in ('r', '*')
     order by p.oid";

const TYPES: &str = "
    with recursive needed(oid) as (
      select unnest($1::oid[])
      union
      select x.oid
        from needed n
        join pg_catalog.pg_type t on t.oid = n.oid
       cross join lateral (
         select t.typelem where t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
          union all
         select t.typbasetype where t.typtype = 'd'
          union all
         select a.atttypid from pg_catalog.pg_attribute a
          where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) x(oid)
    )
    select t.oid, t.typname::text, pg_catalog.format('%I.%I', n.nspname, t.typname), t.typtype::text,
           case when t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc then t.typelem end,
           coalesce(e.typdelim, ',')::text, t.typbasetype,
           array(select a.attname::text from pg_catalog.pg_attribute a
                  where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
                  order by a.attnum),
           array(select a.atttypid from pg_catalog.pg_attribute a
                  where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
                  order by a.attnum),
           t.oid >= 16384 and exists (
             select from pg_catalog.pg_cast k
              where k.castsource = t.oid and k.casttarget = 'pg_catalog.json'::regtype and k.castmethod = 'f')
      from needed
      join pg_catalog.pg_type t using (oid)
      join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      left join pg_catalog.pg_type e on e.oid = t.typelem";

const RIGHTS: &str = "
    select r.rolsuper or r.rolbypassrls, pg_catalog.pg_has_role(r.oid, $3::oid, 'USAGE'),
           array(select a.attnum from pg_catalog.pg_attribute a
                  where a.attrelid = $2 and a.attnum > 0 and not a.attisdropped
                    and pg_catalog.has_column_privilege(r.oid, a.attrelid, a.attnum, 'SELECT')),
           array(select p.oid from pg_catalog.pg_policy p
                  where p.polrelid = $2
                    and exists (select from unnest(p.polroles) m(role)
                                 where m.role = 0 or pg_catalog.pg_has_role(r.oid, m.role, 'USAGE')))
      from pg_catalog.pg_roles r
     where r.rolname = $1";

/// The functions about claims, if they are plain SQL.
const CLAIMS: &str = "
    select n.nspname || '.' || p.proname, p.prosrc
      from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      join pg_catalog.pg_language l on l.oid = p.prolang
     where n.nspname = 'auth' and p.proname in ('uid', 'role', 'email', 'jwt') and p.pronargs = 0
       and l.lanname = 'sql' and p.prosqlbody is null and not p.prosecdef";

const PUBLISHED: &str = "
    select pg_catalog.md5(coalesce(pg_catalog.string_agg(pg_catalog.format('%I.%I', schemaname, tablename), ','
                                                         order by schemaname, tablename), ''))
      from pg_catalog.pg_publication_tables
     where pubname = $1";

/// A table as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Its name in SQL, with its schema.
    pub(crate) sql: String,
    /// Policies decide who sees its rows.
    pub(crate) has_policies: bool,
    /// They bind its owner, too.
    pub(crate) binds_owner: bool,
    pub(crate) owner: u32,
    /// In their order.
    pub(crate) columns: Vec<Column>,
    /// Those about reading.
    pub(crate) policies: Vec<Policy>,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) number: i16,
    pub(crate) name: String,
    pub(crate) kind: u32,
    /// The name of its type.
    pub(crate) type_name: String,
    pub(crate) is_generated: bool,
    pub(crate) is_pkey: bool,
    /// Values are equal if their texts are.
    pub(crate) is_exact: bool,
}

/// A policy about reading.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) id: u32,
    pub(crate) is_permissive: bool,
    /// The condition, as SQL; none is none.
    pub(crate) using: Option<String>,
}

/// What a role may see of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    /// No policy binds it.
    pub(crate) is_free: bool,
    /// It has the rights of the owner.
    pub(crate) is_owner: bool,
    /// The numbers of the columns that it may read.
    pub(crate) columns: Vec<i16>,
    /// The policies that are about it.
    pub(crate) policies: Vec<u32>,
}

/// The table with this OID, if there is one; its types are added to `types`. In a transaction of its own.
pub(crate) async fn find(session: &mut Session, id: u32, types: &mut Types) -> Result<Option<Table>, Error> {
    session.batch(PATH).await?;
    let Some(row) = session.query_opt(FIND, &[&id]).await? else { return Ok(None) };
    let columns = session.query(COLUMNS, &[&id]).await?;
    let columns = columns.iter().map(|row| {
        Ok(Column {
            number: row.try_get(0)?,
            name: row.try_get(1)?,
            kind: row.try_get(2)?,
            type_name: row.try_get(3)?,
            is_generated: row.try_get(4)?,
            is_pkey: row.try_get(5)?,
            is_exact: row.try_get(6)?,
        })
    });
    let columns = columns.collect::<Result<Vec<_>, Error>>()?;
    let policies = session.query(POLICIES, &[&id]).await?;
    let policies = policies.iter().map(|row| {
        Ok(Policy { id: row.try_get(0)?, is_permissive: row.try_get(1)?, using: row.try_get(2)? })
    });
    let policies = policies.collect::<Result<Vec<_>, Error>>()?;
    let unknown: Vec<u32> =
        columns.iter().map(|column| column.kind).filter(|kind| types.get(*kind).is_none()).collect();
    if !unknown.is_empty() {
        for row in session.query(TYPES, &[&unknown]).await? {
            let (oid, kind) = read_type(&row)?;
            types.put(oid, kind);
        }
    }
    Ok(Some(Table {
        sql: row.try_get(3)?,
        has_policies: row.try_get(0)?,
        binds_owner: row.try_get(1)?,
        owner: row.try_get(2)?,
        columns,
        policies,
    }))
}

fn read_type(row: &db::Row) -> Result<(u32, Type), Error> {
    let oid: u32 = row.try_get(0)?;
    let element: Option<u32> = row.try_get(4)?;
    let letter: String = row.try_get(3)?;
    let kind = match (&*letter, element) {
        ("d", _) => Kind::Domain { base: row.try_get(6)? },
        ("e", _) => Kind::Enum,
        ("c", _) => {
            let names: Vec<String> = row.try_get(7)?;
            let kinds: Vec<u32> = row.try_get(8)?;
            Kind::Row(names.into_iter().zip(kinds).collect())
        }
        (_, Some(element)) => {
            let delimiter: String = row.try_get(5)?;
            Kind::Array { element, delimiter: delimiter.chars().next().unwrap_or(',') }
        }
        _ if row.try_get(9)? => Kind::Cast,
        _ => built_in(oid),
    };
    Ok((oid, Type { name: row.try_get(1)?, sql: row.try_get(2)?, kind }))
}

/// What a role may see of a table; none if there is no such role.
pub(crate) async fn rights(
    session: &mut Session,
    role: &str,
    id: u32,
    owner: u32,
) -> Result<Option<Rights>, Error> {
    let Some(row) = session.query_opt(RIGHTS, &[&role, &id, &owner]).await? else { return Ok(None) };
    Ok(Some(Rights {
        is_free: row.try_get(0)?,
        is_owner: row.try_get(1)?,
        columns: row.try_get(2)?,
        policies: row.try_get(3)?,
    }))
}

/// The functions that say what is in the claims, each with its body, as far as they are plain SQL.
pub(crate) async fn claims(session: &mut Session) -> Result<Vec<(String, String)>, Error> {
    let rows = session.query(CLAIMS, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// A fingerprint of the tables of a publication.
pub(crate) async fn published(session: &mut Session, publication: &str) -> Result<String, Error> {
    Ok(session.query_one(PUBLISHED, &[&publication]).await?.try_get(0)?)
}
