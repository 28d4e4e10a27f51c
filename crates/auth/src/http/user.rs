//! `/user`: the signed-in account, read and changed by its owner.

use actix_web::HttpResponse;
use chrono::TimeDelta;
use serde::Deserialize;

use super::answer;
use super::call::{Body, Call, SignedIn};
use crate::account::{self, UPDATING};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::identifier;
use crate::otp::{self, Issued};
use crate::pkce::Challenge;
use crate::send::{self, Notice, Sms};
use crate::service::Context;
use crate::store::{one_time_tokens, users};
use crate::user::{Object, User};
use crate::{pwned, verify};

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    let signed_in = call.user_or_client().await?;
    if signed_in.aud != call.ctx.aud {
        return Err(Error::invalid("Token audience doesn't match request audience"));
    }
    Ok(answer::user(&signed_in.user))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    email: String,
    password: Option<String>,
    current_password: String,
    nonce: String,
    data: Option<Object>,
    app_metadata: Option<Object>,
    phone: String,
    channel: String,
    code_challenge: String,
    code_challenge_method: String,
}

pub(crate) async fn put(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    let signed_in = call.user().await?;
    ctx.settings.limits.user.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let mut request: Request = body.json()?;
    let challenge = request.check(ctx).await?;
    request.check_allowed(ctx, &signed_in)?;
    let user = &signed_in.user;
    request.check_free(ctx, user).await?;
    let hash = match &request.password {
        Some(password) => Some(new_password(ctx, &signed_in, &request, password).await?),
        None => None,
    };
    let mut tx = ctx.service.pool.begin().await.or_internal(UPDATING)?;
    if let Some(hash) = hash {
        let kept = signed_in.session.as_ref().map(|session| session.id);
        account::change_password(ctx, &mut tx, user.id, &hash, kept).await?;
        audit::record(ctx, &mut tx, Actor::User(user), Action::PasswordUpdated, None).await?;
        send::notify(ctx, &mut tx, user, Notice::PasswordChanged).await?;
    }
    if let Some(data) = &request.data {
        users::merge_user_metadata(&mut tx, user.id, data, ctx.now)
            .await
            .or_internal("Error updating user")?;
    }
    if let Some(data) = &request.app_metadata {
        users::merge_app_metadata(&mut tx, user.id, data, ctx.now)
            .await
            .or_internal("Error updating user")?;
    }
    if !request.email.is_empty() && request.email != user.email {
        change_email(ctx, &mut tx, user, &request.email, challenge.as_ref()).await?;
    }
    if !request.phone.is_empty() && request.phone != user.phone {
        if ctx.config().sms.autoconfirm() {
            account::change_phone(ctx, &mut tx, user, &request.phone).await?;
        } else {
            let channel = send::channel(ctx, &request.channel)?;
            send::sms(ctx, &mut tx, user, &request.phone, Sms::PhoneChange, channel).await?;
        }
    }
    audit::record(ctx, &mut tx, Actor::User(user), Action::Modified, None).await?;
    let user = users::get(&mut tx, user.id).await.or_internal(UPDATING)?;
    tx.commit().await.or_internal(UPDATING)?;
    Ok(answer::user(&user))
}

impl Request {
    /// What can be said without looking at the account.
    async fn check(&mut self, ctx: &Context) -> Result<Option<Challenge>, Error> {
        if !self.email.is_empty() {
            self.email = identifier::email(&self.email)?;
        }
        if !self.phone.is_empty() {
            self.phone = identifier::phone(&self.phone)?;
            send::channel(ctx, &self.channel)?;
        }
        if let Some(password) = &self.password {
            pwned::check_strength(ctx, password).await?;
        }
        Challenge::parse(&self.code_challenge_method, &self.code_challenge)
    }

    /// Whether this account, in this session, may change what it wants to.
    fn check_allowed(&self, ctx: &Context, signed_in: &SignedIn) -> Result<(), Error> {
        let (config, user) = (ctx.config(), &signed_in.user);
        let admin = config.jwt_aud == user.aud && user.role == config.jwt_admin_group_name;
        if self.app_metadata.is_some() && !admin {
            return Err(Error::AppMetadataRefused);
        }
        let sensitive = self.password.is_some()
            || (!self.email.is_empty() && self.email != user.email)
            || (!self.phone.is_empty() && self.phone != user.phone);
        let raised = signed_in.session.as_ref().is_some_and(|session| session.aal() == "aal2");
        if user.has_second_factor() && !raised && sensitive {
            return Err(Error::InsufficientAal);
        }
        if user.is_anonymous && self.password.is_some() && self.email.is_empty() && self.phone.is_empty() {
            return Err(Error::Unprocessable(
                "Updating password of an anonymous user without an email or phone is not allowed".into(),
            ));
        }
        if user.is_sso_user && (sensitive || !self.nonce.is_empty()) {
            return Err(Error::SsoManaged);
        }
        Ok(())
    }

