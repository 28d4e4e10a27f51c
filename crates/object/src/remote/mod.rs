//! A bucket of an S3 server as the home of files.
//!
//! - [`Bucket`]: which one, and how it is reached. [`Remote`]: requests to it.
//! - [`ToBucket`]: a file on its way there from a client. What comes is written to a draft on this machine
//!   and sent part by part, so that a slow client holds no memory, and a server that is slow holds back
//!   the client.
//! - [`carry`]: a file that is on this machine already.
//! - [`Transfer`]: an upload in parts at the server; [`begun`] remembers it beside, so that one whose
//!   process ended is ended too.
//! - [`Reading`]: a file on its way from there, as a stream that is never held.
//!
//! Keys are those of Supabase Storage: `<tenant>/<bucket>/<name>/<version>`. A version is written once and
//! never changed, so a request that is repeated after a lost answer does no harm. Every request ends:
//! one that gets no answer in time is given up, and what fails for a moment is tried a few times.

pub(crate) mod begun;
mod carry;
mod incoming;
mod reading;
mod transfer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, GetOptions, ObjectStore, ObjectStoreExt, PutOptions,
    RetryConfig,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::store::Place;
use crate::{Blob, Error, Extent, Key, Labels, PIECE};
pub(crate) use carry::carry;
pub(crate) use incoming::ToBucket;
pub(crate) use reading::Reading;
use transfer::Transfer;

/// How often a request is repeated that failed for a moment.
const RETRIES: usize = 3;
/// What answers at all answers soon.
const CONNECTING: Duration = Duration::from_secs(5);
/// What an S3 server copies at once.
const LARGEST_COPY: u64 = 5 * 1024 * 1024 * 1024;

/// A bucket, and how to reach it.
#[derive(Clone, Default)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The URL of the server; empty for Amazon's.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// The access key. Empty, as its secret: that of the machine, which Amazon's machines are given.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// The bucket is part of the path, not of the host.
    pub path_style: bool,
    /// The first segment of every key.
    pub tenant: String,
    /// Bytes of a part of a large file.
    pub part_size: u64,
    /// Parts that are sent at once, those of all files together. Each is in memory meanwhile.
    pub senders: u32,
    /// How long a request may wait for its answer, and a read for more.
    pub timeout: Duration,
}

impl Bucket {
    /// The URL that requests go to.
    fn address(&self) -> String {
        let endpoint = self.endpoint.trim_end_matches('/');
        match endpoint.split_once("://") {
            Some((scheme, host)) if !self.path_style => format!("{scheme}://{}.{host}", self.name),
            _ => endpoint.to_owned(),
        }
    }
}

/// A connection to one. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Remote(Arc<Inner>);

struct Inner {
    store: AmazonS3,
    tenant: String,
    part_size: usize,
    senders: Semaphore,
    timeout: Duration,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("tenant", &self.0.tenant).finish_non_exhaustive()
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Cause;
        match error {
            Cause::NotFound { .. } => Self::NotFound,
            Cause::InvalidPath { .. } => Self::Name,
            // What some servers say whose owner has set a limit.
            Cause::PermissionDenied { .. } if error.to_string().contains("QuotaExceeded") => Self::Full,
            Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => Self::Refused(error),
            Cause::Generic { .. } => match status(&error) {
                Some(507) => Self::Full,
                // What the server did not like once it will not like again, unless it only had no time.
                Some(status @ 400..500) if !matches!(status, 408 | 429) => Self::Refused(error),
                _ => Self::Unavailable(error),
            },
            error => Self::Unavailable(error),
        }
    }
}

/// The status of an answer, which is told in the text alone.
fn status(error: &object_store::Error) -> Option<u16> {
    let text = error.to_string();
    text.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// Where something is to be put, it is the bucket that was not found.
fn writing(error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::Refused(error),
        error => error.into(),
    }
}

fn attributes(labels: &Labels) -> Attributes {
    let told =
        [(Attribute::ContentType, &labels.content_type), (Attribute::CacheControl, &labels.cache_control)];
    let is_header = |text: &str| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    told.into_iter().filter(|(_, text)| is_header(text)).map(|(name, text)| (name, text.clone())).collect()
}

