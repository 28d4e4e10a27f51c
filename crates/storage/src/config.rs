//! The settings of storage.

use std::path::PathBuf;

use kernel::setting::keep;
use kernel::units::{Bytes, Span};
use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::webhook;

/// Files over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where files are kept: `file` (in the directory `path`) or `s3` (in a bucket of an S3 server, see
    /// `[storage.remote]`).
    pub backend: Backend,
    /// Directory of the files, for example a volume of Supabase Storage. Empty: `storage` in the data
    /// directory. With an S3 server: of what is on its way there, and of pictures that were made.
    pub path: PathBuf,
    /// First directory below `path`: the name that the original's volume has there. With an S3 server:
    /// its bucket.
    pub bucket: String,
    /// Directory below that one, above those of the buckets. With an S3 server: the beginning of every
    /// key.
    pub tenant: String,
    /// Largest file. A bucket may set a smaller limit.
    pub file_size_limit: Bytes,
    /// Let names of objects have any character, as S3 does. Supabase Storage takes plain ones alone, and
    /// refuses to serve objects with other names.
    pub unicode_keys: bool,
    /// How long a signed URL for an upload may be used.
    pub upload_url_expiry: Span,
    /// How long a resumable upload is kept after the last bytes of it came.
    pub resumable_expiry: Span,
    /// How long one statement may run.
    pub statement_timeout: Span,
    /// An upload that sends nothing for this long is given up.
    pub idle_timeout: Span,
    /// A bucket with more objects than this is not emptied.
    pub empty_bucket_max: u64,
    /// How long a file outlives its object, so that downloads under way can end.
    pub removal_delay: Span,
    /// Pictures in other sizes and formats.
    pub images: Images,
    /// The S3 server that keeps the files, if `backend` is `s3`.
    pub remote: Remote,
    /// The S3 protocol.
    pub s3: S3,
    /// Telling another server what happens to objects.
    pub webhook: WebhookSettings,
}

/// Telling another server what happens to objects, in the words of Supabase Storage. What an upload, a copy, a
/// move or a deletion through the API does is noted with it, and told until the server takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// URL to which events are posted. Empty: none are.
    pub url: String,
    /// Sent as a bearer token, if it is not empty.
    #[schemars(extend("format" = "password"))]
    pub api_key: Secret,
    /// Signs what is sent, after Standard Webhooks: `v1,whsec_` and 24 to 64 bytes in Base64. Empty: nothing is
    /// signed.
    #[schemars(extend("format" = "password"))]
    pub secret: Secret,
    /// Kinds of events that are told, such as `ObjectCreated:Post`. Empty: all.
    pub events: Vec<String>,
    /// Buckets whose objects are told of. Empty: all.
    pub buckets: Vec<String>,
    /// An event that the server does not take for so long is forgotten.
    pub give_up_after: Span,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            api_key: Secret::default(),
            secret: Secret::default(),
            events: Vec::new(),
            buckets: Vec::new(),
            give_up_after: Span::secs(24 * 60 * 60),
        }
    }
}

impl WebhookSettings {
    /// What upstream calls the things that happen.
    const EVENTS: [&str; 7] = [
        "ObjectCreated:Post",
        "ObjectCreated:Put",
        "ObjectCreated:Copy",
        "ObjectCreated:Move",
        "ObjectRemoved:Delete",
        "ObjectRemoved:Move",
        "ObjectUpdated:Metadata",
    ];

    fn check(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut problem = |key, text: String| found.push(Problem { key, text });
        if !self.url.is_empty() && !["http://", "https://"].iter().any(|scheme| self.url.starts_with(scheme))
        {
            problem("webhook.url", "must begin with http:// or https://".to_owned());
        }
        if !self.secret.is_empty() && webhook::key(self.secret.expose()).is_none() {
            problem("webhook.secret", "must be v1,whsec_ and 24 to 64 bytes in Base64".to_owned());
        }
        for event in self.events.iter().filter(|event| !Self::EVENTS.contains(&event.as_str())) {
            problem("webhook.events", format!("{event} is none of {}", Self::EVENTS.join(", ")));
        }
        found
    }
}

/// Where files are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In a directory.
    #[default]
    File,
    /// In a bucket of an S3 server.
    S3,
}