    /// Whether the new address and number are nobody else's.
    async fn check_free(&self, ctx: &Context, user: &User) -> Result<(), Error> {
        let mut connection = ctx.service.pool.session().await.or_internal("Database error checking email")?;
        if !self.email.is_empty() && self.email != user.email {
            let holder =
                users::find_holder_of_email(&mut connection, &self.email, &ctx.aud, Some(user.id)).await;
            if holder.or_internal("Database error checking email")?.is_some() {
                return Err(Error::EmailExists);
            }
        }
        if !self.phone.is_empty() && self.phone != user.phone {
            let holder = users::find_by_phone(&mut connection, &self.phone, &ctx.aud).await;
            if holder.or_internal("Database error checking phone")?.is_some() {
                return Err(Error::PhoneExists("A user with this phone number has already been registered"));
            }
        }
        Ok(())
    }
}

/// How old a session may be to change the password without a code.
const FRESH: TimeDelta = TimeDelta::hours(24);

/// The hash of the new password, if it may be set.
async fn new_password(
    ctx: &Context,
    signed_in: &SignedIn,
    request: &Request,
    password: &str,
) -> Result<String, Error> {
    let (settings, user, hasher) = (&ctx.config().email, &signed_in.user, &ctx.service.hasher);
    let fresh = signed_in.session.as_ref().is_some_and(|session| ctx.now <= session.created_at + FRESH);
    if settings.secure_password_change && !fresh {
        check_nonce(ctx, user, &request.nonce).await?;
    }
    if user.has_password() {
        let current = account::password_hash(ctx, user)?;
        let recovering = signed_in.session.as_ref().is_some_and(|session| session.has_method("recovery"));
        if settings.require_current_password && !recovering {
            if request.current_password.is_empty() {
                return Err(Error::CurrentPasswordRequired);
            }
            if !hasher.verify(&current, request.current_password.clone()).await? {
                return Err(Error::CurrentPasswordInvalid);
            }
        }
        if hasher.verify(&current, password.to_owned()).await? {
            return Err(Error::SamePassword);
        }
    }
    hasher.hash(ctx.config().password_hash, password.to_owned()).await
}

/// Uses up the code that `/reauthenticate` sent.
async fn check_nonce(ctx: &Context, user: &User, nonce: &str) -> Result<(), Error> {
    if nonce.is_empty() {
        return Err(Error::ReauthenticationNeeded);
    }
    let (identifier, expiry) = if user.email.is_empty() {
        (&user.phone, ctx.config().sms.otp_expiry)
    } else {
        (&user.email, ctx.config().email.otp_expiry)
    };
    let said = match user.email.is_empty() && ctx.config().sms.test_code(&user.phone, ctx.now).is_none() {
        true => send::provider_says(ctx, &user.phone, nonce).await,
        false => None,
    };
    let hash = otp::hash(identifier, nonce);
    let mut tx = ctx.service.pool.begin().await.or_internal(UPDATING)?;
    let user = users::lock(&mut tx, user.id).await.or_internal(UPDATING)?.ok_or(Error::UserOfTokenMissing)?;
    let code = Issued { hash: user.reauthentication_token, sent_at: user.reauthentication_sent_at };
    let valid = said.unwrap_or_else(|| otp::is_valid(&hash, &code.hash, code.sent_at, expiry, ctx.now));
    if !valid {
        verify::count_wrong_code(ctx, tx, [(user.id, code)]).await?;
        return Err(Error::ReauthenticationNotValid);
    }
    users::clear_reauthentication(&mut tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    one_time_tokens::delete(&mut tx, user.id, "reauthentication_token").await.or_internal(UPDATING)?;
    tx.commit().await.or_internal(UPDATING)
}

/// An anonymous account signs up by it; every other has to confirm, whatever sign-up asks for.
async fn change_email(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    email: &str,
    challenge: Option<&Challenge>,
) -> Result<(), Error> {
    if user.is_anonymous && ctx.config().email.autoconfirm() {
        audit::record(ctx, tx, Actor::User(user), Action::Modified, None).await?;
        return account::change_email(ctx, tx, user, email).await;
    }
    if let Some(challenge) = challenge {
        challenge.remember(ctx, tx, user.id, "email_change", "email_change").await?;
    }
    send::email_change(ctx, tx, user, email, challenge).await
}
