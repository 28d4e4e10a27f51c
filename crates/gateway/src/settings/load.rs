//! The layers, lowest first, and who set what.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::schema::{Kind, Known, Leaf};
use super::source::{Problem, Source};
use super::{ProjectFile, Settings, compat, value};
use crate::edge::address::Network;

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

/// Name prefix of our own environment variables.
const PREFIX: &str = "BASALT_";

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
    let below = mode_defaults(alone, &explicit);

    let mut tree = known.defaults.clone();
    let mut sources = BTreeMap::new();
    for Assignment { path, value, source } in below.into_iter().chain(explicit) {
        match resolved(&known, &path, value, &request.environment)
            .and_then(|value| fitting(&known, &path, value))
        {
            Ok(value) => {
                set(&mut tree, &path, value);
                sources.insert(path, source);
            }
            Err(text) => problems.push(Problem { key: path, text, source }),
        }
    }
    let Ok(settings) = Settings::deserialize(tree) else {
        return Err(problems);
    };
    problems.extend(check(&settings, &sources));
    if problems.is_empty() {
        Ok(Loaded { settings, sources, notes: project.notes.into_iter().chain(translated.notes).collect() })
    } else {
        Err(problems)
    }
}

/// The value that wins for `path`, of the layers below and above the translated names.
fn last<'a>(below: &'a [Assignment], above: &'a [Assignment], path: &str) -> Option<&'a Value> {
    below
        .iter()
        .chain(above)
        .rev()
        .find(|assignment| assignment.path == path)
        .map(|assignment| &assignment.value)
}

/// Defaults that depend on what the installation is for.
fn mode_defaults(alone: bool, explicit: &[Assignment]) -> Vec<Assignment> {
    let said = |path: &str| last(explicit, &[], path);
    let layer = |name: &'static str, values: &[(&str, Value)]| {
        let assignment = |(path, value): &(&str, Value)| Assignment {
            path: (*path).to_owned(),
            value: value.clone(),
            source: Source::Mode(name),
        };
        values.iter().map(assignment).collect()
    };
    if alone && said("database.url").is_some_and(|url| url != "") {
        // PostgREST's own defaults where Supabase's differ.
        return layer(
            "the data API alone",
            &[
                ("rest.schemas", json!(["public"])),
                ("rest.max_rows", Value::Null),
                ("rest.anon_role", Value::Null),
                ("rest.extra_search_path", json!(["public"])),
                ("rest.cors", json!(true)),
                ("server.require_api_key", json!(false)),
            ],
        );
    }
    if said("mode") == Some(&json!("development")) {
        let mut values = vec![
            ("database.listen", json!("127.0.0.1:54322")),
            ("auth.email.enable_confirmations", json!(false)),
        ];
        // Somebody who tries sign-ins out does not wait between two mails.
        if said("auth.email.smtp.host").is_none_or(|host| host == "") {
            values.extend([
                ("auth.email.mailbox", json!(true)),
                ("auth.email.max_frequency", json!("1s")),
                ("auth.sms.max_frequency", json!("1s")),
                ("auth.rate_limit.email_sent", json!(360_000)),
                ("auth.rate_limit.sms_sent", json!(360_000)),
            ]);
        }
        let listen = said("server.listen").and_then(Value::as_array);
        let local = |address: &Value| {
            address
                .as_str()
                .and_then(|text| text.parse::<std::net::SocketAddr>().ok())
                .is_some_and(|a| a.ip().is_loopback())
        };
        if listen.is_none_or(|list| list.iter().all(local)) {
            values.push(("server.require_api_key", json!(false)));
        }
        return layer("development", &values);
    }
    Vec::new()
}

/// Reads the file: the one that was named, else the one in the data directory if there is one.
fn file(request: &Request, known: &Known, problems: &mut Vec<Problem>) -> Vec<Assignment> {
    let path = request.config.clone().unwrap_or_else(|| request.data_dir.join("basalt.toml"));
    let source = Source::File(path.clone());
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && request.config.is_none() => return Vec::new(),
        Err(error) => {
            let text = format!("the settings file cannot be read: {error}");
            problems.push(Problem { key: "--config".to_owned(), text, source });
            return Vec::new();
        }
    };
    let mut assignments = Vec::new();
    match toml::from_str::<Map<String, Value>>(&text) {
        Ok(table) => flatten("", table, known, &source, &mut assignments, problems),
        Err(error) => problems.push(Problem { key: "syntax".to_owned(), text: error.to_string(), source }),
    }
    assignments
}

