//! The last segment of an upload's URL: bucket, object and version, in base64 for URLs (upstream's
//! `UploadId`). The version is random: nobody guesses the URL of somebody else's upload.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Which upload is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadId {
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) version: Uuid,
}

impl UploadId {
    /// As a segment of a URL.
    pub(crate) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}/{}/{}", self.bucket, self.name, self.version))
    }

    /// What such a segment says, if it is one.
    pub(crate) fn decode(segment: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(segment.trim_end_matches('=')).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (bucket, rest) = text.split_once('/')?;
        let (name, version) = rest.rsplit_once('/')?;
        let version = Uuid::try_parse(version).ok()?;
        (!bucket.is_empty() && !name.is_empty()).then(|| Self {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
            version,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        for name in ["a", "dir/a.png", "/a//b/"] {
            let id = UploadId { bucket: "b".to_owned(), name: name.to_owned(), version: Uuid::new_v4() };
            assert_eq!(UploadId::decode(&id.encode()), Some(id));
        }
        // As upstream spells one.
        let id = UploadId::decode("Yi9hLnBuZy80ZDU2ZTkwMi1mMGEwLTQ2NjItODQ0OC1hNGQ5ZTY0M2MxNDI").unwrap();
        assert_eq!((id.bucket.as_str(), id.name.as_str()), ("b", "a.png"));
    }

    #[test]
    fn what_is_none_is_refused() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for segment in [
            String::new(),
            "%".to_owned(),
            encode("b"),
            encode("b/a"),
            encode("b/a/1"),
            encode("b//4d56e902-f0a0-4662-8448-a4d9e643c142"),
            encode("/a/4d56e902-f0a0-4662-8448-a4d9e643c142"),
            encode("b/a/../../4d56e902-f0a0-4662-8448-a4d9e643c142x"),
        ] {
            assert_eq!(UploadId::decode(&segment), None, "{segment}");
        }
    }
}
