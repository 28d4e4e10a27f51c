//! Uploads in parts: begun, listed, put together, given up.

use std::rc::Rc;

use actix_web::HttpResponse;
use object::Key;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::describe::{Described, set};
use super::get::map;
use super::list::{encodes, spelled};
use super::put::{Condition, Target, commit, target};
use super::{Asked, document};
use crate::call::Call;
use crate::error::Error as Cause;
use crate::s3::error::Error;
use crate::s3::multipart;
use crate::s3::whole::{Agreed, Whole};
use crate::s3::xml::Writer;
use crate::service::Completed;
use crate::store::uploads::{self, NewUpload, Page, PartRow, UploadRow};
use crate::upload::Upload;

/// Lines of a list at most.
const MOST: u64 = 1000;

pub(super) async fn create(asked: &Asked) -> Result<HttpResponse, Error> {
    let described = Described::read(&asked.request, &asked.query)?;
    let agreed = Agreed::read(asked.header("x-amz-checksum-algorithm"), asked.header("x-amz-checksum-type"))?;
    let Target { upload, .. } = target(asked, &described, None).await?;
    let mut noted = described.note();
    if let Some(agreed) = agreed {
        agreed.note(&mut noted);
    }
    let id = Uuid::new_v4().simple().to_string();
    let new = NewUpload {
        id: &id,
        bucket: &upload.bucket,
        key: &upload.name,
        version: &Uuid::new_v4().to_string(),
        owner: upload.owner.as_deref(),
        role: asked.call.role(),
        metadata: Value::Object(noted).to_string(),
        user_metadata: described.user_metadata.to_string(),
    };
    uploads::insert(&asked.call.as_service(), &new).await.map_err(Error::database)?;
    let mut answer = HttpResponse::Ok();
    if let Some(agreed) = agreed {
        set(&mut answer, "x-amz-checksum-algorithm", agreed.algorithm.name().as_bytes());
        set(&mut answer, "x-amz-checksum-type", agreed.cover.name().as_bytes());
    }
    Ok(answer.content_type("application/xml").body(Writer::document("InitiateMultipartUploadResult", |w| {
        w.text("Bucket", &upload.bucket);
        w.text("Key", &upload.name);
        w.text("UploadId", &id);
    })))
}

/// What is agreed on as to the checksum of an upload.
pub(super) fn agreed(upload: &UploadRow) -> Option<Agreed> {
    Agreed::noted(&map(upload.metadata.as_deref()))
}

/// Tells it in a list.
pub(super) fn tell_agreed(w: &mut Writer, agreed: Option<Agreed>) {
    if let Some(agreed) = agreed {
        w.text("ChecksumAlgorithm", agreed.algorithm.name());
        w.text("ChecksumType", agreed.cover.name());
    }
}

/// The upload that a request names, if it goes to this key and the caller is the one who began it.
pub(super) async fn find(asked: &Asked) -> Result<UploadRow, Error> {
    let id = asked.query.get("uploadId").unwrap_or_default();
    let found = uploads::find(&asked.call.as_service(), id, &asked.bucket, &asked.key).await;
    let row = found.map_err(Error::database)?.ok_or(Error::NoSuchUpload)?;
    let is_own = row.role == asked.call.role() && row.owner.as_deref() == asked.call.owner();
    if is_own || asked.call.is_service() { Ok(row) } else { Err(Error::NoSuchUpload) }
}

