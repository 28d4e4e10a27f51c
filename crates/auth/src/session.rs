//! Sessions: opened by a sign-in, kept alive by refresh tokens, ended by rules or by reuse.
//!
//! [`refresh`] keeps them alive, [`raise`] lifts them by a second factor.

mod raise;
mod refresh;

pub(crate) use raise::raise;
pub(crate) use refresh::refresh;

use chrono::{DateTime, Utc};
use kernel::units::Span;
use serde_json::json;
use uuid::Uuid;

use crate::access_token::{self, delta};
use crate::audit::{self, Action, Actor};
use crate::config::Config;
use crate::device;
use crate::error::{Error, Expiry, OrInternal, Weakness};
use crate::refresh_token::{RefreshToken, SessionKey};
use crate::seal;
use crate::service::Context;
use crate::store::refresh_tokens::NewToken;
use crate::store::sessions::{Method, NewSession, SessionRow};
use crate::store::{refresh_tokens, sessions, users};
use crate::user::User;

/// What a successful sign-in or refresh hands out.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) access_token: String,
    pub(crate) expires_at: i64,
    pub(crate) expires_in: i64,
    pub(crate) refresh_token: String,
    pub(crate) session_id: Uuid,
    pub(crate) user: User,
    pub(crate) provider_token: Option<String>,
    pub(crate) provider_refresh_token: Option<String>,
    pub(crate) weak_password: Option<Weakness>,
    /// For operators: number of the refresh token (version 2).
    pub(crate) counter: Option<i64>,
    /// For operators: why a used refresh token was accepted again.
    pub(crate) reuse: Option<Vec<&'static str>>,
}

/// The application whose session it is, and what it may learn.
pub(crate) struct Holder<'a> {
    pub(crate) client_id: Uuid,
    pub(crate) scopes: &'a str,
}

/// Opens a session for a user who just proved who they are by `method`.
pub(crate) async fn open(
    ctx: &Context,
    tx: &mut db::Session,
    user: User,
    method: &str,
) -> Result<Grant, Error> {
    open_for(ctx, tx, user, method, None).await
}

/// Opens a session that is the user's own, or that an application holds for them.
pub(crate) async fn open_for(
    ctx: &Context,
    tx: &mut db::Session,
    mut user: User,
    method: &str,
    holder: Option<Holder<'_>>,
) -> Result<Grant, Error> {
    const FAILED: &str = "Database error granting user";
    let (id, now) = (Uuid::new_v4(), ctx.now);
    let signed = ctx.config().refresh_token_algorithm_version == 2;
    let key = signed.then(SessionKey::fresh);
    let stored_key = key.as_ref().map(|key| stored(ctx, id, key)).transpose()?;
    let counter = signed.then_some(0);
    let oauth_client_id = holder.as_ref().map(|holder| holder.client_id);
    let scopes = holder.as_ref().map(|holder| holder.scopes);
    let new = NewSession {
        id,
        user_id: user.id,
        user_agent: ctx.user_agent.as_deref(),
        ip: ctx.ip,
        hmac_key: stored_key.as_deref(),
        counter,
        oauth_client_id,
        scopes,
    };
    sessions::insert(tx, &new, now).await.or_internal(FAILED)?;
    sessions::add_method(tx, id, method, now).await.or_internal(FAILED)?;
    users::update_last_sign_in(tx, user.id, now).await.or_internal(FAILED)?;
    if holder.is_none() {
        // An application's own machine is no device of its user.
        device::note(ctx, tx, &user).await?;
    }
    user.last_sign_in_at = Some(now);
    user.updated_at = now;
    let refresh_token = match key {
        Some(key) => key.token(id, 0),
        None => {
            let token = RefreshToken::fresh_v1();
            let new =
                NewToken { token: &token, user_id: user.id, session_id: id, parent: "", revoked: false };
            refresh_tokens::insert(tx, &new, now).await.or_internal(FAILED)?;
            token
        }
    };
    let session = SessionRow {
        id,
        user_id: user.id,
        created_at: now,
        aal: Some("aal1".to_owned()),
        not_after: None,
        refreshed_at: None,
        user_agent: ctx.user_agent.clone(),
        ip: ctx.ip,
        tag: None,
        oauth_client_id,
        hmac_key: stored_key,
        counter,
        scopes: scopes.map(str::to_owned),
        methods: vec![Method { method: method.to_owned(), at: now }],
    };
    grant(ctx, tx, user, &session, refresh_token, method).await
}

