//! HTTP requests that we make: to providers of messages and sign-ins, to hooks, to captchas.
//!
//! Bounded in time and in size of the answer; redirects are answers like others, because the
//! next address was checked by nobody. [`Reach`] says which addresses may be asked: where the URL is
//! the operator's own, any; where it came from outside, none of private networks, in the moment of
//! connecting, so that a name that changes its address in between gains nothing.
//! Proxies of the environment are not used.

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use url::{Host, Url};

/// Longer answers are given up, unless the request says otherwise.
const MAX_ANSWER: usize = 1024 * 1024;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// Which addresses may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All: the URL is a setting.
    Anywhere,
    /// Those of the public internet, by TLS: the URL came from outside.
    PublicOnly,
}

/// The client; clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    anywhere: Client,
    public: Client,
}

/// A request to be made.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: Vec<u8>,
    /// How long all of it may take.
    pub(crate) timeout: Duration,
    /// Bytes of the answer: what is longer is given up.
    pub(crate) max_answer: usize,
    pub(crate) reach: Reach,
}

impl<'a> Request<'a> {
    /// A request without a body, ten seconds, to an address of the operator's.
    pub(crate) fn new(method: Method, url: &'a str) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            max_answer: MAX_ANSWER,
            reach: Reach::Anywhere,
        }
    }

    /// A form, posted.
    pub(crate) fn form<'f>(url: &'a str, fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self { body: body.into_bytes(), ..Self::new(Method::POST, url) }
            .with("content-type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn with(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header; empty if there is none that is text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Why nothing came back. Says neither the URL nor what was sent: both may hold secrets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    /// The request cannot be made at all.
    #[error("the URL or a header cannot be used")]
    Unusable,
    /// The address is in a private network.
    #[error("the host is not on the public internet")]
    Private,
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is too long.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The connection failed.
    #[error("{0}")]
    Failed(String),
}

impl Outbound {
    /// The client, with the certificate authorities of the system.
    pub(crate) fn new() -> Result<Self, OutboundError> {
        let builder = || {
            Client::builder()
                .user_agent(concat!("basalt/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                .referer(false)
                .no_proxy()
                .connect_timeout(CONNECT)
                .pool_max_idle_per_host(4)
                .pool_idle_timeout(Duration::from_secs(30))
        };
        let failed = |error: reqwest::Error| OutboundError::Failed(root_cause(&error));
        let public = builder().dns_resolver(Arc::new(PublicAddresses)).build().map_err(failed)?;
        Ok(Self { anywhere: builder().build().map_err(failed)?, public })
    }

    /// Makes the request.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, OutboundError> {
        let url = Url::parse(request.url).map_err(|_| OutboundError::Unusable)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OutboundError::Unusable);
        }
        let client = match request.reach {
            Reach::Anywhere => &self.anywhere,
            // The resolver never sees an address that is written out.
            Reach::PublicOnly if literal(&url).is_some_and(|ip| !is_public(ip)) => {
                return Err(OutboundError::Private);
            }
            Reach::PublicOnly if url.scheme() != "https" => return Err(OutboundError::Unusable),
            Reach::PublicOnly => &self.public,
        };
        let max = request.max_answer;
        let mut call = client.request(request.method, url).body(request.body);
        for (name, value) in request.headers {
            call = call.header(name, value);
        }
        let exchange = async {
            let mut response = call.send().await.map_err(worded)?;
            let status = response.status().as_u16();
            let headers = std::mem::take(response.headers_mut());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(worded)? {
                if body.len() + chunk.len() > max {
                    return Err(OutboundError::TooLong(max));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status, headers, body })
        };
        tokio::time::timeout(request.timeout, exchange).await.unwrap_or(Err(OutboundError::TimedOut))
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        Host::Domain(_) => None,
    }
}

fn worded(error: reqwest::Error) -> OutboundError {
    let mut source: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(cause) = source {
        if cause.is::<NoPublicAddress>() {
            return OutboundError::Private;
        }
        source = cause.source();
    }
    if error.is_timeout() {
        OutboundError::TimedOut
    } else if error.is_builder() {
        OutboundError::Unusable
    } else {
        OutboundError::Failed(root_cause(&error.without_url()))
    }
}

/// The innermost text: "connection refused", not "error sending request".
fn root_cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Resolves names to addresses of the public internet, and to no others.
struct PublicAddresses;

#[derive(Debug)]
struct NoPublicAddress;

impl fmt::Display for NoPublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name has no address on the public internet")
    }
}

impl StdError for NoPublicAddress {}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NoPublicAddress.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// True for an address that anybody on the internet can reach.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        // Carriers' own networks, protocol assignments, measurements.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    // 2000::/3 is all that was ever given out; within it, what stands for other networks.
    let teredo_or_benchmark = a == 0x2001 && (b == 0 || b == 2);
    let documentation = (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000);
    let six_to_four = a == 0x2002;
    (a & 0xe000) == 0x2000 && !teredo_or_benchmark && !documentation && !six_to_four
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn private_networks_are_not_public() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "93.184.216.34", "100.128.0.1", "2606:4700::1111"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    /// Answers every connection with `answer`.
    async fn server(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let _ = stream.read(&mut buffer).await;
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        format!("http://{address}/")
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer() {
        let url = server(b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 2\r\n\r\nhi".to_vec()).await;
        let answer = Outbound::new().unwrap().send(Request::new(Method::GET, &url)).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (302, b"hi".as_slice()));
    }

    #[tokio::test]
    async fn answers_are_bounded() {
        let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        answer.resize(MAX_ANSWER * 2, b'x');
        let url = server(answer).await;
        let error = Outbound::new().unwrap().send(Request::new(Method::GET, &url)).await.unwrap_err();
        assert!(matches!(error, OutboundError::TooLong(MAX_ANSWER)), "{error}");
    }

    #[tokio::test]
    async fn silence_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let request = Request { timeout: Duration::from_millis(50), ..Request::new(Method::GET, &url) };
        let error = Outbound::new().unwrap().send(request).await.unwrap_err();
        assert!(matches!(error, OutboundError::TimedOut), "{error}");
    }

    #[tokio::test]
    async fn the_own_network_is_out_of_reach_for_addresses_from_outside() {
        let url = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        let by_name = url.replace("http://127.0.0.1", "https://localhost");
        let outbound = Outbound::new().unwrap();
        for url in [&url, &by_name, &"http://[::1]/".to_owned(), &"http://2130706433/".to_owned()] {
            let request = Request { reach: Reach::PublicOnly, ..Request::new(Method::GET, url) };
            let error = outbound.send(request).await.unwrap_err();
            assert!(matches!(error, OutboundError::Private), "{url}: {error}");
        }
        for url in ["file:///etc/passwd", "ftp://example.com/", "nonsense"] {
            let error = outbound.send(Request::new(Method::GET, url)).await.unwrap_err();
            assert!(matches!(error, OutboundError::Unusable), "{url}: {error}");
        }
    }
}
