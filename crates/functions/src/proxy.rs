//! A request passed on, and its answer passed back: both as streams, nothing is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::body::{BodyStream, BoxBody, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use kernel::Secret;
use kernel::http::{caller, client_address};
use kernel::identity::Proof;
use reqwest::{Body, Method, Response, Url};
use tokio::sync::mpsc;

use crate::Service;
use crate::error::Error;
use crate::socket;

/// Parts of a body that wait for a slow reader.
const WAITING: usize = 4;

/// Headers that are about a connection and not about a message (RFC 9110, 7.6.1), and those that are set here. What a
/// client says of the way it came is not believed; the gateway has worked it out.
const OURS: [&str; 17] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "sb-api-key",
    TOKEN,
];

/// By it a process knows that a request comes from us.
const TOKEN: &str = "x-basalt-token";

/// Where a request goes.
pub(crate) struct Target {
    /// URL without a slash at the end.
    pub(crate) base: String,
    pub(crate) token: Option<Secret>,
}

/// Passes `request` on to `path` at `target`.
pub(crate) async fn forward(
    service: &Service,
    target: &Target,
    request: &HttpRequest,
    payload: Payload,
    path: &str,
) -> Result<HttpResponse, Error> {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = Url::parse(&format!("{}{path}{query}", target.base)).map_err(|_| Error::BadRequest)?;
    let method = Method::from_bytes(request.method().as_str().as_bytes()).map_err(|_| Error::BadRequest)?;
    let mut call = service.client.request(method, url);
    let named = connection_names(request);
    for (name, value) in request.headers() {
        let name = name.as_str();
        if !OURS.contains(&name) && !named.iter().any(|own| own == name) {
            call = call.header(name, value.as_bytes());
        }
    }
    call = call
        .header("x-forwarded-proto", service.scheme.as_str())
        .header("x-forwarded-prefix", "/functions/v1");
    if let Some(host) = request.headers().get(header::HOST) {
        call = call.header("x-forwarded-host", host.as_bytes());
    }
    if let Some(address) = client_address(request) {
        call = call.header("x-forwarded-for", address.to_string());
    }
    if let Ok(identity) = caller(request)
        && identity.proof == Proof::ApiKey
    {
        call = call.header("sb-api-key", identity.role.as_str());
    }
    if let Some(token) = &target.token {
        call = call.header(TOKEN, token.expose());
    }
    if socket::is_wanted(request) {
        let call = call.header("connection", "upgrade").header("upgrade", "websocket");
        return socket::open(answer(service, call).await?, payload).await;
    }
    let has_body = request.headers().contains_key(header::CONTENT_LENGTH)
        || request.headers().contains_key(header::TRANSFER_ENCODING);
    if !has_body {
        return Ok(passed_back(answer(service, call).await?, service.config.timeout.0));
    }
    let (body, too_large) = streamed(payload, service.config.max_body.0);
    match answer(service, call.body(body)).await {
        Err(_) if too_large.load(Ordering::Acquire) => Err(Error::TooLarge),
        Err(error) => Err(error),
        Ok(response) => Ok(passed_back(response, service.config.timeout.0)),
    }
}

/// What `Connection` names belongs to the connection too.
fn connection_names(request: &HttpRequest) -> Vec<String> {
    let values = request.headers().get_all(header::CONNECTION).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

async fn answer(service: &Service, call: reqwest::RequestBuilder) -> Result<Response, Error> {
    match tokio::time::timeout(service.config.timeout.0, call.send()).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) if error.is_builder() => Err(Error::BadRequest),
        Ok(Err(error)) => Err(Error::Unreachable(error.without_url().to_string())),
        Err(_) => Err(Error::TimedOut),
    }
}

/// The body of a request as a stream that other threads may read; it breaks off behind `most` bytes,
/// and tells so.
fn streamed(mut payload: Payload, most: u64) -> (Body, Arc<AtomicBool>) {
    let reached = Arc::new(AtomicBool::new(false));
    let too_large = Arc::clone(&reached);
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(WAITING);
    actix_web::rt::spawn(async move {
        let mut seen = 0_u64;
        while let Some(part) = payload.next().await {
            let part = part.map_err(|error| std::io::Error::other(error.to_string()));
            seen += part.as_ref().map_or(0, |part| part.len() as u64);
            let part = if seen > most {
                reached.store(true, Ordering::Release);
                Err(std::io::Error::other("the body is too large"))
            } else {
                part
            };
            let is_last = part.is_err();
            if sender.send(part).await.is_err() || is_last {
                return;
            }
        }
    });
    let parts =
        stream::unfold(
            receiver,
            |mut receiver| async move { receiver.recv().await.map(|part| (part, receiver)) },
        );
    (Body::wrap_stream(parts), too_large)
}

fn passed_back(response: Response, patience: Duration) -> HttpResponse {
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut answer = HttpResponse::build(status);
    for (name, value) in response.headers() {
        let name = name.as_str();
        if !OURS.contains(&name) && name != "content-length" {
            answer.append_header((name, value.as_bytes()));
        }
    }
    // Nothing is compressed on the way: events would wait for more of their kind.
    if !response.headers().contains_key("content-encoding") {
        answer.insert_header((header::CONTENT_ENCODING, "identity"));
    }
    let length = response.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(length) = length {
        answer.no_chunking(length);
    }
    answer.streaming(patient(response, patience))
}

/// The parts of an answer, each of which has to come in time.
fn patient(
    response: Response,
    patience: Duration,
) -> impl Stream<Item = Result<Bytes, Box<dyn std::error::Error>>> {
    stream::unfold(Some(response), move |response| async move {
        let mut response = response?;
        match tokio::time::timeout(patience, response.chunk()).await {
            Ok(Ok(Some(part))) => Some((Ok(part), Some(response))),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some((Err(error.into()), None)),
            Err(late) => Some((Err(late.into()), None)),
        }
    })
}

/// An answer that keeps `something` alive until it is sent.
pub(crate) fn held<T: 'static>(answer: HttpResponse, something: T) -> HttpResponse {
    answer.map_body(|_, body: BoxBody| {
        let size = body.size();
        let parts = stream::unfold((Box::pin(body), something), |(mut body, something)| async move {
            let part = std::future::poll_fn(|context| body.as_mut().poll_next(context)).await?;
            Some((part, (body, something)))
        });
        match size {
            actix_web::body::BodySize::None => BoxBody::new(()),
            actix_web::body::BodySize::Sized(length) => {
                BoxBody::new(actix_web::body::SizedStream::new(length, parts))
            }
            actix_web::body::BodySize::Stream => BoxBody::new(BodyStream::new(parts)),
        }
    })
}
