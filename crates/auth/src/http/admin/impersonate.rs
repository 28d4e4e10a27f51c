//! `/admin/users/{user_id}/impersonate`: a token with which an administrator acts as an account. Ours: upstream
//! has no such endpoint.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Path;
use serde::Deserialize;
use serde_json::json;

use super::super::call::{Body, Call};
use super::user_of_path;
use crate::error::{Error, OrInternal};
use crate::impersonation::{self, Wish};

const FAILED: &str = "Database error impersonating user";

/// As much as is said of who acts and why, in bytes.
const LONGEST: usize = 500;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    actor: String,
    reason: String,
    expires_in: Option<i64>,
    aal: String,
}

pub(crate) async fn post(call: Call, id: Path<String>, body: Body) -> Result<HttpResponse, Error> {
    let admin = call.administrator().await?;
    let (sub, role) = (admin.claims.str("sub").unwrap_or_default().to_owned(), admin.role.to_string());
    let ctx = &call.ctx;
    if !ctx.config().impersonation.enabled {
        return Err(Error::FeatureDisabled("Impersonation is disabled"));
    }
    let Request { actor, reason, expires_in, aal } =
        if body.is_empty() { Request::default() } else { body.json()? };
    if actor.len() > LONGEST || reason.len() > LONGEST {
        return Err(Error::invalid(format!("actor and reason must not be longer than {LONGEST} bytes")));
    }
    let raised = match aal.as_str() {
        "" | "aal1" => false,
        "aal2" => true,
        _ => return Err(Error::invalid("aal must be aal1 or aal2")),
    };
    let wish = Wish { sub, role, actor, reason, lifetime: expires_in, raised };
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let user = user_of_path(&mut tx, &id).await?;
    let issued = impersonation::begin(ctx, &mut tx, &user, &wish).await?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({
        "access_token": issued.token,
        "token_type": "bearer",
        "expires_in": issued.expires_at - ctx.now.timestamp(),
        "expires_at": issued.expires_at,
        "user": user.view(),
    })))
}
