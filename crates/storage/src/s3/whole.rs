//! Checksums of whole objects, as `objects.metadata` keeps them.
//!
//! That of an object of parts covers all bytes, or the checksums of the parts: which of the two, and by which
//! algorithm, is agreed on when the upload begins ("Checking object integrity" of S3's user guide). It is made of what is
//! known of the parts: no byte is read again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::checksum::{Algorithm, Running, joined};
use super::error::Error;

/// What a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cover {
    /// All bytes of the object.
    Bytes,
    /// The checksums of its parts.
    Parts,
}

impl Cover {
    /// As clients name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bytes => "FULL_OBJECT",
            Self::Parts => "COMPOSITE",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Bytes, Self::Parts].into_iter().find(|cover| cover.name().eq_ignore_ascii_case(name))
    }
}

/// What client and server have agreed on for an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) algorithm: Algorithm,
    pub(crate) cover: Cover,
}

/// Keys of `metadata`: of an upload that is under way, and of an object.
const ALGORITHM: &str = "checksumAlgorithm";
const COVER: &str = "checksumType";
const SUMS: &str = "checksums";
const OF_PARTS: &str = "partChecksums";

/// Bytes of the checksums of parts that are kept with an object: lists read them with every row.
const MOST: usize = 16 * 1024;

impl Agreed {
    /// What a client wants, by its headers.
    ///
    /// # Errors
    ///
    /// What S3 does not offer.
    pub(crate) fn read(algorithm: Option<&str>, cover: Option<&str>) -> Result<Option<Self>, Error> {
        let refused = |text: String| Err(Error::InvalidRequest(text.into()));
        let Some(algorithm) = algorithm else {
            return match cover {
                None => Ok(None),
                Some(_) => refused(
                    "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
                        .to_owned(),
                ),
            };
        };
        let Some(algorithm) = Algorithm::of_name(algorithm) else {
            return refused(
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]".to_owned(),
            );
        };
        let cover = match cover {
            None if algorithm == Algorithm::Crc64Nvme => Cover::Bytes,
            None => Cover::Parts,
            Some(name) => match Cover::of_name(name) {
                Some(cover) => cover,
                None => return refused("Value for x-amz-checksum-type header is invalid.".to_owned()),
            },
        };
        match (algorithm, cover) {
            (Algorithm::Crc64Nvme, Cover::Parts) | (Algorithm::Sha1 | Algorithm::Sha256, Cover::Bytes) => {
                refused(format!(
                    "The {} checksum type cannot be used with the {} checksum algorithm.",
                    cover.name(),
                    algorithm.name().to_ascii_lowercase()
                ))
            }
            _ => Ok(Some(Self { algorithm, cover })),
        }
    }

    /// Notes it until the upload ends.
    pub(crate) fn note(self, metadata: &mut Map<String, Value>) {
        metadata.insert(ALGORITHM.to_owned(), self.algorithm.name().into());
        metadata.insert(COVER.to_owned(), self.cover.name().into());
    }

    /// What was noted.
    pub(crate) fn noted(metadata: &Map<String, Value>) -> Option<Self> {
        let text = |key: &str| metadata.get(key).and_then(Value::as_str);
        Some(Self { algorithm: Algorithm::of_name(text(ALGORITHM)?)?, cover: Cover::of_name(text(COVER)?)? })
    }

    /// The checksum of the parts together: of each its own, and how many bytes it has. None if one of them has none.
    pub(crate) fn sum<'a>(self, parts: impl Iterator<Item = (Option<&'a str>, u64)>) -> Option<Whole> {
        let mut of_parts: Vec<String> = Vec::new();
        let mut sum: Option<Vec<u8>> = None;
        let mut running = Running::new(self.algorithm);
        for (text, size) in parts {
            let bytes = STANDARD.decode(text?).ok()?;
            running.update(&bytes);
            if self.cover == Cover::Bytes {
                sum = Some(match sum {
                    None => bytes,
                    Some(before) => joined(self.algorithm, &before, &bytes, size)?,
                });
            }
            of_parts.push(text?.to_owned());
        }
        let value = match self.cover {
            Cover::Bytes => STANDARD.encode(sum?),
            Cover::Parts => format!("{}-{}", running.finish(), of_parts.len()),
        };
        Some(Whole { agreed: self, value, of_parts })
    }
}

/// The checksum of an object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) agreed: Agreed,
    /// In base64; behind that of parts stands how many they are.
    pub(crate) value: String,
    /// Those of its parts in their order; none if it was put at once, or of too many parts.
    pub(crate) of_parts: Vec<String>,
}

impl Whole {
    /// Of all bytes at once.
    pub(crate) fn of_bytes(algorithm: Algorithm, value: String) -> Self {
        Self { agreed: Agreed { algorithm, cover: Cover::Bytes }, value, of_parts: Vec::new() }
    }

