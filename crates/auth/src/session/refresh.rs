//! A session that a refresh token keeps alive.
//!
//! Each refresh waits for the session's turn in this process, and then for the row's lock against other
//! processes. A reused refresh token is either an accident — a lost answer, tabs that refresh at once —
//! and gets the current token, or a theft, and ends the session.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Grant, grant, key_of, stored, validity};
use crate::access_token::delta;
use crate::audit::{self, Action, Actor};
use crate::config::Config;
use crate::error::{Error, Expiry};
use crate::refresh_token::{RefreshToken, SessionKey, Signed};
use crate::seal;
use crate::service::Context;
use crate::store::refresh_tokens::{NewToken, TokenRow};
use crate::store::sessions::{Refreshed, SessionRow};
use crate::store::{refresh_tokens, sessions, users};
use crate::user::User;

/// How long refreshes of one session wait for each other in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Exchanges a refresh token for a new pair. `client` is the application that asks; only it gets
/// tokens of its sessions, and it gets those of no others.
pub(crate) async fn refresh(ctx: &Context, text: &str, client: Option<Uuid>) -> Result<Grant, Error> {
    if text.is_empty() {
        return Err(Error::OAuth { error: "invalid_request", description: "refresh_token required" });
    }
    let token = RefreshToken::parse(text).ok_or_else(|| Error::invalid("Refresh token is not valid"))?;
    // Guesses count against who makes them, not against the session they name. Who made too many
    // is told to wait before the database is asked, as for a refresh that may well be good.
    let forged = &ctx.settings.limits.forged;
    forged.look(&ctx.client(), ctx.now).map_err(Error::TooManyRefreshes)?;
    let result = exchange(ctx, &token, client).await;
    if let Err(Error::RefreshTokenNotFound) = result {
        // What remained may have gone to guesses at the same time: this one is answered all the same.
        let _ = forged.take(ctx.client(), ctx.now);
    }
    result
}

/// Waits for the session's turn in this process, and for other processes to let go of it.
async fn exchange(ctx: &Context, token: &RefreshToken, client: Option<Uuid>) -> Result<Grant, Error> {
    let id = match token {
        RefreshToken::V2(signed) => signed.session_id,
        RefreshToken::V1(text) => session_of_row(ctx, text).await?,
    };
    let refreshed = async {
        let _turn = ctx.service.refreshes.take(id).await;
        loop {
            if let Some(grant) = attempt(ctx, token, id, client).await? {
                return Ok(grant);
            }
            tokio::time::sleep(Duration::from_millis(rand::random_range(10..30))).await;
        }
    };
    tokio::time::timeout(PATIENCE, refreshed).await.unwrap_or(Err(Error::RefreshContention))
}

/// The session of a token that is a row. One from before there were sessions is deleted.
async fn session_of_row(ctx: &Context, text: &str) -> Result<Uuid, Error> {
    let mut session = ctx.service.pool.session().await.map_err(database)?;
    let row = refresh_tokens::find(&mut session, text).await.map_err(database)?;
    let row = row.ok_or(Error::RefreshTokenNotFound)?;
    match row.session_id {
        Some(id) => Ok(id),
        None => {
            refresh_tokens::delete(&mut session, row.id).await.map_err(database)?;
            Err(Error::RefreshWithoutSession)
        }
    }
}

/// A failure of the database during a refresh: one that may pass must not look final to clients,
/// who would end the session.
fn database(error: db::Error) -> Error {
    match error {
        db::Error::PoolTimeout | db::Error::Connect(_) | db::Error::Closed => Error::RefreshContention,
        error => Error::internal("Database error refreshing session", error),
    }
}

