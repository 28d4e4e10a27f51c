//! `basalt dev`

use std::collections::BTreeMap;
use std::fs;
use std::io::{Write, stderr};
use std::net::SocketAddr;
use std::path::PathBuf;

use ::db::Pool;
use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::status::{self, Format};
use super::{Failure, address, print, serve};
use crate::boot::{self, ServePlan};
use crate::database::one_connection;
use crate::installation::Installation;
use crate::project::folder::Project;
use crate::project::live::Live;
use crate::settings::{self, Request};

/// Serve a project folder (`supabase/`) while you work on it: migrations and seeds are applied at the start and when new ones
/// appear. Settings come from its `config.toml`.
///
/// On this machine's own addresses it has the ports, keys and passwords of `supabase start`, which everybody knows.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Dev {
    /// A folder with `supabase/` in it, or one below.
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Where the data lies [default: .basalt in the folder supabase].
    #[arg(long, value_name = "DIR", env = "BASALT_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Settings file of Basalt's own, which wins over the project's.
    #[arg(long, value_name = "FILE", env = "BASALT_CONFIG")]
    config: Option<PathBuf>,
    /// Address to listen on; may be given several times [default: 127.0.0.1 and the port of the project].
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    listen: Vec<SocketAddr>,
    /// Where psql and the like reach the database [default: 127.0.0.1 and the port of the project].
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    db_listen: Option<SocketAddr>,
    /// Begin anew, without asking, when a migration has changed that was applied. All data of the project goes.
    #[arg(long)]
    reset_on_change: bool,
    /// How addresses and keys are shown when everything is there.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

const AFTER_HELP: &str = "\
Examples:
  basalt dev                                     in a folder with supabase/ in it
  basalt dev --project ../shop --reset-on-change
  basalt dev -o env > .env.local                 addresses and keys for a program; progress goes elsewhere";

impl Dev {
    pub(super) fn run(self) -> Result<(), Failure> {
        let project = Project::find(&self.project).map_err(Failure::Failed)?;
        let environment = project.environment(settings::environment()).map_err(Failure::Failed)?;
        let data_dir = self.data_dir.clone().unwrap_or_else(|| project.data_dir());
        let request = self.request(&project, &environment, data_dir.clone());
        let loaded = settings::load(&request).map_err(Failure::Settings)?;
        let log = loaded.settings.log.clone();
        let plan = serve::plan(loaded.settings.with_addresses(), &data_dir).map_err(Failure::Failed)?;
        settings::install_log(&log, Some(plan.data_dir.as_path()));
        for note in &loaded.notes {
            say(&format!("note: {note}"));
        }
        keep_out_of_repositories(&plan.data_dir).map_err(Failure::Failed)?;
        let secrets = project.secrets(|name| environment.get(name).cloned()).map_err(Failure::Failed)?;
        let (output, folder, resets) = (self.output, self.project, self.reset_on_change);
        let ready = async move |plan: &ServePlan, installation: &Installation| {
            let reached = installation.database.developer().and_then(|developer| {
                Ok((developer, Pool::new(&installation.database.administrator()?, one_connection())))
            });
            let (developer, administrator) = match reached {
                Ok(reached) => reached,
                Err(error) => return say(&format!("error: {error}")),
            };
            let live = Live { folder, developer, administrator, resets, secrets };
            if let Err(error) = live.bring_up(&mut say).await {
                say(&format!("error: {error:#}"));
            }
            if let Some(secrets) = plan.secrets.clone() {
                // It asks the server itself, and waits.
                let (installation, settings) = (installation.clone(), plan.settings.clone());
                let text = move || status::text(output, &installation, &secrets, &settings);
                if let Ok(text) = tokio::task::spawn_blocking(text).await {
                    // A reader that went away is no reason to stop serving.
                    let _ = print(&text);
                }
            }
            live.follow(&mut say).await;
        };
        actix_web::rt::System::new().block_on(boot::serve(plan, ready)).map_err(Failure::Failed)
    }

    /// `variables` are for `env(…)` in the project's settings; what an application keeps in its `.env` is no setting of ours.
    fn request(&self, project: &Project, variables: &BTreeMap<String, String>, data_dir: PathBuf) -> Request {
        let mut flags = Vec::new();
        if !self.listen.is_empty() {
            flags.push(("--listen", "server.listen", json!(self.listen)));
        }
        if let Some(address) = self.db_listen {
            flags.push(("--db-listen", "database.listen", json!(address)));
        }
        let project = Some(project.file(variables, true));
        let environment = settings::environment();
        Request { data_dir, config: self.config.clone(), project, environment, flags }
    }
}

/// The data directory lies in the middle of a repository, and its secrets do not belong there.
fn keep_out_of_repositories(data_dir: &std::path::Path) -> anyhow::Result<()> {
    let file = data_dir.join(".gitignore");
    if file.exists() {
        return Ok(());
    }
    fs::write(&file, "*\n").with_context(|| format!("cannot write {}", file.display()))
}

/// Tells a person what goes on.
fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
