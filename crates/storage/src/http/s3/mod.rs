//! `/s3`: the S3 protocol, path style. One entry: a request is read, its signature checked, its operation
//! found, and only then anything happens; refusals become S3's documents here.

mod acl;
mod attributes;
mod bucket;
mod copy;
mod describe;
mod form;
mod get;
mod list;
mod multipart;
mod parts;
mod put;
mod remove;
mod tagging;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use percent_encoding::percent_decode_str;

use super::Shared;
use crate::call::Call;
use crate::error::Error as Cause;
use crate::s3::access::{self, Access, Payload as Promise};
use crate::s3::content::Content;
use crate::s3::error::Error;
use crate::s3::keys::Bounds;
use crate::s3::operation::{self, Operation};
use crate::s3::query::Query;
use crate::s3::xml::Writer;
use crate::service::Service;
use crate::store::buckets;
use crate::upload::body::Body;
use crate::upload::header;

/// Bytes of a document that says what to do: the longest names a thousand objects or ten thousand parts.
const DOCUMENT: u64 = 4 * 1024 * 1024;

/// A request whose signature is good.
struct Asked {
    call: Rc<Call>,
    request: HttpRequest,
    query: Query,
    bucket: String,
    /// Empty if the request is about the bucket.
    key: String,
    /// What the keys are good for.
    bounds: Bounds,
    /// Until it is read.
    body: Option<(Body, Promise)>,
}

impl Asked {
    fn service(&self) -> &Arc<Service> {
        &self.call.service
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(&self.request, name)
    }

    /// The body; it can be read once.
    fn content(&mut self) -> Result<Content, Error> {
        let (body, promise) = self.body.take().ok_or(Error::IncompleteBody)?;
        Content::new(&self.request, body, promise)
    }

    /// The body, if it says what to do.
    async fn document(&mut self) -> Result<bytes::Bytes, Error> {
        self.content()?.all(DOCUMENT).await
    }

    /// The same, where headers that tell a checksum tell that of something else.
    async fn document_apart(&mut self) -> Result<bytes::Bytes, Error> {
        let (body, promise) = self.body.take().ok_or(Error::IncompleteBody)?;
        Content::apart(&self.request, body, promise)?.all(DOCUMENT).await
    }

    /// Why a thing in this bucket is not there.
    async fn missing(&self) -> Error {
        let rules = buckets::find_rules(&self.call.as_service(), &self.bucket).await;
        match rules {
            Ok(Some(_)) => Cause::NoSuchKey.into(),
            Ok(None) => Cause::NoSuchBucket.into(),
            Err(error) => Error::database(error),
        }
    }
}

/// Any request.
pub(super) async fn serve(service: Shared, request: HttpRequest, payload: Payload) -> HttpResponse {
    let service = service.into_inner();
    if !service.config().s3.enabled {
        let gone = super::answer::no_route(request).await;
        return gone.unwrap_or_else(|error| error.error_response());
    }
    let mut body = Some(Body::new(payload, service.config().idle_timeout.0));
    let mut answer = match answer(&service, &request, &mut body).await {
        Ok(answer) => answer,
        Err(error) => {
            if let Some(body) = &mut body {
                body.drain().await;
            }
            refuse(&request, &error)
        }
    };
    if let Ok(id) = HeaderValue::from_str(&request_id(&request)) {
        answer.headers_mut().insert(HeaderName::from_static("x-amz-request-id"), id);
    }
    answer
}

fn request_id(request: &HttpRequest) -> String {
    kernel::http::request_id(request).map(|id| id.to_string()).unwrap_or_default()
}

async fn answer(
    service: &Arc<Service>,
    request: &HttpRequest,
    body: &mut Option<Body>,
) -> Result<HttpResponse, Error> {
    let query = Query::read(request.query_string());
    let (bucket, key) = target(request)?;
    let is_for_bucket = request.method() == Method::POST && !bucket.is_empty() && key.is_empty();
    if let Some(boundary) =
        form::boundary(request).filter(|_| is_for_bucket && request.query_string().is_empty())
    {
        let body = body.take().ok_or(Error::IncompleteBody)?;
        return form::post(service, request, bucket, body, &boundary).await;
    }
    let asked_for =
        operation::of(request.method(), !bucket.is_empty(), !key.is_empty(), &query, request.headers());
    let access = match (access::check(service, request, &query), &asked_for) {
        (Err(Error::MissingSignature), Ok(Operation::GetObject | Operation::HeadObject)) => {
            unsigned(service, request, &query, &bucket).await?
        }
        (access, _) => access?,
    };
    let asked_for = asked_for?;
    let bounds = access.bounds;
    bounds.allow(asked_for, &bucket)?;
    let call = Call::signed(service, request, asked_for.name(), access.identity, access.token);
    let promised = body.take().map(|body| (body, access.payload));
    let mut asked =
        Asked { call: Rc::new(call), request: request.clone(), query, bucket, key, bounds, body: promised };
    let done = perform(&mut asked, asked_for).await;
    *body = asked.body.take().map(|(body, _)| body);
    done
}