/// The S3 server that keeps the files, if `backend` is `s3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Remote {
    /// Its URL. Empty: Amazon's.
    pub endpoint: String,
    /// The region of the bucket.
    pub region: String,
    /// The access key. Empty, as the secret: that which Amazon's machines are given.
    #[schemars(extend("format" = "password"))]
    pub access_key_id: Secret,
    /// The secret of the access key.
    #[schemars(extend("format" = "password"))]
    pub secret_access_key: Secret,
    /// Name the bucket in the path and not in the host, as most servers but Amazon's want it.
    pub force_path_style: bool,
    /// Larger files are sent in parts of this size, 10,000 at most. It is at least 5 MiB.
    pub part_size: Bytes,
    /// Parts that are sent at once, those of all files together. Each is in memory while it is sent.
    pub senders: u32,
    /// How long a request may take to be answered, and a download to go on. A part must arrive in it.
    pub timeout: Span,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            access_key_id: Secret::default(),
            secret_access_key: Secret::default(),
            force_path_style: false,
            part_size: Bytes::mib(8),
            senders: 4,
            timeout: Span::secs(30),
        }
    }
}

impl Remote {
    /// What S3 servers take.
    const MOST_PARTS: u64 = 10_000;
    const LEAST_PART: u64 = 5 * 1024 * 1024;
    /// It is held in memory.
    const LARGEST_PART: u64 = 1024 * 1024 * 1024;

    fn check(&self, largest: u64) -> Vec<Problem> {
        let problem = |text: &str| Problem { key: "remote", text: text.to_owned() };
        let mut problems = Vec::new();
        if self.access_key_id.is_empty() != self.secret_access_key.is_empty() {
            problems.push(problem("access_key_id and secret_access_key go together"));
        }
        if !self.endpoint.is_empty()
            && !self.endpoint.starts_with("http://")
            && !self.endpoint.starts_with("https://")
        {
            problems.push(problem("endpoint must be a URL of http or https"));
        }
        if self.part_size.0 < Self::LEAST_PART || self.part_size.0 > Self::LARGEST_PART {
            problems.push(problem("part_size must be between 5 MiB and 1 GiB"));
        } else if self.part_size.0.saturating_mul(Self::MOST_PARTS) < largest {
            problems.push(problem("part_size is too small for file_size_limit: 10,000 parts are the most"));
        }
        if self.senders == 0 || self.timeout.0.is_zero() {
            problems.push(problem("senders and timeout must be more than nothing"));
        }
        problems
    }
}

/// The S3 protocol, below `/storage/v1/s3`. Its keys and region are in `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct S3 {
    /// Whether it is spoken.
    pub enabled: bool,
    /// Whether signatures for other regions than ours are refused.
    pub enforce_region: bool,
    /// An upload in parts ends if no part has come for so long.
    pub upload_expiry: Span,
    /// Bytes that every part but the last must have. Amazon's is 5 MiB; Supabase Storage asks for none.
    pub minimum_part_size: Bytes,
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            enabled: true,
            enforce_region: false,
            upload_expiry: Span::secs(24 * 60 * 60),
            minimum_part_size: Bytes(0),
        }
    }
}

/// Pictures in other sizes and formats, made when somebody asks for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Images {
    /// Whether pictures are transformed at all.
    pub enabled: bool,
    /// Shortest side that can be asked for, in pixels; less is as much.
    pub min_side: u32,
    /// Longest side that can be asked for, in pixels; more is as much.
    pub max_side: u32,
    /// Largest file that a picture is made from.
    pub source_size: Bytes,
    /// Most pixels that a picture is made from, those of all frames of an animation together.
    pub source_pixels: u64,
    /// An animation of more frames is shown by its first one.
    pub frames: u32,
    /// Pictures that are made at once. 0: half of the processors.
    pub workers: u32,
    /// Memory of those that are made at once. A picture that takes more than this is refused.
    pub memory: Bytes,
    /// Requests that wait while others are served. More are told to come back.
    pub queue: u32,
    /// How long a request waits for its picture.
    pub timeout: Span,
    /// Disk space for pictures that were made before. 0: none are kept.
    pub cache: Bytes,
}

