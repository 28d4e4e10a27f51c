//! A project folder and its database while somebody works on them: what is new in the folder is applied, what has changed is told or,
//! if that is wanted, makes everything begin anew.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use db::{Pool, Session, Target};
use kernel::Secret;

use super::apply::{self, Seeded};
use super::folder::{Migration, Project};
use super::{history, plan};
use crate::database::one_connection;

/// Between two looks at the folder.
const PAUSE: Duration = Duration::from_millis(500);

/// A folder and its database.
pub(crate) struct Live {
    /// Where the project is found.
    pub(crate) folder: PathBuf,
    /// The database as the developer's role.
    pub(crate) developer: Target,
    /// The database as its superuser, who keeps the vault.
    pub(crate) administrator: Pool,
    /// Begin anew when something has changed that was applied.
    pub(crate) resets: bool,
    /// Secrets of the settings, by name.
    pub(crate) secrets: Vec<(String, Secret)>,
}

/// A file as it was when somebody looked.
type Look = (PathBuf, Option<SystemTime>, u64);

impl Live {
    /// Brings the database to where the folder is; `say` is told what was done.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from getting there.
    pub(crate) async fn bring_up(&self, say: &mut impl FnMut(&str)) -> anyhow::Result<()> {
        let project = Project::find(&self.folder)?;
        let (local, _) = project.migrations()?;
        let mut session = Pool::new(&self.developer, one_connection()).session().await?;
        history::lock(&mut session).await?;
        history::create(&mut session).await?;

        let changed = apply::changed(&mut session, &local).await?;
        if !changed.is_empty() && self.resets {
            say("beginning anew");
            apply::reset(&mut session).await?;
            history::create(&mut session).await?;
        } else {
            for migration in changed {
                let name = migration.path.file_name().unwrap_or_default().to_string_lossy();
                say(&format!("{name} has changed since it was applied; to begin anew: basalt db reset"));
            }
        }
        if project.applies_migrations() {
            self.migrate(&mut session, &local, say).await?;
        }
        for seed in project.seeds()? {
            match apply::seed(&mut session, &seed).await? {
                Seeded::Ran => say(&format!("seeded {}", seed.path)),
                Seeded::Known => {}
                Seeded::Changed => {
                    say(&format!("{} has changed since it ran; to run it: basalt db reset", seed.path));
                }
            }
        }
        for (name, bucket) in project.buckets() {
            apply::bucket(&mut session, name, bucket).await?;
        }
        Ok(())
    }

    async fn migrate(
        &self,
        session: &mut Session,
        local: &[Migration],
        say: &mut impl FnMut(&str),
    ) -> anyhow::Result<()> {
        let applied: Vec<String> =
            history::list(session).await?.into_iter().map(|each| each.version).collect();
        let pending = plan::pending(local, &applied, false)?;
        if !pending.is_empty() {
            for (name, content) in &self.secrets {
                vault::admin::write(&self.administrator, name, content, None).await.context("db.vault")?;
            }
        }
        for migration in pending {
            apply::migration(session, migration).await?;
            say(&format!("applied {}_{}", migration.version, migration.name));
        }
        Ok(())
    }

    /// Watches the folder, for ever.
    pub(crate) async fn follow(&self, say: &mut impl FnMut(&str)) {
        let mut applied = self.look();
        let mut seen = applied.clone();
        let mut settings = self.settings();
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = self.look();
            if now != seen {
                // An editor may be in the middle of it.
                seen = now;
                continue;
            }
            if self.settings() != settings {
                settings = self.settings();
                say("the settings have changed; they count from the next start");
            }
            if seen != applied {
                applied = seen.clone();
                if let Err(error) = self.bring_up(say).await {
                    say(&format!("error: {error:#}"));
                }
            }
        }
    }

    /// Migrations and seeds as they are now; nothing where the folder cannot be read.
    fn look(&self) -> Vec<Look> {
        let paths = || {
            let project = Project::find(&self.folder)?;
            let migrations = project.migrations()?.0.into_iter().map(|migration| migration.path);
            anyhow::Ok(migrations.chain(project.seed_paths()?).collect::<Vec<_>>())
        };
        paths().unwrap_or_default().into_iter().map(look).collect()
    }

    fn settings(&self) -> Option<Look> {
        Project::find(&self.folder).ok().map(|project| look(project.settings_file().to_owned()))
    }
}

fn look(path: PathBuf) -> Look {
    let metadata = std::fs::metadata(&path).ok();
    let changed_at = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    (path, changed_at, metadata.map_or(0, |metadata| metadata.len()))
}
