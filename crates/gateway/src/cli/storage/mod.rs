//! `basalt storage`

mod copy;
mod remote;
mod upkeep;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;
use super::users::text;
use super::{Common, Failure, Format, confirm, print, wait};
use remote::Remote;

/// See, copy, check and restore the files of a running server.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Storage {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt storage ls ss:///avatars/people
  basalt storage cp ./photos ss:///avatars/people -r     up, with all below it
  basalt storage cp ss:///avatars ./backup -r            down
  basalt storage mv ss:///avatars/a.png ss:///avatars/b.png
  basalt storage info ss:///avatars/b.png
  basalt storage rm ss:///avatars/people -r --yes
  basalt storage scrub                                   read every file and compare it with its checksum
  basalt storage versions ss:///avatars/people           what was replaced or deleted and is kept
  basalt storage restore ss:///avatars/people/ada.png    the newest of those
  basalt storage sweep                                   remove now what is due

Files of the server are named ss:///bucket/path.";

#[derive(Subcommand)]
enum Command {
    /// List buckets, or what is in one.
    Ls(List),
    /// Copy files up or down.
    Cp(copy::Copy),
    /// Move an object.
    Mv(Move),
    /// Delete objects.
    Rm(Remove),
    /// Show what is known of an object.
    Info(One),
    /// Read every file and compare it with what was recorded. Exit code 1 if one is not what it was.
    Scrub(upkeep::Scrub),
    /// List what was replaced or deleted and is kept.
    Versions(One),
    /// Make a kept version the object again.
    Restore(upkeep::Restore),
    /// Forget versions whose time is over and remove files that are due, which the server does by itself twice a minute.
    Sweep(Common),
}

#[derive(Args)]
struct List {
    /// ss:///bucket/folder [default: all buckets].
    #[arg(default_value = "ss:///")]
    place_of: Remote,
    /// And all below it.
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Move {
    /// ss:///bucket/path
    from: Remote,
    /// ss:///bucket/path
    to: Remote,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Remove {
    /// ss:///bucket/path (repeatable)
    #[arg(required = true)]
    objects: Vec<Remote>,
    /// Folders, and all below them.
    #[arg(short, long)]
    recursive: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct One {
    /// ss:///bucket/path
    object: Remote,
    #[command(flatten)]
    common: Common,
}

impl Storage {
    pub(super) fn run(self) -> Result<(), Failure> {
        wait(async {
            match self.command {
                Command::Ls(list) => list.run().await,
                Command::Cp(copy) => copy.run().await,
                Command::Mv(way) => way.run().await,
                Command::Rm(remove) => remove.run().await,
                Command::Info(one) => one.info().await,
                Command::Scrub(scrub) => scrub.run().await,
                Command::Versions(one) => upkeep::versions(one).await,
                Command::Restore(restore) => restore.run().await,
                Command::Sweep(common) => upkeep::sweep(common).await,
            }
        })
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let api = Api::of(&self.common.place)?;
        if self.place_of.bucket.is_empty() {
            let buckets = api.call(Method::GET, "/storage/v1/bucket?sortColumn=name", None).await?;
            return match self.common.output {
                Format::Json => print(&format!("{buckets:#}")),
                Format::Pretty => buckets
                    .as_array()
                    .into_iter()
                    .flatten()
                    .try_for_each(|bucket| print(&format!("{}/", text(bucket, "name")))),
            };
        }
        let found = self.place_of.list(&api, self.recursive).await?;
        match self.common.output {
            Format::Json => print(&format!("{:#}", json!(found))),
            Format::Pretty => found.iter().try_for_each(|each| match each["metadata"]["size"].as_u64() {
                Some(size) => {
                    print(&format!("{size:>14}  {}  {}", text(each, "updated_at"), text(each, "name")))
                }
                None => print(&format!("{:>14}  {:24}  {}", "", "", text(each, "name"))),
            }),
        }
    }
}

impl Move {
    async fn run(self) -> Result<(), Failure> {
        let Self { from, to, common } = self;
        let (from, to) = (from.object()?, to.object()?);
        let body = json!({
            "bucketId": from.bucket, "sourceKey": from.path,
            "destinationBucket": to.bucket, "destinationKey": to.path,
        });
        Api::of(&common.place)?.call(Method::POST, "/storage/v1/object/move", Some(&body)).await?;
        match common.output {
            Format::Json => {
                print(&format!("{:#}", json!({ "from": from.to_string(), "to": to.to_string() })))
            }
            Format::Pretty => print(&format!("{from} is {to}")),
        }
    }
}

impl Remove {
    /// Names of one request.
    const BATCH: usize = 500;

    async fn run(self) -> Result<(), Failure> {
        let api = Api::of(&self.common.place)?;
        let mut gone: Vec<Value> = Vec::new();
        let names = |count: usize| if count == 1 { "object" } else { "objects" };
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for object in self.objects {
            if self.recursive {
                let found = object.list(&api, true).await?;
                all.push((object.bucket, found.iter().map(|each| text(each, "name")).collect()));
            } else {
                let object = object.object()?;
                all.push((object.bucket, vec![object.path]));
            }
        }
        let count: usize = all.iter().map(|(_, names)| names.len()).sum();
        confirm(&format!("delete {count} {}", names(count)), self.yes)?;
        for (bucket, names) in &all {
            for batch in names.chunks(Self::BATCH) {
                let path = format!("/storage/v1/object/{}", super::api::escaped(bucket));
                let mut deleted =
                    api.call(Method::DELETE, &path, Some(&json!({ "prefixes": batch }))).await?;
                gone.append(&mut deleted.as_array_mut().map(std::mem::take).unwrap_or_default());
            }
        }
        match self.common.output {
            Format::Json => print(&format!("{:#}", json!(gone)))?,
            Format::Pretty => print(&format!("{} {} deleted", gone.len(), names(gone.len())))?,
        }
        match gone.len() == count {
            true => Ok(()),
            false => Err(Failure::Failed(anyhow::anyhow!("{} were not there", count - gone.len()))),
        }
    }
}

impl One {
    async fn info(self) -> Result<(), Failure> {
        let object = self.object.object()?;
        let info = Api::of(&self.common.place)?.call(Method::GET, &object.url("object/info"), None).await?;
        match self.common.output {
            Format::Json => print(&format!("{info:#}")),
            Format::Pretty => {
                let names = ["name", "id", "version", "size", "content_type", "cache_control", "etag"];
                let rows = names.into_iter().chain(["created_at", "last_modified", "metadata"]);
                rows.filter(|name| !info[*name].is_null()).try_for_each(|name| {
                    let value = info[name].as_str().map_or_else(|| info[name].to_string(), str::to_owned);
                    print(&format!("{name:14}  {value}"))
                })
            }
        }
    }
}
