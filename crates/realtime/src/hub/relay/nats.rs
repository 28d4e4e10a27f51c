//! Between instances through NATS: every batch is published on one subject, which all instances subscribe to.
//!
//! A server of NATS takes messages of a bounded size (1 MiB unless it was told otherwise), so a batch travels in
//! pieces. Pieces are numbered by their sender: NATS keeps the order of one sender, and loses what it cannot deliver
//! at once, which is seen by the gap. What could not be handed over is sent again under the same numbers: of what came
//! twice, one is passed over.
//!
//! While NATS is not there, whether it went or never came, an instance serves its own clients. The client of NATS
//! tries again without end, and what it holds meanwhile is bounded.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr, Subscriber};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Heard, Inlet, Outlet, Way};
use crate::service::Service;

/// What stands before a piece: its sender, its number, its place.
const HEAD: usize = 8 + 8 + 1;

const FIRST: u8 = 1;
const LAST: u8 = 2;

/// Bytes of a message, for a server that does not say how many it takes.
const USUAL: usize = 1024 * 1024;

/// Bytes of a batch that is put together at most.
const LARGEST: usize = 64 * 1024 * 1024;

/// Pieces that wait to be sent.
const SENDING: usize = 16;

/// Pieces that wait to be heard. What comes beyond them is lost, and missed.
const HEARING: usize = 1024;

/// How long a batch may take to be handed over.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way through NATS.
pub(super) struct Nats {
    url: String,
    subject: String,
}

impl Nats {
    pub(super) fn of(service: &Service) -> Self {
        let config = service.config();
        Self { url: config.nats_url.expose().to_owned(), subject: config.nats_subject.clone() }
    }
}

impl Way for Nats {
    type Out = Publisher;
    type In = Listening;

    async fn open(self, own: u64) -> Result<(Publisher, Listening), String> {
        let servers = self.url.split(',').map(|url| ServerAddr::from_str(url.trim()));
        let servers = servers.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let login = servers.iter().find_map(Login::of);
        // One word that it is connected says as much as two.
        let (events, connected) = mpsc::channel(1);
        let told = Told::default();
        let options = ConnectOptions::new()
            .name("basalt")
            .retry_on_initial_connect()
            .client_capacity(SENDING)
            .subscription_capacity(HEARING)
            .event_callback(move |event| {
                told.tell(&event);
                if event == Event::Connected {
                    // Nobody listens any more when the service ends.
                    let _ = events.try_send(());
                }
                std::future::ready(())
            });
        let options = match login {
            Some(Login::Password(user, password)) => options.user_and_password(user, password),
            Some(Login::Token(token)) => options.token(token),
            None => options,
        };
        let client = options.connect(servers).await.map_err(|error| error.to_string())?;
        let subscriber = client.subscribe(self.subject.clone()).await.map_err(|error| error.to_string())?;
        let publisher = Publisher { client, subject: self.subject, own, number: 0, pieces: None };
        Ok((publisher, Listening { subscriber, connected, own, senders: HashMap::new() }))
    }
}

/// Who we are for NATS; its client reads nothing of that from an address.
#[derive(Debug, PartialEq, Eq)]
enum Login {
    Password(String, String),
    Token(String),
}

impl Login {
    /// What an address says before its `@`: user and password, or a token alone.
    fn of(server: &ServerAddr) -> Option<Self> {
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = plain(server.username()?);
        Some(match server.password() {
            Some(password) => Self::Password(user, plain(password)),
            None => Self::Token(user),
        })
    }
}

/// What the log was told since NATS was reached last: each thing once.
#[derive(Default)]
struct Told(Mutex<HashSet<String>>);

impl Told {
    fn tell(&self, event: &Event) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *event == Event::Connected {
            told.clear();
            tracing::info!("the way to other instances through NATS stands");
        } else if told.insert(event.to_string()) {
            tracing::warn!(%event, "the way to other instances through NATS; without it, this one serves its own clients alone");
        }
    }
}

/// Publishes batches.
pub(super) struct Publisher {
    client: Client,
    subject: String,
    own: u64,
    /// Of the last piece that was handed over.
    number: u64,
    /// The size of the pieces of a batch that was not, and that comes again.
    pieces: Option<usize>,
}

