//! `GET /reauthenticate`: a code with which a password can be changed in an old session.

use actix_web::HttpResponse;

use super::answer;
use super::call::Call;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::send::{self, Mail, Sms};
use crate::sms::Channel;

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error during reauthentication";
    let user = call.user().await?.user;
    if user.email.is_empty() && user.phone.is_empty() {
        return Err(Error::invalid("Reauthentication requires the user to have an email or a phone number"));
    }
    if !user.email.is_empty() && !user.is_email_confirmed() {
        return Err(Error::VerifyEmailFirst);
    }
    if user.email.is_empty() && !user.is_phone_confirmed() {
        return Err(Error::VerifyPhoneFirst);
    }
    let ctx = &call.ctx;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    audit::record(ctx, &mut tx, Actor::User(&user), Action::ReauthenticateRequested, None).await?;
    let answer = if user.email.is_empty() {
        let id = send::sms(ctx, &mut tx, &user, &user.phone, Sms::Reauthentication, Channel::Sms).await?;
        answer::message(id)
    } else {
        send::mail(ctx, &mut tx, &user, Mail::Reauthentication, None).await?;
        answer::nothing()
    };
    tx.commit().await.or_internal(FAILED)?;
    Ok(answer)
}
