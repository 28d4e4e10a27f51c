//! `TENANT_…` and the other variables of Supabase Realtime.
//!
//! Only names that nobody else uses: `PORT`, `DB_HOST` and their like mean another program's where both are set.

use super::{Names, Row, same};

pub(super) const ROWS: &[Row] = &[
    ("TENANT_MAX_CONCURRENT_USERS", "realtime.max_sockets", same),
    ("TENANT_MAX_CHANNELS_PER_CLIENT", "realtime.max_channels_per_socket", same),
    ("TENANT_MAX_JOINS_PER_SECOND", "realtime.max_joins_per_second", same),
    ("TENANT_MAX_EVENTS_PER_SECOND", "realtime.max_events_per_second", same),
    ("CLIENT_PRESENCE_MAX_CALLS", "realtime.max_presence_calls", same),
    ("CLIENT_PRESENCE_WINDOW_MS", "realtime.presence_window", milliseconds),
    ("CONNECT_ERROR_BACKOFF_MS", "realtime.connect_backoff", milliseconds),
    ("CHANNEL_ERROR_BACKOFF_MS", "realtime.join_backoff", milliseconds),
    ("NO_CHANNEL_TIMEOUT_IN_MS", "realtime.no_channel_timeout", milliseconds),
];

/// What has no meaning here, or is not enforced by upstream either.
const WITHOUT_EFFECT: &[&str] = &[
    "API_JWT_SECRET",
    "BROADCAST_POOL_SIZE",
    "CLUSTER_STRATEGIES",
    "DB_ENC_KEY",
    "DB_REPLICA_HOST",
    "JANITOR_RUN_AFTER_IN_MS",
    "JANITOR_SCHEDULE_TIMER_IN_MS",
    "JWT_CLAIM_VALIDATORS",
    "METRICS_JWT_SECRET",
    "PRESENCE_BROADCAST_PERIOD_IN_MS",
    "PRESENCE_POOL_SIZE",
    "RUN_JANITOR",
    "SEED_SELF_HOST",
    "SELF_HOST_TENANT_NAME",
    "SLOT_NAME_SUFFIX",
    "TENANT_MAX_BYTES_PER_SECOND",
    "WEBSOCKET_MAX_HEAP_SIZE",
];

pub(super) fn translate(into: &mut Names<'_>) {
    into.apply(ROWS);
    WITHOUT_EFFECT.iter().for_each(|name| into.unused(name));
    into.leftovers("GEN_RPC_", &[], &[], &[]);
}

/// A bare number of milliseconds.
#[allow(clippy::unnecessary_wraps)]
fn milliseconds(text: &str) -> Result<String, String> {
    Ok(format!("{text}ms"))
}
