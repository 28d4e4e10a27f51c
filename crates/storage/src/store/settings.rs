//! `storage.basalt_bucket_settings`: what buckets keep, and how much they hold. For the operator: no policy
//! opens it.

use db::{Fleet, Query, Record};
use serde::Serialize;

use super::{optional, own, own_after};

/// The settings of a bucket, and what is in it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SettingsRow {
    /// For how long what is replaced or deleted is kept; not at all if there is none.
    pub(crate) keep_versions_seconds: Option<i64>,
    pub(crate) quota_bytes: Option<i64>,
    pub(crate) quota_objects: Option<i64>,
    pub(crate) used_bytes: i64,
    pub(crate) used_objects: i64,
    /// What is kept beside the objects.
    pub(crate) kept_bytes: i64,
    pub(crate) kept_versions: i64,
}

impl SettingsRow {
    fn read(record: &Record) -> Result<Self, db::Error> {
        Ok(Self {
            keep_versions_seconds: record.get(0)?,
            quota_bytes: record.get(1)?,
            quota_objects: record.get(2)?,
            used_bytes: record.get(3)?,
            used_objects: record.get(4)?,
            kept_bytes: record.get(5)?,
            kept_versions: record.get(6)?,
        })
    }
}

const FIND: &str = "
    select s.keep_versions_seconds, s.quota_bytes, s.quota_objects, o.bytes, o.objects, v.bytes, v.versions
      from storage.buckets b
      left join storage.basalt_bucket_settings s on s.bucket_id = b.id
      cross join lateral (
        select coalesce(sum(storage.basalt_object_size(metadata)), 0)::bigint as bytes, count(*) as objects
          from storage.objects where bucket_id = b.id) o
      cross join lateral (
        select coalesce(sum(storage.basalt_object_size(metadata)), 0)::bigint as bytes, count(*) as versions
          from storage.basalt_versions where bucket_id = b.id) v
     where b.id = $1";

/// `None` if there is no such bucket.
pub(crate) async fn find(fleet: &Fleet, bucket: &str) -> Result<Option<SettingsRow>, db::Error> {
    let rows = own(fleet, FIND, &[bucket.into()]).await?;
    rows.first().map(SettingsRow::read).transpose()
}

/// What is set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewSettings {
    pub(crate) keep_versions_seconds: Option<u64>,
    pub(crate) quota_bytes: Option<u64>,
    pub(crate) quota_objects: Option<u64>,
}

/// Those who write objects wait until the bucket is counted, so that the count is right from the start.
const LOCK: &str = "lock table storage.objects in share mode";

const SET: &str = "
    insert into storage.basalt_bucket_settings
      (bucket_id, keep_versions_seconds, quota_bytes, quota_objects, used_bytes, used_objects)
    select b.id, $2::bigint, $3::bigint, $4::bigint, coalesce(sum(storage.basalt_object_size(o.metadata)), 0), count(o.id)
      from storage.buckets b
      left join storage.objects o on o.bucket_id = b.id
     where b.id = $1
     group by b.id
    on conflict (bucket_id) do update
      set keep_versions_seconds = excluded.keep_versions_seconds,
          quota_bytes = excluded.quota_bytes,
          quota_objects = excluded.quota_objects,
          used_bytes = excluded.used_bytes,
          used_objects = excluded.used_objects
    returning bucket_id";

/// False if there is no such bucket.
pub(crate) async fn set(fleet: &Fleet, bucket: &str, new: NewSettings) -> Result<bool, db::Error> {
    let number = |number: Option<u64>| optional(number.map(|number| number.to_string()));
    let params = [
        bucket.into(),
        number(new.keep_versions_seconds),
        number(new.quota_bytes),
        number(new.quota_objects),
    ];
    let lock = Query { sql: LOCK, params: &[] };
    Ok(!own_after(fleet, Some(lock), SET, &params).await?.is_empty())
}
