//! `Upload-Metadata`: pairs of a name and, in base64, its value (TUS 1.0, creation).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a client says of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata(Vec<(String, String)>);

impl Metadata {
    /// The value of a header; `None` if it does not have the shape. Names come once.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in header.split(',') {
            let (name, value) = match pair.trim().split_once(' ') {
                Some((name, value)) => (name, value.trim()),
                None => (pair.trim(), ""),
            };
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_name || pairs.iter().any(|(known, _)| known == name) {
                return None;
            }
            let value = STANDARD.decode(value).ok()?;
            pairs.push((name.to_owned(), String::from_utf8_lossy(&value).into_owned()));
        }
        Some(Self(pairs))
    }

    /// A value that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// The media type.
    pub(crate) fn content_type(&self) -> &str {
        self.get("contentType").unwrap_or("application/octet-stream")
    }

    /// What is told to caches: seconds alone are a maximal age, and anything else is nothing.
    pub(crate) fn cache_control(&self) -> String {
        let is_number = |text: &&str| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        match self.get("cacheControl").filter(is_number) {
            Some(seconds) => format!("max-age={seconds}"),
            None => "no-cache".to_owned(),
        }
    }

    /// The caller's own metadata; what is no JSON is passed over.
    pub(crate) fn of_user(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.get("metadata")?).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn pairs() {
        let metadata = Metadata::parse(
            "bucketName YXZhdGFycw==,objectName ZGlyL2EucG5n, flag,contentType aW1hZ2UvcG5n,cacheControl MzYwMA==",
        )
        .unwrap();
        assert_eq!(metadata.get("bucketName"), Some("avatars"));
        assert_eq!(metadata.get("objectName"), Some("dir/a.png"));
        assert_eq!(metadata.get("flag"), None);
        assert_eq!(metadata.content_type(), "image/png");
        assert_eq!(metadata.cache_control(), "max-age=3600");
        assert_eq!(Metadata::parse("a YQ==").unwrap().cache_control(), "no-cache");
        assert_eq!(Metadata::parse("cacheControl bm8=").unwrap().cache_control(), "no-cache");
        assert_eq!(Metadata::parse("a YQ==").unwrap().content_type(), "application/octet-stream");
    }

    #[test]
    fn other_shapes_are_refused() {
        for header in ["", " ", "a !", "a YQ", "a YQ==,", ",a YQ==", "a YQ==,a Yg==", "ä YQ==", "a Y Q=="] {
            assert_eq!(Metadata::parse(header), None, "{header:?}");
        }
    }
}
