//! `basalt db`

use std::io::{IsTerminal, Read, Write, stderr, stdin};
use std::path::PathBuf;

use ::db::Session;
use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::advisors::Advisors;
use super::lint::Lint;
use super::schema::{Diff, Pull, Squash};
use super::{Failure, Format, Place, print, wait};
use crate::project::apply::{self, Seeded};
use crate::project::folder::{Migration, Project};
use crate::project::history::{self, Applied};
use crate::project::plan;
use crate::settings;

/// Migrations and seeds of a project folder (`supabase/`), on the database of a running server.
///
/// Files, order and history mean what they mean to the Supabase command line; both can be used on one
/// database.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Db {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt db new create_todos                     supabase/migrations/<now>_create_todos.sql
  basalt db push --include-seed                  apply what is new, then the seeds
  basalt db up                                   the same without secrets and seeds
  basalt db list -o json
  basalt db seed                                 seeds that have not run
  basalt db repair 20240101000000 --status applied
  basalt db advisors --fail-on error             for a pipeline
  basalt db diff -f made_by_hand                 what was changed beside the migrations
  basalt db pull                                 the same, noted as applied
  basalt db lint --fail-on error                 what is wrong inside functions
  basalt db squash --yes                         one migration of many
  basalt db down --last 2                        from nothing, without the last two
  basalt db reset --yes                          from nothing: all migrations, then the seeds";

#[derive(Subcommand)]
enum Command {
    /// Make an empty migration; its content comes from standard input if that is no terminal.
    New(New),
    /// Show what is in the folder and what was applied.
    List(List),
    /// Write the secrets of [db.vault] and apply what is new.
    Push(Push),
    /// Apply what is new.
    Up(Up),
    /// Go back: as a reset, but without the last migrations.
    Down(Down),
    /// Take away everything that is not the platform's, accounts included, and begin anew.
    Reset(Reset),
    /// Run the seeds that have not run yet.
    Seed(Seed),
    /// Correct the history without running anything.
    Repair(Repair),
    /// Say what is open that should not be, and what is slow that need not be.
    Advisors(Advisors),
    /// Say what is wrong inside functions.
    Lint(Lint),
    /// Show what the migrations of the folder lack to make the database what it is.
    Diff(Diff),
    /// Write what the database has and the migrations lack as a migration.
    Pull(Pull),
    /// Make one migration of many.
    Squash(Squash),
}

/// The project, and the server.
#[derive(Args)]
pub(super) struct Target {
    /// A folder with `supabase/` in it, or one below.
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Args)]
struct New {
    /// What it does, for its file name.
    name: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    target: Target,
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

#[derive(Args)]
struct Push {
    #[command(flatten)]
    target: Target,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Also apply migrations older than the newest that was applied.
    #[arg(long)]
    include_all: bool,
    /// Run the seeds afterwards.
    #[arg(long)]
    include_seed: bool,
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    target: Target,
    /// Also apply migrations older than the newest that was applied.
    #[arg(long)]
    include_all: bool,
}

#[derive(Args)]
struct Down {
    #[command(flatten)]
    target: Target,
    /// How many migrations to leave out.
    #[arg(long, value_name = "N", default_value = "1")]
    last: usize,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
struct Reset {
    #[command(flatten)]
    target: Target,
    /// The last version to apply [default: all].
    #[arg(long)]
    version: Option<String>,
    /// Leave the seeds out.
    #[arg(long)]
    no_seed: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
struct Seed {
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
struct Repair {
    /// Which ones; none: the whole history becomes what is in the folder.
    versions: Vec<String>,
    /// What to note.
    #[arg(long, value_enum)]
    status: Status,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    /// They were applied.
    Applied,
    /// They were not.
    Reverted,
}

impl Db {
    pub(super) fn run(self) -> Result<(), Failure> {
        let work = async {
            match self.command {
                Command::New(new) => new.run(),
                Command::List(list) => list.run().await,
                Command::Push(push) => push.run().await,
                Command::Up(up) => up.run().await,
                Command::Down(down) => down.run().await,
                Command::Reset(reset) => reset.run().await,
                Command::Seed(seed) => {
                    let (project, mut session) = seed.target.open().await?;
                    seeds(&project, &mut session).await
                }
                Command::Repair(repair) => repair.run().await,
                Command::Advisors(advisors) => advisors.run().await,
                Command::Lint(lint) => lint.run().await,
                Command::Diff(diff) => diff.run().await,
                Command::Pull(pull) => pull.run().await,
                Command::Squash(squash) => squash.run().await,
            }
        };
        wait(work)
    }
}

impl Target {
    pub(super) fn project(&self) -> Result<Project, Failure> {
        let project = Project::find(&self.project).map_err(Failure::Failed)?;
        let (_, others) = project.migrations().map_err(Failure::Failed)?;
        for file in others {
            note(&format!("skipped {file}: the name of a migration is <version>_<name>.sql"));
        }
        Ok(project)
    }