impl Remote {
    pub(crate) fn new(bucket: &Bucket) -> Result<Self, Error> {
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: bucket.timeout,
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 3.0,
            },
        };
        // How long a whole file takes is for who reads it to say.
        let client = ClientOptions::new()
            .with_timeout_disabled()
            .with_read_timeout(bucket.timeout)
            .with_connect_timeout(CONNECTING.min(bucket.timeout))
            .with_allow_http(bucket.endpoint.starts_with("http://"));
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_retry(retry)
            .with_bucket_name(&bucket.name)
            .with_region(&bucket.region)
            .with_virtual_hosted_style_request(!bucket.path_style)
            // Not every server knows how to.
            .with_disable_bulk_delete(true);
        if !bucket.endpoint.is_empty() {
            builder = builder.with_endpoint(bucket.address());
        }
        if !bucket.access_key.is_empty() {
            builder =
                builder.with_access_key_id(&bucket.access_key).with_secret_access_key(&bucket.secret_key);
        }
        Ok(Self(Arc::new(Inner {
            store: builder.build().map_err(Error::Refused)?,
            tenant: bucket.tenant.clone(),
            part_size: usize::try_from(bucket.part_size).unwrap_or(usize::MAX),
            senders: Semaphore::new(bucket.senders.max(1) as usize),
            timeout: bucket.timeout,
        })))
    }

    fn store(&self) -> &AmazonS3 {
        &self.0.store
    }

    fn path(&self, key: &Key) -> Result<Path, Error> {
        Path::parse(key.object(&self.0.tenant)).map_err(|_| Error::Name)
    }

    /// Bytes of a part.
    pub(crate) fn part_size(&self) -> usize {
        self.0.part_size
    }

    /// Waits until a part may be in memory.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.0.senders.acquire().await.map_err(|error| Error::Io(std::io::Error::other(error)))
    }

    /// A request and its repetitions, that for what came of it included.
    pub(crate) fn patience(&self) -> Duration {
        self.0.timeout * 6
    }

    /// Asks for what nobody has: a server that answers so would answer other questions too.
    pub(crate) async fn greet(&self) -> Result<(), Error> {
        let nothing = Path::from_iter([self.0.tenant.as_str(), ".basalt"]);
        match self.store().get_opts(&nothing, GetOptions::default()).await {
            Ok(_) => Ok(()),
            Err(error @ object_store::Error::NotFound { .. })
                if error.to_string().contains("NoSuchBucket") =>
            {
                Err(Error::Refused(error))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a file at once.
    pub(crate) async fn put(&self, key: &Key, bytes: Bytes, labels: &Labels) -> Result<(), Error> {
        let options = PutOptions { attributes: attributes(labels), ..PutOptions::default() };
        self.store().put_opts(&self.path(key)?, bytes.into(), options).await.map_err(writing)?;
        Ok(())
    }

    /// Opens a file. A small one is brought at once.
    pub(crate) async fn open(&self, key: &Key, extent: Extent) -> Result<Blob, Error> {
        let path = self.path(key)?;
        if extent == Extent::Nothing {
            return self.look(path).await;
        }
        let options = GetOptions { range: extent.range(), ..GetOptions::default() };
        let got = match self.store().get_opts(&path, options).await.map_err(Error::from) {
            // There may be no such range, and then it is for others to say so.
            Err(Error::Refused(_)) if extent != Extent::Whole => return self.look(path).await,
            got => got?,
        };
        let (size, modified) = (got.meta.size, got.meta.last_modified.into());
        let range = got.range.clone();
        if range.end - range.start <= PIECE as u64 {
            let bytes = got.bytes().await?;
            let reading = Reading::new(self.clone(), path, None);
            return Ok(Blob::remote(reading, size, modified, Some((range.start, bytes))));
        }
        let reading = Reading::new(self.clone(), path, Some((range, got.into_stream())));
        Ok(Blob::remote(reading, size, modified, None))
    }

    /// A file of which nothing has been read.
    async fn look(&self, path: Path) -> Result<Blob, Error> {
        let meta = self.store().head(&path).await?;
        let reading = Reading::new(self.clone(), path, None);
        Ok(Blob::remote(reading, meta.size, meta.last_modified.into(), None))
    }

    /// Copies a file, which the server does unless it is too large for that.
    pub(crate) async fn copy(
        &self,
        place: &Arc<Place>,
        from: &Key,
        to: &Key,
        labels: Labels,
    ) -> Result<(), Error> {
        let (source, target) = (self.path(from)?, self.path(to)?);
        let error = match self.store().copy(&source, &target).await {
            Ok(()) => return Ok(()),
            Err(error) => Error::from(error),
        };
        match error {
            Error::Refused(_) if self.store().head(&source).await?.size > LARGEST_COPY => {
                carry::pour(self, place, self.open(from, Extent::Whole).await?, to, labels).await
            }
            error => Err(error),
        }
    }

    /// Removes a file. That there is none is fine.
    pub(crate) async fn remove(&self, key: &Key) -> Result<(), Error> {
        match self.store().delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_part_of_the_host_or_of_the_path() {
        let bucket = |endpoint: &str, path_style| Bucket {
            name: "files".to_owned(),
            endpoint: endpoint.to_owned(),
            path_style,
            ..Bucket::default()
        };
        assert_eq!(
            bucket("https://s3.example.com:9000/", false).address(),
            "https://files.s3.example.com:9000"
        );
        assert_eq!(
            bucket("http://localhost/storage/v1/s3", true).address(),
            "http://localhost/storage/v1/s3"
        );
    }

    #[test]
    fn labels_that_no_header_can_hold_are_left_out() {
        let labels =
            Labels { content_type: "text/plain\r\nx: y".to_owned(), cache_control: "no-cache".to_owned() };
        assert_eq!(attributes(&labels), Attributes::from_iter([(Attribute::CacheControl, "no-cache")]));
        assert!(attributes(&Labels::default()).is_empty());
    }
}
