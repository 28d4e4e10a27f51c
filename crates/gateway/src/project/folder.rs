//! The files of a project.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use kernel::Secret;
use sha2::{Digest, Sha256};

use crate::settings::{self, ProjectFile};
use serde_json::{Map, Value};

/// Where a server for the project around `start` keeps its data, if there has been one.
pub(crate) fn standing_data_dir(start: &Path) -> Option<PathBuf> {
    start.ancestors().map(|folder| folder.join("supabase").join(DATA_DIR)).find(|data| data.is_dir())
}

/// The project whose server keeps its data in `data_dir`, if that is a project's.
pub(crate) fn around(data_dir: &Path) -> Option<Project> {
    let data_dir = data_dir.canonicalize().ok()?;
    let project = Project::find(data_dir.parent()?).ok()?;
    (project.data_dir() == data_dir).then_some(project)
}

/// Below `supabase/`.
const DATA_DIR: &str = ".basalt";

/// Files of a seed, if the settings name none.
const SEED: &str = "./seed.sql";

/// A folder with `supabase/` in it.
pub(crate) struct Project {
    root: PathBuf,
    /// The file of its settings, whether or not there is one.
    file: PathBuf,
    settings: Map<String, Value>,
}

/// A file of `supabase/migrations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migration {
    /// Digits, usually the moment in UTC; its place in the order.
    pub(crate) version: String,
    /// The rest of the file's name.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// A file of data to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seed {
    /// Relative to the project.
    pub(crate) path: String,
    /// SHA-256 of the content, in hex.
    pub(crate) hash: String,
    pub(crate) text: String,
}

impl Project {
    /// The project around `start`: the nearest folder with `supabase/` in it.
    ///
    /// # Errors
    ///
    /// There is none, or its settings cannot be read.
    pub(crate) fn find(start: &Path) -> anyhow::Result<Self> {
        let start = start.canonicalize().with_context(|| format!("cannot read {}", start.display()))?;
        let root = start.ancestors().find(|folder| folder.join("supabase").is_dir());
        let root =
            root.ok_or_else(|| anyhow!("there is no folder supabase in {} or above", start.display()))?;
        let folder = root.join("supabase");
        let (json, toml) = (folder.join("config.json"), folder.join("config.toml"));
        let (file, settings) = match read(&json)? {
            Some(text) => {
                let settings = serde_json::from_str(&text);
                (json.clone(), settings.with_context(|| format!("{} cannot be read", json.display()))?)
            }
            None => {
                let settings = toml::from_str(&read(&toml)?.unwrap_or_default());
                (toml.clone(), settings.with_context(|| format!("{} cannot be read", toml.display()))?)
            }
        };
        Ok(Self { root: root.to_owned(), file, settings })
    }

    fn folder(&self) -> PathBuf {
        self.root.join("supabase")
    }

    /// What the server is told of these settings, and whether it may have the keys that everybody knows.
    pub(crate) fn file(&self, environment: &BTreeMap<String, String>, has_known_keys: bool) -> ProjectFile {
        let mut content = Value::Object(self.settings.clone());
        settings::with_variables(&mut content, environment);
        let content = match content {
            Value::Object(content) => content,
            _ => Map::new(),
        };
        ProjectFile { path: self.file.clone(), root: self.root.clone(), content, has_known_keys }
    }

