//! The row changes of a channel: whether it may have them, and what its client is told about that.
//!
//! The join is answered when the stream stands and the database has said that the subscriptions are possible, so
//! nothing is missed after it. All of a channel's subscriptions are possible or none is. One that is not because
//! of what was asked for is not tried again until the publication changes; one that failed for another reason is.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kernel::Identity;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Channel, Flow};
use crate::changes::Item;
use crate::changes::registry::Subscribed;
use crate::changes::wanted::Wanted;
use crate::feed::Losses;
use crate::service::Service;
use crate::socket::Link;
use crate::store::subscription;

/// What a client is told when its changes flow.
const SUBSCRIBED: &str = "Subscribed to PostgreSQL";

/// What it is told when they do not.
const INTERRUPTED: &str = "PostgreSQL changes are interrupted: those made meanwhile are not received";

/// The same, when they will be.
const DELAYED: &str = "PostgreSQL changes are interrupted: those made meanwhile are received later";

/// What it is told before changes flow again, if some will never come.
const LOST: &str = "PostgreSQL changes were lost";

/// How long a join waits for the stream and for the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// Before something is tried again that failed for no reason of the client's, in milliseconds.
const AGAIN: std::ops::Range<u64> = 5_000..10_000;

/// Why there are no changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Impossible {
    /// The client asked for something that cannot be.
    Asked(String),
    /// The database could not be asked.
    Unanswered,
}

impl Impossible {
    fn message(&self) -> &str {
        match self {
            Self::Asked(message) => message,
            Self::Unanswered => "Realtime was unable to connect to the project database",
        }
    }
}

/// What was found out before the join was answered.
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
    pub(super) outcome: Result<(), Impossible>,
}

/// Checks what a join asks for; nothing if it asks for nothing.
pub(super) async fn plan(
    service: &Service,
    params: &[Map<String, Value>],
    caller: &Identity,
) -> Option<Plan> {
    if params.is_empty() {
        return None;
    }
    let wanted = match params.iter().map(Wanted::parse).collect::<Result<Vec<_>, _>>() {
        Ok(wanted) => wanted,
        Err(message) => return Some(Plan { wanted: Vec::new(), outcome: Err(Impossible::Asked(message)) }),
    };
    let mut flows = service.changes.flows.subscribe();
    // If they do not flow, that is told after the answer.
    let _ = timeout(PATIENCE, flows.wait_for(Option::is_some)).await;
    let outcome = check(service, &wanted, caller).await;
    Some(Plan { wanted, outcome })
}

/// Asks the database whether these subscriptions are possible.
async fn check(service: &Service, wanted: &[Wanted], caller: &Identity) -> Result<(), Impossible> {
    let config = service.config();
    let checked = timeout(PATIENCE, async {
        let mut transaction = service.pool.begin().await?;
        for wanted in wanted {
            let claims = caller.claims.text();
            match subscription::insert(&mut transaction, &config.publication, wanted, claims).await {
                Ok(0) => {
                    return Ok(Err(format!(
                        "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the \
                     given connect parameters: {}",
                        wanted.shown()
                    )));
                }
                Ok(_) => {}
                Err(db::Error::Server(error)) => {
                    return Ok(Err(format!(
                        "Unable to subscribe to changes with given parameters. An exception happened so please check your \
                     connect parameters: {}. Exception: ERROR {} ({}) {}",
                        wanted.shown(),
                        error.code,
                        condition(&error.code),
                        error.message
                    )));
                }
                Err(error) => return Err(error),
            }
        }
        transaction.rollback().await?;
        Ok(Ok(()))
    });
    match checked.await {
        Ok(Ok(outcome)) => outcome.map_err(Impossible::Asked),
        Ok(Err(error)) => {
            tracing::warn!(%error, error_code = "UnableToSubscribeToPostgres", "a subscription could not be checked");
            Err(Impossible::Unanswered)
        }
        Err(_) => Err(Impossible::Unanswered),
    }
}

/// Postgres' name of an error.
fn condition(code: &str) -> &'static str {
    match code {
        "P0001" => "raise_exception",
        "22P02" => "invalid_text_representation",
        "22003" => "numeric_value_out_of_range",
        "22007" => "invalid_datetime_format",
        "22008" => "datetime_field_overflow",
        "22001" => "string_data_right_truncation",
        "22023" => "invalid_parameter_value",
        "2201B" => "invalid_regular_expression",
        "22030" => "duplicate_json_object_key_value",
        "23514" => "check_violation",
        "42501" => "insufficient_privilege",
        "42704" => "undefined_object",
        "42703" => "undefined_column",
        "42883" => "undefined_function",
        "42804" => "datatype_mismatch",
        "42846" => "cannot_coerce",
        "42601" => "syntax_error",
        "57014" => "query_canceled",
        _ => "error",
    }
}