impl Outlet for Publisher {
    async fn send(&mut self, batch: &Bytes) -> Result<(), String> {
        let most = Some(self.client.server_info().max_payload).filter(|most| *most > HEAD).unwrap_or(USUAL);
        let most = *self.pieces.get_or_insert(most - HEAD);
        let all = async {
            let (mut rest, mut place, mut number) = (batch.clone(), FIRST, self.number);
            loop {
                let piece = rest.split_to(rest.len().min(most));
                place |= if rest.is_empty() { LAST } else { 0 };
                number += 1;
                let message = piece_of(self.own, number, place, &piece);
                self.client
                    .publish(self.subject.clone(), message)
                    .await
                    .map_err(|error| error.to_string())?;
                if place & LAST != 0 {
                    break;
                }
                place = 0;
            }
            self.client.flush().await.map_err(|error| error.to_string())?;
            Ok(number)
        };
        let handed_over = timeout(PATIENCE, all).await;
        self.number = handed_over.unwrap_or_else(|_| Err("NATS takes nothing".to_owned()))?;
        self.pieces = None;
        Ok(())
    }
}

fn piece_of(sender: u64, number: u64, place: u8, piece: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(HEAD + piece.len());
    message.put_u64(sender);
    message.put_u64(number);
    message.put_u8(place);
    message.put_slice(piece);
    message.freeze()
}

/// Puts batches together.
pub(super) struct Listening {
    subscriber: Subscriber,
    connected: mpsc::Receiver<()>,
    own: u64,
    senders: HashMap<u64, Sender>,
}

/// What came of one sender.
#[derive(Default)]
struct Sender {
    /// Of the last piece; 0 if there was none.
    number: u64,
    pieces: BytesMut,
    /// A piece is missing, up to the next first one.
    is_broken: bool,
    /// Something was missed since the last batch.
    has_missed: bool,
}

impl Inlet for Listening {
    async fn next(&mut self) -> Heard {
        loop {
            tokio::select! {
                Some(()) = self.connected.recv() => return Heard::Connected,
                message = self.subscriber.next() => match message {
                    Some(message) => {
                        if let Some(heard) = take(&mut self.senders, self.own, message.payload) {
                            return heard;
                        }
                    }
                    // The client has ended, and with it the service.
                    None => std::future::pending().await,
                },
            }
        }
    }
}

/// The batch that a piece completes.
fn take(senders: &mut HashMap<u64, Sender>, own: u64, mut message: Bytes) -> Option<Heard> {
    let (sender, number, place) =
        (message.try_get_u64().ok()?, message.try_get_u64().ok()?, message.try_get_u8().ok()?);
    if sender == own {
        return None;
    }
    let known = senders.entry(sender).or_default();
    if number <= known.number {
        return None;
    }
    let is_gap = known.number != 0 && known.number.saturating_add(1) != number;
    known.number = number;
    known.has_missed |= is_gap;
    if place & FIRST != 0 {
        known.pieces.clear();
        known.is_broken = false;
    } else if is_gap || known.pieces.len() + message.len() > LARGEST {
        known.is_broken = true;
    }
    if known.is_broken {
        return None;
    }
    known.pieces.extend_from_slice(&message);
    (place & LAST != 0).then(|| Heard::Batch {
        sender,
        batch: std::mem::take(&mut known.pieces).freeze(),
        is_behind_gap: std::mem::take(&mut known.has_missed),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn who_we_are_is_in_the_address() {
        let login = |url: &str| Login::of(&url.parse().unwrap());
        let password = Login::Password("basalt".to_owned(), "a@b,c".to_owned());
        assert_eq!(login("nats://basalt:a%40b%2Cc@host:4222"), Some(password));
        assert_eq!(login("nats://t0ken@host"), Some(Login::Token("t0ken".to_owned())));
        assert_eq!(login("nats://host:4222"), None);
    }

    #[test]
    fn pieces_are_put_together_and_gaps_are_seen() {
        let mut senders = HashMap::new();
        let mut take =
            |number, place, piece: &str| take(&mut senders, 1, piece_of(7, number, place, piece.as_bytes()));
        let batch = |text: &'static str, is_behind_gap| {
            Some(Heard::Batch { sender: 7, batch: text.into(), is_behind_gap })
        };
        let expected = batch("whole", false);
        assert_eq!(take(5, FIRST | LAST, "whole"), expected, "what was before is nothing to a newcomer");
        assert_eq!(take(6, FIRST, "a"), None);
        assert_eq!(take(7, 0, "b"), None);
        assert_eq!(take(8, LAST, "c"), batch("abc", false));
        assert_eq!(take(9, FIRST, "a"), None);
        assert_eq!(take(11, LAST, "c"), None);
        assert_eq!(take(12, FIRST, "sent"), None);
        assert_eq!(take(13, FIRST | LAST, "sent again"), batch("sent again", true));
        assert_eq!(take(14, FIRST | LAST, "x"), batch("x", false));
        assert_eq!(take(14, FIRST | LAST, "x"), None, "it was heard");
        let mut none = HashMap::new();
        assert_eq!(super::take(&mut none, 7, piece_of(7, 1, FIRST | LAST, b"own")), None);
        assert_eq!(super::take(&mut none, 7, Bytes::from_static(b"short")), None);
    }
}
