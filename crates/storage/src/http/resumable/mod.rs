//! `/upload/resumable`: TUS 1.0 with creation (also with a first piece, also of unknown length),
//! expiration and termination, as clients know it from upstream: errors are plain text with the status
//! that is meant, but for those about the caller, which have the form of all others.

mod headers;
mod location;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use uuid::Uuid;

use super::{Shared, answer};
use crate::call::Call;
use crate::error::Error;
use crate::resumable::{self, Metadata, More, Refusal, State, UploadId, Uploader};
use crate::service::Service;
use crate::signed::Scope;
use crate::upload::body::Body;
use crate::upload::header;
use headers::{number, text};

const CHUNK: &str = "application/offset+octet-stream";
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const TUS_COMPLETE: HeaderName = HeaderName::from_static("tus-complete");

/// `/upload/resumable`
pub(super) async fn base(service: Shared, request: HttpRequest, payload: Payload) -> HttpResponse {
    serve(service, request, payload, Target { is_signed: false, segment: None }).await
}

/// `/upload/resumable/sign`
pub(super) async fn signed_base(service: Shared, request: HttpRequest, payload: Payload) -> HttpResponse {
    serve(service, request, payload, Target { is_signed: true, segment: None }).await
}

/// `/upload/resumable/{id}`
pub(super) async fn one(service: Shared, request: HttpRequest, payload: Payload) -> HttpResponse {
    let segment = request.match_info().get("id").map(str::to_owned);
    serve(service, request, payload, Target { is_signed: false, segment }).await
}

/// `/upload/resumable/sign/{id}`
pub(super) async fn signed(service: Shared, request: HttpRequest, payload: Payload) -> HttpResponse {
    let segment = request.match_info().get("id").map(str::to_owned);
    serve(service, request, payload, Target { is_signed: true, segment }).await
}

/// What a URL names.
struct Target {
    /// A token stands in for the caller.
    is_signed: bool,
    /// The upload, if it names one.
    segment: Option<String>,
}

impl Target {
    fn id(&self) -> Result<UploadId, Failure> {
        let segment = self.segment.as_deref().ok_or(Refusal::NotFound)?;
        UploadId::decode(segment).ok_or(Failure::told(400, "Invalid upload id"))
    }
}

/// An answer that is not success.
enum Failure {
    /// The caller is nobody.
    Caller(Error),
    /// The request or the upload is not what it must be.
    Told { status: u16, text: Cow<'static, str>, closes: bool },
}

impl Failure {
    fn told(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::Told { status, text: text.into(), closes: false }
    }

    fn closing(status: u16, text: &'static str) -> Self {
        Self::Told { status, text: text.into(), closes: true }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.report();
        let closes = matches!(error, Error::Aborted);
        Self::Told { status: error.meant(), text: error.to_string().into(), closes }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Storage(error) => error.into(),
            Refusal::NotFound => Self::told(404, "The file for this url was not found\n"),
            Refusal::Expired => Self::told(410, "The file for this url no longer exists\n"),
            Refusal::Offset => Self::closing(409, "Upload-Offset conflict\n"),
            Refusal::TooMuch => Self::closing(413, "upload's size exceeded\n"),
            Refusal::TooLarge => Self::told(413, "Maximum size exceeded\n"),
            Refusal::Length => Self::told(400, "Upload-Length or Upload-Defer-Length header required\n"),
            Refusal::Busy => Self::told(503, "acquiring lock timeout"),
            Refusal::Complete => Self::told(400, "Cannot terminate an already completed upload"),
        }
    }
}

async fn serve(service: Shared, request: HttpRequest, payload: Payload, target: Target) -> HttpResponse {
    let service = service.into_inner();
    let mut body = Some(Body::new(payload, service.config().idle_timeout.0));
    let method = match header(&request, "x-http-method-override") {
        Some(instead) if request.method() == Method::POST => {
            Method::from_bytes(instead.to_ascii_uppercase().as_bytes()).unwrap_or(Method::POST)
        }
        _ => request.method().clone(),
    };
    let answered = match method {
        Method::OPTIONS => Ok(options(&service, &request)),
        Method::POST => create(&service, &request, &mut body, &target).await,
        Method::PATCH | Method::PUT => write(&service, &request, &mut body, &target).await,
        Method::HEAD => look(&service, &request, &target).await,
        Method::DELETE => terminate(&service, &request, &target).await,
        _ => return answer::no_route(request).await.unwrap_or_else(|error| error.error_response()),
    };
    let mut answer = match answered {
        Ok(answer) => answer,
        Err(failure) => {
            if let Some(body) = &mut body {
                body.drain().await;
            }
            refuse(failure)
        }
    };
    headers::decorate(answer.headers_mut());
    answer
}

fn refuse(failure: Failure) -> HttpResponse {
    match failure {
        Failure::Caller(error) => error.error_response(),
        Failure::Told { status, text, closes } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut answer = HttpResponse::build(status);
            if closes {
                answer.force_close();
            }
            answer.content_type("text/plain; charset=utf-8").body(text)
        }
    }
}

fn options(service: &Service, request: &HttpRequest) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    headers::offer(&mut answer, service.config().file_size_limit.0, request);
    answer.finish()
}

