//! A throw-away data directory, SQL through psql, and a cluster held by another process that can be killed.

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cluster::{Cluster, Options, State};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use tempfile::TempDir;

/// How long anything may take here before the test fails; never how long it is expected to take.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Scene {
    dir: TempDir,
}

impl Scene {
    /// A directory that everybody may enter, as a data directory's parents usually are.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn options(&self) -> Options {
        Options::new(self.data_dir())
    }

    /// The one cluster below the data directory.
    pub fn cluster_dir(&self) -> PathBuf {
        let mut found = fs::read_dir(self.data_dir().join("pg")).unwrap();
        let path = found.next().unwrap().unwrap().path();
        assert!(found.next().is_none(), "more than one cluster");
        path
    }

    pub async fn start(&self) -> Cluster {
        Cluster::start(self.options()).await.unwrap()
    }

    /// Gives the directory itself to a user.
    pub fn give_to(&self, user: &User) {
        nix::unistd::chown(self.path(), Some(user.uid), Some(user.gid)).unwrap();
    }
}

pub fn psql(cluster: &Cluster, role: &str) -> Command {
    let mut command = Command::new(cluster.bin_dir().join("psql"));
    command
        .args(["-XAtq", "-w", "-v", "ON_ERROR_STOP=1", "-d", cluster.database(), "-U", role])
        .args(["-p", &cluster.port().to_string(), "-h"])
        .arg(cluster.socket_dir());
    command
}

/// Runs SQL as the superuser and returns what it printed, or the error.
pub fn try_sql(cluster: &Cluster, sql: &str) -> Result<String, String> {
    let output = psql(cluster, cluster.superuser()).args(["-c", sql]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

pub fn sql(cluster: &Cluster, sql: &str) -> String {
    try_sql(cluster, sql).unwrap()
}

pub fn pid(cluster: &Cluster) -> u32 {
    match *cluster.state().borrow() {
        State::Running { pid } => pid,
        ref other => panic!("{other:?}"),
    }
}

/// Waits for a state that satisfies `wanted`.
pub async fn state(cluster: &Cluster, wanted: impl Fn(&State) -> bool) -> State {
    let mut state = cluster.state();
    let found = tokio::time::timeout(PATIENCE, state.wait_for(wanted)).await.expect("state not reached");
    found.unwrap().clone()
}

pub fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

pub fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

pub fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The account of the server when we are root.
pub fn server_user() -> User {
    if is_root() { User::from_name("postgres") } else { User::from_uid(geteuid()) }.unwrap().unwrap()
}

/// A cluster held by a process of its own.
pub struct Held {
    pub child: Child,
    pub postmaster: u32,
}

impl Held {
    /// Runs the example `hold` on the data directory, as `user` if one is given.
    pub fn start(scene: &Scene, user: Option<&User>) -> Self {
        let mut child = Self::command(scene, user).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let postmaster = line.split(' ').next().unwrap().parse().expect("the cluster did not start");
        Self { child, postmaster }
    }

    pub fn command(scene: &Scene, user: Option<&User>) -> Command {
        // The build directory may be closed to other users: run a copy.
        let built = std::env::current_exe().unwrap();
        let program = scene.path().join("hold");
        if !program.exists() {
            fs::copy(built.ancestors().nth(2).unwrap().join("examples/hold"), &program).unwrap();
        }
        let mut command = Command::new(program);
        command.arg(scene.data_dir()).stdin(Stdio::piped()).current_dir("/");
        if let Some(user) = user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator would.
    pub fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        assert!(!is_alive(self.postmaster));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