    /// Keeps it with the object.
    pub(crate) fn keep(&self, metadata: &mut Map<String, Value>) {
        let Agreed { algorithm, cover } = self.agreed;
        metadata.insert(SUMS.to_owned(), json!({ algorithm.header(): self.value }));
        if cover == Cover::Parts {
            metadata.insert(COVER.to_owned(), cover.name().into());
        }
        if !self.of_parts.is_empty() && self.of_parts.len() * algorithm.length() <= MOST {
            let bytes = self.of_parts.iter().filter_map(|text| STANDARD.decode(text).ok());
            metadata
                .insert(OF_PARTS.to_owned(), STANDARD.encode(bytes.flatten().collect::<Vec<u8>>()).into());
        }
    }

    /// What was kept.
    pub(crate) fn kept(metadata: &Map<String, Value>) -> Option<Self> {
        let sums = metadata.get(SUMS)?.as_object()?;
        let (algorithm, value) = Algorithm::ALL
            .into_iter()
            .find_map(|algorithm| Some((algorithm, sums.get(algorithm.header())?.as_str()?.to_owned())))?;
        let cover = metadata.get(COVER).and_then(Value::as_str).and_then(Cover::of_name);
        let bytes = metadata.get(OF_PARTS).and_then(Value::as_str);
        let bytes = bytes.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        Some(Self {
            agreed: Agreed { algorithm, cover: cover.unwrap_or(Cover::Bytes) },
            value,
            of_parts: bytes.chunks(algorithm.length()).map(|bytes| STANDARD.encode(bytes)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut running = Running::new(algorithm);
        running.update(bytes);
        running.finish()
    }

    #[test]
    fn what_can_be_agreed_on() {
        let check = |algorithm: Option<&str>, cover: Option<&str>, expected: Option<(Algorithm, Cover)>| {
            let expected = expected.map(|(algorithm, cover)| Agreed { algorithm, cover });
            assert_eq!(Agreed::read(algorithm, cover).ok().flatten(), expected, "{algorithm:?} {cover:?}");
        };
        check(None, None, None);
        check(Some("crc32"), None, Some((Algorithm::Crc32, Cover::Parts)));
        check(Some("CRC32C"), Some("FULL_OBJECT"), Some((Algorithm::Crc32c, Cover::Bytes)));
        check(Some("CRC64NVME"), None, Some((Algorithm::Crc64Nvme, Cover::Bytes)));
        check(Some("SHA256"), Some("COMPOSITE"), Some((Algorithm::Sha256, Cover::Parts)));
        for (algorithm, cover) in [
            (None, Some("COMPOSITE")),
            (Some("MD5"), None),
            (Some("CRC64NVME"), Some("COMPOSITE")),
            (Some("SHA1"), Some("FULL_OBJECT")),
            (Some("CRC32"), Some("HALF")),
        ] {
            assert!(Agreed::read(algorithm, cover).is_err(), "{algorithm:?} {cover:?}");
        }
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let agreed = Agreed { algorithm: Algorithm::Sha1, cover: Cover::Parts };
        let parts = [sum(Algorithm::Sha1, b"a"), sum(Algorithm::Sha1, b"b")];
        let whole = agreed.sum(parts.iter().map(|part| (Some(part.as_str()), 1))).unwrap();
        assert!(whole.value.ends_with("-2"), "{}", whole.value);
        let mut metadata = Map::new();
        whole.keep(&mut metadata);
        assert_eq!(Whole::kept(&metadata), Some(whole));
        let mut noted = Map::new();
        agreed.note(&mut noted);
        assert_eq!((Agreed::noted(&noted), Agreed::noted(&Map::new())), (Some(agreed), None));
        assert_eq!(agreed.sum([(Some(parts[0].as_str()), 1), (None, 1)].into_iter()), None);
        let simple = Whole::of_bytes(Algorithm::Crc32, "AAAAAA==".to_owned());
        let mut metadata = Map::new();
        simple.keep(&mut metadata);
        assert_eq!(Whole::kept(&metadata), Some(simple));
        assert_eq!(Whole::kept(&Map::new()), None);
    }

    #[test]
    fn checksums_of_many_parts_are_not_kept_with_every_row() {
        let agreed = Agreed { algorithm: Algorithm::Sha256, cover: Cover::Parts };
        let part = sum(Algorithm::Sha256, b"");
        let whole = agreed.sum((0..600).map(|_| (Some(part.as_str()), 0))).unwrap();
        let mut metadata = Map::new();
        whole.keep(&mut metadata);
        let kept = Whole::kept(&metadata).unwrap();
        assert_eq!((kept.value, kept.of_parts.len()), (whole.value, 0));
    }

    proptest! {
        #[test]
        fn parts_make_the_checksum_of_all_bytes(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..6)) {
            for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
                let sums: Vec<String> = parts.iter().map(|part| sum(algorithm, part)).collect();
                let known = sums.iter().zip(&parts).map(|(sum, part)| (Some(sum.as_str()), part.len() as u64));
                let whole = Agreed { algorithm, cover: Cover::Bytes }.sum(known).unwrap();
                prop_assert_eq!(whole.value, sum(algorithm, &parts.concat()));
            }
        }
    }
}
