//! `POST /resend`: the last code again. Says nothing where there is nothing to resend.

use std::time::Duration;

use actix_web::HttpResponse;
use serde::Deserialize;
use uuid::Uuid;

use super::answer;
use super::call::{Body, Call};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::identifier;
use crate::pkce::Challenge;
use crate::send::{self, Mail, Sms};
use crate::service::Context;
use crate::sms::Channel;
use crate::store::users;
use crate::user::User;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    #[serde(rename = "type")]
    kind: String,
    email: String,
    phone: String,
    code_challenge: String,
    code_challenge_method: String,
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Unable to process request";
    let ctx = &call.ctx;
    ctx.settings.limits.resend.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    call.captcha(&body).await?;
    let request: Request = body.json()?;
    let challenge = request.check(ctx.config())?;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let (email, phone) = match request.email.as_str() {
        "" => (String::new(), identifier::phone(&request.phone)?),
        email => (identifier::email(email)?, String::new()),
    };
    if email.is_empty() && !send::is_reachable(ctx, &phone) {
        // Upstream says so to strangers and fails for accounts, which tells them apart.
        tracing::warn!("no SMS provider is configured (auth.sms.*.enabled): nothing was sent again");
        return Ok(answer::message(None));
    }
    let user = if email.is_empty() {
        users::find_by_phone(&mut tx, &phone, &ctx.aud).await
    } else {
        users::find_by_email(&mut tx, &email, &ctx.aud).await
    };
    let Some(user) = user.or_internal(FAILED)?.filter(|user| request.is_pending(user)) else {
        let message_id = pretend(ctx, &mut tx, &request.kind, (&email, &phone), challenge.as_ref()).await?;
        tx.commit().await.or_internal(FAILED)?;
        return Ok(answer::message(message_id));
    };
    let mut message_id = None;
    match request.kind.as_str() {
        "signup" => {
            audit::record(ctx, &mut tx, Actor::User(&user), Action::ConfirmationRequested, None).await?;
            if let Some(challenge) = &challenge {
                challenge.remember(ctx, &mut tx, user.id, "email/signup", "email/signup").await?;
            }
            send::mail(ctx, &mut tx, &user, Mail::Confirmation, challenge.as_ref()).await?;
        }
        "email_change" => {
            if let Some(challenge) = &challenge {
                challenge.remember(ctx, &mut tx, user.id, "email_change", "email_change").await?;
            }
            send::email_change(ctx, &mut tx, &user, &user.email_change, challenge.as_ref()).await?;
        }
        "sms" => {
            audit::record(ctx, &mut tx, Actor::User(&user), Action::RecoveryRequested, None).await?;
            message_id = send::sms(ctx, &mut tx, &user, &user.phone, Sms::Confirmation, Channel::Sms).await?;
        }
        _ => {
            message_id =
                send::sms(ctx, &mut tx, &user, &user.phone_change, Sms::PhoneChange, Channel::Sms).await?;
        }
    }
    tx.commit().await.or_internal(FAILED)?;
    Ok(answer::message(message_id))
}

/// What is done where there is nothing to send again: it takes as long, and is refused as often.
async fn pretend(
    ctx: &Context,
    tx: &mut db::Session,
    kind: &str,
    (email, phone): (&str, &str),
    challenge: Option<&Challenge>,
) -> Result<Option<String>, Error> {
    if email.is_empty() {
        // A change of number is resent by the number of before; clients count on asking at will where
        // there is none.
        let interval = if kind == "sms" { ctx.config().sms.max_frequency.0 } else { Duration::ZERO };
        return send::nobody::sms(ctx, tx, phone, Channel::Sms, interval).await;
    }
    if let Some(challenge) = challenge {
        let provider = if kind == "signup" { "email/signup" } else { "email_change" };
        challenge.remember(ctx, tx, Uuid::new_v4(), provider, provider).await?;
    }
    send::nobody::mail(ctx, tx, email, Mail::Confirmation, challenge).await.map(|()| None)
}

impl Request {
    /// Whether there is something to send again.
    fn is_pending(&self, user: &User) -> bool {
        match self.kind.as_str() {
            "signup" => !user.is_email_confirmed() && !user.email.is_empty(),
            "email_change" => !user.email_change.is_empty(),
            "sms" => !user.is_phone_confirmed() && !user.phone.is_empty(),
            _ => !user.phone_change.is_empty(),
        }
    }

    fn check(&self, config: &crate::Config) -> Result<Option<Challenge>, Error> {
        let challenge = match self.kind.as_str() {
            "signup" | "email_change" => Challenge::parse(&self.code_challenge_method, &self.code_challenge)?,
            "sms" | "phone_change" => None,
            _ => {
                return Err(Error::invalid(
                    "Missing one of these types: signup, email_change, sms, phone_change",
                ));
            }
        };
        if self.email.is_empty() && self.kind == "signup" {
            return Err(Error::invalid("Type provided requires an email address"));
        }
        if self.phone.is_empty() && self.kind == "sms" {
            return Err(Error::invalid("Type provided requires a phone number"));
        }
        match (self.email.is_empty(), self.phone.is_empty()) {
            (false, false) => {
                Err(Error::invalid("Only an email address or phone number should be provided."))
            }
            (true, true) => Err(Error::invalid("Missing email address or phone number")),
            (false, true) if !config.email.enable_signup => {
                Err(Error::EmailProviderDisabled("Email logins are disabled"))
            }
            (true, false) if !config.sms.enable_signup => {
                Err(Error::PhoneProviderDisabled("Phone logins are disabled"))
            }
            _ => Ok(challenge),
        }
    }
}
