//! A load generator that costs little itself: one thread, raw HTTP/1.1 on kept connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request below the base URL.
pub struct Request {
    method: &'static str,
    path: String,
    header: &'static str,
    body: String,
}

impl Request {
    /// With a body of JSON, or none if it is empty.
    #[must_use]
    pub fn new(method: &'static str, path: String, body: String) -> Self {
        Self { method, path, header: "", body }
    }

    /// A GET.
    #[must_use]
    pub fn get(path: String) -> Self {
        Self::new("GET", path, String::new())
    }

    /// A POST with a body of JSON.
    #[must_use]
    pub fn post(path: &str, body: String) -> Self {
        Self::new("POST", path.to_owned(), body)
    }

    /// With one more header line.
    #[must_use]
    pub fn with(self, header: &'static str) -> Self {
        Self { header, ..self }
    }
}

/// A load: requests one after the other on each connection, for a while.
pub struct Load {
    /// The address that the paths of requests are below.
    pub base: String,
    /// Header lines of every request, each with its line break.
    pub headers: String,
    /// How many connections there are.
    pub connections: usize,
    /// The nth request, whichever connection sends it.
    pub request: fn(u64) -> Request,
}

/// What a connection sends.
enum Source {
    /// The next of all requests, this long after the last answer.
    Next { request: fn(u64) -> Request, counter: Arc<AtomicU64>, pause: Duration },
    /// A request, and then what each answer's body leads to.
    Chain { first: Option<Request>, next: fn(&str) -> Request },
}

impl Source {
    async fn request(&mut self, answer: &str) -> Request {
        match self {
            Self::Next { request, counter, pause } => {
                if !pause.is_zero() {
                    tokio::time::sleep(*pause).await;
                }
                request(counter.fetch_add(1, Ordering::Relaxed))
            }
            Self::Chain { first, next } => first.take().unwrap_or_else(|| next(answer)),
        }
    }
}

/// What a load saw.
#[derive(Default)]
pub struct Outcome {
    /// All of them.
    pub answers: usize,
    /// Those that were no success.
    pub refused: usize,
    /// Of the refused, those that were the server's fault: status 500 and above.
    pub failed: usize,
    /// The first that was refused.
    pub example: Option<String>,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Outcome {
    /// Per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }

    /// In milliseconds.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1) as f64;
        let index = (last * percent / 100.0).round() as usize;
        self.latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }

    /// Text for answers that were no success.
    #[must_use]
    pub fn complaint(&self) -> String {
        match &self.example {
            Some(example) => format!("  {} REFUSED, {} FAILED: {example}", self.refused, self.failed),
            None => String::new(),
        }
    }
}

impl Load {
    /// As fast as answers come.
    #[must_use]
    pub fn run(&self, duration: Duration) -> Outcome {
        self.paced(duration, Duration::ZERO)
    }

    /// With a pause before each request of a connection.
    #[must_use]
    pub fn paced(&self, duration: Duration, pause: Duration) -> Outcome {
        let counter = Arc::new(AtomicU64::new(0));
        let source = || Source::Next { request: self.request, counter: Arc::clone(&counter), pause };
        self.send(duration, (0..self.connections).map(|_| source()).collect())
    }

    /// Each connection begins with one of `first`; what it sends then is made of the last answer's body.
    #[must_use]
    pub fn chained(&self, duration: Duration, first: Vec<Request>, next: fn(&str) -> Request) -> Outcome {
        self.send(
            duration,
            first.into_iter().map(|first| Source::Chain { first: Some(first), next }).collect(),
        )
    }

    fn send(&self, duration: Duration, sources: Vec<Source>) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = self.base.trim_start_matches("http://").to_owned();
            let (host, prefix) = match address.find('/') {
                Some(slash) => (address[..slash].to_owned(), address[slash..].to_owned()),
                None => (address.clone(), String::new()),
            };
            let started = Instant::now();
            let deadline = started + duration;
            let connection = |source| {
                let (host, prefix, headers) = (host.clone(), prefix.clone(), self.headers.clone());
                tokio::spawn(async move { one(&host, &prefix, &headers, source, deadline).await })
            };
            let tasks: Vec<_> = sources.into_iter().map(connection).collect();
            let mut all = Outcome::default();
            for task in tasks {
                let outcome = task.await.unwrap();
                all.answers += outcome.answers;
                all.refused += outcome.refused;
                all.failed += outcome.failed;
                all.example = all.example.or(outcome.example);
                all.latencies.extend(outcome.latencies);
            }
            all.elapsed = started.elapsed();
            all.latencies.sort_unstable();
            all
        })
    }
}

async fn one(host: &str, prefix: &str, headers: &str, mut source: Source, deadline: Instant) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stream = TcpStream::connect(host).await.expect("the server accepts connections");
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::with_capacity(64 * 1024);
    while Instant::now() < deadline {
        let Request { method, path, header, body } = source.request(body_of(&buffer)).await;
        let extra = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
        let content = match body.is_empty() {
            true => String::new(),
            false => format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()),
        };
        let text = format!(
            "{method} {prefix}{path} HTTP/1.1\r\nhost: {host}\r\n{headers}{extra}{content}\r\n{body}"
        );
        let sent = Instant::now();
        stream.write_all(text.as_bytes()).await.unwrap();
        let status = answer(&mut stream, &mut buffer).await;
        outcome.latencies.push(sent.elapsed());
        outcome.answers += 1;
        if !(200..300).contains(&status) {
            outcome.refused += 1;
            outcome.failed += usize::from(status >= 500);
            outcome.example.get_or_insert_with(|| String::from_utf8_lossy(&buffer).replace("\r\n", " | "));
        }
    }
    outcome
}

/// The body of an answer of one piece.
fn body_of(answer: &[u8]) -> &str {
    let text = std::str::from_utf8(answer).unwrap_or_default();
    text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// Reads one answer into `buffer` and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    let head = loop {
        let read = stream.read_buf(buffer).await.expect("the server answers");
        assert!(read > 0, "the server closed the connection");
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    match length {
        Some(length) => {
            while buffer.len() < head + length {
                assert!(stream.read_buf(buffer).await.expect("the server answers") > 0);
            }
        }
        None if text.contains("transfer-encoding: chunked") => {
            while !buffer.ends_with(b"\r\n0\r\n\r\n") && &buffer[head..] != b"0\r\n\r\n" {
                assert!(stream.read_buf(buffer).await.expect("the server answers") > 0);
            }
        }
        None => {}
    }
    status
}
