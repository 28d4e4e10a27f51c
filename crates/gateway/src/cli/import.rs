//! `basalt import`

use std::path::{Path, PathBuf};

use clap::Args;
use db::Target;
use kernel::{Clock, Secret};
use serde_json::json;

use super::api::reachable;
use super::terminal::step;
use super::{Failure, Format, Place, note, print, wait};
use crate::import::{self, Here, Move, Storage};
use crate::secrets::Secrets;
use crate::settings;

/// Take over a live Supabase, hosted or self-hosted: schemas, rows, accounts, sessions, files and secrets.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Import {
    /// URL of the source's database, as the role `postgres` or a superuser: the direct one, or a pooler in session mode.
    /// `?sslmode=verify-full` (with `&sslrootcert=FILE`, if the source's certificate is signed by an authority of its own) asks
    /// who answers.
    #[arg(long, value_name = "URL", env = "BASALT_IMPORT_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// URL of the source's API (https://….supabase.co): its files come too.
    #[arg(long, value_name = "URL", env = "BASALT_IMPORT_API_URL", requires = "service_key")]
    api_url: Option<String>,
    /// A key of the source's service role, for its files.
    #[arg(long, value_name = "KEY", env = "BASALT_IMPORT_SERVICE_KEY", hide_env_values = true)]
    service_key: Option<String>,
    /// Leave the source's files where they are, also at the cut-over.
    #[arg(long, conflicts_with = "api_url")]
    without_files: bool,
    /// Leave what the source's vault holds.
    #[arg(long)]
    without_secrets: bool,
    /// The program pg_dump, of the source's version or newer [default: the newest there is].
    #[arg(long, value_name = "FILE")]
    pg_dump: Option<PathBuf>,
    /// The source's JWT secret: with it, keys that applications have and sessions that are open go on here.
    #[arg(long, value_name = "SECRET", env = "BASALT_IMPORT_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// Compare both sides and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// The last run: if both sides are equal then, no other import can follow.
    #[arg(long)]
    cut_over: bool,
    /// Throw away what this installation holds.
    #[arg(long)]
    replace: bool,
    /// Tell every step in a line of its own, also where nobody watches.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    place: Place,
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

const AFTER_HELP: &str = "\
Examples:
  export BASALT_IMPORT_DATABASE_URL=postgresql://postgres:…@db.….supabase.co:5432/postgres
  export BASALT_IMPORT_SERVICE_KEY=… BASALT_IMPORT_JWT_SECRET=…
  basalt import --dry-run                            what is there, and what has no place here
  basalt import --api-url https://….supabase.co      as often as you like
  basalt import --api-url https://….supabase.co --cut-over

The server has to run. A run that was interrupted is run again and goes on. For the last one, stop writing to the
source first. As flags, secrets would show in the list of processes.";

impl Import {
    pub(super) fn run(self) -> Result<(), Failure> {
        let loaded = self.place.load()?;
        let installation = self.place.running()?;
        let secrets = self.place.secrets(&loaded.settings, &installation)?;
        let fail = |text: String| Failure::Failed(anyhow::anyhow!(text));
        let address =
            installation.listen.first().ok_or_else(|| fail("the server listens nowhere".to_owned()))?;
        let storage = match (&self.api_url, &self.service_key) {
            (Some(url), Some(key)) => Some(Storage {
                url: format!("{}/storage/v1", url.trim_end_matches('/')),
                key: Secret::new(key),
            }),
            _ => None,
        };
        let jwt_secret = self.jwt_secret.as_ref().filter(|secret| !secret.is_empty()).map(Secret::new);
        if let Some(secret) = &jwt_secret {
            check_secret(&loaded.settings, secret)?;
        }
        let secret_key = secrets.secret_key.clone();
        let source = Target::parse(&self.database_url)?.with_application_name("basalt import");
        let plan = Move {
            source,
            administrator: installation.database.administrator()?,
            storage,
            here: Here { url: format!("http://{}/storage/v1", reachable(*address)), key: secret_key },
            without_files: self.without_files,
            secrets: !self.without_secrets,
            programs: match &self.pg_dump {
                Some(program) => vec![program.clone()],
                None => programs(&loaded.settings.database.bin_dir),
            },
            dry_run: self.dry_run,
            cut_over: self.cut_over,
            replace: self.replace,
        };
        let mut tell = |text: &str| if self.verbose { note(text) } else { step(text) };
        let report = wait(async { import::run(&plan, &mut tell).await.map_err(Failure::Failed) });
        if !self.verbose {
            step("");
        }
        let mut report = report?;
        // Not before: an installation that an import is refused to keeps its secret.
        if let (Some(secret), false) = (&jwt_secret, self.dry_run) {
            take_over_secret(&self.place, secret)?;
            let text = "restart the server once, so that signed URLs of the source are good here";
            report.notes.push(text.to_owned());
        }
        match self.output {
            Format::Json => print(&format!("{:#}", json!({ "equal": report.is_equal(), "report": report })))?,
            Format::Pretty => print(&report.text())?,
        }
        if self.dry_run || report.is_equal() {
            Ok(())
        } else {
            Err(fail("the sides are not equal".to_owned()))
        }
    }
}

/// Whether this can be the secret here.
fn check_secret(settings: &settings::Settings, secret: &Secret) -> Result<(), Failure> {
    let fail = |text: &str| Err(Failure::Failed(anyhow::anyhow!(text.to_owned())));
    if !settings.jwt.secret.is_empty() && settings.jwt.secret != *secret {
        return fail("jwt.secret is set to another secret than the source's");
    }
    if secret.expose().len() < 16 {
        return fail("the JWT secret is too short to be one");
    }
    Ok(())
}

/// Tokens and keys that the source signed are good here from now on.
fn take_over_secret(place: &Place, secret: &Secret) -> Result<(), Failure> {
    let changed = Secrets::change(&place.data_dir, |secrets| {
        if secrets.jwt_secret != *secret {
            secrets.sign_with(secret.clone(), Clock::system().unix())?;
        }
        Ok::<_, crate::secrets::SecretsError>(())
    })?;
    changed.ok_or_else(|| Failure::NoInstallation(place.data_dir.clone()))
}

/// Where pg_dump may be: beside the server, in the PATH, where Debian puts it.
pub(super) fn programs(bin_dir: &Path) -> Vec<PathBuf> {
    let environment = settings::environment();
    let path = environment.get("PATH").map(String::as_str).unwrap_or_default();
    let mut directories = vec![bin_dir.to_owned()];
    directories.extend(std::env::split_paths(path));
    directories.extend(glob::glob("/usr/lib/postgresql/*/bin").into_iter().flatten().flatten());
    directories.retain(|directory| directory.is_absolute());
    directories.iter().map(|directory| directory.join("pg_dump")).collect()
}
