//! The settings of the data API, one per option of PostgREST that is not about listening,
//! pools or tokens. Defaults are PostgREST's unless Supabase's are stricter.

use std::collections::BTreeMap;

use kernel::units::{Bytes, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the data API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The schemas that are served. The first is the default, the others are chosen by the
    /// headers `Accept-Profile` and `Content-Profile`.
    pub schemas: Vec<String>,
    /// Schemas that are on the search path after the served one, but not served themselves.
    pub extra_search_path: Vec<String>,
    /// The greatest number of rows of an answer, at every level of embedding; none for no limit.
    pub max_rows: Option<u32>,
    /// The role of callers without a token. Missing rights are a 401 for it and a 403 for others.
    pub anon_role: Option<String>,
    /// Allow `sum()`, `avg()`, `max()`, `min()` and `count()` in `select`.
    pub aggregates: bool,
    /// Show execution plans to clients that ask for `application/vnd.pgrst.plan`.
    pub plan: bool,
    /// How transactions end, and whether `Prefer: tx=` may say otherwise.
    pub tx_end: TxEnd,
    /// A function that runs first in every transaction, `schema.name` or `name`.
    pub pre_request: Option<String>,
    /// A function that sets further settings when the service reads its configuration.
    pub pre_config: Option<String>,
    /// Read further settings from those of the login role (`alter role … set pgrst.…`).
    pub in_database: bool,
    /// A function whose result is the answer at `/`.
    pub root_spec: Option<String>,
    /// Settings of a function (`create function … set …`) that apply to its whole transaction.
    pub hoisted_settings: Vec<String>,
    /// What the description at `/` shows.
    pub openapi_mode: OpenApiMode,
    /// The URL under which clients reach the service, for the description at `/`.
    pub openapi_proxy_uri: Option<String>,
    /// Describe the `Authorization` header in the description at `/`.
    pub openapi_security: bool,
    /// Send `Server-Timing`.
    pub server_timing: bool,
    /// A request header that is sent back with every answer.
    pub trace_header: Option<String>,
    /// Answer preflights and send CORS headers here, for a service without a gateway before it.
    pub cors: bool,
    /// Origins that may send credentials; empty for any origin, without credentials.
    pub cors_origins: Vec<String>,
    /// Let an embed with an alias also be reached by its relation's name in filters, orders and
    /// limits.
    pub legacy_target_names: bool,
    /// The line of PostgREST whose answers are given where lines differ. With `14`: a
    /// `Prefer: timezone` that Postgres does not know is no error unless handling is strict, a
    /// serialization failure is tried again, and the headers `Vary` and `Warning` are not sent.
    pub compatibility: Compatibility,
    /// How much an error says.
    pub error_verbosity: Verbosity,
    /// The channel whose notifications reload the schema.
    pub channel: String,
    /// Listen on `channel`.
    pub channel_enabled: bool,
    /// The largest body of a request.
    pub max_body: Bytes,
    /// Settings that SQL reads with `current_setting('app.settings.<name>')`, by name.
    pub app_settings: BTreeMap<String, String>,
    /// Limits of single roles, by role: `statement_timeout` (a duration), `max_rows`,
    /// `max_embed_depth` (levels of embeds) and `max_plan_cost` (the planner's estimate). They
    /// lower what holds anyway and never raise it.
    pub role_limits: BTreeMap<String, Limits>,
}

/// What one role may ask for, as far as it is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How long a statement may take.
    pub statement_timeout: Option<Span>,
    /// The greatest number of rows of an answer, at every level of embedding.
    pub max_rows: Option<u32>,
    /// How many levels of embeds an answer may have; 0 for none.
    pub max_embed_depth: Option<u32>,
    /// The cost that the planner may estimate for a statement, in its own units. The estimate is
    /// asked for before the statement runs, with a round trip of its own.
    pub max_plan_cost: Option<u64>,
}

/// How transactions end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TxEnd {
    /// By commit, always.
    #[default]
    Commit,
    /// By commit unless the client says `Prefer: tx=rollback`.
    CommitAllowOverride,
    /// By rollback, always.
    Rollback,
    /// By rollback unless the client says `Prefer: tx=commit`.
    RollbackAllowOverride,
}

impl TxEnd {
    /// True if `Prefer: tx=` counts.
    #[must_use]
    pub fn allows_override(self) -> bool {
        matches!(self, Self::CommitAllowOverride | Self::RollbackAllowOverride)
    }

    /// True if transactions are rolled back unless the client says otherwise.
    #[must_use]
    pub fn rolls_back(self) -> bool {
        matches!(self, Self::Rollback | Self::RollbackAllowOverride)
    }
}

/// What the description at `/` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OpenApiMode {
    /// What the caller's role has any right on.
    #[default]
    FollowPrivileges,
    /// Everything in the schema.
    IgnorePrivileges,
    /// Nothing: the root is not there.
    Disabled,
}

