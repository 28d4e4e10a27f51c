//! From a request's body to an object, in this order: the bucket's rules, the policies, the file, the
//! row. A row never lacks its file; a file without a row is removed again.

pub(crate) mod body;
mod fields;
pub(crate) mod form;

use std::rc::Rc;
use std::time::SystemTime;

use actix_web::HttpRequest;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::web::Payload;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use object::{Incoming, Key, Labels, Stored};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Acting, Call};
use crate::error::{Error, Existing};
use crate::service::Service;
use crate::store::admission::{self, Admission};
use crate::store::buckets;
use crate::store::objects::{self, NewObject, ObjectRow};
use crate::{limit, path, robots};
use body::Body;
use fields::Fields;
pub(crate) use fields::decoded;
use form::{Form, Part};

const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// What is to become of a body.
pub(crate) struct Upload {
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) owner: Option<String>,
    /// An object of this name may be replaced.
    pub(crate) upsert: bool,
    /// The service has been asked already, when the URL was signed.
    pub(crate) as_service: bool,
}

/// Stores the body of a request.
///
/// # Errors
///
/// Whatever is in the way; then nothing is left of it.
pub(crate) async fn receive(
    call: &Rc<Call>,
    request: &HttpRequest,
    payload: Payload,
    upload: Upload,
) -> Result<ObjectRow, Error> {
    let body = Body::new(payload, call.service.config().idle_timeout.0);
    let mut source = Source::of(request, body);
    let stored = store(call, request, &mut source, upload).await;
    if stored.is_err() {
        source.drain().await;
    }
    stored
}

async fn store(
    call: &Rc<Call>,
    request: &HttpRequest,
    source: &mut Source,
    upload: Upload,
) -> Result<ObjectRow, Error> {
    let service = &call.service;
    let declared = header(request, CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let begun = source.begin(request).await;
    let named = service.allows(&upload.name);
    let asked = match (&begun, &named) {
        (Ok(fields), Ok(())) => ask(call, &upload, fields, declared).await,
        // Of what is wrong the bucket comes first.
        _ => buckets::find_rules(&call.as_service(), &upload.bucket)
            .await
            .map(|rules| Admission { rules, verdict: Ok(()) }),
    };
    let Admission { rules, verdict } = asked.map_err(Error::database)?;
    let rules = rules.ok_or(Error::NoSuchBucket)?;
    let robots_tag = header(request, ROBOTS_TAG).filter(|tag| !tag.is_empty());
    if let Some(tag) = robots_tag {
        robots::check(tag)?;
    }
    let is_folder = path::is_empty_folder(&upload.name);
    let limit = match is_folder {
        true => 0,
        false => limit::effective(service.config().file_size_limit.0, rules.file_size_limit),
    };
    if source.is_raw() && declared.is_some_and(|length| length > limit) {
        return Err(Error::EntityTooLarge("object"));
    }
    let mut fields = begun?;
    let check = |fields: &Fields| match is_folder {
        true => Ok(()),
        false => limit::media(&fields.content_type, &rules.allowed_mime_types),
    };
    check(&fields)?;
    named?;
    verdict?;

    let version = Uuid::new_v4().to_string();
    let key = Key::new(&upload.bucket, &upload.name, Some(&version)).ok_or_else(|| invalid(&upload.name))?;
    let on_disk = |error| Error::disk(error, &upload.name);
    let mut incoming = service.disk.create(key.clone(), fields.labels());
    while let Some(bytes) = source.chunk().await? {
        if incoming.size() + bytes.len() as u64 > limit {
            return Err(Error::EntityTooLarge("object"));
        }
        incoming = incoming.write(&bytes).await.map_err(on_disk)?;
    }
    source.end(&mut fields).await?;
    check(&fields)?;
    let robots_tag = robots_tag.map(str::to_owned);
    let call = Rc::clone(call);
    // From here on the client may go away: what has begun is brought to its end.
    let settled =
        actix_web::rt::spawn(async move { settle(&call, &upload, key, incoming, fields, robots_tag).await });
    settled.await.map_err(|error| Error::Internal(Box::new(error)))?
}

/// Asks for the bucket's rules and the policies.
async fn ask(
    call: &Call,
    upload: &Upload,
    fields: &Fields,
    declared: Option<u64>,
) -> Result<Admission, db::Error> {
    let mut seen = json!({ "mimetype": fields.content_type });
    if let Some(length) = declared {
        seen["contentLength"] = length.into();
    }
    let acting = if upload.as_service { call.as_service() } else { call.as_caller() };
    let object = probe(upload, seen.to_string(), fields.user_metadata.as_ref());
    admission::ask(&call.as_service(), &acting, &object, upload.upsert).await
}

/// The row that policies are shown.
fn probe<'a>(upload: &'a Upload, metadata: String, user_metadata: Option<&Value>) -> NewObject<'a> {
    NewObject {
        bucket: &upload.bucket,
        name: &upload.name,
        owner: upload.owner.as_deref(),
        version: "1",
        metadata,
        user_metadata: user_metadata.map(Value::to_string),
    }
}

/// Asks the policies.
pub(crate) async fn permit(
    acting: &Acting<'_>,
    upload: &Upload,
    metadata: String,
    user_metadata: Option<&Value>,
) -> Result<(), Error> {
    let object = probe(upload, metadata, user_metadata);
    objects::probe(acting, &object, upload.upsert).await.map_err(Error::making(Existing::Key))
}

