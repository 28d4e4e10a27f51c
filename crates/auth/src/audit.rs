//! The record of what users and administrators did: a row and a log line.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::{Error, OrInternal};
use crate::service::Context;
use crate::store::audit_log_entries;
use crate::user::User;

/// What was done. Names and kinds are upstream's, but for [`Action::Impersonated`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Login,
    Logout,
    SignedUp,
    Invited,
    Deleted,
    TokenRevoked,
    TokenRefreshed,
    Modified,
    RecoveryRequested,
    ReauthenticateRequested,
    ConfirmationRequested,
    RepeatedSignUp,
    PasswordUpdated,
    IdentityLinked,
    IdentityUnlinked,
    InviteAccepted,
    Impersonated,
    FactorInProgress,
    FactorUnenrolled,
    ChallengeCreated,
    VerificationAttempted,
    FactorDeleted,
    FactorUpdated,
    PasskeyCreated,
    PasskeyUpdated,
    PasskeyDeleted,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::SignedUp => "user_signedup",
            Self::Invited => "user_invited",
            Self::Deleted => "user_deleted",
            Self::TokenRevoked => "token_revoked",
            Self::TokenRefreshed => "token_refreshed",
            Self::Modified => "user_modified",
            Self::RecoveryRequested => "user_recovery_requested",
            Self::ReauthenticateRequested => "user_reauthenticate_requested",
            Self::ConfirmationRequested => "user_confirmation_requested",
            Self::RepeatedSignUp => "user_repeated_signup",
            Self::PasswordUpdated => "user_updated_password",
            Self::IdentityLinked => "identity_linked",
            Self::IdentityUnlinked => "identity_unlinked",
            Self::InviteAccepted => "invite_accepted",
            Self::Impersonated => "user_impersonated",
            Self::FactorDeleted => "factor_deleted",
            Self::FactorUpdated => "factor_updated",
            Self::FactorInProgress => "factor_in_progress",
            Self::FactorUnenrolled => "factor_unenrolled",
            Self::ChallengeCreated => "challenge_created",
            Self::VerificationAttempted => "verification_attempted",
            Self::PasskeyCreated => "passkey_created",
            Self::PasskeyUpdated => "passkey_updated",
            Self::PasskeyDeleted => "passkey_deleted",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Login | Self::Logout | Self::InviteAccepted | Self::Impersonated => "account",
            Self::SignedUp | Self::Invited | Self::Deleted => "team",
            Self::TokenRevoked | Self::TokenRefreshed => "token",
            Self::FactorDeleted
            | Self::FactorUpdated
            | Self::FactorInProgress
            | Self::FactorUnenrolled
            | Self::ChallengeCreated
            | Self::VerificationAttempted => "factor",
            _ => "user",
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Actor<'a> {
    /// The account itself.
    User(&'a User),
    /// Whoever holds a token with this administrator's role.
    Admin(&'a str),
}

impl Actor<'_> {
    fn describe(self) -> Value {
        match self {
            Self::Admin(role) => {
                json!({ "actor_id": Uuid::nil(), "actor_username": role, "actor_via_sso": false })
            }
            Self::User(user) => {
                let name = if user.phone.is_empty() { &user.email } else { &user.phone };
                let mut described =
                    json!({ "actor_id": user.id, "actor_username": name, "actor_via_sso": user.is_sso_user });
                if let Some(name) = user.user_metadata.get("full_name").filter(|name| name.is_string()) {
                    described["actor_name"] = name.clone();
                }
                described
            }
        }
    }
}

/// Records an action in the caller's transaction, so that it is recorded exactly if it happens.
pub(crate) async fn record(
    ctx: &Context,
    session: &mut db::Session,
    actor: Actor<'_>,
    action: Action,
    traits: Option<Value>,
) -> Result<(), Error> {
    let mut payload = actor.describe();
    payload["action"] = Value::from(action.name());
    payload["log_type"] = Value::from(action.kind());
    if let Some(traits) = traits {
        payload["traits"] = traits;
    }
    let actor_id = payload["actor_id"].as_str().unwrap_or_default();
    tracing::info!(target: "auth::audit", action = action.name(), actor_id, "audit");
    if !ctx.config().audit_log_table {
        return Ok(());
    }
    let ip = ctx.ip.map(|ip| ip.to_string()).unwrap_or_default();
    audit_log_entries::insert(session, &payload, &ip, ctx.now)
        .await
        .or_internal("Error recording audit log entry")
}
