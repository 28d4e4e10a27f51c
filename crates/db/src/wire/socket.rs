//! The stream under a connection: a Unix socket, TCP, or TLS over TCP.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// A connected stream.
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
}

impl Socket {
    /// Sends a few bytes if they can go at once. The runtime that the socket belongs to may have
    /// ended already, so the system is asked itself.
    pub(super) fn send_last(&self, bytes: &[u8]) {
        let _ = match self {
            Self::Unix(stream) => SockRef::from(stream).send(bytes),
            Self::Tcp(stream) => SockRef::from(stream).send(bytes),
            // Without its session TLS cannot say anything.
            Self::Tls(_) => Ok(0),
        };
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A socket that the driver uses while it logs in and that we keep afterwards.
#[derive(Clone)]
pub(super) struct Lent(Arc<Mutex<Borrowed>>);

struct Borrowed {
    socket: Socket,
    greeting: Greeting,
}

/// What becomes of the first message of the driver.
enum Greeting {
    /// It is passed on as it is, or has been.
    Plain,
    /// It is to ask for the replication protocol.
    ToReplicate,
    /// It does, and so much of it is still to be written.
    Amended(BytesMut),
}

impl Lent {
    pub(super) fn new(socket: Socket) -> Self {
        Self(Arc::new(Mutex::new(Borrowed { socket, greeting: Greeting::Plain })))
    }

    /// The session will be one of the replication protocol.
    pub(super) fn to_replicate(socket: Socket) -> Self {
        Self(Arc::new(Mutex::new(Borrowed { socket, greeting: Greeting::ToReplicate })))
    }

    /// The socket, if every other copy is gone.
    pub(super) fn back(self) -> Option<Socket> {
        let borrowed = Arc::into_inner(self.0)?;
        Some(borrowed.into_inner().unwrap_or_else(PoisonError::into_inner).socket)
    }

    fn with<T>(&self, poll: impl FnOnce(Pin<&mut Socket>) -> T) -> T {
        poll(Pin::new(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).socket))
    }
}

impl Borrowed {
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if matches!(self.greeting, Greeting::ToReplicate) {
            self.greeting = Greeting::Amended(amended(buf)?);
        }
        let Greeting::Amended(rest) = &mut self.greeting else {
            return Pin::new(&mut self.socket).poll_write(cx, buf);
        };
        while !rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => rest.advance(written),
            }
        }
        self.greeting = Greeting::Plain;
        Poll::Ready(Ok(buf.len()))
    }
}

/// A startup message (length, version, names and values, a zero) with one parameter more.
fn amended(message: &[u8]) -> io::Result<BytesMut> {
    let odd = || io::Error::other("the driver greets in a way that we do not know");
    let (parameters, last) = message.split_at(message.len().saturating_sub(1));
    let length = parameters.get(..4).and_then(|length| <[u8; 4]>::try_from(length).ok()).ok_or_else(odd)?;
    if usize::try_from(u32::from_be_bytes(length)).ok() != Some(message.len()) || last != [0] {
        return Err(odd());
    }
    const PARAMETER: &[u8] = b"replication\0database\0";
    let length = u32::try_from(message.len() + PARAMETER.len()).map_err(|_| odd())?;
    let mut amended = BytesMut::from(parameters);
    amended[..4].copy_from_slice(&length.to_be_bytes());
    amended.extend_from_slice(PARAMETER);
    amended.extend_from_slice(last);
    Ok(amended)
}

impl AsyncRead for Lent {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|socket| socket.poll_read(cx, buf))
    }
}

impl AsyncWrite for Lent {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|socket| socket.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|socket| socket.poll_shutdown(cx))
    }
}
