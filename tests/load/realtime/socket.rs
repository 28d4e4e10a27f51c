//! One socket: the upgrade, and frames as bytes.
//!
//! Just enough of RFC 6455 for a server that neither fragments nor masks: a frame is cut off the front of what
//! was read, and what is written is masked with zeros.

use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;

/// A frame of the server.
pub struct Frame<'a> {
    pub opcode: u8,
    pub payload: &'a [u8],
}

/// Cuts a frame off the front; none if it is not whole yet.
pub fn cut<'a>(bytes: &mut &'a [u8]) -> Option<Frame<'a>> {
    let [first, second, ..] = **bytes else { return None };
    let (length, head) = match second {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(head..head + length)?;
    *bytes = &bytes[head + length..];
    Some(Frame { opcode: first & 0x0f, payload })
}

/// A frame of the client.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(short @ ..=125) => frame.push(0x80 | short as u8),
        Ok(medium) => {
            frame.push(0x80 | 126);
            frame.extend(medium.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A broadcast as clients send it: kind 3, JSON.
pub fn broadcast(topic: &str, payload: &str) -> Vec<u8> {
    const EVENT: &str = "e";
    let head = [3, 0, 0, topic.len() as u8, EVENT.len() as u8, 0, 1];
    frame(BINARY, &[&head[..], topic.as_bytes(), EVENT.as_bytes(), payload.as_bytes()].concat())
}

/// Opens a socket below `base` (`http://host:port`).
pub async fn open(base: &str, key: &str) -> Rc<TcpStream> {
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.expect("the server accepts connections");
    stream.set_nodelay(true).unwrap();
    let request = format!(
        "GET /realtime/v1/websocket?vsn=2.0.0&apikey={key} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Byte by byte would be slow, but nothing follows an upgrade before the client has spoken.
    while !answer.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the server answers the upgrade");
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(&answer));
    Rc::new(stream)
}

/// Writes all of `bytes`.
pub async fn write(stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => stream.writable().await.unwrap(),
            Err(error) => panic!("the server ended a socket: {error}"),
        }
    }
}
