//! `POST /recover`: a way back in. The answer does not say whether there is an account.

use actix_web::HttpResponse;
use serde::Deserialize;
use uuid::Uuid;

use super::answer;
use super::call::{Body, Call};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::identifier;
use crate::pkce::Challenge;
use crate::send::{self, Mail};
use crate::store::users;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    email: String,
    code_challenge: String,
    code_challenge_method: String,
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Unable to process request";
    let ctx = &call.ctx;
    ctx.settings.limits.recover.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    call.captcha(&body).await?;
    if !ctx.config().email.enable_signup {
        return Err(Error::EmailProviderDisabled("Email logins are disabled"));
    }
    let request: Request = body.json()?;
    if request.email.is_empty() {
        return Err(Error::invalid("Password recovery requires an email"));
    }
    let email = identifier::email(&request.email)?;
    let challenge = Challenge::parse(&request.code_challenge_method, &request.code_challenge)?;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let found = users::find_by_email(&mut tx, &email, &ctx.aud).await.or_internal(FAILED)?;
    if let Some(challenge) = &challenge {
        // A sign-in of nobody, too, so that it takes as long; no link leads to it.
        let id = found.as_ref().map_or_else(Uuid::new_v4, |user| user.id);
        challenge.remember(ctx, &mut tx, id, "recovery", "recovery").await?;
    }
    match &found {
        Some(user) => {
            audit::record(ctx, &mut tx, Actor::User(user), Action::RecoveryRequested, None).await?;
            send::mail(ctx, &mut tx, user, Mail::Recovery, challenge.as_ref()).await?;
        }
        None => send::nobody::mail(ctx, &mut tx, &email, Mail::Recovery, challenge.as_ref()).await?,
    }
    tx.commit().await.or_internal(FAILED)?;
    Ok(answer::nothing())
}
