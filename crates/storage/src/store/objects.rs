//! `storage.objects`.
//!
//! Probes run as the caller and are undone: they are the question to the policies, and see exactly the
//! row that upstream's probes show them. What counts is then written as the service.

use db::{End, Query, Record, Text};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::removals::Gone;
use super::{array, iso, json, optional};
use crate::call::{Acting, Work};

/// An object as clients see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ObjectRow {
    pub(crate) name: String,
    pub(crate) bucket_id: String,
    pub(crate) owner: String,
    pub(crate) owner_id: String,
    pub(crate) version: Option<String>,
    pub(crate) id: String,
    pub(crate) updated_at: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) last_accessed_at: Option<String>,
    pub(crate) metadata: Option<Box<RawValue>>,
    pub(crate) user_metadata: Option<Box<RawValue>>,
}

impl ObjectRow {
    fn read(record: &Record) -> Result<Self, db::Error> {
        Ok(Self {
            name: record.get::<Option<String>>(0)?.unwrap_or_default(),
            bucket_id: record.get::<Option<String>>(1)?.unwrap_or_default(),
            owner: record.get::<Option<String>>(2)?.unwrap_or_default(),
            owner_id: record.get::<Option<String>>(3)?.unwrap_or_default(),
            version: record.get(4)?,
            id: record.get(5)?,
            updated_at: record.get(6)?,
            created_at: record.get(7)?,
            last_accessed_at: record.get(8)?,
            metadata: json(record, 9)?,
            user_metadata: json(record, 10)?,
        })
    }

    fn all(records: &[Record]) -> Result<Vec<Self>, db::Error> {
        records.iter().map(Self::read).collect()
    }

    fn first(records: &[Record]) -> Result<Option<Self>, db::Error> {
        records.first().map(Self::read).transpose()
    }
}

macro_rules! columns {
    () => {
        concat!(
            "name, bucket_id, owner::text, owner_id, version, id::text, ",
            iso!("updated_at"),
            ", ",
            iso!("created_at"),
            ", ",
            iso!("last_accessed_at"),
            ", metadata::text, user_metadata::text"
        )
    };
}

/// Both spellings of an owner: the old column takes UUIDs alone.
pub(crate) fn owners(owner: Option<&str>) -> (Text, Text) {
    let is_uuid = |text: &&str| text.len() == 36 && Uuid::try_parse(text).is_ok();
    (optional(owner.filter(is_uuid)), optional(owner))
}

/// An owner that is not known, as with a call of the service, leaves the old one.
macro_rules! upsert {
    () => {
        "
    insert into storage.objects (name, owner, owner_id, bucket_id, metadata, version, user_metadata)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (bucket_id, name) where not is_versioned do update
       set metadata = excluded.metadata,
           user_metadata = excluded.user_metadata,
           version = excluded.version,
           owner = coalesce(excluded.owner, objects.owner),
           owner_id = coalesce(excluded.owner_id, objects.owner_id)
    returning *"
    };
}

/// An object to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewObject<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) name: &'a str,
    pub(crate) owner: Option<&'a str>,
    pub(crate) version: &'a str,
    /// JSON of the file.
    pub(crate) metadata: String,
    /// JSON of the caller's.
    pub(crate) user_metadata: Option<String>,
}

impl NewObject<'_> {
    /// The question to the policies.
    pub(super) fn question(upsert: bool) -> &'static str {
        if upsert { upsert!() } else { INSERT }
    }

    pub(super) fn params(&self) -> Vec<Text> {
        let (owner, owner_id) = owners(self.owner);
        vec![
            self.name.into(),
            owner,
            owner_id,
            self.bucket.into(),
            self.metadata.as_str().into(),
            self.version.into(),
            optional(self.user_metadata.as_deref()),
        ]
    }
}

const INSERT: &str = "
    insert into storage.objects (name, owner, owner_id, bucket_id, metadata, version, user_metadata)
    values ($1, $2, $3, $4, $5, $6, $7)";

/// Asks the policies whether the caller may write this object.
pub(crate) async fn probe(
    acting: &Acting<'_>,
    object: &NewObject<'_>,
    upsert: bool,
) -> Result<(), db::Error> {
    acting.try_out(None, NewObject::question(upsert), &object.params()).await.map(drop)
}

