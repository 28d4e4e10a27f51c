//! The compact form of a token: three base64url parts with dots between (RFC 7515, 7.1).

use kernel::TokenError;
use serde::Deserialize;
use serde_json::Value;

use crate::Algorithm;

/// Longer tokens are refused before any work is spent on them; servers cap header lines far below.
const MAX_LENGTH: usize = 64 * 1024;

/// A token that is well formed and of a kind we verify; nothing is proved yet.
pub(crate) struct Token<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    /// What the signature is over.
    pub(crate) message: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
}

/// A doubled member is an error here, as RFC 7515, 4 demands.
#[derive(Deserialize)]
struct Header {
    alg: Option<Value>,
    kid: Option<Value>,
    crit: Option<Value>,
    enc: Option<Value>,
}

impl<'a> Token<'a> {
    /// Reads the shape and the header of `text`.
    pub(crate) fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(TokenError::Undecodable);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Parts(text.split('.').count()));
        };
        let message = text.get(..header.len() + 1 + payload.len()).ok_or(TokenError::Undecodable)?;
        let header = base64url::decode(header).ok_or(TokenError::Undecodable)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Undecodable)?;
        // An encrypted token, or an extension that must be understood: we understand none.
        if header.enc.is_some() || header.crit.is_some() {
            return Err(TokenError::Kind);
        }
        let kid = match header.kid {
            None | Some(Value::Null) => None,
            Some(Value::String(kid)) => Some(kid),
            Some(_) => return Err(TokenError::Undecodable),
        };
        let algorithm = match header.alg {
            Some(Value::String(name)) => algorithm(&name)?,
            _ => return Err(TokenError::Undecodable),
        };
        Ok(Self { algorithm, kid, message, payload, signature })
    }
}

fn algorithm(name: &str) -> Result<Algorithm, TokenError> {
    Algorithm::parse(name).ok_or_else(|| {
        TokenError::Algorithm(if name.eq_ignore_ascii_case("none") {
            // The text PostgREST's clients know.
            "JWT is unsecured but expected 'alg' was not 'none'".to_owned()
        } else {
            "The 'alg' header of the JWT names no supported algorithm".to_owned()
        })
    })
}

/// base64url without padding, the only alphabet of this crate; strict, so that every value has
/// one spelling.
pub(crate) mod base64url {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    pub(crate) fn encode(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(text).ok()
    }
}
