//! `supabase/config.toml` (or `config.json`) of a project folder: what its keys mean here.
//!
//! Most of `[auth]` is spelled as ours is; the rest is in the table. What has no meaning here is told once, unless it asks for
//! nothing or is about a program that is not needed here. A table that says `enabled = false` says nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Translated;
use crate::settings::assigned::leaf;
use crate::settings::load::Assignment;
use crate::settings::schema::{Kind, Known};
use crate::settings::source::{Problem, Source};
use crate::settings::value;

/// A project folder's settings, with its variables put in.
#[derive(Clone, Debug)]
pub(crate) struct ProjectFile {
    /// The file they come from.
    pub(crate) path: PathBuf,
    /// The folder around `supabase/`.
    pub(crate) root: PathBuf,
    pub(crate) content: Map<String, Value>,
    /// It may have the keys that everybody knows, if nobody else reaches the server.
    pub(crate) has_known_keys: bool,
}

/// Names that differ.
const RENAMED: &[(&str, &str)] = &[
    ("api.schemas", "rest.schemas"),
    ("api.extra_search_path", "rest.extra_search_path"),
    ("api.max_rows", "rest.max_rows"),
    ("api.external_url", "server.public_url"),
    ("api.auto_expose_new_tables", "database.auto_expose_new_tables"),
    ("db.settings", "database.settings"),
    ("storage.file_size_limit", "storage.file_size_limit"),
    ("edge_runtime.secrets", "functions.env"),
    ("auth.jwt_secret", "jwt.secret"),
    ("auth.anon_key", "keys.anon_key"),
    ("auth.service_role_key", "keys.service_role_key"),
    ("auth.publishable_key", "keys.publishable_key"),
    ("auth.secret_key", "keys.secret_key"),
    ("auth.email.enabled", "auth.email.enable_signup"),
    ("auth.sms.enabled", "auth.sms.enable_signup"),
];

/// Of no concern: read elsewhere, or about programs that are not needed here.
const QUIET: &[&str] = &[
    "project_id",
    "remotes",
    "studio",
    "inbucket",
    "local_smtp",
    "analytics",
    "experimental",
    "edge_runtime.policy",
    "edge_runtime.inspector_port",
    "edge_runtime.deno_version",
    "functions",
    "db.shadow_port",
    "db.health_timeout",
    "db.major_version",
    "db.orioledb_version",
    "db.pooler",
    "db.migrations",
    "db.seed",
    "db.vault",
    "db.network_restrictions",
    "realtime.ip_version",
    "realtime.max_header_length",
    "storage.buckets",
    "storage.s3_protocol",
    "storage.image_transformation",
    "storage.analytics",
    "storage.vector",
];

/// Parts that can be switched off.
const SERVICES: &[(&str, &str)] = &[
    ("api", "rest"),
    ("auth", "auth"),
    ("realtime", "realtime"),
    ("storage", "storage"),
    ("edge_runtime", "functions"),
];

/// The ports of the Supabase command line.
const API_PORT: u64 = 54321;
const DB_PORT: u64 = 54322;

/// What `supabase status` shows on every machine. Everybody knows them, so they are for a server that nobody else reaches.
const KNOWN_KEYS: &[(&str, &str)] = &[
    ("jwt.secret", "super-secret-jwt-token-with-at-least-32-characters-long"),
    (
        "keys.anon_key",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24iLCJleHAiOjE5ODM4MTI5OTZ9.\
         CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0",
    ),
    (
        "keys.service_role_key",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6InNlcnZpY2Vfcm9sZSIsImV4cCI6MTk4\
         MzgxMjk5Nn0.EGIM96RAZx35lJzdJsyH-qQwv8Hdp7fsn3W0YpN81IU",
    ),
    ("keys.publishable_key", "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"),
    ("keys.secret_key", "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"),
    ("keys.s3_access_key_id", "625729a08b95bf1b7ff351a663f3a23c"),
    ("keys.s3_access_key_secret", "850181e4652dd023b7a98c58ae0d2d34bd487ee0cc3254aed6eda37307425907"),
    ("keys.s3_region", "local"),
    ("keys.postgres_password", "postgres"),
];

/// What the file says, on top of what the Supabase command line takes for granted.
pub(in crate::settings) fn translate(
    file: &ProjectFile,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Translated {
    let mut reading =
        Reading { file, known, problems, out: Translated::default(), unused: Vec::new(), off: Vec::new() };
    reading.assumed();
    reading.table("", &file.content);
    reading.finish()
}

struct Reading<'a> {
    file: &'a ProjectFile,
    known: &'a Known,
    problems: &'a mut Vec<Problem>,
    out: Translated,
    unused: Vec<String>,
    off: Vec<&'static str>,
}

