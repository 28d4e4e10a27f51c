//! `storage.s3_multipart_uploads` and their parts. Applications may read these tables; only the service
//! writes them.
//!
//! The column `upload_signature` is upstream's, which keeps a counter of bytes in it; here it says in which
//! role the upload was begun. The `version` of a part is the name of its file, and behind a space its checksum, if the
//! upload has one.

use std::time::Duration;

use db::{Fleet, Query, Record, Text};
use serde_json::value::RawValue;

use super::{array, iso, json, optional};
use crate::call::{Acting, Work};

/// An upload that is under way.
#[derive(Clone, Debug)]
pub(crate) struct UploadRow {
    pub(crate) id: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) owner: Option<String>,
    pub(crate) role: String,
    pub(crate) created_at: String,
    pub(crate) metadata: Option<Box<RawValue>>,
    pub(crate) user_metadata: Option<Box<RawValue>>,
}

impl UploadRow {
    fn read(record: &Record) -> Result<Self, db::Error> {
        Ok(Self {
            id: record.get(0)?,
            bucket: record.get(1)?,
            key: record.get(2)?,
            owner: record.get(3)?,
            role: record.get(4)?,
            created_at: record.get::<Option<String>>(5)?.unwrap_or_default(),
            metadata: json(record, 6)?,
            user_metadata: json(record, 7)?,
        })
    }
}

macro_rules! columns {
    () => {
        concat!(
            "id, bucket_id, key, owner_id, upload_signature, ",
            iso!("created_at"),
            ", metadata::text, user_metadata::text"
        )
    };
}

/// An upload to be begun.
pub(crate) struct NewUpload<'a> {
    pub(crate) id: &'a str,
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) version: &'a str,
    pub(crate) owner: Option<&'a str>,
    pub(crate) role: &'a str,
    pub(crate) metadata: String,
    pub(crate) user_metadata: String,
}

const INSERT: &str = concat!(
    "insert into storage.s3_multipart_uploads
       (id, bucket_id, key, version, owner_id, upload_signature, metadata, user_metadata)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning ",
    columns!()
);

pub(crate) async fn insert(service: &Acting<'_>, upload: &NewUpload<'_>) -> Result<(), db::Error> {
    let params = [
        upload.id.into(),
        upload.bucket.into(),
        upload.key.into(),
        upload.version.into(),
        optional(upload.owner),
        upload.role.into(),
        upload.metadata.as_str().into(),
        upload.user_metadata.as_str().into(),
    ];
    service.run(INSERT, &params).await.map(drop)
}

const FIND: &str = concat!(
    "select ",
    columns!(),
    " from storage.s3_multipart_uploads where id = $1 and bucket_id = $2 and key = $3"
);

/// An upload to this key.
pub(crate) async fn find(
    service: &Acting<'_>,
    id: &str,
    bucket: &str,
    key: &str,
) -> Result<Option<UploadRow>, db::Error> {
    let rows = service.look_up(FIND, &[id.into(), bucket.into(), key.into()]).await?;
    rows.first().map(UploadRow::read).transpose()
}

/// Which uploads of a bucket.
pub(crate) struct Page<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
    /// The key, and the upload of that key, behind which it begins.
    pub(crate) after: (&'a str, &'a str),
    pub(crate) limit: u64,
    /// Those of this caller alone: his role and who he is.
    pub(crate) of: Option<(&'a str, Option<&'a str>)>,
}

const LIST: &str = concat!(
    "select ",
    columns!(),
    " from storage.s3_multipart_uploads
     where bucket_id = $1
       and key >= $2 and key < $2 || chr(1114111)
       and ($3 = '' or key > $3 or (key = $3 and $4 <> '' and id collate \"C\" > $4))
       and ($6::text is null or (upload_signature = $6 and owner_id is not distinct from $7))
     order by key, id collate \"C\" limit $5"
);

/// Uploads by key.
pub(crate) async fn list(service: &Acting<'_>, page: &Page<'_>) -> Result<Vec<UploadRow>, db::Error> {
    let params = [
        page.bucket.into(),
        page.prefix.into(),
        page.after.0.into(),
        page.after.1.into(),
        page.limit.to_string().into(),
        optional(page.of.map(|(role, _)| role)),
        optional(page.of.and_then(|(_, owner)| owner)),
    ];
    service.look_up(LIST, &params).await?.iter().map(UploadRow::read).collect()
}

/// A part that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct PartRow {
    pub(crate) number: i32,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    /// The name of its file.
    pub(crate) file: String,
    /// In base64, by the algorithm of the upload.
    pub(crate) checksum: Option<String>,
    pub(crate) created_at: String,
}

/// The file of a part, and its checksum.
fn file_of(version: &str) -> (String, Option<String>) {
    match version.split_once(' ') {
        Some((file, checksum)) => (file.to_owned(), Some(checksum.to_owned())),
        None => (version.to_owned(), None),
    }
}

const PARTS: &str = concat!(
    "select part_number, size, etag, version, ",
    iso!("created_at"),
    " from storage.s3_multipart_uploads_parts where upload_id = $1 and part_number > $2 order by part_number limit $3"
);

/// The parts of an upload behind a number.
pub(crate) async fn parts(
    service: &Acting<'_>,
    id: &str,
    after: i32,
    limit: u64,
) -> Result<Vec<PartRow>, db::Error> {
    let params = [id.into(), after.to_string().into(), limit.to_string().into()];
    let read = |record: &Record| {
        let size: i64 = record.get(1)?;
        let version: String = record.get(3)?;
        let (file, checksum) = file_of(&version);
        Ok(PartRow {
            number: record.get(0)?,
            size: u64::try_from(size).unwrap_or_default(),
            etag: record.get(2)?,
            file,
            checksum,
            created_at: record.get::<Option<String>>(4)?.unwrap_or_default(),
        })
    };
    service.look_up(PARTS, &params).await?.iter().map(read).collect()
}

/// A part that is there and wants to be known.
pub(crate) struct NewPart<'a> {
    pub(crate) upload: &'a UploadRow,
    pub(crate) number: i32,
    pub(crate) size: u64,
    pub(crate) etag: &'a str,
    pub(crate) file: &'a str,
    pub(crate) checksum: Option<&'a str>,
    /// Bytes that all parts may have together.
    pub(crate) limit: u64,
}

