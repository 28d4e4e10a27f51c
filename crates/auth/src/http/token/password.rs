//! The password grant.

use serde::Deserialize;

use super::super::call::Body;
use crate::error::{Error, OrInternal};
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::{sessions, users};
use crate::{account, hook, identifier, password};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    email: String,
    phone: String,
    password: String,
}

pub(crate) async fn grant(ctx: &Context, body: &Body) -> Result<Grant, Error> {
    const QUERYING: &str = "Database error querying schema";
    let Request { email, phone, password } = body.json()?;
    let by_email = match (email.is_empty(), phone.is_empty()) {
        (false, false) => {
            return Err(Error::invalid("Only an email address or phone number should be provided on login."));
        }
        (true, true) => return Err(Error::invalid("missing email or phone")),
        (false, true) if !ctx.config().email.enable_signup => {
            return Err(Error::EmailLoginsDisabled("Email logins are disabled"));
        }
        (true, false) if !ctx.config().sms.enable_signup => return Err(Error::PhoneLoginsDisabled),
        (false, true) => true,
        (true, false) => false,
    };
    // The connection is given back while the password is compared.
    let found = {
        let mut connection = ctx.service.pool.session().await.or_internal(QUERYING)?;
        if by_email {
            users::find_by_email(&mut connection, &email, &ctx.aud).await
        } else {
            users::find_by_phone(&mut connection, &identifier::normal_phone(&phone), &ctx.aud).await
        }
    };
    let Some(user) = found.or_internal(QUERYING)?.filter(|user| user.has_password()) else {
        ctx.service.hasher.verify_nobody(password).await?;
        return Err(Error::InvalidCredentials);
    };
    let hash = account::password_hash(ctx, &user)?;
    let valid = ctx.service.hasher.verify(&hash, password.clone()).await?;
    if let Some(rejection) = hook::password_attempt(ctx, user.id, valid).await? {
        if rejection.ends_sessions {
            let mut connection = ctx.service.pool.session().await.or_internal(QUERYING)?;
            sessions::delete_of_user(&mut connection, user.id).await.or_internal(QUERYING)?;
        }
        return Err(Error::PasswordRefused(rejection.message));
    }
    if !valid {
        return Err(Error::InvalidCredentials);
    }
    // Comparing took long enough for the account to be changed: what counts is how it is now.
    let mut tx = ctx.service.pool.begin().await.or_internal(QUERYING)?;
    let compared = user.encrypted_password;
    let user = users::lock(&mut tx, user.id).await.or_internal(QUERYING)?;
    let user = user.filter(|user| user.deleted_at.is_none() && user.encrypted_password == compared);
    let user = user.ok_or(Error::InvalidCredentials)?;
    // Only who knows the password learns that the account exists and is banned.
    if user.is_banned(ctx.now) {
        return Err(Error::BannedAtSignIn);
    }
    if by_email && !user.is_email_confirmed() {
        return Err(Error::EmailNotConfirmed);
    }
    if !by_email && !user.is_phone_confirmed() {
        return Err(Error::PhoneNotConfirmed);
    }
    let provider = if by_email { "email" } else { "phone" };
    let mut grant = session::sign_in(ctx, &mut tx, user, "password", provider).await?;
    tx.commit().await.or_internal("Database error granting user")?;
    if let Err(Error::WeakPassword(weakness)) = password::check_strength(ctx.config(), &password) {
        grant.weak_password = Some(weakness);
    }
    Ok(grant)
}
