//! `basalt buckets`

use clap::{Args, Subcommand};
use kernel::units::{Bytes, Span};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::{Api, escaped};
use super::users::text;
use super::{Common, Failure, Format, confirm, print, wait};

/// See and change the buckets of a running server.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Buckets {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt buckets list
  basalt buckets create avatars --public --file-size-limit 5mb --allow 'image/*'
  basalt buckets update avatars --quota 10GB --max-objects 100000
  basalt buckets update avatars --keep 720h      keep what is replaced or deleted for 30 days
  basalt buckets show avatars -o json            settings, and what is in it
  basalt buckets empty avatars --yes && basalt buckets delete avatars --yes";

#[derive(Subcommand)]
enum Command {
    /// List buckets.
    #[command(visible_alias = "ls")]
    List(Common),
    /// Make a bucket.
    Create(Change),
    /// Show a bucket, its settings and what is in it.
    Show(One),
    /// Change a bucket; what is not named stays as it is.
    Update(Change),
    /// Delete a bucket, which must be empty. What it had kept goes with it.
    #[command(visible_alias = "rm")]
    Delete(Destroy),
    /// Delete all objects of a bucket. What it keeps can be restored.
    Empty(Destroy),
}

#[derive(Args)]
struct One {
    /// Its name.
    bucket: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Change {
    /// Its name.
    bucket: String,
    /// Anybody may read its objects.
    #[arg(long, conflicts_with = "private")]
    public: bool,
    /// Policies decide who may read its objects.
    #[arg(long)]
    private: bool,
    /// Largest object: `5mb`, `1gb`; `none`: what the server allows.
    #[arg(long, value_name = "SIZE")]
    file_size_limit: Option<String>,
    /// A media type that it takes (repeatable); `any`: all of them.
    #[arg(long = "allow", value_name = "TYPE")]
    allow: Vec<String>,
    /// Keep what is replaced or deleted for so long: 24h, 720h; `none`: not at all.
    #[arg(long, value_name = "DURATION", value_parser = setting::<Span>)]
    keep: Option<Setting<Span>>,
    /// Bytes of all its objects together: 500MB, 10GiB; `none`: as many as the disk holds.
    #[arg(long, value_name = "SIZE", value_parser = setting::<Bytes>)]
    quota: Option<Setting<Bytes>>,
    /// How many objects; `none`: as many as there are.
    #[arg(long, value_name = "N", value_parser = setting::<u64>)]
    max_objects: Option<Setting<u64>>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Destroy {
    #[command(flatten)]
    one: One,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// A value, or that there is to be none.
#[derive(Clone, Copy)]
enum Setting<T> {
    Is(T),
    None,
}

fn setting<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<Setting<T>, String> {
    match text {
        "none" => Ok(Setting::None),
        text => text.parse().map(Setting::Is).map_err(|error: T::Err| error.to_string()),
    }
}

impl<T> Setting<T> {
    fn json(self, number: impl Fn(T) -> u64) -> Value {
        match self {
            Self::Is(value) => number(value).into(),
            Self::None => Value::Null,
        }
    }
}

impl Buckets {
    pub(super) fn run(self) -> Result<(), Failure> {
        wait(async {
            match self.command {
                Command::List(common) => list(&common).await,
                Command::Create(change) => change.run(true).await,
                Command::Show(one) => one.show(&Api::of(&one.common.place)?).await,
                Command::Update(change) => change.run(false).await,
                Command::Delete(destroy) => {
                    destroy.run(Method::DELETE, "", "delete the bucket", "deleted").await
                }
                Command::Empty(destroy) => {
                    destroy.run(Method::POST, "/empty", "delete all objects of the bucket", "empty").await
                }
            }
        })
    }
}

async fn list(common: &Common) -> Result<(), Failure> {
    let path = "/storage/v1/bucket?sortColumn=name";
    let buckets = Api::of(&common.place)?.call(Method::GET, path, None).await?;
    match common.output {
        Format::Json => print(&format!("{buckets:#}")),
        Format::Pretty => buckets.as_array().into_iter().flatten().try_for_each(|bucket| {
            let access = if bucket["public"] == true { "public" } else { "private" };
            print(&format!("{:40}  {access:7}  {}", text(bucket, "name"), text(bucket, "created_at")))
        }),
    }
}

impl One {
    fn path(&self, below: &str) -> String {
        format!("/storage/v1/bucket/{}{below}", escaped(&self.bucket))
    }

    /// The bucket and its settings as one.
    async fn read(&self, api: &Api) -> Result<Value, Failure> {
        let mut bucket = api.call(Method::GET, &self.path(""), None).await?;
        let settings = api.call(Method::GET, &self.path("/settings"), None).await?;
        if let (Some(bucket), Value::Object(settings)) = (bucket.as_object_mut(), settings) {
            bucket.extend(settings);
        }
        Ok(bucket)
    }

    async fn show(&self, api: &Api) -> Result<(), Failure> {
        let bucket = self.read(api).await?;
        if matches!(self.common.output, Format::Json) {
            return print(&format!("{bucket:#}"));
        }
        let number = |name: &str| bucket[name].as_u64().map(|number| number.to_string());
        let of = |used: &str, most: &str| match (number(used), number(most)) {
            (used, Some(most)) => format!("{} of {most}", used.unwrap_or_default()),
            (used, None) => used.unwrap_or_default(),
        };
        let types = bucket["allowed_mime_types"].as_array().into_iter().flatten();
        let types: Vec<_> = types.filter_map(Value::as_str).collect();
        let keep = number("keep_versions_seconds").map_or("no".to_owned(), |seconds| format!("{seconds} s"));
        let rows = [
            ("name", text(&bucket, "name")),
            ("access", if bucket["public"] == true { "public" } else { "private" }.to_owned()),
            ("created", text(&bucket, "created_at")),
            ("largest file", number("file_size_limit").unwrap_or_default()),
            ("media types", types.join(", ")),
            ("objects", of("used_objects", "quota_objects")),
            ("bytes", of("used_bytes", "quota_bytes")),
            ("keeps versions", keep),
            ("kept versions", of("kept_versions", "")),
            ("kept bytes", of("kept_bytes", "")),
        ];
        rows.iter()
            .filter(|(_, value)| !value.is_empty())
            .try_for_each(|(name, value)| print(&format!("{name:14}  {value}")))
    }
}

impl Change {
    async fn run(self, is_new: bool) -> Result<(), Failure> {
        let api = Api::of(&self.common.place)?;
        let mut body = Map::new();
        if self.public || self.private {
            body.insert("public".to_owned(), self.public.into());
        }
        if let Some(limit) = &self.file_size_limit {
            let limit = if limit == "none" { Value::Null } else { limit.as_str().into() };
            body.insert("file_size_limit".to_owned(), limit);
        }
        if !self.allow.is_empty() {
            let any = self.allow.iter().any(|media| media == "any");
            let types = if any { Value::Null } else { json!(self.allow) };
            body.insert("allowed_mime_types".to_owned(), types);
        }
        let one = One { bucket: self.bucket, common: self.common };
        if is_new {
            body.insert("name".to_owned(), one.bucket.as_str().into());
            api.call(Method::POST, "/storage/v1/bucket", Some(&Value::Object(body))).await?;
        } else if !body.is_empty() {
            api.call(Method::PUT, &one.path(""), Some(&Value::Object(body))).await?;
        }
        if self.keep.is_some() || self.quota.is_some() || self.max_objects.is_some() {
            let mut settings = api.call(Method::GET, &one.path("/settings"), None).await?;
            if let Some(keep) = self.keep {
                settings["keep_versions_seconds"] = keep.json(|keep| keep.0.as_secs());
            }
            if let Some(quota) = self.quota {
                settings["quota_bytes"] = quota.json(|quota| quota.0);
            }
            if let Some(most) = self.max_objects {
                settings["quota_objects"] = most.json(|most| most);
            }
            api.call(Method::PUT, &one.path("/settings"), Some(&settings)).await?;
        }
        one.show(&api).await
    }
}

impl Destroy {
    async fn run(self, method: Method, below: &str, what: &str, done: &str) -> Result<(), Failure> {
        let Self { one, yes } = self;
        let api = Api::of(&one.common.place)?;
        confirm(&format!("{what} {}", one.bucket), yes)?;
        api.call(method, &one.path(below), None).await?;
        match one.common.output {
            Format::Json => print(&format!("{:#}", json!({ "name": one.bucket, "done": done }))),
            Format::Pretty => print(&format!("{} is {done}", one.bucket)),
        }
    }
}
