//! What a project has put into schemas of the platform: functions, and on tables there policies, triggers, and a place in
//! the publication of realtime. A dump of the project's own schemas forgets them.

use db::{Session, ident};

use super::source::{Facts, Hook, PLATFORM};

const POLICIES: &str = "
    select schemaname::text, tablename::text, policyname::text, permissive::text, roles::text[], cmd::text, qual::text,
           with_check::text
      from pg_catalog.pg_policies
     where schemaname in ('auth', 'storage', 'realtime')
     order by 1, 2, 3";

/// Triggers that call a function of the project, which may lie in a schema of the platform.
const TRIGGERS: &str = "
    select n.nspname::text, c.relname::text, t.tgname::text, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled::text
      from pg_catalog.pg_trigger t
      join pg_catalog.pg_class c on c.oid = t.tgrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_proc p on p.oid = t.tgfoid
      join pg_catalog.pg_roles owner on owner.oid = p.proowner
     where not t.tgisinternal and n.nspname in ('auth', 'storage', 'realtime')
       and (p.pronamespace::pg_catalog.regnamespace::text <> all ($1) or owner.rolname = 'postgres')
     order by 1, 2, 3";

/// Tables in the publication of realtime: schema, name, and what of them is published, as `alter publication` has it.
const PUBLISHED: &str = "
    select t.schemaname::text, t.tablename::text,
           coalesce(' (' || (select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum)
                               from pg_catalog.pg_attribute a
                              where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::int2[])) || ')', '')
           || coalesce(' where (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')', '')
      from pg_catalog.pg_publication_tables t
      join pg_catalog.pg_publication p on p.pubname = t.pubname
      join pg_catalog.pg_namespace n on n.nspname = t.schemaname
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
      left join pg_catalog.pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
     where t.pubname = 'supabase_realtime' and t.schemaname = any ($1)
     order by 1, 2";

/// The same of a server that knows only whole tables.
const PUBLISHED_WHOLE: &str = "
    select schemaname::text, tablename::text, ''
      from pg_catalog.pg_publication_tables
     where pubname = 'supabase_realtime' and schemaname = any ($1)
     order by 1, 2";

/// Since when parts of tables can be published.
const KNOWS_PARTS: i32 = 15;

/// Functions of the developer in schemas of the platform: signature, definition, and who else may call each.
const ROUTINES: &str = "
    select n.nspname::text, p.oid::pg_catalog.regprocedure::text, pg_catalog.pg_get_functiondef(p.oid),
           p.proacl is not null,
           array(select case when a.grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::text end
                   from pg_catalog.aclexplode(p.proacl) a where a.privilege_type = 'EXECUTE' order by 1)
      from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      join pg_catalog.pg_roles owner on owner.oid = p.proowner
     where n.nspname in ('auth', 'storage', 'realtime', 'extensions') and owner.rolname = 'postgres'
       and p.prokind in ('f', 'p')
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
                          and d.deptype = 'e')
     order by p.oid";

/// Brings functions, as many as can be now: those that speak of the project's own types have to wait for them. What
/// refers to them waits for all.
pub(super) async fn routines(source: &mut Session, here: &mut Session, is_last: bool) -> anyhow::Result<()> {
    for row in source.query(ROUTINES, &[]).await? {
        let (signature, definition): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        // Ours stay ours.
        const OWNED: &str = "
            select from pg_catalog.pg_proc
             where oid = to_regprocedure($1) and proowner <> (select oid from pg_catalog.pg_roles where rolname = 'postgres')";
        here.batch("begin; set local search_path = ''; set local check_function_bodies = off").await?;
        let made: Result<(), db::Error> = async {
            if here.query_opt(OWNED, &[&signature]).await?.is_some() {
                return Ok(());
            }
            let kind =
                if definition.starts_with("CREATE OR REPLACE PROCEDURE") { "procedure" } else { "function" };
            let mut sql = format!("{definition};\nalter {kind} {signature} owner to postgres;\n");
            if row.try_get(3)? {
                sql.push_str(&format!("revoke all on {kind} {signature} from public;\n"));
                for role in present(here, &row.try_get::<_, Vec<String>>(4)?).await? {
                    sql.push_str(&format!("grant execute on {kind} {signature} to {};\n", grantee(&role)));
                }
            }
            here.batch(&sql).await
        }
        .await;
        match super::end(here, made).await {
            Err(error) if is_last => return Err(anyhow::Error::new(error).context(signature)),
            _ => {}
        }
    }
    Ok(())
}

