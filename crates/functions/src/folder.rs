//! What is in a folder of functions, and what `config.toml` beside it says of them.
//!
//! Looked at when a function is called for the first time, and then once a second behind the requests for as long as it
//! is called: whoever writes one sees what he wrote, and no call waits for the disk.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use kernel::Task;
use serde::Deserialize;

use crate::config::Config;

/// How often what was seen is looked at again.
const EVERY: Duration = Duration::from_secs(1);
/// For how long after its last call.
const WATCHED: Duration = Duration::from_secs(60);
/// Files of a function that are looked at for changes.
const MOST_FILES: usize = 5_000;
/// How deep.
const MOST_LEVELS: usize = 12;
/// Files that a function may begin with, in this order.
const ENTRY_POINTS: [&str; 5] = ["index.ts", "index.js", "index.tsx", "index.jsx", "index.mjs"];
/// In upstream's compose, the function that starts the others.
const ROUTER: &str = "main";

/// A function that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) entry_point: PathBuf,
    /// `deno.json` of the function, or the nearest above it, up to the folder that functions are in.
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

/// What was seen, and when it was asked for.
struct Look {
    asked: Instant,
    found: Arc<Found>,
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
    pub(crate) async fn find(self: &Arc<Self>, name: &str) -> Option<Arc<Found>> {
        if !is_name(name) {
            return None;
        }
        if let Some(look) = self.seen().get_mut(name) {
            look.asked = Instant::now();
            return Some(Arc::clone(&look.found));
        }
        let (folder, wanted) = (Arc::clone(self), name.to_owned());
        let found = tokio::task::spawn_blocking(move || folder.look(&wanted, &folder.config_toml())).await;
        // A panic has been told; there is no function then.
        let found = Arc::new(found.ok().flatten()?);
        let look = Look { asked: Instant::now(), found: Arc::clone(&found) };
        self.seen().insert(name.to_owned(), look);
        Some(found)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Look>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks again at what is in use. Blocks on the disk, and holds nobody up while it does.
    fn refresh(&self) {
        let names: Vec<String> = {
            let mut seen = self.seen();
            seen.retain(|_, look| look.asked.elapsed() < WATCHED);
            seen.keys().cloned().collect()
        };
        if names.is_empty() {
            return;
        }
        let config_toml = self.config_toml();
        for name in names {
            let found = self.look(&name, &config_toml).map(Arc::new);
            let mut seen = self.seen();
            match (found, seen.get_mut(&name)) {
                (Some(found), Some(look)) => look.found = found,
                (None, Some(_)) => drop(seen.remove(&name)),
                (_, None) => {}
            }
        }
    }

    fn look(&self, name: &str, config_toml: &ConfigToml) -> Option<Found> {
        let directory = self.path.join(name);
        let said = config_toml.said(name);
        let beside = self.path.parent().unwrap_or(&self.path);
        let within = |path: &String| Some(beside.join(path)).filter(|path| path.is_file());
        let entry_point = match &said.entrypoint {
            Some(path) => within(path)?,
            None => ENTRY_POINTS.iter().map(|file| directory.join(file)).find(|file| file.is_file())?,
        };
        if said.enabled == Some(false) {
            return None;
        }
        let nearest = |names: &[&str]| {
            let places = [directory.as_path(), &self.path, beside];
            places
                .iter()
                .flat_map(|place| names.iter().map(|name| place.join(name)))
                .find(|file| file.is_file())
        };
        let set = self.each.get(name).and_then(|function| function.verify_jwt);
        let deno_config = nearest(&["deno.json", "deno.jsonc"]);
        // As the Supabase command line has it: a map of imports by itself is for functions without a configuration.
        let map = || if deno_config.is_none() { nearest(&["import_map.json"]) } else { None };
        Some(Found {
            name: name.to_owned(),
            entry_point,
            import_map: said.import_map.as_ref().and_then(within).or_else(map),
            deno_config,
            verify_jwt: set.or(said.verify_jwt).unwrap_or(self.verify_jwt),
            version: version(&[&directory, &self.path.join("_shared")]),
        })
    }

    /// What `config.toml` says. One that cannot be read says nothing, which is the stricter way.
    fn config_toml(&self) -> ConfigToml {
        let file = self.path.parent().map(|parent| parent.join("config.toml"));
        let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        toml::from_str(&text).unwrap_or_default()
    }
}

impl ConfigToml {
    fn said(&self, name: &str) -> Said {
        self.functions.get(name).and_then(|value| value.clone().try_into().ok()).unwrap_or_default()
    }
}

/// Looks again at what is in use, as long as the server runs.
pub(crate) fn watcher(folder: &Arc<Folder>) -> Task {
    let folder = Arc::clone(folder);
    Task::new("functions' files", move |mut stop| {
        let folder = Arc::clone(&folder);
        async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = stop.stopped() => return,
                }
                let folder = Arc::clone(&folder);
                // A panic has been told, and the next look is a second away.
                let _ = tokio::task::spawn_blocking(move || folder.refresh()).await;
            }
        }
    })
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

    fn found(folder: &Folder, name: &str) -> Option<Found> {
        Some(name).filter(|name| is_name(name)).and_then(|name| folder.look(name, &folder.config_toml()))
    }

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
            assert_eq!(found(&folder, name).is_some(), expected, "{name}");
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
        let verifies = |name: &str| found(&folder, name).unwrap().verify_jwt;
        assert_eq!((verifies("open"), verifies("both"), verifies("shut")), (false, true, true));
        let odd = found(&folder, "odd").unwrap();
        assert!(
            odd.entry_point.ends_with("elsewhere/start.ts") && odd.import_map.is_some() && odd.verify_jwt
        );
        // A file that cannot be read opens nothing.
        let (_dir, config) = self::folder("[functions.open", &["open/index.ts"]);
        assert!(found(&Folder::new(&config), "open").unwrap().verify_jwt);
    }

    #[test]
    fn the_nearest_configuration_counts() {
        let files = ["a/index.ts", "a/deno.json", "b/index.ts", "../deno.json"];
        let (dir, config) = folder("", &files);
        let folder = Folder::new(&config);
        let config_of = |name: &str| found(&folder, name).unwrap().deno_config.unwrap();
        assert!(config_of("a").ends_with("a/deno.json"));
        assert_eq!(config_of("b"), dir.path().canonicalize().unwrap().join("deno.json"));
        fs::write(config.path.join("deno.jsonc"), "{}").unwrap();
        assert!(config_of("b").ends_with("functions/deno.jsonc"));
    }

    #[tokio::test]
    async fn what_is_in_use_is_looked_at_again() {
        let (_dir, config) = folder("", &["a/index.ts"]);
        let folder = Arc::new(Folder::new(&config));
        let first = folder.find("a").await.unwrap();
        assert!(folder.find("b").await.is_none());
        fs::write(config.path.join("a/index.ts"), "another").unwrap();
        assert_eq!(folder.find("a").await.unwrap(), first, "no call waits for the disk");
        folder.refresh();
        assert_ne!(folder.find("a").await.unwrap().version, first.version);
        fs::create_dir(config.path.join("b")).unwrap();
        fs::write(config.path.join("b/index.ts"), "new").unwrap();
        assert!(folder.find("b").await.is_some(), "what was not there is not remembered as such");
        fs::remove_dir_all(config.path.join("a")).unwrap();
        folder.refresh();
        assert!(folder.find("a").await.is_none());
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