pub(super) async fn list(asked: &Asked) -> Result<HttpResponse, Error> {
    super::bucket::head(asked).await?;
    let query = &asked.query;
    let get = |name: &str| query.get(name).unwrap_or_default();
    let invalid =
        || Error::InvalidArgument("Provided max-uploads not an integer or within integer range".into());
    let limit = match query.get("max-uploads") {
        None | Some("") => MOST,
        Some(digits) => digits.parse::<u64>().map_err(|_| invalid())?.min(MOST),
    };
    let encodes = encodes(query)?;
    let (prefix, delimiter) = (get("prefix"), get("delimiter"));
    let caller = (asked.call.role(), asked.call.owner());
    let page = Page {
        bucket: &asked.bucket,
        prefix,
        after: (get("key-marker"), get("upload-id-marker")),
        limit: limit + 1,
        of: (!asked.call.is_service()).then_some(caller),
    };
    let mut rows = uploads::list(&asked.call.as_service(), &page).await.map_err(Error::database)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_truncated = rows.len() > limit;
    rows.truncate(limit);
    // Keys that share a part up to the delimiter are one.
    let shared = |key: &str| {
        let end = key.get(prefix.len()..)?.find(delimiter).filter(|_| !delimiter.is_empty())?;
        key.get(..prefix.len() + end + delimiter.len()).map(str::to_owned)
    };
    let mut folders: Vec<String> = rows.iter().filter_map(|row| shared(&row.key)).collect();
    folders.dedup();
    Ok(document(Writer::document("ListMultipartUploadsResult", |w| {
        w.text("Bucket", &asked.bucket);
        w.text("KeyMarker", &spelled(get("key-marker"), encodes));
        w.text("UploadIdMarker", get("upload-id-marker"));
        if let Some(last) = rows.last().filter(|_| is_truncated) {
            w.text("NextKeyMarker", &spelled(&last.key, encodes));
            w.text("NextUploadIdMarker", &last.id);
        }
        w.text("Prefix", &spelled(prefix, encodes));
        if !delimiter.is_empty() {
            w.text("Delimiter", &spelled(delimiter, encodes));
        }
        if encodes {
            w.text("EncodingType", "url");
        }
        w.number("MaxUploads", limit as u64);
        w.flag("IsTruncated", is_truncated);
        for row in rows.iter().filter(|row| shared(&row.key).is_none()) {
            w.group("Upload", |w| {
                w.text("Key", &spelled(&row.key, encodes));
                w.text("UploadId", &row.id);
                super::bucket::owner(w, asked);
                w.text("StorageClass", "STANDARD");
                w.text("Initiated", &row.created_at);
                tell_agreed(w, agreed(row));
            });
        }
        for folder in &folders {
            w.group("CommonPrefixes", |w| w.text("Prefix", &spelled(folder, encodes)));
        }
    })))
}

