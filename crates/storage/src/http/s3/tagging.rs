//! Tags of objects: kept in `objects.metadata`, changed as the caller.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::describe::tags;
use super::get::{find, map};
use super::{Asked, document};
use crate::s3::error::Error;
use crate::s3::xml::{self, Writer};
use crate::store::objects;

pub(super) async fn get(asked: &Asked) -> Result<HttpResponse, Error> {
    let row = find(asked).await?;
    let metadata = map(row.metadata.as_deref());
    let tags = metadata.get("tags").and_then(Value::as_object).cloned().unwrap_or_default();
    Ok(document(Writer::document("Tagging", |w| {
        w.group("TagSet", |w| {
            for (name, value) in &tags {
                w.group("Tag", |w| {
                    w.text("Key", name);
                    w.text("Value", value.as_str().unwrap_or_default());
                });
            }
        });
    })))
}

pub(super) async fn put(asked: &mut Asked) -> Result<HttpResponse, Error> {
    let body = asked.document().await?;
    let pairs = xml::read(&body, "Tagging", |root| {
        let set = xml::children(root, "TagSet").next().ok_or(Error::MalformedXml)?;
        let tag = |tag| {
            let text = |name| xml::text(tag, name).ok_or(Error::MalformedXml);
            Ok((text("Key")?, text("Value")?))
        };
        xml::children(set, "Tag").map(tag).collect::<Result<Vec<_>, Error>>()
    })?;
    change(asked, tags(pairs)?).await?;
    Ok(HttpResponse::Ok().finish())
}

pub(super) async fn delete(asked: &Asked) -> Result<HttpResponse, Error> {
    change(asked, json!({})).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn change(asked: &Asked, tags: Value) -> Result<(), Error> {
    let row = find(asked).await?;
    let (acting, tags) = (asked.call.as_caller(), tags.to_string());
    let changed = objects::write_tags(&acting, &row.bucket_id, &row.name, &tags).await;
    match changed.map_err(Error::database)? {
        true => Ok(()),
        false => Err(Error::AccessDenied("Access Denied".into())),
    }
}
