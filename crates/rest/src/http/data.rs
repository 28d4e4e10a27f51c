//! A request from token to answer.

use actix_web::body::BoxBody;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use crate::Shared;
use crate::config::{Config, Verbosity};
use crate::error::Error;
use crate::exec::{self, Context};
use crate::plan::{self, Plan};
use crate::request::{self, ApiRequest, Incoming};
use crate::response::{self, DescriptionKey, Timing, cors, etag};
use crate::schema::Snapshot;

use super::{batch, compatibility};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Answers a request for `path`, which is below the mount point and escaped.
pub(super) async fn answer(
    shared: &Shared,
    request: &HttpRequest,
    path: &str,
    payload: web::Payload,
) -> HttpResponse {
    let snapshot = shared.cache.snapshot();
    let given = shared.config.load();
    let config = snapshot.as_ref().map_or(&**given, |snapshot| &snapshot.config);
    let headers = request.headers();
    if config.cors && cors::is_preflight(request.method(), headers) {
        return traced(cors::preflight(headers, &config.cors_origins), request, config);
    }
    let answer = serve(shared, snapshot.as_deref(), request, path, payload).await;
    let mut answer = answer.unwrap_or_else(|error| refused(&error, config.error_verbosity, shared, request));
    if config.cors {
        cors::decorate(&mut answer, headers, &config.cors_origins);
    }
    traced(answer, request, config)
}

fn refused(error: &Error, verbosity: Verbosity, shared: &Shared, request: &HttpRequest) -> HttpResponse {
    if let Error::Internal(reason) = error {
        tracing::error!(reason, "a request of the data API failed");
    }
    let answer = error.answer(verbosity, shared.cache.retry_after());
    if request.method() == Method::HEAD {
        answer.set_body(actix_web::body::None::new()).map_into_boxed_body()
    } else {
        answer
    }
}

/// Sends the configured request header back, empty if it did not come.
fn traced(mut answer: HttpResponse, request: &HttpRequest, config: &Config) -> HttpResponse {
    if let Some(name) =
        config.trace_header.as_ref().and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok())
    {
        let value = request.headers().get(&name).cloned().unwrap_or(HeaderValue::from_static(""));
        answer.headers_mut().insert(name, value);
    }
    answer
}

async fn serve(
    shared: &Shared,
    snapshot: Option<&Snapshot>,
    request: &HttpRequest,
    path: &str,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let mut timing = Timing::start();
    let identity = kernel::http::caller(request)?;
    timing.step("jwt");
    let snapshot = snapshot.ok_or(Error::NoSchemaCache)?;
    let Snapshot { config, schema, roles, version, zones } = snapshot;
    let body = body(request, payload, config.max_body.get()).await?;
    let role = identity.role.as_str();
    let role_settings = roles.get(role);
    let context = Context { config, identity: &identity, role_settings, limits: config.limits(role), zones };
    if request::batch::is_meant(request.method().as_str(), path, request.headers()) {
        return batch::answer(shared, snapshot, context, request.headers(), &body).await;
    }

    let mut parsed = ApiRequest::parse(
        Incoming {
            method: request.method().as_str(),
            path,
            query: request.query_string(),
            headers: request.headers(),
            body,
        },
        config,
    )?;
    compatibility::check_timezone(shared, snapshot, &mut parsed.preferences).await;
    timing.step("parse");
    let plan = plan::plan(&parsed, schema, config, context.limits)?;
    timing.step("plan");
    let mut lines = None;
    let answer = if let Plan::Describe(dialect) = plan {
        let rights = exec::describe(&shared.fleet, &parsed, &plan, context).await?;
        timing.step("transaction");
        let host = host(request);
        let build = || -> Result<Bytes, Error> {
            let visible = rights.visible(&parsed.schema, schema)?;
            Ok(response::description(dialect, visible, schema, config, host))
        };
        let key = || DescriptionKey {
            version: *version,
            schema: parsed.schema.clone(),
            dialect,
            host: host.to_owned(),
            rights: shared.descriptions.digest(&rights),
        };
        let is_wanted = !parsed.action.is_headers_only();
        let description = is_wanted.then(|| shared.descriptions.get(key(), build)).transpose()?;
        response::described(&parsed, dialect, description, config)
    } else if plan.is_stream() {
        let (said, rows) = exec::stream(&shared.fleet, &shared.streams, &parsed, &plan, context).await?;
        timing.step("transaction");
        lines = Some(rows);
        response::answer(&parsed, &plan, Some(&said), config)?
    } else {
        let outcome = compatibility::run(shared, &parsed, &plan, context).await?;
        timing.step("transaction");
        let mut answer = response::answer(&parsed, &plan, outcome.as_ref(), config)?;
        etag::apply(&mut answer, &plan, request.headers());
        answer
    };
    let mut answer = answer.into_response();
    if let Some(lines) = lines {
        answer = answer.set_body(BoxBody::new(lines));
    }
    timing.step("response");
    if config.server_timing
        && let Ok(value) = HeaderValue::from_str(&timing.to_string())
    {
        answer.headers_mut().insert(SERVER_TIMING, value);
    }
    Ok(answer)
}

/// Where the client reached us.
fn host(request: &HttpRequest) -> &str {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or("localhost")
}

/// The whole body, where the method has one that is read.
async fn body(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Bytes, Error> {
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        return Ok(Bytes::new());
    }
    match payload.to_bytes_limited(limit).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Error::Body("The request body could not be read".to_owned())),
        Err(_) => Err(Error::BodyTooLarge(limit)),
    }
}
