//! `DeleteObject` and `DeleteObjects`. What is not there counts as deleted; what the policies keep does not.

use std::collections::HashSet;
use std::time::SystemTime;

use actix_web::HttpResponse;
use chrono::DateTime;

use super::{Asked, document};
use crate::error::Error as Cause;
use crate::file::FileMetadata;
use crate::removal;
use crate::s3::error::Error;
use crate::s3::xml::{self, Writer};
use crate::store::objects;

/// Keys of one request.
const MOST: usize = 1000;

pub(super) async fn one(asked: &Asked) -> Result<HttpResponse, Error> {
    let condition = Condition {
        etag: asked.header("if-match").map(str::to_owned),
        size: asked.header("x-amz-if-match-size").map(str::to_owned),
        moment: asked.header("x-amz-if-match-last-modified-time").map(str::to_owned),
    };
    if !condition.is_empty() {
        match condition.check(asked, &asked.key).await? {
            None => return Err(Cause::NoSuchKey.into()),
            Some(false) => return Err(Error::PreconditionFailed),
            Some(true) => {}
        }
    }
    let names = [asked.key.clone()];
    let gone = removal::delete(&asked.call, &asked.bucket, &names).await?;
    if gone.is_empty() && !kept(asked, &names).await?.is_empty() {
        return Err(Error::AccessDenied("Access Denied".into()));
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Those of some names that are there still, whoever may see them.
async fn kept(asked: &Asked, names: &[String]) -> Result<HashSet<String>, Error> {
    if let Error::Storage(Cause::NoSuchBucket) = asked.missing().await {
        return Err(Cause::NoSuchBucket.into());
    }
    let found = objects::visible(&asked.call.as_service(), &asked.bucket, names).await;
    found.map_err(Error::database)
}

pub(super) async fn many(asked: &mut Asked) -> Result<HttpResponse, Error> {
    let body = asked.document().await?;
    let (listed, is_quiet) = read(&body)?;
    let mut names = Vec::new();
    let mut failed: Vec<(String, &str)> = Vec::new();
    for (name, condition) in listed {
        let holds = if condition.is_empty() { Some(true) } else { condition.check(asked, &name).await? };
        match holds {
            Some(true) => names.push(name),
            Some(false) => failed.push((name, "PreconditionFailed")),
            None => failed.push((name, "NoSuchKey")),
        }
    }
    let gone = removal::delete(&asked.call, &asked.bucket, &names).await?;
    let gone: HashSet<&str> = gone.iter().map(|row| row.name.as_str()).collect();
    let rest: Vec<String> = names.iter().filter(|name| !gone.contains(name.as_str())).cloned().collect();
    let kept = if rest.is_empty() { HashSet::new() } else { kept(asked, &rest).await? };
    Ok(document(Writer::document("DeleteResult", |w| {
        for name in &names {
            if kept.contains(name) {
                failure(w, name, "AccessDenied");
            } else if !is_quiet {
                w.group("Deleted", |w| w.text("Key", name));
            }
        }
        for (name, code) in &failed {
            failure(w, name, code);
        }
    })))
}

fn failure(w: &mut Writer, name: &str, code: &str) {
    w.group("Error", |w| {
        w.text("Key", name);
        w.text("Code", code);
        w.text("Message", code);
    });
}

/// What an object must be like to be deleted.
struct Condition {
    etag: Option<String>,
    size: Option<String>,
    /// When it was last changed.
    moment: Option<String>,
}

impl Condition {
    fn is_empty(&self) -> bool {
        self.etag.is_none() && self.size.is_none() && self.moment.is_none()
    }

    /// Whether the object is like that; `None` if there is none for the caller.
    async fn check(&self, asked: &Asked, name: &str) -> Result<Option<bool>, Error> {
        let found = objects::find(&asked.call.as_caller(), &asked.bucket, name).await;
        let Some(row) = found.map_err(Error::database)? else { return Ok(None) };
        let file = FileMetadata::of(&row);
        let bare = |tag: &str| tag.trim().trim_matches('"').to_owned();
        let etag = self.etag.as_deref().is_none_or(|tag| {
            bare(tag) == "*" || file.etag.as_deref().is_some_and(|known| bare(known) == bare(tag))
        });
        let size = self.size.as_deref().is_none_or(|size| size.trim().parse().ok() == file.size);
        let moment = self.moment.as_deref().is_none_or(|text| {
            let wanted = httpdate::parse_http_date(text.trim()).ok();
            let wanted = wanted.or_else(|| Some(DateTime::parse_from_rfc3339(text.trim()).ok()?.into()));
            wanted.map(seconds).is_some() && wanted.map(seconds) == file.last_modified.map(seconds)
        });
        Ok(Some(etag && size && moment))
    }
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Keys with their conditions, and whether only failures are to be told.
fn read(body: &[u8]) -> Result<(Vec<(String, Condition)>, bool), Error> {
    xml::read(body, "Delete", |root| {
        let mut names = Vec::new();
        for object in xml::children(root, "Object") {
            match xml::text(object, "VersionId").as_deref() {
                None | Some("null" | "") => {}
                Some(_) => return Err(Error::NoSuchVersion),
            }
            let condition = Condition {
                etag: xml::text(object, "ETag"),
                size: xml::text(object, "Size"),
                moment: xml::text(object, "LastModifiedTime"),
            };
            let name = xml::text(object, "Key").filter(|key| !key.is_empty());
            names.push((name.ok_or(Error::MalformedXml)?, condition));
        }
        if names.is_empty() || names.len() > MOST {
            return Err(Error::MalformedXml);
        }
        let is_quiet = xml::text(root, "Quiet").is_some_and(|text| text.trim() == "true");
        Ok((names, is_quiet))
    })
}