pub(super) async fn abort(asked: &Asked) -> Result<HttpResponse, Error> {
    let row = find(asked).await?;
    end(&asked.call, &row.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Forgets an upload, then its parts.
async fn end(call: &Call, id: &str) -> Result<(), Error> {
    uploads::delete(&call.as_service(), id).await.map_err(Error::database)?;
    if let Err(error) = call.service.parts.remove_all(id).await {
        tracing::warn!(%error, "parts of an upload could not be removed");
    }
    Ok(())
}

pub(super) async fn complete(asked: &mut Asked) -> Result<HttpResponse, Error> {
    // Headers that tell a checksum tell that of the object.
    let body = asked.document_apart().await?;
    let listed = multipart::listed(&body)?;
    let condition = Condition::read(asked)?;
    let id = asked.query.get("uploadId").unwrap_or_default().to_owned();
    let row = match find(asked).await {
        Ok(row) => row,
        // A client that has not heard the answer asks again.
        Err(Error::NoSuchUpload) => {
            let done = asked.service().completed(&id).filter(|done| {
                done.bucket == asked.bucket && done.key == asked.key && done.by == whoever(&asked.call)
            });
            return done
                .map(|done| answer(asked, &done.etag, done.whole.as_ref()))
                .ok_or(Error::NoSuchUpload);
        }
        Err(error) => return Err(error),
    };
    let most = u64::try_from(multipart::MOST).unwrap_or_default();
    let known = uploads::parts(&asked.call.as_service(), &row.id, 0, most).await.map_err(Error::database)?;
    let least = asked.service().config().s3.minimum_part_size.0;
    let agreed = agreed(&row);
    let parts = multipart::chosen(known, listed, least, agreed)?;
    let user_metadata = Value::Object(map(row.user_metadata.as_deref()));
    let noted: Map<String, Value> = map(row.metadata.as_deref());
    let described = Described::restore(&noted, user_metadata);
    let size = parts.iter().map(|part| part.size).sum();
    let whole =
        agreed.and_then(|agreed| agreed.sum(parts.iter().map(|part| (part.checksum.as_deref(), part.size))));
    keeps(asked, whole.as_ref(), size)?;
    let Target { mut upload, .. } = target(asked, &described, Some(size)).await?;
    // An empty part makes an empty object, not a folder.
    row.key.clone_into(&mut upload.name);
    let call = Rc::clone(&asked.call);
    let joined = actix_web::rt::spawn(async move {
        let etag = join(&call, &row, &upload, &described, (&parts, whole.as_ref()), &condition).await?;
        Ok::<_, Error>((etag, whole))
    });
    let (etag, whole) = joined.await.map_err(|error| Cause::Internal(Box::new(error)))??;
    Ok(answer(asked, &etag, whole.as_ref()))
}

/// Whether the object will be what the client says of it, as far as the server knows.
fn keeps(asked: &Asked, whole: Option<&Whole>, size: u64) -> Result<(), Error> {
    if asked.header("x-amz-mp-object-size").is_some_and(|text| text.parse() != Ok(size)) {
        return Err(Error::InvalidRequest(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed.".into(),
        ));
    }
    let Some(Whole { agreed, value, .. }) = whole else { return Ok(()) };
    let cover = asked.header("x-amz-checksum-type");
    if cover.is_some_and(|cover| !cover.eq_ignore_ascii_case(agreed.cover.name())) {
        return Err(Error::InvalidRequest(
            format!("The upload was created using the {} checksum mode.", agreed.cover.name()).into(),
        ));
    }
    // Some clients leave out how many parts there are.
    let bare = |text: &str| text.split('-').next().unwrap_or_default().to_owned();
    match asked.header(agreed.algorithm.header()) {
        Some(told) if told != value && told != bare(value) => Err(Error::BadDigest),
        _ => Ok(()),
    }
}

fn whoever(call: &Call) -> String {
    format!("{}/{}", call.role(), call.owner().unwrap_or_default())
}

fn answer(asked: &Asked, etag: &str, whole: Option<&Whole>) -> HttpResponse {
    document(Writer::document("CompleteMultipartUploadResult", |w| {
        w.text("Location", &format!("/{}/{}", asked.bucket, asked.key));
        w.text("Bucket", &asked.bucket);
        w.text("Key", &asked.key);
        w.text("ETag", etag);
        if let Some(Whole { agreed, value, .. }) = whole {
            w.text(agreed.algorithm.element(), value);
            w.text("ChecksumType", agreed.cover.name());
        }
    }))
}

async fn join(
    call: &Call,
    row: &UploadRow,
    upload: &Upload,
    described: &Described,
    (parts, whole): (&[PartRow], Option<&Whole>),
    condition: &Condition,
) -> Result<String, Error> {
    let etag = multipart::etag(parts)?;
    let version = Uuid::new_v4().to_string();
    let key = Key::new(&upload.bucket, &upload.name, Some(&version))
        .ok_or_else(|| crate::upload::invalid(&upload.name))?;
    let files: Vec<String> = parts.iter().map(|part| part.file.clone()).collect();
    let joined = call.service.parts.join(&row.id, &files, key.clone(), described.labels.clone()).await;
    let (size, modified) = joined.map_err(|error| match error {
        object::Error::NotFound => Error::NoSuchUpload,
        error => Cause::disk(error, &upload.name).into(),
    })?;
    let mut metadata = described.metadata(&etag, size, modified, whole);
    metadata.insert("parts".to_owned(), json!(multipart::sizes(parts)));
    let metadata = Value::Object(metadata).to_string();
    commit(call, upload, &key, metadata, &described.user_metadata, condition).await?;
    call.service.remember(
        &row.id,
        Completed {
            bucket: upload.bucket.clone(),
            key: row.key.clone(),
            by: whoever(call),
            etag: etag.clone(),
            whole: whole.cloned(),
        },
    );
    end(call, &row.id).await?;
    Ok(etag)
}
