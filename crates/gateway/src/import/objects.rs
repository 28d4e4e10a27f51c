//! Files: read from the source's storage API with its service key, written to ours with our secret key, so that every
//! rule of a file's way to disk holds. Afterwards the row here gets what only the source knows: id, owner, times, and
//! what users said about the file.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, bail};
use db::Session;
use futures_util::{StreamExt, stream};
use kernel::Secret;
use reqwest::redirect::Policy;
use reqwest::{Body, Client};
use serde::Serialize;
use serde_json::Value;

use crate::cli::escaped;

/// Files whose rows are written together; what is under way when a run is killed is brought again.
const PAGE: i64 = 200;
/// Files under way at once.
const AT_ONCE: usize = 8;
/// How long is waited between tries of one.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(8)];
/// A source that sends nothing for so long does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What our own storage says, in the body, where another try changes nothing: it cannot be, or is too large.
const FOR_GOOD: [&str; 2] = ["400", "413"];
/// Failures that are told; the others are counted.
const TOLD: usize = 20;

/// The source's storage.
pub(crate) struct Storage {
    /// Its URL, with `/storage/v1` and without a slash at the end.
    pub(crate) url: String,
    /// A key of the service role.
    pub(crate) key: Secret,
}

/// Our own.
pub(crate) struct Here {
    /// Its URL, with `/storage/v1` and without a slash at the end.
    pub(crate) url: String,
    /// Our secret key.
    pub(crate) key: Secret,
}

/// How files stand.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Compared {
    pub(crate) there: usize,
    /// Those of them that are here, and the same.
    pub(crate) here: usize,
    /// Of those that are the same.
    pub(crate) bytes: i64,
    pub(crate) copied: usize,
    /// Here and no longer there.
    pub(crate) removed: usize,
    /// The first of those that could not be copied or are not the same, each with the reason.
    pub(crate) failed: Vec<String>,
    /// All of them.
    pub(crate) failures: usize,
    #[serde(skip)]
    told: HashSet<(String, String)>,
    /// Files that the source lists and has not got itself. They take no part in the comparison.
    pub(crate) lost: Vec<String>,
    pub(crate) equal: bool,
}

impl Compared {
    fn fail(&mut self, object: &Object, why: &str) {
        // What failed when it was copied does not fail again when it is compared.
        if !self.told.insert(object.key()) {
            return;
        }
        self.failures += 1;
        if self.failures <= TOLD {
            self.failed.push(format!("{}: {why}", object.told()));
        }
    }
}

