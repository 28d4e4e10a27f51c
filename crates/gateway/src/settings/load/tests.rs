//! What the layers come to.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use serde_json::Map;

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
    assert_eq!((&limits["web_user"]["max_embed_depth"], &limits["web_user"]["max_rows"]), (&json!(2), &none));

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
    assert!(text.contains("auth.site_ulr: there is no such setting; did you mean auth.site_url"), "{text}");
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
    assert!(refused("", &[("PGRST_JWT_ROLE_CLAIM_KEY", "role")]).contains("jwt.role_claim: failed to parse"));
}

#[test]
fn every_service_is_asked_about_its_settings() {
    for (file, said) in [
        ("[functions]\nmax_cpu = '0s'\n", "functions.max_cpu: must not be 0"),
        ("[realtime]\nrelay = 'nats'\n", "realtime.nats_url: must be set for relay = \"nats\""),
        ("[storage]\nbucket = '..'\n", "storage.bucket: must be the name of a directory"),
    ] {
        let text = refused(file, &[]);
        assert!(text.contains(said), "{text}");
    }
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
fn the_original_s_names_of_a_bucket() {
    let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("REGION", "eu")];
    let names = [
        ("STORAGE_BACKEND", "s3"),
        ("GLOBAL_S3_BUCKET", "files"),
        ("STORAGE_S3_ENDPOINT", "http://minio:9000"),
        ("STORAGE_S3_FORCE_PATH_STYLE", "true"),
    ];
    let storage = loaded("", &[&names[..], &keys[..]].concat()).settings.storage;
    assert_eq!((storage.backend, storage.bucket.as_str()), (storage::Backend::S3, "files"));
    let remote = storage.remote;
    assert_eq!((remote.endpoint.as_str(), remote.region.as_str()), ("http://minio:9000", "eu"));
    assert!(remote.force_path_style);
    assert_eq!((remote.access_key_id.expose(), remote.secret_access_key.expose()), ("id", "secret"));
    // Other programs have these names too.
    let storage = loaded("", &keys).settings.storage;
    assert_eq!(storage.remote, storage::Remote::default());
    assert!(refused("", &[("STORAGE_BACKEND", "gcs")]).contains("storage.backend"));
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
