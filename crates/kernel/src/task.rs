//! Background work as a value: services name it, the gateway runs and supervises it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

type Run = dyn Fn(Stop) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// A named loop. It ends when told to stop; if it ends or panics before, it is started again.
#[derive(Clone)]
pub struct Task {
    name: &'static str,
    run: Arc<Run>,
}

impl Task {
    /// A task called `name` whose every run is the future that `run` makes.
    pub fn new<F, R>(name: &'static str, run: F) -> Self
    where
        F: Fn(Stop) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self { name, run: Arc::new(move |stop| Box::pin(run(stop))) }
    }

    /// The name in logs and health reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// One run.
    #[must_use]
    pub fn run(&self, stop: Stop) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        (self.run)(stop)
    }
}

/// The signal to stop; cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// The other end of [`Stop`]: dropping it stops everyone too.
#[derive(Debug)]
pub struct StopHandle(watch::Sender<bool>);

impl Stop {
    /// A signal and the handle that gives it.
    #[must_use]
    pub fn pair() -> (StopHandle, Self) {
        let (sender, receiver) = watch::channel(false);
        (StopHandle(sender), Self(receiver))
    }

    /// Returns when it is time to stop, at once if it is already.
    pub async fn stopped(&mut self) {
        // An error means that the handle is gone, which is the same request.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// True if it is time to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

impl StopHandle {
    /// Tells every holder of the signal to stop.
    pub fn stop(&self) {
        let _ = self.0.send(true);
    }
}
