//! How many pictures are made at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::available_parallelism;

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::cache::Name;
use crate::config::Images;

/// Permits count kibibytes: there are at most 2^32.
const UNIT: u64 = 1024;

/// Places at the work bench, and before its door.
pub(crate) struct Pool {
    /// Those who work and those who wait.
    entrance: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    most_memory: u64,
    /// What is being made.
    flights: Mutex<HashMap<Name, Weak<tokio::sync::Mutex<()>>>>,
}

/// The right to make one picture; given back when it is dropped.
pub(crate) struct Place {
    memory: Arc<Semaphore>,
    most_memory: u64,
    _entrance: OwnedSemaphorePermit,
    _worker: OwnedSemaphorePermit,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(crate) fn new(config: &Images) -> Self {
        let workers = match config.workers {
            // The other half is for everybody else.
            0 => available_parallelism().map_or(1, usize::from).div_ceil(2),
            workers => workers as usize,
        };
        let most_memory = (config.memory.0 / UNIT).clamp(1, u64::from(u32::MAX));
        let memory = usize::try_from(most_memory).unwrap_or(1);
        Self {
            entrance: Arc::new(Semaphore::new(workers + config.queue as usize)),
            workers: Arc::new(Semaphore::new(workers)),
            memory: Arc::new(Semaphore::new(memory)),
            most_memory,
            flights: Mutex::default(),
        }
    }

    /// A place, as soon as there is one; `None` if too many wait already.
    pub(crate) async fn enter(&self) -> Option<Place> {
        let entrance = Arc::clone(&self.entrance).try_acquire_owned().ok()?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.ok()?;
        Some(Place {
            memory: Arc::clone(&self.memory),
            most_memory: self.most_memory,
            _entrance: entrance,
            _worker: worker,
            _memory: None,
        })
    }

    /// The right to be the only one who makes this.
    pub(crate) async fn alone(&self, name: &Name) -> OwnedMutexGuard<()> {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(name).and_then(Weak::upgrade) {
                Some(flight) => flight,
                None => {
                    flights.retain(|_, flight| flight.strong_count() > 0);
                    let flight = Arc::default();
                    flights.insert(name.clone(), Arc::downgrade(&flight));
                    flight
                }
            }
        };
        flight.lock_owned().await
    }
}

impl Place {
    /// Waits until so many bytes are free. False if there will never be so many.
    pub(crate) async fn take_memory(&mut self, bytes: u64) -> bool {
        let units = bytes.div_ceil(UNIT);
        if units > self.most_memory {
            return false;
        }
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self._memory = Arc::clone(&self.memory).acquire_many_owned(units).await.ok();
        self._memory.is_some()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kernel::units::Bytes;

    use super::*;

    #[tokio::test]
    async fn places_are_few() {
        let pool = Pool::new(&Images { workers: 1, queue: 1, memory: Bytes(4096), ..Images::default() });
        let mut first = pool.enter().await.unwrap();
        assert!(!first.take_memory(4097).await);
        assert!(first.take_memory(4000).await);
        let pool = Arc::new(pool);
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.enter().await.is_some() }
        });
        while pool.entrance.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(pool.enter().await.is_none());
        drop(first);
        assert!(waiting.await.unwrap());
        assert!(pool.enter().await.is_some());
        assert_eq!(pool.memory.available_permits(), 4);
    }
}