/// The changes of a joined channel.
pub(super) struct Changes {
    service: Arc<Service>,
    wanted: Vec<Wanted>,
    /// None if what was asked for cannot be read.
    subscribed: Option<Subscribed>,
    outcome: Result<(), Impossible>,
    flows: watch::Receiver<Option<Losses>>,
    /// Of which it has been told.
    losses: Option<Losses>,
    /// Where the client was, until it is given what it missed.
    since: Option<String>,
    publication: watch::Receiver<u64>,
    again_at: Option<Instant>,
}

/// What may happen to the changes of a channel.
pub(super) enum Happened {
    /// Changes flow, or not any more.
    Stream(Option<Losses>),
    /// They may be possible now, or not any more.
    Recheck,
}

impl Changes {
    pub(super) fn new(
        link: &Rc<Link>,
        plan: Plan,
        subscribed: Option<Subscribed>,
        since: Option<String>,
    ) -> Box<Self> {
        let service = Arc::clone(&link.service);
        Box::new(Self {
            wanted: plan.wanted,
            subscribed,
            outcome: plan.outcome,
            flows: service.changes.flows.subscribe(),
            losses: None,
            since,
            publication: service.changes.publication.subscribe(),
            again_at: None,
            service,
        })
    }

    /// Waits until something happens. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Happened {
        let again_at = self.again_at;
        let again = async move {
            match again_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // The senders live as long as the service.
        tokio::select! {
            biased;
            _ = self.publication.changed() => Happened::Recheck,
            _ = self.flows.changed() => Happened::Stream(*self.flows.borrow_and_update()),
            () = again => Happened::Recheck,
        }
    }
}

impl Channel {
    /// Tells the client whether its changes flow, right behind the answer to its join.
    pub(super) fn greet_with_changes(&mut self) {
        let Some(changes) = &mut self.changes else { return };
        let flows = *changes.flows.borrow_and_update();
        changes.losses = flows;
        let resumed = changes.since.take().zip(changes.subscribed.as_ref().map(Subscribed::id));
        self.tell_of_changes(flows.is_some());
        if let Some((since, receiver)) = resumed {
            let since = Some(since).filter(|since| !since.is_empty());
            self.link.service.changes.push(Item::Resume { receiver, since });
        }
    }

    pub(super) async fn changes_happened(&mut self, happened: Happened) {
        match happened {
            Happened::Stream(flows) => {
                let Some(changes) = self.changes.as_mut().filter(|changes| changes.outcome.is_ok()) else {
                    return;
                };
                let before = match flows {
                    Some(now) => changes.losses.replace(now).filter(|before| *before != now),
                    None => None,
                };
                if before.is_some() {
                    self.system("postgres_changes", false, LOST);
                }
                self.tell_of_changes(flows.is_some());
            }
            Happened::Recheck => self.recheck_changes().await,
        }
    }

    /// Says how it is.
    fn tell_of_changes(&mut self, flows: bool) {
        let Some(changes) = &mut self.changes else { return };
        let told = match &changes.outcome {
            Err(impossible) => {
                changes.again_at = (*impossible == Impossible::Unanswered)
                    .then(|| Instant::now() + Duration::from_millis(rand::random_range(AGAIN)));
                Err(impossible.message().to_owned())
            }
            Ok(()) if flows => Ok(()),
            Ok(()) if changes.service.config().durable_slot => Err(DELAYED.to_owned()),
            Ok(()) => Err(INTERRUPTED.to_owned()),
        };
        match told {
            Ok(()) => self.system("postgres_changes", true, SUBSCRIBED),
            Err(message) => {
                tracing::info!(
                    message,
                    error_code = "RealtimeDisabledForConfiguration",
                    "changes do not flow"
                );
                self.system("postgres_changes", false, &message);
            }
        }
    }

    /// Asks again whether the subscriptions are possible for who the client is now.
    async fn recheck_changes(&mut self) {
        let identity = Arc::clone(&self.caller.identity);
        let Some(changes) = &mut self.changes else { return };
        changes.again_at = None;
        let Some(subscribed) = &changes.subscribed else { return };
        changes.outcome = check(&changes.service, &changes.wanted, &identity).await;
        match &changes.outcome {
            Ok(()) => subscribed.set_identity(Some(identity)),
            Err(Impossible::Asked(_)) => subscribed.set_identity(None),
            // What held before holds until it is known.
            Err(Impossible::Unanswered) => {}
        }
        let flows = changes.flows.borrow().is_some();
        self.tell_of_changes(flows);
    }

    /// Takes a new token over to the changes. What may be subscribed to depends on the role alone.
    pub(super) async fn refresh_changes(&mut self, role_before: &str) -> Flow {
        let identity = Arc::clone(&self.caller.identity);
        let Some(changes) = &mut self.changes else { return Flow::On };
        if identity.role.as_str() != role_before || changes.outcome.is_err() {
            self.recheck_changes().await;
            return Flow::On;
        }
        if let Some(subscribed) = &changes.subscribed {
            subscribed.set_identity(Some(identity));
        }
        let flows = changes.flows.borrow().is_some();
        self.tell_of_changes(flows);
        Flow::On
    }
}