/// Nobody signed. The objects of public buckets are everybody's to read, under the names that they were given.
async fn unsigned(
    service: &Arc<Service>,
    request: &HttpRequest,
    query: &Query,
    bucket: &str,
) -> Result<Access, Error> {
    let call = Call::open(service, request, Operation::GetObject.name());
    let found = buckets::find(&call.as_service(), bucket).await.map_err(Error::database)?;
    if !found.is_some_and(|bucket| bucket.public) {
        return Err(Error::MissingSignature);
    }
    if query.names().any(|(name, _)| name.starts_with("response-")) {
        return Err(Error::InvalidRequest(
            "Request specific response headers cannot be used for anonymous GET requests.".into(),
        ));
    }
    Access::unsigned(bucket)
}

async fn perform(asked: &mut Asked, operation: Operation) -> Result<HttpResponse, Error> {
    match operation {
        Operation::ListBuckets => bucket::list(asked).await,
        Operation::CreateBucket => bucket::create(asked).await,
        Operation::HeadBucket => bucket::head(asked).await,
        Operation::DeleteBucket => bucket::delete(asked).await,
        Operation::GetLocation => bucket::location(asked).await,
        Operation::GetVersioning => bucket::versioning(asked).await,
        Operation::GetAcl => acl::get(asked).await,
        Operation::PutAcl => acl::put(asked).await,
        Operation::GetAbsent(code, text) => bucket::absent(asked, code, text).await,
        Operation::ListObjects => list::first(asked).await,
        Operation::ListObjectsV2 => list::second(asked).await,
        Operation::ListVersions => list::versions(asked).await,
        Operation::ListUploads => multipart::list(asked).await,
        Operation::DeleteObjects => remove::many(asked).await,
        Operation::DeleteObject => remove::one(asked).await,
        // A form brings its signature in its fields, and never comes this way.
        Operation::PostObject => Err(Error::NotImplemented),
        Operation::PutObject => put::put(asked).await,
        Operation::GetObject => get::get(asked).await,
        Operation::HeadObject => get::head(asked).await,
        Operation::GetAttributes => attributes::get(asked).await,
        Operation::CopyObject => copy::object(asked).await,
        Operation::GetTagging => tagging::get(asked).await,
        Operation::PutTagging => tagging::put(asked).await,
        Operation::DeleteTagging => tagging::delete(asked).await,
        Operation::CreateUpload => multipart::create(asked).await,
        Operation::UploadPart => parts::put(asked).await,
        Operation::UploadPartCopy => copy::part(asked).await,
        Operation::ListParts => parts::list(asked).await,
        Operation::CompleteUpload => multipart::complete(asked).await,
        Operation::AbortUpload => multipart::abort(asked).await,
    }
}

/// Bucket and key, escapes resolved once. The router has put a character in the place of bytes that are no text, so that
/// names which differ would be one.
fn target(request: &HttpRequest) -> Result<(String, String), Error> {
    percent_decode_str(request.uri().path()).decode_utf8().map_err(|_| Error::InvalidUri)?;
    let path = request.match_info().get("path").unwrap_or_default();
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| Error::InvalidUri);
        text.map(|text| text.into_owned())
    };
    Ok((decoded(bucket)?, decoded(key)?))
}

/// A document.
fn document(body: String) -> HttpResponse {
    HttpResponse::Ok().content_type("application/xml").body(body)
}

fn refuse(request: &HttpRequest, error: &Error) -> HttpResponse {
    let (status, code) = error.row();
    if let Error::Storage(cause) = error {
        cause.report();
    }
    let mut answer =
        HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if error.ends_connection() {
        answer.force_close();
    }
    if request.method() == Method::HEAD {
        return answer.finish();
    }
    let resource = request.match_info().get("path").unwrap_or_default();
    answer.content_type("application/xml").body(Writer::bare("Error", |w| {
        w.text("Code", code);
        w.text("Message", &error.to_string());
        w.text("Resource", resource);
        w.text("RequestId", &request_id(request));
    }))
}
