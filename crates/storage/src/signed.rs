//! Signed URLs: a token that names one object and what may be done with it.
//!
//! Whoever holds the token needs no other. Its claims are upstream's, so that links made before a move
//! go on working; the scope keeps a link for reading from being one for writing.

use jwt::Policy;
use serde_json::{Map, Value, json};

use crate::error::{Error, token_text};
use crate::render::options::Options;
use crate::service::Service;

/// Later moments cannot be told in milliseconds by those who read them.
const LAST_SECOND: i64 = 9_007_199_254_740;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Download,
    Upload,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

/// A token that was made for what it is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    /// Whose the object will be.
    pub(crate) owner: Option<String>,
    /// Whether an object may be replaced.
    pub(crate) upsert: bool,
    /// What is to be made of a picture.
    pub(crate) transformations: String,
}

impl Service {
    /// A token for reading an object, for so many seconds.
    ///
    /// # Errors
    ///
    /// A time that lies too far ahead.
    pub(crate) fn sign_download(&self, bucket: &str, name: &str, seconds: i64) -> Result<String, Error> {
        self.sign(json!({ "url": format!("{bucket}/{name}"), "scope": "download" }), seconds)
    }

    /// As [`Service::sign_download`], of a picture that is transformed.
    pub(crate) fn sign_rendition(
        &self,
        bucket: &str,
        name: &str,
        options: &Options,
        seconds: i64,
    ) -> Result<String, Error> {
        let transformations = options.signed(&self.config().images);
        let url = format!("{bucket}/{name}");
        let mut claims = json!({ "url": url, "scope": "download", "transformations": transformations });
        if let Some(format) = options.format_name() {
            claims["format"] = format.into();
        }
        self.sign(claims, seconds)
    }

    /// A token for writing an object.
    ///
    /// # Errors
    ///
    /// If signing fails.
    pub(crate) fn sign_upload(
        &self,
        bucket: &str,
        name: &str,
        owner: Option<&str>,
        upsert: bool,
    ) -> Result<String, Error> {
        let mut claims = json!({ "url": format!("{bucket}/{name}"), "upsert": upsert, "scope": "upload" });
        if let Some(owner) = owner {
            claims["owner"] = owner.into();
        }
        let seconds = self.config().upload_url_expiry.0.as_secs();
        self.sign(claims, i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn sign(&self, claims: Value, seconds: i64) -> Result<String, Error> {
        let now = self.clock.unix();
        let expires_at = now.saturating_add(seconds);
        if expires_at > LAST_SECOND {
            return Err(Error::InvalidParameter("Invalid Parameter expiresIn".to_owned()));
        }
        let mut claims = match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        };
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), expires_at.into());
        self.keys.sign(&claims).map_err(|error| Error::Internal(Box::new(error)))
    }

    /// What a token allows, if it is one for this object and `scope`.
    ///
    /// # Errors
    ///
    /// A token that is none, has expired, or is for something else.
    pub(crate) fn verify(&self, token: &str, scope: Scope, bucket: &str, name: &str) -> Result<Grant, Error> {
        let policy = Policy { leeway: 0, ..Policy::default() };
        let verified = self
            .keys
            .verify(token, &policy, self.clock.unix())
            .map_err(|error| Error::InvalidJwt(token_text(&error)))?;
        // Tokens of old have no scope; those for uploads are the ones that say whether to replace.
        let claimed = match verified.get("scope") {
            Some(claimed) => claimed.as_str(),
            None if verified.get("upsert").is_some() => Some(Scope::Upload.name()),
            None => Some(Scope::Download.name()),
        };
        if claimed != Some(scope.name()) {
            return Err(Error::InvalidSignature(match scope {
                Scope::Download => "Token is not scoped for download",
                Scope::Upload => "Token is not scoped for upload",
            }));
        }
        if verified.str("url") != Some(format!("{bucket}/{name}").as_str()) {
            return Err(Error::InvalidSignature("Invalid signature"));
        }
        let expires_at = verified.expires_at().ok_or(Error::InvalidJwt("missing required \"exp\" claim"))?;
        Ok(Grant {
            expires_at,
            owner: verified.str("owner").map(str::to_owned),
            upsert: verified.get("upsert").and_then(Value::as_bool).unwrap_or_default(),
            transformations: verified.str("transformations").unwrap_or_default().to_owned(),
        })
    }
}