    /// The environment with what the project's `.env` files add to it: those in `supabase/` before those beside it, and
    /// `.env.local` before `.env`.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub(crate) fn environment(
        &self,
        own: BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let mut environment = own;
        for folder in [self.folder(), self.root.clone()] {
            for name in [".env.local", ".env"] {
                let text = read(&folder.join(name))?.unwrap_or_default();
                for (name, value) in variables(&text) {
                    environment.entry(name).or_insert(value);
                }
            }
        }
        Ok(environment)
    }

    /// Where a server for this project keeps its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder().join(DATA_DIR)
    }

    /// The buckets that the settings name.
    pub(crate) fn buckets(&self) -> Vec<(&str, &Value)> {
        let buckets = self.settings.get("storage").and_then(|storage| storage.get("buckets"));
        let buckets = buckets.and_then(Value::as_object).into_iter().flatten();
        buckets.map(|(name, bucket)| (name.as_str(), bucket)).collect()
    }

    /// Where migrations lie.
    pub(crate) fn migrations_folder(&self) -> PathBuf {
        self.folder().join("migrations")
    }

    /// All migrations in their order, and the names of files that are none.
    ///
    /// # Errors
    ///
    /// What the operating system said; two files of one version.
    pub(crate) fn migrations(&self) -> anyhow::Result<(Vec<Migration>, Vec<String>)> {
        let folder = self.migrations_folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
        };
        let (mut migrations, mut others) = (Vec::new(), Vec::new());
        for entry in entries {
            let file = entry.file_name().to_string_lossy().into_owned();
            match parts(&file) {
                Some((version, name)) => migrations.push(Migration {
                    version: version.to_owned(),
                    name: name.to_owned(),
                    path: entry.path(),
                }),
                None => others.push(file),
            }
        }
        migrations.sort_by(|a, b| a.version.cmp(&b.version));
        others.sort();
        let twice = migrations.array_windows().find(|[a, b]| a.version == b.version);
        match twice {
            Some([a, b]) => {
                Err(anyhow!("{} and {} have the same version", a.path.display(), b.path.display()))
            }
            None => Ok((migrations, others)),
        }
    }

    /// Writes a new migration.
    ///
    /// # Errors
    ///
    /// A name that is none; what the operating system said.
    pub(crate) fn add(&self, name: &str, content: &str) -> anyhow::Result<Migration> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(anyhow!("a name has letters, digits, _ and - only"));
        }
        let folder = self.migrations_folder();
        fs::create_dir_all(&folder)?;
        let version = chrono::Utc::now().format("%Y%m%d%H%M%S").to_string();
        let path = folder.join(format!("{version}_{name}.sql"));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.write_all(content.as_bytes())?;
        Ok(Migration { version, name: name.to_owned(), path })
    }

    /// Whether migrations are applied at all.
    pub(crate) fn applies_migrations(&self) -> bool {
        let migrations = self.settings.get("db").and_then(|db| db.get("migrations"));
        migrations.and_then(|migrations| migrations.get("enabled")) != Some(&Value::Bool(false))
    }

    /// The file of the settings, whether or not there is one.
    pub(crate) fn settings_file(&self) -> &Path {
        &self.file
    }

    /// The seeds in their order; none if they are switched off.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a pattern that is none.
    pub(crate) fn seeds(&self) -> anyhow::Result<Vec<Seed>> {
        let read = |path: PathBuf| {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let relative = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
            let hash = hex::encode(Sha256::digest(text.as_bytes()));
            Ok(Seed { path: relative, hash, text })
        };
        self.seed_paths()?.into_iter().map(read).collect()
    }

    /// The files of the seeds.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub(crate) fn seed_paths(&self) -> anyhow::Result<Vec<PathBuf>> {
        let seed = self.settings.get("db").and_then(|db| db.get("seed"));
        if seed.and_then(|seed| seed.get("enabled")).and_then(Value::as_bool) == Some(false) {
            return Ok(Vec::new());
        }
        let patterns = seed.and_then(|seed| seed.get("sql_paths")).and_then(Value::as_array);
        let patterns: Vec<&str> =
            patterns.map_or(vec![SEED], |list| list.iter().filter_map(Value::as_str).collect());
        let mut found = Vec::new();
        for pattern in patterns {
            let full = self.folder().join(pattern.trim_start_matches("./"));
            let paths =
                glob::glob(&full.to_string_lossy()).with_context(|| format!("sql_paths: {pattern}"))?;
            for path in paths {
                let path = path?;
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }

    /// `[db.vault]`: secrets by name. `env(NAME)` stands for a variable of the environment.
    ///
    /// # Errors
    ///
    /// A variable that is not set, a value that is no text.
    pub(crate) fn secrets(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Vec<(String, Secret)>> {
        let Some(table) = self.settings.get("db").and_then(|db| db.get("vault")).and_then(Value::as_object)
        else {
            return Ok(Vec::new());
        };
        let read = |(name, value): (&String, &Value)| {
            let text = value.as_str().ok_or_else(|| anyhow!("db.vault.{name} must be a text"))?;
            let text = match text.strip_prefix("env(").and_then(|rest| rest.strip_suffix(')')) {
                Some(wanted) => variable(wanted).ok_or_else(|| {
                    anyhow!("db.vault.{name} wants the variable {wanted}, which is not set")
                })?,
                None => text.to_owned(),
            };
            Ok((name.clone(), Secret::new(text)))
        };
        table.iter().map(read).collect()
    }
}

impl Migration {
    /// The content.
    ///
    /// # Errors
    ///
    /// What the operating system said.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        fs::read_to_string(&self.path).with_context(|| format!("cannot read {}", self.path.display()))
    }
}

/// The content of a file; none if there is no such file.
fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The lines `NAME=value` of an `.env` file; values may be in quotes.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        let value = match quoted('"').or_else(|| quoted('\'')) {
            Some((inside, _)) => inside,
            None => value.split_once(" #").map_or(value, |(value, _)| value.trim_end()),
        };
        (!name.is_empty() && !name.starts_with('#')).then(|| (name.to_owned(), value.to_owned()))
    })
}

