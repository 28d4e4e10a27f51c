//! `DeleteObject` and `DeleteObjects`. What is not there counts as deleted; what the policies keep does not.

use std::collections::HashSet;

use actix_web::HttpResponse;

use super::{Asked, document};
use crate::error::Error as Cause;
use crate::removal;
use crate::s3::error::Error;
use crate::s3::xml::{self, Writer};
use crate::store::objects;

/// Keys of one request.
const MOST: usize = 1000;

pub(super) async fn one(asked: &Asked) -> Result<HttpResponse, Error> {
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
    let (names, is_quiet) = read(&body)?;
    let gone = removal::delete(&asked.call, &asked.bucket, &names).await?;
    let gone: HashSet<&str> = gone.iter().map(|row| row.name.as_str()).collect();
    let rest: Vec<String> = names.iter().filter(|name| !gone.contains(name.as_str())).cloned().collect();
    let kept = if rest.is_empty() { HashSet::new() } else { kept(asked, &rest).await? };
    Ok(document(Writer::document("DeleteResult", |w| {
        for name in &names {
            if kept.contains(name) {
                w.group("Error", |w| {
                    w.text("Key", name);
                    w.text("Code", "AccessDenied");
                    w.text("Message", "Access Denied");
                });
            } else if !is_quiet {
                w.group("Deleted", |w| w.text("Key", name));
            }
        }
    })))
}

/// Keys, and whether only failures are to be told.
fn read(body: &[u8]) -> Result<(Vec<String>, bool), Error> {
    xml::read(body, "Delete", |root| {
        let mut names = Vec::new();
        for object in xml::children(root, "Object") {
            match xml::text(object, "VersionId").as_deref() {
                None | Some("null" | "") => {}
                Some(_) => return Err(Error::NoSuchVersion),
            }
            names.push(xml::text(object, "Key").filter(|key| !key.is_empty()).ok_or(Error::MalformedXml)?);
        }
        if names.is_empty() || names.len() > MOST {
            return Err(Error::MalformedXml);
        }
        let is_quiet = xml::text(root, "Quiet").is_some_and(|text| text.trim() == "true");
        Ok((names, is_quiet))
    })
}