/// The line of PostgREST whose answers are given where lines differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compatibility {
    /// 16.x, and what it has in common with the current development.
    #[default]
    #[serde(rename = "16")]
    V16,
    /// 14.x
    #[serde(rename = "14")]
    V14,
}

/// How much an error says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verbosity {
    /// Code, message, details and hint.
    #[default]
    Verbose,
    /// Code and message.
    Minimal,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            schemas: vec!["public".to_owned(), "graphql_public".to_owned()],
            extra_search_path: vec!["public".to_owned(), "extensions".to_owned()],
            max_rows: Some(1000),
            anon_role: Some("anon".to_owned()),
            aggregates: false,
            plan: false,
            tx_end: TxEnd::Commit,
            pre_request: None,
            pre_config: None,
            in_database: true,
            root_spec: None,
            hoisted_settings: [
                "statement_timeout",
                "plan_filter.statement_cost_limit",
                "default_transaction_isolation",
            ]
            .map(str::to_owned)
            .to_vec(),
            openapi_mode: OpenApiMode::FollowPrivileges,
            openapi_proxy_uri: None,
            openapi_security: false,
            server_timing: false,
            trace_header: None,
            cors: false,
            cors_origins: Vec::new(),
            legacy_target_names: true,
            compatibility: Compatibility::V16,
            error_verbosity: Verbosity::Verbose,
            channel: "pgrst".to_owned(),
            channel_enabled: true,
            max_body: Bytes::mib(50),
            app_settings: BTreeMap::new(),
            role_limits: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The schema of requests that name none.
    #[must_use]
    pub fn default_schema(&self) -> &str {
        self.schemas.first().map_or("public", String::as_str)
    }

    /// What holds for requests of `role`.
    pub(crate) fn limits(&self, role: &str) -> Limits {
        let own = self.role_limits.get(role).copied().unwrap_or_default();
        let max_rows = own.max_rows.into_iter().chain(self.max_rows).min();
        Limits { max_rows, ..own }
    }

    /// What is wrong with these settings, one sentence per fault.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.schemas.is_empty() {
            problems.push("rest.schemas must name at least one schema".to_owned());
        }
        for refused in ["pg_catalog", "information_schema"] {
            if self.schemas.iter().any(|schema| schema == refused) {
                problems.push(format!("rest.schemas must not contain {refused}"));
            }
        }
        if let Some(header) = &self.trace_header
            && actix_web::http::header::HeaderName::from_bytes(header.as_bytes()).is_err()
        {
            problems.push(format!("rest.trace_header `{header}` is not the name of a header"));
        }
        for (role, limits) in &self.role_limits {
            // For Postgres none at all is no limit.
            if limits.statement_timeout.is_some_and(|Span(time)| time.as_millis() == 0) {
                let setting = format!("rest.role_limits.{role}.statement_timeout");
                problems.push(format!("{setting} must be at least a millisecond"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn system_schemas_are_refused() {
        let config = Config { schemas: vec!["pg_catalog".to_owned()], ..Config::default() };
        assert_eq!(config.check(), ["rest.schemas must not contain pg_catalog"]);
        assert!(Config { schemas: Vec::new(), ..Config::default() }.check().len() == 1);
        assert_eq!(Config::default().check(), Vec::<String>::new());
    }

    #[test]
    fn limits_of_a_role_only_lower() {
        let limits = |rows| Limits { max_rows: rows, max_plan_cost: Some(9), ..Limits::default() };
        let role_limits = [("few", Some(10)), ("many", Some(5000)), ("any", None)]
            .map(|(role, rows)| (role.to_owned(), limits(rows)))
            .into();
        let mut config = Config { max_rows: Some(1000), role_limits, ..Config::default() };
        let rows = |config: &Config, role| config.limits(role).max_rows;
        assert_eq!(
            ["few", "many", "any", "other"].map(|role| rows(&config, role).unwrap()),
            [10, 1000, 1000, 1000]
        );
        assert_eq!(
            (config.limits("any").max_plan_cost, config.limits("other").max_plan_cost),
            (Some(9), None)
        );
        config.max_rows = None;
        assert_eq!([rows(&config, "many"), rows(&config, "any")], [Some(5000), None]);
    }

    #[test]
    fn a_time_of_nothing_is_refused() {
        let limits = Limits { statement_timeout: Some(Span::secs(0)), ..Limits::default() };
        let role_limits = [("anon".to_owned(), limits)].into();
        let config = Config { role_limits, ..Config::default() };
        assert_eq!(
            config.check(),
            ["rest.role_limits.anon.statement_timeout must be at least a millisecond"]
        );
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"tx_end":"rollback-allow-override"}"#).is_ok());
        assert!(serde_json::from_str::<Config>(r#"{"schema":"api"}"#).is_err());
    }
}
