//! A token whose signature proved true.

use std::sync::Arc;

use kernel::identity::Proof;
use kernel::{Claims, Identity, RoleName, TokenError};
use serde_json::{Map, Value};

use crate::RoleClaim;
use crate::policy::moment;
use crate::token::base64url;

/// The claims of a verified token and the role they name.
#[derive(Clone, Debug)]
pub struct Verified {
    fields: Map<String, Value>,
    role: Option<RoleName>,
    /// Built once, because the cache hands the same token out many times.
    identity: Option<Arc<Identity>>,
}

impl Verified {
    pub(crate) fn from_payload(payload: &str, role_claim: &RoleClaim) -> Result<Self, TokenError> {
        let payload = base64url::decode(payload).ok_or(TokenError::Undecodable)?;
        let fields: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| TokenError::Claims)?;
        if fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)) {
            return Err(TokenError::Claims);
        }
        let role = role(&fields, role_claim)?;
        let identity = role.as_ref().map(|role| Arc::new(identity(fields.clone(), role)));
        Ok(Self { fields, role, identity })
    }

    /// The role that the token names, if it names one.
    #[must_use]
    pub fn role(&self) -> Option<&RoleName> {
        self.role.as_ref()
    }

    /// All claims, as the token has them.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
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

    /// `exp` in seconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        moment(&self.fields, "exp").ok().flatten()
    }

    /// The caller that this token proves; without a role of its own it acts as `anonymous`.
    ///
    /// # Errors
    ///
    /// [`TokenError::NoRole`] if there is neither.
    pub fn identity(&self, anonymous: Option<&RoleName>) -> Result<Arc<Identity>, TokenError> {
        match (&self.identity, anonymous) {
            (Some(identity), _) => Ok(Arc::clone(identity)),
            (None, Some(role)) => Ok(Arc::new(identity(self.fields.clone(), role))),
            (None, None) => Err(TokenError::NoRole),
        }
    }
}

fn identity(fields: Map<String, Value>, role: &RoleName) -> Identity {
    Identity { role: role.clone(), claims: Claims::new(fields, role), proof: Proof::Token }
}

/// The role at `role_claim`. Whatever is there must be usable: falling back to the anonymous role
/// would hide the mistake. `none` is no role but Postgres' word for "the login role".
fn role(fields: &Map<String, Value>, role_claim: &RoleClaim) -> Result<Option<RoleName>, TokenError> {
    let usable = |name: &str| RoleName::parse(name).filter(|_| name != "none").ok_or(TokenError::Claims);
    match role_claim.find(fields) {
        None => Ok(None),
        Some(Value::String(name)) => usable(name).map(Some),
        Some(other) => usable(&other.to_string()).map(Some),
    }
}

/// Postgres settings are C strings and `jsonb` has no NUL, so a claim with one never reaches SQL
/// as it was signed.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
