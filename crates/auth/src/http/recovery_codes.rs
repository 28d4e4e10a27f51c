//! `/user/recovery-codes`: codes that stand in for a lost second factor. Ours.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::call::{Body, Call};
use super::factors::member;
use crate::error::{Error, OrInternal};
use crate::factor::recovery;
use crate::store::recovery_codes;

/// How many are left.
pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    const COUNTING: &str = "Database error counting recovery codes";
    let member = member(&call).await?;
    let mut session = call.ctx.service.pool.session().await.or_internal(COUNTING)?;
    let counted = recovery_codes::count(&mut session, member.user.id).await;
    let (remaining, created_at) = counted.or_internal(COUNTING)?;
    Ok(HttpResponse::Ok().json(json!({ "remaining": remaining, "created_at": created_at })))
}

/// New ones, which are shown this once.
pub(crate) async fn post(call: Call) -> Result<HttpResponse, Error> {
    let codes = recovery::create(&call.ctx, &member(&call).await?).await?;
    Ok(HttpResponse::Created().json(json!({ "codes": codes })))
}

pub(crate) async fn delete(call: Call) -> Result<HttpResponse, Error> {
    recovery::delete(&call.ctx, &member(&call).await?).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    code: String,
}

/// Raises the session.
pub(crate) async fn verify(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    let member = member(&call).await?;
    ctx.settings.limits.factor_verify.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let request: Request = body.json()?;
    recovery::verify(ctx, &member, &request.code).await.map(|grant| answer::session(&grant))
}
