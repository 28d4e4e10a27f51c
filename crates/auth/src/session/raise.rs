//! A session that a second factor raises.

use uuid::Uuid;

use super::{Grant, grant, key_of};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::refresh_token::RefreshToken;
use crate::service::Context;
use crate::store::refresh_tokens::{self, NewToken};
use crate::store::sessions::{self, SessionRow};
use crate::user::User;

const FAILED: &str = "Database error raising session";

/// How far the counter of refresh tokens jumps: by one more than a refresh moves it, so that the
/// token from before is not taken for one whose successor was lost on its way.
const JUMP: i64 = 2;

/// Notes that the session was raised by `method` and by this factor, if by any, and gives it new tokens.
pub(crate) async fn raise(
    ctx: &Context,
    tx: &mut db::Session,
    user: User,
    session_id: Uuid,
    method: &str,
    factor_id: Option<Uuid>,
) -> Result<Grant, Error> {
    sessions::add_method(tx, session_id, method, ctx.now).await.or_internal(FAILED)?;
    let session = sessions::lock(tx, session_id).await.or_internal(FAILED)?;
    let mut session = session.ok_or(Error::SessionOfTokenMissing)?;
    let key = key_of(ctx, &session).zip(session.counter);
    let refresh_token = match key {
        Some((key, counter)) => {
            session.counter = Some(counter + JUMP);
            key.token(session.id, counter + JUMP)
        }
        None => replace_row(ctx, tx, &user, &session).await?,
    };
    sessions::raise(tx, session.id, factor_id, session.counter, ctx.now).await.or_internal(FAILED)?;
    session.aal = Some("aal2".to_owned());
    grant(ctx, tx, user, &session, refresh_token, method).await
}

/// The token that the session has is used up for a new one.
async fn replace_row(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    session: &SessionRow,
) -> Result<String, Error> {
    let active = refresh_tokens::find_active(tx, session.id).await.or_internal(FAILED)?;
    let token = RefreshToken::fresh_v1();
    let parent = active.as_ref().map(|active| active.token.as_str()).unwrap_or_default();
    let new = NewToken { token: &token, user_id: user.id, session_id: session.id, parent, revoked: false };
    if let Some(active) = &active {
        audit::record(ctx, tx, Actor::User(user), Action::TokenRevoked, None).await?;
        refresh_tokens::revoke(tx, active.id, ctx.now).await.or_internal(FAILED)?;
    }
    refresh_tokens::insert(tx, &new, ctx.now).await.or_internal(FAILED)?;
    Ok(token)
}
