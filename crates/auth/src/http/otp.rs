//! `POST /otp`, `POST /magiclink`: signing in by a link or code, with or without an account.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::call::{Body, Call};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::identifier;
use crate::pkce::Challenge;
use crate::send::{self, Mail, Sms};
use crate::service::Context;
use crate::signup::{self, By, SignUp, SignedUp};
use crate::store::users;
use crate::user::Object;

#[derive(Deserialize)]
#[serde(default)]
struct Request {
    email: String,
    phone: String,
    create_user: bool,
    data: Object,
    channel: String,
    code_challenge: String,
    code_challenge_method: String,
}

impl Default for Request {
    fn default() -> Self {
        let none = String::new;
        Self {
            email: none(),
            phone: none(),
            create_user: true,
            data: Object::new(),
            channel: none(),
            code_challenge: none(),
            code_challenge_method: none(),
        }
    }
}

const FINDING: &str = "Database error finding user";

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    ctx.settings.limits.otp.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    call.captcha(&body).await?;
    let request: Request = body.json()?;
    if !request.email.is_empty() && !request.phone.is_empty() {
        return Err(Error::invalid("Only an email address or phone number should be provided"));
    }
    if !request.email.is_empty() && !request.channel.is_empty() {
        return Err(Error::invalid("Channel should only be specified with Phone OTP"));
    }
    let challenge = Challenge::parse(&request.code_challenge_method, &request.code_challenge)?;
    if !request.create_user && !exists(ctx, &request).await? {
        return Err(Error::OtpDisabled);
    }
    match (request.email.is_empty(), request.phone.is_empty()) {
        (false, _) => by_email(ctx, request, challenge).await,
        (_, false) => by_phone(ctx, request).await,
        _ => Err(Error::invalid("One of email or phone must be set")),
    }
}

pub(crate) async fn magic_link(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    ctx.settings.limits.magic_link.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    call.captcha(&body).await?;
    let request: Request = body.json()?;
    if request.email.is_empty() {
        return Err(Error::Unprocessable("Password recovery requires an email".into()));
    }
    let challenge = Challenge::parse(&request.code_challenge_method, &request.code_challenge)?;
    by_email(ctx, request, challenge).await
}

async fn exists(ctx: &Context, request: &Request) -> Result<bool, Error> {
    let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
    let found = if !request.email.is_empty() {
        users::find_by_email(&mut connection, &identifier::email(&request.email)?, &ctx.aud).await
    } else if !request.phone.is_empty() {
        users::find_by_phone(&mut connection, &identifier::phone(&request.phone)?, &ctx.aud).await
    } else {
        return Ok(true);
    };
    Ok(found.or_internal(FINDING)?.is_some())
}

async fn by_email(
    ctx: &Context,
    request: Request,
    challenge: Option<Challenge>,
) -> Result<HttpResponse, Error> {
    let settings = &ctx.config().email;
    if !settings.enable_signup {
        return Err(Error::EmailLoginsDisabled("Email logins are disabled"));
    }
    if !settings.enable_magic_link {
        return Err(Error::EmailLoginsDisabled("Login with magic link is disabled"));
    }
    let email = identifier::email(&request.email)?;
    let find = async || -> Result<_, Error> {
        let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
        users::find_by_email(&mut connection, &email, &ctx.aud).await.or_internal(FINDING)
    };
    let known = find().await?.filter(|user| user.is_email_confirmed());
    let user = match known {
        Some(user) => user,
        None => {
            let sign_up = signup::without_password(By::Email(email.clone()), request.data, challenge.clone());
            signup::register(ctx, sign_up).await?;
            if !settings.autoconfirm() {
                // The confirmation that just went out signs in as well.
                return Ok(answer::nothing());
            }
            match find().await? {
                Some(user) => user,
                None => return Ok(answer::nothing()),
            }
        }
    };
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING)?;
    if let Some(challenge) = &challenge {
        challenge.remember(ctx, &mut tx, user.id, "magiclink", "magiclink").await?;
    }
    audit::record(ctx, &mut tx, Actor::User(&user), Action::RecoveryRequested, None).await?;
    send::mail(ctx, &mut tx, &user, Mail::MagicLink, challenge.as_ref()).await?;
    tx.commit().await.or_internal(FINDING)?;
    Ok(answer::nothing())
}

async fn by_phone(ctx: &Context, request: Request) -> Result<HttpResponse, Error> {
    if !ctx.config().sms.enable_signup {
        return Err(Error::PhoneProviderDisabled("Unsupported phone provider"));
    }
    let phone = identifier::phone(&request.phone)?;
    let channel = send::channel(ctx, &request.channel)?;
    let find = async || -> Result<_, Error> {
        let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
        users::find_by_phone(&mut connection, &phone, &ctx.aud).await.or_internal(FINDING)
    };
    let known = find().await?.filter(|user| user.is_phone_confirmed());
    let user = match known {
        Some(user) => user,
        None => {
            let sign_up = signup::without_password(By::Phone(phone.clone()), request.data, None);
            let signed_up = signup::register(ctx, SignUp { channel, ..sign_up }).await?;
            if let SignedUp::Pending { message_id, .. } = signed_up {
                return Ok(answer::message(message_id));
            }
            match find().await? {
                Some(user) => user,
                None => return Ok(answer::nothing()),
            }
        }
    };
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING)?;
    let traits = Some(json!({ "channel": channel.name() }));
    audit::record(ctx, &mut tx, Actor::User(&user), Action::RecoveryRequested, traits).await?;
    let message_id = send::sms(ctx, &mut tx, &user, &phone, Sms::Confirmation, channel).await?;
    tx.commit().await.or_internal(FINDING)?;
    Ok(answer::message(message_id))
}
