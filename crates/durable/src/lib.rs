//! Small files, replaced whole or not at all.
//!
//! What is written is written beside, forced to disk and renamed: after a crash there is the content of before or
//! that of after. The file is for its owner alone (mode 0600), and belongs to whom the file before belonged to: what an
//! administrator changes has to stay readable to the account of the server, or of Postgres.
//!
//! ```
//! let directory = std::env::temp_dir().join(format!("durable-{}", std::process::id()));
//! std::fs::create_dir_all(&directory)?;
//! durable::replace(&directory.join("state.json"), b"{}")?;
//! # std::fs::remove_dir_all(directory)
//! ```
//!
//! Refused: following a link in the place of the file beside, as somebody else may own the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

/// Writes `content` to `path`, whose directory is there.
///
/// # Errors
///
/// What the operating system said; the file is as it was then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    // Left by a writer that was killed.
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    keep_owner(&file, path)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

/// Gives `file` to whom the file at `before` belongs, if there is one.
///
/// # Errors
///
/// What the operating system said.
pub fn keep_owner(file: &File, before: &Path) -> io::Result<()> {
    let owner = match fs::symlink_metadata(before) {
        Ok(metadata) => (metadata.uid(), metadata.gid()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if owner == (metadata.uid(), metadata.gid()) {
        return Ok(());
    }
    fchown(file, Some(owner.0), Some(owner.1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whole_private_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        for content in ["first", "second"] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_beside_leads_nowhere() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        symlink(&victim, directory.path().join("state.new")).unwrap();
        replace(&directory.path().join("state.json"), b"written").unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "kept");
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        assert!(replace(&directory.path().join("nowhere").join("file"), b"x").is_err());
        let path = directory.path().join("state.json");
        fs::write(&path, "kept").unwrap();
        // A directory in the place of the file beside cannot be removed as a file.
        fs::create_dir(directory.path().join("state.new")).unwrap();
        assert!(replace(&path, b"x").is_err());
        assert_eq!(fs::read_to_string(path).unwrap(), "kept");
    }
}
