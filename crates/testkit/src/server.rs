//! The one server of a test run.
//!
//! Test runners start a process per test, so the server belongs to none of them. It lives in a directory in
//! memory or below the temporary one, named after the build. Each test process holds a shared lock on the file `users` there for as long as it
//! lives; a small shell script (`server.sh`) starts the server, looks every two seconds whether anybody still holds that
//! lock, and otherwise stops it and deletes the directory. The file `lock` is held while starting and while stopping.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use db::Target;
use nix::sys::statvfs::statvfs;
use nix::unistd::{User, geteuid};
use sha2::{Digest, Sha256};

/// As long as a busy machine may need for initdb and a start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where tests find Postgres.
pub(crate) struct Server {
    /// The superuser, in database `postgres`.
    pub administrator: Target,
    /// A directory that the server's account can read, if the server is ours.
    pub directory: Option<PathBuf>,
    /// Held for the life of the process.
    _users: Option<File>,
}

impl Server {
    /// The server, started if need be.
    pub(crate) fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| match std::env::var("TEST_DATABASE_URL") {
            Ok(url) => Self {
                administrator: Target::parse(&url).expect("TEST_DATABASE_URL is a database URL"),
                directory: None,
                _users: None,
            },
            Err(_) => Self::join(),
        })
    }

    fn join() -> Self {
        let binaries = binaries();
        let account = account();
        let directory = directory(&binaries);
        let (lock, users) = enter(&directory, account.as_ref());
        if !answers(&directory) {
            start(&directory, &binaries, account.as_ref());
        }
        drop(lock);
        Self {
            administrator: Target::socket(&directory, 5432, "supabase_admin", "postgres"),
            directory: Some(directory),
            _users: Some(users),
        }
    }

    /// What `pg_dump` says about a database.
    pub(crate) fn dump(&self, database: &str) -> String {
        let output =
            self.client("pg_dump", database).output().expect("pg_dump is installed beside the server");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Gives `script` to psql.
    pub(crate) fn psql(&self, database: &str, script: &str) {
        let mut child = self
            .client("psql", database)
            .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql is installed beside the server");
        let mut input = child.stdin.take().expect("it is piped");
        // A script that stops early closes the pipe; its message is what counts.
        let _ = input.write_all(script.as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("psql ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn client(&self, program: &str, database: &str) -> Command {
        let directory = self.directory.as_ref().expect("a server of our own, not TEST_DATABASE_URL");
        let mut command = Command::new(binaries().join(program));
        command.args(["--username", "supabase_admin", "--dbname", database, "--host"]).arg(directory);
        command
    }

    /// Writes a file that the server can read and nobody else.
    pub(crate) fn write_file(&self, name: &str, content: &str) -> PathBuf {
        let directory = self.directory.as_ref().expect("a server of our own, not TEST_DATABASE_URL");
        let path = directory.join(name);
        fs::write(&path, content).expect("the file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        give(&path, account().as_ref());
        path
    }
}

/// Locks the directory, made if need be: the exclusive lock for starting, and the shared one that keeps the server.
fn enter(directory: &Path, account: Option<&User>) -> (File, File) {
    loop {
        if fs::create_dir(directory).is_ok() {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).expect("the directory is ours");
            give(directory, account);
        }
        let Some(lock) = open(&directory.join("lock"), account) else { continue };
        lock.lock().expect("the lock can be taken");
        let Some(users) = open(&directory.join("users"), account) else { continue };
        // The directory may have been deleted while we waited: then we hold the lock of a file that is gone.
        if is_same(&directory.join("lock"), &lock) {
            users.lock_shared().expect("the lock can be taken");
            return (lock, users);
        }
    }
}

/// None if the directory has just been deleted.
fn open(path: &Path, account: Option<&User>) -> Option<File> {
    let file = OpenOptions::new().create(true).append(true).open(path).ok()?;
    give(path, account);
    Some(file)
}

fn is_same(path: &Path, file: &File) -> bool {
    match (fs::metadata(path), file.metadata()) {
        (Ok(there), Ok(here)) => there.ino() == here.ino(),
        _ => false,
    }
}

fn give(path: &Path, account: Option<&User>) {
    if let Some(user) = account {
        // The path may be gone again already, which the caller finds out.
        let _ = chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()));
    }
}

fn start(directory: &Path, binaries: &Path, account: Option<&User>) {
    // Left by a machine that went down: the files of a server that runs no more.
    let _ = fs::remove_dir_all(directory.join("data"));
    let mut command = Command::new("setsid");
    command.arg("-f");
    if let Some(user) = account {
        command.args(["setpriv", "--clear-groups"]);
        command.args(["--regid", &user.gid.to_string(), "--reuid", &user.uid.to_string()]);
    }
    let status = command
        .args(["sh", "-c", include_str!("server.sh"), "testkit-postgres"])
        .args([directory, binaries])
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("setsid (util-linux) is installed");
    assert!(status.success(), "setsid failed: {status}");
    let begin = Instant::now();
    while !answers(directory) {
        assert!(
            begin.elapsed() < PATIENCE,
            "no test server after {PATIENCE:?}; see {}/*.log",
            directory.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a server takes queries: it listens, and says in its own file that it is ready.
fn answers(directory: &Path) -> bool {
    let status = fs::read_to_string(directory.join("data/postmaster.pid"));
    status.is_ok_and(|lines| lines.lines().nth(7).is_some_and(|status| status.trim() == "ready"))
        && UnixStream::connect(directory.join(".s.PGSQL.5432")).is_ok()
}

/// One per build directory and server version; short, because socket paths are.
fn directory(binaries: &Path) -> PathBuf {
    let program = std::env::current_exe().expect("the test has a file");
    let mut digest = Sha256::new_with_prefix(geteuid().to_string());
    digest.update(program.parent().unwrap_or(&program).as_os_str().as_encoded_bytes());
    digest.update(binaries.as_os_str().as_encoded_bytes());
    digest.update(include_str!("server.sh"));
    let key = hex::encode(digest.finalize());
    parent().join(format!("basalt-test-{}", key.get(..8).unwrap_or(&key)))
}

/// In memory where there is room, because a database is hundreds of small files; else the temporary directory.
fn parent() -> PathBuf {
    const ROOM: u64 = 4 << 30;
    let memory = Path::new("/dev/shm");
    match statvfs(memory) {
        Ok(space) if space.blocks_available() * space.fragment_size() >= ROOM => memory.to_path_buf(),
        _ => std::env::temp_dir(),
    }
}

/// Postgres refuses to run as root: then its usual account does.
fn account() -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    let user = User::from_name("postgres").expect("accounts can be read");
    Some(user.expect("an account named postgres, since Postgres refuses to run as root"))
}

/// The directory of the newest server installed.
fn binaries() -> PathBuf {
    if let Ok(directory) = std::env::var("TEST_POSTGRES_BIN") {
        return directory.into();
    }
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = installed
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, directory)| directory.join("postgres").exists())
        .max();
    newest.map(|(_, directory)| directory).expect("PostgreSQL server binaries; or set TEST_POSTGRES_BIN")
}
