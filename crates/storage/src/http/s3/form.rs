//! `PostObject`: a form in a browser, with a policy that somebody signed. The fields come before the file,
//! so all is decided before a byte of it is kept.

use std::rc::Rc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::{HttpRequest, HttpResponse};
use object::Key;
use uuid::Uuid;

use super::describe::{Described, set};
use super::put::{Condition, Target, settle, target};
use super::{Asked, document};
use crate::call::Call;
use crate::error::Error as Cause;
use crate::file::FileMetadata;
use crate::s3::access;
use crate::s3::canonical::escaped;
use crate::s3::checksum::{Algorithm, Running};
use crate::s3::content::Proven;
use crate::s3::error::Error;
use crate::s3::operation::Operation;
use crate::s3::policy::Policy;
use crate::s3::query::Query;
use crate::s3::xml::Writer;
use crate::service::Service;
use crate::upload;
use crate::upload::body::Body;
use crate::upload::form::{self, Form, Part};
use crate::upload::header;

/// Fields of a form.
const FIELDS: usize = 50;
/// Bytes of all of them. They are held before anybody knows whose they are.
const MOST: usize = 64 * 1024;

/// What a form says before its file.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Puts the name of the file in its place in keys, before anybody asks the policy about them. Of a path that a
    /// browser sends the last part is the name.
    fn expand(&mut self, filename: &str) {
        let filename = filename.rsplit(['/', '\\']).next().unwrap_or_default();
        for (_, key) in self.0.iter_mut().filter(|(name, _)| name == "key") {
            *key = key.replace("${filename}", filename);
        }
    }
}

/// The boundary of a request that is a form.
pub(super) fn boundary(request: &HttpRequest) -> Option<String> {
    form::boundary(header(request, CONTENT_TYPE)?)
}

/// Stores the file of a form.
pub(super) async fn post(
    service: &std::sync::Arc<Service>,
    request: &HttpRequest,
    bucket: String,
    body: Body,
    boundary: &str,
) -> Result<HttpResponse, Error> {
    let mut form = Form::new(body, boundary).of_file("file", FIELDS);
    let stored = store(service, request, bucket, &mut form).await;
    if stored.is_err() {
        form.into_body().drain().await;
    }
    stored
}

async fn store(
    service: &std::sync::Arc<Service>,
    request: &HttpRequest,
    bucket: String,
    form: &mut Form,
) -> Result<HttpResponse, Error> {
    let mut fields = Fields(Vec::new());
    let mut held = 0;
    let filename = loop {
        match form.next().await? {
            Some(Part::Field { name, value }) => {
                held += name.len() + value.len();
                if held > MOST {
                    return Err(Error::FieldsTooLarge);
                }
                let value =
                    String::from_utf8(value).map_err(|_| Error::InvalidRequest("Fields are UTF-8".into()))?;
                fields.0.push((name.to_ascii_lowercase(), value));
            }
            Some(Part::File { filename, .. }) => break filename,
            None => {
                return Err(Error::InvalidArgument(
                    "POST requires exactly one file upload per request.".into(),
                ));
            }
        }
    };
    fields.expand(&filename.unwrap_or_default());
    let access = access::of_form(service, |name| fields.get(name))?;
    access.bounds.allow(Operation::PostObject, &bucket)?;
    let policy = Policy::read(fields.get("policy").unwrap_or_default())?;
    let (least, most) = policy.allows(&bucket, &fields.0, service.clock.unix())?;
    let key = fields.get("key").filter(|key| !key.is_empty());
    let key = key.map(str::to_owned);
    let key =
        key.ok_or_else(|| Error::InvalidArgument("Bucket POST must contain a field named 'key'.".into()))?;
    let call = Call::signed(service, request, Operation::PostObject.name(), access.identity, access.token);
    let asked = Asked {
        call: Rc::new(call),
        request: request.clone(),
        query: Query::default(),
        bucket,
        key,
        bounds: access.bounds,
        body: None,
    };
    let described = Described::of(
        |name| fields.get(name),
        fields.0.iter().filter_map(|(name, value)| Some((name.strip_prefix("x-amz-meta-")?, value.clone()))),
    )?;
    let Target { upload, limit } = target(&asked, &described, None).await?;
    let version = Uuid::new_v4().to_string();
    let key = Key::new(&upload.bucket, &upload.name, Some(&version))
        .ok_or_else(|| upload::invalid(&upload.name))?;
    let promised =
        Algorithm::ALL.into_iter().find_map(|kind| Some((kind, fields.get(kind.header())?.to_owned())));
    let mut running = promised.as_ref().map(|(algorithm, _)| Running::new(*algorithm));
    let mut incoming = service.disk.create(key.clone(), described.labels.clone());
    while let Some(bytes) = form.chunk().await? {
        if incoming.size() + bytes.len() as u64 > limit.min(most) {
            return Err(Cause::EntityTooLarge("object").into());
        }
        if let Some(running) = &mut running {
            running.update(&bytes);
        }
        incoming = incoming.write(&bytes).await.map_err(|error| Cause::disk(error, &upload.name))?;
    }
    if incoming.size() < least {
        return Err(Error::EntityTooSmall);
    }
    if let (Some(running), Some((_, expected))) = (running, &promised)
        && running.finish() != *expected
    {
        return Err(Error::BadDigest);
    }
    // Nothing counts that comes behind the file, but the form must come to its end.
    while form.next().await?.is_some() {}
    let call = Rc::clone(&asked.call);
    let proven = Proven { md5: None, checksum: promised };
    let settled = actix_web::rt::spawn(async move {
        settle(&call, &upload, key, incoming, &described, proven, &Condition::None).await
    });
    let (row, _) = settled.await.map_err(|error| Cause::Internal(Box::new(error)))??;
    Ok(answer(&asked, &fields, &FileMetadata::of(&row).etag.unwrap_or_default()))
}

fn answer(asked: &Asked, fields: &Fields, etag: &str) -> HttpResponse {
    let location = format!("/{}/{}", asked.bucket, escaped(asked.key.as_bytes(), true));
    let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
    let is_url = |text: &&str| {
        (text.starts_with("http://") || text.starts_with("https://"))
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if let Some(url) = redirect.filter(is_url) {
        let mark = if url.contains('?') { '&' } else { '?' };
        let value = |text: &str| escaped(text.as_bytes(), false);
        let url = format!(
            "{url}{mark}bucket={}&key={}&etag={}",
            value(&asked.bucket),
            value(&asked.key),
            value(etag)
        );
        return HttpResponse::SeeOther().insert_header((LOCATION, url)).finish();
    }
    let mut told = HttpResponse::build(match fields.get("success_action_status") {
        Some("200") => StatusCode::OK,
        Some("201") => {
            let mut created = document(Writer::document("PostResponse", |w| {
                w.text("Location", &location);
                w.text("Bucket", &asked.bucket);
                w.text("Key", &asked.key);
                w.text("ETag", etag);
            }));
            *created.status_mut() = StatusCode::CREATED;
            return created;
        }
        _ => StatusCode::NO_CONTENT,
    });
    set(&mut told, "etag", etag.as_bytes());
    set(&mut told, "location", location.as_bytes());
    told.finish()
}
