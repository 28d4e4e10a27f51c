//! `basalt storage cp`

use std::io::{IsTerminal, Write, stderr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::remote::Remote;
use super::{Common, Failure, Format, print, text};
use crate::cli::api::Api;

/// Copies files up, or objects down.
#[derive(Args)]
pub(super) struct Copy {
    /// A file, a directory, or ss:///bucket/path
    from: String,
    /// ss:///bucket/path, or a file or directory
    to: String,
    /// Directories, and all below them.
    #[arg(short, long)]
    recursive: bool,
    /// Media type of what goes up [default: by the end of its name].
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// How long browsers may keep what goes up, such as `max-age=3600`.
    #[arg(long, value_name = "TEXT")]
    cache_control: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Bytes after which a file under way is told of.
const TOLD_EVERY: u64 = 1024 * 1024;

/// How far it is.
#[derive(Default)]
struct Progress {
    files: u64,
    bytes: Arc<AtomicU64>,
}

impl Progress {
    /// What hears of the bytes of a file under way.
    fn moved(&self, of: usize) -> impl Fn(u64) + Send + Sync + 'static {
        let (files, bytes) = (self.files, Arc::clone(&self.bytes));
        move |length| {
            let before = bytes.fetch_add(length, Ordering::Relaxed);
            if before / TOLD_EVERY != (before + length) / TOLD_EVERY {
                tell(files, of, before + length, "");
            }
        }
    }

    fn add(&mut self, of: usize) {
        self.files += 1;
        let end = if self.files == of as u64 { "\n" } else { "" };
        tell(self.files, of, self.bytes(), end);
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn tell(files: u64, of: usize, bytes: u64, end: &str) {
    let mut out = stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r{files} of {of} files, {bytes} bytes{end}").and_then(|()| out.flush());
    }
}

impl Copy {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let api = Api::of(&self.common.place)?;
        let mut progress = Progress::default();
        match (Remote::is(&self.from), Remote::is(&self.to)) {
            (false, true) => self.up(&api, &mut progress).await?,
            (true, false) => self.down(&api, &mut progress).await?,
            _ => return Err(failed("one of the two must be on the server: ss:///bucket/path")),
        }
        let (files, bytes) = (progress.files, progress.bytes());
        match self.common.output {
            Format::Json => print(&format!("{:#}", json!({ "files": files, "bytes": bytes }))),
            Format::Pretty => print(&format!("{files} files, {bytes} bytes copied")),
        }
    }

    async fn up(&self, api: &Api, progress: &mut Progress) -> Result<(), Failure> {
        let from = PathBuf::from(&self.from);
        let to: Remote = self.to.parse().map_err(|error: String| failed(&error))?;
        let metadata =
            std::fs::metadata(&from).with_context(|| self.from.clone()).map_err(Failure::Failed)?;
        let files = match (metadata.is_dir(), self.recursive) {
            (true, false) => return Err(failed("a directory is copied with --recursive")),
            (true, true) => files_below(&from)?,
            (false, _) => {
                let name = from.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let is_folder = to.path.is_empty() || to.path.ends_with('/');
                let to = if is_folder { to.below(name) } else { to };
                return self.put(api, &from, &to.object()?, 1, progress).await;
            }
        };
        for name in &files {
            let remote = to.below(&name.replace(std::path::MAIN_SEPARATOR, "/"));
            self.put(api, &from.join(name), &remote, files.len(), progress).await?;
        }
        Ok(())
    }

    async fn put(
        &self,
        api: &Api,
        from: &Path,
        to: &Remote,
        of: usize,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let media = self.content_type.as_deref().unwrap_or_else(|| media_type(from));
        let caching = self.cache_control.as_deref();
        let sent = api.send_file(&to.url("object"), from, media, caching, progress.moved(of)).await;
        sent.map_err(|failure| named(failure, &from.display().to_string()))?;
        progress.add(of);
        Ok(())
    }

    async fn down(&self, api: &Api, progress: &mut Progress) -> Result<(), Failure> {
        let from: Remote = self.from.parse().map_err(|error: String| failed(&error))?;
        let to = PathBuf::from(&self.to);
        if !self.recursive {
            let from = from.object()?;
            let name = from.path.rsplit('/').next().unwrap_or_default();
            let to = if to.is_dir() || self.to.ends_with('/') { within(&to, name)? } else { to };
            return get(api, &from, &to, 1, progress).await;
        }
        let objects = from.list(api, true).await?;
        let prefix = from.prefix();
        for object in &objects {
            let name = text(object, "name");
            let below = name.strip_prefix(&prefix).unwrap_or(&name);
            let remote = Remote { bucket: from.bucket.clone(), path: name.clone() };
            get(api, &remote, &within(&to, below)?, objects.len(), progress).await?;
        }
        Ok(())
    }
}

async fn get(api: &Api, from: &Remote, to: &Path, of: usize, progress: &mut Progress) -> Result<(), Failure> {
    if let Some(directory) = to.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let received = api.receive_file(&from.url("object/authenticated"), to, progress.moved(of)).await;
    received.map_err(|failure| named(failure, &from.to_string()))?;
    progress.add(of);
    Ok(())
}

/// A file below a directory; names of objects come from strangers and must not lead elsewhere.
fn within(directory: &Path, name: &str) -> Result<PathBuf, Failure> {
    let relative: PathBuf = name.split('/').filter(|part| !part.is_empty()).collect();
    let stays = relative.components().all(|part| matches!(part, Component::Normal(_)));
    match stays && relative.components().next().is_some() {
        true => Ok(directory.join(relative)),
        false => Err(failed(&format!("{name:?} cannot be the name of a file here"))),
    }
}

/// Files below a directory, by their paths from there, in order. Links are not followed.
fn files_below(root: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                todo.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let name = path.strip_prefix(root).ok().and_then(Path::to_str);
                found.push(name.ok_or_else(|| failed("a name is no text"))?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What files are, as browsers want to know it.
fn media_type(path: &Path) -> &'static str {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "js" | "mjs" => "text/javascript",
        "json" => "application/json",
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "wasm" => "application/wasm",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn failed(text: &str) -> Failure {
    Failure::Failed(anyhow!("{text}"))
}

fn named(failure: Failure, what: &str) -> Failure {
    match failure {
        Failure::Failed(error) => Failure::Failed(error.context(what.to_owned())),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_stay_in_the_directory() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(within(Path::new("/d"), name).ok().as_deref(), expected.map(Path::new), "{name}");
        };
        check("a/b.png", Some("/d/a/b.png"));
        check("/a//b", Some("/d/a/b"));
        for bad in ["", "/", "..", "a/../../b", "./a"] {
            check(bad, None);
        }
    }
}
