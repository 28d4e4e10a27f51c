//! `storage.basalt_versions`: what was replaced or deleted and is kept for a while. Triggers write it;
//! who may see and delete of it is asked of the policies on it, of which there are none to begin with.

use db::{Fleet, Record};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{iso, json, optional, own};
use crate::call::Acting;

/// A version as clients see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VersionRow {
    pub(crate) id: String,
    pub(crate) bucket_id: String,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) reason: String,
    pub(crate) owner_id: Option<String>,
    pub(crate) metadata: Option<Box<RawValue>>,
    pub(crate) user_metadata: Option<Box<RawValue>>,
    pub(crate) created_at: Option<String>,
    pub(crate) archived_at: Option<String>,
    pub(crate) expires_at: Option<String>,
}

impl VersionRow {
    fn read(record: &Record) -> Result<Self, db::Error> {
        Ok(Self {
            id: record.get(0)?,
            bucket_id: record.get(1)?,
            name: record.get(2)?,
            version: record.get(3)?,
            reason: record.get(4)?,
            owner_id: record.get(5)?,
            metadata: json(record, 6)?,
            user_metadata: json(record, 7)?,
            created_at: record.get(8)?,
            archived_at: record.get(9)?,
            expires_at: record.get(10)?,
        })
    }
}

macro_rules! columns {
    () => {
        concat!(
            "id::text, bucket_id, name, version, reason, owner_id, metadata::text, user_metadata::text, ",
            iso!("created_at"),
            ", ",
            iso!("archived_at"),
            ", ",
            iso!("expires_at")
        )
    };
}

/// Which versions of a bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// What their names begin with.
    pub(crate) prefix: String,
    /// This name alone.
    pub(crate) name: Option<String>,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
}

const LIST: &str = concat!(
    "select ",
    columns!(),
    " from storage.basalt_versions
      where bucket_id = $1 and starts_with(name, $2) and ($3::text is null or name = $3) and expires_at > now()
      order by name collate \"C\", archived_at desc, id
      limit $4 offset $5"
);

/// Versions that the caller can see, by name, the newest first.
pub(crate) async fn list(
    acting: &Acting<'_>,
    bucket: &str,
    page: &Page,
) -> Result<Vec<VersionRow>, db::Error> {
    let params = [
        bucket.into(),
        page.prefix.as_str().into(),
        optional(page.name.as_deref()),
        page.limit.to_string().into(),
        page.offset.to_string().into(),
    ];
    acting.run(LIST, &params).await?.iter().map(VersionRow::read).collect()
}

const FIND: &str = concat!(
    "select ",
    columns!(),
    " from storage.basalt_versions where bucket_id = $1 and id = $2 and expires_at > now()"
);

/// A version that the caller can see.
pub(crate) async fn find(
    acting: &Acting<'_>,
    bucket: &str,
    id: &str,
) -> Result<Option<VersionRow>, db::Error> {
    let rows = acting.run(FIND, &[bucket.into(), id.into()]).await?;
    rows.first().map(VersionRow::read).transpose()
}

const AFTER: &str = concat!(
    "select ",
    columns!(),
    " from storage.basalt_versions
      where ($1::text is null or bucket_id = $1) and ($2::uuid is null or id > $2::uuid) and expires_at > now()
      order by id
      limit $3"
);

/// Versions of a bucket, or of all, in the order of their ids from one on.
pub(crate) async fn after(
    service: &Acting<'_>,
    bucket: Option<&str>,
    id: Option<&str>,
    limit: u64,
) -> Result<Vec<VersionRow>, db::Error> {
    let params = [optional(bucket), optional(id), limit.to_string().into()];
    service.run(AFTER, &params).await?.iter().map(VersionRow::read).collect()
}

const DELETE: &str = "
    with gone as (
      delete from storage.basalt_versions where bucket_id = $1 and id = $2 returning id)
    select id::text from gone";

/// Deletes a version for good, if the caller may. The file is removed as others are.
pub(crate) async fn delete(acting: &Acting<'_>, bucket: &str, id: &str) -> Result<bool, db::Error> {
    Ok(!acting.run(DELETE, &[bucket.into(), id.into()]).await?.is_empty())
}

const EXPIRE: &str = "
    with gone as (
      delete from storage.basalt_versions
       where id in (select id from storage.basalt_versions where expires_at <= now() limit 500)
      returning id)
    select count(*) from gone";

/// Versions of buckets with a quota that together have more bytes than the bucket may hold: the oldest.
const CROWDED: &str = "
    with running as (
      select v.id, s.quota_bytes,
             sum(storage.basalt_object_size(v.metadata))
               over (partition by v.bucket_id order by v.archived_at desc, v.id) as bytes
        from storage.basalt_versions v
        join storage.basalt_bucket_settings s on s.bucket_id = v.bucket_id
       where s.quota_bytes is not null)
    update storage.basalt_versions v
       set expires_at = least(v.expires_at, now())
      from running
     where v.id = running.id and running.bytes > running.quota_bytes and v.expires_at > now()";

/// Forgets versions whose time is over, and those that are too many; a trigger notes their files for
/// removal. Returns how many.
pub(crate) async fn expire(fleet: &Fleet) -> Result<u64, db::Error> {
    own(fleet, CROWDED, &[]).await?;
    let mut all = 0;
    loop {
        let rows = own(fleet, EXPIRE, &[]).await?;
        let gone: i64 = rows.first().map(|row| row.get(0)).transpose()?.unwrap_or_default();
        all += u64::try_from(gone).unwrap_or_default();
        if gone == 0 {
            return Ok(all);
        }
    }
}

const FORGET: &str = "delete from storage.basalt_versions where id = $1";

/// Forgets a version, whoever may see it.
pub(crate) async fn forget(fleet: &Fleet, id: &str) -> Result<(), db::Error> {
    own(fleet, FORGET, &[id.into()]).await.map(drop)
}
