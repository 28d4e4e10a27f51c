//! Which answers are worth compressing.
//!
//! actix compresses whatever it may; an answer below a kilobyte only grows by it. Such answers are
//! marked on their way out, which actix respects, and the mark is removed at the very end.

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use actix_web::middleware::Next;

/// Bytes from which compression pays.
const WORTH_IT: u64 = 1024;

const MARK: HeaderValue = HeaderValue::from_static("identity");

/// The innermost middleware: marks small answers.
pub(crate) async fn mark_small(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?.map_into_boxed_body();
    let small = match response.response().body().size() {
        BodySize::None => true,
        BodySize::Sized(n) => n < WORTH_IT,
        BodySize::Stream => false,
    };
    if small && !response.headers().contains_key(CONTENT_ENCODING) {
        response.headers_mut().insert(CONTENT_ENCODING, MARK);
    }
    Ok(response)
}

/// Removes the mark: `identity` is no encoding to announce.
pub(crate) fn strip_marker(headers: &mut HeaderMap) {
    if headers.get(CONTENT_ENCODING) == Some(&MARK) {
        headers.remove(CONTENT_ENCODING);
    }
}
