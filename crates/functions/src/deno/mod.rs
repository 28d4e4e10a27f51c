//! The processes that run functions: one for each function that is in use.
//!
//! The first caller starts it and others wait for the same start. A process of an older version ends with its last
//! answer; one that nobody asks ends after `functions.max_idle`.

mod account;
mod meter;
mod process;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::units::Span;
use kernel::{Secret, Task};

pub(crate) use account::Account;
use meter::Limits;
pub(crate) use process::Process;
use process::Start;

use crate::config::Config;
use crate::error::Error;
use crate::folder::Found;
use crate::{Backend, Deps, Service};

/// How often idle processes are looked for.
const EVERY: Duration = Duration::from_secs(5);

/// All of them.
pub(crate) struct Processes {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    most: usize,
    max_idle: Span,
    limits: Limits,
    account: Option<Account>,
    deno: PathBuf,
    env_file: PathBuf,
    env: Vec<(String, Secret)>,
    /// Those of the settings.
    own: Vec<(String, Secret)>,
    search: Vec<PathBuf>,
    work_dir: PathBuf,
}

/// The place of one function's process. Whoever starts it holds the lock; others wait for it.
#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<Arc<Process>>>);

impl Processes {
    pub(crate) fn new(config: &Config, account: Option<Account>, deps: Deps) -> Self {
        Self {
            slots: Mutex::default(),
            most: config.max_processes,
            max_idle: config.max_idle,
            limits: Limits { memory: config.max_memory.0, cpu: config.max_cpu.0 },
            account,
            deno: config.deno.clone(),
            env_file: config.env_file.clone(),
            env: deps.env,
            own: config.env.clone().into_iter().collect(),
            search: deps.search,
            work_dir: deps.work_dir,
        }
    }

    /// The process of a function, started if it does not run.
    pub(crate) async fn get(&self, folder: &Path, found: &Found) -> Result<Arc<Process>, Error> {
        let slot = self.slot(&found.name)?;
        let mut running = slot.0.lock().await;
        if let Some(process) = &*running
            && process.serves(found.version)
        {
            process.touch();
            return Ok(Arc::clone(process));
        }
        *running = None;
        let deno = self.program().ok_or_else(|| {
            Error::Boot("no program `deno` was found; install it, or set functions.deno".to_owned())
        })?;
        let start = Start {
            deno: &deno,
            folder,
            found,
            work_dir: &self.work_dir,
            env: self.variables(folder),
            limits: self.limits,
            account: self.account.as_ref(),
        };
        let process = Arc::new(Process::start(start).await?);
        *running = Some(Arc::clone(&process));
        Ok(process)
    }

    fn slot(&self, name: &str) -> Result<Arc<Slot>, Error> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if !slots.contains_key(name) && slots.len() >= self.most {
            slots.retain(|_, slot| slot.is_in_use());
            if slots.len() >= self.most {
                return Err(Error::Boot(format!(
                    "{} functions run already (functions.max_processes)",
                    self.most
                )));
            }
        }
        Ok(Arc::clone(slots.entry(name.to_owned()).or_default()))
    }

    /// Ends what nobody asked for a while.
    fn reap(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| {
            // One that is being started is in use.
            let Ok(running) = slot.0.try_lock() else { return true };
            running
                .as_ref()
                .is_some_and(|process| Arc::strong_count(process) > 1 || process.idle() < self.max_idle.0)
        });
    }

    fn program(&self) -> Option<PathBuf> {
        if !self.deno.as_os_str().is_empty() {
            return Some(self.deno.clone());
        }
        self.search.iter().map(|directory| directory.join("deno")).find(|file| file.is_file())
    }

    /// What functions see of variables: the server's, those of the settings, and those of the file. The names of the
    /// server's are reserved.
    fn variables(&self, folder: &Path) -> Vec<(String, Secret)> {
        let file =
            if self.env_file.as_os_str().is_empty() { folder.join(".env") } else { self.env_file.clone() };
        let text = Secret::new(std::fs::read_to_string(file).unwrap_or_default());
        let own = self.own.iter().cloned().chain(parsed(text.expose()));
        let own = own.filter(|(name, _)| !name.starts_with("SUPABASE_"));
        self.env.iter().cloned().chain(own).collect()
    }
}

impl Slot {
    fn is_in_use(&self) -> bool {
        self.0.try_lock().map_or(true, |running| running.as_ref().is_some_and(|process| process.is_alive()))
    }
}

/// The lines of a `.env` file.
fn parsed(text: &str) -> Vec<(String, Secret)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
    let value = |text: &str| {
        let text = text.trim();
        let quoted = |mark| text.strip_prefix(mark).and_then(|text: &str| text.strip_suffix(mark));
        match (quoted('"'), quoted('\'')) {
            (Some(text), _) => text.replace("\\n", "\n").replace("\\\"", "\""),
            (None, Some(text)) => text.to_owned(),
            // What follows a value that is not quoted is a comment.
            (None, None) => text.split(" #").next().unwrap_or(text).trim_end().to_owned(),
        }
    };
    let usable = |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '\0');
    pairs
        .filter(|(name, _)| usable(name.trim()))
        .map(|(name, text)| (name.trim().to_owned(), Secret::new(value(text))))
        .collect()
}

/// Ends processes that nobody asks.
pub(crate) fn reaper(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("functions", move |mut stop| {
        let service = Arc::clone(&service);
        async move {
            let Backend::Deno(processes, _) = &service.backend else { return };
            loop {
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => processes.reap(),
                    () = stop.stopped() => {
                        processes.slots.lock().unwrap_or_else(PoisonError::into_inner).clear();
                        return;
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_file() {
        let text = "# a comment\nA=1\n export B = two words # not this\nC=\"x # y\\nz\"\nD='a\\nb'\n=x\nno line\nE=\n";
        let found = parsed(text);
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(found, [("A", "1"), ("B", "two words"), ("C", "x # y\nz"), ("D", "a\\nb"), ("E", "")]);
    }
}