/// Brings them, and compares all.
pub(super) async fn bring(
    source: &mut Session,
    here: &mut Session,
    storage: &Storage,
    target: &Here,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<Compared> {
    let client = Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(PATIENCE)
        // The key goes to nobody else, and nothing else is taken for a file.
        .redirect(Policy::none())
        .build()?;
    // Files are older than limits that buckets got later. If this run is killed, the next finds other limits than the
    // source's and sets them right.
    const WITHOUT_LIMITS: &str = "
        update storage.buckets set file_size_limit = null, allowed_mime_types = null
         where file_size_limit is not null or allowed_mime_types is not null";
    let limits = limits(source).await?;
    super::begin(here).await?;
    let done = here.execute(WITHOUT_LIMITS, &[]).await;
    super::end(here, done).await?;
    let compared = bring_all(source, here, &client, storage, target, tell).await;
    set_limits(here, &limits).await?;
    compared
}

async fn bring_all(
    source: &mut Session,
    here: &mut Session,
    client: &Client,
    storage: &Storage,
    target: &Here,
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<Compared> {
    let mut compared = Compared::default();
    let mut after = (String::new(), String::new());
    loop {
        let page = page(source, &after).await?;
        let Some(last) = page.last() else { break };
        after = (last.bucket().to_owned(), last.name().to_owned());
        let own = same(here, &page).await?;
        let missing: Vec<&Object> = page.iter().filter(|object| !object.is(own.get(&object.key()))).collect();
        let copies = stream::iter(missing.iter().map(|object| copy(client, object, storage, target)));
        let outcomes: Vec<_> = copies.buffered(AT_ONCE).collect().await;
        let mut done = Vec::new();
        for (object, outcome) in missing.iter().zip(outcomes) {
            match outcome {
                Ok(Copied::Here) => done.push(&object.0),
                Ok(Copied::Lost) => compared.lost.push(object.told()),
                Ok(Copied::Refused(why)) => compared.fail(object, &why),
                Err(error) => compared.fail(object, &format!("{error:#}")),
            }
        }
        compared.copied += done.len();
        take_over(here, &done).await.context("rows of files")?;
        compared.there += page.len();
        tell(&format!("files: {} looked at, {} copied", compared.there, compared.copied));
    }
    compared.removed = remove_others(source, here, client, target).await?;
    count(source, here, &mut compared).await?;
    Ok(compared)
}

/// What buckets admit there.
async fn limits(source: &mut Session) -> Result<Value, db::Error> {
    const SQL: &str = "
        select coalesce(jsonb_agg(jsonb_build_object('id', id, 'size', file_size_limit, 'types', allowed_mime_types)), '[]')
          from storage.buckets";
    Ok(source.query_one(SQL, &[]).await?.try_get(0)?)
}

async fn set_limits(here: &mut Session, limits: &Value) -> Result<(), db::Error> {
    const SQL: &str = "
        update storage.buckets b set file_size_limit = s.size, allowed_mime_types = s.types
          from jsonb_to_recordset($1) as s (id text, size bigint, types text[]) where b.id = s.id";
    // As it is there, with the time of its last change.
    super::begin(here).await?;
    let done = here.execute(SQL, &[limits]).await;
    super::end(here, done).await.map(drop)
}

/// What became of a file.
enum Copied {
    Here,
    /// The source does not have it.
    Lost,
    /// Another try would end as this one.
    Refused(String),
}

/// A row of `storage.objects`, whatever columns it has.
struct Object(Value);

impl Object {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    fn bucket(&self) -> &str {
        self.text("bucket_id")
    }

    fn name(&self) -> &str {
        self.text("name")
    }

    fn key(&self) -> (String, String) {
        (self.bucket().to_owned(), self.name().to_owned())
    }

    /// Rows of old have none.
    fn size(&self) -> Option<i64> {
        self.0["metadata"]["size"].as_i64()
    }

    /// The MD5 of the content, where the store knows it: files that came in parts have another tag.
    fn md5(&self) -> Option<&str> {
        let tag = self.0["metadata"]["eTag"].as_str()?.trim_matches('"');
        (tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(tag)
    }

    /// Whether `own` is this very file.
    fn is(&self, own: Option<&Self>) -> bool {
        self.difference(own).is_none()
    }

    /// Why `own` is not this very file.
    fn difference(&self, own: Option<&Self>) -> Option<String> {
        let Some(own) = own else { return Some("it is not here".to_owned()) };
        let size = |size: Option<i64>| size.map_or("?".to_owned(), |size| size.to_string());
        if self.size().is_some_and(|there| own.size() != Some(there)) {
            let (there, own) = (size(self.size()), size(own.size()));
            return Some(format!("its row at the source speaks of {there} bytes, and {own} came"));
        }
        match (self.md5(), own.md5()) {
            (Some(there), Some(here)) if there != here => {
                return Some("what came has another MD5 than its row at the source".to_owned());
            }
            _ => {}
        }
        let differs = ["id", "updated_at"].iter().any(|name| self.text(name) != own.text(name));
        differs.then(|| "it is older or newer here".to_owned())
    }

    /// None if a URL cannot name it: a segment of dots means another place there, which may be no file at all.
    fn path(&self) -> Option<String> {
        let mut segments = self.name().split('/').chain([self.bucket()]);
        if segments.any(|segment| matches!(segment, "." | "..")) {
            return None;
        }
        let name: Vec<_> = self.name().split('/').map(escaped).collect();
        Some(format!("{}/{}", escaped(self.bucket()), name.join("/")))
    }

    fn told(&self) -> String {
        format!("{}/{}", self.bucket(), self.name())
    }
}

async fn page(session: &mut Session, after: &(String, String)) -> Result<Vec<Object>, db::Error> {
    const SQL: &str = "
        select to_jsonb(o) from storage.objects o
         where (o.bucket_id collate \"C\", o.name collate \"C\") > ($1, $2)
         order by o.bucket_id collate \"C\", o.name collate \"C\"
         limit $3";
    let rows = session.query(SQL, &[&after.0, &after.1, &PAGE]).await?;
    rows.iter().map(|row| Ok(Object(row.try_get(0)?))).collect()
}

/// The rows here of the same names.
async fn same(here: &mut Session, page: &[Object]) -> Result<HashMap<(String, String), Object>, db::Error> {
    const SQL: &str = "
        select to_jsonb(o) from storage.objects o
          join unnest($1::text[], $2::text[]) as wanted (bucket_id, name)
            on o.bucket_id = wanted.bucket_id and o.name = wanted.name";
    let buckets: Vec<&str> = page.iter().map(Object::bucket).collect();
    let names: Vec<&str> = page.iter().map(Object::name).collect();
    // Times look alike on both sides.
    super::begin(here).await?;
    let rows = here.query(SQL, &[&buckets, &names]).await;
    let rows = super::end(here, rows).await?;
    rows.iter()
        .map(|row| {
            let object = Object(row.try_get(0)?);
            Ok((object.key(), object))
        })
        .collect()
}

async fn copy(client: &Client, object: &Object, storage: &Storage, target: &Here) -> anyhow::Result<Copied> {
    let mut pauses = PAUSES.iter();
    loop {
        match (copy_once(client, object, storage, target).await, pauses.next()) {
            (Ok(copied), _) => return Ok(copied),
            (Err(error), None) => return Err(error),
            (Err(_), Some(pause)) => tokio::time::sleep(*pause).await,
        }
    }
}

async fn copy_once(
    client: &Client,
    object: &Object,
    storage: &Storage,
    target: &Here,
) -> anyhow::Result<Copied> {
    let Some(path) = object.path() else {
        return Ok(Copied::Refused("no URL can name it".to_owned()));
    };
    let from = client
        .get(format!("{}/object/authenticated/{path}", storage.url))
        .header("apikey", storage.key.expose())
        .bearer_auth(storage.key.expose())
        .send()
        .await
        .map_err(reqwest::Error::without_url)?;
    let status = from.status();
    if !status.is_success() {
        let body: Value = serde_json::from_slice(&from.bytes().await?).unwrap_or_default();
        // Storage says it in the body; the status may be 400.
        let missing =
            ["not_found", "NoSuchKey"].iter().any(|code| body["error"] == **code || body["code"] == **code);
        if missing && (body["statusCode"] == "404" || status.as_u16() == 404) {
            return Ok(Copied::Lost);
        }
        bail!("the source answered {status}: {}", body["message"].as_str().unwrap_or_default());
    }
    let metadata = &object.0["metadata"];
    let kind = metadata["mimetype"].as_str().unwrap_or("application/octet-stream");
    let mut to = client
        .post(format!("{}/object/{path}", target.url))
        .header("apikey", target.key.expose())
        .bearer_auth(target.key.expose())
        .header("x-upsert", "true")
        .header("content-type", kind);
    if let Some(cache) = metadata["cacheControl"].as_str() {
        to = to.header("cache-control", cache);
    }
    if let Some(length) = from.content_length() {
        to = to.header("content-length", length);
    }
    let answer =
        to.body(Body::wrap_stream(from.bytes_stream())).send().await.map_err(reqwest::Error::without_url)?;
    if answer.status().is_success() {
        return Ok(Copied::Here);
    }
    let status = answer.status();
    let body: Value = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
    let why = format!("{} ({status})", body["message"].as_str().unwrap_or("it was refused"));
    if body["statusCode"].as_str().is_some_and(|code| FOR_GOOD.contains(&code)) {
        return Ok(Copied::Refused(why));
    }
    bail!(why)
}

/// Puts what only the source knows into rows of ours.
async fn take_over(here: &mut Session, objects: &[&Value]) -> Result<(), db::Error> {
    const SQL: &str = "
        update storage.objects o
           set id = s.id, owner = s.owner, owner_id = s.owner_id, created_at = s.created_at,
               updated_at = s.updated_at, last_accessed_at = s.last_accessed_at, user_metadata = s.user_metadata
          from jsonb_to_recordset($1) as s (bucket_id text, name text, id uuid, owner uuid, owner_id text,
               created_at timestamptz, updated_at timestamptz, last_accessed_at timestamptz, user_metadata jsonb)
         where o.bucket_id = s.bucket_id and o.name = s.name";
    if objects.is_empty() {
        return Ok(());
    }
    let rows = Value::from(objects.iter().map(|object| (*object).clone()).collect::<Vec<_>>());
    super::begin(here).await?;
    let done = here.execute(SQL, &[&rows]).await;
    super::end(here, done).await.map(drop)
}

/// Deletes what was brought before and is gone there.
async fn remove_others(
    source: &mut Session,
    here: &mut Session,
    client: &Client,
    target: &Here,
) -> anyhow::Result<usize> {
    let mut removed = 0;
    let mut after = (String::new(), String::new());
    loop {
        let own = page(here, &after).await?;
        let Some(last) = own.last() else { return Ok(removed) };
        after = last.key();
        let there = same_names(source, &own).await?;
        for object in own.iter().filter(|object| !there.contains(&object.key())) {
            let Some(path) = object.path() else {
                bail!("{} is here and no longer there, and no URL can name it", object.told());
            };
            let answer = client
                .delete(format!("{}/object/{path}", target.url))
                .header("apikey", target.key.expose())
                .bearer_auth(target.key.expose())
                .send()
                .await
                .map_err(reqwest::Error::without_url)?;
            if !answer.status().is_success() {
                bail!("{} could not be deleted: {}", object.told(), answer.status());
            }
            removed += 1;
        }
    }
}

async fn same_names(source: &mut Session, page: &[Object]) -> Result<HashSet<(String, String)>, db::Error> {
    const SQL: &str = "
        select o.bucket_id, o.name from storage.objects o
          join unnest($1::text[], $2::text[]) as wanted (bucket_id, name)
            on o.bucket_id = wanted.bucket_id and o.name = wanted.name";
    let buckets: Vec<&str> = page.iter().map(Object::bucket).collect();
    let names: Vec<&str> = page.iter().map(Object::name).collect();
    let rows = source.query(SQL, &[&buckets, &names]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Looks at all once more, when all has been done.
pub(super) async fn count(
    source: &mut Session,
    here: &mut Session,
    compared: &mut Compared,
) -> Result<(), db::Error> {
    (compared.there, compared.here, compared.bytes) = (0, 0, 0);
    let mut after = (String::new(), String::new());
    loop {
        let there = page(source, &after).await?;
        let Some(last) = there.last() else { break };
        after = last.key();
        let own = same(here, &there).await?;
        compared.there += there.len();
        for object in &there {
            match object.difference(own.get(&object.key())) {
                None => {
                    compared.here += 1;
                    compared.bytes += object.size().unwrap_or_default();
                }
                Some(_) if compared.lost.contains(&object.told()) => {}
                Some(why) => compared.fail(object, &why),
            }
        }
    }
    compared.equal = compared.failures == 0 && compared.here + compared.lost.len() == compared.there;
    Ok(())
}
