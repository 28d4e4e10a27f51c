//! `verify_jwt`: whether a call has to come with a good token. The gateway has looked at it already; here is said what
//! is wrong with it, in the words of Supabase's runtime. A preflight needs none.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::http::caller;
use kernel::identity::Proof;
use serde_json::Value;

use crate::error::Error;

/// Lets a call with a good token in.
pub(crate) fn check(request: &HttpRequest) -> Result<(), Error> {
    if request.method() == Method::OPTIONS {
        return Ok(());
    }
    let header = request.headers().get(AUTHORIZATION).ok_or(Error::NoToken)?;
    let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).ok_or(Error::NotAToken)?;
    let algorithm = algorithm(token.trim()).ok_or(Error::NotAToken)?;
    // The key of the installation may stand behind a request; asked for is a token.
    if caller(request).is_ok_and(|identity| identity.proof == Proof::Token) {
        return Ok(());
    }
    Err(match algorithm.as_str() {
        "HS256" | "HS384" | "HS512" => Error::BadLegacyToken,
        "ES256" | "RS256" | "EdDSA" => Error::BadToken,
        _ => Error::Algorithm,
    })
}

/// The algorithm that a token names, if it has the shape of one.
fn algorithm(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (head, _, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
    head["alg"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use actix_web::test::TestRequest;
    use actix_web::{HttpMessage, ResponseError};
    use kernel::{Claims, Credential, Identity, RoleName, TokenError};
    use serde_json::{Map, json};

    use super::*;

    fn token(alg: &str) -> String {
        format!("Bearer {}.e30.c2ln", URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string()))
    }

    fn check(header: Option<&str>, credential: Credential) -> Option<String> {
        let request = TestRequest::default();
        let request = match header {
            Some(header) => request.insert_header((AUTHORIZATION, header)),
            None => request,
        };
        let request = request.to_http_request();
        request.extensions_mut().insert(credential);
        let error = super::check(&request).err()?;
        let code =
            error.error_response().headers().get("sb-error-code").unwrap().to_str().unwrap().to_owned();
        Some(code)
    }

    #[test]
    fn only_a_good_token_lets_in() {
        let verified = |proof| {
            let role = RoleName::parse("authenticated").unwrap();
            let claims = Claims::new(Map::new(), &role);
            Credential::Verified(Arc::new(Identity { role, claims, proof }))
        };
        let bad = || Credential::Refused(TokenError::Expired);
        assert_eq!(check(Some(&token("ES256")), verified(Proof::Token)), None);
        for (header, credential, code) in [
            (None, verified(Proof::ApiKey), "UNAUTHORIZED_NO_AUTH_HEADER"),
            (None, verified(Proof::None), "UNAUTHORIZED_NO_AUTH_HEADER"),
            (Some("Basic abc"), verified(Proof::None), "UNAUTHORIZED_INVALID_JWT_FORMAT"),
            (Some("Bearer sb_secret_x"), verified(Proof::ApiKey), "UNAUTHORIZED_INVALID_JWT_FORMAT"),
            (Some("Bearer a.b"), bad(), "UNAUTHORIZED_INVALID_JWT_FORMAT"),
            (Some(token("HS256").as_str()), bad(), "UNAUTHORIZED_LEGACY_JWT"),
            (Some(token("ES256").as_str()), bad(), "UNAUTHORIZED_ASYMMETRIC_JWT"),
            (Some(token("none").as_str()), bad(), "UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM"),
            // The key beside a token that is none does not make it one.
            (
                Some(token("none").as_str()),
                verified(Proof::ApiKey),
                "UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM",
            ),
        ] {
            assert_eq!(check(header, credential).as_deref(), Some(code), "{header:?}");
        }
    }
}
