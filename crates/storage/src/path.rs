//! Names of buckets and objects: which may be made.
//!
//! Only new names are checked, and those of single objects that are looked for: what an older server
//! or SQL has put into the tables can still be listed and deleted.

use crate::error::Error;

/// Beyond letters, digits and what no name of an object may have.
const SAFE: &[u8] = b"_!.*'() &$=@;:+,?-";

fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || SAFE.contains(&byte)
}

/// The name of an object that can be stored: non-empty, of characters that are safe in URLs and on
/// disks, and no path to elsewhere.
///
/// # Errors
///
/// [`Error::InvalidKey`].
pub(crate) fn object(name: &str) -> Result<(), Error> {
    let characters = !name.is_empty() && name.bytes().all(|byte| byte == b'/' || is_safe(byte));
    match characters && !name.split('/').any(|segment| matches!(segment, "." | "..")) {
        true => Ok(()),
        false => Err(Error::InvalidKey(name.to_owned())),
    }
}

/// The name of a bucket that can be made.
///
/// # Errors
///
/// [`Error::InvalidBucketName`].
pub(crate) fn bucket(name: &str) -> Result<(), Error> {
    // The suffix is upstream's for buckets of analytics; the dots would be directories.
    let characters = (1..=100).contains(&name.len()) && name.bytes().all(is_safe);
    let fits =
        characters && name.trim() == name && !name.ends_with("--table-s3") && !matches!(name, "." | "..");
    if fits { Ok(()) } else { Err(Error::InvalidBucketName) }
}

/// A file that stands for a folder without files.
pub(crate) fn is_empty_folder(name: &str) -> bool {
    name.ends_with(".emptyFolderPlaceholder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects() {
        for name in ["a", "a/b.png", "/a", "a//b/", "a b!.*'()&$=@;:+,?-_", "..a/b..", "a/...", "."] {
            assert_eq!(object(name).is_ok(), name != ".", "{name}");
        }
        for name in
            ["", "a#b", "a%b", "ä", "a\\b", "a\nb", "a\0", "a~", "a[b]", "../a", "a/../b", "a/.", "./a"]
        {
            assert!(matches!(object(name), Err(Error::InvalidKey(told)) if told == name), "{name}");
        }
    }

    #[test]
    fn buckets() {
        let long = "x".repeat(101);
        for name in ["a", "my bucket", "A.b-c", &long[..100]] {
            assert!(bucket(name).is_ok(), "{name}");
        }
        for name in ["", " a", "a ", "a/b", "..", ".", "x--table-s3", "ä", "a%", long.as_str()] {
            assert!(bucket(name).is_err(), "{name}");
        }
    }
}
