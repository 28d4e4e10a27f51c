//! Where things lie below the data directory, and whether the server's account can get there.
//!
//! ```text
//! <data>/             ours; the account passes through it
//!   lock              one instance per data directory
//!   pg/<major>/       the cluster; the account's, 0700
//!   pg/<major>.init.* a cluster in the making; thrown away at the next start
//!   run/              the socket; the account's, 0700
//! ```
//!
//! `pg` itself stays ours, so that the server's account cannot put something else in a cluster's place while root writes
//! below it.
//!
//! A socket path has at most 107 bytes. Where `<data>/run` is longer the socket lives in a directory of its own, named
//! after a digest of the data directory, below `/run` (as root) or `/tmp`; it is 0700 and refused when it is not the
//! account's. Ask [`crate::Cluster::socket_dir`], never guess.

use std::{
    fs::{self, DirBuilder, Permissions},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown},
    },
    path::{Path, PathBuf},
};

use crate::{
    StartError,
    account::{Account, name_of},
};

/// Bytes of a socket path, without its closing zero (`sun_path` on Linux has 108; on macOS 104).
const SOCKET_PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// The longest name a port gives the socket.
const SOCKET_NAME: &str = "/.s.PGSQL.65535";

/// The directories of one instance; all exist.
#[derive(Debug)]
pub(crate) struct Layout {
    clusters: PathBuf,
    pub socket_dir: PathBuf,
}

/// Makes the data directory if it is missing and returns its absolute path.
pub(crate) fn data_dir(path: &Path, account: &Account) -> Result<PathBuf, StartError> {
    // Secrets inside are 0600 each; the account only needs to pass.
    let mode = if account.drops_root { 0o711 } else { 0o700 };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| StartError::io("create the data directory", path, source))?;
    let path =
        path.canonicalize().map_err(|source| StartError::io("read the data directory", path, source))?;
    fs::read_dir(&path).map_err(|source| StartError::io("read the data directory", &path, source))?;
    Ok(path)
}

impl Layout {
    /// Makes what is missing below `data_dir` (absolute) and checks what is there.
    pub fn prepare(data_dir: &Path, account: &Account) -> Result<Self, StartError> {
        if account.drops_root {
            open_own(data_dir, account)?;
            check_traversable(data_dir, account)?;
        }
        let clusters = data_dir.join("pg");
        make_dir(&clusters, if account.drops_root { 0o711 } else { 0o700 })?;
        let socket_dir = socket_dir(data_dir, account)?;
        Ok(Self { clusters, socket_dir })
    }

    /// The existing cluster with the highest major version.
    pub fn existing(&self) -> Result<Option<u32>, StartError> {
        let fail = |source| StartError::io("read", &self.clusters, source);
        let mut newest = None;
        for entry in fs::read_dir(&self.clusters).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            newest = newest.max(name.to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        newest.map(|major| self.check(major)).transpose()
    }

    /// The directory of the cluster of a major version.
    pub fn cluster(&self, major: u32) -> PathBuf {
        self.clusters.join(major.to_string())
    }

    /// An empty directory, the account's, in which a cluster can be made. Its name is new each time: an initdb that was
    /// interrupted may still be writing into the one before.
    pub fn unfinished(&self, major: u32, account: &Account) -> Result<PathBuf, StartError> {
        let template = self.clusters.join(format!("{major}.init.XXXXXX"));
        let path = nix::unistd::mkdtemp(&template)
            .map_err(|errno| StartError::io("create a directory in", &self.clusters, errno.into()))?;
        give(&path, account)?;
        Ok(path)
    }

    /// Throws unfinished clusters away. What cannot be removed now is in nobody's way and will be tried again.
    pub fn remove_unfinished(&self) {
        for entry in fs::read_dir(&self.clusters).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains(".init.")
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::debug!(path = %entry.path().display(), %error, "an unfinished cluster stays for now");
            }
        }
    }

    /// Gives a finished cluster its name; from here on it is never deleted.
    pub fn finish(&self, unfinished: &Path, major: u32) -> Result<(), StartError> {
        fs::rename(unfinished, self.cluster(major))
            .and_then(|()| fs::File::open(&self.clusters)?.sync_all())
            .map_err(|source| StartError::io("rename", unfinished, source))
    }

    /// A cluster's directory must say which version it is, and it must be that of its name.
    fn check(&self, major: u32) -> Result<u32, StartError> {
        let path = self.cluster(major);
        match fs::read_to_string(path.join("PG_VERSION")) {
            Ok(text) if text.trim() == major.to_string() => Ok(major),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(StartError::io("read", &path, error))
            }
            _ => Err(StartError::NotACluster(path)),
        }
    }
}

/// Postgres insists on owning its files.
pub(crate) fn check_owner(path: &Path, account: &Account) -> Result<(), StartError> {
    let owner = fs::metadata(path).map_err(|source| StartError::io("read", path, source))?.uid();
    if owner == account.uid.as_raw() {
        return Ok(());
    }
    Err(StartError::WrongOwner {
        path: path.to_path_buf(),
        owner: name_of(owner),
        account: account.name.clone(),
    })
}