/// What is handed out for a session to which someone proved themselves by `method`.
async fn grant(
    ctx: &Context,
    tx: &mut db::Session,
    user: User,
    session: &SessionRow,
    refresh_token: String,
    method: &str,
) -> Result<Grant, Error> {
    let issued = access_token::issue(ctx, tx, &user, session, method).await?;
    Ok(Grant {
        access_token: issued.token,
        expires_at: issued.expires_at,
        expires_in: issued.expires_at - ctx.now.timestamp(),
        refresh_token,
        session_id: session.id,
        user,
        provider_token: None,
        provider_refresh_token: None,
        weak_password: None,
        counter: session.counter,
        reuse: None,
    })
}

/// What signs the session's tokens of version 2; `None` if it has none that can be read.
fn key_of(ctx: &Context, session: &SessionRow) -> Option<SessionKey> {
    let column = session.hmac_key.as_deref()?;
    match seal::read(&ctx.config().db_encryption, &session.id.to_string(), column) {
        Ok(text) => SessionKey::read(&text),
        Err(error) => {
            tracing::warn!(session_id = %session.id, %error, "the key of a session cannot be read");
            None
        }
    }
}

/// The key as its column holds it.
fn stored(ctx: &Context, id: Uuid, key: &SessionKey) -> Result<String, Error> {
    seal::write(&ctx.config().db_encryption, &id.to_string(), &key.write())
        .or_internal("error sealing session key")
}

impl SessionRow {
    /// The last sign of life; `token_used_at` counts for sessions that were never refreshed.
    pub(crate) fn last_used_at(&self, token_used_at: Option<DateTime<Utc>>) -> DateTime<Utc> {
        self.refreshed_at
            .unwrap_or_else(|| token_used_at.map_or(self.created_at, |at| at.max(self.created_at)))
    }

    /// True if an application holds the session for its user.
    pub(crate) fn is_held(&self) -> bool {
        self.oauth_client_id.is_some()
    }

    /// The kind of session, of which only one per user may live.
    fn kind<'a>(&'a self, tags: &'a [String]) -> Option<&'a str> {
        let listed = tags.iter().find(|tag| Some(*tag) == self.tag.as_ref());
        listed.or(tags.first()).map(String::as_str)
    }
}

/// Says whether the session is still good.
pub(crate) fn validity(
    config: &Config,
    session: &SessionRow,
    user: &User,
    token_used_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let rules = &config.sessions;
    let over =
        |since: DateTime<Utc>, limit: Option<Span>| limit.is_some_and(|limit| now > since + delta(limit));
    if session.not_after.is_some_and(|end| now > end) || over(session.created_at, rules.timebox) {
        return Err(Error::SessionExpired(Expiry::Time));
    }
    if over(session.last_used_at(token_used_at), rules.inactivity_timeout) {
        return Err(Error::SessionExpired(Expiry::Inactivity));
    }
    let low = session.aal.as_deref().unwrap_or("aal1") == "aal1" && user.has_second_factor();
    if low && over(session.created_at, rules.allow_low_aal) {
        return Err(Error::SessionExpired(Expiry::LowAal));
    }
    Ok(())
}

/// Records a sign-in and opens its session: the end of every flow that lets someone in.
pub(crate) async fn sign_in(
    ctx: &Context,
    tx: &mut db::Session,
    user: User,
    method: &str,
    provider: &str,
) -> Result<Grant, Error> {
    audit::record(ctx, tx, Actor::User(&user), Action::Login, Some(json!({ "provider": provider }))).await?;
    open(ctx, tx, user, method).await
}
