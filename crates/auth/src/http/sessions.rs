//! `/user/sessions`: where the user is signed in. Ours: upstream has no such endpoint.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::Call;
use crate::access_token::delta;
use crate::audit::{self, Action, Actor};
use crate::config::Config;
use crate::error::{Error, OrInternal};
use crate::session;
use crate::store::sessions::{self, SessionRow};
use crate::user::User;

pub(super) const LISTING: &str = "Database error finding sessions";
pub(super) const ENDING: &str = "Error logging out user";

/// The account's sessions that are still good, the one used last first. `current` is the caller's.
pub(super) async fn list(
    call: &Call,
    connection: &mut db::Session,
    user: &User,
    current: Option<Uuid>,
) -> Result<Vec<Value>, Error> {
    let (config, now) = (call.ctx.config(), call.ctx.now);
    let mut found = sessions::list(connection, user.id).await.or_internal(LISTING)?;
    found.retain(|session| session::validity(config, session, user, None, now).is_ok());
    found.sort_by_key(|session| std::cmp::Reverse(session.last_used_at(None)));
    Ok(found.iter().map(|session| view(config, session, current)).collect())
}

fn view(config: &Config, session: &SessionRow, current: Option<Uuid>) -> Value {
    let timebox = config.sessions.timebox.map(|limit| session.created_at + delta(limit));
    let not_after = match (session.not_after, timebox) {
        (Some(own), Some(general)) => Some(own.min(general)),
        (own, general) => own.or(general),
    };
    json!({
        "id": session.id,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at(None),
        "not_after": not_after,
        "user_agent": session.user_agent,
        "ip": session.ip,
        "aal": session.aal.as_deref().unwrap_or("aal1"),
        "amr": session.methods.iter().map(|method| method.method.as_str()).collect::<Vec<_>>(),
        "tag": session.tag,
        "oauth_client_id": session.oauth_client_id,
        "current": current == Some(session.id),
    })
}

/// The session that the path names.
pub(super) fn id_of_path(id: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(id).map_err(|_| Error::NotAnId("session_id"))
}

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    let signed_in = call.user().await?;
    let mut connection = call.ctx.service.pool.session().await.or_internal(LISTING)?;
    let current = signed_in.session.as_ref().map(|session| session.id);
    Ok(HttpResponse::Ok().json(list(&call, &mut connection, &signed_in.user, current).await?))
}

pub(crate) async fn delete(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    let user = call.user().await?.user;
    let id = id_of_path(&id)?;
    let mut tx = call.ctx.service.pool.begin().await.or_internal(ENDING)?;
    if !sessions::delete_one(&mut tx, user.id, id).await.or_internal(ENDING)? {
        return Err(Error::SessionNotListed);
    }
    let traits = Some(json!({ "session_id": id }));
    audit::record(&call.ctx, &mut tx, Actor::User(&user), Action::Logout, traits).await?;
    tx.commit().await.or_internal(ENDING)?;
    Ok(HttpResponse::NoContent().finish())
}
