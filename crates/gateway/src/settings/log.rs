//! Section `[log]`, and the log itself.

use std::io::{IsTerminal, stderr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What is logged, and how. The log goes to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or directives for single parts
    /// (`info,rest=debug`).
    pub(crate) level: String,
    /// How a line looks.
    pub(crate) format: Format,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Text }
    }
}

/// What the HTTP server library says about its own threads, unless `level` asks for it.
const QUIET: &str = "actix_server=warn";

impl Config {
    /// What is wrong with `level`.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.filter().map(|_| ()).map_err(|error| error.to_string())
    }

    fn filter(&self) -> Result<EnvFilter, ParseError> {
        EnvFilter::try_new(format!("{QUIET},{}", self.level))
    }
}

/// Starts logging; the first call counts.
pub(crate) fn install(config: &Config) {
    let filter = config.filter().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // An error means that somebody installed one already, which is as good.
    let _ = match config.format {
        Format::Text => builder.with_ansi(stderr().is_terminal()).with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
}
