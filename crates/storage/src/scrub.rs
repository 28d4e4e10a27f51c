//! Whether the files are what was recorded of them: there, of their length, with their checksum, which is that
//! of their parts where they came in parts. An object whose tag is no checksum (files of other stores) is compared by length.
//!
//! First come the objects, then the versions that are kept: nobody reads those until the day they are needed.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use object::Key;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::call::Call;
use crate::error::Error;
use crate::file::FileMetadata;
use crate::s3::tag::Tag;
use crate::store::objects::{self, ObjectRow};
use crate::store::versions::{self, VersionRow};

/// A request ends after the file it is at when this is over.
const TURN: Duration = Duration::from_secs(5);
/// Rows that are read at once.
const PAGE: u64 = 200;
/// What a cursor begins with that stands among the versions.
const KEPT: &str = "kept:";

/// What some files were like.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) checked: u64,
    pub(crate) bytes: u64,
    pub(crate) problems: Vec<Problem>,
    /// Where to go on.
    pub(crate) next: Option<String>,
}

/// A file that is not what was recorded.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    bucket: String,
    name: String,
    version: Option<String>,
    /// It is no object's any more.
    kept: bool,
    problem: &'static str,
}

/// What is recorded of a file.
struct Recorded {
    id: String,
    bucket: String,
    name: String,
    version: Option<String>,
    metadata: Option<Box<RawValue>>,
    is_kept: bool,
}

impl From<ObjectRow> for Recorded {
    fn from(row: ObjectRow) -> Self {
        let ObjectRow { id, bucket_id: bucket, name, version, metadata, .. } = row;
        Self { id, bucket, name, version, metadata, is_kept: false }
    }
}

impl From<VersionRow> for Recorded {
    fn from(row: VersionRow) -> Self {
        let VersionRow { id, bucket_id: bucket, name, version, metadata, .. } = row;
        Self { id, bucket, name, version, metadata, is_kept: true }
    }
}

/// What `metadata` says of the parts that an object was put together from: sizes, equal ones counted.
#[derive(Deserialize)]
struct Parts {
    parts: Option<Vec<(u64, u64)>>,
}

/// Compares files from a cursor on.
pub(crate) async fn some(call: &Call, bucket: Option<&str>, after: Option<&str>) -> Result<Report, Error> {
    let began = Instant::now();
    let mut report = Report { next: after.map(str::to_owned), ..Report::default() };
    loop {
        let page = page(call, bucket, report.next.as_deref()).await.map_err(Error::database)?;
        let is_last = (page.len() as u64) < PAGE;
        let is_among_kept = report.next.as_ref().is_some_and(|next| next.starts_with(KEPT));
        for row in page {
            if let Some(problem) = compare(call, &row, &mut report.bytes).await?
                // One that has been replaced or deleted meanwhile has no problem.
                && is_still(call, &row).await?
            {
                let (bucket, name) = (row.bucket.clone(), row.name.clone());
                let (version, kept) = (row.version.clone(), row.is_kept);
                report.problems.push(Problem { bucket, name, version, kept, problem });
            }
            report.checked += 1;
            report.next = Some(if row.is_kept { format!("{KEPT}{}", row.id) } else { row.id });
            if began.elapsed() > TURN {
                return Ok(report);
            }
        }
        if is_last {
            report.next = (!is_among_kept).then(|| KEPT.to_owned());
            if is_among_kept {
                return Ok(report);
            }
        }
    }
}

async fn page(call: &Call, bucket: Option<&str>, after: Option<&str>) -> Result<Vec<Recorded>, db::Error> {
    let service = call.as_service();
    if let Some(id) = after.and_then(|after| after.strip_prefix(KEPT)) {
        let id = Some(id).filter(|id| !id.is_empty());
        let rows = versions::after(&service, bucket, id, PAGE).await?;
        return Ok(rows.into_iter().map(Recorded::from).collect());
    }
    let rows = objects::after(&service, bucket, after, PAGE).await?;
    Ok(rows.into_iter().map(Recorded::from).collect())
}

async fn is_still(call: &Call, row: &Recorded) -> Result<bool, Error> {
    let service = call.as_service();
    if row.is_kept {
        let now = versions::find(&service, &row.bucket, &row.id).await.map_err(Error::database)?;
        return Ok(now.is_some());
    }
    let now = objects::find(&service, &row.bucket, &row.name).await.map_err(Error::database)?;
    Ok(now.is_some_and(|now| now.version == row.version))
}

async fn compare(call: &Call, row: &Recorded, bytes: &mut u64) -> Result<Option<&'static str>, Error> {
    let Some(key) = Key::new(&row.bucket, &row.name, row.version.as_deref()) else {
        return Ok(Some("the name leads nowhere"));
    };
    let blob = match call.service.disk.read(&key).await {
        Ok(blob) => blob,
        Err(object::Error::NotFound | object::Error::Name) => return Ok(Some("the file is missing")),
        Err(object::Error::Io(_) | object::Error::Refused(_)) => return Ok(Some("the file cannot be read")),
        Err(error) => return Err(Error::disk(error, &row.name)),
    };
    let text = row.metadata.as_ref().map(|json| json.get()).unwrap_or_default();
    let file = FileMetadata::read(&serde_json::from_str(text).unwrap_or_default());
    if file.size.is_some_and(|size| size != blob.size()) {
        return Ok(Some("the file has another length"));
    }
    let tag = file.etag.as_deref().map(|tag| tag.trim_matches('"')).unwrap_or_default();
    let (digest, of_parts) = tag.split_once('-').map_or((tag, false), |(digest, _)| (digest, true));
    let sizes = serde_json::from_str::<Parts>(text).ok().and_then(|parts| parts.parts);
    if digest.len() != 32
        || !digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        || of_parts != sizes.is_some()
    {
        return Ok(None);
    }
    let mut digest = Tag::new(sizes.as_deref());
    let mut pieces = std::pin::pin!(blob.stream(0, blob.size()));
    loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => {
                *bytes += piece.len() as u64;
                digest.update(&piece);
            }
            Ok(None) => break,
            Err(_) => return Ok(Some("the file cannot be read")),
        }
    }
    let is_same = digest.finish().eq_ignore_ascii_case(tag);
    Ok((!is_same).then_some("the file has another content"))
}
