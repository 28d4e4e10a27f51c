//! `POST /signup`: by address, by number, or without either.

use actix_web::HttpResponse;
use serde::Deserialize;

use super::answer;
use super::call::{Body, Call};
use crate::error::Error;
use crate::pkce::Challenge;
use crate::pwned;
use crate::send;
use crate::service::Context;
use crate::signup::{self, By, SignUp, SignedUp};
use crate::sms::Channel;
use crate::user::Object;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    email: String,
    phone: String,
    password: String,
    data: Object,
    channel: String,
    code_challenge: String,
    code_challenge_method: String,
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let Call { ctx, .. } = &call;
    let request: Request = body.json()?;
    let limits = &ctx.settings.limits;
    let anonymous = request.email.is_empty() && request.phone.is_empty();
    let limit = if anonymous { &limits.anonymous } else { &limits.signup };
    limit.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    call.captcha(&body).await?;
    if anonymous {
        if !ctx.config().enable_anonymous_sign_ins {
            return Err(Error::AnonymousDisabled);
        }
        return signup::register_anonymously(ctx, &request.data).await.map(|grant| answer::session(&grant));
    }
    if !ctx.config().enable_signup {
        return Err(Error::SignupDisabled);
    }
    match signup::register(ctx, request.check(ctx).await?).await? {
        SignedUp::In(grant) => Ok(answer::session(&grant)),
        SignedUp::Pending { user, .. } => Ok(answer::user(&user)),
    }
}

impl Request {
    async fn check(self, ctx: &Context) -> Result<SignUp, Error> {
        if self.password.is_empty() {
            return Err(Error::invalid("Signup requires a valid password"));
        }
        pwned::check_strength(ctx, &self.password).await?;
        let by = match (self.email.is_empty(), self.phone.is_empty()) {
            (false, false) => {
                return Err(Error::invalid(
                    "Only an email address or phone number should be provided on signup.",
                ));
            }
            (false, true) => By::Email(self.email),
            _ => By::Phone(self.phone),
        };
        let mut channel = Channel::Sms;
        if let By::Phone(_) = by {
            channel = send::channel(ctx, &self.channel)?;
            if !self.code_challenge.is_empty() {
                return Err(Error::invalid("PKCE not supported for phone signups"));
            }
        }
        let challenge = Challenge::parse(&self.code_challenge_method, &self.code_challenge)?;
        Ok(SignUp { by, password: Some(self.password), data: self.data, challenge, channel })
    }
}
