//! What a project has put on tables of the platform: policies, triggers, and tables in the publication of realtime. A dump
//! of the project's own schemas forgets them.

use db::{Session, ident};

use super::source::Facts;

const POLICIES: &str = "
    select schemaname::text, tablename::text, policyname::text, permissive::text, roles::text[], cmd::text, qual::text,
           with_check::text
      from pg_catalog.pg_policies
     where schemaname in ('auth', 'storage', 'realtime')
     order by 1, 2, 3";

const TRIGGERS: &str = "
    select n.nspname::text, c.relname::text, t.tgname::text, pg_catalog.pg_get_triggerdef(t.oid)
      from pg_catalog.pg_trigger t
      join pg_catalog.pg_class c on c.oid = t.tgrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_proc p on p.oid = t.tgfoid
     where not t.tgisinternal and n.nspname in ('auth', 'storage', 'realtime')
       and p.pronamespace::pg_catalog.regnamespace::text = any ($1)
     order by 1, 2, 3";

const PUBLISHED: &str = "
    select schemaname::text, tablename::text
      from pg_catalog.pg_publication_tables
     where pubname = 'supabase_realtime' and schemaname = any ($1)
     order by 1, 2";

/// Makes them here as they are there.
pub(super) async fn bring(source: &mut Session, here: &mut Session, facts: &Facts) -> Result<(), db::Error> {
    let mut sql = String::new();
    for row in source.query(POLICIES, &[]).await? {
        let (schema, table, name): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (permissive, roles): (String, Vec<String>) = (row.try_get(3)?, row.try_get(4)?);
        let (command, using): (String, Option<String>) = (row.try_get(5)?, row.try_get(6)?);
        let check: Option<String> = row.try_get(7)?;
        let on = format!("{}.{}", ident(&schema), ident(&table));
        let roles: Vec<_> = roles
            .iter()
            .map(|role| if role == "public" { "public".to_owned() } else { ident(role) })
            .collect();
        sql.push_str(&format!("drop policy if exists {} on {on};\n", ident(&name)));
        sql.push_str(&format!(
            "create policy {} on {on} as {permissive} for {command} to {}",
            ident(&name),
            roles.join(", ")
        ));
        using.iter().for_each(|using| sql.push_str(&format!(" using ({using})")));
        check.iter().for_each(|check| sql.push_str(&format!(" with check ({check})")));
        sql.push_str(";\n");
    }
    for row in source.query(TRIGGERS, &[&facts.schemas]).await? {
        let (schema, table, name): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let on = format!("{}.{}", ident(&schema), ident(&table));
        sql.push_str(&format!(
            "drop trigger if exists {} on {on};\n{};\n",
            ident(&name),
            row.try_get::<_, String>(3)?
        ));
    }
    let published = here.query(PUBLISHED, &[&facts.schemas]).await?;
    let pair =
        |row: &db::Row| -> Result<(String, String), db::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
    let published = published.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    for row in source.query(PUBLISHED, &[&facts.schemas]).await? {
        let (schema, table) = pair(&row)?;
        if !published.contains(&(schema.clone(), table.clone())) {
            let on = format!("{}.{}", ident(&schema), ident(&table));
            sql.push_str(&format!("alter publication supabase_realtime add table {on};\n"));
        }
    }
    here.batch("begin; set local search_path = '';").await?;
    let made = here.batch(&sql).await;
    super::end(here, made).await
}
