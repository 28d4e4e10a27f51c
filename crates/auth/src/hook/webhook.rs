//! Hooks on the web: requests signed after Standard Webhooks, and what may come back.
//!
//! All tries together take five seconds at most. A connection that fails is tried twice again, two
//! seconds later each; so is, at once, a server that says 429 or 503 with `Retry-After`. Redirects are not
//! followed: nobody checked where they lead.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Clock;
use reqwest::Method;
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::HookFailure;
use crate::outbound::{Answer, Outbound, OutboundError, Request};

/// Bytes that an answer may have.
const MAX_ANSWER: usize = 200 * 1024;

/// How often and how long a hook is asked.
struct Patience {
    /// For all tries together.
    limit: Duration,
    pause: Duration,
    tries: u32,
}

const PATIENCE: Patience =
    Patience { limit: Duration::from_secs(5), pause: Duration::from_secs(2), tries: 3 };

/// A hook on the web.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    /// Each of them signs.
    pub(crate) keys: Vec<Key>,
}

/// What signs requests.
pub(crate) enum Key {
    /// Known to both sides.
    Shared(Box<hmac::Key>),
    /// Of which the receiver knows the public half.
    Pair(Box<Ed25519KeyPair>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key that `text` describes, in the notation of Standard Webhooks.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(secret) = text.strip_prefix("v1,whsec_") {
            let secret = STANDARD.decode(secret).ok().filter(|secret| (24..=64).contains(&secret.len()))?;
            return Some(Self::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &secret))));
        }
        let (public, private) = text.strip_prefix("v1a,whpk_")?.split_once(":whsk_")?;
        let (public, private) = (STANDARD.decode(public).ok()?, STANDARD.decode(private).ok()?);
        // Some tools write the public half behind the private one.
        let seed = private.get(..32).filter(|_| matches!(private.len(), 32 | 64))?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, &public).ok()?;
        (pair.public_key().as_ref() == public).then(|| Self::Pair(Box::new(pair)))
    }

    fn sign(&self, content: &[u8]) -> String {
        match self {
            Self::Shared(key) => format!("v1,{}", STANDARD.encode(hmac::sign(key, content))),
            Self::Pair(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(content))),
        }
    }
}