    /// The project, and a session as the developer's role that keeps others from migrating.
    pub(super) async fn open(&self) -> Result<(Project, Session), Failure> {
        let project = self.project()?;
        let mut session = self.place.developer().await?;
        history::lock(&mut session).await?;
        history::create(&mut session).await?;
        Ok((project, session))
    }
}

impl New {
    fn run(self) -> Result<(), Failure> {
        let project = Project::find(&self.target.project).map_err(Failure::Failed)?;
        let mut content = String::new();
        if !stdin().is_terminal() {
            stdin().read_to_string(&mut content)?;
        }
        let migration = project.add(&self.name, &content).map_err(Failure::Failed)?;
        print(&migration.path.display())
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let project = self.target.project()?;
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        let applied = history::list(&mut self.target.place.developer().await?).await?;
        let mut versions: Vec<&String> =
            local.iter().map(|each| &each.version).chain(applied.iter().map(|each| &each.version)).collect();
        versions.sort();
        versions.dedup();
        let rows = versions.into_iter().map(|version| {
            let file = local.iter().find(|each| each.version == *version);
            let done = applied.iter().find(|each| each.version == *version);
            (version, file, done)
        });
        match self.output {
            Format::Json => {
                let rows: Vec<_> = rows.map(|(version, file, done)| shown(version, file, done)).collect();
                print(&format!("{:#}", json!(rows)))
            }
            Format::Pretty => {
                for (version, file, done) in rows {
                    let state = match (file, done) {
                        (Some(_), Some(_)) => "applied",
                        (Some(_), None) => "pending",
                        _ => "no file",
                    };
                    print(&format!("{version:14}  {state}  {}", name(file, done)))?;
                }
                Ok(())
            }
        }
    }
}

fn shown(version: &str, file: Option<&Migration>, done: Option<&Applied>) -> serde_json::Value {
    json!({
        "version": version,
        "name": name(file, done),
        "local": file.is_some(),
        "remote": done.is_some(),
    })
}

fn name<'a>(file: Option<&'a Migration>, done: Option<&'a Applied>) -> &'a str {
    let remembered = || done.and_then(|done| done.name.as_deref());
    file.map(|file| file.name.as_str()).or_else(remembered).unwrap_or_default()
}

impl Push {
    async fn run(self) -> Result<(), Failure> {
        let (project, mut session) = self.target.open().await?;
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        let pending = pending(&mut session, &local, self.include_all).await?;
        if self.dry_run {
            for migration in &pending {
                print(&format!("would apply {}_{}", migration.version, migration.name))?;
            }
            return Ok(());
        }
        // As the Supabase command line: without a migration, secrets are left alone.
        if !pending.is_empty() {
            secrets(&project, &self.target.place).await?;
        }
        apply_all(&mut session, &pending).await?;
        if self.include_seed { seeds(&project, &mut session).await } else { Ok(()) }
    }
}

impl Up {
    async fn run(self) -> Result<(), Failure> {
        let (project, mut session) = self.target.open().await?;
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        let pending = pending(&mut session, &local, self.include_all).await?;
        apply_all(&mut session, &pending).await
    }
}

impl Down {
    async fn run(self) -> Result<(), Failure> {
        let (project, mut session) = self.target.open().await?;
        let applied = history::list(&mut session).await?;
        let kept = applied.len().checked_sub(self.last).filter(|_| self.last > 0);
        let Some(kept) = kept else {
            let text = format!("{} migrations were applied; --last is 1 to that", applied.len());
            return Err(Failure::Failed(anyhow!(text)));
        };
        let versions: Vec<String> = applied.into_iter().take(kept).map(|each| each.version).collect();
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        let again: Vec<&Migration> =
            local.iter().filter(|migration| versions.contains(&migration.version)).collect();
        confirm(self.yes)?;
        begin_anew(&project, &mut session, &self.target.place, &again, true).await
    }
}

impl Reset {
    async fn run(self) -> Result<(), Failure> {
        let (project, mut session) = self.target.open().await?;
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        if let Some(version) = &self.version
            && local.iter().all(|migration| migration.version != *version)
        {
            return Err(Failure::Failed(anyhow!("there is no migration {version} in the folder")));
        }
        let is_wanted = |migration: &&Migration| {
            self.version.as_ref().is_none_or(|version| migration.version <= *version)
        };
        let wanted: Vec<&Migration> = local.iter().filter(is_wanted).collect();
        confirm(self.yes)?;
        begin_anew(&project, &mut session, &self.target.place, &wanted, !self.no_seed).await
    }
}

impl Repair {
    async fn run(self) -> Result<(), Failure> {
        let (project, mut session) = self.target.open().await?;
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        let mut versions = self.versions;
        if versions.is_empty() {
            if self.status == Status::Reverted {
                return Err(Failure::Failed(anyhow!("name the versions that were reverted")));
            }
            let old: Vec<String> =
                history::list(&mut session).await?.into_iter().map(|each| each.version).collect();
            history::forget(&mut session, &old).await?;
            versions = local.iter().map(|migration| migration.version.clone()).collect();
        }
        match self.status {
            Status::Reverted => {
                let count = history::forget(&mut session, &versions).await?;
                print(&format!("{count} migrations are forgotten"))
            }
            Status::Applied => {
                for version in &versions {
                    let migration = local.iter().find(|migration| migration.version == *version);
                    let missing = || anyhow!("there is no migration {version} in the folder");
                    let migration = migration.ok_or_else(missing).map_err(Failure::Failed)?;
                    apply::record(&mut session, migration).await.map_err(Failure::Failed)?;
                    print(&format!("noted {}_{}", migration.version, migration.name))?;
                }
                Ok(())
            }
        }
    }
}

async fn pending<'a>(
    session: &mut Session,
    local: &'a [Migration],
    all: bool,
) -> Result<Vec<&'a Migration>, Failure> {
    let applied: Vec<String> = history::list(session).await?.into_iter().map(|each| each.version).collect();
    Ok(plan::pending(local, &applied, all)?)
}

async fn apply_all(session: &mut Session, migrations: &[&Migration]) -> Result<(), Failure> {
    for migration in migrations {
        apply::migration(session, migration).await.map_err(Failure::Failed)?;
        print(&format!("applied {}_{}", migration.version, migration.name))?;
    }
    if migrations.is_empty() { print(&"nothing is pending") } else { Ok(()) }
}

async fn begin_anew(
    project: &Project,
    session: &mut Session,
    place: &Place,
    migrations: &[&Migration],
    with_seeds: bool,
) -> Result<(), Failure> {
    apply::reset(session).await?;
    history::create(session).await?;
    secrets(project, place).await?;
    apply_all(session, migrations).await?;
    if with_seeds { seeds(project, session).await } else { Ok(()) }
}

async fn seeds(project: &Project, session: &mut Session) -> Result<(), Failure> {
    for seed in project.seeds().map_err(Failure::Failed)? {
        match apply::seed(session, &seed).await.map_err(Failure::Failed)? {
            Seeded::Ran => print(&format!("seeded {}", seed.path))?,
            Seeded::Known => {}
            Seeded::Changed => note(&format!("{} has changed since it ran; it is not run again", seed.path)),
        }
    }
    Ok(())
}

/// Writes the secrets of `[db.vault]`.
async fn secrets(project: &Project, place: &Place) -> Result<(), Failure> {
    let environment = project.environment(settings::environment()).map_err(Failure::Failed)?;
    let secrets = project.secrets(|name| environment.get(name).cloned()).map_err(Failure::Failed)?;
    if secrets.is_empty() {
        return Ok(());
    }
    let pool = place.administrator()?;
    for (name, content) in secrets {
        vault::admin::write(&pool, &name, &content, None).await?;
    }
    Ok(())
}

/// Asks a person before everything that is not the platform's goes; a program has to say `--yes`.
fn confirm(yes: bool) -> Result<(), Failure> {
    super::confirm("take away everything that is not the platform's, accounts included", yes)
}

/// Tells a person something beside the result.
fn note(text: &str) {
    let _ = writeln!(stderr(), "note: {text}");
}
