//! `/admin/users/{user_id}/sessions`: where an account is signed in. Ours: upstream has no such endpoint.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;
use uuid::Uuid;

use super::super::call::Call;
use super::super::sessions::{ENDING, LISTING, id_of_path, list};
use super::user_of_path;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::store::sessions;

pub(crate) async fn get(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    call.admin().await?;
    let mut connection = call.ctx.service.pool.session().await.or_internal(LISTING)?;
    let user = user_of_path(&mut connection, &id).await?;
    Ok(HttpResponse::Ok().json(list(&call, &mut connection, &user, None).await?))
}

/// All of them.
pub(crate) async fn delete_all(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    end(&call, &id, None).await
}

/// One of them.
pub(crate) async fn delete(call: Call, ids: Path<(String, String)>) -> Result<HttpResponse, Error> {
    end(&call, &ids.0, Some(&ids.1)).await
}

async fn end(call: &Call, user_id: &str, id: Option<&str>) -> Result<HttpResponse, Error> {
    let admin = call.admin().await?;
    let mut tx = call.ctx.service.pool.begin().await.or_internal(ENDING)?;
    let user = user_of_path(&mut tx, user_id).await?;
    let id: Option<Uuid> = id.map(id_of_path).transpose()?;
    match id {
        None => sessions::delete_of_user(&mut tx, user.id).await.or_internal(ENDING)?,
        Some(id) => {
            if !sessions::delete_one(&mut tx, user.id, id).await.or_internal(ENDING)? {
                return Err(Error::SessionNotListed);
            }
        }
    }
    let traits = Some(json!({ "user_id": user.id, "session_id": id }));
    audit::record(&call.ctx, &mut tx, Actor::Admin(&admin), Action::Logout, traits).await?;
    tx.commit().await.or_internal(ENDING)?;
    Ok(HttpResponse::NoContent().finish())
}
