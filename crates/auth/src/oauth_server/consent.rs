//! Someone is asked whether an application may have access, and answers.
//!
//! Whoever looks at a request first is the only one who may answer it. What was allowed before is
//! not asked again.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::client::Client;
use super::{Scopes, with_params};
use crate::error::{Error, OAuthServer, OrInternal};
use crate::service::Context;
use crate::store::oauth_authorizations::{self, AuthorizationRow};
use crate::store::{oauth_clients, oauth_consents};
use crate::user::User;

const FINDING: &str = "error finding authorization";
const ANSWERING: &str = "error answering authorization";

/// What the page shows, or does.
pub(crate) enum Look {
    /// It asks.
    Ask { request: Box<AuthorizationRow>, client: Box<Client> },
    /// It need not ask: the browser goes here.
    Allowed(String),
}

/// What someone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Approve,
    Deny,
}

/// Looks at a request, which is this user's from then on.
pub(crate) async fn look(ctx: &Context, user: &User, id: &str) -> Result<Look, Error> {
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING)?;
    let request = find(&mut tx, id, ctx.now).await?;
    let Some(request) = request else { return expired(tx).await };
    if !request.is_pending {
        return Err(Error::invalid("authorization request cannot be processed"));
    }
    if request.user_id.is_some_and(|owner| owner != user.id) {
        return Err(not_found("it is someone else's"));
    }
    let client = client_of(&mut tx, &request).await?;
    let mut look = None;
    if request.user_id.is_none() {
        oauth_authorizations::update_user(&mut tx, request.id, user.id).await.or_internal(FINDING)?;
        let allowed = oauth_consents::find_active(&mut tx, user.id, client.id).await.or_internal(FINDING)?;
        let wanted = Scopes::stored(&request.scope);
        if allowed.is_some_and(|allowed| Scopes::stored(&allowed).cover(&wanted)) {
            look = Some(Look::Allowed(approve(&mut tx, &request, ctx.now).await?));
        }
    }
    tx.commit().await.or_internal(FINDING)?;
    Ok(look.unwrap_or_else(|| Look::Ask { request: Box::new(request), client: Box::new(client) }))
}

/// Answers a request; returns where the browser goes.
pub(crate) async fn answer(ctx: &Context, user: &User, id: &str, answer: Answer) -> Result<String, Error> {
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING)?;
    let request = find(&mut tx, id, ctx.now).await?;
    let Some(request) = request else { return expired(tx).await };
    if !request.is_pending {
        return Err(Error::invalid("authorization request is no longer pending"));
    }
    if request.user_id != Some(user.id) {
        return Err(not_found("it is someone else's"));
    }
    let client = client_of(&mut tx, &request).await?;
    let target = match answer {
        Answer::Approve => {
            let scopes = Scopes::stored(&request.scope).to_string();
            oauth_consents::upsert(&mut tx, user.id, client.id, &scopes, ctx.now)
                .await
                .or_internal("error storing consent")?;
            approve(&mut tx, &request, ctx.now).await?
        }
        Answer::Deny => {
            oauth_authorizations::deny(&mut tx, request.id).await.or_internal(ANSWERING)?;
            back(&request, &[("error", "access_denied"), ("error_description", "User denied the request")])
        }
    };
    tx.commit().await.or_internal(ANSWERING)?;
    Ok(target)
}

/// The request; `None` if its time is over, which is noted.
async fn find(tx: &mut db::Session, id: &str, now: DateTime<Utc>) -> Result<Option<AuthorizationRow>, Error> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(not_found("nothing is called so"));
    }
    let request = oauth_authorizations::lock(tx, id).await.or_internal(FINDING)?;
    let request = request.ok_or_else(|| not_found("there is none"))?;
    if now > request.expires_at {
        oauth_authorizations::expire(tx, request.id).await.or_internal(FINDING)?;
        return Ok(None);
    }
    Ok(Some(request))
}

/// Keeps the note that the request expired, and says no more than of one that never was.
async fn expired<T>(tx: db::Session) -> Result<T, Error> {
    tx.commit().await.or_internal(FINDING)?;
    Err(not_found("it has expired"))
}

/// The application that asks, if it is still there and may still be answered where it wanted to be.
async fn client_of(tx: &mut db::Session, request: &AuthorizationRow) -> Result<Client, Error> {
    let client = oauth_clients::hold(tx, request.client_id).await.or_internal("error finding client")?;
    let client = client.filter(|client| client.may_be_answered_at(&request.redirect_uri));
    client.ok_or_else(|| not_found("its client is gone"))
}

/// Nobody is told whose request it is, or that it is one.
fn not_found(reason: &str) -> Error {
    tracing::info!(reason, "no such request of an application for access");
    OAuthServer::AuthorizationNotFound.into()
}

async fn approve(
    tx: &mut db::Session,
    request: &AuthorizationRow,
    now: DateTime<Utc>,
) -> Result<String, Error> {
    let code = Uuid::new_v4().to_string();
    oauth_authorizations::approve(tx, request.id, &code, now).await.or_internal(ANSWERING)?;
    Ok(back(request, &[("code", &code)]))
}

/// The application's address with these parameters and what it asked to be told again.
fn back(request: &AuthorizationRow, params: &[(&str, &str)]) -> String {
    let state = request.state.as_deref().filter(|state| !state.is_empty());
    let params: Vec<_> = params.iter().copied().chain(state.map(|state| ("state", state))).collect();
    with_params(&request.redirect_uri, &params)
}
