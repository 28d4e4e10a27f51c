//! What a verified token must say to be accepted now.

use kernel::TokenError;
use serde_json::{Map, Value};

use crate::RoleClaim;

/// The rules that are not about keys.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The audience that `aud` must contain, if it says anything; `None` compares nothing.
    pub audience: Option<String>,
    /// Where the role is.
    pub role_claim: RoleClaim,
    /// Clock skew that is forgiven, in seconds.
    pub leeway: i64,
    /// A token whose `kid` no key has is refused even if the plain secret would verify it, which
    /// is PostgREST's rule. Auth's rule, the default, tries the secret: tokens of imported
    /// projects name kids that went with their old home.
    pub strict_kid: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { audience: None, role_claim: RoleClaim::default(), leeway: 30, strict_kid: false }
    }
}

impl Policy {
    /// Checks time and audience, in PostgREST's order. An absent claim passes; a null passes too,
    /// except in `exp`, where it would make a token that never ends.
    pub(crate) fn check(&self, claims: &Map<String, Value>, now: i64) -> Result<(), TokenError> {
        let earliest = now.saturating_sub(self.leeway);
        let latest = now.saturating_add(self.leeway);
        if claims.get("exp").is_some_and(Value::is_null) {
            return Err(TokenError::NotANumber("exp"));
        }
        if moment(claims, "exp")?.is_some_and(|exp| exp < earliest) {
            return Err(TokenError::Expired);
        }
        if moment(claims, "nbf")?.is_some_and(|nbf| nbf > latest) {
            return Err(TokenError::NotYetValid);
        }
        if moment(claims, "iat")?.is_some_and(|iat| iat > latest) {
            return Err(TokenError::IssuedInFuture);
        }
        self.check_audience(claims.get("aud"))
    }

    fn check_audience(&self, aud: Option<&Value>) -> Result<(), TokenError> {
        let matches = |aud: &str| self.audience.as_deref().is_none_or(|expected| expected == aud);
        let accepted = match aud {
            None | Some(Value::Null) => true,
            Some(Value::String(aud)) => matches(aud),
            Some(Value::Array(list)) => {
                let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                let names = names.ok_or(TokenError::AudienceShape)?;
                names.is_empty() || names.into_iter().any(matches)
            }
            Some(_) => return Err(TokenError::AudienceShape),
        };
        if accepted { Ok(()) } else { Err(TokenError::Audience) }
    }
}

/// A time claim in whole seconds; fractions are rounded down.
pub(crate) fn moment(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, TokenError> {
    let number = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(TokenError::NotANumber(name)),
    };
    // A float beyond the integers saturates, which keeps its side of any real moment.
    #[allow(clippy::cast_possible_truncation)]
    let seconds = number.as_i64().or_else(|| number.as_f64().map(|float| float.floor() as i64));
    seconds.map(Some).ok_or(TokenError::NotANumber(name))
}
