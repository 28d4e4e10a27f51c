//! `basalt storage scrub`, `versions`, `restore`, `sweep`

use std::io::{IsTerminal, Write, stderr};

use anyhow::anyhow;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::remote::Remote;
use super::{Common, Failure, Format, One, print, text};
use crate::cli::api::{Api, escaped};

/// Versions of one request.
const PAGE: usize = 1000;

#[derive(Args)]
pub(super) struct Scrub {
    /// This bucket alone.
    bucket: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(super) struct Restore {
    /// ss:///bucket/path
    object: Remote,
    /// Which version, as `basalt storage versions` calls it [default: the newest].
    id: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Scrub {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let api = Api::of(&self.common.place)?;
        let (mut checked, mut bytes, mut problems) = (0, 0, Vec::new());
        let mut after = Value::Null;
        loop {
            let mut body = json!({});
            if let Some(bucket) = &self.bucket {
                body["bucket"] = bucket.as_str().into();
            }
            if !after.is_null() {
                body["after"] = after;
            }
            let mut part = api.call(Method::POST, "/storage/v1/scrub", Some(&body)).await?;
            checked += part["checked"].as_u64().unwrap_or_default();
            bytes += part["bytes"].as_u64().unwrap_or_default();
            problems.append(&mut part["problems"].as_array_mut().map(std::mem::take).unwrap_or_default());
            after = part["next"].take();
            let mut out = stderr();
            if out.is_terminal() {
                let end = if after.is_null() { "\n" } else { "" };
                let _ = write!(out, "\r{checked} files, {bytes} bytes{end}").and_then(|()| out.flush());
            }
            if after.is_null() {
                break;
            }
        }
        match self.common.output {
            Format::Json => {
                let report = json!({ "checked": checked, "bytes": bytes, "problems": problems });
                print(&format!("{report:#}"))?;
            }
            Format::Pretty => {
                problems.iter().try_for_each(|each| {
                    let (bucket, name) = (text(each, "bucket"), text(each, "name"));
                    let kept = if each["kept"] == true { " (a version that is kept)" } else { "" };
                    print(&format!("ss:///{bucket}/{name}{kept}: {}", text(each, "problem")))
                })?;
                print(&format!("{checked} files, {bytes} bytes read"))?;
            }
        }
        match problems.len() {
            0 => Ok(()),
            n => Err(Failure::Failed(anyhow!("{n} of {checked} files are not what they were"))),
        }
    }
}

/// What is kept of an object, or of all whose names begin so.
pub(super) async fn versions(one: One) -> Result<(), Failure> {
    let One { object, common } = one;
    let api = Api::of(&common.place)?;
    let mut found: Vec<Value> = Vec::new();
    loop {
        let query = format!("?prefix={}&limit={PAGE}&offset={}", escaped(&object.path), found.len());
        let url = format!("/storage/v1/versions/{}{query}", escaped(&object.bucket));
        let mut page = api.call(Method::GET, &url, None).await?;
        let page = page.as_array_mut().map(std::mem::take).unwrap_or_default();
        let is_last = page.len() < PAGE;
        found.extend(page);
        if is_last {
            break;
        }
    }
    match common.output {
        Format::Json => print(&format!("{:#}", json!(found))),
        Format::Pretty => found.iter().try_for_each(|each| {
            let size = each["metadata"]["size"].as_u64().unwrap_or_default();
            let (id, when) = (text(each, "id"), text(each, "archived_at"));
            print(&format!("{id}  {when}  {:11}  {size:>12}  {}", text(each, "reason"), text(each, "name")))
        }),
    }
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let api = Api::of(&self.common.place)?;
        let object = self.object.object()?;
        let versions = format!("/storage/v1/versions/{}", escaped(&object.bucket));
        let id = match self.id {
            Some(id) => id,
            None => {
                let query = format!("{versions}?name={}&limit=1", escaped(&object.path));
                let found = api.call(Method::GET, &query, None).await?;
                let id = found[0]["id"].as_str().map(str::to_owned);
                id.ok_or_else(|| Failure::Failed(anyhow!("nothing is kept of {object}")))?
            }
        };
        let answer = api.call(Method::POST, &format!("{versions}/{}/restore", escaped(&id)), None).await?;
        match self.common.output {
            Format::Json => print(&format!("{answer:#}")),
            Format::Pretty => print(&format!("{} is back", text(&answer, "Key"))),
        }
    }
}

/// Has the server do its sweeping now.
pub(super) async fn sweep(common: Common) -> Result<(), Failure> {
    let swept = Api::of(&common.place)?.call(Method::POST, "/storage/v1/sweep", None).await?;
    match common.output {
        Format::Json => print(&format!("{swept:#}")),
        Format::Pretty => print(&format!(
            "{} versions expired, {} files removed",
            swept["expired_versions"], swept["removed_files"]
        )),
    }
}
