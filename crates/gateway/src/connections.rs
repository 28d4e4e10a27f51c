//! All connections to the database that the services hold.

use std::time::Duration;

use db::{Fleet, Pool};
use kernel::Task;

/// Those of every service. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Connections {
    pools: Vec<Pool>,
    fleets: Vec<Fleet>,
}

impl Connections {
    /// Keeps a pool in order from now on.
    pub(crate) fn pool(&mut self, pool: &Pool) {
        self.pools.push(pool.clone());
    }

    /// Keeps a fleet in order from now on.
    pub(crate) fn fleet(&mut self, fleet: &Fleet) {
        self.fleets.push(fleet.clone());
    }

    /// Closes connections that nobody uses, so that an idle installation is small.
    pub(crate) fn reaper(&self) -> Task {
        let all = self.clone();
        Task::new("connections", move |mut stop| {
            let all = all.clone();
            async move {
                loop {
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(10)) => all.reap(),
                        () = stop.stopped() => return,
                    }
                }
            }
        })
    }

    fn reap(&self) {
        self.pools.iter().for_each(Pool::reap);
        self.fleets.iter().for_each(Fleet::reap);
    }

    /// Closes all: there are no requests any more.
    pub(crate) fn close(&self) {
        self.pools.iter().for_each(Pool::close);
        self.fleets.iter().for_each(Fleet::close);
    }
}