/// One try: `None` if another process holds the session.
async fn attempt(
    ctx: &Context,
    token: &RefreshToken,
    id: Uuid,
    client: Option<Uuid>,
) -> Result<Option<Grant>, Error> {
    let mut tx = ctx.service.pool.begin().await.map_err(database)?;
    let Some(session) = sessions::find_unlocked(&mut tx, id).await.map_err(database)? else {
        return match (sessions::find(&mut tx, id).await.map_err(database)?, token) {
            (Some(_), _) => Ok(None),
            (None, RefreshToken::V1(_)) => Err(Error::RefreshWithoutSession),
            (None, RefreshToken::V2(_)) => Err(Error::RefreshTokenNotFound),
        };
    };
    let presented = match token {
        RefreshToken::V1(text) => {
            let row = refresh_tokens::find(&mut tx, text).await.map_err(database)?;
            Presented::Row(row.ok_or(Error::RefreshTokenNotFound)?)
        }
        RefreshToken::V2(signed) => {
            let key = key_of(ctx, &session);
            let (Some(key), Some(counter)) = (key, session.counter) else {
                return Err(Error::RefreshTokenNotFound);
            };
            if !signed.is_signed_by(&key) {
                return Err(Error::RefreshTokenNotFound);
            }
            Presented::Signed { token: signed, key, counter }
        }
    };
    ctx.settings.limits.refresh.take(id, ctx.now).map_err(Error::TooManyRefreshes)?;
    let user = users::find(&mut tx, session.user_id).await.map_err(database)?;
    let user = user.ok_or(Error::RefreshTokenNotFound)?;
    if user.is_banned(ctx.now) {
        return Err(Error::RefreshUserBanned);
    }
    let used_at = presented.used_at();
    validity(ctx.config(), &session, &user, used_at, ctx.now)?;
    check_holder(&session, client)?;
    if ctx.config().sessions.single_per_user {
        let others = sessions::list(&mut tx, user.id).await.map_err(database)?;
        check_newest(ctx.config(), &session, &others, &user, used_at, ctx.now)?;
    }
    match presented {
        Presented::Signed { token, key, counter } => {
            refresh_signed(ctx, tx, session, user, token, &key, counter).await
        }
        Presented::Row(row) => refresh_row(ctx, tx, session, user, &row).await,
    }
    .map(Some)
}

/// Sessions that an application holds are refreshed by it alone, and by it no others.
fn check_holder(session: &SessionRow, client: Option<Uuid>) -> Result<(), Error> {
    let description = match (session.oauth_client_id, client) {
        (held, asks) if held == asks => return Ok(()),
        (Some(_), None) => "Client authentication required for OAuth session",
        (Some(_), Some(_)) => "Client does not match the session's OAuth client",
        (None, _) => "Client authentication not allowed for non-OAuth session",
    };
    Err(Error::OAuth { error: "invalid_client", description })
}

enum Presented<'a> {
    Row(TokenRow),
    Signed { token: &'a Signed, key: SessionKey, counter: i64 },
}

impl Presented<'_> {
    fn used_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Row(row) => Some(row.updated_at),
            Self::Signed { .. } => None,
        }
    }
}

async fn refresh_signed(
    ctx: &Context,
    mut tx: db::Session,
    mut session: SessionRow,
    user: User,
    token: &Signed,
    key: &SessionKey,
    counter: i64,
) -> Result<Grant, Error> {
    let config = ctx.config();
    let mut reuse = None;
    match counter - token.counter {
        ..0 => return Err(Error::invalid("Invalid Refresh Token: Not Issued By This Server")),
        0 => session.counter = Some(counter + 1),
        behind => {
            let since = (ctx.now - session.last_used_at(None)).abs();
            let causes: Vec<_> = [
                (since < delta(config.refresh_token_reuse_interval), "concurrent-refresh"),
                (behind == 1, "fail-to-save"),
                (config.refresh_token_allow_reuse, "always-allow"),
            ]
            .into_iter()
            .filter_map(|(applies, cause)| applies.then_some(cause))
            .collect();
            if causes.is_empty() {
                if config.enable_refresh_token_rotation {
                    sessions::delete(&mut tx, session.id).await.map_err(database)?;
                    tx.commit().await.map_err(database)?;
                }
                return Err(Error::RefreshTokenAlreadyUsed);
            }
            reuse = Some(causes);
        }
    }
    if session.hmac_key.as_deref().is_some_and(|kept| seal::is_stale(&config.db_encryption, kept)) {
        session.hmac_key = Some(stored(ctx, session.id, key)?);
    }
    audit::record(ctx, &mut tx, Actor::User(&user), Action::TokenRefreshed, None).await?;
    let text = key.token(session.id, session.counter.unwrap_or(counter));
    let mut grant = finish(ctx, tx, &session, user, text).await?;
    grant.reuse = reuse;
    Ok(grant)
}

