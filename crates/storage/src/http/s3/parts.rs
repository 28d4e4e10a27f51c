//! Parts of an upload: taken in, listed.

use actix_web::HttpResponse;
use object::Stored;
use uuid::Uuid;

use super::describe::set;
use super::list::{encodes, spelled};
use super::put::receive;
use super::{Asked, document, multipart};
use crate::error::Error as Cause;
use crate::limit;
use crate::s3::checksum::Algorithm;
use crate::s3::content::Content;
use crate::s3::error::Error;
use crate::s3::multipart::number;
use crate::s3::xml::Writer;
use crate::store::buckets;
use crate::store::uploads::{self, NewPart, UploadRow};

/// Bytes of a part, whatever the bucket takes.
const LARGEST: u64 = 5 * 1024 * 1024 * 1024;
/// Lines of a list at most.
const MOST: u64 = 1000;

/// `UploadPart`
pub(super) async fn put(asked: &mut Asked) -> Result<HttpResponse, Error> {
    let mut content = asked.content()?;
    let stored = store(asked, &mut content).await;
    if stored.is_err() {
        content.drain().await;
    }
    let (etag, checksum) = stored?;
    let mut answer = HttpResponse::Ok();
    set(&mut answer, "etag", format!("\"{etag}\"").as_bytes());
    if let Some((algorithm, value)) = &checksum {
        set(&mut answer, algorithm.header(), value.as_bytes());
    }
    Ok(answer.finish())
}

type Checksum = Option<(Algorithm, String)>;

async fn store(asked: &Asked, content: &mut Content) -> Result<(String, Checksum), Error> {
    let number = number(asked.query.get("partNumber").unwrap_or_default())?;
    let upload = multipart::find(asked).await?;
    let agreed = multipart::agreed(&upload);
    if let Some(agreed) = agreed {
        content.measure(agreed.algorithm)?;
    }
    let limit = most(asked).await?;
    if content.size() > limit.min(LARGEST) {
        return Err(Cause::EntityTooLarge("object").into());
    }
    let file = part_name();
    let parts = &asked.service().parts;
    let incoming = parts.create(&upload.id, &file).map_err(|error| Cause::disk(error, &upload.key))?;
    let incoming = receive(content, incoming, limit, &upload.key).await?;
    let proven = content.prove()?;
    let stored = incoming.finish(object::Labels::default()).await;
    let stored = stored.map_err(|error| Cause::disk(error, &upload.key))?;
    if proven.md5.is_some_and(|md5| hex::encode(md5) != stored.md5) {
        discard(asked, &upload.id, &file).await;
        return Err(Error::BadDigest);
    }
    let checksum = proven.checksum.as_ref().filter(|_| agreed.is_some()).map(|(_, value)| value.as_str());
    add(asked, &upload, number, (&file, checksum), &stored, limit).await?;
    Ok((stored.md5, proven.checksum))
}

/// A name for the file of a part: none that a version of an object could have.
pub(super) fn part_name() -> String {
    format!("part-{}", Uuid::new_v4())
}

/// Bytes that an object of this bucket may have.
pub(super) async fn most(asked: &Asked) -> Result<u64, Error> {
    let rules =
        buckets::find_rules(&asked.call.as_service(), &asked.bucket).await.map_err(Error::database)?;
    let rules = rules.ok_or(Cause::NoSuchBucket)?;
    Ok(limit::effective(asked.service().config().file_size_limit.0, rules.file_size_limit))
}

/// Notes a part that is there: its file, and its checksum if the upload has one.
pub(super) async fn add(
    asked: &Asked,
    upload: &UploadRow,
    number: i32,
    (file, checksum): (&str, Option<&str>),
    stored: &Stored,
    limit: u64,
) -> Result<(), Error> {
    let part = NewPart { upload, number, size: stored.size, etag: &stored.md5, file, checksum, limit };
    match uploads::add(&asked.call.as_service(), &part).await {
        Ok(Some(replaced)) => {
            for file in replaced {
                discard(asked, &upload.id, &file).await;
            }
            Ok(())
        }
        Ok(None) => {
            discard(asked, &upload.id, file).await;
            match multipart::find(asked).await {
                Ok(_) => Err(Cause::EntityTooLarge("object").into()),
                Err(error) => Err(error),
            }
        }
        Err(error) => {
            if error.server().is_some() {
                discard(asked, &upload.id, file).await;
            }
            Err(Error::database(error))
        }
    }
}

pub(super) async fn discard(asked: &Asked, upload: &str, file: &str) {
    if let Err(error) = asked.service().parts.remove(upload, file).await {
        tracing::warn!(%error, "a part that no upload has could not be removed");
    }
}

/// `ListParts`
pub(super) async fn list(asked: &Asked) -> Result<HttpResponse, Error> {
    let upload = multipart::find(asked).await?;
    let get = |name: &str| asked.query.get(name).filter(|value| !value.is_empty());
    let invalid = |name: &str| Error::InvalidArgument(format!("Provided {name} is invalid").into());
    let limit = match get("max-parts") {
        None => MOST,
        Some(digits) => digits.parse::<u64>().map_err(|_| invalid("max-parts"))?.min(MOST),
    };
    let after = match get("part-number-marker") {
        None => 0,
        Some(digits) => digits.parse::<i32>().map_err(|_| invalid("part-number-marker"))?,
    };
    let encodes = encodes(&asked.query)?;
    let rows = uploads::parts(&asked.call.as_service(), &upload.id, after, limit + 1).await;
    let mut rows = rows.map_err(Error::database)?;
    let kept = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_truncated = rows.len() > kept;
    rows.truncate(kept);
    let agreed = multipart::agreed(&upload);
    Ok(document(Writer::document("ListPartsResult", |w| {
        w.text("Bucket", &upload.bucket);
        w.text("Key", &spelled(&upload.key, encodes));
        w.text("UploadId", &upload.id);
        super::bucket::owner(w, asked);
        w.text("StorageClass", "STANDARD");
        w.text("PartNumberMarker", &after.to_string());
        if let Some(last) = rows.last().filter(|_| is_truncated) {
            w.text("NextPartNumberMarker", &last.number.to_string());
        }
        w.number("MaxParts", limit);
        w.flag("IsTruncated", is_truncated);
        multipart::tell_agreed(w, agreed);
        for row in &rows {
            w.group("Part", |w| {
                w.text("PartNumber", &row.number.to_string());
                w.text("LastModified", &row.created_at);
                w.text("ETag", &format!("\"{}\"", row.etag));
                w.number("Size", row.size);
                if let (Some(agreed), Some(value)) = (agreed, &row.checksum) {
                    w.text(agreed.algorithm.element(), value);
                }
            });
        }
    })))
}