/// Held to the end of the transaction by whoever writes an object of this bucket and name.
const LOCK: &str = "select pg_advisory_xact_lock(hashtextextended($1::text || '/' || $2::text, 0))";

const WRITE_NEW: &str = concat!(
    "with written as (
    insert into storage.objects (name, owner, owner_id, bucket_id, metadata, version, user_metadata)
    values ($1, $2, $3, $4, $5, $6, $7)
    returning *)
    select ",
    columns!(),
    " from written"
);

const WRITE: &str = concat!(
    "with previous as (
      select version from storage.objects where bucket_id = $4 and name = $1 and archived_at is null),
    written as (",
    upsert!(),
    "),
    discarded as (
      insert into storage.basalt_removals (bucket_id, name, version, due_at)
      select $4, $1, previous.version, now() + $8::interval
        from previous
       where previous.version is distinct from $6)
    select ",
    columns!(),
    " from written"
);

/// Writes an object for good. What it replaces is noted for removal; without `upsert` it must be new.
pub(crate) async fn write(
    service: &Acting<'_>,
    object: &NewObject<'_>,
    upsert: bool,
    delay: &Text,
) -> Result<ObjectRow, db::Error> {
    let mut params = object.params();
    let lock = [object.bucket.into(), object.name.into()];
    let lock = Query { sql: LOCK, params: &lock };
    let rows = if upsert {
        params.push(delay.clone());
        service.run_after(lock, WRITE, &params).await?
    } else {
        service.run_after(lock, WRITE_NEW, &params).await?
    };
    ObjectRow::first(&rows)?.ok_or_else(|| db::Error::Client("no row was written".to_owned()))
}

/// As [`WRITE`], over the version with a tag alone.
const WRITE_OVER: &str = concat!(
    "with previous as (
      select version from storage.objects
       where bucket_id = $4 and name = $1 and archived_at is null
         and ($9 = '*' or metadata->>'eTag' = $9)),
    written as (
      update storage.objects
         set metadata = $5, version = $6, user_metadata = $7,
             owner = coalesce($2, owner), owner_id = coalesce($3, owner_id)
       where bucket_id = $4 and name = $1 and archived_at is null and exists (select from previous)
      returning *),
    discarded as (
      insert into storage.basalt_removals (bucket_id, name, version, due_at)
      select $4, $1, previous.version, now() + $8::interval from previous)
    select ",
    columns!(),
    " from written"
);

/// Writes an object over the one that has this tag (`*`: any); `None` if there is none.
pub(crate) async fn write_over(
    service: &Acting<'_>,
    object: &NewObject<'_>,
    etag: &str,
    delay: &Text,
) -> Result<Option<ObjectRow>, db::Error> {
    let mut params = object.params();
    params.extend([delay.clone(), etag.into()]);
    let lock = [object.bucket.into(), object.name.into()];
    let rows = service.run_after(Query { sql: LOCK, params: &lock }, WRITE_OVER, &params).await?;
    ObjectRow::first(&rows)
}

const WRITE_TAGS: &str = "
    update storage.objects set metadata = jsonb_set(coalesce(metadata, '{}'), '{tags}', $3)
     where bucket_id = $1 and name = $2 and archived_at is null
    returning id";

/// Gives an object other tags; false if the caller may not change it.
pub(crate) async fn write_tags(
    caller: &Acting<'_>,
    bucket: &str,
    name: &str,
    tags: &str,
) -> Result<bool, db::Error> {
    Ok(!caller.run(WRITE_TAGS, &[bucket.into(), name.into(), tags.into()]).await?.is_empty())
}

const FIND: &str = concat!(
    "select ",
    columns!(),
    " from storage.objects where name = $1 and bucket_id = $2 and archived_at is null"
);

/// An object that the caller, or the service, can see.
pub(crate) async fn find(
    acting: &Acting<'_>,
    bucket: &str,
    name: &str,
) -> Result<Option<ObjectRow>, db::Error> {
    ObjectRow::first(&acting.run(FIND, &[name.into(), bucket.into()]).await?)
}

/// A bucket and, whoever asks, the object in it.
pub(crate) struct Found {
    pub(crate) is_public: bool,
    pub(crate) object: Option<ObjectRow>,
}

