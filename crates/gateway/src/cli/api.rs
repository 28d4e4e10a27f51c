//! Commands talk to the running server as any owner would: over its HTTP API, with its secret key. So there is
//! one path for every rule, and a command can do nothing that the API cannot.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use futures_util::stream;
use kernel::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Failure, Place};

/// Longer answers are given up.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// Bytes of a file that are read at once.
const PIECE: usize = 256 * 1024;
/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long the transfer of one file may take.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The API of the running server.
pub(super) struct Api {
    client: Client,
    url: String,
    key: Secret,
}

impl Api {
    /// The server whose data directory `place` is.
    ///
    /// # Errors
    ///
    /// No installation; settings that cannot be used.
    pub(super) fn of(place: &Place) -> Result<Self, Failure> {
        let settings = place.load()?.settings;
        let installation = place.installation()?;
        let secrets = place.secrets(&settings, &installation)?;
        let address =
            installation.listen.first().context("the server listens nowhere").map_err(Failure::Failed)?;
        let client = Client::builder()
            .user_agent(concat!("basalt/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { client, url: format!("http://{}", reachable(*address)), key: secrets.secret_key })
    }

    /// Asks, and returns the JSON of a good answer; null where it has none.
    ///
    /// # Errors
    ///
    /// [`Failure::NotRunning`]; what the server refused, in its words.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.url)).header("apikey", self.key.expose());
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(Failure::NotRunning(self.url.clone())),
            Err(error) => return Err(error.without_url().into()),
        };
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::Failed(anyhow!("the answer of the server is too long")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() { Ok(value) } else { Err(Failure::Failed(refusal(status, &value))) }
    }
}

impl Api {
    /// Sends a file as the body of a request that replaces what is there. `moved` hears how many bytes went.
    ///
    /// # Errors
    ///
    /// As [`Api::call`]; what the file system said.
    pub(super) async fn send_file(
        &self,
        path: &str,
        from: &Path,
        media_type: &str,
        cache_control: Option<&str>,
        moved: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        let file = File::open(from).await?;
        let length = file.metadata().await?.len();
        let mut request = self
            .client
            .put(format!("{}{path}", self.url))
            .timeout(TRANSFER_TIMEOUT)
            .header("apikey", self.key.expose())
            .header("content-type", media_type)
            .header("content-length", length)
            .body(Body::wrap_stream(stream::try_unfold((file, moved), next)));
        if let Some(text) = cache_control {
            request = request.header("cache-control", text);
        }
        self.answered(request).await.map(drop)
    }

    /// Writes the body of an answer to a file, which appears when all of it is there. `moved` hears how many bytes came.
    ///
    /// # Errors
    ///
    /// As [`Api::send_file`].
    pub(super) async fn receive_file(
        &self,
        path: &str,
        to: &Path,
        moved: impl Fn(u64),
    ) -> Result<(), Failure> {
        let request = self
            .client
            .get(format!("{}{path}", self.url))
            .timeout(TRANSFER_TIMEOUT)
            .header("apikey", self.key.expose());
        let mut response = self.answered(request).await?;
        let mut draft = to.as_os_str().to_owned();
        draft.push(format!(".{}.part", std::process::id()));
        let draft = PathBuf::from(draft);
        let received = async {
            let mut file = File::create(&draft).await?;
            while let Some(chunk) = response.chunk().await? {
                file.write_all(&chunk).await?;
                moved(chunk.len() as u64);
            }
            file.sync_all().await?;
            tokio::fs::rename(&draft, to).await?;
            Ok(())
        };
        let received = received.await;
        if received.is_err() {
            // The error tells more than a file that stays.
            let _ = tokio::fs::remove_file(&draft).await;
        }
        received
    }

    async fn answered(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(Failure::NotRunning(self.url.clone())),
            Err(error) => return Err(error.without_url().into()),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let value = response.bytes().await.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Err(Failure::Failed(refusal(status, &value.unwrap_or_default())))
    }
}

/// Where this machine reaches a server that listens on `address`.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The services word their errors under different names.
fn refusal(status: StatusCode, body: &Value) -> anyhow::Error {
    let words = ["msg", "message", "error_description", "error"];
    match words.iter().find_map(|name| body[*name].as_str()) {
        Some(text) => anyhow!("{text} ({})", status.as_u16()),
        None => anyhow!("the server answered {status}"),
    }
}

/// The next piece of a file.
async fn next<M: Fn(u64)>((mut file, moved): (File, M)) -> std::io::Result<Option<(Vec<u8>, (File, M))>> {
    let mut piece = vec![0; PIECE];
    let length = file.read(&mut piece).await?;
    if length == 0 {
        return Ok(None);
    }
    piece.truncate(length);
    moved(length as u64);
    Ok(Some((piece, (file, moved))))
}

/// A text as a segment of a path or a value of a query.
pub(crate) fn escaped(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_reached_on_this_machine() {
        let check = |address: &str, expected: &str| {
            assert_eq!(reachable(address.parse().unwrap()).to_string(), expected);
        };
        check("0.0.0.0:8000", "127.0.0.1:8000");
        check("[::]:80", "[::1]:80");
        check("10.0.0.1:80", "10.0.0.1:80");
    }

    #[test]
    fn refusals_are_told_in_the_words_of_the_service() {
        let body = serde_json::json!({ "code": 422, "error_code": "email_exists", "msg": "taken" });
        assert_eq!(refusal(StatusCode::UNPROCESSABLE_ENTITY, &body).to_string(), "taken (422)");
        assert_eq!(
            refusal(StatusCode::NOT_FOUND, &Value::Null).to_string(),
            "the server answered 404 Not Found"
        );
    }
}
