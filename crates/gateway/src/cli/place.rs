//! Which installation a command is about: its settings, its secrets, its database.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ::db::{Pool, Session};
use anyhow::Context;
use clap::Args;

use super::{Failure, Format, figures};
use crate::database::one_connection;
use crate::installation::Installation;
use crate::project;
use crate::secrets::Secrets;
use crate::settings::{self, Loaded, ProjectFile, Request, Settings};

/// Which installation, and its settings: the same for every command.
#[derive(Args, Clone, Debug)]
pub(super) struct Place {
    /// Where everything lies [default: that of the project folder around us, else ./basalt-data].
    #[arg(long, value_name = "DIR", env = "BASALT_DATA_DIR", default_value_os_t = data_dir(), hide_default_value = true)]
    pub(super) data_dir: PathBuf,
    /// Settings file [default: basalt.toml in the data directory, if there is one].
    #[arg(long, value_name = "FILE", env = "BASALT_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// File of variables, `NAME=value` a line, such as the `.env` of self-hosted Supabase; those of the environment count
    /// more.
    #[arg(long, value_name = "FILE", env = "BASALT_ENV_FILE")]
    pub(super) env_file: Option<PathBuf>,
}

/// What commands that print data have in common.
#[derive(Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) place: Place,
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    pub(super) output: Format,
}

impl Place {
    pub(super) fn request(&self) -> Result<Request, Failure> {
        let environment = self.environment()?;
        Ok(Request {
            data_dir: self.data_dir.clone(),
            config: self.config.clone(),
            project: self.project(&environment),
            environment,
            flags: Vec::new(),
        })
    }

    /// The variables of this process, and of the file that was named.
    pub(super) fn environment(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut environment = settings::environment();
        if let Some(file) = &self.env_file {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
            for (name, value) in project::folder::variables(&text.map_err(Failure::Failed)?) {
                environment.entry(name).or_insert(value);
            }
        }
        Ok(environment)
    }

    /// The settings of the project folder that the data lies in.
    pub(super) fn project(&self, environment: &BTreeMap<String, String>) -> Option<ProjectFile> {
        let project = project::folder::around(&self.data_dir)?;
        let variables = project.environment(environment.clone()).ok()?;
        // As the last start had it: known keys are for a server that nobody else reaches.
        let last = Installation::last(&self.data_dir).ok().flatten();
        let is_local = last.is_none_or(|last| last.is_local());
        Some(project.file(&variables, is_local))
    }

    /// The installation's last start.
    pub(super) fn installation(&self) -> Result<Installation, Failure> {
        Installation::last(&self.data_dir)?.ok_or_else(|| Failure::NoInstallation(self.data_dir.clone()))
    }

    /// The last start of a server that runs.
    pub(super) fn running(&self) -> Result<Installation, Failure> {
        let installation = self.installation()?;
        match figures::connect(&installation) {
            Some(_) => Ok(installation),
            None => Err(Failure::NotRunning(installation.api_url)),
        }
    }

    /// The database of the running server, as its superuser.
    pub(super) fn administrator(&self) -> Result<Pool, Failure> {
        Ok(Pool::new(&self.running()?.database.administrator()?, one_connection()))
    }

    /// The secrets as the settings have them, if a server that runs has the same.
    pub(super) fn secrets(
        &self,
        settings: &Settings,
        installation: &Installation,
    ) -> Result<Secrets, Failure> {
        let none = || Failure::NoInstallation(self.data_dir.clone());
        let secrets = Secrets::existing(&self.data_dir)?.ok_or_else(none)?.with_settings(settings)?;
        let differing = installation.given.differing(settings);
        // What a server that is gone was told counts no more.
        if differing.is_empty() || figures::connect(installation).is_none() {
            Ok(secrets)
        } else {
            Err(Failure::OtherSecrets(differing))
        }
    }

    /// The database of the running server, as the role that developers work as.
    pub(super) async fn developer(&self) -> Result<Session, Failure> {
        let target = self.running()?.database.developer()?;
        let session = Pool::new(&target, one_connection()).session().await;
        session.context("the database does not answer").map_err(Failure::Failed)
    }

    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        settings::load(&self.request()?).map_err(Failure::Settings)
    }
}

/// The data directory that is meant where none is named.
fn data_dir() -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| project::folder::standing_data_dir(&here)).unwrap_or_else(|| "./basalt-data".into())
}
