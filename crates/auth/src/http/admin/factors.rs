//! `/admin/users/{user_id}/factors`: an account's second factors.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::super::call::{Body, Call};
use super::user_of_path;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::factor::{FactorType, recovery};
use crate::identifier;
use crate::store::{mfa_factors, sessions, users};
use crate::user::{Factor, User};

const FAILED: &str = "Database error loading factor";

pub(crate) async fn get(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    call.admin().await?;
    let mut connection = call.ctx.service.pool.session().await.or_internal(FAILED)?;
    Ok(HttpResponse::Ok().json(user_of_path(&mut connection, &id).await?.factors))
}

fn factor_of_path<'a>(user: &'a User, id: &str) -> Result<&'a Factor, Error> {
    let id = Uuid::try_parse(id).map_err(|_| Error::NotAnId("factor_id"))?;
    user.factors.iter().find(|factor| factor.id == id).ok_or(Error::FactorNotFound)
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    friendly_name: String,
    phone: String,
}

pub(crate) async fn put(call: Call, ids: Path<(String, String)>, body: Body) -> Result<HttpResponse, Error> {
    let admin = call.admin().await?;
    let ctx = &call.ctx;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let user = user_of_path(&mut tx, &ids.0).await?;
    let factor = factor_of_path(&user, &ids.1)?;
    let request: Request = body.json()?;
    if !request.friendly_name.is_empty() {
        let name = &request.friendly_name;
        let taken = || {
            Error::Unprocessable(
                format!("A factor with the friendly name \"{name}\" for this user already exists").into(),
            )
        };
        match mfa_factors::update_friendly_name(&mut tx, factor.id, name, ctx.now).await {
            Err(error) if error.is_unique_violation() => return Err(taken()),
            result => result.or_internal(FAILED)?,
        }
    }
    if !request.phone.is_empty() && factor.factor_type == "phone" {
        let phone = identifier::phone(&request.phone)?;
        mfa_factors::update_phone(&mut tx, factor.id, &phone, ctx.now).await.or_internal(FAILED)?;
    }
    let traits = json!({ "user_id": user.id, "factor_id": factor.id, "factor_type": factor.factor_type });
    audit::record(ctx, &mut tx, Actor::Admin(&admin), Action::FactorUpdated, Some(traits)).await?;
    let user = users::get(&mut tx, user.id).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(HttpResponse::Ok().json(factor_of_path(&user, &ids.1)?))
}

pub(crate) async fn delete(call: Call, ids: Path<(String, String)>) -> Result<HttpResponse, Error> {
    call.admin().await?;
    let ctx = &call.ctx;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let user = user_of_path(&mut tx, &ids.0).await?;
    let factor = factor_of_path(&user, &ids.1)?;
    let traits = json!({ "user_id": user.id, "factor_id": factor.id });
    audit::record(ctx, &mut tx, Actor::User(&user), Action::FactorDeleted, Some(traits)).await?;
    mfa_factors::delete(&mut tx, factor.id).await.or_internal("Database error deleting factor")?;
    let forgotten = recovery::forget_without_factors(&mut tx, user.id).await;
    forgotten.or_internal("Database error deleting factor")?;
    let kind = FactorType::parse(&factor.factor_type)?;
    sessions::lower_aal(&mut tx, user.id, factor.id, kind.name(), kind.method())
        .await
        .or_internal("Database error downgrading sessions")?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(HttpResponse::Ok().json(factor))
}
