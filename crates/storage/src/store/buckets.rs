//! `storage.buckets`.

use db::{Record, Text};
use serde::Serialize;

use super::{array, iso, optional};
use crate::call::{Acting, Work};

/// A bucket as clients see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BucketRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) public: bool,
    /// Only in lists.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    pub(crate) file_size_limit: Option<i64>,
    pub(crate) allowed_mime_types: Option<Vec<String>>,
    pub(crate) created_at: Option<String>,
    pub(crate) updated_at: Option<String>,
}

impl BucketRow {
    fn read(record: &Record) -> Result<Self, db::Error> {
        Ok(Self {
            id: record.get(0)?,
            name: record.get(1)?,
            owner: record.get::<Option<String>>(2)?.unwrap_or_default(),
            public: record.get::<Option<bool>>(3)?.unwrap_or_default(),
            file_size_limit: record.get(4)?,
            allowed_mime_types: record.get(5)?,
            created_at: record.get(6)?,
            updated_at: record.get(7)?,
            kind: record.get(8)?,
        })
    }
}

macro_rules! columns {
    () => {
        concat!(
            "id, name, owner::text, public, file_size_limit, allowed_mime_types, ",
            iso!("created_at"),
            ", ",
            iso!("updated_at"),
            ", type::text"
        )
    };
}

/// The rules of a bucket for what is put into it.
pub(crate) struct Rules {
    pub(crate) file_size_limit: Option<i64>,
    pub(crate) allowed_mime_types: Vec<String>,
}

/// A bucket to be made.
pub(crate) struct NewBucket<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) owner: Option<&'a str>,
    pub(crate) public: bool,
    pub(crate) changes: Changes,
}

/// What of a bucket is set; an outer `None` leaves it alone, an inner one clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) public: Option<bool>,
    pub(crate) file_size_limit: Option<Option<u64>>,
    pub(crate) allowed_mime_types: Option<Option<Vec<String>>>,
}

const INSERT: &str = "
    insert into storage.buckets (id, name, owner, owner_id, public, allowed_mime_types, file_size_limit, type)
    values ($1, $2, $3, $4, $5, $6, $7, 'STANDARD')";

pub(crate) async fn insert(acting: &Acting<'_>, bucket: &NewBucket<'_>) -> Result<(), db::Error> {
    let (owner, owner_id) = super::objects::owners(bucket.owner);
    let limit = bucket.changes.file_size_limit.flatten();
    let types = bucket.changes.allowed_mime_types.clone().flatten();
    let params = [
        bucket.id.into(),
        bucket.name.into(),
        owner,
        owner_id,
        bucket.public.to_string().into(),
        types.map_or(Text::Null, |types| array(&types)),
        optional(limit.map(|limit| limit.to_string())),
    ];
    acting.run(INSERT, &params).await.map(drop)
}

const FIND: &str = concat!("select ", columns!(), " from storage.buckets where id = $1");

pub(crate) async fn find(acting: &Acting<'_>, id: &str) -> Result<Option<BucketRow>, db::Error> {
    let rows = acting.run(FIND, &[id.into()]).await?;
    let row = rows.first().map(BucketRow::read).transpose()?;
    Ok(row.map(|row| BucketRow { kind: None, ..row }))
}

impl Rules {
    /// Of the first two columns.
    pub(super) fn read(record: &Record) -> Result<Self, db::Error> {
        let types: Option<Vec<String>> = record.get(1)?;
        Ok(Self { file_size_limit: record.get(0)?, allowed_mime_types: types.unwrap_or_default() })
    }
}

pub(super) const RULES: &str =
    "select file_size_limit, allowed_mime_types from storage.buckets where id = $1";

/// The rules of a bucket, whoever asks.
pub(crate) async fn find_rules(service: &Acting<'_>, id: &str) -> Result<Option<Rules>, db::Error> {
    let rows = service.look_up(RULES, &[id.into()]).await?;
    rows.first().map(Rules::read).transpose()
}

const AVIF: &str = "select coalesce(avif_autodetection, false) from storage.buckets where id = $1";

/// Whether pictures of a bucket become AVIF for those who can show it.
pub(crate) async fn prefers_avif(service: &Acting<'_>, id: &str) -> Result<bool, db::Error> {
    let rows = service.look_up(AVIF, &[id.into()]).await?;
    rows.first().map_or(Ok(false), |row| row.get(0))
}

/// Which buckets, and in which order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) sort: Option<(Column, bool)>,
    pub(crate) search: Option<String>,
}

/// What buckets can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Id,
    Name,
    CreatedAt,
    UpdatedAt,
}

const LIST: &str =
    concat!("select ", columns!(), " from storage.buckets where ($1::text is null or name ilike $1)");

pub(crate) async fn list(acting: &Acting<'_>, page: &Page) -> Result<Vec<BucketRow>, db::Error> {
    let order = match page.sort {
        None => "",
        Some((Column::Id, false)) => " order by id",
        Some((Column::Id, true)) => " order by id desc",
        Some((Column::Name, false)) => " order by name",
        Some((Column::Name, true)) => " order by name desc",
        Some((Column::CreatedAt, false)) => " order by created_at",
        Some((Column::CreatedAt, true)) => " order by created_at desc",
        Some((Column::UpdatedAt, false)) => " order by updated_at",
        Some((Column::UpdatedAt, true)) => " order by updated_at desc",
    };
    let sql = [LIST, order, " limit $2 offset $3"].concat();
    let search = page.search.as_deref().filter(|search| !search.is_empty());
    let params = [
        optional(search.map(pattern)),
        optional(page.limit.map(|limit| limit.to_string())),
        optional(page.offset.map(|offset| offset.to_string())),
    ];
    acting.run(&sql, &params).await?.iter().map(BucketRow::read).collect()
}

/// The pattern of texts that contain `text`.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

const UPDATE: &str = "
    update storage.buckets
       set public = case when $2 then $3 else public end,
           file_size_limit = case when $4 then $5 else file_size_limit end,
           allowed_mime_types = case when $6 then $7 else allowed_mime_types end
     where id = $1
    returning id";

/// False if there is no such bucket for the caller.
pub(crate) async fn update(acting: &Acting<'_>, id: &str, changes: &Changes) -> Result<bool, db::Error> {
    let Changes { public, file_size_limit, allowed_mime_types } = changes;
    let params = [
        id.into(),
        public.is_some().to_string().into(),
        optional(public.map(|public| public.to_string())),
        file_size_limit.is_some().to_string().into(),
        optional(file_size_limit.flatten().map(|limit| limit.to_string())),
        allowed_mime_types.is_some().to_string().into(),
        allowed_mime_types.as_ref().and_then(Option::as_ref).map_or(Text::Null, |types| array(types)),
    ];
    Ok(!acting.run(UPDATE, &params).await?.is_empty())
}

const LOCK: &str = "select id from storage.buckets where id = $1 for update";

/// Holds a bucket, so that nothing is put into it. False if there is none.
pub(crate) async fn lock(work: &mut Work, service: &Acting<'_>, id: &str) -> Result<bool, db::Error> {
    Ok(!work.run(service, LOCK, &[id.into()]).await?.is_empty())
}

const DELETE: &str = "delete from storage.buckets where id = $1 returning id";

/// False if there is no such bucket for the caller.
pub(crate) async fn delete(work: &mut Work, caller: &Acting<'_>, id: &str) -> Result<bool, db::Error> {
    Ok(!work.run(caller, DELETE, &[id.into()]).await?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_is_literal() {
        assert_eq!(pattern(r"a_b%c\d"), r"%a\_b\%c\\d%");
    }
}
