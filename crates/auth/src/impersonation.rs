//! Administrators act as somebody else, for a short time and on the record. Ours.
//!
//! The token is the account's own in all that policies look at, claims that a hook adds included. Besides, it
//! says who acts (`act`, RFC 8693), it belongs to no session (`session_id` is nil) and cannot be refreshed, and
//! it is of the first assurance level unless the administrator says otherwise. With it the account can be
//! looked at here but not changed: what an administrator changes, the admin API changes, in their name.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::access_token::{self, Issued, delta};
use crate::audit::{self, Action, Actor};
use crate::config::Config;
use crate::error::Error;
use crate::service::Context;
use crate::user::User;

/// How the token says that nobody proved to be the account.
pub(crate) const METHOD: &str = "impersonation";

/// Who acts, why, and for how long.
pub(crate) struct Wish {
    /// The subject and role of the administrator's own token.
    pub(crate) sub: String,
    pub(crate) role: String,
    /// Who they say they are; empty if they say nothing.
    pub(crate) actor: String,
    pub(crate) reason: String,
    /// In seconds; `None` for as long as there may be.
    pub(crate) lifetime: Option<i64>,
    /// Whether policies that demand a second factor are to be met.
    pub(crate) raised: bool,
}

/// Makes the token and puts it on the record.
///
/// # Errors
///
/// If there are none, for longer than there may be, and for accounts that are banned, deleted or
/// administrators.
pub(crate) async fn begin(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    wish: &Wish,
) -> Result<Issued, Error> {
    let settings = &ctx.config().impersonation;
    let longest = delta(settings.max_lifetime).num_seconds();
    let lifetime = match wish.lifetime {
        None => longest.min(delta(ctx.config().jwt_expiry).num_seconds()),
        Some(seconds) if (1..=longest).contains(&seconds) => seconds,
        Some(_) => return Err(Error::invalid(format!("expires_in must be between 1 and {longest} seconds"))),
    };
    if user.deleted_at.is_some() {
        return Err(Error::UserNotFound("User not found"));
    }
    if user.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    check_role(ctx.config(), &user.role)?;
    let expires_at = (ctx.now + TimeDelta::seconds(lifetime)).timestamp();
    let aal = if wish.raised { "aal2" } else { "aal1" };
    let act = act(wish);
    let traits = json!({
        "user_id": user.id, "user_email": user.email, "user_phone": user.phone, "act": act,
        "reason": wish.reason, "aal": aal, "expires_at": expires_at,
    });
    audit::record(ctx, tx, Actor::Admin(&wish.role), Action::Impersonated, Some(traits)).await?;
    access_token::issue_for_actor(ctx, tx, user, &access_token::Acting { act, aal, expires_at }).await
}

/// Refuses the roles of administrators.
pub(crate) fn check_role(config: &Config, role: &str) -> Result<(), Error> {
    match config.jwt_admin_roles.iter().any(|admin| admin == role) {
        true => Err(Error::ActorRefused("Administrators cannot be impersonated")),
        false => Ok(()),
    }
}

/// Who acts, as the token says it.
fn act(wish: &Wish) -> Map<String, Value> {
    let sub = if wish.sub.is_empty() { &wish.role } else { &wish.sub };
    let mut act = Map::from_iter([("sub".to_owned(), json!(sub)), ("role".to_owned(), json!(wish.role))]);
    if !wish.actor.is_empty() {
        act.insert("name".to_owned(), json!(wish.actor));
    }
    act
}

/// True of the claims of such a token.
pub(crate) fn is_acting(claims: &kernel::Claims) -> bool {
    let session = claims.str("session_id").unwrap_or_default();
    claims.get("act").is_some()
        && (session.is_empty() || Uuid::try_parse(session).is_ok_and(|id| id.is_nil()))
}
