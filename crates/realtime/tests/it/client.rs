//! A client that keeps what it receives until somebody asks for it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::Server;

/// Longer than anything takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message as the client reads it, whatever it came as.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub join_ref: Value,
    pub reference: Value,
    pub topic: String,
    pub event: String,
    pub payload: Value,
    /// The payload of a binary broadcast.
    pub bytes: Vec<u8>,
}

pub struct Client {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    is_second: bool,
    kept: Vec<Received>,
    refs: u64,
    pub closed: Option<u16>,
}

pub fn url(server: &Server, query: &str) -> String {
    format!("ws://{}/realtime/v1/websocket?{query}", server.address)
}

/// Status and body of an upgrade that is refused.
pub async fn refused(server: &Server, query: &str) -> (u16, Value) {
    match connect_async(url(server, query)).await {
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default())
        }
        other => panic!("not refused: {other:?}"),
    }
}

impl Client {
    pub async fn open(server: &Server, version: u8, key: &str) -> Self {
        Self::with_headers(server, &format!("vsn={version}.0.0&apikey={key}"), &[]).await
    }

    pub async fn with_headers(server: &Server, query: &str, headers: &[(&'static str, &str)]) -> Self {
        let mut request = url(server, query).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (stream, _) = connect_async(request).await.unwrap();
        Self { stream, is_second: query.contains("vsn=2"), kept: Vec::new(), refs: 0, closed: None }
    }

    pub async fn raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Sends an event and returns its reference.
    pub async fn send(&mut self, topic: &str, event: &str, payload: Value) -> String {
        self.send_as(None, topic, event, payload).await
    }

    pub async fn send_as(
        &mut self,
        join_ref: Option<&str>,
        topic: &str,
        event: &str,
        payload: Value,
    ) -> String {
        self.refs += 1;
        let reference = self.refs.to_string();
        let frame = if self.is_second {
            json!([join_ref, reference, topic, event, payload])
        } else {
            json!({ "topic": topic, "event": event, "payload": payload, "ref": reference, "join_ref": join_ref })
        };
        self.raw(Message::text(frame.to_string())).await;
        reference
    }

    /// Sends a binary broadcast.
    pub async fn push(&mut self, topic: &str, event: &str, encoding: u8, reference: &str, payload: &[u8]) {
        let length = |text: &str| u8::try_from(text.len()).unwrap();
        let head = [3, 0, length(reference), length(topic), length(event), 0, encoding];
        let frame = [&head[..], reference.as_bytes(), topic.as_bytes(), event.as_bytes(), payload].concat();
        self.raw(Message::binary(frame)).await;
    }

    /// The first message that fits and was not taken before.
    pub async fn take(&mut self, fits: impl Fn(&Received) -> bool) -> Received {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(index) = self.kept.iter().position(&fits) {
                    return self.kept.remove(index);
                }
                assert!(self.read().await, "the socket ended ({:?}); kept: {:?}", self.closed, self.kept);
            }
        });
        found.await.expect("a message that fits")
    }

    pub async fn event(&mut self, event: &str) -> Received {
        self.take(|message| message.event == event).await
    }

    pub async fn reply(&mut self, reference: &str) -> Value {
        self.take(|message| message.event == "phx_reply" && message.reference == reference).await.payload
    }

    /// Joins, and returns the reply.
    pub async fn ask(&mut self, name: &str, payload: Value) -> Value {
        let topic = format!("realtime:{name}");
        let join_ref = (self.refs + 1).to_string();
        let reference = self.send_as(Some(&join_ref), &topic, "phx_join", payload).await;
        self.reply(&reference).await
    }

    /// Joins, and returns the reply; none if the socket ends before it.
    pub async fn ask_or_end(&mut self, name: &str) -> Option<Value> {
        let reference = (self.refs + 1).to_string();
        self.refs += 1;
        let frame = json!([reference, reference, format!("realtime:{name}"), "phx_join", {}]);
        // What does not go out any more is found out by reading.
        let _ = self.stream.send(Message::text(frame.to_string())).await;
        loop {
            let replies =
                |message: &Received| message.event == "phx_reply" && message.reference == *reference;
            if let Some(index) = self.kept.iter().position(replies) {
                return Some(self.kept.remove(index).payload);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Joins with success; the topic as the wire has it.
    pub async fn join(&mut self, name: &str, config: Value) -> String {
        let reply = self.ask(name, json!({ "config": config })).await;
        assert_eq!(reply["status"], "ok", "{reply}");
        format!("realtime:{name}")
    }

    pub async fn join_as(&mut self, name: &str, token: &str, config: Value) -> Value {
        self.ask(name, json!({ "config": config, "access_token": token })).await
    }

    /// Everything that the server had to say before it answered a heartbeat.
    pub async fn settled(&mut self) -> Vec<Received> {
        let reference = self.send("phoenix", "heartbeat", json!({})).await;
        self.reply(&reference).await;
        std::mem::take(&mut self.kept)
    }

    /// Reads until the server ends the socket; the code it gave.
    pub async fn end(&mut self) -> u16 {
        let ended = tokio::time::timeout(PATIENCE, async { while self.read().await {} });
        ended.await.expect("the socket ends");
        self.closed.expect("the server says goodbye")
    }

    /// Says nothing more, and reads on.
    pub async fn fall_silent(&mut self) {
        let MaybeTlsStream::Plain(stream) = self.stream.get_mut() else { panic!("there is no TLS here") };
        stream.shutdown().await.unwrap();
    }

    /// Ends the connection without a word.
    pub fn vanish(self) {
        drop(self);
    }

    /// Reads one message; false at the end.
    async fn read(&mut self) -> bool {
        let received = match self.stream.next().await {
            Some(Ok(Message::Text(text))) => read_text(&text),
            Some(Ok(Message::Binary(bytes))) => read_binary(&bytes),
            Some(Ok(Message::Close(frame))) => {
                self.closed = frame.map(|frame| CloseCode::into(frame.code));
                return true;
            }
            Some(Ok(Message::Pong(bytes))) => Received {
                join_ref: Value::Null,
                reference: Value::Null,
                topic: String::new(),
                event: "pong".to_owned(),
                payload: Value::Null,
                bytes: bytes.to_vec(),
            },
            Some(Ok(_)) => return true,
            Some(Err(_)) | None => return false,
        };
        self.kept.push(received);
        true
    }
}

fn read_text(text: &str) -> Received {
    let value: Value = serde_json::from_str(text).unwrap();
    let (join_ref, reference, topic, event, payload) = match &value {
        Value::Array(parts) => {
            assert_eq!(parts.len(), 5);
            (parts[0].clone(), parts[1].clone(), &parts[2], &parts[3], parts[4].clone())
        }
        object => {
            let mut keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(keys, ["event", "payload", "ref", "topic"]);
            (
                Value::Null,
                object["ref"].clone(),
                &object["topic"],
                &object["event"],
                object["payload"].clone(),
            )
        }
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Received { join_ref, reference, topic: text(topic), event: text(event), payload, bytes: Vec::new() }
}

fn read_binary(frame: &[u8]) -> Received {
    assert_eq!(frame[0], 4, "the only binary frames a server sends");
    let [topic, event, metadata, encoding] = [1, 2, 3, 4].map(|index| usize::from(frame[index]));
    let part = |start: usize, length: usize| frame[start..start + length].to_vec();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let bytes = frame[5 + topic + event + metadata..].to_vec();
    let mut payload = json!({ "type": "broadcast", "event": text(part(5 + topic, event)) });
    if encoding == 1 {
        payload["payload"] = serde_json::from_slice(&bytes).unwrap();
    }
    if metadata > 0 {
        payload["meta"] = serde_json::from_slice(&part(5 + topic + event, metadata)).unwrap();
    }
    Received {
        join_ref: Value::Null,
        reference: Value::Null,
        topic: text(part(5, topic)),
        event: "broadcast".to_owned(),
        payload,
        bytes,
    }
}
