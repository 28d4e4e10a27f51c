//! `basalt serve`

use std::fs::DirBuilder;
use std::io::{IsTerminal, stdout};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use kernel::Clock;
use serde_json::{Value, json};

use super::{Failure, Place, address};
use crate::banner;
use crate::boot::{self, ServePlan};
use crate::installation::Installation;
use crate::keys;
use crate::reload::Reading;
use crate::secrets::Secrets;
use crate::settings::{self, Settings};

/// Start the server and stay until told to stop (SIGTERM or Ctrl-C).
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Serve {
    #[command(flatten)]
    place: Place,
    /// Address to listen on; may be given several times [default: 127.0.0.1:8000].
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    listen: Vec<SocketAddr>,
    /// A Postgres (15 or newer) that runs elsewhere, instead of one of our own.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// The services to run, with commas between: auth, rest, realtime, storage, vault, functions [default: all].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    services: Vec<String>,
    /// Let psql and the like reach our own Postgres here, with a password.
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    db_listen: Option<SocketAddr>,
    /// Development: no API key needed, no mail to confirm, database on 127.0.0.1:54322.
    #[arg(long, conflicts_with = "production")]
    dev: bool,
    /// Production: refuse what is only fit for development, wherever the server listens.
    #[arg(long)]
    production: bool,
}

const AFTER_HELP: &str = "\
Examples:
  basalt serve --data-dir /var/lib/basalt --listen 0.0.0.0:8000
  basalt serve --dev --db-listen 127.0.0.1:54322
  basalt serve --env-file .env                   with the settings of a self-hosted Supabase
  BASALT_DATABASE__URL=postgresql://postgres:secret@db.example.com/postgres basalt serve
                                  (as a flag, the password would show in the list of processes)
  basalt serve --services rest --database-url postgresql://authenticator:secret@localhost/app
                                  the data API alone, at the root, as PostgREST; reads PGRST_...";

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut request = self.place.request()?;
        request.flags = self.flags();
        let loaded = settings::load(&request).map_err(Failure::Settings)?;
        let log = loaded.settings.log.clone();
        let mut plan =
            plan(loaded.settings.with_addresses(), &self.place.data_dir).map_err(Failure::Failed)?;
        let log = settings::install_log(&log, plan.secrets.as_ref().map(|_| plan.data_dir.as_path()));
        for note in &loaded.notes {
            tracing::warn!("{note}");
        }
        // A terminal that closes sends the same signal, and means the end by it.
        plan.reading = (!stdout().is_terminal()).then_some(Reading { request, log });
        let ready = async |plan: &ServePlan, installation: &Installation| banner::print(plan, installation);
        actix_web::rt::System::new().block_on(boot::serve(plan, ready)).map_err(Failure::Failed)
    }

    /// What flags say about settings.
    fn flags(&self) -> Vec<(&'static str, &'static str, Value)> {
        let mut flags = Vec::new();
        if !self.listen.is_empty() {
            flags.push(("--listen", "server.listen", json!(self.listen)));
        }
        if let Some(url) = &self.database_url {
            flags.push(("--database-url", "database.url", json!(url)));
        }
        if !self.services.is_empty() {
            flags.push(("--services", "services", json!(self.services)));
        }
        if let Some(address) = self.db_listen {
            flags.push(("--db-listen", "database.listen", json!(address)));
        }
        if self.dev {
            flags.push(("--dev", "mode", json!("development")));
        }
        if self.production {
            flags.push(("--production", "mode", json!("production")));
        }
        flags
    }
}

/// What the server is to do. The data API alone needs neither a directory nor secrets.
pub(super) fn plan(settings: Settings, dir: &Path) -> anyhow::Result<ServePlan> {
    if settings.is_bare() {
        keys::verifier(&settings, keys::signing(&settings, None)?.into(), true)?;
        return Ok(ServePlan { settings, data_dir: dir.to_owned(), reading: None, secrets: None });
    }
    // Postgres' account passes through when we are root; what is inside is closed to it.
    let mode = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(dir)
        .with_context(|| format!("cannot create the data directory {}", dir.display()))?;
    let dir =
        dir.canonicalize().with_context(|| format!("cannot read the data directory {}", dir.display()))?;
    let secrets = Secrets::open(&dir, Clock::system().unix())?.with_settings(&settings)?;
    keys::verifier(&settings, keys::signing(&settings, Some(&secrets))?.into(), false)?;
    keys::api_keys(&settings, Some(&secrets))?;
    Ok(ServePlan { settings, data_dir: dir, reading: None, secrets: Some(secrets) })
}