fn flatten(
    prefix: &str,
    table: Map<String, Value>,
    known: &Known,
    source: &Source,
    into: &mut Vec<Assignment>,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in table {
        let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            value if known.leaves.contains_key(&path) => {
                into.push(Assignment { path, value, source: source.clone() })
            }
            Value::Object(table) if known.sections.contains_key(&path) => {
                flatten(&path, table, known, source, into, problems);
            }
            _ => problems.push(unknown(known, path, source.clone())),
        }
    }
}

/// `BASALT_SECTION__KEY`; names without `__` are settings only if they are known, because other
/// variables of ours look like that.
fn environment(
    environment: &BTreeMap<String, String>,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let path = rest.to_ascii_lowercase().replace("__", ".");
        let source = Source::Environment(name.clone());
        match leaf(known, &path) {
            Some(leaf) => match value::from_text(leaf, text) {
                Ok(value) => assignments.push(Assignment { path, value, source }),
                Err(text) => problems.push(Problem { key: path, text, source }),
            },
            None if rest.contains("__") => problems.push(unknown(known, path, source)),
            None => {}
        }
    }
    assignments
}

/// The setting at `path`. Below a map every name is a text, or has settings of its own.
pub(super) fn leaf<'a>(known: &'a Known, path: &str) -> Option<&'a Leaf> {
    const ENTRY: Leaf = Leaf {
        kind: Kind::Text,
        optional: false,
        secret: false,
        description: String::new(),
        choices: Vec::new(),
        entries: BTreeMap::new(),
    };
    static ENTRY_LEAF: Leaf = ENTRY;
    let map = |path: &str| known.leaves.get(path).filter(|leaf| leaf.kind == Kind::Map);
    known.leaves.get(path).or_else(|| {
        let (above, last) = path.rsplit_once('.')?;
        match map(above) {
            Some(leaf) => leaf.entries.is_empty().then_some(&ENTRY_LEAF),
            None => map(above.rsplit_once('.')?.0)?.entries.get(last),
        }
    })
}

fn unknown(known: &Known, path: String, source: Source) -> Problem {
    let nearest = known.nearest(&path);
    let text = match nearest.as_slice() {
        [] => "there is no such setting; `basalt config reference` lists them all".to_owned(),
        names => format!("there is no such setting; did you mean {}?", names.join(", ")),
    };
    Problem { key: path, text, source }
}

/// True if the value must not be shown.
pub(super) fn is_secret(path: &str, leaf: &Leaf) -> bool {
    leaf.secret || path == "database.url"
}

