//! Names of objects on the command line, as that of Supabase spells them: `ss:///bucket/path`.

use std::fmt;
use std::str::FromStr;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::api::{Api, escaped};

const SCHEME: &str = "ss:///";
/// Objects of one request.
const PAGE: u32 = 1000;

/// An object, a folder, a bucket, or with empty names all buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) bucket: String,
    pub(super) path: String,
}

impl FromStr for Remote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| format!("must begin with {SCHEME}"))?;
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self { bucket: bucket.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.path)
    }
}

impl Remote {
    /// Whether a text means a place of the server.
    pub(super) fn is(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// This, if it names an object.
    pub(super) fn object(self) -> Result<Self, Failure> {
        match self.bucket.is_empty() || self.path.is_empty() {
            true => Err(Failure::Failed(anyhow::anyhow!("{self} names no object"))),
            false => Ok(self),
        }
    }

    /// The path of a request about it.
    pub(super) fn url(&self, endpoint: &str) -> String {
        let path: Vec<String> = self.path.split('/').map(escaped).collect();
        format!("/storage/v1/{endpoint}/{}/{}", escaped(&self.bucket), path.join("/"))
    }

    /// What is below another name here.
    pub(super) fn below(&self, name: &str) -> Self {
        let path = match self.path.trim_end_matches('/') {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        Self { bucket: self.bucket.clone(), path }
    }

    /// The folder, as names of what is in it begin.
    pub(super) fn prefix(&self) -> String {
        match self.path.trim_end_matches('/') {
            "" => String::new(),
            folder => format!("{folder}/"),
        }
    }

    /// What is in it: objects with their full names, and folders unless all below them is wanted.
    pub(super) async fn list(&self, api: &Api, recursive: bool) -> Result<Vec<Value>, Failure> {
        let url = format!("/storage/v1/object/list-v2/{}", escaped(&self.bucket));
        let mut found = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let mut body = json!({ "prefix": self.prefix(), "limit": PAGE, "with_delimiter": !recursive });
            if !cursor.is_null() {
                body["cursor"] = cursor;
            }
            let mut page = api.call(Method::POST, &url, Some(&body)).await?;
            for part in ["folders", "objects"] {
                found.append(&mut page[part].as_array_mut().map(std::mem::take).unwrap_or_default());
            }
            cursor = page["nextCursor"].take();
            if page["hasNext"] != true || cursor.is_null() {
                return Ok(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names() {
        let remote = |text: &str| text.parse::<Remote>().unwrap();
        let file = remote("ss:///b/a dir/ü.png");
        assert_eq!((file.bucket.as_str(), file.path.as_str()), ("b", "a dir/ü.png"));
        assert_eq!(file.to_string(), "ss:///b/a dir/ü.png");
        assert_eq!(file.url("object"), "/storage/v1/object/b/a%20dir/%C3%BC.png");
        assert_eq!(remote("ss:///b/dir/").below("x").path, "dir/x");
        assert_eq!(remote("ss:///b").below("x").path, "x");
        assert_eq!(
            (remote("ss:///b/dir").prefix(), remote("ss:///b").prefix()),
            ("dir/".into(), String::new())
        );
        assert!(remote("ss:///").bucket.is_empty());
        assert!(remote("ss:///b").object().is_err());
        assert!("b/x".parse::<Remote>().is_err() && !Remote::is("./x"));
    }
}
