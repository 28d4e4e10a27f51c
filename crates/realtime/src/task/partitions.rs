//! Makes the partitions of the days to come and drops those of days gone by.

use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use db::Error;
use kernel::Task;

use crate::service::Service;
use crate::store::partition;

/// How often.
const PAUSE: Duration = Duration::from_secs(3600);

/// Days ahead for which there are partitions.
const AHEAD: u64 = 3;

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("realtime partitions", move |mut stop| {
        let service = Arc::clone(&service);
        async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stop.stopped() => return,
                }
                if let Err(error) = keep(&service).await {
                    tracing::error!(%error, error_code = "PartitionCreationFailed", "partitions of realtime.messages");
                }
            }
        }
    })
}

/// What there should be on `today`: partitions to make, and to drop.
fn plan(today: NaiveDate, retention: u32, existing: &[NaiveDate]) -> (Vec<NaiveDate>, Vec<NaiveDate>) {
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let wanted = (0..=AHEAD + 1).filter_map(|n| yesterday.checked_add_days(Days::new(n)));
    let missing = wanted.filter(|day| !existing.contains(day)).collect();
    let oldest = today.checked_sub_days(Days::new(retention.into())).unwrap_or(NaiveDate::MIN);
    let stale = existing.iter().filter(|day| **day < oldest).copied().collect();
    (missing, stale)
}

/// Brings the partitions in order.
pub(crate) async fn keep(service: &Service) -> Result<(), Error> {
    let mut session = service.pool.session().await?;
    let existing = partition::list(&mut session).await?;
    let (missing, stale) = plan(service.clock.now().date_naive(), service.config().retention_days, &existing);
    for day in missing {
        partition::create(&mut session, day).await?;
    }
    for day in stale {
        partition::drop(&mut session, day).await?;
        tracing::info!(%day, "dropped the messages of a day");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn days_ahead_are_made_and_old_ones_dropped() {
        let existing = [day("2026-02-24"), day("2026-02-25"), day("2026-02-28")];
        let (missing, stale) = plan(day("2026-02-28"), 3, &existing);
        let expected = ["2026-02-27", "2026-03-01", "2026-03-02", "2026-03-03"].map(day);
        assert_eq!(missing, expected);
        assert_eq!(stale, [day("2026-02-24")]);
    }
}
