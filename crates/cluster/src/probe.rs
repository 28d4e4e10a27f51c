//! Is the server ready? Asked the way a client would: connect to the socket, log in as the superuser, hang up.
//!
//! Written by hand (one message out, a few in), because only `db` may use a Postgres client. It also proves that the
//! kernel's word about who we are is accepted.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use crate::{DATABASE, SUPERUSER};

/// One question may take this long on a machine that is busy with recovery.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages before "ready for query" are short; longer ones mean that this is not Postgres.
const MESSAGE_MAX: u32 = 64 * 1024;
/// What a server says that recovers.
const CANNOT_CONNECT_NOW: &str = "57P03";
/// Version 3.0 of the protocol.
const PROTOCOL: i32 = 196_608;

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A session was opened.
    Ready,
    /// Nobody listens, or the server is full.
    NotYet,
    /// The server says that it is starting (or stopping): it is alive.
    Starting,
    /// It will never let us in.
    Refused { code: String, message: String },
}

/// Asks once.
pub(crate) async fn ask(socket: &Path) -> Answer {
    match timeout(PATIENCE, log_in(socket)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Answer::NotYet,
    }
}

async fn log_in(socket: &Path) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&start_up()).await?;
    loop {
        let kind = stream.read_u8().await?;
        let length = stream.read_u32().await?.checked_sub(4).filter(|length| *length <= MESSAGE_MAX);
        let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)? as usize];
        stream.read_exact(&mut body).await?;
        match kind {
            b'Z' => {
                // Terminate; a server that is gone by now was ready all the same.
                let _ = stream.write_all(&[b'X', 0, 0, 0, 4]).await;
                return Ok(Answer::Ready);
            }
            b'E' => return Ok(judge(&body)),
            b'R' if body != [0; 4] => {
                let message = "it asks for a password".to_owned();
                return Ok(Answer::Refused { code: "28000".to_owned(), message });
            }
            _ => {}
        }
    }
}

fn start_up() -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for text in ["user", SUPERUSER, "database", DATABASE, "application_name", "basalt probe", ""] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut message = length.to_be_bytes().to_vec();
    message.append(&mut body);
    message
}

/// An error message is a list of fields: one byte of kind, text, zero.
fn judge(body: &[u8]) -> Answer {
    let field = |kind: u8| {
        let found = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&kind));
        found
            .and_then(|field| field.get(1..))
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .unwrap_or_default()
    };
    let code = field(b'C');
    // Class 28 is "invalid authorisation", 3D000 "no such database"; all else passes with time.
    if code.starts_with("28") || code == "3D000" {
        Answer::Refused { code, message: field(b'M') }
    } else if code == CANNOT_CONNECT_NOW {
        Answer::Starting
    } else {
        Answer::NotYet
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::net::UnixListener;

    use super::*;

    async fn check(answer: &[u8], expected: Answer) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut start = vec![0; start_up().len()];
            stream.read_exact(&mut start).await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let (found, ()) = tokio::join!(ask(&path), serve);
        assert_eq!(found, expected, "{answer:?}");
    }

    #[tokio::test]
    async fn understands_the_answers() {
        check(b"R\0\0\0\x08\0\0\0\0S\0\0\0\x08a\0b\0Z\0\0\0\x05I", Answer::Ready).await;
        check(b"E\0\0\0\x1dSFATAL\0C57P03\0Mstarting\0\0", Answer::Starting).await;
        let refused = Answer::Refused { code: "28000".into(), message: "no".into() };
        check(b"E\0\0\0\x17SFATAL\0C28000\0Mno\0\0", refused).await;
        let refused = Answer::Refused { code: "28000".into(), message: "it asks for a password".into() };
        check(b"R\0\0\0\x08\0\0\0\x03", refused).await;
        check(b"", Answer::NotYet).await;
        check(b"HTTP/1.1 400 Bad Request\r\n\r\n", Answer::NotYet).await;
        check(b"Z\0\0\0\0", Answer::NotYet).await;
    }

    #[tokio::test]
    async fn nobody_there_is_not_yet() {
        assert_eq!(ask(Path::new("/nonexistent/socket")).await, Answer::NotYet);
    }
}
