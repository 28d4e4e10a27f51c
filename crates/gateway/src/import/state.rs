//! What imports have done to this installation before: table `basalt.import`.

use anyhow::{Context, bail};
use db::Session;

use super::source::{Facts, PLATFORM};

const TABLE: &str = "
    create table if not exists basalt.import (
      step text primary key,
      digest text not null,
      done_at timestamptz not null default now()
    )";

/// One import at a time. Held until `here` is closed; a run that was killed holds it until its connection is noticed to be
/// gone.
pub(super) async fn alone(here: &mut Session) -> anyhow::Result<()> {
    here.batch("set lock_timeout = '30s'").await?;
    let held =
        here.query("select pg_catalog.pg_advisory_lock(pg_catalog.hashtext('basalt import'))", &[]).await;
    held.map(drop).context("another import is running")
}

/// Lets an import begin, or go on.
pub(super) async fn admit(here: &mut Session, facts: &Facts, replace: bool) -> anyhow::Result<()> {
    here.batch(TABLE).await?;
    if find(here, "cut over").await?.is_some() && !replace {
        bail!(
            "this installation was cut over: another import would put old rows over new ones (--replace does so)"
        );
    }
    match find(here, "source").await? {
        Some(identity) if identity == facts.identity || replace => {}
        Some(_) => bail!("the last import came from another database; --replace throws away what it brought"),
        None if replace || is_unused(here).await? => {}
        None => bail!("this installation is in use: it has accounts or tables; --replace throws them away"),
    }
    if replace {
        here.execute("delete from basalt.import where step = 'cut over'", &[]).await?;
    }
    put(here, "source", &facts.identity).await?;
    Ok(())
}

/// No import follows.
pub(super) async fn close(here: &mut Session) -> Result<(), db::Error> {
    put(here, "cut over", "").await
}

pub(super) async fn find(here: &mut Session, step: &str) -> Result<Option<String>, db::Error> {
    let row = here.query_opt("select digest from basalt.import where step = $1", &[&step]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

pub(super) async fn put(here: &mut Session, step: &str, digest: &str) -> Result<(), db::Error> {
    const SQL: &str = "
        insert into basalt.import (step, digest) values ($1, $2)
        on conflict (step) do update set digest = excluded.digest, done_at = now()";
    here.execute(SQL, &[&step, &digest]).await.map(drop)
}

async fn is_unused(here: &mut Session) -> anyhow::Result<bool> {
    const SQL: &str = "
        select not exists (select from auth.users)
           and not exists (select from storage.objects)
           and not exists (select from pg_catalog.pg_class c
                             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                            where n.nspname <> all ($1) and n.nspname !~ '^pg_' and c.relkind in ('r', 'p', 'v', 'm')
                              and not exists (select from pg_catalog.pg_depend d
                                               where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                                 and d.objid = c.oid and d.deptype = 'e'))";
    Ok(here.query_one(SQL, &[&PLATFORM]).await?.try_get(0)?)
}