async fn refresh_row(
    ctx: &Context,
    mut tx: db::Session,
    mut session: SessionRow,
    user: User,
    row: &TokenRow,
) -> Result<Grant, Error> {
    let config = ctx.config();
    let mut next = None;
    if row.revoked {
        // Where no token is active the family was revoked, and none of its tokens is an accident.
        let active = refresh_tokens::find_active(&mut tx, session.id).await.map_err(database)?;
        let recent = ctx.now <= row.updated_at + delta(config.refresh_token_reuse_interval);
        let accident = recent && active.is_some();
        next = active.filter(|active| active.parent == row.token).map(|active| active.token);
        if next.is_none() && !accident {
            if config.enable_refresh_token_rotation {
                refresh_tokens::revoke_family(&mut tx, session.id, ctx.now).await.map_err(database)?;
                tx.commit().await.map_err(database)?;
            }
            return Err(Error::RefreshTokenAlreadyUsed);
        }
    }
    audit::record(ctx, &mut tx, Actor::User(&user), Action::TokenRefreshed, None).await?;
    let reuse = row.revoked.then(|| vec!["lost-answer"]);
    let text = match next {
        Some(text) => text,
        None => {
            audit::record(ctx, &mut tx, Actor::User(&user), Action::TokenRevoked, None).await?;
            refresh_tokens::revoke(&mut tx, row.id, ctx.now).await.map_err(database)?;
            let upgrade = is_upgraded(config, session.id);
            let child = RefreshToken::fresh_v1();
            let new = NewToken {
                token: &child,
                user_id: user.id,
                session_id: session.id,
                parent: &row.token,
                revoked: upgrade,
            };
            refresh_tokens::insert(&mut tx, &new, ctx.now).await.map_err(database)?;
            if upgrade { upgraded(ctx, &mut session)? } else { child }
        }
    };
    let mut grant = finish(ctx, tx, &session, user, text).await?;
    grant.reuse = reuse;
    Ok(grant)
}

/// Gives the session tokens of version 2 from now on; returns the first.
fn upgraded(ctx: &Context, session: &mut SessionRow) -> Result<String, Error> {
    let known = key_of(ctx, session).zip(session.counter);
    let (key, counter) = match known {
        Some((key, counter)) => (key, counter + 1),
        None => (SessionKey::fresh(), 0),
    };
    session.hmac_key = Some(stored(ctx, session.id, &key)?);
    session.counter = Some(counter);
    Ok(key.token(session.id, counter))
}

/// Always the same sessions for one percentage, and more for a higher one.
fn is_upgraded(config: &Config, id: Uuid) -> bool {
    config.refresh_token_algorithm_version == 2
        && id.as_u128() % 100 < u128::from(config.refresh_token_upgrade_percentage)
}

async fn finish(
    ctx: &Context,
    mut tx: db::Session,
    session: &SessionRow,
    user: User,
    refresh_token: String,
) -> Result<Grant, Error> {
    let to = Refreshed {
        user_agent: ctx.user_agent.as_deref(),
        ip: ctx.ip,
        hmac_key: session.hmac_key.as_deref(),
        counter: session.counter,
    };
    sessions::refresh(&mut tx, session.id, &to, ctx.now).await.map_err(database)?;
    // Before the token that was presented is used up for good.
    let granted = grant(ctx, &mut tx, user, session, refresh_token, "token_refresh").await;
    let granted = granted.map_err(|error| match error {
        Error::Hook(failure) if !failure.is_refusal() => Error::HookOfRefresh(failure),
        error => error,
    })?;
    tx.commit().await.map_err(database)?;
    Ok(granted)
}

/// Only the most recently used valid session of a kind may be refreshed.
fn check_newest(
    config: &Config,
    session: &SessionRow,
    all: &[SessionRow],
    user: &User,
    token_used_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let tags = &config.sessions.tags;
    let newer = |other: &&SessionRow| {
        other.id != session.id
            && other.kind(tags) == session.kind(tags)
            // What an application does in someone's name puts nobody out.
            && other.oauth_client_id == session.oauth_client_id
            && validity(config, other, user, None, now).is_ok()
            && other.last_used_at(None) > session.last_used_at(token_used_at)
    };
    match all.iter().find(newer) {
        Some(_) => Err(Error::SessionExpired(Expiry::NewerLogin)),
        None => Ok(()),
    }
}
