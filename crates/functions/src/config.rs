//! The settings of functions.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kernel::units::{Bytes, Span};
use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Functions over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// URL of a server that runs functions, such as Supabase's edge runtime. Empty: see `functions.path`.
    pub upstream: String,
    /// Folder with functions, each a folder with an `index.ts`, as `supabase/functions`. Deno runs them. Empty: there
    /// are none.
    pub path: PathBuf,
    /// The program `deno`. Empty: look for it.
    pub deno: PathBuf,
    /// File with variables for functions, `NAME=value` a line. Empty: `.env` in the folder, if there is one.
    pub env_file: PathBuf,
    /// Variables for functions, by name; those of the file count more.
    pub env: BTreeMap<String, Secret>,
    /// Ask callers for a valid token, unless a function says otherwise.
    pub verify_jwt: bool,
    /// By name of a function, what is set for it; `config.toml` beside the folder says the same under
    /// `[functions.<name>]`.
    pub each: BTreeMap<String, Function>,
    /// How long a function may keep its caller waiting, for the beginning of its answer and for each part of it.
    pub timeout: Span,
    /// Largest body of a request.
    pub max_body: Bytes,
    /// A process that nobody asked for this long is stopped.
    pub max_idle: Span,
    /// Processes at most.
    pub max_processes: usize,
    /// Memory for the JavaScript of one process. One that takes 128 MiB more than this in all is ended.
    pub max_memory: Bytes,
    /// Processor time that a process may take without answering anybody or waiting for anything; then it is ended.
    pub max_cpu: Span,
    /// Account of the operating system under which functions run, if the server runs as root. Empty: `nobody`.
    pub run_as: String,
}

/// What is set for one function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Function {
    /// Ask callers for a valid token.
    pub verify_jwt: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            upstream: String::new(),
            path: PathBuf::new(),
            deno: PathBuf::new(),
            env_file: PathBuf::new(),
            env: BTreeMap::new(),
            verify_jwt: true,
            each: BTreeMap::new(),
            timeout: Span::secs(150),
            max_body: Bytes::mib(20),
            max_idle: Span::secs(300),
            max_processes: 16,
            max_memory: Bytes::mib(256),
            max_cpu: Span::secs(10),
            run_as: String::new(),
        }
    }
}

impl Config {
    /// What is wrong with these settings.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |key, text: &str| problems.push(Problem { key, text: text.to_owned() });
        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !self.upstream.is_empty() && !Url::parse(&self.upstream).is_ok_and(|url| is_http(&url)) {
            problem("upstream", "is not an http:// or https:// URL");
        }
        if !self.upstream.is_empty() && !self.path.as_os_str().is_empty() {
            problem("upstream", "and functions.path cannot both be set");
        }
        if self.max_processes == 0 {
            problem("max_processes", "must be 1 or more");
        }
        if self.max_memory.0 < 32 * 1024 * 1024 {
            problem("max_memory", "must be 32MiB or more");
        }
        if self.timeout.0.is_zero() {
            problem("timeout", "must not be 0");
        }
        if self.max_cpu.0.is_zero() {
            problem("max_cpu", "must not be 0");
        }
        problems
    }
}
