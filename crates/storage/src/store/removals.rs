//! `storage.basalt_removals`: files to be removed once nobody reads them any more.

use db::{Fleet, Text};

use object::Key;

use super::{array, array_with_nulls, own};
use crate::call::{Acting, Work};

const INSERT: &str = "
    insert into storage.basalt_removals (bucket_id, name, version, due_at)
    select $1, gone.name, gone.version, now() + $4::interval
      from unnest($2::text[], $3::text[]) as gone (name, version)";

/// A version that no row has any more; very old objects have none.
pub(crate) struct Gone {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

/// Notes versions of objects of a bucket, in the transaction that deletes them.
pub(crate) async fn insert(
    work: &mut Work,
    service: &Acting<'_>,
    bucket: &str,
    gone: &[Gone],
    delay: &Text,
) -> Result<(), db::Error> {
    let names = array_with_nulls(gone.iter().map(|gone| Some(gone.name.as_str())));
    let versions = array_with_nulls(gone.iter().map(|gone| gone.version.as_deref()));
    let params = [bucket.into(), names, versions, delay.clone()];
    work.run(service, INSERT, &params).await.map(drop)
}

/// A file that may be removed now.
pub(crate) struct Due {
    pub(crate) id: i64,
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

/// Not those that a row names after all: one that was written back by hand, or of a version that is kept.
const DUE: &str = "
    select r.id, r.bucket_id, r.name, r.version,
           exists (
             select from storage.objects o
              where o.bucket_id = r.bucket_id and o.name = r.name and o.version is not distinct from r.version)
           or exists (
             select from storage.basalt_versions v
              where v.bucket_id = r.bucket_id and v.name = r.name and v.version is not distinct from r.version)
      from storage.basalt_removals r
     where r.due_at <= now()
     order by r.due_at
     limit 100";

/// Files to be removed now, and removals that are void.
pub(crate) async fn due(fleet: &Fleet) -> Result<(Vec<Due>, Vec<i64>), db::Error> {
    let (mut due, mut void) = (Vec::new(), Vec::new());
    for row in own(fleet, DUE, &[]).await? {
        let id = row.get(0)?;
        match row.get(4)? {
            true => void.push(id),
            false => due.push(Due { id, bucket: row.get(1)?, name: row.get(2)?, version: row.get(3)? }),
        }
    }
    Ok((due, void))
}

const DELETE: &str = "delete from storage.basalt_removals where id = any ($1::bigint[])";

/// Forgets removals that are done.
pub(crate) async fn delete(fleet: &Fleet, ids: &[i64]) -> Result<(), db::Error> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    own(fleet, DELETE, &[array(&ids)]).await.map(drop)
}

const ROWS: &str = "
    select exists (
             select from storage.objects o
              where o.bucket_id = asked.bucket and o.name = asked.name and o.version = asked.version)
           or exists (
             select from storage.basalt_versions v
              where v.bucket_id = asked.bucket and v.name = asked.name and v.version = asked.version)
      from unnest($1::text[], $2::text[], $3::text[]) with ordinality as asked (bucket, name, version, n)
     order by n";

/// Whether each of some files has a row, of an object or of a version that is kept.
pub(crate) async fn have_rows(fleet: &Fleet, files: &[Key]) -> Result<Vec<bool>, db::Error> {
    let column = |text: fn(&Key) -> Option<&str>| array_with_nulls(files.iter().map(text));
    let columns = [column(|key| Some(key.bucket())), column(|key| Some(key.name())), column(Key::version)];
    own(fleet, ROWS, &columns).await?.iter().map(|row| row.get(0)).collect()
}
