//! `basalt db diff`, `pull` and `squash`: what compares schemas by means of a shadow database.

use std::fs;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::db::Target;
use super::import::programs;
use super::{Failure, Format, confirm, note, print, progress};
use crate::difference::shadow::Shadow;
use crate::difference::{self, Difference};
use crate::project::apply;
use crate::project::folder::Migration;
use crate::project::{history, plan};

/// Show what the migrations of the folder lack to make the database what it is.
///
/// The migrations are replayed in a shadow database, which is taken away again. What is shown was tried there: with it, both are equal.
#[derive(Args)]
#[command(after_help = "Examples:
  basalt db diff
  basalt db diff -f add_todos                    as a new migration
  basalt db diff --schema public,shop -o json")]
pub(super) struct Diff {
    #[command(flatten)]
    target: Target,
    /// Write a migration of this name.
    #[arg(short, long, value_name = "NAME")]
    file: Option<String>,
    /// Schemas, with commas between [default: all, and policies and triggers on tables of the platform].
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    schema: Vec<String>,
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

/// Write what the database has and the migrations lack as a migration that has been applied.
#[derive(Args)]
#[command(after_help = "Examples:
  basalt db pull                                 supabase/migrations/<now>_remote_schema.sql
  basalt db pull made_by_hand --schema public")]
pub(super) struct Pull {
    #[command(flatten)]
    target: Target,
    /// What it is called.
    #[arg(default_value = "remote_schema")]
    name: String,
    /// Schemas, with commas between [default: all, and policies and triggers on tables of the platform].
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    schema: Vec<String>,
}

/// Make one migration of many: the schema they lead to. Rows that they write are not in it.
#[derive(Args)]
#[command(after_help = "Examples:
  basalt db squash
  basalt db squash --version 20240501090000      up to this one")]
pub(super) struct Squash {
    #[command(flatten)]
    target: Target,
    /// The last one that goes into it [default: all].
    #[arg(long)]
    version: Option<String>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Diff {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let project = self.target.project()?;
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        let difference = to_the_database(&self.target, &local, &self.schema).await?;
        for left in &difference.left {
            note(&format!("note: {left} differs in a way that is not written here; change it by hand"));
        }
        match (self.output, &self.file) {
            (Format::Json, _) => {
                let shown = json!({ "statements": difference.statements, "left": difference.left });
                print(&format!("{shown:#}"))?;
            }
            (Format::Pretty, _) if difference.statements.is_empty() => note("no schema changes were found"),
            (Format::Pretty, Some(_)) if difference.refused.is_none() => {}
            (Format::Pretty, _) => print(&difference.text().trim_end())?,
        }
        proven(&difference)?;
        match self.file {
            Some(name) if !difference.statements.is_empty() => {
                let migration = project.add(&name, &difference.text()).map_err(Failure::Failed)?;
                note(&format!("wrote {}", migration.path.display()));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Pull {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (project, mut session) = self.target.open().await?;
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        let applied: Vec<String> =
            history::list(&mut session).await?.into_iter().map(|each| each.version).collect();
        if let [first, ..] = plan::pending(&local, &applied, true)?.as_slice() {
            let text = "{} is in the folder and was not applied: `basalt db push` first";
            return Err(Failure::Failed(anyhow!(text.replacen("{}", &first.path.display().to_string(), 1))));
        }
        let difference = to_the_database(&self.target, &local, &self.schema).await?;
        for left in &difference.left {
            note(&format!("note: {left} differs in a way that is not written here; change it by hand"));
        }
        proven(&difference)?;
        if difference.statements.is_empty() {
            return print(&"no schema changes were found");
        }
        let migration = project.add(&self.name, &difference.text()).map_err(Failure::Failed)?;
        apply::record(&mut session, &migration).await.map_err(Failure::Failed)?;
        print(&migration.path.display())
    }
}

impl Squash {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (project, mut session) = self.target.open().await?;
        let (local, _) = project.migrations().map_err(Failure::Failed)?;
        let wanted = |migration: &&Migration| {
            self.version.as_ref().is_none_or(|version| migration.version <= *version)
        };
        let parts: Vec<Migration> = local.iter().filter(wanted).cloned().collect();
        let fail = |text: String| Err(Failure::Failed(anyhow!(text)));
        if let Some(version) = &self.version
            && parts.iter().all(|migration| migration.version != *version)
        {
            return fail(format!("there is no migration {version} in the folder"));
        }
        let [others @ .., last] = parts.as_slice() else { return fail("there are no migrations".to_owned()) };
        if others.is_empty() {
            return print(&"there is one migration only");
        }
        let applied: Vec<String> =
            history::list(&mut session).await?.into_iter().map(|each| each.version).collect();
        let done = parts.iter().filter(|part| applied.contains(&part.version)).count();
        if done != 0 && done != parts.len() {
            return fail("some of them were applied and some not: `basalt db push` first".to_owned());
        }
        let difference = of_migrations(&self.target, &parts).await?;
        proven(&difference)?;
        if !difference.left.is_empty() {
            return fail(format!("these cannot be written: {}", difference.left.join(", ")));
        }
        confirm(&format!("put one migration in the place of {}", parts.len()), self.yes)?;
        fs::write(&last.path, difference.text())?;
        for other in others {
            fs::remove_file(&other.path)?;
        }
        if done > 0 {
            let others: Vec<String> = others.iter().map(|other| other.version.clone()).collect();
            history::forget(&mut session, &others).await?;
            apply::record(&mut session, last).await.map_err(Failure::Failed)?;
        }
        print(&last.path.display())
    }
}

/// Says why statements do not run.
fn proven(difference: &Difference) -> Result<(), Failure> {
    match &difference.refused {
        Some(reason) => {
            Err(Failure::Failed(anyhow!("these statements do not run on what the migrations make: {reason}")))
        }
        None => Ok(()),
    }
}

/// What makes the result of `local` the database of the server.
async fn to_the_database(
    target: &Target,
    local: &[Migration],
    schemas: &[String],
) -> Result<Difference, Failure> {
    let real = target.place.running()?.database.administrator()?;
    let pg_dump = pg_dump(target).await?;
    let work = async |shadow: &Shadow| {
        replay(shadow, local).await?;
        difference::between(shadow, &real, &pg_dump, schemas).await
    };
    with_shadow(target, work).await
}

/// What makes an empty database the result of `parts`.
async fn of_migrations(target: &Target, parts: &[Migration]) -> Result<Difference, Failure> {
    let pg_dump = pg_dump(target).await?;
    with_shadow(target, async |goal: &Shadow| {
        replay(goal, parts).await?;
        let compared = with_shadow(target, async |scratch: &Shadow| {
            difference::between(scratch, goal.administrator(), &pg_dump, &[]).await
        });
        compared.await.map_err(|failure| match failure {
            Failure::Failed(error) => error,
            _ => anyhow!("no shadow database could be made"),
        })
    })
    .await
}

async fn replay(shadow: &Shadow, migrations: &[Migration]) -> anyhow::Result<()> {
    for left_out in shadow.replay(migrations, |done, of| progress("replayed", done, of)).await? {
        note(&format!("note: left out in the shadow database, as all databases would share it: {left_out}"));
    }
    Ok(())
}

/// The shadow goes in any case, also when somebody loses patience.
async fn with_shadow<T>(
    target: &Target,
    work: impl AsyncFnOnce(&Shadow) -> anyhow::Result<T>,
) -> Result<T, Failure> {
    let settings = target.place.load()?.settings;
    let place = target.place.running()?.database;
    let shadow = Shadow::create(&place, &settings).await.map_err(Failure::Failed)?;
    let done = tokio::select! {
        done = work(&shadow) => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    let removed = shadow.remove().await;
    let done = done.map_err(Failure::Failed)?;
    removed.map_err(Failure::Failed)?;
    Ok(done)
}

/// pg_dump, at least as new as the server.
async fn pg_dump(target: &Target) -> Result<std::path::PathBuf, Failure> {
    const SQL: &str = "select current_setting('server_version_num')::int / 10000";
    let version: i32 = target.place.developer().await?.query_one(SQL, &[]).await?.try_get(0)?;
    let bin_dir = target.place.load()?.settings.database.bin_dir;
    crate::pg_dump::program(version, &programs(&bin_dir)).await.map_err(Failure::Failed)
}