/// The call of a request with a token of its own.
fn call(
    service: &Arc<Service>,
    request: &HttpRequest,
    target: &Target,
    operations: [&'static str; 2],
) -> Result<Rc<Call>, Failure> {
    let [own, signed] = operations;
    let call = match target.is_signed {
        true => Call::open(service, request, signed),
        false => Call::bearer(service, request, own).map_err(Failure::Caller)?,
    };
    headers::check(request)?;
    Ok(Rc::new(call))
}

/// Who uploads to this object: the caller, or whoever has the token of a signed URL for it.
fn uploader(
    call: &Rc<Call>,
    request: &HttpRequest,
    target: &Target,
    id: &UploadId,
) -> Result<Uploader, Failure> {
    let call = Rc::clone(call);
    if !target.is_signed {
        let owner = call.owner().map(str::to_owned);
        let upsert = header(request, "x-upsert") == Some("true");
        return Ok(Uploader { call, owner, upsert, as_service: false });
    }
    let token = header(request, "x-signature").filter(|token| !token.is_empty());
    let token = token.ok_or(Error::InvalidSignature("Missing x-signature header"))?;
    let grant = call.service.verify(token, Scope::Upload, &id.bucket, &id.name)?;
    Ok(Uploader { call, owner: grant.owner, upsert: grant.upsert, as_service: true })
}

/// `POST`: begins an upload, perhaps with its first bytes.
async fn create(
    service: &Arc<Service>,
    request: &HttpRequest,
    body: &mut Option<Body>,
    target: &Target,
) -> Result<HttpResponse, Failure> {
    let operations = ["storage.tus.upload.create", "storage.tus.upload.create_signed"];
    let call = call(service, request, target, operations)?;
    if header(request, "upload-concat").is_some() {
        let told =
            "Concatenation extension is not (yet) supported. Disable parallel uploads in the tus client.\n";
        return Err(Failure::told(501, told));
    }
    let length = number(request, UPLOAD_LENGTH);
    if length.is_some() == header(request, UPLOAD_DEFER_LENGTH).is_some() {
        return Err(Refusal::Length.into());
    }
    let told = header(request, UPLOAD_METADATA).filter(|told| !told.trim().is_empty());
    let told = told.ok_or(Failure::told(400, "Metadata header is required"))?;
    let metadata = Metadata::parse(told).unwrap_or_default();
    let word = |name: &str| metadata.get(name).unwrap_or_default().to_owned();
    let id = UploadId { bucket: word("bucketName"), name: word("objectName"), version: Uuid::new_v4() };
    let uploader = uploader(&call, request, target, &id)?;
    let mut state = resumable::create(&uploader, id.clone(), length, told.to_owned()).await?;
    let mut answer = HttpResponse::Created();
    if header(request, CONTENT_TYPE) == Some(CHUNK) && !state.is_complete() {
        let more = More { offset: 0, size: number(request, CONTENT_LENGTH), length: None };
        state = resumable::write(&uploader, id, more, body).await?;
        answer.insert_header((UPLOAD_OFFSET, state.offset));
    }
    let base = location::base(request, &service.public_url, target.is_signed);
    answer.insert_header((LOCATION, format!("{base}/{}", state.id.encode())));
    describe(&mut answer, &state);
    Ok(answer.finish())
}

/// `PATCH`: goes on with an upload.
async fn write(
    service: &Arc<Service>,
    request: &HttpRequest,
    body: &mut Option<Body>,
    target: &Target,
) -> Result<HttpResponse, Failure> {
    let operations = ["storage.tus.upload.part", "storage.tus.upload.part_signed"];
    let call = call(service, request, target, operations)?;
    let id = target.id()?;
    let offset =
        number(request, UPLOAD_OFFSET).ok_or(Failure::told(403, "Upload-Offset header required\n"))?;
    if header(request, CONTENT_TYPE).is_none() {
        return Err(Failure::told(403, "Content-Type header required\n"));
    }
    let uploader = uploader(&call, request, target, &id)?;
    let size = number(request, CONTENT_LENGTH);
    let more = More { offset, size, length: number(request, UPLOAD_LENGTH) };
    let state = resumable::write(&uploader, id, more, body).await?;
    let mut answer = HttpResponse::NoContent();
    answer.insert_header((UPLOAD_OFFSET, state.offset));
    if size.is_some_and(|size| state.offset < offset + size) {
        // Somebody else goes on with it, and the rest of this body is read by nobody.
        answer.force_close();
    }
    describe(&mut answer, &state);
    Ok(answer.finish())
}

/// `HEAD`: how far an upload is.
async fn look(
    service: &Arc<Service>,
    request: &HttpRequest,
    target: &Target,
) -> Result<HttpResponse, Failure> {
    let operations = ["storage.tus.upload.get", "storage.tus.upload.get_signed"];
    let call = call(service, request, target, operations)?;
    let id = target.id()?;
    let uploader = uploader(&call, request, target, &id)?;
    let state = resumable::look(&uploader, id).await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((UPLOAD_OFFSET, state.offset));
    match state.note.length {
        Some(length) => answer.insert_header((UPLOAD_LENGTH, length)),
        None => answer.insert_header((UPLOAD_DEFER_LENGTH, 1)),
    };
    if let Ok(metadata) = HeaderValue::from_str(&state.note.metadata) {
        answer.insert_header((UPLOAD_METADATA, metadata));
    }
    describe(&mut answer, &state);
    Ok(answer.finish())
}

/// `DELETE`: gives an upload up.
async fn terminate(
    service: &Arc<Service>,
    request: &HttpRequest,
    target: &Target,
) -> Result<HttpResponse, Failure> {
    let operations = ["storage.tus.upload.delete", "storage.tus.upload.delete_signed"];
    let call = call(service, request, target, operations)?;
    let id = target.id()?;
    let uploader = uploader(&call, request, target, &id)?;
    resumable::terminate(&uploader, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whether it is complete, or until when it waits.
fn describe(answer: &mut HttpResponseBuilder, state: &State) {
    match state.is_complete() {
        true => answer.insert_header((TUS_COMPLETE, "1")),
        false => answer.insert_header((UPLOAD_EXPIRES, text(state.expires_at))),
    };
}
