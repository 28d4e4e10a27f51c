//! Configuration that lives in the database: settings of the login role, and of the roles it can become.
//!
//! `alter role authenticator set pgrst.db_max_rows = '100'` overrides the service's own settings, as in PostgREST; a value
//! that cannot be read is logged and left out. Keys of tokens are not read from here: tokens are verified before this service.

use std::collections::HashMap;

use db::{Pool, Text};
use serde::de::DeserializeOwned;

use super::load::array;
use super::model::{Isolation, RoleSettings};
use crate::config::Config;
use crate::sql::call_without_arguments;

/// The options that may be set in the database, by PostgREST's names.
const OPTIONS: &[&str] = &[
    "client_error_verbosity",
    "db_aggregates_enabled",
    "db_anon_role",
    "db_extra_search_path",
    "db_hoisted_tx_settings",
    "db_max_rows",
    "db_plan_enabled",
    "db_pre_request",
    "db_root_spec",
    "db_schemas",
    "db_tx_end",
    "openapi_mode",
    "openapi_security_active",
    "openapi_server_proxy_uri",
    "server_cors_allowed_origins",
    "server_timing_enabled",
    "server_trace_header",
    "url_use_legacy_target_names",
];

/// The settings in force, and those of roles by name.
pub(super) async fn read(
    pool: &Pool,
    base: &Config,
) -> Result<(Config, HashMap<String, RoleSettings>), db::Error> {
    let mut session = pool.begin().await?;
    session.batch("set transaction read only").await?;
    if let Some(function) = &base.pre_config {
        session.query(&call_without_arguments(function), &[]).await?;
    }
    let names: Vec<String> = OPTIONS.iter().map(|option| format!("pgrst.{option}")).collect();
    let ran = Text::from(base.pre_config.is_some().to_string());
    let rows = session.query(include_str!("load/settings.sql"), &[&array(&names), &ran]).await?;
    let mut settings = Vec::with_capacity(rows.len());
    for row in &rows {
        settings.push((row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?));
    }
    let rows = session.query(include_str!("load/roles.sql"), &[]).await?;
    let mut roles: HashMap<String, RoleSettings> = HashMap::new();
    for row in &rows {
        let role = roles.entry(row.try_get(0)?).or_default();
        let (name, value): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        if name == "default_transaction_isolation" {
            role.isolation = Some(Isolation::parse(&value));
        } else {
            role.settings.push((name, value));
        }
    }
    session.rollback().await?;
    Ok((overridden(base, &settings), roles))
}

/// Gives roles whose time is limited, and who have set none for themselves, the `statement_timeout`
/// that their requests have anyway: a limit only lowers, so it has to be compared with something.
pub(super) async fn complete_timeouts(
    pool: &Pool,
    config: &Config,
    roles: &mut HashMap<String, RoleSettings>,
) -> Result<(), db::Error> {
    let limited = config.role_limits.iter().filter(|(_, limits)| limits.statement_timeout.is_some());
    let limited: Vec<&String> = limited.map(|(role, _)| role).collect();
    if limited.is_empty() {
        return Ok(());
    }
    let mut session = pool.session().await?;
    let row = session.query_one("select current_setting('statement_timeout')", &[]).await?;
    let own: String = row.try_get(0)?;
    for role in limited {
        let settings = &mut roles.entry(role.clone()).or_default().settings;
        if !settings.iter().any(|(name, _)| name == "statement_timeout") {
            settings.push(("statement_timeout".to_owned(), own.clone()));
        }
    }
    Ok(())
}

/// `base` with those of `settings` that can be read. If the whole makes no sense, nothing of it counts.
fn overridden(base: &Config, settings: &[(String, String)]) -> Config {
    let mut config = base.clone();
    for (option, value) in settings {
        if set(&mut config, option, value).is_none() {
            tracing::warn!(option, "setting in the database cannot be read and is left out");
        }
    }
    let problems = config.check();
    if problems.is_empty() {
        return config;
    }
    tracing::warn!(problems = problems.join("; "), "settings in the database are left out");
    base.clone()
}

/// None if the value is not one of the option.
fn set(config: &mut Config, option: &str, value: &str) -> Option<()> {
    match option {
        "client_error_verbosity" => config.error_verbosity = word(value)?,
        "db_aggregates_enabled" => config.aggregates = boolean(value)?,
        "db_anon_role" => config.anon_role = optional(value),
        "db_extra_search_path" => config.extra_search_path = list(value),
        "db_hoisted_tx_settings" => config.hoisted_settings = list(value),
        "db_max_rows" => config.max_rows = Some(value.trim().parse().ok()?),
        "db_plan_enabled" => config.plan = boolean(value)?,
        "db_pre_request" => config.pre_request = optional(value),
        "db_root_spec" => config.root_spec = optional(value),
        "db_schemas" => config.schemas = list(value),
        "db_tx_end" => config.tx_end = word(value)?,
        "openapi_mode" => config.openapi_mode = word(value)?,
        "openapi_security_active" => config.openapi_security = boolean(value)?,
        "openapi_server_proxy_uri" => config.openapi_proxy_uri = optional(value),
        "server_cors_allowed_origins" => config.cors_origins = list(value),
        "server_timing_enabled" => config.server_timing = boolean(value)?,
        "server_trace_header" => config.trace_header = optional(value),
        "url_use_legacy_target_names" => config.legacy_target_names = boolean(value)?,
        _ => return None,
    }
    Some(())
}

fn boolean(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Some(true),
        "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn optional(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// One of a fixed set of words, as the settings file spells them.
fn word<T: DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::from(value.trim())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{OpenApiMode, TxEnd};

    fn check(settings: &[(&str, &str)]) -> Config {
        let settings: Vec<_> = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        overridden(&Config::default(), &settings)
    }

    #[test]
    fn readable_settings_override() {
        let config = check(&[
            ("db_schemas", "api, private ,"),
            ("db_max_rows", "10"),
            ("db_aggregates_enabled", "True"),
            ("db_tx_end", "rollback-allow-override"),
            ("openapi_mode", "ignore-privileges"),
            ("db_pre_request", ""),
        ]);
        assert_eq!(config.schemas, ["api", "private"]);
        assert_eq!(config.max_rows, Some(10));
        assert!(config.aggregates);
        assert_eq!(config.tx_end, TxEnd::RollbackAllowOverride);
        assert_eq!(config.openapi_mode, OpenApiMode::IgnorePrivileges);
        assert_eq!(config.pre_request, None);
    }

    #[test]
    fn unreadable_settings_are_left_out() {
        let config = check(&[
            ("db_max_rows", "many"),
            ("db_plan_enabled", "perhaps"),
            ("db_tx_end", "x"),
            ("jwt_secret", "y"),
        ]);
        assert_eq!(config, Config::default());
    }

    #[test]
    fn system_schemas_cannot_be_exposed_from_the_database() {
        assert_eq!(check(&[("db_schemas", "pg_catalog"), ("db_max_rows", "1")]), Config::default());
        assert_eq!(check(&[("db_schemas", " , ")]), Config::default());
    }

    #[test]
    fn every_option_is_known() {
        for option in OPTIONS {
            let mut config = Config::default();
            let values = ["true", "1", "commit", "disabled", "minimal"];
            assert!(values.iter().any(|value| set(&mut config, option, value).is_some()), "{option}");
        }
    }
}