impl Default for Images {
    fn default() -> Self {
        Self {
            enabled: true,
            min_side: 1,
            max_side: 2000,
            source_size: Bytes::mib(25),
            source_pixels: 50_000_000,
            frames: 100,
            workers: 0,
            memory: Bytes::mib(256),
            queue: 64,
            timeout: Span::secs(15),
            cache: Bytes::mib(256),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            path: PathBuf::new(),
            bucket: "stub".to_owned(),
            tenant: "stub".to_owned(),
            file_size_limit: Bytes::mib(50),
            unicode_keys: false,
            upload_url_expiry: Span::secs(7200),
            resumable_expiry: Span::secs(24 * 60 * 60),
            statement_timeout: Span::secs(30),
            idle_timeout: Span::secs(60),
            empty_bucket_max: 200_000,
            removal_delay: Span::secs(60),
            images: Images::default(),
            remote: Remote::default(),
            s3: S3::default(),
            webhook: WebhookSettings::default(),
        }
    }
}

impl Config {
    /// What is wrong with these settings; nothing if they can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let is_directory =
            |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        let names = [("bucket", &self.bucket), ("tenant", &self.tenant)];
        let bad = names.into_iter().filter(|(_, name)| !is_directory(name));
        let mut problems: Vec<Problem> = bad
            .map(|(key, _)| Problem { key, text: "must be the name of a directory".to_owned() })
            .chain(self.webhook.check())
            .collect();
        if self.backend == Backend::S3 {
            problems.extend(self.remote.check(self.file_size_limit.0));
        }
        problems
    }

    /// Leaves what a running instance cannot change as it is in `current`; returns what of it had changed.
    pub(crate) fn keep_fixed(&mut self, current: &Self) -> Vec<&'static str> {
        let kept = [
            keep("path", &mut self.path, &current.path),
            keep("bucket", &mut self.bucket, &current.bucket),
            keep("tenant", &mut self.tenant, &current.tenant),
            keep("webhook", &mut self.webhook, &current.webhook),
            keep("images.workers", &mut self.images.workers, &current.images.workers),
            keep("images.memory", &mut self.images.memory, &current.images.memory),
            keep("images.queue", &mut self.images.queue, &current.images.queue),
            keep("images.cache", &mut self.images.cache, &current.images.cache),
        ];
        kept.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_s3_server_can_do_is_told() {
        let check = |change: fn(&mut Remote)| {
            let mut config = Config { backend: Backend::S3, ..Config::default() };
            change(&mut config.remote);
            let problems = config.check().len();
            // Another backend does not ask.
            config.backend = Backend::File;
            assert_eq!(config.check(), []);
            problems
        };
        assert_eq!(check(|_| {}), 0);
        assert_eq!(check(|remote| remote.access_key_id = Secret::new("key")), 1);
        assert_eq!(check(|remote| remote.endpoint = "minio:9000".to_owned()), 1);
        assert_eq!(check(|remote| remote.part_size = Bytes::mib(4)), 1);
        assert_eq!(check(|remote| remote.senders = 0), 1);
        let large = Config { backend: Backend::S3, file_size_limit: Bytes::mib(81_000), ..Config::default() };
        assert_eq!(large.check().len(), 1);
    }

    #[test]
    fn directories_stay_where_they_belong() {
        assert_eq!(Config::default().check(), []);
        for name in ["", "..", ".incoming", "a/b"] {
            let config = Config { tenant: name.to_owned(), ..Config::default() };
            assert_eq!(config.check().len(), 1, "{name}");
        }
    }

    #[test]
    fn a_webhook_that_cannot_work_is_told() {
        let check = |webhook| Config { webhook, ..Config::default() }.check().len();
        let good = WebhookSettings { url: "https://a.test/b".to_owned(), ..WebhookSettings::default() };
        assert_eq!(check(good.clone()), 0);
        assert_eq!(check(WebhookSettings { url: "a.test".to_owned(), ..good.clone() }), 1);
        assert_eq!(check(WebhookSettings { secret: Secret::new("secret"), ..good.clone() }), 1);
        assert_eq!(check(WebhookSettings { events: vec!["ObjectCreated".to_owned()], ..good }), 1);
    }
}
