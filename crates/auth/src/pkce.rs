//! Sign-ins that end with the exchange of a code, so that a leaked link alone is worth nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::error::{Error, OrInternal};
use crate::service::Context;
use crate::store::flow_state::{self, NewFlow};

/// What the client will have to know the origin of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    method: Method,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    S256,
    Plain,
}

impl Method {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "s256" => Some(Self::S256),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::S256 => "s256",
            Self::Plain => "plain",
        }
    }
}

impl Challenge {
    /// The challenge of a request, `None` if it has none.
    pub(crate) fn parse(method: &str, challenge: &str) -> Result<Option<Self>, Error> {
        match (method.is_empty(), challenge.is_empty()) {
            (true, true) => return Ok(None),
            (false, false) => {}
            _ => return Err(Error::invalid("PKCE flow requires code_challenge_method and code_challenge")),
        }
        if !(43..=128).contains(&challenge.len()) {
            return Err(Error::invalid("code challenge has to be between 43 and 128 characters"));
        }
        if !challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
            return Err(Error::invalid(
                "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes",
            ));
        }
        let method = Method::parse(method).ok_or_else(|| Error::invalid("Invalid code_challenge_method"))?;
        Ok(Some(Self { method, text: challenge.to_owned() }))
    }

    /// The name of the method.
    pub(crate) fn method(&self) -> &'static str {
        self.method.name()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Remembers the sign-in until its link is followed and its code exchanged.
    pub(crate) async fn remember(
        &self,
        ctx: &Context,
        tx: &mut db::Session,
        user_id: Uuid,
        provider_type: &str,
        authentication_method: &str,
    ) -> Result<(), Error> {
        let auth_code = Uuid::new_v4().to_string();
        let new = NewFlow {
            user_id,
            auth_code: &auth_code,
            method: self.method.name(),
            challenge: &self.text,
            provider_type,
            authentication_method,
        };
        flow_state::insert(tx, &new, ctx.now).await.or_internal("Database error creating flow state")
    }
}

/// True if the challenge was made from `verifier`.
pub(crate) fn answers(method: &str, challenge: &str, verifier: &str) -> bool {
    let made = match Method::parse(method) {
        Some(Method::S256) => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
        Some(Method::Plain) => verifier.to_owned(),
        None => return false,
    };
    !challenge.is_empty() && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_vector_of_rfc_7636() {
        assert!(answers("s256", CHALLENGE, VERIFIER));
        assert!(answers("S256", CHALLENGE, VERIFIER));
        assert!(!answers("plain", CHALLENGE, VERIFIER));
        assert!(answers("plain", VERIFIER, VERIFIER));
        assert!(!answers("s256", CHALLENGE, CHALLENGE));
        assert!(!answers("plain", "", ""));
    }

    #[test]
    fn parameters() {
        let check = |method: &str, challenge: &str, expected: Option<&str>| {
            let error = Challenge::parse(method, challenge).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{method} {challenge}");
        };
        check("", "", None);
        check("s256", CHALLENGE, None);
        check("S256", CHALLENGE, None);
        check("", CHALLENGE, Some("PKCE flow requires code_challenge_method and code_challenge"));
        check("s256", "", Some("PKCE flow requires code_challenge_method and code_challenge"));
        check("s256", "abc", Some("code challenge has to be between 43 and 128 characters"));
        check("s512", CHALLENGE, Some("Invalid code_challenge_method"));
        check(
            "s256",
            &"ü".repeat(30),
            Some(
                "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes",
            ),
        );
    }
}
