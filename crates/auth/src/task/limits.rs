//! Writes down how many mails and messages may still be sent, so that a start does not forget it.
//!
//! Woken when one is sent, at most once a second, and a last time when the process stops: one that is
//! killed forgets what it sent within the last second.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::{Stop, Task};

use crate::rate::{Limiter, Limits};
use crate::service::Service;
use crate::store::limits;

const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The limits of the whole server, by name.
fn named(limits: &Limits) -> [(&'static str, &Limiter<()>); 2] {
    [("email_sent", &limits.email), ("sms_sent", &limits.sms)]
}

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("auth limits", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    while !stop.is_stopped() {
        tokio::select! {
            () = stop.stopped() => {}
            () = service.sent.notified() => {}
        }
        if let Err(error) = save(&service).await {
            tracing::warn!(%error, "the limits of messages cannot be written down");
        }
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(AT_MOST_EVERY) => {}
        }
    }
}

async fn save(service: &Service) -> Result<(), db::Error> {
    let settings = service.settings.load_full();
    let mut session = service.pool.session().await?;
    for (name, limiter) in named(&settings.limits) {
        if let Some((tokens, at)) = limiter.bucket(&()) {
            limits::put(&mut session, name, tokens, at).await?;
        }
    }
    Ok(())
}

/// Goes on where the process before this one was.
pub(crate) async fn load(pool: &db::Pool, into: &Limits, now: DateTime<Utc>) -> Result<(), db::Error> {
    let mut session = pool.session().await?;
    for (name, limiter) in named(into) {
        if let Some((tokens, at)) = limits::find(&mut session, name).await? {
            limiter.set_bucket((), tokens, at.min(now));
        }
    }
    Ok(())
}
