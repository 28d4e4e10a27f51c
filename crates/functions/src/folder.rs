//! What is in a folder of functions, and what `config.toml` beside it says of them.
//!
//! Looked at when a function is called, at most once a second for each: whoever writes one sees what he wrote.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde::Deserialize;

use crate::config::Config;

/// How long what was seen holds.
const FRESH: Duration = Duration::from_secs(1);
/// Files of a function that are looked at for changes.
const MOST_FILES: usize = 5_000;
/// How deep.
const MOST_LEVELS: usize = 12;
/// Names that are asked for and remembered.
const MOST_NAMES: usize = 1_000;
/// Files that a function may begin with, in this order.
const ENTRY_POINTS: [&str; 5] = ["index.ts", "index.js", "index.tsx", "index.jsx", "index.mjs"];
/// In upstream's compose, the function that starts the others.
const ROUTER: &str = "main";

/// A function that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) entry_point: PathBuf,
    /// `deno.json` of the function.
    pub(crate) deno_config: Option<PathBuf>,
    pub(crate) import_map: Option<PathBuf>,
    pub(crate) verify_jwt: bool,
    /// Another one when any of its files is.
    pub(crate) version: u64,
}

/// A folder of functions.
pub(crate) struct Folder {
    path: PathBuf,
    verify_jwt: bool,
    each: BTreeMap<String, crate::config::Function>,
    seen: Mutex<HashMap<String, Look>>,
}

/// What was seen, and when.
struct Look {
    at: Instant,
    found: Option<Arc<Found>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigToml {
    functions: BTreeMap<String, toml::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    enabled: Option<bool>,
    verify_jwt: Option<bool>,
    entrypoint: Option<String>,
    import_map: Option<String>,
}

impl Folder {
    pub(crate) fn new(config: &Config) -> Self {
        // Paths of `config.toml` and of Deno's permissions are compared: one spelling.
        let path = config.path.canonicalize().unwrap_or_else(|_| config.path.clone());
        Self { path, verify_jwt: config.verify_jwt, each: config.each.clone(), seen: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The function called `name`.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Found>> {
        if !is_name(name) {
            return None;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look) = seen.get(name)
            && look.at.elapsed() < FRESH
        {
            return look.found.clone();
        }
        let found = self.look(name).map(Arc::new);
        if seen.len() >= MOST_NAMES {
            seen.clear();
        }
        seen.insert(name.to_owned(), Look { at: Instant::now(), found: found.clone() });
        found
    }

    fn look(&self, name: &str) -> Option<Found> {
        let directory = self.path.join(name);
        let said = self.said(name);
        let beside = self.path.parent().unwrap_or(&self.path);
        let within = |path: &String| Some(beside.join(path)).filter(|path| path.is_file());
        let entry_point = match &said.entrypoint {
            Some(path) => within(path)?,
            None => ENTRY_POINTS.iter().map(|file| directory.join(file)).find(|file| file.is_file())?,
        };
        if said.enabled == Some(false) {
            return None;
        }
        let own = |names: &[&str]| names.iter().map(|name| directory.join(name)).find(|file| file.is_file());
        let set = self.each.get(name).and_then(|function| function.verify_jwt);
        Some(Found {
            name: name.to_owned(),
            entry_point,
            deno_config: own(&["deno.json", "deno.jsonc"]),
            import_map: said.import_map.as_ref().and_then(within).or_else(|| own(&["import_map.json"])),
            verify_jwt: set.or(said.verify_jwt).unwrap_or(self.verify_jwt),
            version: version(&[&directory, &self.path.join("_shared")]),
        })
    }

    /// What `config.toml` says. One that cannot be read says nothing, which is the stricter way.
    fn said(&self, name: &str) -> Said {
        let file = self.path.parent().map(|parent| parent.join("config.toml"));
        let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let parsed: ConfigToml = toml::from_str(&text).unwrap_or_default();
        parsed.functions.get(name).and_then(|value| value.clone().try_into().ok()).unwrap_or_default()
    }
}

/// What can be the name of a function: a single folder that does not begin with a dot or an underscore.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.len() <= 100
        && name.bytes().all(allowed)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name != ROUTER
}

/// A number that changes with every file in `directories`.
fn version(directories: &[&Path]) -> u64 {
    let mut sum = 0_u64;
    let mut left = MOST_FILES;
    let mut waiting: Vec<(PathBuf, usize)> = directories.iter().map(|path| (path.to_path_buf(), 0)).collect();
    while let Some((directory, level)) = waiting.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if left == 0 {
                return sum;
            }
            left -= 1;
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                if level < MOST_LEVELS && entry.file_name() != "node_modules" {
                    waiting.push((entry.path(), level + 1));
                }
                continue;
            }
            let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let modified = modified.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
            // The order in which a directory is read says nothing.
            sum = sum.wrapping_add(modified.wrapping_mul(31).wrapping_add(metadata.len()));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Function;

    fn folder(config_toml: &str, files: &[&str]) -> (tempfile::TempDir, Config) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), config_toml).unwrap();
        for file in files {
            let path = dir.path().join("functions").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let config = Config { path: dir.path().join("functions"), ..Config::default() };
        (dir, config)
    }

    #[test]
    fn what_is_a_function_and_what_is_not() {
        let files =
            ["a/index.ts", "b/index.js", "c/other.ts", "_shared/index.ts", "main/index.ts", "d/index.ts"];
        let (_dir, config) = folder("[functions.d]\nenabled = false", &files);
        let folder = Folder::new(&config);
        for (name, expected) in [
            ("a", true),
            ("b", true),
            ("c", false),
            ("d", false),
            ("_shared", false),
            ("main", false),
            ("..", false),
            (".", false),
            ("", false),
            ("a/../b", false),
            ("a%2fb", false),
            ("nothing", false),
        ] {
            assert_eq!(folder.find(name).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn who_has_to_show_a_token() {
        let said = "[functions.open]\nverify_jwt = false\n[functions.both]\nverify_jwt = false\n\
                    [functions.odd]\nentrypoint = './functions/elsewhere/start.ts'\nimport_map = './functions/map.json'";
        let files = ["open/index.ts", "both/index.ts", "shut/index.ts", "elsewhere/start.ts", "map.json"];
        let (_dir, mut config) = folder(said, &files);
        config.each.insert("both".to_owned(), Function { verify_jwt: Some(true) });
        let folder = Folder::new(&config);
        let verifies = |name: &str| folder.find(name).unwrap().verify_jwt;
        assert_eq!((verifies("open"), verifies("both"), verifies("shut")), (false, true, true));
        let odd = folder.find("odd").unwrap();
        assert!(
            odd.entry_point.ends_with("elsewhere/start.ts") && odd.import_map.is_some() && odd.verify_jwt
        );
        // A file that cannot be read opens nothing.
        let (_dir, config) = self::folder("[functions.open", &["open/index.ts"]);
        assert!(Folder::new(&config).find("open").unwrap().verify_jwt);
    }

    #[test]
    fn another_file_is_another_version() {
        let (_dir, config) = folder("", &["a/index.ts", "a/deep/x.ts", "_shared/y.ts"]);
        let (a, shared) = (config.path.join("a"), config.path.join("_shared"));
        let now = || version(&[&a, &shared]);
        let first = now();
        assert_eq!(now(), first);
        for file in ["a/deep/x.ts", "_shared/y.ts", "a/new.ts"] {
            let before = now();
            fs::write(config.path.join(file), "longer").unwrap();
            assert_ne!(now(), before, "{file}");
        }
    }
}
