//! The password grant.
//!
//! Beyond the limits of a client, wrong passwords count against the address or number that is signed in
//! with, whether it has an account or not ([`crate::lockout`]).

use serde::Deserialize;

use super::super::call::Body;
use crate::error::{Error, OrInternal};
use crate::lockout::Door;
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::{sessions, users};
use crate::{account, hook, identifier, pwned};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    email: String,
    phone: String,
    password: String,
}

const QUERYING: &str = "Database error querying schema";

pub(crate) async fn grant(ctx: &Context, body: &Body) -> Result<Grant, Error> {
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
    let (found, door) = {
        let mut connection = ctx.service.pool.session().await.or_internal(QUERYING)?;
        // Looked for as it is counted: Postgres takes more letters for the same.
        let name = if by_email { email.to_lowercase() } else { identifier::normal_phone(&phone) };
        let found = if by_email {
            users::find_by_email(&mut connection, &name, &ctx.aud).await
        } else {
            users::find_by_phone(&mut connection, &name, &ctx.aud).await
        };
        let found = found.or_internal(QUERYING)?;
        let door = Door::of(ctx, &name, found.as_ref().map(|user| user.id));
        door.check(ctx, &mut connection).await?;
        (found, door)
    };
    let Some(user) = found.filter(|user| user.has_password()) else {
        ctx.service.hasher.verify_nobody(password).await?;
        return Err(door.wrong(ctx).await);
    };
    let hash = account::password_hash(ctx, &user)?;
    let valid = ctx.service.hasher.verify(&hash, password.clone()).await?;
    // Counted before a hook is asked, which may refuse or fail.
    let counted = if valid { Ok(()) } else { Err(door.wrong(ctx).await) };
    if let Err(error @ Error::TooManyRequests(_)) = counted {
        return Err(error);
    }
    if let Some(rejection) = hook::password_attempt(ctx, user.id, valid).await? {
        if rejection.ends_sessions {
            let mut connection = ctx.service.pool.session().await.or_internal(QUERYING)?;
            sessions::delete_of_user(&mut connection, user.id).await.or_internal(QUERYING)?;
        }
        return Err(Error::PasswordRefused(rejection.message));
    }
    counted?;
    // Comparing took long enough for the account to be changed: what counts is how it is now.
    let mut tx = ctx.service.pool.begin().await.or_internal(QUERYING)?;
    let user = users::lock(&mut tx, user.id).await.or_internal(QUERYING)?;
    let user = user.filter(|user| user.deleted_at.is_none()).ok_or(Error::InvalidCredentials)?;
    if account::password_hash(ctx, &user)? != hash {
        return Err(Error::InvalidCredentials);
    }
    door.right(ctx, &mut tx).await?;
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
    account::reseal_password(ctx, &mut tx, &user, &hash).await?;
    let provider = if by_email { "email" } else { "phone" };
    let mut grant = session::sign_in(ctx, &mut tx, user, "password", provider).await?;
    tx.commit().await.or_internal("Database error granting user")?;
    if let Err(Error::WeakPassword(weakness)) = pwned::check_strength(ctx, &password).await {
        grant.weak_password = Some(weakness);
    }
    Ok(grant)
}
