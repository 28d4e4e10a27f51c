//! The layers, lowest first, and who set what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::assigned::{environment, file};
use super::schema::Known;
use super::source::{Problem, Source};
use super::{ProjectFile, Settings, compat};
use super::{check, given, mode};

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Where `basalt.toml` is looked for.
    pub(crate) data_dir: PathBuf,
    /// The file that must be there instead.
    pub(crate) config: Option<PathBuf>,
    /// The settings of a project folder.
    pub(crate) project: Option<ProjectFile>,
    /// The process environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Flags that set something: their name, the setting, the value.
    pub(crate) flags: Vec<(&'static str, &'static str, Value)>,
}

/// Settings that may be used.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// Who set what is not a default.
    pub(crate) sources: BTreeMap<String, Source>,
    /// What was accepted without effect: for the log, once.
    pub(crate) notes: Vec<String>,
}

/// One value for one setting.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) path: String,
    pub(super) value: Value,
    pub(super) source: Source,
}

/// Reads all layers.
///
/// # Errors
///
/// Everything that is wrong, in all layers at once.
pub(crate) fn load(request: &Request) -> Result<Loaded, Vec<Problem>> {
    let loaded = read(request)?;
    // Keys that everybody knows are for a server that nobody else reaches.
    match &request.project {
        Some(project) if project.has_known_keys && !is_private(&loaded.settings) => {
            let project = ProjectFile { has_known_keys: false, ..project.clone() };
            read(&Request { project: Some(project), ..request.clone() })
        }
        _ => Ok(loaded),
    }
}

fn is_private(settings: &Settings) -> bool {
    settings.is_local() && settings.database.listen.is_none_or(|address| address.ip().is_loopback())
}

fn read(request: &Request) -> Result<Loaded, Vec<Problem>> {
    let known = Known::read();
    let mut problems = Vec::new();
    let file = file(request, &known, &mut problems);
    let own = environment(&request.environment, &known, &mut problems);
    let flags = request.flags.iter().map(|(flag, path, value)| Assignment {
        path: (*path).to_owned(),
        value: value.clone(),
        source: Source::Flag(flag),
    });
    let above: Vec<_> = own.into_iter().chain(flags).collect();

    let alone = last(&file, &above, "services") == Some(&json!(["rest"]));
    let translated = compat::translate(&request.environment, &known, alone, &mut problems);
    let project = request.project.as_ref();
    let project =
        project.map(|file| compat::project::translate(file, &known, &mut problems)).unwrap_or_default();
    let explicit = project.assignments.into_iter().chain(file).chain(translated.assignments).chain(above);
    let explicit: Vec<_> = explicit.collect();
    let below = mode::defaults(alone, &explicit);

    let mut tree = known.defaults.clone();
    let mut sources = BTreeMap::new();
    for Assignment { path, value, source } in below.into_iter().chain(explicit) {
        match given::resolved(&known, &path, value, &request.environment)
            .and_then(|value| given::fitting(&known, &path, value))
        {
            Ok(value) => {
                given::set(&mut tree, &path, value);
                sources.insert(path, source);
            }
            Err(text) => problems.push(Problem { key: path, text, source }),
        }
    }
    let Ok(settings) = Settings::deserialize(tree) else {
        return Err(problems);
    };
    problems.extend(check::check(&settings, &sources));
    if problems.is_empty() {
        Ok(Loaded { settings, sources, notes: project.notes.into_iter().chain(translated.notes).collect() })
    } else {
        Err(problems)
    }
}

/// The value that wins for `path`, of the layers below and above the translated names.
pub(super) fn last<'a>(below: &'a [Assignment], above: &'a [Assignment], path: &str) -> Option<&'a Value> {
    below
        .iter()
        .chain(above)
        .rev()
        .find(|assignment| assignment.path == path)
        .map(|assignment| &assignment.value)
}

#[cfg(test)]
mod tests;