/// Like `mkdir`, but content with an existing directory (not with a link to one).
fn make_dir(path: &Path, mode: u32) -> Result<(), StartError> {
    let fail = |source| StartError::io("create", path, source);
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path).map_err(fail)?;
            if found.is_dir() { Ok(()) } else { Err(fail(io::ErrorKind::NotADirectory.into())) }
        }
        made => made.map_err(fail),
    }
}

fn give(path: &Path, account: &Account) -> Result<(), StartError> {
    if !account.drops_root {
        return Ok(());
    }
    lchown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw()))
        .map_err(|source| StartError::io("change the owner of", path, source))
}

/// The data directory is ours: if root made it private, let the account pass.
fn open_own(data_dir: &Path, account: &Account) -> Result<(), StartError> {
    let fail = |source| StartError::io("change the mode of", data_dir, source);
    let found = fs::metadata(data_dir).map_err(fail)?;
    if found.uid() == 0 && !may_enter(&found, account) {
        fs::set_permissions(data_dir, Permissions::from_mode((found.mode() & 0o7777) | 0o011))
            .map_err(fail)?;
    }
    Ok(())
}

fn check_traversable(data_dir: &Path, account: &Account) -> Result<(), StartError> {
    for path in data_dir.ancestors() {
        let found = fs::metadata(path).map_err(|source| StartError::io("read", path, source))?;
        if !may_enter(&found, account) {
            return Err(StartError::NotTraversable {
                path: path.to_path_buf(),
                account: account.name.clone(),
            });
        }
    }
    Ok(())
}

/// The account has no supplementary groups, so its own three sets of bits decide.
fn may_enter(directory: &fs::Metadata, account: &Account) -> bool {
    let execute = if directory.uid() == account.uid.as_raw() {
        0o100
    } else if directory.gid() == account.gid.as_raw() {
        0o010
    } else {
        0o001
    };
    directory.mode() & execute != 0
}

fn socket_dir(data_dir: &Path, account: &Account) -> Result<PathBuf, StartError> {
    let beside = data_dir.join("run");
    let (path, is_short) = if fits(&beside) {
        (beside, false)
    } else {
        let base = if account.drops_root { "/run" } else { "/tmp" };
        (Path::new(base).join(format!("basalt-{:016x}", digest(data_dir))), true)
    };
    make_dir(&path, 0o700)?;
    let fail = |source| StartError::io("read", &path, source);
    let found = fs::symlink_metadata(&path).map_err(fail)?;
    if found.uid() != account.uid.as_raw() {
        if !account.drops_root || !found.uid().eq(&0) {
            return Err(StartError::UnsafeSocketDir { path, account: account.name.clone() });
        }
        give(&path, account)?;
    }
    if found.mode() & 0o077 != 0 {
        if is_short {
            return Err(StartError::UnsafeSocketDir { path, account: account.name.clone() });
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(fail)?;
    }
    Ok(path)
}

fn fits(socket_dir: &Path) -> bool {
    socket_dir.as_os_str().as_bytes().len() + SOCKET_NAME.len() <= SOCKET_PATH_MAX
}

/// Only has to tell the data directories of one machine apart.
fn digest(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn public_dir() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        dir
    }

    #[test]
    fn socket_paths_fit_or_move() {
        let path = |length: usize| PathBuf::from(format!("/{}", "d".repeat(length - 1)));
        assert!(fits(&path(SOCKET_PATH_MAX - SOCKET_NAME.len())));
        assert!(!fits(&path(SOCKET_PATH_MAX - SOCKET_NAME.len() + 1)));

        let account = Account::choose(None).unwrap();
        let parent = public_dir();
        let long = parent.path().join("d".repeat(100));
        fs::create_dir(&long).unwrap();
        let dir = socket_dir(&long, &account).unwrap();
        assert!(fits(&dir));
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        assert_eq!(dir, socket_dir(&long, &account).unwrap(), "the same at every start");
        // Somebody else could have made it before us.
        fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(socket_dir(&long, &account), Err(StartError::UnsafeSocketDir { .. })));
        fs::remove_dir(&dir).unwrap();
        std::os::unix::fs::symlink(parent.path(), &dir).unwrap();
        assert!(matches!(socket_dir(&long, &account), Err(StartError::Io { .. })));
        fs::remove_file(&dir).unwrap();
    }

    #[test]
    fn only_a_complete_cluster_counts() {
        let account = Account::choose(None).unwrap();
        let dir = public_dir();
        let layout = Layout::prepare(dir.path(), &account).unwrap();
        assert_eq!(layout.existing().unwrap(), None);

        let unfinished = layout.unfinished(16, &account).unwrap();
        fs::write(unfinished.join("PG_VERSION"), "16\n").unwrap();
        assert_eq!(layout.existing().unwrap(), None, "not before it is finished");
        layout.remove_unfinished();
        assert!(!unfinished.exists(), "thrown away");

        let unfinished = layout.unfinished(16, &account).unwrap();
        fs::write(unfinished.join("PG_VERSION"), "16\n").unwrap();
        layout.finish(&unfinished, 16).unwrap();
        assert_eq!(layout.existing().unwrap(), Some(16));

        fs::create_dir(layout.cluster(17)).unwrap();
        let error = layout.existing().unwrap_err();
        assert!(matches!(&error, StartError::NotACluster(path) if *path == layout.cluster(17)), "{error}");
    }
}
