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
    pub fn new(method: &'static str, path: String, body: String) -> Self {
        Self { method, path, header: "", body }
    }

    pub fn get(path: String) -> Self {
        Self::new("GET", path, String::new())
    }

    pub fn post(path: &str, body: String) -> Self {
        Self::new("POST", path.to_owned(), body)
    }

    pub fn with(self, header: &'static str) -> Self {
        Self { header, ..self }
    }
}

/// A load: requests one after the other on each connection, for a while.
pub struct Load {
    pub base: String,
    pub headers: String,
    pub connections: usize,
    pub request: fn(u64) -> Request,
}

/// What a load saw.
#[derive(Default)]
pub struct Outcome {
    pub answers: usize,
    pub refused: usize,
    /// Of the refused, those that were the server's fault: status 500 and above.
    pub failed: usize,
    pub example: Option<String>,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Outcome {
    pub fn rate(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }

    /// In milliseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1) as f64;
        let index = (last * percent / 100.0).round() as usize;
        self.latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }

    /// Text for answers that were no success.
    pub fn complaint(&self) -> String {
        match &self.example {
            Some(example) => format!("  {} REFUSED, {} FAILED: {example}", self.refused, self.failed),
            None => String::new(),
        }
    }
}

impl Load {
    pub fn run(&self, duration: Duration) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = self.base.trim_start_matches("http://").to_owned();
            let (host, prefix) = match address.find('/') {
                Some(slash) => (address[..slash].to_owned(), address[slash..].to_owned()),
                None => (address.clone(), String::new()),
            };
            let counter = Arc::new(AtomicU64::new(0));
            let started = Instant::now();
            let deadline = started + duration;
            let connection = |_| {
                let (counter, host, prefix, headers, request) =
                    (Arc::clone(&counter), host.clone(), prefix.clone(), self.headers.clone(), self.request);
                tokio::spawn(async move { one(&host, &prefix, &headers, request, &counter, deadline).await })
            };
            let tasks: Vec<_> = (0..self.connections).map(connection).collect();
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

async fn one(
    host: &str,
    prefix: &str,
    headers: &str,
    request: fn(u64) -> Request,
    counter: &AtomicU64,
    deadline: Instant,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stream = TcpStream::connect(host).await.expect("the server accepts connections");
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::with_capacity(64 * 1024);
    while Instant::now() < deadline {
        let Request { method, path, header, body } = request(counter.fetch_add(1, Ordering::Relaxed));
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
