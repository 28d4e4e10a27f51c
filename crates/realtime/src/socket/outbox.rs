//! The frames that wait to be written to one socket.
//!
//! Whoever has something to say pushes a finished frame; the body of the HTTP answer takes them out as
//! fast as the client reads. Nobody ever waits for a slow client: what is queued beyond the bound for
//! longer than a grace period, or beyond twice the bound at any time, ends the socket with code 1013.
//! So a client either receives everything or is told to come back; single messages are never dropped.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::sync::Notify;

use crate::metric::Metrics;
use crate::protocol::outgoing::Frame;

/// How long a client may be behind.
const GRACE: Duration = Duration::from_secs(5);

/// Frames that are small are written together, up to so many bytes.
const CHUNK: usize = 16 * 1024;

/// Try again later (registered by the WebSocket authorities).
const TOO_SLOW: u16 = 1013;

/// Bounds of one queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Frames.
    pub(crate) frames: usize,
    /// Bytes.
    pub(crate) bytes: usize,
}

/// The queue of one socket.
pub(crate) struct Outbox {
    bounds: Bounds,
    queue: Mutex<Queue>,
    ended: Notify,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    reader: Option<Waker>,
    full_since: Option<Instant>,
    /// Nothing more is taken in.
    is_closed: bool,
    is_too_slow: bool,
}

impl Outbox {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, queue: Mutex::default(), ended: Notify::new() })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame; false if the socket takes none any more.
    pub(crate) fn push(&self, frame: &Frame) -> bool {
        let mut queue = self.queue();
        if queue.is_closed {
            return false;
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame.clone());
        if self.is_too_slow(&mut queue, Instant::now()) {
            queue.is_too_slow = true;
            queue.frames.clear();
            queue.bytes = 0;
            self.finish(queue, TOO_SLOW, "too slow");
            return false;
        }
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }

    fn is_too_slow(&self, queue: &mut Queue, now: Instant) -> bool {
        let times =
            |n: usize| queue.frames.len() > self.bounds.frames * n || queue.bytes > self.bounds.bytes * n;
        // One large message alone is not slowness.
        if !times(1) || queue.frames.len() == 1 {
            queue.full_since = None;
            return false;
        }
        let is_far_behind = times(2);
        is_far_behind || now.duration_since(*queue.full_since.get_or_insert(now)) > GRACE
    }

    /// Says goodbye behind what is queued and takes no more.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        let queue = self.queue();
        if !queue.is_closed {
            self.finish(queue, code, reason);
        }
    }

    fn finish(&self, mut queue: MutexGuard<'_, Queue>, code: u16, reason: &str) {
        queue.frames.push_back(Frame::close(code, reason));
        queue.is_closed = true;
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
        self.ended.notify_one();
    }

    /// Returns when the queue was closed, by whomever.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Whether the client was ended because it did not keep up.
    pub(crate) fn is_overrun(&self) -> bool {
        self.queue().is_too_slow
    }
}

/// The reading end: the body of the answer that became the socket.
pub(crate) struct Outflow {
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
}

impl Outflow {
    pub(crate) fn new(outbox: &Arc<Outbox>, metrics: &Arc<Metrics>) -> Self {
        Self { outbox: Arc::clone(outbox), metrics: Arc::clone(metrics) }
    }
}

impl Stream for Outflow {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queue = self.outbox.queue();
        match queue.take_chunk() {
            Some(chunk) => {
                self.metrics.output.add(chunk.len() as u64);
                Poll::Ready(Some(Ok(chunk)))
            }
            None if queue.is_closed => Poll::Ready(None),
            None => {
                queue.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Queue {
    fn take_chunk(&mut self) -> Option<Bytes> {
        let first = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(first.len());
        if self.frames.is_empty() {
            // A burst must not be remembered by the memory of an idle socket.
            self.frames = VecDeque::new();
            self.bytes = 0;
            return Some(first.bytes().clone());
        }
        let mut chunk = BytesMut::new();
        chunk.extend_from_slice(first.bytes());
        while let Some(next) = self.frames.front()
            && chunk.len() + next.len() <= CHUNK
        {
            chunk.extend_from_slice(next.bytes());
            self.bytes = self.bytes.saturating_sub(next.len());
            self.frames.pop_front();
        }
        Some(chunk.freeze())
    }
}

impl Drop for Outflow {
    fn drop(&mut self) {
        // The connection is gone, whoever ended it.
        let mut queue = self.outbox.queue();
        queue.is_closed = true;
        queue.frames = VecDeque::new();
        queue.bytes = 0;
        drop(queue);
        self.outbox.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn outbox() -> Arc<Outbox> {
        Outbox::new(Bounds { frames: 2, bytes: 1000 })
    }

    #[test]
    fn frames_that_wait_leave_together() {
        let outbox = outbox();
        let mut flow = Outflow::new(&outbox, &Arc::default());
        assert!(flow.next().now_or_never().is_none());
        for text in ["a", "b"] {
            assert!(outbox.push(&Frame::text(text)));
        }
        let chunk = flow.next().now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(&chunk[..], b"\x81\x01a\x81\x01b");
        outbox.close(1000, "");
        assert!(!outbox.push(&Frame::text("c")), "after the end nothing is taken");
        assert_eq!(&flow.next().now_or_never().unwrap().unwrap().unwrap()[..], b"\x88\x02\x03\xe8");
        assert!(flow.next().now_or_never().unwrap().is_none());
    }

    #[test]
    fn who_is_far_behind_is_told_to_come_back() {
        let outbox = outbox();
        let mut flow = Outflow::new(&outbox, &Arc::default());
        for _ in 0..4 {
            assert!(outbox.push(&Frame::text("x")));
        }
        assert!(!outbox.push(&Frame::text("x")));
        assert!(outbox.is_overrun());
        assert!(outbox.ended().now_or_never().is_some());
        let last = flow.next().now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(last[..4], [0x88, 10, 0x03, 0xf5], "1013, and nothing of what waited");
    }

    #[test]
    fn who_is_behind_for_long_is_told_to_come_back() {
        let outbox = outbox();
        let mut flow = Outflow::new(&outbox, &Arc::default());
        let began = Instant::now();
        let is_too_slow_after =
            |seconds| outbox.is_too_slow(&mut outbox.queue(), began + Duration::from_secs(seconds));
        for _ in 0..3 {
            assert!(outbox.push(&Frame::text("x")));
        }
        assert!(!is_too_slow_after(4), "it has five seconds");
        assert!(is_too_slow_after(7));
        assert!(flow.next().now_or_never().is_some());
        assert!(!is_too_slow_after(7), "it has read");
        for _ in 0..3 {
            assert!(outbox.push(&Frame::text("x")));
        }
        assert!(!is_too_slow_after(4), "and has five seconds anew");
    }

    #[test]
    fn one_large_message_is_not_slowness() {
        let outbox = outbox();
        let _flow = Outflow::new(&outbox, &Arc::default());
        assert!(outbox.push(&Frame::text(&"x".repeat(100_000))));
    }

    #[test]
    fn a_lost_connection_ends_the_queue() {
        let outbox = outbox();
        drop(Outflow::new(&outbox, &Arc::default()));
        assert!(!outbox.push(&Frame::text("x")));
        assert!(outbox.ended().now_or_never().is_some());
    }
}