impl Webhook {
    /// What proves that a request is ours.
    fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let content = [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body].concat();
        let signatures: Vec<_> = self.keys.iter().map(|key| key.sign(&content)).collect();
        // As upstream joins them, whose receivers depend on it.
        signatures.join(", ")
    }

    /// Asks the hook; `None` if it says nothing.
    pub(super) async fn call(
        &self,
        outbound: &Outbound,
        clock: &Clock,
        body: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, HookFailure> {
        self.call_patiently(outbound, clock, body, &PATIENCE).await
    }

    async fn call_patiently(
        &self,
        outbound: &Outbound,
        clock: &Clock,
        body: Vec<u8>,
        patience: &Patience,
    ) -> Result<Option<Vec<u8>>, HookFailure> {
        let end = Instant::now() + patience.limit;
        let timed_out = HookFailure::TimedOut(patience.limit.as_secs_f64());
        let tries = async {
            for nth in 1..=patience.tries {
                match self.attempt(outbound, clock, body.clone(), patience.limit).await {
                    Ok(answer) if is_postponed(&answer) => {}
                    Ok(answer) => return read(answer),
                    Err(OutboundError::TimedOut) => {
                        return Err(HookFailure::TimedOut(PATIENCE.limit.as_secs_f64()));
                    }
                    Err(OutboundError::TooLong(limit)) => return Err(HookFailure::TooLong(limit)),
                    Err(error) if nth == patience.tries => {
                        return Err(HookFailure::Unreachable(error.to_string()));
                    }
                    Err(_) => tokio::time::sleep(patience.pause).await,
                }
            }
            Err(HookFailure::Unavailable)
        };
        tokio::time::timeout_at(end, tries).await.unwrap_or(Err(timed_out))
    }

    async fn attempt(
        &self,
        outbound: &Outbound,
        clock: &Clock,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<Answer, OutboundError> {
        let (id, timestamp) = (Uuid::new_v4().to_string(), clock.unix());
        let mut request = Request::new(Method::POST, &self.url).with("content-type", "application/json");
        if !self.keys.is_empty() {
            request = request.with("webhook-signature", self.signature(&id, timestamp, &body));
        }
        let request = request.with("webhook-id", id).with("webhook-timestamp", timestamp.to_string());
        outbound.send(Request { body, timeout: limit, max_answer: MAX_ANSWER, ..request }).await
    }
}

/// Whether the server asked to be asked again.
fn is_postponed(answer: &Answer) -> bool {
    matches!(answer.status, 429 | 503) && !answer.header("retry-after").is_empty()
}

/// What the answer says, if it is one that counts.
fn read(answer: Answer) -> Result<Option<Vec<u8>>, HookFailure> {
    match answer.status {
        204 => Ok(None),
        200 | 202 => {
            check_type(answer.header("content-type"))?;
            Ok(Some(answer.body))
        }
        429 | 503 => Err(HookFailure::Unavailable),
        400 => Err(HookFailure::Payload),
        401 => Err(HookFailure::Unauthorized),
        status => Err(HookFailure::Status(status)),
    }
}

fn check_type(header: &str) -> Result<(), HookFailure> {
    if header.is_empty() {
        let text = "Invalid Content-Type: Missing Content-Type header";
        return Err(HookFailure::ContentType(text.to_owned()));
    }
    let media = header.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(HookFailure::ContentType(format!("Invalid JSON response. Received content-type: {header}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SECRET: &str = "v1,whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OTHER: &str = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// From the specification of the service.
    #[test]
    fn a_signature_of_which_the_result_is_known() {
        let webhook = Webhook { url: String::new(), keys: vec![Key::parse(SECRET).unwrap()] };
        let signature =
            webhook.signature("11111111-2222-4333-8444-555555555555", 1_700_000_000, br#"{"a":1}"#);
        assert_eq!(signature, "v1,VNHbOk94kLkjcUs6iMSxnLEwbauWBjjAg9ojFC2RYuk=");
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn the_signature_of_the_standard() {
        let key = Key::parse(OTHER).unwrap();
        let webhook = Webhook { url: String::new(), keys: vec![key] };
        let signature =
            webhook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_key_signs() {
        let keys = [SECRET, OTHER].map(|text| Key::parse(text).unwrap());
        let webhook = Webhook { url: String::new(), keys: keys.into() };
        let signature = webhook.signature("id", 1, b"{}");
        let (first, second) = signature.split_once(", ").unwrap();
        assert!(first.starts_with("v1,") && second.starts_with("v1,") && first != second);
    }

    #[test]
    fn a_pair_of_keys_signs_what_its_public_half_proves() {
        let seed = [7; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let public = pair.public_key().as_ref();
        let both = [seed.as_slice(), public].concat();
        for private in [seed.as_slice(), &both] {
            let text = format!("v1a,whpk_{}:whsk_{}", STANDARD.encode(public), STANDARD.encode(private));
            let webhook = Webhook { url: String::new(), keys: vec![Key::parse(&text).unwrap()] };
            let signature = webhook.signature("id", 1, b"{}");
            let signature = STANDARD.decode(signature.strip_prefix("v1a,").unwrap()).unwrap();
            UnparsedPublicKey::new(&ED25519, public).verify(b"id.1.{}", &signature).unwrap();
        }
        let text = format!("v1a,whpk_{}:whsk_{}", STANDARD.encode([1; 32]), STANDARD.encode(seed));
        assert!(Key::parse(&text).is_none());
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(format!("{:?}", Key::parse(SECRET).unwrap()), "Key(…)");
    }

    /// Answers connections with `answers` in turn, the last one over and over; empty answers hang up.
    async fn server(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let nth = counter.fetch_add(1, Ordering::SeqCst);
                let answer = answers[nth.min(answers.len() - 1)].clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 65_536];
                    let _ = stream.read(&mut buffer).await;
                    match answer.as_str() {
                        "" => {}
                        "silence" => std::future::pending().await,
                        answer => {
                            let _ = stream.write_all(answer.as_bytes()).await;
                        }
                    }
                });
            }
        });
        (url, count)
    }

    fn http(status: u16, headers: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
    }

    /// What comes of a hook that answers so, and how often it is asked.
    async fn ask(answers: Vec<String>) -> (Result<Option<Vec<u8>>, HookFailure>, usize) {
        let (url, count) = server(answers).await;
        let webhook = Webhook { url, keys: vec![Key::parse(SECRET).unwrap()] };
        let patience = Patience { limit: Duration::from_secs(3), pause: Duration::from_millis(20), tries: 3 };
        let outbound = Outbound::new().unwrap();
        let result = webhook.call_patiently(&outbound, &Clock::system(), b"{}".to_vec(), &patience).await;
        (result, count.load(Ordering::SeqCst))
    }

    const JSON: &str = "content-type: application/json; charset=utf-8\r\n";

    #[tokio::test]
    async fn answers_that_count() {
        let (result, asked) = ask(vec![http(200, JSON, "{\"a\":1}")]).await;
        assert_eq!((result.unwrap(), asked), (Some(b"{\"a\":1}".to_vec()), 1));
        assert_eq!(ask(vec![http(202, JSON, "{}")]).await.0.unwrap(), Some(b"{}".to_vec()));
        assert_eq!(ask(vec![http(204, "", "")]).await.0.unwrap(), None);
    }

    #[tokio::test]
    async fn answers_that_do_not() {
        for (answer, text) in [
            (http(400, "", ""), "Invalid payload sent to hook"),
            (http(401, "", ""), "Hook requires authorization token"),
            (http(302, "location: /elsewhere\r\n", ""), "Unexpected status code returned from hook: 302"),
            (http(500, JSON, "{}"), "Unexpected status code returned from hook: 500"),
            (http(429, "", ""), "Service currently unavailable due to hook"),
            (http(200, "", "{}"), "Invalid Content-Type: Missing Content-Type header"),
            (
                http(200, "content-type: text/html\r\n", "<p>"),
                "Invalid JSON response. Received content-type: text/html",
            ),
            (
                http(200, JSON, &"x".repeat(MAX_ANSWER + 1)),
                "Payload size exceeded size limit of 204800 bytes",
            ),
        ] {
            let (result, asked) = ask(vec![answer]).await;
            assert_eq!((result.unwrap_err().to_string().as_str(), asked), (text, 1));
        }
    }

    #[tokio::test]
    async fn who_asks_for_patience_is_asked_again() {
        let busy = || http(503, "retry-after: 1\r\n", "");
        let (result, asked) = ask(vec![busy(), busy(), http(200, JSON, "{}")]).await;
        assert_eq!((result.unwrap(), asked), (Some(b"{}".to_vec()), 3));
        let (result, asked) = ask(vec![busy()]).await;
        assert_eq!(
            (result.unwrap_err().to_string().as_str(), asked),
            ("Service currently unavailable due to hook", 3)
        );
    }

    #[tokio::test]
    async fn a_connection_that_fails_is_tried_again() {
        let (result, asked) = ask(vec![String::new(), http(204, "", "")]).await;
        assert_eq!((result.unwrap(), asked >= 2), (None, true));
        let (result, _) = ask(vec![String::new()]).await;
        assert_eq!(result.unwrap_err().to_string(), "Failed to reach hook after maximum retries");
    }

    #[tokio::test]
    async fn silence_ends() {
        let (url, _) = server(vec!["silence".to_owned()]).await;
        let webhook = Webhook { url, keys: Vec::new() };
        let patience = Patience { limit: Duration::from_millis(50), pause: Duration::ZERO, tries: 3 };
        let outbound = Outbound::new().unwrap();
        let result = webhook.call_patiently(&outbound, &Clock::system(), Vec::new(), &patience).await;
        assert!(matches!(result, Err(HookFailure::TimedOut(_))), "{result:?}");
    }
}
