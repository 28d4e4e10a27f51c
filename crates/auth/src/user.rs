//! The account: what we know of it, and what its owner and the clients see.
//!
//! Columns that upstream writes as `''` may be NULL in rows made by hand; both read as empty.
//! `user_role` is not among the fields: it means nothing and goes nowhere.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A JSON object, as metadata is kept.
pub(crate) type Object = Map<String, Value>;

/// True if a NUL is anywhere in it, which Postgres does not keep.
pub(crate) fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(has_nul),
        Value::Object(object) => object.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// An account with its identities and second factors.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) aud: String,
    pub(crate) role: String,
    pub(crate) email: String,
    pub(crate) encrypted_password: String,
    pub(crate) email_confirmed_at: Option<DateTime<Utc>>,
    pub(crate) invited_at: Option<DateTime<Utc>>,
    pub(crate) phone: String,
    pub(crate) phone_confirmed_at: Option<DateTime<Utc>>,
    pub(crate) confirmed_at: Option<DateTime<Utc>>,
    pub(crate) confirmation_token: String,
    pub(crate) confirmation_sent_at: Option<DateTime<Utc>>,
    pub(crate) recovery_token: String,
    pub(crate) recovery_sent_at: Option<DateTime<Utc>>,
    pub(crate) email_change: String,
    pub(crate) email_change_token_current: String,
    pub(crate) email_change_token_new: String,
    pub(crate) email_change_sent_at: Option<DateTime<Utc>>,
    pub(crate) email_change_confirm_status: i16,
    pub(crate) phone_change: String,
    pub(crate) phone_change_token: String,
    pub(crate) phone_change_sent_at: Option<DateTime<Utc>>,
    pub(crate) reauthentication_token: String,
    pub(crate) reauthentication_sent_at: Option<DateTime<Utc>>,
    pub(crate) last_sign_in_at: Option<DateTime<Utc>>,
    pub(crate) app_metadata: Object,
    pub(crate) user_metadata: Object,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) banned_until: Option<DateTime<Utc>>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    pub(crate) is_sso_user: bool,
    pub(crate) is_anonymous: bool,
    pub(crate) identities: Vec<Identity>,
    pub(crate) factors: Vec<Factor>,
}

/// One way an account signs in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    #[serde(rename(serialize = "identity_id", deserialize = "id"))]
    pub(crate) id: Uuid,
    #[serde(rename(serialize = "id", deserialize = "provider_id"))]
    pub(crate) provider_id: String,
    pub(crate) user_id: Uuid,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) identity_data: Object,
    pub(crate) provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_sign_in_at: Option<DateTime<Utc>>,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

/// A second factor. Its secret and credential are never read into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Factor {
    pub(crate) id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) status: FactorStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) friendly_name: Option<String>,
    pub(crate) factor_type: String,
    pub(crate) phone: Option<String>,
    pub(crate) last_challenged_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) web_authn_aaguid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_webauthn_challenge_data: Option<Value>,
}

/// Whether a second factor was ever proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FactorStatus {
    Unverified,
    Verified,
}

impl User {
    pub(crate) fn is_email_confirmed(&self) -> bool {
        self.email_confirmed_at.is_some()
    }

    pub(crate) fn is_phone_confirmed(&self) -> bool {
        self.phone_confirmed_at.is_some()
    }

    pub(crate) fn is_banned(&self, now: DateTime<Utc>) -> bool {
        self.banned_until.is_some_and(|end| now < end)
    }

    pub(crate) fn has_password(&self) -> bool {
        !self.encrypted_password.is_empty()
    }

    /// True if a second factor was proved once, so that sessions can be raised to aal2.
    pub(crate) fn has_second_factor(&self) -> bool {
        self.factors.iter().any(|factor| factor.status == FactorStatus::Verified)
    }

    pub(crate) fn identity(&self, provider: &str) -> Option<&Identity> {
        let own = self.id.to_string();
        self.identities.iter().find(|identity| identity.provider == provider && identity.provider_id == own)
    }

    /// The account as clients see it.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            id: self.id,
            aud: &self.aud,
            role: &self.role,
            email: &self.email,
            email_confirmed_at: self.email_confirmed_at,
            invited_at: self.invited_at,
            phone: &self.phone,
            phone_confirmed_at: self.phone_confirmed_at,
            confirmation_sent_at: self.confirmation_sent_at,
            confirmed_at: self.confirmed_at,
            recovery_sent_at: self.recovery_sent_at,
            new_email: &self.email_change,
            email_change_sent_at: self.email_change_sent_at,
            new_phone: &self.phone_change,
            phone_change_sent_at: self.phone_change_sent_at,
            reauthentication_sent_at: self.reauthentication_sent_at,
            last_sign_in_at: self.last_sign_in_at,
            app_metadata: &self.app_metadata,
            user_metadata: &self.user_metadata,
            factors: &self.factors,
            identities: &self.identities,
            created_at: self.created_at,
            updated_at: self.updated_at,
            banned_until: self.banned_until,
            deleted_at: self.deleted_at,
            is_anonymous: self.is_anonymous,
        }
    }
}

/// The account as clients see it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct View<'a> {
    id: Uuid,
    aud: &'a str,
    role: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_confirmed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_at: Option<DateTime<Utc>>,
    phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_confirmed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation_sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    new_email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_change_sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    new_phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_change_sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reauthentication_sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in_at: Option<DateTime<Utc>>,
    app_metadata: &'a Object,
    user_metadata: &'a Object,
    #[serde(skip_serializing_if = "<[Factor]>::is_empty")]
    factors: &'a [Factor],
    identities: &'a [Identity],
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned_until: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<DateTime<Utc>>,
    is_anonymous: bool,
}
