//! What happens to every request before a service sees it, and to every answer after.
//!
//! In this order: request id → client address → encoding → path → preflight → route → size →
//! identity → service (with a deadline) → headers that every answer carries → access log. The data
//! API alone, as PostgREST, has no path, preflight, route, size and keys of ours to pass. Steps with
//! rules of their own have a file of their own; this file is their order.

pub(crate) mod address;
pub(crate) mod compress;
pub(crate) mod cors;
pub(crate) mod identity;
pub(crate) mod path;
pub(crate) mod refusal;
pub(crate) mod rules;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse};
use arc_swap::ArcSwap;
use kernel::http::ClientAddress;
use kernel::{Answers, Clock, RequestId};

use crate::routes::{self, Route, Service};
use crate::settings::Settings;
use refusal::Refusal;
use rules::Rules;

const REQUEST_ID: HeaderName = HeaderName::from_static("sb-request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// All that the edge needs to know; shared by every worker.
pub(crate) struct Edge {
    /// What may change meanwhile.
    pub(crate) rules: ArcSwap<Rules>,
    pub(crate) verifier: jwt::Verifier,
    pub(crate) keys: jwt::ApiKeys,
    pub(crate) clock: Clock,
    /// What those who write are still to be told.
    pub(crate) answers: Answers,
    /// The data API alone, at the root, without keys: what PostgREST does.
    pub(crate) bare: bool,
    /// Only this machine can reach the server.
    pub(crate) local: bool,
    /// Largest body of a request to a function, in bytes.
    pub(crate) functions_max_body: u64,
    /// Services that this process was told to run.
    pub(crate) enabled: Vec<Service>,
}

/// The middleware.
pub(crate) async fn handle(
    edge: Arc<Edge>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let rules = edge.rules.load_full();
    let id = RequestId::fresh();
    let peer = request.peer_addr().map(|peer| peer.ip());
    let address = address::resolve(&rules.proxies, peer, request.headers());
    request.extensions_mut().insert(id);
    if let Some(address) = address {
        request.extensions_mut().insert(ClientAddress(address));
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let echoed = request.headers().get(CLIENT_REQUEST_ID).cloned();
    let method = request.method().clone();

    let _promise = (!method.is_safe() && request.path().starts_with(DATA)).then(|| edge.answers.promise());
    let admitted = admit(&edge, &rules, &mut request);
    let target = request.path().to_owned();
    // No copy of the request may be held here: routing needs it for itself. So an answer that a
    // service did not give travels as an error that carries it.
    let mut answered = match admitted {
        Ok(Admitted::Service { timeout }) => match within(timeout, next.call(request)).await {
            Some(Ok(response)) => Ok(response.map_into_boxed_body()),
            Some(Err(error)) => Err(HttpResponse::from_error(error)),
            None => Err(Refusal::TimedOut.answer()),
        },
        Ok(Admitted::Preflight) => {
            let answer = cors::preflight(&rules.config.cors_allowed_origins, request.headers());
            Ok(request.into_response(answer).map_into_boxed_body())
        }
        Err(refusal) => Ok(request.into_response(refusal.answer()).map_into_boxed_body()),
    };

    let (status, headers) = match &mut answered {
        Ok(response) => (response.status(), response.headers_mut()),
        Err(answer) => (answer.status(), answer.headers_mut()),
    };
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(echoed) = echoed {
        headers.insert(CLIENT_REQUEST_ID, echoed);
    }
    if !edge.bare {
        // A function that says who may read its answers has said it.
        if !(target.starts_with(FUNCTIONS) && headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)) {
            cors::decorate(&rules.config.cors_allowed_origins, origin.as_ref(), headers);
        }
        if !headers.contains_key(header::SERVER) {
            headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
        }
    }
    compress::strip_marker(headers);
    log(id, &method, &target, status.as_u16(), started, address);
    answered.map_err(|answer| InternalError::from_response("answered at the edge", answer).into())
}

/// Below it rows are written.
const DATA: &str = "/rest/v1/";

/// Below it other people's code answers.
const FUNCTIONS: &str = "/functions/v1/";

const SERVER: &str = concat!("basalt/", env!("CARGO_PKG_VERSION"));

enum Admitted {
    Preflight,
    Service { timeout: Option<Duration> },
}

/// What a future comes to in time; without a limit it has all of it.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

/// Everything that may turn a request away or change it on its way in.
fn admit(edge: &Edge, rules: &Rules, request: &mut ServiceRequest) -> Result<Admitted, Refusal> {
    // A few hundred bytes can stand for gigabytes; where they are only kept or passed on, they may.
    let is_kept =
        !edge.bare && ["/storage/v1/", FUNCTIONS].iter().any(|prefix| request.path().starts_with(prefix));
    if !is_kept
        && request.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity")
    {
        return Err(Refusal::Encoded);
    }
    if edge.bare {
        let credential = identity::bare(edge, rules, request.headers());
        request.extensions_mut().insert(credential);
        return Ok(Admitted::Service { timeout: Some(rules.config.request_timeout.0) });
    }
    path::normalise(request)?;
    // Resumable uploads tell what they can do in the same answer.
    let speaks_for_itself = request.path().starts_with("/storage/v1/upload/resumable");
    if cors::is_preflight(request.method(), request.headers()) && !speaks_for_itself {
        return Ok(Admitted::Preflight);
    }
    let route = routes::find(request.path()).ok_or(Refusal::NoRoute)?;
    if route.service == Service::Mailbox && !edge.enabled.contains(&Service::Mailbox) {
        return Err(Refusal::NoRoute);
    }
    if route.service != Service::Gateway && !edge.enabled.contains(&route.service) {
        return Err(Refusal::Absent("This part"));
    }
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if declared.and_then(|length| length.parse::<u64>().ok()).is_some_and(|n| n > edge.limit(rules, route)) {
        return Err(Refusal::TooLarge);
    }
    // A socket is opened with the key in the query, and realtime words its own refusals.
    let query = match route.service {
        Service::Realtime => path::api_key(request),
        _ => path::take_api_key(request),
    };
    let credential = identity::resolve(edge, rules, route, request.headers(), query.as_deref())?;
    request.extensions_mut().insert(credential);
    path::graphql(request)?;
    // How long a file takes is the line's to say, and functions have a patience of their own; whoever says nothing is
    // cut off by the service.
    let timeout = match route.service {
        Service::Storage | Service::Functions => None,
        _ => Some(rules.config.request_timeout.0),
    };
    Ok(Admitted::Service { timeout })
}

impl Edge {
    /// Takes new settings, for requests that come from then on. Returns the names of those that need a restart.
    ///
    /// # Errors
    ///
    /// Settings that cannot be used; the old ones stay.
    pub(crate) fn reload(&self, settings: &Settings) -> anyhow::Result<Vec<&'static str>> {
        let mut rules = Rules::of(settings)?;
        let kept = rules.keep_fixed(&self.rules.load());
        self.rules.store(Arc::new(rules));
        Ok(kept)
    }

    /// The largest body of a route, in bytes.
    fn limit(&self, rules: &Rules, route: &Route) -> u64 {
        match route.service {
            Service::Rest => rules.config.max_body.0,
            // The buckets have limits of their own.
            Service::Storage => u64::MAX,
            Service::Realtime => realtime::MAX_BODY as u64,
            Service::Vault => vault::MAX_BODY as u64,
            Service::Functions => self.functions_max_body,
            _ => 1024 * 1024,
        }
    }
}

fn log(
    id: RequestId,
    method: &actix_web::http::Method,
    path: &str,
    status: u16,
    started: Instant,
    address: Option<std::net::IpAddr>,
) {
    // The query string stays out: it may hold an API key or personal data.
    let elapsed = started.elapsed().as_micros();
    let client = address.map(tracing::field::display);
    match status {
        // A probe that is told to wait is no failure.
        503 if path == "/health" => tracing::debug!(request_id = %id, status, "not ready"),
        500.. => tracing::error!(request_id = %id, %method, path, status, elapsed, client, "request"),
        429 | 408 => tracing::warn!(request_id = %id, %method, path, status, elapsed, client, "request"),
        _ => tracing::debug!(request_id = %id, %method, path, status, elapsed, client, "request"),
    }
}
