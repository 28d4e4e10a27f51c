//! What is done to directories.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Removes a file, and the directories below `root` that it leaves empty. That there is none is fine.
pub(crate) fn remove(root: &Path, path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) => match Error::from(error) {
            // A directory where the file should be is another object's.
            Error::NotFound | Error::Name => return Ok(()),
            error => return Err(error),
        },
    }
    let mut directory = path.parent();
    while let Some(empty) = directory.filter(|path| *path != root && path.starts_with(root)) {
        if fs::remove_dir(empty).is_err() {
            break;
        }
        directory = empty.parent();
    }
    Ok(())
}

/// Makes a directory and those above it, durably.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    let mut made = Made::default();
    made.directory(path)?;
    made.force()
}

/// Directories that have new names in them.
#[derive(Debug, Default)]
pub(crate) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a directory and those above it.
    pub(crate) fn directory(&mut self, path: &Path) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return if path.is_dir() { Ok(()) } else { Err(Error::Name) };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let above = path.parent().ok_or(Error::NotFound)?;
                self.directory(above)?;
                // Somebody who tidies up may have been quicker; the caller tries again.
                match DirBuilder::new().mode(0o700).create(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    made => made?,
                }
            }
            Err(error) => return Err(error.into()),
        }
        path.parent().into_iter().for_each(|above| self.name_in(above));
        Ok(())
    }

    /// Notes that a directory has a new name in it.
    pub(crate) fn name_in(&mut self, directory: &Path) {
        self.0.push(directory.to_owned());
    }

    /// Forces the names to disk.
    pub(crate) fn force(&self) -> Result<(), Error> {
        self.0.iter().try_for_each(|directory| sync_directory(directory))
    }
}

/// Forces the names in a directory to disk. One that has just been tidied away needs none.
pub(crate) fn sync_directory(path: &Path) -> Result<(), Error> {
    match File::open(path) {
        Ok(directory) => Ok(directory.sync_all()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
