//! The publication and the slot, looked at now and then.
//!
//! Nobody is told when a table joins or leaves a publication, so its tables are compared with those of the last
//! time, also whenever the stream stands anew: only then changes flow. The slot keeps the log of the server from being removed: if we fall so far behind that half of what the
//! server would keep for us is used up, the stream is given up and made anew, and what was missed is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use db::{Error, Session};
use kernel::{Stop, Task};
use tokio::time::sleep;

use crate::service::Service;
use crate::store::{publication, slot, table};

/// Before a database that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// The task that looks.
pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("realtime publication", move |stop| {
        let service = Arc::clone(&service);
        async move { run(&service, stop).await }
    })
}

async fn run(service: &Service, mut stop: Stop) {
    let mut stands = service.feed.stands();
    let mut last = None;
    loop {
        let mut pause = service.config().publication_check.0;
        let losses = *stands.borrow_and_update();
        if losses.is_none() {
            // Said once for an outage, however often the stream fails to come back.
            service.changes.flows.send_if_modified(|flows| flows.take().is_some());
        } else if let Err(error) = look(service, &mut last).await {
            tracing::debug!(%error, "the publication could not be looked at");
            pause = pause.min(AGAIN);
        } else {
            service.changes.flows.send_if_modified(|flows| std::mem::replace(flows, losses) != losses);
        }
        tokio::select! {
            () = sleep(pause) => {}
            // The sender lives as long as the service.
            _ = stands.changed() => {}
            () = stop.stopped() => return,
        }
    }
}

async fn look(service: &Service, last: &mut Option<(bool, String)>) -> Result<(), Error> {
    let config = service.config();
    let name = config.publication.as_str();
    let mut session = service.pool.session().await?;
    let exists = publication::existing(&mut session, &[name]).await?.len() == 1;
    let mut now = (exists, table::published(&mut session, name).await?);
    match last.as_ref() {
        Some(before) if before.0 != now.0 => {
            tracing::info!(publication = name, exists, "the publication of row changes came or went");
            service.follow.restart.notify_one();
            // Subscriptions follow when the stream has.
            now.1.clear();
        }
        Some(before) if *before != now => service.changes.publication.send_modify(|count| *count += 1),
        _ => {}
    }
    *last = Some(now);
    match service.follow.slot() {
        Some(slot) => look_at_slot(service, &mut session, &slot).await,
        None => Ok(()),
    }
}

/// Nobody is to fill a disk, and nobody is to lose changes without a word.
async fn look_at_slot(service: &Service, session: &mut Session, slot: &str) -> Result<(), Error> {
    let Some(health) = slot::health(session, slot).await? else { return Ok(()) };
    let figure = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
    service.follow.lag.store(figure(health.lag), Ordering::Relaxed);
    service.follow.bound.store(figure(health.bound), Ordering::Relaxed);
    if !health.is_in_danger() {
        return Ok(());
    }
    service.metrics.error("ReplicationSlotLagTooHigh");
    if service.config().durable_slot {
        // It is kept for as long as Postgres keeps it.
        tracing::warn!(
            slot,
            bytes = health.lag,
            error_code = "ReplicationSlotLagTooHigh",
            "the stream of changes is far behind: Postgres gives it up at max_slot_wal_keep_size, and changes are lost then"
        );
        return Ok(());
    }
    tracing::warn!(
        slot,
        bytes = health.lag,
        error_code = "ReplicationSlotLagTooHigh",
        "the stream of changes fell too far behind and begins anew; changes in between are lost"
    );
    service.follow.restart.notify_one();
    Ok(())
}