const FIND_IN_BUCKET: &str = concat!(
    "select ",
    columns!(),
    ", is_public from (
       select o.*, coalesce(b.public, false) as is_public
         from storage.buckets b
         left join storage.objects o on o.bucket_id = b.id and o.name = $2 and o.archived_at is null
        where b.id = $1) as found"
);

/// `None` if there is no such bucket.
pub(crate) async fn find_in_bucket(
    service: &Acting<'_>,
    bucket: &str,
    name: &str,
) -> Result<Option<Found>, db::Error> {
    Found::read(&service.look_up(FIND_IN_BUCKET, &[bucket.into(), name.into()]).await?)
}

impl Found {
    fn read(rows: &[Record]) -> Result<Option<Self>, db::Error> {
        let Some(row) = rows.first() else { return Ok(None) };
        let object = match row.get::<Option<&str>>(5)? {
            Some(_) => Some(ObjectRow::read(row)?),
            None => None,
        };
        Ok(Some(Self { is_public: row.get(11)?, object }))
    }
}

/// As [`find_in_bucket`], and what the caller sees by that name: which counts, the bucket tells.
pub(crate) async fn find_for(
    service: &Acting<'_>,
    caller: &Acting<'_>,
    bucket: &str,
    name: &str,
) -> Result<(Option<Found>, Result<Option<ObjectRow>, db::Error>), db::Error> {
    let (all, seen) = ([bucket.into(), name.into()], [name.into(), bucket.into()]);
    let (all, seen) = (Query { sql: FIND_IN_BUCKET, params: &all }, Query { sql: FIND, params: &seen });
    let (all, seen) = service.beside(all, caller, seen, End::Commit).await?;
    Ok((Found::read(&all)?, seen.and_then(|rows| ObjectRow::first(&rows))))
}

const NAMES: &str = "select name from storage.objects where bucket_id = $1 and name = any ($2::text[]) and archived_at is null";

/// Those of `names` that the caller can see.
pub(crate) async fn visible(
    acting: &Acting<'_>,
    bucket: &str,
    names: &[String],
) -> Result<std::collections::HashSet<String>, db::Error> {
    let rows = acting.run(NAMES, &[bucket.into(), array(names)]).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

const SEE: &str = "select id from storage.objects where name = $1 and bucket_id = $2 and archived_at is null";

const RENAME: &str = "
    update storage.objects
       set name = $3, bucket_id = $4, version = $5, owner = coalesce($6, owner), owner_id = coalesce($7, owner_id)
     where bucket_id = $2 and name = $1 and archived_at is null
    returning *";

/// Where an object moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) name: &'a str,
    pub(crate) to_bucket: &'a str,
    pub(crate) to_name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) owner: Option<&'a str>,
}

impl Move<'_> {
    fn params(&self) -> Vec<Text> {
        let (owner, owner_id) = owners(self.owner);
        let names = [self.name, self.bucket, self.to_name, self.to_bucket, self.version];
        names.into_iter().map(Text::from).chain([owner, owner_id]).collect()
    }
}

/// Asks the policies whether the caller may move an object; false if he does not see it, or may not
/// touch it.
pub(crate) async fn probe_move(acting: &Acting<'_>, way: &Move<'_>) -> Result<bool, db::Error> {
    let see = [way.name.into(), way.bucket.into()];
    let (seen, moved) = acting.try_out(Some(Query { sql: SEE, params: &see }), RENAME, &way.params()).await?;
    Ok(!seen.is_empty() && !moved.is_empty())
}

const MOVE: &str = "
    with moved as (
      update storage.objects
         set name = $3, bucket_id = $4, version = $5, owner = coalesce($6, owner), owner_id = coalesce($7, owner_id)
       where bucket_id = $2 and name = $1 and archived_at is null and version is not distinct from $8
      returning id),
    discarded as (
      insert into storage.basalt_removals (bucket_id, name, version, due_at)
      select $2, $1, $8, now() + $9::interval from moved)
    select id::text from moved";

/// Moves an object for good, if it still has the version that was copied.
pub(crate) async fn rename(
    service: &Acting<'_>,
    way: &Move<'_>,
    old_version: Option<&str>,
    delay: &Text,
) -> Result<bool, db::Error> {
    let mut params = way.params();
    params.extend([optional(old_version), delay.clone()]);
    let lock = [way.to_bucket.into(), way.to_name.into()];
    Ok(!service.run_after(Query { sql: LOCK, params: &lock }, MOVE, &params).await?.is_empty())
}

