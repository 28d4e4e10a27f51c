//! One instance per data directory.
//!
//! An exclusive `flock` on `<data>/lock`, held for as long as the server may be alive. The kernel lets go of it when the
//! process ends, however it ends, so a lock is never stale and nobody has to delete the file. It also works between
//! containers that share a volume of one machine, where process ids say nothing.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag},
};

use crate::StartError;

/// The held lock; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] Flock<File>);

impl Lock {
    /// Takes the lock of `data_dir` or says who has it.
    pub fn take(data_dir: &Path) -> Result<Self, StartError> {
        let path = data_dir.join("lock");
        let fail = |source| StartError::io("lock", &path, source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(fail)?;
        let mut held =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(file, errno)| match errno {
                Errno::EWOULDBLOCK => {
                    StartError::AlreadyRunning { data_dir: data_dir.to_path_buf(), pid: read_pid(file) }
                }
                errno => fail(errno.into()),
            })?;
        // For the message above, and for people; nothing depends on it.
        held.set_len(0)
            .and_then(|()| held.rewind())
            .and_then(|()| writeln!(held, "{}", process::id()))
            .map_err(fail)?;
        Ok(Self(held))
    }
}

fn read_pid(file: File) -> Option<i32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn is_exclusive_and_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        let error = Lock::take(dir.path()).unwrap_err();
        assert!(error.to_string().contains(&format!("(process {})", process::id())), "{error}");
        drop(held);
        Lock::take(dir.path()).unwrap();
    }

    #[test]
    fn does_not_write_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("lock")).unwrap();
        Lock::take(dir.path()).unwrap_err();
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
    }
}
