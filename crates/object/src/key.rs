//! Where a version of an object is.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What file systems hold, in bytes.
const LONGEST_SEGMENT: usize = 255;
/// With the directories above and the version below it a path stays under 4,096 bytes.
const LONGEST_NAME: usize = 3000;
/// Beside the buckets, with a character that no bucket's name has.
const LONG: &str = "~long";

/// The place of one version of one object. It can only lie below the root it is asked for: names come
/// from tables that applications write to, and are not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    bucket: String,
    name: String,
    version: Option<String>,
}

impl Key {
    /// The key of these names, or `None` if any of them would lead elsewhere: empty, with NUL, with `.`
    /// or `..` as a segment, or with a slash where there are no segments. Objects of the first years
    /// have no version.
    #[must_use]
    pub fn new(bucket: &str, name: &str, version: Option<&str>) -> Option<Self> {
        let is_segment = |text: &str| !text.is_empty() && !text.contains('/') && is_path(text);
        let fits = is_segment(bucket) && bucket != LONG && version.is_none_or(is_segment) && is_path(name);
        fits.then(|| Self {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The name of the object.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The file: `<root>/<bucket>/<name>/<version>`, the layout of Supabase Storage. Empty segments of
    /// the name say nothing in a path; the version tells such objects apart. A name that no file system
    /// can hold, which that layout has no place for, is found by its digest.
    pub(crate) fn file(&self, root: &Path) -> PathBuf {
        let is_long = |segment: &str| segment.len() > LONGEST_SEGMENT;
        let mut path;
        if self.name.len() > LONGEST_NAME || self.name.split('/').any(is_long) {
            let digest = hex::encode(Sha256::digest(&self.name));
            path = root.join(LONG);
            path.extend([self.bucket.as_str(), &digest[..2], &digest]);
        } else {
            path = root.join(&self.bucket);
            path.extend(self.name.split('/').filter(|segment| !segment.is_empty()));
        }
        path.extend(&self.version);
        path
    }
}

/// What S3 servers hold, in bytes.
const LONGEST_OBJECT: usize = 1024;

impl Key {
    /// The key in a bucket of an S3 server: `<tenant>/<bucket>/<name>/<version>`, as Supabase Storage has
    /// it. Names that are too long for that, or that our client cannot say (empty segments, control
    /// characters), have a place by their digest.
    pub(crate) fn object(&self, tenant: &str) -> String {
        let version = self.version.as_ref().map(|version| format!("/{version}")).unwrap_or_default();
        let plain = format!("{tenant}/{}/{}{version}", self.bucket, self.name);
        let is_odd =
            |segment: &str| segment.is_empty() || segment.bytes().any(|byte| byte.is_ascii_control());
        if plain.len() <= LONGEST_OBJECT && !self.name.split('/').any(is_odd) {
            return plain;
        }
        let digest = hex::encode(Sha256::digest(&self.name));
        format!("{tenant}/{LONG}/{}/{}/{digest}{version}", self.bucket, &digest[..2])
    }
}

fn is_path(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0') && !name.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_layout_is_that_of_supabase_storage() {
        let file = |name: &str| Key::new("avatars", name, Some("v1")).unwrap().file(Path::new("/srv"));
        assert_eq!(file("a/b.png"), Path::new("/srv/avatars/a/b.png/v1"));
        assert_eq!(file("/a//b/"), Path::new("/srv/avatars/a/b/v1"));
        let old = Key::new("avatars", "a/b.png", None).unwrap();
        assert_eq!(old.file(Path::new("/srv")), Path::new("/srv/avatars/a/b.png"));
    }

    #[test]
    fn long_names_have_a_place_too() {
        let file = |name: &str| Key::new("b", name, Some("v1")).unwrap().file(Path::new("/srv"));
        let (fits, long) = ("x".repeat(255), "x".repeat(256));
        assert_eq!(file(&fits), Path::new("/srv/b").join(&fits).join("v1"));
        let path = file(&format!("a/{long}/c"));
        assert!(path.starts_with("/srv/~long/b") && path.ends_with("v1"), "{path:?}");
        assert!(path.components().all(|part| part.as_os_str().len() <= 64), "{path:?}");
        assert_ne!(path, file(&format!("a/{long}/d")));
        assert!(file(&"a/".repeat(1600)).as_os_str().len() < 200);
    }

    #[test]
    fn a_bucket_has_the_keys_of_supabase_storage() {
        let object = |name: &str| Key::new("avatars", name, Some("v1")).unwrap().object("stub");
        assert_eq!(object("a/b ü%2F.png"), "stub/avatars/a/b ü%2F.png/v1");
        let old = Key::new("avatars", "a/b.png", None).unwrap();
        assert_eq!(old.object("stub"), "stub/avatars/a/b.png");
        for name in ["a//b", "/a", "a/", "a\tb", &"x".repeat(1010)] {
            let place = object(name);
            assert!(place.starts_with("stub/~long/avatars/") && place.ends_with("/v1"), "{place}");
        }
        assert_ne!(object("a//b"), object("a/b/"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_no_keys() {
        for (bucket, name, version) in [
            ("", "a", "v"),
            ("b", "", "v"),
            ("b", "a", ""),
            ("..", "a", "v"),
            (".", "a", "v"),
            ("b/c", "a", "v"),
            ("b", "../a", "v"),
            ("b", "a/../../x", "v"),
            ("b", "a/.", "v"),
            ("b", "a", ".."),
            ("b", "a", "../v"),
            ("~long", "a", "v"),
            ("b", "a\0", "v"),
        ] {
            assert_eq!(Key::new(bucket, name, Some(version)), None, "{bucket:?} {name:?} {version:?}");
        }
    }

    proptest! {
        #[test]
        fn no_key_leaves_its_bucket(bucket in ".{1,9}", name in "[./a\\\\]{1,12}", version in "[./v]{1,6}") {
            if let Some(key) = Key::new(&bucket, &name, Some(&version)) {
                let file = key.file(Path::new("/srv"));
                prop_assert!(file.starts_with(Path::new("/srv").join(&bucket)));
                prop_assert!(file.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
            }
        }
    }
}