const HOLD: &str = "
    select version from storage.objects
     where bucket_id = $1 and name = $2 and archived_at is null
       for update";

/// Holds an object. `None` if there is none; its version otherwise, which very old objects lack.
pub(crate) async fn lock(
    work: &mut Work,
    service: &Acting<'_>,
    bucket: &str,
    name: &str,
) -> Result<Option<Gone>, db::Error> {
    let rows = work.run(service, HOLD, &[bucket.into(), name.into()]).await?;
    let read = |row: &Record| Ok(Gone { name: name.to_owned(), version: row.get(0)? });
    rows.first().map(read).transpose()
}

const DELETE: &str = concat!(
    "delete from storage.objects where bucket_id = $1 and name = any ($2::text[]) and archived_at is null returning ",
    columns!()
);

/// Deletes those of `names` that the caller may delete, and returns them.
pub(crate) async fn delete(
    work: &mut Work,
    caller: &Acting<'_>,
    bucket: &str,
    names: &[String],
) -> Result<Vec<ObjectRow>, db::Error> {
    ObjectRow::all(&work.run(caller, DELETE, &[bucket.into(), array(names)]).await?)
}

const COUNT: &str =
    "select count(*) from (select from storage.objects where bucket_id = $1 limit $2) as counted";

/// How many objects a bucket has, counted up to `most`.
pub(crate) async fn count(service: &Acting<'_>, bucket: &str, most: u64) -> Result<u64, db::Error> {
    let rows = service.look_up(COUNT, &[bucket.into(), most.to_string().into()]).await?;
    let count: i64 = rows.first().map(|row| row.get(0)).transpose()?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

const ANY: &str = "select from storage.objects where bucket_id = $1 limit 1";

/// Whether there is anything in a bucket that is held.
pub(crate) async fn exist(work: &mut Work, service: &Acting<'_>, bucket: &str) -> Result<bool, db::Error> {
    Ok(!work.run(service, ANY, &[bucket.into()]).await?.is_empty())
}

const AFTER: &str = concat!(
    "select ",
    columns!(),
    " from storage.objects
      where ($1::text is null or bucket_id = $1) and ($2::uuid is null or id > $2::uuid) and archived_at is null
      order by id
      limit $3"
);

/// Objects of a bucket, or of all, in the order of their ids from one on.
pub(crate) async fn after(
    service: &Acting<'_>,
    bucket: Option<&str>,
    id: Option<&str>,
    limit: u64,
) -> Result<Vec<ObjectRow>, db::Error> {
    let params = [optional(bucket), optional(id), limit.to_string().into()];
    ObjectRow::all(&service.run(AFTER, &params).await?)
}

const NOW: &str = "select now()::text";

/// The moment by the clock that `created_at` is read from.
pub(crate) async fn now(service: &Acting<'_>) -> Result<String, db::Error> {
    let rows = service.look_up(NOW, &[]).await?;
    let row = rows.first().ok_or_else(|| db::Error::Client("no time".to_owned()))?;
    row.get(0)
}

const EMPTY: &str = "
    with gone as (
      delete from storage.objects
       where id in (select id from storage.objects where bucket_id = $1 and created_at <= $2::timestamptz limit 500)
      returning name, version),
    discarded as (
      insert into storage.basalt_removals (bucket_id, name, version, due_at)
      select $1, gone.name, gone.version, now() + $3::interval from gone)
    select from gone limit 1";

/// Deletes some objects of a bucket that were made before a moment. False when there are no more.
pub(crate) async fn delete_some(
    service: &Acting<'_>,
    bucket: &str,
    before: &str,
    delay: &Text,
) -> Result<bool, db::Error> {
    Ok(!service.run(EMPTY, &[bucket.into(), before.into(), delay.clone()]).await?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_are_owners_of_old() {
        let id = "4d56e902-f0a0-4662-8448-a4d9e643c142";
        assert_eq!(owners(Some(id)), (id.into(), id.into()));
        assert_eq!(owners(Some("auth0|1")), (Text::Null, "auth0|1".into()));
        assert_eq!(owners(None), (Text::Null, Text::Null));
    }
}
