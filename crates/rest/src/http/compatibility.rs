//! What PostgREST 14 does otherwise when it asks the database.

use std::borrow::Cow;

use crate::Shared;
use crate::config::Compatibility;
use crate::error::Error;
use crate::exec::{self, Context, Outcome};
use crate::plan::Plan;
use crate::request::{ApiRequest, Preferences};
use crate::schema::Snapshot;

/// How often a transaction runs at most. PostgREST 14 sets no limit, so that a function that
/// always fails this way never ends.
const TRIES: usize = 10;

/// The SQLSTATE of a serialization failure.
const SERIALIZATION_FAILURE: &str = "40001";

/// Lets a time zone count only if Postgres knows its name. Since 16 the database decides when the
/// zone is set, and so it does here if the names cannot be read.
pub(super) async fn check_timezone(shared: &Shared, snapshot: &Snapshot, preferences: &mut Preferences) {
    if snapshot.config.compatibility != Compatibility::V14 {
        return;
    }
    let Some(zone) = &preferences.timezone else { return };
    match snapshot.zones.contain(&shared.pool, zone).await {
        Ok(true) => {}
        Ok(false) => preferences.disown_timezone(),
        Err(error) => tracing::warn!(%error, "the names of time zones cannot be read"),
    }
}

/// Runs a plan, again if it could not be serialized with others. Since 16 clients are told.
pub(super) async fn run(
    shared: &Shared,
    request: &ApiRequest,
    plan: &Plan<'_>,
    context: Context<'_>,
) -> Result<Option<Outcome>, Error> {
    let tries = match context.config.compatibility {
        Compatibility::V14 => TRIES,
        Compatibility::V16 => 1,
    };
    for _ in 1..tries {
        match exec::run(&shared.fleet, request, plan, context).await {
            Err(error) if error.code() == Cow::Borrowed(SERIALIZATION_FAILURE) => {}
            other => return other,
        }
    }
    exec::run(&shared.fleet, request, plan, context).await
}
