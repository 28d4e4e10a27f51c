//! WebSockets passed through: once both sides have agreed, bytes go both ways and nobody looks at them.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONNECTION, HeaderMap, UPGRADE};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{StreamExt, stream};
use reqwest::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::Error;

/// Bytes that are passed on at once.
const PART: usize = 16 * 1024;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_wanted(request: &HttpRequest) -> bool {
    let says = |headers: &HeaderMap, name, word: &str| {
        headers
            .get_all(name)
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    says(request.headers(), CONNECTION, "upgrade") && says(request.headers(), UPGRADE, "websocket")
}

/// Joins the caller, whose side is `payload`, with the function that answered.
pub(crate) async fn open(response: Response, mut payload: Payload) -> Result<HttpResponse, Error> {
    let status = response.status().as_u16();
    if status != 101 {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        return Ok(HttpResponse::build(status).finish());
    }
    let mut answer = HttpResponse::SwitchingProtocols();
    answer.upgrade("websocket");
    for (name, value) in response.headers() {
        if name.as_str().starts_with("sec-websocket-") {
            answer.append_header((name.as_str(), value.as_bytes()));
        }
    }
    let upgraded = response.upgrade().await.map_err(|error| Error::Unreachable(error.to_string()))?;
    let (reader, mut writer) = tokio::io::split(upgraded);
    actix_web::rt::spawn(async move {
        while let Some(Ok(part)) = payload.next().await {
            if writer.write_all(&part).await.is_err() {
                return;
            }
        }
        // The caller is gone, and the function is told; there is nobody to tell if it is gone too.
        let _ = writer.shutdown().await;
    });
    let parts = stream::unfold(reader, |mut reader| async move {
        let mut part = vec![0; PART];
        match reader.read(&mut part).await {
            Ok(0) => None,
            Ok(length) => {
                part.truncate(length);
                Some((Ok(Bytes::from(part)), reader))
            }
            Err(error) => Some((Err(error), reader)),
        }
    });
    Ok(answer.streaming(parts))
}