/// Version and name, if a file is called like a migration.
fn parts(file: &str) -> Option<(&str, &str)> {
    let (version, name) = file.strip_suffix(".sql")?.split_once('_')?;
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    is_version.then_some((version, name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Project) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let project = Project::find(directory.path()).unwrap();
        (directory, project)
    }

    #[test]
    fn names_of_migrations() {
        assert_eq!(parts("20240101000000_first.sql"), Some(("20240101000000", "first")));
        assert_eq!(parts("1_a_b.sql"), Some(("1", "a_b")));
        assert_eq!(parts("2_.sql"), Some(("2", "")));
        for file in ["first.sql", "_first.sql", "1a_first.sql", "1_first.txt", "1.sql", ""] {
            assert_eq!(parts(file), None, "{file}");
        }
    }

    #[test]
    fn a_project_is_found_from_within_and_its_files_are_in_order() {
        let (directory, _) = project(&[
            ("supabase/migrations/2_second.sql", ""),
            ("supabase/migrations/1_first.sql", ""),
            ("supabase/migrations/notes.md", ""),
        ]);
        let project = Project::find(&directory.path().join("supabase/migrations")).unwrap();
        let (migrations, others) = project.migrations().unwrap();
        assert_eq!(migrations.iter().map(|each| each.name.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(others, ["notes.md"]);
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(Project::find(elsewhere.path()).is_err());
    }

    #[test]
    fn a_version_stands_for_one_file() {
        let (_directory, project) =
            project(&[("supabase/migrations/1_a.sql", ""), ("supabase/migrations/1_b.sql", "")]);
        assert!(project.migrations().unwrap_err().to_string().contains("same version"));
    }

    #[test]
    fn seeds_are_those_of_the_settings() {
        let (_directory, standard) = project(&[("supabase/seed.sql", "select 1")]);
        let seeds = standard.seeds().unwrap();
        assert_eq!(seeds.len(), 1);
        assert_eq!(seeds[0].path, "supabase/seed.sql");
        assert_eq!(seeds[0].hash, "822ae07d4783158bc1912bb623e5107cc9002d519e1143a9c200ed6ee18b6d0f");

        let config = "[db.seed]\nsql_paths = ['./seeds/b.sql', './seeds/*.sql']";
        let (_directory, listed) = project(&[
            ("supabase/config.toml", config),
            ("supabase/seeds/a.sql", ""),
            ("supabase/seeds/b.sql", ""),
        ]);
        let paths: Vec<_> = listed.seeds().unwrap().into_iter().map(|seed| seed.path).collect();
        assert_eq!(paths, ["supabase/seeds/b.sql", "supabase/seeds/a.sql"]);

        let (_directory, off) =
            project(&[("supabase/config.toml", "[db.seed]\nenabled = false"), ("supabase/seed.sql", "")]);
        assert_eq!(off.seeds().unwrap(), []);
    }

    #[test]
    fn variables_come_from_files_beside_the_settings() {
        let (_directory, project) = project(&[
            ("supabase/.env", "A=a\nB=\"b # b\" # c\n# C=c\nexport D='d'\n"),
            ("supabase/.env.local", "A=local\n"),
            (".env", "A=root\nE = e # e\n"),
        ]);
        let own = [("D".to_owned(), "own".to_owned())].into();
        let environment = project.environment(own).unwrap();
        let shown: Vec<_> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["A=local", "B=b # b", "D=own", "E=e"]);
    }

    #[test]
    fn settings_may_be_json() {
        let (_directory, project) = project(&[
            (
                "supabase/config.json",
                r#"{"db":{"seed":{"enabled":false}},"storage":{"buckets":{"a":{"public":true}}}}"#,
            ),
            ("supabase/config.toml", "[db.seed]\nenabled = true"),
            ("supabase/seed.sql", ""),
        ]);
        assert_eq!(project.seeds().unwrap(), []);
        assert_eq!(project.buckets()[0].0, "a");
        assert!(project.file(&BTreeMap::new(), false).path.ends_with("config.json"));
    }

    #[test]
    fn secrets_come_from_the_settings_or_the_environment() {
        let config = "[db.vault]\nplain = 'a'\nfrom = 'env(NAME)'";
        let (_directory, project) = project(&[("supabase/config.toml", config)]);
        let secrets = project.secrets(|name| (name == "NAME").then(|| "b".to_owned())).unwrap();
        let shown: Vec<_> = secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect();
        assert_eq!(shown, [("from", "b"), ("plain", "a")]);
        assert!(project.secrets(|_| None).unwrap_err().to_string().contains("NAME"));
    }
}
