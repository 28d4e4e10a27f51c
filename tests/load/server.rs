//! The server under test, in a directory of its own.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cpu;

/// A running `basalt serve`; stopped and removed when dropped.
pub struct Basalt {
    process: Child,
    directory: PathBuf,
    program: PathBuf,
    url: String,
    keys: Value,
}

/// A signed-in user.
pub struct User {
    /// Its id.
    pub id: String,
    /// Its first refresh token.
    pub refresh_token: String,
    token: String,
    key: String,
}

impl User {
    /// The headers of a request on its behalf.
    #[must_use]
    pub fn headers(&self) -> String {
        format!("apikey: {}\r\nauthorization: Bearer {}\r\n", self.key, self.token)
    }
}

impl Basalt {
    /// On an empty directory.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// On an empty directory, with more in its environment.
    #[must_use]
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::start_with_services("auth,rest", environment)
    }

    /// On an empty directory, with these services.
    #[must_use]
    pub fn start_with_services(services: &str, environment: &[(&str, &str)]) -> Self {
        let program =
            std::env::var_os("BASALT_BIN").map_or_else(|| "target/release/basalt".into(), PathBuf::from);
        let directory = std::env::temp_dir().join(format!("basalt-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (listen, db_listen) = (free(), free());
        let process = Command::new(&program)
            .arg("serve")
            .args([
                "--services",
                services,
                "--listen",
                &listen.to_string(),
                "--db-listen",
                &db_listen.to_string(),
            ])
            .arg("--data-dir")
            .arg(&directory)
            .env("GOTRUE_MAILER_AUTOCONFIRM", "true")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.join("bench.log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error} (set BASALT_BIN)", program.display()));
        let mut basalt =
            Self { process, directory, program, url: format!("http://{listen}"), keys: Value::Null };
        basalt.wait();
        basalt.keys = basalt.status();
        basalt
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let ready = || {
            let probe = ["--silent", "--fail", "--output", "/dev/null", &format!("{}/health", self.url)];
            Command::new("curl").args(probe).status().is_ok_and(|status| status.success())
        };
        while !ready() {
            let log = || std::fs::read_to_string(self.directory.join("bench.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server is not ready after a minute: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn status(&self) -> Value {
        let output = Command::new(&self.program)
            .args(["status", "-o", "json", "--data-dir"])
            .arg(&self.directory)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).expect("basalt status prints JSON")
    }

    /// A key, by the name that `basalt status` gives it.
    #[must_use]
    pub fn key(&self, name: &str) -> &str {
        self.keys[name].as_str().unwrap_or_else(|| panic!("basalt status prints {name}"))
    }

    /// The address of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of the data API.
    #[must_use]
    pub fn rest(&self) -> String {
        format!("{}/rest/v1", self.url)
    }

    /// The address of accounts and sessions.
    #[must_use]
    pub fn auth(&self) -> String {
        format!("{}/auth/v1", self.url)
    }

    /// The address of files.
    #[must_use]
    pub fn storage(&self) -> String {
        format!("{}/storage/v1", self.url)
    }

    /// The address of the database.
    #[must_use]
    pub fn database_url(&self) -> &str {
        self.key("DB_URL")
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The process of Postgres: our only child, or that child's.
    #[must_use]
    pub fn postmaster(&self) -> u32 {
        let name = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let children = cpu::children(self.pid());
        *children.iter().find(|pid| name(pid).trim() == "postgres").expect("basalt runs Postgres")
    }

    /// A user of the data API.
    #[must_use]
    pub fn sign_up(&self) -> User {
        self.sign_up_as("bench@example.com", "a long enough password")
    }

    /// A user with this address.
    #[must_use]
    pub fn sign_up_as(&self, email: &str, password: &str) -> User {
        let key = self.key("ANON_KEY").to_owned();
        let output = Command::new("curl")
            .args(["--silent", "--fail", "--header", &format!("apikey: {key}"), "--json"])
            .arg(serde_json::json!({ "email": email, "password": password }).to_string())
            .arg(format!("{}/auth/v1/signup", self.url))
            .output()
            .unwrap();
        let session: Value = serde_json::from_slice(&output.stdout).expect("sign-up answers a session");
        let text = |value: &Value| value.as_str().expect("sign-up answers a session").to_owned();
        User {
            id: text(&session["user"]["id"]),
            refresh_token: text(&session["refresh_token"]),
            token: text(&session["access_token"]),
            key,
        }
    }

    /// Runs statements.
    pub fn sql(&self, sql: &str) {
        self.psql(&["--command", sql]);
    }

    /// The only value of a query, as text.
    #[must_use]
    pub fn value(&self, sql: &str) -> String {
        let words = ["--quiet", "--no-psqlrc", "--no-align", "--tuples-only", "--command", sql];
        let output = Command::new("psql").args(words).arg(self.database_url()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs a file with `:'owner'` standing for the user.
    pub fn load(&self, sql: &str, owner: &str) {
        self.load_with(sql, &[("owner", owner)]);
        std::thread::sleep(Duration::from_secs(1));
    }

    /// Runs a file with variables of `psql`.
    pub fn load_with(&self, sql: &str, variables: &[(&str, impl std::fmt::Display)]) {
        let file = self.directory.join("bench.sql");
        std::fs::write(&file, sql).unwrap();
        let variables =
            variables.iter().flat_map(|(name, value)| ["--set".into(), format!("{name}={value}")]);
        let words: Vec<String> = variables.chain(["--file".into(), file.display().to_string()]).collect();
        self.psql(&words);
    }

    fn psql(&self, what: &[impl AsRef<std::ffi::OsStr>]) {
        let status = Command::new("psql")
            .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"])
            .args(what)
            .arg(self.database_url())
            .status();
        assert!(status.unwrap().success(), "psql failed");
    }

    /// A session that runs statements one after the other, without anybody waiting for them.
    #[must_use]
    pub fn psql_session(&self) -> PsqlSession {
        let mut process = Command::new("psql")
            .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"])
            .arg(self.database_url())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let input = process.stdin.take().expect("its input is a pipe");
        PsqlSession { process, input: Some(input) }
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn directory(&self) -> &PathBuf {
        &self.directory
    }
}

/// A `psql` that runs what it is given; ended when dropped.
pub struct PsqlSession {
    process: Child,
    input: Option<std::process::ChildStdin>,
}

impl PsqlSession {
    /// Hands over a statement.
    pub fn run(&mut self, sql: &str) {
        let input = self.input.as_mut().expect("it is open");
        writeln!(input, "{sql}").expect("psql reads");
    }
}

impl Drop for PsqlSession {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

impl Drop for Basalt {
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
