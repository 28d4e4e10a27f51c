//! How commands fail: what is told, and the exit code.

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::settings::Problem;

/// How a command ends. Wrong usage ends with 2, which is clap's.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something went wrong: 1.
    Failed(anyhow::Error),
    /// Settings that cannot be used: 3.
    Settings(Vec<Problem>),
    /// There is no installation in the data directory: 4.
    NoInstallation(PathBuf),
    /// The server runs with other secrets than the settings here give: 3.
    OtherSecrets(Vec<String>),
    /// The server does not answer where it should: 5.
    NotRunning(String),
}

impl Failure {
    pub(super) fn tell(self) -> ExitCode {
        let (code, text) = match self {
            Self::Failed(error) => (1, format!("error: {error:#}")),
            Self::Settings(problems) => {
                let lines: Vec<_> = problems.iter().map(|problem| format!("  {problem}")).collect();
                (3, format!("error: the settings cannot be used:\n{}", lines.join("\n")))
            }
            Self::OtherSecrets(names) => (
                3,
                format!(
                    "error: the running server was started with another {}: run this with the environment that it has (--env-file FILE), \
                     or put secrets into a file of settings that both read",
                    names.join(", ")
                ),
            ),
            Self::NoInstallation(data_dir) => (
                4,
                format!(
                    "error: there is no installation in {}; `basalt serve` makes one",
                    data_dir.display()
                ),
            ),
            Self::NotRunning(url) => {
                (5, format!("error: nothing answers at {url}; `basalt serve` starts the server"))
            }
        };
        // With nobody to tell, the code still does.
        let _ = writeln!(stderr(), "{text}");
        ExitCode::from(code)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
