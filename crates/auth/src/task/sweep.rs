//! Removes what nobody needs any more, a little every minute, so that tables stay small.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use kernel::{Stop, Task};

use crate::access_token::delta;
use crate::service::Service;
use crate::store::sweep;

const EVERY: Duration = Duration::from_secs(60);
/// Sessions are kept this long after they ended.
const GRACE: TimeDelta = TimeDelta::hours(24);

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("auth sweep", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    while !stop.is_stopped() {
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        match once(&service).await {
            Ok(gone) => tracing::debug!(?gone, "swept"),
            Err(error) => tracing::warn!(%error, "could not sweep"),
        }
    }
}

async fn once(service: &Service) -> Result<Vec<(&'static str, u64)>, db::Error> {
    let (now, settings) = (service.clock.now(), service.settings.load_full());
    let mut session = service.pool.session().await?;
    let mut gone = sweep::run(&mut session, now).await?;
    let rules = &settings.config.sessions;
    let before = |limit: Option<kernel::units::Span>| limit.map(|limit| now - delta(limit) - GRACE);
    if rules.timebox.is_some() || rules.inactivity_timeout.is_some() {
        let (born, used) = (before(rules.timebox), before(rules.inactivity_timeout));
        gone.push(("expired sessions", sweep::delete_expired_sessions(&mut session, born, used).await?));
    }
    Ok(gone)
}
