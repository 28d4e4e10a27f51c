//! `GetObject` and `HeadObject`.

use std::time::SystemTime;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use object::Key;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Asked;
use super::describe::{set, tell, tell_checksum};
use crate::condition::{self, Facts, Wanted};
use crate::error::Error as Cause;
use crate::file::FileMetadata;
use crate::s3::error::Error;
use crate::s3::multipart;
use crate::s3::whole::Whole;
use crate::store::objects::{self, ObjectRow};

/// The object, if the caller can see it.
pub(super) async fn find(asked: &Asked) -> Result<ObjectRow, Error> {
    if asked.service().allows(&asked.key).is_err() {
        return Err(asked.missing().await);
    }
    let found = objects::find(&asked.call.as_caller(), &asked.bucket, &asked.key).await;
    match found.map_err(Error::database)? {
        Some(row) => Ok(row),
        None => Err(asked.missing().await),
    }
}

pub(super) fn map(json: Option<&RawValue>) -> Map<String, Value> {
    json.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
}

/// What an object's row tells.
pub(super) struct Known {
    pub(super) file: FileMetadata,
    pub(super) metadata: Map<String, Value>,
    user_metadata: Map<String, Value>,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
}

impl Known {
    pub(super) fn of(row: &ObjectRow, modified: Option<SystemTime>) -> Self {
        let metadata = map(row.metadata.as_deref());
        let file = FileMetadata::read(&metadata);
        Self {
            etag: file.etag.clone().unwrap_or_else(|| format!("\"{}\"", row.id)),
            modified: file.last_modified.or(modified).unwrap_or(SystemTime::UNIX_EPOCH),
            user_metadata: map(row.user_metadata.as_deref()),
            metadata,
            file,
        }
    }

    fn wanted(&self, asked: &Asked, size: u64) -> Result<Wanted, Error> {
        let facts = Facts { etag: &self.etag, modified: self.modified, size };
        let headers = asked.request.headers();
        if !condition::holds(headers, facts) {
            return Err(Error::PreconditionFailed);
        }
        let wanted = condition::wanted(headers, facts).map_err(|_| Error::InvalidRange)?;
        let Some(text) = asked.query.get("partNumber").filter(|_| wanted == Wanted::Whole) else {
            return Ok(wanted);
        };
        let number = u64::try_from(multipart::number(text)?).unwrap_or_default();
        match multipart::place(&self.parts(size), number) {
            Some((first, end, _)) if end > first && end <= size => Ok(Wanted::Part { first, last: end - 1 }),
            Some(_) => Ok(wanted),
            None => Err(Error::InvalidPart),
        }
    }

    /// The sizes of its parts; of an object that was put at once it is one.
    fn parts(&self, size: u64) -> Vec<(u64, u64)> {
        self.known_parts().unwrap_or_else(|| vec![(size, 1)])
    }

    /// The sizes of the parts that it was put together from, equal ones counted.
    pub(super) fn known_parts(&self) -> Option<Vec<(u64, u64)>> {
        self.metadata.get("parts").and_then(|parts| serde_json::from_value(parts.clone()).ok())
    }

    /// Tells the checksum of what is sent: of all, or of the part that was asked for by its number.
    fn tell_checksum(&self, answer: &mut HttpResponseBuilder, asked: &Asked, wanted: Wanted) {
        let Some(Whole { agreed, value, of_parts }) = Whole::kept(&self.metadata) else { return };
        let number = asked.query.get("partNumber").and_then(|number| number.parse::<usize>().ok());
        let value = match (number, wanted) {
            (None, Wanted::Whole) => Some(&value),
            (Some(1), Wanted::Whole | Wanted::Part { .. }) if self.known_parts().is_none() => Some(&value),
            (Some(number), Wanted::Whole | Wanted::Part { .. }) => of_parts.get(number.wrapping_sub(1)),
            _ => None,
        };
        if let Some(value) = value.filter(|_| asked.header("range").is_none()) {
            tell_checksum(answer, agreed, value);
        }
    }

    fn answer(&self, asked: &Asked, wanted: Wanted) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(match wanted {
            Wanted::Unchanged => StatusCode::NOT_MODIFIED,
            Wanted::Whole => StatusCode::OK,
            Wanted::Part { .. } => StatusCode::PARTIAL_CONTENT,
        });
        let parameter = |name: &str| asked.query.get(name).map(str::to_owned);
        let labels = self.file.labels();
        // Ranges and lengths are those of the file: nobody may compress it on the way.
        set(&mut answer, "content-encoding", b"identity");
        tell(&mut answer, &self.metadata, &self.user_metadata, parameter);
        let content_type = parameter("response-content-type").unwrap_or(labels.content_type);
        let cache_control = parameter("response-cache-control").unwrap_or(labels.cache_control);
        let modified = httpdate::fmt_http_date(self.modified);
        for (name, value) in [
            ("content-type", &content_type),
            ("cache-control", &cache_control),
            ("etag", &self.etag),
            ("last-modified", &modified),
        ] {
            set(&mut answer, name, value.as_bytes());
        }
        set(&mut answer, "accept-ranges", b"bytes");
        if asked.query.has("partNumber") && self.metadata.contains_key("parts") {
            let count: u64 = self.parts(0).iter().map(|(_, count)| count).sum();
            set(&mut answer, "x-amz-mp-parts-count", count.to_string().as_bytes());
        }
        let asks =
            asked.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
        if asks {
            self.tell_checksum(&mut answer, asked, wanted);
        }
        answer
    }
}

pub(super) async fn get(asked: &Asked) -> Result<HttpResponse, Error> {
    let row = find(asked).await?;
    let key = Key::new(&row.bucket_id, &row.name, row.version.as_deref()).ok_or(Cause::NoSuchFile)?;
    let extent = condition::extent(asked.request.headers());
    let blob = asked.service().disk.read_part(&key, extent).await;
    let blob = blob.map_err(|error| Cause::disk(error, &row.name))?;
    let known = Known::of(&row, Some(blob.modified()));
    let wanted = known.wanted(asked, blob.size())?;
    let mut answer = known.answer(asked, wanted);
    let (first, end) = match wanted {
        Wanted::Unchanged => return Ok(answer.finish()),
        Wanted::Whole => (0, blob.size()),
        Wanted::Part { first, last } => {
            let range = format!("bytes {first}-{last}/{}", blob.size());
            set(&mut answer, "content-range", range.as_bytes());
            (first, last + 1)
        }
    };
    if let Some(bytes) = blob.small(first, end) {
        return Ok(answer.body(bytes));
    }
    let pieces =
        blob.stream(first, end).inspect_err(|error| tracing::error!(%error, "a file could not be read"));
    Ok(answer.body(SizedStream::new(end - first, pieces)))
}

/// From the row alone: the disk is not asked.
pub(super) async fn head(asked: &Asked) -> Result<HttpResponse, Error> {
    let row = find(asked).await?;
    let known = Known::of(&row, None);
    let size = known.file.size.or(known.file.content_length).unwrap_or_default();
    let wanted = known.wanted(asked, size)?;
    let mut answer = known.answer(asked, wanted);
    let length = match wanted {
        Wanted::Unchanged => return Ok(answer.finish()),
        Wanted::Whole => size,
        Wanted::Part { first, last } => {
            set(&mut answer, "content-range", format!("bytes {first}-{last}/{size}").as_bytes());
            last - first + 1
        }
    };
    if let Some(created) = &row.created_at {
        set(&mut answer, "created-at", created.as_bytes());
    }
    // A length without a body.
    Ok(answer.no_chunking(length).streaming(stream::empty::<Result<Bytes, Cause>>()))
}