/// Follows `file:/path` and `env:NAME` where a secret is expected.
fn resolved(
    known: &Known,
    path: &str,
    value: Value,
    environment: &BTreeMap<String, String>,
) -> Result<Value, String> {
    let secret = leaf(known, path).is_some_and(|leaf| is_secret(path, leaf));
    let Value::String(text) = &value else { return Ok(value) };
    if !secret {
        return Ok(value);
    }
    if let Some(file) = text.strip_prefix("file:") {
        let content =
            fs::read_to_string(Path::new(file)).map_err(|error| format!("cannot read {file}: {error}"))?;
        // One newline at the end belongs to the file, as with PostgREST's `@file`.
        let content = content
            .strip_suffix('\n')
            .map_or(content.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        return Ok(Value::from(content));
    }
    if let Some(name) = text.strip_prefix("env:") {
        let content =
            environment.get(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
        return Ok(Value::from(content.as_str()));
    }
    Ok(value)
}

/// Tries a value alone on top of the defaults, so that a complaint is about this value.
fn fitting(known: &Known, path: &str, value: Value) -> Result<Value, String> {
    let leaf = leaf(known, path);
    let secret = leaf.is_some_and(|leaf| is_secret(path, leaf));
    let value = match value {
        // A password of digits needs no quotes.
        Value::Number(number) if secret || leaf.is_some_and(|leaf| leaf.kind == Kind::Text) => {
            let mut tree = known.defaults.clone();
            set(&mut tree, path, Value::Number(number.clone()));
            let as_number = Settings::deserialize(tree).is_ok();
            if as_number { Value::Number(number) } else { Value::String(number.to_string()) }
        }
        value => value,
    };
    let mut tree = known.defaults.clone();
    set(&mut tree, path, value.clone());
    match Settings::deserialize(tree) {
        Ok(_) => Ok(value),
        Err(_) if secret => Err("is not valid".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn set(tree: &mut Value, path: &str, value: Value) {
    let mut node = tree;
    for name in path.split('.') {
        if !node.is_object() {
            *node = Value::Object(Map::new());
        }
        node = &mut node[name];
    }
    *node = value;
}

/// What the sections themselves find wrong.
fn check(settings: &Settings, sources: &BTreeMap<String, Source>) -> Vec<Problem> {
    let problem = |key: &str, text: String| Problem {
        key: key.to_owned(),
        text,
        source: sources.get(key).cloned().unwrap_or(Source::Default),
    };
    let mut problems = Vec::new();
    for found in settings.auth.check() {
        problems.push(problem(&format!("auth.{}", found.key), found.text));
    }
    if settings.auth.email.mailbox && settings.is_production() {
        let text = "is for development only: whoever reads the mails has every account".to_owned();
        problems.push(problem("auth.email.mailbox", text));
    }
    for text in settings.rest.check() {
        // "rest.schemas must …": the sentence begins with the name.
        let (key, text) = text.split_once(' ').unwrap_or(("rest", &text));
        problems.push(problem(key, text.to_owned()));
    }
    if let Err(text) = settings.log.check() {
        problems.push(problem("log.level", text));
    }
    if let Err(error) = settings.jwt.role_claim.parse::<::jwt::RoleClaim>() {
        problems.push(problem("jwt.role_claim", error.to_string()));
    }
    if !settings.jwt.keys.is_empty()
        && let Err(error) = ::jwt::KeySet::from_jwks_text(settings.jwt.keys.expose())
    {
        problems.push(problem("jwt.keys", error.to_string()));
    }
    if !settings.jwt.jwks.is_empty()
        && let Err(error) = ::jwt::KeySet::from_jwks_text(settings.jwt.jwks.expose())
        && !matches!(error, ::jwt::KeyError::Signers(_))
    {
        problems.push(problem("jwt.jwks", error.to_string()));
    }
    if settings.server.listen.is_empty() {
        problems.push(problem("server.listen", "must name an address to listen on".to_owned()));
    }
    for text in &settings.server.trusted_proxies {
        if let Err(text) = text.parse::<Network>() {
            problems.push(problem("server.trusted_proxies", text));
        }
    }
    if !settings.server.public_url.is_empty() && url::Url::parse(&settings.server.public_url).is_err() {
        problems.push(problem("server.public_url", "is not an absolute URL".to_owned()));
    }
    let databases =
        [("database.url", &settings.database.url), ("database.direct_url", &settings.database.direct_url)];
    for (name, url) in databases {
        if !url.is_empty()
            && let Err(error) = db::Target::parse(url.expose())
        {
            problems.push(problem(name, error.to_string()));
        }
    }
    if settings.database.tls_certificate_file.as_os_str().is_empty()
        != settings.database.tls_key_file.as_os_str().is_empty()
    {
        let text = "goes with database.tls_key_file: set both or none".to_owned();
        problems.push(problem("database.tls_certificate_file", text));
    }
    problems
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn request(file: &str, environment: &[(&str, &str)]) -> (Request, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("basalt.toml"), file).unwrap();
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        (Request { data_dir: dir.path().to_owned(), environment, ..Request::default() }, dir)
    }

    fn loaded(file: &str, environment: &[(&str, &str)]) -> Loaded {
        load(&request(file, environment).0).unwrap()
    }

    fn refused(file: &str, environment: &[(&str, &str)]) -> String {
        let problems = load(&request(file, environment).0).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn defaults_load() {
        let request = Request { data_dir: "/nowhere".into(), ..Request::default() };
        let loaded = load(&request).unwrap();
        assert!(loaded.sources.is_empty() && loaded.notes.is_empty());
        assert!(!loaded.settings.is_bare() && !loaded.settings.is_production());
    }

    #[test]
    fn keys_that_everybody_knows_are_for_this_machine_alone() {
        let secret = |environment: &[(&str, &str)]| {
            let (mut request, _dir) = request("", environment);
            request.project = Some(ProjectFile {
                path: "config.toml".into(),
                root: "/nowhere".into(),
                content: Map::new(),
                has_known_keys: true,
            });
            load(&request).unwrap().settings.jwt.secret.expose().to_owned()
        };
        assert!(secret(&[]).starts_with("super-secret"));
        assert_eq!(secret(&[("BASALT_SERVER__LISTEN", "0.0.0.0:8000")]), "");
        assert_eq!(secret(&[("BASALT_SERVER__LISTEN", "127.0.0.1:1,192.0.2.1:80")]), "");
        assert_eq!(secret(&[("BASALT_DATABASE__LISTEN", "0.0.0.0:5432")]), "");
    }

    #[test]
    fn each_layer_wins_over_those_below() {
        let file = "[auth]\nsite_url = 'http://file'\njwt_expiry = 60\n";
        let compat = ("SITE_URL", "http://short");
        let gotrue = ("GOTRUE_SITE_URL", "http://gotrue");
        let own = ("BASALT_AUTH__SITE_URL", "http://own");
        let url = |environment: &[(&str, &str)]| loaded(file, environment).settings.auth.site_url;
        assert_eq!(url(&[]), "http://file");
        assert_eq!(url(&[compat]), "http://short");
        assert_eq!(url(&[compat, gotrue]), "http://gotrue");
        assert_eq!(url(&[compat, gotrue, own]), "http://own");
        let (mut request, _dir) = request(file, &[compat, gotrue, own]);
        request.flags.push(("--site-url", "auth.site_url", json!("http://flag")));
        let loaded = load(&request).unwrap();
        assert_eq!(loaded.settings.auth.site_url, "http://flag");
        assert_eq!(loaded.sources["auth.site_url"], Source::Flag("--site-url"));
        assert_eq!(loaded.settings.auth.jwt_expiry.0.as_secs(), 60);
        assert!(matches!(loaded.sources["auth.jwt_expiry"], Source::File(_)));
    }

    #[test]
    fn a_map_may_have_settings_below_its_names() {
        let file = "[rest.role_limits.anon]\nmax_rows = 10\nstatement_timeout = '3s'\n";
        let mixed = loaded(
            file,
            &[
                ("BASALT_REST__ROLE_LIMITS__ANON__MAX_PLAN_COST", "5000"),
                ("BASALT_REST__ROLE_LIMITS__ANON__MAX_ROWS", "20"),
                ("BASALT_REST__ROLE_LIMITS__ANON__STATEMENT_TIMEOUT", ""),
                ("BASALT_REST__ROLE_LIMITS__WEB_USER__MAX_EMBED_DEPTH", "2"),
            ],
        );
        let limits = serde_json::to_value(&mixed.settings.rest.role_limits).unwrap();
        let none = Value::Null;
        assert_eq!(limits["anon"]["max_rows"], 20);
        assert_eq!(
            (&limits["anon"]["max_plan_cost"], &limits["anon"]["statement_timeout"]),
            (&json!(5000), &none)
        );
        assert_eq!(
            (&limits["web_user"]["max_embed_depth"], &limits["web_user"]["max_rows"]),
            (&json!(2), &none)
        );

        let whole = [("BASALT_REST__ROLE_LIMITS", r#"{"anon":{"max_rows":7}}"#)];
        assert_eq!(loaded("", &whole).settings.rest.role_limits["anon"].max_rows, Some(7));
        for (file, environment) in [
            ("[rest.role_limits.anon]\nmax_row = 10\n", &[][..]),
            ("[rest.role_limits]\nanon = 10\n", &[]),
            ("[rest.role_limits.anon]\nstatement_timeout = '0s'\n", &[]),
            ("", &[("BASALT_REST__ROLE_LIMITS__ANON__MAX_ROW", "1")]),
            ("", &[("BASALT_REST__ROLE_LIMITS__ANON", "1")]),
            ("", &[("BASALT_REST__ROLE_LIMITS__ANON__MAX_ROWS", "many")]),
        ] {
            assert!(refused(file, environment).contains("rest.role_limits"), "{file} {environment:?}");
        }
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let text = refused("[auth]\nsite_ulr = 'x'\n[wat]\na = 1\n", &[("BASALT_REST__MAX_ROW", "1")]);
        assert!(
            text.contains("auth.site_ulr: there is no such setting; did you mean auth.site_url"),
            "{text}"
        );
        assert!(text.contains("wat: there is no such setting; `basalt config reference`"), "{text}");
        assert!(text.contains("did you mean rest.max_rows"), "{text}");
        assert!(text.contains("(environment variable BASALT_REST__MAX_ROW)"), "{text}");
        // Ours, but no setting.
        loaded("", &[("BASALT_BIN", "x"), ("BASALT_DATA_DIR", "y")]);
    }

    #[test]
    fn a_problem_names_its_source() {
        let text = refused("[auth]\njwt_expiry = 'soon'\n", &[("BASALT_REST__MAX_ROWS", "many")]);
        assert!(text.contains("auth.jwt_expiry: `soon` is not a duration"), "{text}");
        assert!(text.contains("basalt.toml)"), "{text}");
        assert!(text.contains("rest.max_rows: must be a whole number (environment variable"), "{text}");
        let text = refused("[auth]\njwt_expiry = '0s'", &[]);
        assert!(text.contains("auth.jwt_expiry: must be between") && text.contains("basalt.toml"), "{text}");
        let text = refused("[server]\ntrusted_proxies = ['10.0.0.0/8', 'proxy']", &[]);
        assert!(text.contains("server.trusted_proxies: `proxy` is not an address"), "{text}");
        assert!(refused("[auth\n", &[]).contains("syntax"));
        assert!(refused("auth = 1\n", &[]).contains("auth: there is no such setting"));
        assert!(
            refused("", &[("PGRST_JWT_ROLE_CLAIM_KEY", "role")]).contains("jwt.role_claim: failed to parse")
        );
    }

    #[test]
    fn a_named_file_must_be_there() {
        let request = Request { config: Some("/nowhere/basalt.toml".into()), ..Request::default() };
        let problems = load(&request).unwrap_err();
        assert!(problems[0].to_string().contains("cannot be read"));
    }

    #[test]
    fn secrets_come_from_files_and_variables() {
        let (request, dir) = request("[jwt]\nsecret = 'env:MY_SECRET'\n", &[("MY_SECRET", "s3")]);
        assert_eq!(load(&request).unwrap().settings.jwt.secret.expose(), "s3");
        let path = dir.path().join("password");
        fs::write(&path, "hunter2\n").unwrap();
        let value = format!("file:{}", path.display());
        let settings = loaded("", &[("BASALT_KEYS__POSTGRES_PASSWORD", &value)]).settings;
        assert_eq!(settings.keys.postgres_password.expose(), "hunter2");
        assert!(refused("[jwt]\nsecret = 'env:NOT_SET'\n", &[]).contains("NOT_SET is not set"));
        assert!(refused("[jwt]\nsecret = 'file:/nowhere'\n", &[]).contains("cannot read /nowhere"));
        assert_eq!(loaded("[auth]\njwt_issuer = 'env:x'\n", &[]).settings.auth.jwt_issuer, "env:x");
    }

    #[test]
    fn no_problem_shows_a_secret() {
        let text = refused("[jwt]\nsecret = ['hunter2']\n[database]\nurl = 'postgresql://u:hunter2@'\n", &[]);
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(
            loaded("[keys]\npostgres_password = 12345\n", &[]).settings.keys.postgres_password.expose(),
            "12345"
        );
    }

    #[test]
    fn development_is_comfortable_on_this_machine_only() {
        let dev = ("BASALT_MODE", "development");
        let settings = loaded("", &[dev]).settings;
        assert!(!settings.server.require_api_key && settings.database.listen.is_some());
        let settings = loaded("", &[dev, ("BASALT_SERVER__LISTEN", "0.0.0.0:8000")]).settings;
        assert!(settings.server.require_api_key && !settings.is_production());
        assert!(loaded("", &[("BASALT_SERVER__LISTEN", "0.0.0.0:8000")]).settings.is_production());
        assert!(loaded("", &[("BASALT_MODE", "production")]).settings.is_production());
    }

    #[test]
    fn the_examples_load() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples");
        let mut seen = 0;
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let environment =
                    [("DATABASE_URL".to_owned(), "postgresql://postgres@db/postgres".to_owned())].into();
                let request = Request { config: Some(path.clone()), environment, ..Request::default() };
                let problems = load(&request).err().unwrap_or_default();
                assert!(problems.is_empty(), "{}: {}", path.display(), problems[0]);
                seen += 1;
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn keys_are_read_before_the_start() {
        assert!(refused("", &[("JWT_KEYS", "[]")]).contains("jwt.keys: no key of a supported kind"));
        assert!(refused("", &[("JWT_JWKS", "oops")]).contains("jwt.jwks: not a JSON Web Key"));
    }

    #[test]
    fn names_below_a_map() {
        let settings =
            loaded("[rest.app_settings]\na = '1'\n", &[("BASALT_REST__APP_SETTINGS__B", "2")]).settings;
        let expected = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        assert_eq!(settings.rest.app_settings, expected.into());
    }
}
