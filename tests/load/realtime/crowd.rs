//! Many sockets on one thread, and what arrived on all of them.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memchr::memmem;
use serde_json::Value;
use tests::load::server::Basalt;
use tokio::net::TcpStream;

use super::socket::{self, CLOSE, TEXT};

/// Bytes read at once, into a buffer that all sockets share.
const CHUNK: usize = 64 * 1024;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sockets that are opened at the same time.
const AT_ONCE: usize = 64;

/// What arrived on all sockets of a crowd.
#[derive(Default)]
pub struct Tally {
    /// Joins that were answered with success.
    pub joined: Cell<u64>,
    /// Channels that were told that row changes flow.
    pub subscribed: Cell<u64>,
    /// Channels that were told that they do not.
    pub unsubscribed: Cell<u64>,
    /// Replies and other messages that are no delivery.
    pub others: Cell<u64>,
    /// Messages delivered.
    pub delivered: Cell<u64>,
    /// Their ages in microseconds, as far as they say when they were sent.
    pub ages: RefCell<Vec<u32>>,
    /// Sockets that the server ended.
    pub ended: Cell<u64>,
    /// The first refusal.
    pub refusal: RefCell<Option<String>>,
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

/// Now, in nanoseconds since 1970.
pub fn nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
}

/// The mark of a message that is sent now.
pub fn stamp() -> String {
    format!(r#""t":"{:019}""#, nanos())
}

/// When a message was sent, if it says so.
fn sent_at(payload: &[u8], mark: &memmem::Finder<'_>) -> Option<u64> {
    let rest = payload.get(mark.find(payload)? + 4..)?;
    let digits = rest.trim_ascii_start().strip_prefix(b"\"")?.get(..19)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Sockets that are read until the crowd is dropped.
pub struct Crowd {
    pub tally: Rc<Tally>,
    pub sockets: Vec<Rc<TcpStream>>,
    readers: Vec<tokio::task::JoinHandle<()>>,
}

impl Crowd {
    /// Opens as many sockets.
    pub async fn open(basalt: &Basalt, number: usize) -> Self {
        let tally = Rc::new(Tally::default());
        let buffer = Rc::new(RefCell::new(vec![0; CHUNK]));
        let mut crowd = Self { tally, sockets: Vec::new(), readers: Vec::new() };
        let (base, key) = (basalt.url().to_owned(), basalt.key("ANON_KEY").to_owned());
        while crowd.sockets.len() < number {
            let some = AT_ONCE.min(number - crowd.sockets.len());
            let opening = (0..some).map(|_| {
                let (base, key) = (base.clone(), key.clone());
                tokio::task::spawn_local(async move { socket::open(&base, &key).await })
            });
            for socket in opening.collect::<Vec<_>>() {
                let socket = socket.await.unwrap();
                let (tally, buffer) = (Rc::clone(&crowd.tally), Rc::clone(&buffer));
                crowd.readers.push(tokio::task::spawn_local(read(Rc::clone(&socket), tally, buffer)));
                crowd.sockets.push(socket);
            }
        }
        crowd
    }

    /// Joins on one socket; `config` is the join's.
    pub async fn ask_to_join(&self, socket: usize, topic: &str, config: &Value, token: Option<&str>) {
        let mut payload = serde_json::json!({ "config": config });
        if let Some(token) = token {
            payload["access_token"] = Value::from(token);
        }
        self.say(socket, topic, "phx_join", &payload).await;
    }

    /// All sockets join `topic(n)`.
    pub async fn join(&self, topic: impl Fn(usize) -> String, config: &Value) {
        for socket in 0..self.sockets.len() {
            self.ask_to_join(socket, &topic(socket), config, None).await;
        }
        let all = self.sockets.len() as u64;
        self.wait("joins", || self.tally.joined.get() >= all).await;
    }

    /// Sends an event on one socket.
    pub async fn say(&self, socket: usize, topic: &str, event: &str, payload: &Value) {
        let text = serde_json::json!(["1", "1", topic, event, payload]).to_string();
        socket::write(&self.sockets[socket], &socket::frame(TEXT, text.as_bytes())).await;
    }

    /// Waits for something that must come.
    pub async fn wait(&self, what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            let refusal = self.tally.refusal.borrow().clone();
            assert!(refusal.is_none(), "{what}: {refusal:?}");
            assert!(Instant::now() < deadline, "{what} did not come in time");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until everything has arrived, or nothing more has for ten seconds: a busy machine takes its time.
    pub async fn settle(&self, expected: u64) {
        let (mut before, mut since) = (self.tally.delivered.get(), Instant::now());
        while self.tally.delivered.get() < expected && since.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if self.tally.delivered.get() > before {
                (before, since) = (self.tally.delivered.get(), Instant::now());
            }
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.readers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn read(socket: Rc<TcpStream>, tally: Rc<Tally>, buffer: Rc<RefCell<Vec<u8>>>) {
    let mark = memmem::Finder::new(r#""t":"#);
    // The beginning of a frame whose end is still on its way.
    let mut rest: Vec<u8> = Vec::new();
    while socket.readable().await.is_ok() {
        let mut buffer = buffer.borrow_mut();
        let read = match socket.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => break,
        };
        let now = nanos();
        let mut whole = std::mem::take(&mut rest);
        let mut bytes = match whole.is_empty() {
            true => &buffer[..read],
            false => {
                whole.extend_from_slice(&buffer[..read]);
                &whole[..]
            }
        };
        while let Some(frame) = socket::cut(&mut bytes) {
            take(&frame, &tally, now, &mark);
        }
        rest = bytes.to_vec();
    }
    count(&tally.ended);
}

fn take(frame: &socket::Frame<'_>, tally: &Tally, now: u64, mark: &memmem::Finder<'_>) {
    let payload = frame.payload;
    if frame.opcode == CLOSE {
        tally.refusal.borrow_mut().get_or_insert_with(|| format!("closed: {payload:?}"));
        return;
    }
    let has =
        |word: &[u8]| memmem::find(payload.get(..payload.len().min(400)).unwrap_or(payload), word).is_some();
    if frame.opcode == TEXT && !has(b"\"broadcast\"") && !has(b"\"presence_diff\"") && !has(b"\"ids\"") {
        let is_system = has(b"\"system\"");
        match () {
            () if has(b"Subscribed to PostgreSQL") => count(&tally.subscribed),
            () if is_system && has(b"postgres_changes") => count(&tally.unsubscribed),
            () if has(b"phx_reply") && has(b"\"status\":\"ok\"") && has(b"postgres_changes") => {
                count(&tally.joined)
            }
            () if has(b"\"status\":\"error\"") || is_system || has(b"phx_close") => {
                let text = || String::from_utf8_lossy(payload).into_owned();
                tally.refusal.borrow_mut().get_or_insert_with(text);
            }
            () => count(&tally.others),
        }
        return;
    }
    count(&tally.delivered);
    if let Some(sent) = sent_at(payload, mark).filter(|_| !has(b"\"joins\":{}")) {
        tally.ages.borrow_mut().push(u32::try_from(now.saturating_sub(sent) / 1000).unwrap_or(u32::MAX));
    }
}
