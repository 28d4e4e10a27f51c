//! `POST /logout?scope=global|local|others`. An application ends the session it holds, and no other.

use actix_web::HttpResponse;

use super::call::Call;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::store::sessions;

pub(crate) async fn post(call: Call) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error logging out user";
    let signed_in = match call.param("scope") {
        "local" => call.user_or_client().await?,
        _ => call.user().await?,
    };
    signed_in.refuse_actor()?;
    let scope = call.param("scope");
    if !matches!(scope, "" | "global" | "local" | "others") {
        return Err(Error::invalid(format!("Unsupported logout scope \"{scope}\"")));
    }
    let user = &signed_in.user;
    let mut tx = call.ctx.service.pool.begin().await.or_internal(FAILED)?;
    audit::record(&call.ctx, &mut tx, Actor::User(user), Action::Logout, None).await?;
    match (scope, &signed_in.session) {
        ("local", Some(session)) => sessions::delete(&mut tx, session.id).await,
        ("others", Some(session)) => sessions::delete_others(&mut tx, user.id, session.id).await,
        _ => sessions::delete_of_user(&mut tx, user.id).await,
    }
    .or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(HttpResponse::NoContent().finish())
}
