//! The publication and the slot, looked at now and then.
//!
//! Nobody is told when a table joins or leaves a publication, so its tables are compared with those of the last
//! time, also whenever the stream stands anew: only then changes flow. The slot keeps the log of the server from being removed: if we fall so far behind that half of what the
//! server would keep for us is used up, the stream is given up and made anew, and what was missed is lost.

use std::sync::Arc;
use std::time::Duration;

use db::Error;
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
    let mut stands = service.stands.subscribe();
    let mut last = None;
    loop {
        let mut pause = service.config.publication_check.0;
        if !*stands.borrow_and_update() {
            // Said once for an outage, however often the stream fails to come back.
            service.changes.flows.send_if_modified(std::mem::take);
        } else if let Err(error) = look(service, &mut last).await {
            tracing::debug!(%error, "the publication could not be looked at");
            pause = pause.min(AGAIN);
        } else {
            service.changes.flows.send_if_modified(|flows| !std::mem::replace(flows, true));
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
    let name = service.config.publication.as_str();
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
    let slot = service.follow.slot();
    if let Some(slot) = slot
        && slot::is_in_danger(&mut session, &slot).await?
    {
        tracing::warn!(
            slot,
            error_code = "ReplicationSlotLagTooHigh",
            "the stream of changes fell too far behind and begins anew; changes in between are lost"
        );
        service.follow.restart.notify_one();
    }
    Ok(())
}
