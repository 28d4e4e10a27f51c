//! Who a request speaks for.
//!
//! The gateway's edge resolves API key and bearer token to one [`Identity`] and attaches it to
//! the request; services read it and never look at the headers again. An identity exists only
//! for a caller that was verified, so a function that takes one needs no further check.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::TokenError;

/// A database role that a request may become.
///
/// Never empty and free of control characters: Postgres settings are C strings, and a NUL would
/// cut `service_role\0x` down to `service_role`. Never `none`, which is Postgres' word for the login
/// role itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// The name as a role, or `None` if no role can be called that.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let usable = !name.is_empty() && name != "none" && !name.chars().any(char::is_control);
        usable.then(|| Self(Arc::from(name)))
    }

    /// The bare, unquoted name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The verified claims of a caller: parsed for our own rules, and as the JSON text that SQL sees
/// in `request.jwt.claims`.
///
/// The text's `role` is the effective role, whatever the token said (PostgREST's rule).
#[derive(Clone, Debug)]
pub struct Claims {
    fields: Arc<Map<String, Value>>,
    text: Arc<str>,
}

impl Claims {
    /// Claims with `role` set to the effective role.
    #[must_use]
    pub fn new(mut fields: Map<String, Value>, role: &RoleName) -> Self {
        fields.insert("role".to_owned(), Value::from(role.as_str()));
        let text = Value::Object(fields.clone()).to_string().into();
        Self { fields: Arc::new(fields), text }
    }

    /// The claim called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// The claim called `name` if it is a string.
    #[must_use]
    pub fn str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// True for an ID token of the OAuth server. It is signed as access tokens are, but tells an
    /// application who someone is, and opens nothing: its audience is the very client it was made for.
    #[must_use]
    pub fn is_id_token(&self) -> bool {
        let client = self.str("client_id");
        client.is_some() && client == self.str("aud")
    }

    /// All claims.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The JSON object handed to SQL.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What proved an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: the anonymous role of an installation that asks for no key.
    None,
    /// The API key alone, legacy JWT or opaque.
    ApiKey,
    /// A bearer token of a user, or one minted by the operator.
    Token,
}

/// A verified caller.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The role that the caller's statements run as.
    pub role: RoleName,
    /// The verified claims.
    pub claims: Claims,
    /// What proved it.
    pub proof: Proof,
}

impl Identity {
    /// The anonymous caller: `role` and no other claim.
    #[must_use]
    pub fn anonymous(role: RoleName) -> Self {
        Self { claims: Claims::new(Map::new(), &role), role, proof: Proof::None }
    }
}

/// What the edge attaches to a request on a route whose service words token errors itself.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The caller is known.
    Verified(Arc<Identity>),
    /// A bearer token was presented and is not acceptable, or nobody may come without one.
    Refused(TokenError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_that_a_c_string_would_cut_do_not_exist() {
        assert!(RoleName::parse("service_role\0x").is_none());
        assert!(RoleName::parse("a\nb").is_none());
        assert!(RoleName::parse("").is_none());
        assert!(RoleName::parse("none").is_none());
        assert_eq!(RoleName::parse("Ünïcode role").map(|r| r.to_string()).as_deref(), Some("Ünïcode role"));
    }

    #[test]
    fn the_effective_role_overwrites_the_claimed_one() {
        let role = RoleName::parse("anon");
        let claimed = Map::from_iter([("role".to_owned(), Value::from("postgres"))]);
        let claims = role.map(|role| Claims::new(claimed, &role));
        assert_eq!(claims.as_ref().map(Claims::text), Some(r#"{"role":"anon"}"#));
    }

    #[test]
    fn an_id_token_is_for_the_client_it_names() {
        let check = |claims: &str, expected: bool| {
            let role = RoleName(Arc::from("anon"));
            let fields = serde_json::from_str(claims).unwrap_or_default();
            assert_eq!(Claims::new(fields, &role).is_id_token(), expected, "{claims}");
        };
        check(r#"{"sub":"x","aud":"c","client_id":"c"}"#, true);
        check(r#"{"sub":"x","aud":"authenticated","client_id":"c"}"#, false);
        check(r#"{"sub":"x"}"#, false);
    }
}
