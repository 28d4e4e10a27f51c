//! Tells the webhook what happened to objects.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use kernel::{Stop, Task};

use crate::error::Error;
use crate::service::Service;
use crate::store::events::{self, Event};
use crate::webhook::Webhook;

const EVERY: Duration = Duration::from_secs(1);
/// Events that are told at once.
const AT_ONCE: usize = 8;

/// `None` if there is no webhook.
pub(crate) fn task(service: &Arc<Service>) -> Option<Task> {
    service.webhook.as_ref()?;
    let service = Arc::clone(service);
    Some(Task::new("storage webhooks", move |stop| run(Arc::clone(&service), stop)))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    while !stop.is_stopped() {
        match once(&service).await {
            // There may be more.
            Ok(told) if told > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "could not look for events of objects"),
        }
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Tells some of the events that are due. Returns how many arrived.
pub(crate) async fn once(service: &Service) -> Result<usize, Error> {
    let Some(webhook) = &service.webhook else { return Ok(0) };
    let gone = events::expire(&service.fleet, webhook.patience()).await.map_err(Error::database)?;
    if gone > 0 {
        tracing::error!(gone, "events of objects were not taken in time and are forgotten");
    }
    let due = events::take(&service.fleet).await.map_err(Error::database)?;
    let told: Vec<Option<String>> = stream::iter(due)
        .map(|event| tell(service, webhook, event))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let told: Vec<String> = told.into_iter().flatten().collect();
    if !told.is_empty() {
        events::delete(&service.fleet, &told).await.map_err(Error::database)?;
    }
    Ok(told.len())
}

/// The event's id if it arrived.
async fn tell(service: &Service, webhook: &Webhook, event: Event) -> Option<String> {
    match webhook.tell(&event, &service.clock).await {
        Ok(()) => Some(event.id),
        Err(error) => {
            tracing::warn!(
                error,
                kind = event.kind,
                attempt = event.attempt,
                "the webhook did not take an event"
            );
            None
        }
    }
}
