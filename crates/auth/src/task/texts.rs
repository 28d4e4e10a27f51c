//! Fetches the templates of mails that come from elsewhere, every ten minutes; sooner after a failure.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Stop, Task};

use crate::mail;
use crate::service::Service;

const EVERY: Duration = Duration::from_secs(600);
const AFTER_FAILURE: Duration = Duration::from_secs(10);

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("auth mail templates", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    while !stop.is_stopped() {
        let settings = service.settings.load_full();
        let all = mail::refresh(&settings.wordings.mail, &service.outbox.outbound).await;
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(if all { EVERY } else { AFTER_FAILURE }) => {}
        }
    }
}
