//! Work that bytes pass piece by piece, beside whoever hands them in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::Error;

/// Pieces that may wait, the one at hand included. With fewer the work would stand still now and then
/// between two pieces; more would only take memory.
const WAITING: usize = 3;

/// Takes pieces in turn. A thread is busy with them as long as there are any, and none while there are
/// not: a client that is slow holds no thread.
pub(crate) struct Lane<T> {
    work: fn(&mut T, &Bytes) -> Result<(), Error>,
    stage: Stage<T>,
    queue: Arc<Mutex<Queue>>,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Queue {
    pieces: VecDeque<(Bytes, OwnedSemaphorePermit)>,
    /// A thread will take what is in it.
    is_served: bool,
}

enum Stage<T> {
    Free(T),
    Busy(JoinHandle<Result<T, Error>>),
}

impl<T: Send + 'static> Stage<T> {
    async fn end(self) -> Result<T, Error> {
        match self {
            Self::Free(state) => Ok(state),
            Self::Busy(work) => work.await.map_err(|error| Error::Io(std::io::Error::other(error)))?,
        }
    }
}

impl<T: Send + 'static> Lane<T> {
    pub(crate) fn new(state: T, work: fn(&mut T, &Bytes) -> Result<(), Error>) -> Self {
        let room = Arc::new(Semaphore::new(WAITING));
        Self { work, stage: Stage::Free(state), queue: Arc::default(), room }
    }

    /// Hands in the next piece, once there is room for it.
    ///
    /// # Errors
    ///
    /// What the work said of a piece before.
    pub(crate) async fn pass(mut self, piece: Bytes) -> Result<Self, Error> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.map_err(|error| Error::Io(std::io::Error::other(error)))?;
        let is_served = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.pieces.push_back((piece, room));
            std::mem::replace(&mut queue.is_served, true)
        };
        if !is_served {
            let mut state = self.stage.end().await?;
            let (work, queue) = (self.work, Arc::clone(&self.queue));
            self.stage = Stage::Busy(spawn_blocking(move || serve(&mut state, work, &queue).map(|()| state)));
        }
        Ok(self)
    }

    /// Waits for all of them.
    ///
    /// # Errors
    ///
    /// What the work said.
    pub(crate) async fn end(self) -> Result<T, Error> {
        self.stage.end().await
    }
}

/// Works until nothing waits any more, or something fails: then all that waits is given up, and whoever
/// comes next learns of it.
fn serve<T>(
    state: &mut T,
    work: fn(&mut T, &Bytes) -> Result<(), Error>,
    queue: &Mutex<Queue>,
) -> Result<(), Error> {
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let next = {
            let mut queue = lock();
            queue.is_served = !queue.pieces.is_empty();
            queue.pieces.pop_front()
        };
        let Some((piece, room)) = next else { return Ok(()) };
        if let Err(error) = work(state, &piece) {
            *lock() = Queue::default();
            return Err(error);
        }
        drop((piece, room));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn gather(all: &mut Vec<u8>, piece: &Bytes) -> Result<(), Error> {
        if piece.is_empty() {
            return Err(Error::Full);
        }
        all.extend_from_slice(piece);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn pieces_keep_their_order_and_none_is_left() {
        let mut lane = Lane::new(Vec::new(), gather);
        let all: Vec<u8> = (0..2000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for piece in all.chunks(7) {
            lane = lane.pass(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert_eq!(lane.end().await.unwrap(), all);
    }

    #[tokio::test]
    async fn a_failure_is_told_and_nobody_waits_for_room_for_ever() {
        let mut lane = Lane::new(Vec::new(), gather);
        let mut told = None;
        for _ in 0..20 {
            match lane.pass(Bytes::new()).await {
                Ok(next) => lane = next,
                Err(error) => {
                    told = Some(error);
                    break;
                }
            }
        }
        assert!(matches!(told, Some(Error::Full)), "{told:?}");
    }
}
