//! `/admin/users/{user_id}/passkeys`: an account's passkeys.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::super::call::Call;
use super::super::passkeys::{passkey_id, view};
use super::user_of_path;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal, SecondFactor};
use crate::store::webauthn_credentials;

const LOADING: &str = "Database error loading passkeys";
const DELETING: &str = "Database error deleting passkey";

pub(crate) async fn get(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    call.admin().await?;
    let mut connection = call.ctx.service.pool.session().await.or_internal(LOADING)?;
    let user = user_of_path(&mut connection, &id).await?;
    let passkeys = webauthn_credentials::list(&mut connection, user.id).await.or_internal(LOADING)?;
    Ok(HttpResponse::Ok().json(passkeys.iter().map(view).collect::<Vec<_>>()))
}

pub(crate) async fn delete(call: Call, ids: Path<(String, String)>) -> Result<HttpResponse, Error> {
    let admin = call.admin().await?;
    let ctx = &call.ctx;
    let mut tx = ctx.service.pool.begin().await.or_internal(DELETING)?;
    let user = user_of_path(&mut tx, &ids.0).await?;
    let id = passkey_id(&ids.1)?;
    if !webauthn_credentials::delete(&mut tx, id, user.id).await.or_internal(DELETING)? {
        return Err(SecondFactor::PasskeyNotFound.into());
    }
    let traits = json!({ "user_id": user.id, "passkey_id": id });
    audit::record(ctx, &mut tx, Actor::Admin(&admin), Action::PasskeyDeleted, Some(traits)).await?;
    tx.commit().await.or_internal(DELETING)?;
    Ok(HttpResponse::NoContent().finish())
}
