//! Whether the files are what was recorded of them: there, of their length, with their checksum, which is that
//! of their parts where they came in parts. An object whose tag is no checksum (files of other stores) is compared by length.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use object::Key;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::error::Error;
use crate::file::FileMetadata;
use crate::s3::tag::Tag;
use crate::store::objects::{self, ObjectRow};

/// A request ends after the file it is at when this is over.
const TURN: Duration = Duration::from_secs(5);
/// Rows that are read at once.
const PAGE: u64 = 200;

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
    problem: &'static str,
}

/// What `metadata` says of the parts that an object was put together from: sizes, equal ones counted.
#[derive(Deserialize)]
struct Parts {
    parts: Option<Vec<(u64, u64)>>,
}

/// Compares objects from a cursor on.
pub(crate) async fn some(call: &Call, bucket: Option<&str>, after: Option<&str>) -> Result<Report, Error> {
    let began = Instant::now();
    let mut report = Report { next: after.map(str::to_owned), ..Report::default() };
    loop {
        let page = objects::after(&call.as_service(), bucket, report.next.as_deref(), PAGE).await;
        let page = page.map_err(Error::database)?;
        let is_last = (page.len() as u64) < PAGE;
        for row in page {
            if let Some(problem) = compare(call, &row, &mut report.bytes).await?
                // One that has been replaced or deleted meanwhile has no problem.
                && is_still(call, &row).await?
            {
                let ObjectRow { bucket_id: bucket, name, version, .. } = row.clone();
                report.problems.push(Problem { bucket, name, version, problem });
            }
            report.checked += 1;
            report.next = Some(row.id);
            if began.elapsed() > TURN {
                return Ok(report);
            }
        }
        if is_last {
            report.next = None;
            return Ok(report);
        }
    }
}

async fn is_still(call: &Call, row: &ObjectRow) -> Result<bool, Error> {
    let now = objects::find(&call.as_service(), &row.bucket_id, &row.name).await.map_err(Error::database)?;
    Ok(now.is_some_and(|now| now.version == row.version))
}

async fn compare(call: &Call, row: &ObjectRow, bytes: &mut u64) -> Result<Option<&'static str>, Error> {
    let Some(key) = Key::new(&row.bucket_id, &row.name, row.version.as_deref()) else {
        return Ok(Some("the name leads nowhere"));
    };
    let blob = match call.service.disk.read(&key).await {
        Ok(blob) => blob,
        Err(object::Error::NotFound | object::Error::Name) => return Ok(Some("the file is missing")),
        Err(object::Error::Io(_) | object::Error::Refused(_)) => return Ok(Some("the file cannot be read")),
        Err(error) => return Err(Error::disk(error, &row.name)),
    };
    let file = FileMetadata::of(row);
    if file.size.is_some_and(|size| size != blob.size()) {
        return Ok(Some("the file has another length"));
    }
    let tag = file.etag.as_deref().map(|tag| tag.trim_matches('"')).unwrap_or_default();
    let (digest, of_parts) = tag.split_once('-').map_or((tag, false), |(digest, _)| (digest, true));
    let sizes = row.metadata.as_ref().and_then(|json| serde_json::from_str::<Parts>(json.get()).ok());
    let sizes = sizes.and_then(|parts| parts.parts);
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
