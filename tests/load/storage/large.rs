//! A gigabyte on its way. The generator has the same processors as the server: it does no more than hand the
//! same bytes to the kernel, or take them, in large pieces.

use std::io::{Read, Write};
use std::net::TcpStream;

/// What is sent, and received.
pub const GIBIBYTE: u64 = 1 << 30;

/// Bytes of one call.
const PIECE: usize = 1024 * 1024;

/// Uploads it.
pub fn send(base: &str, headers: &str) {
    let more = format!("x-upsert: true\r\ncontent-length: {GIBIBYTE}\r\n");
    let mut stream = begin(base, "POST", "/object/bench/large", headers, &more);
    let piece: Vec<u8> = (0..PIECE).map(|n| (n % 251) as u8).collect();
    for _ in 0..GIBIBYTE / PIECE as u64 {
        stream.write_all(&piece).expect("the server takes the content");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "the upload failed: {answer}");
}

/// Downloads it.
pub fn receive(base: &str, headers: &str) {
    let mut stream = begin(base, "GET", "/object/authenticated/bench/large", headers, "");
    let mut piece = vec![0; PIECE];
    let mut head = Vec::new();
    let end = loop {
        let read = stream.read(&mut piece).expect("the server answers");
        assert!(read > 0, "the server closed the connection");
        head.extend_from_slice(&piece[..read]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    assert!(head.starts_with(b"HTTP/1.1 200"), "the download failed: {}", String::from_utf8_lossy(&head));
    let mut received = (head.len() - end) as u64;
    loop {
        match stream.read(&mut piece).expect("the server sends") {
            0 => break,
            read => received += read as u64,
        }
    }
    assert_eq!(received, GIBIBYTE, "the download is short");
}

fn begin(base: &str, method: &str, path: &str, headers: &str, more: &str) -> TcpStream {
    let address = base.trim_start_matches("http://");
    let (host, prefix) = address.find('/').map_or((address, ""), |slash| address.split_at(slash));
    let mut stream = TcpStream::connect(host).expect("the server accepts connections");
    let head = format!(
        "{method} {prefix}{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}{more}\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the server takes the request");
    stream
}