/// The file, then the row.
async fn settle(
    call: &Call,
    upload: &Upload,
    key: Key,
    incoming: Incoming,
    fields: Fields,
    robots_tag: Option<String>,
) -> Result<ObjectRow, Error> {
    let labels = fields.labels();
    let stored = incoming.finish(labels.clone()).await.map_err(|error| Error::disk(error, &upload.name))?;
    let mut metadata = file_metadata(&stored, &labels);
    if let Some(tag) = robots_tag {
        metadata["xRobotsTag"] = tag.into();
    }
    let user_metadata = match fields.user_metadata {
        Some(Value::Object(fields)) => Value::Object(fields),
        _ => json!({}),
    };
    let object = NewObject {
        bucket: &upload.bucket,
        name: &upload.name,
        owner: upload.owner.as_deref(),
        version: key.version().unwrap_or_default(),
        metadata: metadata.to_string(),
        user_metadata: Some(user_metadata.to_string()),
    };
    commit(call, &object, upload.upsert, &key).await
}

/// Writes the row of a file that is there. Without one the file goes.
pub(crate) async fn commit(
    call: &Call,
    object: &NewObject<'_>,
    upsert: bool,
    key: &Key,
) -> Result<ObjectRow, Error> {
    let delay = call.service.removal_delay();
    let written = objects::write(&call.as_service(), object, upsert, &delay).await;
    conclude(&call.service, key, written.as_ref().map(|_| true)).await;
    written.map_err(Error::making(Existing::Key))
}

/// What became of a file: its row is written or is not. If nobody can tell, a task finds out later.
pub(crate) async fn conclude(service: &Service, key: &Key, is_written: Result<bool, &db::Error>) {
    match is_written {
        Ok(true) => return service.disk.keep(key.clone()),
        Err(error) if error.server().is_none() => return,
        Ok(false) | Err(_) => {}
    }
    if let Err(error) = service.disk.remove(key).await {
        tracing::warn!(%error, "a file that no object has could not be removed");
    }
}

/// `objects.metadata` as upstream writes it.
pub(crate) fn file_metadata(stored: &Stored, labels: &Labels) -> Value {
    json!({
        "eTag": format!("\"{}\"", stored.md5),
        "size": stored.size,
        "mimetype": labels.content_type,
        "cacheControl": labels.cache_control,
        "lastModified": moment(stored.modified),
        "contentLength": stored.size,
        "httpStatusCode": 200,
    })
}

/// As clients expect moments: ISO 8601 with milliseconds, in UTC.
pub(crate) fn moment(moment: SystemTime) -> String {
    DateTime::<Utc>::from(moment).to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(crate) fn invalid(name: &str) -> Error {
    Error::InvalidKey(name.to_owned())
}

pub(crate) fn header(
    request: &HttpRequest,
    name: impl actix_web::http::header::AsHeaderName,
) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

/// Where the content comes from.
enum Source {
    /// The body is the content.
    Raw(Body),
    /// The content is a part of it.
    Form(Box<Form>),
    /// It calls itself a form and is none.
    Nonsense(Body),
}

impl Source {
    fn of(request: &HttpRequest, body: Body) -> Self {
        let content_type = header(request, CONTENT_TYPE).unwrap_or_default();
        match form::boundary(content_type) {
            Some(boundary) => Self::Form(Box::new(Form::new(body, &boundary))),
            None if content_type.to_ascii_lowercase().starts_with("multipart/form-data") => {
                Self::Nonsense(body)
            }
            None => Self::Raw(body),
        }
    }

    fn is_raw(&self) -> bool {
        matches!(self, Self::Raw(_))
    }

    /// Reads up to the content. What is behind it is read by [`Source::end`].
    async fn begin(&mut self, request: &HttpRequest) -> Result<Fields, Error> {
        match self {
            Self::Raw(_) => {
                let content_type = header(request, CONTENT_TYPE).filter(|value| !value.is_empty());
                if content_type.is_some_and(|value| !value.contains('/')) {
                    return Err(Error::InvalidContentType);
                }
                let metadata = header(request, "x-metadata");
                Ok(Fields::raw(content_type, header(request, CACHE_CONTROL), metadata))
            }
            Self::Nonsense(_) => Err(nothing()),
            Self::Form(form) => {
                let mut fields = Fields::default();
                loop {
                    match form.next().await? {
                        Some(Part::Field { name, value }) => fields.take(&name, &value),
                        Some(Part::File { content_type, .. }) => {
                            fields.of_file(content_type);
                            return Ok(fields);
                        }
                        None => return Err(nothing()),
                    }
                }
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Raw(body) => body.next().await,
            Self::Form(form) => form.chunk().await,
            Self::Nonsense(_) => Ok(None),
        }
    }

    async fn end(&mut self, fields: &mut Fields) -> Result<(), Error> {
        if let Self::Form(form) = self {
            while let Some(part) = form.next().await? {
                if let Part::Field { name, value } = part {
                    fields.take(&name, &value);
                }
            }
        }
        Ok(())
    }

    async fn drain(self) {
        match self {
            Self::Raw(mut body) | Self::Nonsense(mut body) => body.drain().await,
            Self::Form(form) => form.into_body().drain().await,
        }
    }
}

fn nothing() -> Error {
    Error::InvalidRequest("No content provided".into())
}