const HOLD: &str = "select id from storage.s3_multipart_uploads where id = $1 for update";

/// A part that is sent again replaces the one before.
const ADD: &str = "
    with held as (
      select u.id, u.bucket_id, u.key, u.owner_id
        from storage.s3_multipart_uploads u
       where u.id = $1
         and (select coalesce(sum(p.size), 0) from storage.s3_multipart_uploads_parts p
               where p.upload_id = u.id and p.part_number <> $2) + $3 <= $6::numeric),
    replaced as (
      delete from storage.s3_multipart_uploads_parts p using held
       where p.upload_id = held.id and p.part_number = $2
      returning p.version),
    added as (
      insert into storage.s3_multipart_uploads_parts
        (upload_id, part_number, size, etag, version, bucket_id, key, owner_id)
      select held.id, $2, $3, $4, $5, held.bucket_id, held.key, held.owner_id from held
      returning id)
    select (select count(*) from added), (select array_agg(replaced.version) from replaced)";

/// Notes a part. `None` if the upload is gone or would be too large; otherwise files that it replaces.
pub(crate) async fn add(service: &Acting<'_>, part: &NewPart<'_>) -> Result<Option<Vec<String>>, db::Error> {
    let id: Text = part.upload.id.as_str().into();
    let hold = Query { sql: HOLD, params: std::slice::from_ref(&id) };
    let version = match part.checksum {
        Some(checksum) => format!("{} {checksum}", part.file),
        None => part.file.to_owned(),
    };
    let params = [
        id.clone(),
        part.number.to_string().into(),
        part.size.to_string().into(),
        part.etag.into(),
        version.into(),
        part.limit.to_string().into(),
    ];
    let rows = service.run_after(hold, ADD, &params).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let added: i64 = row.get(0)?;
    let replaced: Option<Vec<String>> = row.get(1)?;
    let files = replaced.unwrap_or_default().iter().map(|version| file_of(version).0).collect();
    Ok((added > 0).then_some(files))
}

const DELETE: &str = "delete from storage.s3_multipart_uploads where id = $1 returning id";

/// Forgets an upload and its parts. False if it was not there any more.
pub(crate) async fn delete(service: &Acting<'_>, id: &str) -> Result<bool, db::Error> {
    Ok(!service.run(DELETE, &[id.into()]).await?.is_empty())
}

const DELETE_ALL: &str = "delete from storage.s3_multipart_uploads where bucket_id = $1 returning id";

/// Forgets all uploads to a bucket that is held, and returns them.
pub(crate) async fn delete_all(
    work: &mut Work,
    service: &Acting<'_>,
    bucket: &str,
) -> Result<Vec<String>, db::Error> {
    work.run(service, DELETE_ALL, &[bucket.into()]).await?.iter().map(|row| row.get(0)).collect()
}

/// An upload is as old as its last part.
const DELETE_OLD: &str = "
    delete from storage.s3_multipart_uploads u
     where u.created_at < now() - $1::interval
       and not exists (select from storage.s3_multipart_uploads_parts p
                        where p.upload_id = u.id and p.created_at >= now() - $1::interval)
    returning id";

/// Forgets uploads that nobody has gone on with for so long, and returns them.
pub(crate) async fn delete_old(fleet: &Fleet, age: Duration) -> Result<Vec<String>, db::Error> {
    let age = format!("{} milliseconds", age.as_millis()).into();
    super::own(fleet, DELETE_OLD, &[age]).await?.iter().map(|row| row.get(0)).collect()
}

const UNKNOWN: &str = "
    select id from unnest($1::text[]) as given (id)
     where not exists (select from storage.s3_multipart_uploads u where u.id = given.id)";

/// Those of some ids that no upload has.
pub(crate) async fn unknown(fleet: &Fleet, ids: &[String]) -> Result<Vec<String>, db::Error> {
    super::own(fleet, UNKNOWN, &[array(ids)]).await?.iter().map(|row| row.get(0)).collect()
}