impl Reading<'_> {
    /// What holds unless the file says otherwise.
    fn assumed(&mut self) {
        let port = |section: &str, or: u64| {
            let given = self.file.content.get(section).and_then(|section| section.get("port"));
            format!("127.0.0.1:{}", given.and_then(Value::as_u64).unwrap_or(or))
        };
        let (api, db) = (port("api", API_PORT), port("db", DB_PORT));
        let mut assume = |path: &str, value: Value| {
            let source = Source::Mode("a project folder");
            self.out.assignments.push(Assignment { path: path.to_owned(), value, source });
        };
        assume("mode", json!("development"));
        assume("server.listen", json!([api]));
        assume("database.listen", json!(db));
        // What is told about the project is told among it.
        assume("log.level", json!("warn"));
        let functions = self.file.root.join("supabase").join("functions");
        if functions.is_dir() {
            assume("functions.path", json!(functions));
        }
        if self.file.has_known_keys {
            KNOWN_KEYS.iter().for_each(|(path, value)| assume(path, json!(value)));
        }
    }

    fn table(&mut self, prefix: &str, table: &Map<String, Value>) {
        let is_off = prefix.starts_with("auth.")
            && !matches!(prefix, "auth.email" | "auth.sms")
            && table.get("enabled") == Some(&Value::Bool(false));
        for (name, value) in table {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            if is_quiet(&path) || is_off && name != "enabled" {
                continue;
            }
            match value {
                Value::Object(table) if !self.is_map(&path) => self.table(&path, table),
                value => self.value(&path, value),
            }
        }
    }

    /// A table whose names are the project's own.
    fn is_map(&self, path: &str) -> bool {
        let leaf = self.known.leaves.get(renamed(path).unwrap_or(path));
        leaf.is_some_and(|leaf| leaf.kind == Kind::Map && leaf.entries.is_empty())
    }

    fn value(&mut self, path: &str, value: &Value) {
        match path {
            "api.port" | "db.port" => {}
            "db.ssl_enforcement.enabled" => {
                let tls = if value == &Value::Bool(true) { "required" } else { "allowed" };
                self.assign("database.tls", json!(tls));
            }
            "auth.signing_keys_path" => {
                let path = self.file.root.join("supabase").join(value.as_str().unwrap_or_default());
                self.assign("jwt.keys", json!(format!("file:{}", path.display())));
            }
            // Mails that go nowhere are not counted.
            "auth.rate_limit.email_sent" if !self.sends_mail() => {}
            _ if path.ends_with(".content_path") => {
                let base = if path.starts_with("auth.email.notification.") {
                    self.file.root.join("supabase")
                } else {
                    self.file.root.clone()
                };
                self.assign(path, json!(base.join(value.as_str().unwrap_or_default())));
            }
            _ => {
                let part = path.strip_suffix(".enabled");
                let service = SERVICES.iter().find(|(section, _)| part == Some(section));
                match service {
                    Some((_, service)) if value == &Value::Bool(false) => self.off.push(service),
                    Some(_) => {}
                    None => self.other(path, value),
                }
            }
        }
    }

    fn other(&mut self, path: &str, value: &Value) {
        let meant = renamed(path).or_else(|| path.starts_with("auth.").then_some(path));
        match meant.filter(|meant| leaf(self.known, meant).is_some()) {
            Some(meant) => self.assign(meant, value.clone()),
            None if asks_for_nothing(value) => {}
            None => self.unused.push(path.to_owned()),
        }
    }

    fn sends_mail(&self) -> bool {
        let smtp = self.file.content.get("auth").and_then(|auth| auth.get("email")?.get("smtp"));
        smtp.is_some_and(|smtp| smtp.get("enabled") != Some(&Value::Bool(false)))
    }

    fn assign(&mut self, path: &str, value: Value) {
        let source = Source::File(self.file.path.clone());
        let value = match (value, leaf(self.known, path)) {
            // A variable's content is a text, whatever is wanted.
            (Value::String(text), Some(leaf)) if leaf.kind != Kind::Text => value::from_text(leaf, &text),
            (value, _) => Ok(value),
        };
        let path = path.to_owned();
        match value {
            Ok(value) => self.out.assignments.push(Assignment { path, value, source }),
            Err(text) => self.problems.push(Problem { key: path, text, source }),
        }
    }

    fn finish(mut self) -> Translated {
        if !self.off.is_empty() {
            let all = ["auth", "rest", "realtime", "storage", "vault", "functions"];
            let left: Vec<_> = all.into_iter().filter(|service| !self.off.contains(service)).collect();
            self.assign("services", json!(left));
        }
        if !self.unused.is_empty() {
            let names = self.unused.join(", ");
            self.out
                .notes
                .push(format!("{}: without effect in this version: {names}", self.file.path.display()));
        }
        self.out
    }
}

fn renamed(path: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(theirs, _)| *theirs == path).map(|(_, ours)| *ours)
}

fn is_quiet(path: &str) -> bool {
    let is_it =
        |quiet: &&str| path.strip_prefix(*quiet).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    QUIET.iter().any(is_it)
}

fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// `env(NAME)` becomes the variable's content; where there is no such variable, it stays as it is.
pub(crate) fn with_variables(value: &mut Value, variables: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            let name = text.strip_prefix("env(").and_then(|rest| rest.strip_suffix(')'));
            if let Some(content) = name.and_then(|name| variables.get(name)) {
                *text = content.clone();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| with_variables(value, variables)),
        Value::Object(table) => table.values_mut().for_each(|value| with_variables(value, variables)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> (BTreeMap<String, Value>, Vec<String>, Vec<Problem>) {
        let file = ProjectFile {
            path: "config.toml".into(),
            root: "/shop".into(),
            content: toml::from_str(text).unwrap(),
            has_known_keys: false,
        };
        let mut problems = Vec::new();
        let translated = translate(&file, &Known::read(), &mut problems);
        let assigned = translated.assignments.into_iter().map(|each| (each.path, each.value));
        (assigned.collect(), translated.notes, problems)
    }

    fn check(text: &str, expected: &[(&str, Value)]) {
        let (assigned, notes, problems) = read(text);
        assert!(notes.is_empty() && problems.is_empty(), "{notes:?} {problems:?}");
        for (path, value) in expected {
            assert_eq!(assigned.get(*path), Some(value), "{path}");
        }
    }

    #[test]
    fn an_empty_file_listens_where_everybody_expects_it() {
        check(
            "",
            &[
                ("mode", json!("development")),
                ("server.listen", json!(["127.0.0.1:54321"])),
                ("database.listen", json!("127.0.0.1:54322")),
            ],
        );
    }

    #[test]
    fn keys_mean_what_they_mean_there() {
        let text = r#"
            [api]
            port = 8000
            schemas = ["public", "shop"]
            max_rows = 50
            [db]
            port = 5432
            ssl_enforcement.enabled = true
            [realtime]
            enabled = false
            [auth]
            jwt_expiry = 60
            jwt_secret = "0123456789012345678901234567890123456789"
            [auth.email]
            enabled = false
            template.invite.content_path = "./supabase/templates/invite.html"
            [auth.sms.test_otp]
            4152127777 = "123456"
            [auth.external.github]
            enabled = true
            client_id = "id"
            [auth.mfa.totp]
            enroll_enabled = true
            [edge_runtime.secrets]
            OWN = "env(NAME)"
        "#;
        check(
            text,
            &[
                ("server.listen", json!(["127.0.0.1:8000"])),
                ("rest.schemas", json!(["public", "shop"])),
                ("rest.max_rows", json!(50)),
                ("database.listen", json!("127.0.0.1:5432")),
                ("database.tls", json!("required")),
                ("services", json!(["auth", "rest", "storage", "vault", "functions"])),
                ("auth.jwt_expiry", json!(60)),
                ("jwt.secret", json!("0123456789012345678901234567890123456789")),
                ("auth.email.enable_signup", json!(false)),
                ("auth.email.template.invite.content_path", json!("/shop/./supabase/templates/invite.html")),
                ("auth.sms.test_otp", json!({ "4152127777": "123456" })),
                ("auth.external.github.client_id", json!("id")),
                ("auth.mfa.totp.enroll_enabled", json!(true)),
                ("functions.env", json!({ "OWN": "env(NAME)" })),
            ],
        );
    }

    #[test]
    fn what_is_switched_off_says_nothing_else() {
        let (assigned, notes, _) = read(
            "[auth.external.apple]\nenabled = false\nsecret = 'env(NOWHERE)'\n\
             [auth.third_party.firebase]\nenabled = false\nproject_id = 'x'\n[auth.rate_limit]\nemail_sent = 2\n",
        );
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(assigned.get("auth.external.apple.enabled"), Some(&json!(false)));
        assert_eq!(assigned.get("auth.external.apple.secret"), None);
        assert_eq!(assigned.get("auth.rate_limit.email_sent"), None, "no mail is sent");
    }

    #[test]
    fn what_means_nothing_here_is_told_once() {
        let (_, notes, problems) = read(
            "wat = 1\n[api.tls]\nenabled = true\n[auth.third_party.clerk]\nenabled = true\n[studio]\nport = 1\n",
        );
        assert!(problems.is_empty());
        assert_eq!(
            notes,
            [
                "config.toml: without effect in this version: api.tls.enabled, auth.third_party.clerk.enabled, wat"
            ]
        );
    }

    #[test]
    fn variables_are_put_in() {
        let variables = [("PORT".to_owned(), "25".to_owned())].into();
        let mut value = json!({ "a": ["env(PORT)"], "b": "env(NOWHERE)", "c": "x env(PORT)" });
        with_variables(&mut value, &variables);
        assert_eq!(value, json!({ "a": ["25"], "b": "env(NOWHERE)", "c": "x env(PORT)" }));
    }

    #[test]
    fn the_known_keys_are_what_they_say() {
        for (path, value) in &KNOWN_KEYS[1..3] {
            let parts: Vec<_> = value.split('.').collect();
            assert_eq!(parts.len(), 3, "{path}");
            assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{path}");
        }
    }
}
