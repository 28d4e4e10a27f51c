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

/// Which characters names of objects are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// Those that need no escape anywhere, as upstream has it.
    Safe,
    /// All that XML can hold, as S3 has it; but not the character that stands for bytes which are no text: names of
    /// such bytes would be one.
    Unicode,
}

impl Alphabet {
    fn has(self, c: char) -> bool {
        match self {
            Self::Safe => c == '/' || u8::try_from(c).is_ok_and(is_safe),
            Self::Unicode => {
                !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffd}'..='\u{ffff}')
            }
        }
    }
}

/// The name of an object that can be stored: non-empty, of these characters, and no path to elsewhere.
///
/// # Errors
///
/// [`Error::InvalidKey`].
pub(crate) fn object(name: &str, alphabet: Alphabet) -> Result<(), Error> {
    let characters = !name.is_empty() && name.chars().all(|c| alphabet.has(c));
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
        let fits = |name: &str, alphabet| match object(name, alphabet) {
            Ok(()) => true,
            Err(Error::InvalidKey(told)) if told == name => false,
            Err(error) => panic!("{error}"),
        };
        for name in ["a", "a/b.png", "/a", "a//b/", "a b!.*'()&$=@;:+,?-_", "..a/b..", "a/..."] {
            assert!(fits(name, Alphabet::Safe) && fits(name, Alphabet::Unicode), "{name}");
        }
        for name in ["a#b", "a%b", "ä", "日本/語.png", "a\\b", "a\nb", "a~", "a[b]", "e\u{301}", "\u{1f600}"]
        {
            assert!(!fits(name, Alphabet::Safe) && fits(name, Alphabet::Unicode), "{name}");
        }
        for name in
            ["", ".", "a\0", "a\x1bb", "\u{ffff}", "a\u{fffd}", "../a", "a/../b", "a/.", "./a", "ä/.."]
        {
            assert!(!fits(name, Alphabet::Safe) && !fits(name, Alphabet::Unicode), "{name}");
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
