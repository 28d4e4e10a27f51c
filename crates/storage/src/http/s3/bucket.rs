//! Buckets: listed, made, looked for, deleted, and what little there is to know of them.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;

use super::{Asked, document};
use crate::bucket;
use crate::error::{Error as Cause, Existing};
use crate::path;
use crate::s3::error::Error;
use crate::s3::xml::Writer;
use crate::store::buckets::{self, BucketRow, Changes, Column, NewBucket, Page};

/// Buckets of a list at most.
const MOST: u64 = 1000;

pub(super) async fn list(asked: &Asked) -> Result<HttpResponse, Error> {
    let page = Page { limit: Some(MOST), sort: Some((Column::Name, false)), ..Page::default() };
    let rows = buckets::list(&asked.call.as_caller(), &page).await.map_err(Error::database)?;
    let get = |name: &str| asked.query.get(name).filter(|value| !value.is_empty());
    let invalid = |name: &str| Error::InvalidArgument(format!("Provided {name} is invalid").into());
    let (prefix, after) = (get("prefix").unwrap_or_default(), get("continuation-token").unwrap_or_default());
    let limit = match get("max-buckets") {
        None => usize::MAX,
        Some(digits) => digits.parse().map_err(|_| invalid("max-buckets"))?,
    };
    let is_wanted = |row: &&BucketRow| {
        row.name.starts_with(prefix) && row.name.as_str() > after && asked.bounds.opens(&row.name)
    };
    let mut rows: Vec<&BucketRow> = rows.iter().filter(is_wanted).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let is_truncated = rows.len() > limit;
    rows.truncate(limit);
    Ok(document(Writer::document("ListAllMyBucketsResult", |w| {
        owner(w, asked);
        w.group("Buckets", |w| {
            for row in &rows {
                w.group("Bucket", |w| {
                    w.text("Name", &row.name);
                    w.text("CreationDate", row.created_at.as_deref().unwrap_or_default());
                });
            }
        });
        if let Some(last) = rows.last().filter(|_| is_truncated) {
            w.text("ContinuationToken", &last.name);
        }
        if !prefix.is_empty() {
            w.text("Prefix", prefix);
        }
    })))
}

/// Whom everything belongs to, as far as S3 can say it: the installation.
pub(super) fn owner(w: &mut Writer, asked: &Asked) {
    let config = asked.service().config();
    let tenant = &config.tenant;
    w.group("Owner", |w| {
        w.text("ID", tenant);
        w.text("DisplayName", tenant);
    });
}

pub(super) async fn create(asked: &mut Asked) -> Result<HttpResponse, Error> {
    path::bucket(&asked.bucket)?;
    if asked.header("x-amz-bucket-object-lock-enabled").is_some_and(|value| value != "false") {
        return Err(Error::NotImplemented);
    }
    let public = asked.header("x-amz-acl").is_some_and(|acl| acl.starts_with("public-read"));
    // A region is all that the body could say.
    if asked.header("content-length").is_some_and(|length| length != "0") {
        asked.document().await?;
    }
    let owner = asked.call.owner();
    let id = asked.bucket.as_str();
    let bucket = NewBucket { id, name: id, owner, public, changes: Changes::default() };
    let made = buckets::insert(&asked.call.as_caller(), &bucket).await;
    match made.map_err(Cause::making(Existing::Bucket)) {
        Ok(()) => Ok(HttpResponse::Ok().insert_header((LOCATION, format!("/{id}"))).finish()),
        Err(Cause::Exists(_)) => {
            let found = buckets::find(&asked.call.as_caller(), id).await.map_err(Error::database)?;
            match found {
                Some(_) => Err(Error::BucketAlreadyOwnedByYou),
                None => Err(Cause::Exists(Existing::Bucket).into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The caller must be able to see the bucket.
async fn seen(asked: &Asked) -> Result<(), Error> {
    let row = buckets::find(&asked.call.as_caller(), &asked.bucket).await.map_err(Error::database)?;
    if row.is_some() { Ok(()) } else { Err(Cause::NoSuchBucket.into()) }
}

pub(super) async fn head(asked: &Asked) -> Result<HttpResponse, Error> {
    seen(asked).await?;
    Ok(HttpResponse::Ok().insert_header(("x-amz-bucket-region", asked.service().s3.region.as_str())).finish())
}

pub(super) async fn delete(asked: &Asked) -> Result<HttpResponse, Error> {
    bucket::delete(&asked.call, &asked.bucket).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn location(asked: &Asked) -> Result<HttpResponse, Error> {
    seen(asked).await?;
    let region = &asked.service().s3.region;
    Ok(document(Writer::document("LocationConstraint", |w| w.escaped(region))))
}

/// As a bucket that never had versions.
pub(super) async fn versioning(asked: &Asked) -> Result<HttpResponse, Error> {
    seen(asked).await?;
    Ok(document(Writer::document("VersioningConfiguration", |_| ())))
}

pub(super) async fn absent(
    asked: &Asked,
    code: &'static str,
    text: &'static str,
) -> Result<HttpResponse, Error> {
    seen(asked).await?;
    Err(Error::NotConfigured(code, text))
}
