//! Section `[log]`, and the log itself.

use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::sync::Arc;

use kernel::units::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry, reload};

use crate::log_file::LogFile;

/// What is logged, and how. The log goes to standard error; the last of it is kept in the data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or directives for single parts
    /// (`info,rest=debug`).
    pub(crate) level: String,
    /// How a line looks.
    pub(crate) format: Format,
    /// How much of it is kept in the data directory for `basalt logs`. 0: nothing.
    pub(crate) keep: Bytes,
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
        Self { level: "info".to_owned(), format: Format::Text, keep: Bytes::mib(16) }
    }
}

/// What libraries say of themselves, unless `level` asks for it: the HTTP server of its threads, and the client of NATS
/// of each attempt, which realtime tells once.
const QUIET: &str = "actix_server=warn,async_nats=off";

impl Config {
    /// What is wrong with `level`.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.filter().map(|_| ()).map_err(|error| error.to_string())
    }

    fn filter(&self) -> Result<EnvFilter, ParseError> {
        EnvFilter::try_new(format!("{QUIET},{}", self.level))
    }
}

/// The driver of Postgres tells the values of statements, secrets and all, to whoever wants to know everything;
/// no setting gets them into a log.
fn holds_no_values(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("tokio_postgres") || *metadata.level() <= Level::INFO
}

/// Sets what is logged while it is logged.
pub(crate) struct Dial(reload::Handle<EnvFilter, Registry>);

impl Dial {
    /// Follows `level`, and nothing else.
    pub(crate) fn set(&self, config: &Config) -> Result<(), String> {
        let filter = config.filter().map_err(|error| error.to_string())?;
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}

/// Starts logging, to standard error and into `data_dir`, if there is one; the first call counts.
pub(crate) fn install(config: &Config, data_dir: Option<&Path>) -> Dial {
    let (filter, handle) = reload::Layer::new(config.filter().unwrap_or_else(|_| EnvFilter::new("info")));
    let shown = match config.format {
        Format::Text => {
            fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).with_target(false).boxed()
        }
        Format::Json => fmt::layer().with_writer(stderr).json().flatten_event(true).boxed(),
    };
    let kept = data_dir.filter(|_| config.keep.0 > 0).map(|data_dir| {
        let file = Arc::new(LogFile::new(data_dir, config.keep.0));
        fmt::layer().with_writer(file).with_ansi(false).json().flatten_event(true)
    });
    // An error means that somebody installed one already, which is as good.
    let _ = registry().with(filter).with(filter_fn(holds_no_values)).with(shown).with(kept).try_init();
    Dial(handle)
}
