//! `PGRST_…`: the options of PostgREST.
//!
//! An empty text unsets an option, as it does there; for the search path it means "none".

use super::{Names, Row, same};

pub(super) const ROWS: &[Row] = &[
    ("PGRST_DB_SCHEMA", "rest.schemas", same),
    ("PGRST_DB_SCHEMAS", "rest.schemas", same),
    ("PGRST_DB_EXTRA_SEARCH_PATH", "rest.extra_search_path", same),
    ("PGRST_MAX_ROWS", "rest.max_rows", same),
    ("PGRST_DB_MAX_ROWS", "rest.max_rows", same),
    ("PGRST_DB_ANON_ROLE", "rest.anon_role", same),
    ("PGRST_DB_AGGREGATES_ENABLED", "rest.aggregates", same),
    ("PGRST_DB_PLAN_ENABLED", "rest.plan", same),
    ("PGRST_DB_TX_END", "rest.tx_end", same),
    ("PGRST_PRE_REQUEST", "rest.pre_request", same),
    ("PGRST_DB_PRE_REQUEST", "rest.pre_request", same),
    ("PGRST_DB_PRE_CONFIG", "rest.pre_config", same),
    ("PGRST_DB_CONFIG", "rest.in_database", same),
    ("PGRST_ROOT_SPEC", "rest.root_spec", same),
    ("PGRST_DB_ROOT_SPEC", "rest.root_spec", same),
    ("PGRST_DB_HOISTED_TX_SETTINGS", "rest.hoisted_settings", same),
    ("PGRST_DB_CHANNEL", "rest.channel", same),
    ("PGRST_DB_CHANNEL_ENABLED", "rest.channel_enabled", same),
    ("PGRST_DB_PREPARED_STATEMENTS", "database.prepared_statements", same),
    ("PGRST_DB_POOL", "database.pool_size", same),
    ("PGRST_DB_POOL_TIMEOUT", "database.pool_wait", same),
    ("PGRST_DB_POOL_ACQUISITION_TIMEOUT", "database.pool_wait", same),
    ("PGRST_DB_POOL_MAX_LIFETIME", "database.max_lifetime", same),
    ("PGRST_DB_POOL_MAX_IDLETIME", "database.max_idle", same),
    ("PGRST_OPENAPI_MODE", "rest.openapi_mode", same),
    ("PGRST_OPENAPI_SERVER_PROXY_URI", "rest.openapi_proxy_uri", same),
    ("PGRST_OPENAPI_SECURITY_ACTIVE", "rest.openapi_security", same),
    ("PGRST_SERVER_TIMING_ENABLED", "rest.server_timing", same),
    ("PGRST_SERVER_TRACE_HEADER", "rest.trace_header", same),
    ("PGRST_SERVER_CORS_ALLOWED_ORIGINS", "rest.cors_origins", same),
    ("PGRST_URL_USE_LEGACY_TARGET_NAMES", "rest.legacy_target_names", same),
    ("PGRST_CLIENT_ERROR_VERBOSITY", "rest.error_verbosity", same),
    ("PGRST_JWT_AUD", "jwt.audience", same),
    ("PGRST_ROLE_CLAIM_KEY", "jwt.role_claim", same),
    ("PGRST_JWT_ROLE_CLAIM_KEY", "jwt.role_claim", same),
    ("PGRST_SECRET_IS_BASE64", "jwt.secret_is_base64", same),
    ("PGRST_JWT_SECRET_IS_BASE64", "jwt.secret_is_base64", same),
    ("PGRST_JWT_CACHE_MAX_ENTRIES", "jwt.cache_entries", same),
    ("PGRST_LOG_LEVEL", "log.level", log_level),
];

/// Options that code below reads.
const HANDLED: &[&str] = &["PGRST_DB_URI", "PGRST_JWT_SECRET", "PGRST_SERVER_HOST", "PGRST_SERVER_PORT"];
/// Beginnings of options about things that are done differently here.
const QUIET: &[&str] =
    &["ADMIN_SERVER_", "DB_POOL_AUTOMATIC_RECOVERY", "LOG_QUERY", "SERVER_REUSEPORT", APP_SETTINGS];
const APP_SETTINGS: &str = "APP_SETTINGS_";

pub(super) fn translate(into: &mut Names<'_>, alone: bool) {
    for (name, path, rewrite) in ROWS {
        match into.environment.get(*name) {
            // A list that may be empty, or an option that may be unset.
            Some(text) if text.is_empty() => {
                let unset = into.known.leaves.get(*path).is_some_and(|leaf| leaf.optional);
                if unset || *path == "rest.extra_search_path" {
                    into.assign(name, path, Ok(String::new()));
                }
            }
            Some(text) => into.assign(name, path, rewrite(text)),
            None => {}
        }
    }
    secret(into);
    listen(into);
    for (name, text) in into.environment {
        if let Some(setting) = name.strip_prefix("PGRST_").and_then(|rest| rest.strip_prefix(APP_SETTINGS)) {
            into.assign(name, &format!("rest.app_settings.{setting}"), Ok(text.clone()));
        }
    }
    // Its role can serve requests but not prepare a database, so it means nothing to the others.
    if let Some(uri) = into.get("PGRST_DB_URI").map(file) {
        if alone {
            into.assign("PGRST_DB_URI", "database.url", Ok(uri));
        } else {
            into.unused("PGRST_DB_URI");
        }
    }
    into.leftovers("PGRST_", ROWS, HANDLED, QUIET);
}

/// PostgREST's spelling of "read it from this file".
fn file(text: &str) -> String {
    text.strip_prefix('@').map_or_else(|| text.to_owned(), |path| format!("file:{path}"))
}

/// A plain secret, or keys.
fn secret(into: &mut Names<'_>) {
    if let Some(text) = into.get("PGRST_JWT_SECRET").map(file) {
        let path = if text.trim_start().starts_with('{') { "jwt.jwks" } else { "jwt.secret" };
        into.assign("PGRST_JWT_SECRET", path, Ok(text));
    }
}

/// Host and port, each with a default.
fn listen(into: &mut Names<'_>) {
    let (host, port) = (into.get("PGRST_SERVER_HOST"), into.get("PGRST_SERVER_PORT"));
    let name = match (host, port) {
        (None, None) => return,
        (Some(_), _) => "PGRST_SERVER_HOST",
        (None, Some(_)) => "PGRST_SERVER_PORT",
    };
    let host = match host {
        Some("!4" | "*4" | "*") => "0.0.0.0",
        Some("!6" | "*6") => "[::]",
        Some("localhost") | None => "127.0.0.1",
        Some(host) => host,
    };
    let listen = format!("{host}:{}", port.unwrap_or("3000"));
    into.assign(name, "server.listen", Ok(listen));
}

#[allow(clippy::unnecessary_wraps)]
fn log_level(text: &str) -> Result<String, String> {
    Ok(if text == "crit" { "error".to_owned() } else { text.to_owned() })
}
