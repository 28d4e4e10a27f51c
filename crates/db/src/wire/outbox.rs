//! Messages on their way to the server.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::AsyncWrite;

use super::socket::Socket;
use crate::{Error, Setting, Text};

/// The values of a statement. All go as text: Postgres infers the types and parses them itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    None,
    Texts(&'a [Text]),
    /// Name, value, name, value …
    Settings(&'a [Setting<'a>]),
}

enum Piece<'a> {
    Null,
    Short(&'a [u8]),
    Shared(&'a Bytes),
}

impl Values<'_> {
    fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Texts(texts) => texts.len(),
            Self::Settings(settings) => 2 * settings.len(),
        }
    }

    fn each(self, mut visit: impl FnMut(Piece<'_>)) {
        match self {
            Self::None => {}
            Self::Texts(texts) => texts.iter().for_each(|text| {
                visit(match text {
                    Text::Null => Piece::Null,
                    Text::Value(text) => Piece::Short(text.as_bytes()),
                    Text::Body(bytes) => Piece::Shared(bytes),
                });
            }),
            Self::Settings(settings) => settings.iter().for_each(|(name, value)| {
                visit(Piece::Short(name.as_bytes()));
                visit(Piece::Short(value.as_bytes()));
            }),
        }
    }
}

/// From this size on, in bytes, a value is not copied between the others.
const WORTH_SHARING: usize = 16 * 1024;

/// A buffer larger than this, in bytes, is not kept for the next trip.
const WORTH_KEEPING: usize = 64 * 1024;

/// What waits to be written: small messages side by side, large values on their own.
#[derive(Default)]
pub(super) struct Outbox {
    full: VecDeque<Bytes>,
    open: BytesMut,
    /// TLS may hold back what was written.
    is_unflushed: bool,
}

impl Outbox {
    pub(super) fn parse(&mut self, name: &str, sql: &str) -> Result<(), Error> {
        frontend::parse(name, sql, [], &mut self.open).map_err(|error| Error::Client(error.to_string()))
    }

    pub(super) fn describe(&mut self, name: &str) -> Result<(), Error> {
        frontend::describe(b'S', name, &mut self.open).map_err(|error| Error::Client(error.to_string()))
    }

    pub(super) fn close(&mut self, name: &str) -> Result<(), Error> {
        frontend::close(b'S', name, &mut self.open).map_err(|error| Error::Client(error.to_string()))
    }

    /// Bind and Execute, all results in binary.
    pub(super) fn run(&mut self, name: &str, values: Values<'_>) -> Result<(), Error> {
        let count = u16::try_from(values.count());
        let count = count.map_err(|_| Error::Client("more than 65535 values".to_owned()))?;
        let mut size = 0;
        values.each(|piece| {
            size += 4 + match piece {
                Piece::Null => 0,
                Piece::Short(bytes) => bytes.len(),
                Piece::Shared(bytes) => bytes.len(),
            };
        });
        // Length, unnamed portal, name, no formats of values, their number, the format of results.
        let size = i32::try_from(4 + 1 + (name.len() + 1) + 2 + 2 + size + 4);
        let size = size.map_err(|_| Error::Client("values larger than 2 GiB".to_owned()))?;
        self.open.put_u8(b'B');
        self.open.put_i32(size);
        self.open.put_u8(0);
        self.open.put_slice(name.as_bytes());
        self.open.put_u8(0);
        self.open.put_u16(0);
        self.open.put_u16(count);
        values.each(|piece| self.value(piece));
        self.open.put_u16(1);
        self.open.put_u16(1);
        frontend::execute("", 0, &mut self.open).map_err(|error| Error::Client(error.to_string()))
    }

    fn value(&mut self, piece: Piece<'_>) {
        // Their sum was checked above.
        let length = |bytes: &[u8]| i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        match piece {
            Piece::Null => self.open.put_i32(-1),
            Piece::Shared(bytes) if bytes.len() >= WORTH_SHARING => {
                self.open.put_i32(length(bytes));
                self.full.push_back(self.open.split().freeze());
                self.full.push_back(bytes.clone());
            }
            Piece::Short(bytes) => {
                self.open.put_i32(length(bytes));
                self.open.put_slice(bytes);
            }
            Piece::Shared(bytes) => {
                self.open.put_i32(length(bytes));
                self.open.put_slice(bytes);
            }
        }
    }

    pub(super) fn sync(&mut self) {
        frontend::sync(&mut self.open);
    }

    /// Writes as much as the socket takes; ready when nothing is left.
    pub(super) fn poll_write(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        while let Some(first) = self.full.front_mut() {
            self.is_unflushed |= write(first, socket, cx)?;
            if first.has_remaining() {
                return Poll::Pending;
            }
            self.full.pop_front();
        }
        self.is_unflushed |= write(&mut self.open, socket, cx)?;
        if self.open.has_remaining() {
            return Poll::Pending;
        }
        if self.is_unflushed {
            ready!(Pin::new(socket).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        if self.open.capacity() > WORTH_KEEPING {
            self.open = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether anything was taken.
fn write(from: &mut impl Buf, socket: &mut Socket, cx: &mut Context<'_>) -> std::io::Result<bool> {
    let before = from.remaining();
    while from.has_remaining() {
        match Pin::new(&mut *socket).poll_write(cx, from.chunk())? {
            Poll::Ready(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Poll::Ready(count) => from.advance(count),
            Poll::Pending => break,
        }
    }
    Ok(from.remaining() < before)
}