/// Takes policies and triggers of before away: what the source no longer has would stay, and triggers would do again what
/// they have done there.
pub(super) async fn clear(here: &mut Session) -> Result<(), db::Error> {
    let mut sql = String::new();
    for row in here.query(POLICIES, &[]).await? {
        let (schema, table, name): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        sql.push_str(&format!("drop policy {} on {}.{};\n", ident(&name), ident(&schema), ident(&table)));
    }
    for row in here.query(TRIGGERS, &[&PLATFORM]).await? {
        let (schema, table, name): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        sql.push_str(&format!("drop trigger {} on {}.{};\n", ident(&name), ident(&schema), ident(&table)));
    }
    here.batch("begin; set local search_path = '';").await?;
    let done = here.batch(&sql).await;
    super::end(here, done).await
}

/// Makes them here as they are there, after [`clear`]. Returns what has no place here.
pub(super) async fn bring(
    source: &mut Session,
    here: &mut Session,
    facts: &Facts,
) -> Result<Vec<String>, db::Error> {
    let mut notes = Vec::new();
    let mut sql = String::new();
    for row in source.query(POLICIES, &[]).await? {
        let (schema, table, name): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (permissive, roles): (String, Vec<String>) = (row.try_get(3)?, row.try_get(4)?);
        let (command, using): (String, Option<String>) = (row.try_get(5)?, row.try_get(6)?);
        let check: Option<String> = row.try_get(7)?;
        let on = format!("{}.{}", ident(&schema), ident(&table));
        if !is_table(here, &on).await? {
            notes.push(format!(
                "the policy {name} on {schema}.{table} was not taken over: there is no such table"
            ));
            continue;
        }
        let roles = present(here, &roles).await?;
        if roles.is_empty() {
            notes.push(format!(
                "the policy {name} on {schema}.{table} was not taken over: its roles are not here"
            ));
            continue;
        }
        let roles: Vec<_> = roles.iter().map(|role| grantee(role)).collect();
        sql.push_str(&format!(
            "create policy {} on {on} as {permissive} for {command} to {}",
            ident(&name),
            roles.join(", ")
        ));
        using.iter().for_each(|using| sql.push_str(&format!(" using ({using})")));
        check.iter().for_each(|check| sql.push_str(&format!(" with check ({check})")));
        sql.push_str(";\n");
    }
    for row in source.query(TRIGGERS, &[&PLATFORM]).await? {
        let (schema, table, name): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (definition, enabled): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        let on = format!("{}.{}", ident(&schema), ident(&table));
        if !is_table(here, &on).await? {
            notes.push(format!(
                "the trigger {name} on {schema}.{table} was not taken over: there is no such table"
            ));
            continue;
        }
        sql.push_str(&format!("{definition};\n"));
        let state = match enabled.as_str() {
            "D" => "disable",
            "A" => "enable always",
            "R" => "enable replica",
            _ => continue,
        };
        sql.push_str(&format!("alter table {on} {state} trigger {};\n", ident(&name)));
    }
    let read = |row: &db::Row| -> Result<(String, String, String), db::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    };
    let published = here.query(PUBLISHED, &[&facts.schemas]).await?;
    let published = published.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let known = if facts.version < KNOWS_PARTS { PUBLISHED_WHOLE } else { PUBLISHED };
    let wanted = source.query(known, &[&facts.schemas]).await?;
    let wanted = wanted.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let changes = [("drop", &published, &wanted), ("add", &wanted, &published)];
    for (change, these, those) in changes {
        for (schema, table, part) in these.iter().filter(|table| !those.contains(table)) {
            let on = format!("{}.{}", ident(schema), ident(table));
            let part = if change == "add" { part.as_str() } else { "" };
            sql.push_str(&format!("alter publication supabase_realtime {change} table {on}{part};\n"));
        }
    }
    here.batch("begin; set local search_path = '';").await?;
    let made = here.batch(&sql).await;
    super::end(here, made).await?;
    Ok(notes)
}

/// Those of `hooks` whose function is not here.
pub(super) async fn missing<'a>(here: &mut Session, hooks: &'a [Hook]) -> Result<Vec<&'a Hook>, db::Error> {
    let mut missing = Vec::new();
    for hook in hooks {
        let function = format!("{}.{}()", ident(&hook.function.0), ident(&hook.function.1));
        let here = here.query_one("select to_regprocedure($1) is null", &[&function]).await?;
        if here.try_get(0)? {
            missing.push(hook);
        }
    }
    Ok(missing)
}

/// Those of `roles` that are here, and everybody.
async fn present(here: &mut Session, roles: &[String]) -> Result<Vec<String>, db::Error> {
    const SQL: &str = "
        select wanted from unnest($1::text[]) wanted
         where wanted = 'public' or wanted in (select rolname::text from pg_catalog.pg_roles)";
    here.query(SQL, &[&roles]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// No role can be called `public`.
fn grantee(role: &str) -> String {
    if role == "public" { role.to_owned() } else { ident(role) }
}

async fn is_table(here: &mut Session, path: &str) -> Result<bool, db::Error> {
    Ok(here.query_one("select to_regclass($1) is not null", &[&path]).await?.try_get(0)?)
}
