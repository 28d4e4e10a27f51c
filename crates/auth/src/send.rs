//! One-time codes on their way to their owner.
//!
//! A code is made and its hash stored, with the moment, in the account and among the one-time
//! tokens; then it is sent. **This installation has no way to send yet**: codes for addresses are
//! stored and dropped, as upstream does without SMTP (said once at start), codes for numbers are
//! refused unless the number is a configured test number. Links made by the admin API work.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::access_token::delta;
use crate::account::UPDATING;
use crate::config;
use crate::error::{Error, OrInternal};
use crate::otp;
use crate::pkce::Challenge;
use crate::service::Context;
use crate::store::{one_time_tokens, users};
use crate::user::User;

/// What a mail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mail {
    /// Confirm a new account's address.
    Confirmation,
    /// Come in for the first time.
    Invite,
    /// Set a new password, or sign in by link: the same token.
    Recovery,
    /// Prove oneself before changing the password.
    Reauthentication,
}

/// Sends a code for `mail` to the account's address.
pub(crate) async fn mail(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    mail: Mail,
    challenge: Option<&Challenge>,
) -> Result<(), Error> {
    let last = match mail {
        Mail::Confirmation => user.confirmation_sent_at,
        Mail::Invite => None,
        Mail::Recovery => user.recovery_sent_at,
        Mail::Reauthentication => user.reauthentication_sent_at,
    };
    check_mail_frequency(ctx, last)?;
    check_mail_allowed(ctx, &user.email)?;
    let hash = fresh_hash(ctx, &user.email, challenge);
    store(ctx, tx, user, mail, &user.email, &hash).await
}

/// Stores what recognises a code.
pub(crate) async fn store(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    mail: Mail,
    identifier: &str,
    hash: &str,
) -> Result<(), Error> {
    let (id, now) = (user.id, ctx.now);
    let (stored, token_type) = match mail {
        Mail::Confirmation => (users::set_confirmation(tx, id, hash, false, now).await, "confirmation_token"),
        Mail::Invite => (users::set_confirmation(tx, id, hash, true, now).await, "confirmation_token"),
        Mail::Recovery => (users::set_recovery(tx, id, hash, now).await, "recovery_token"),
        Mail::Reauthentication => {
            (users::set_reauthentication(tx, id, hash, now).await, "reauthentication_token")
        }
    };
    stored.or_internal(UPDATING)?;
    one_time_tokens::put(tx, id, token_type, hash, identifier, now).await.or_internal(UPDATING)
}

/// Sends the codes that confirm a change of address, to the new one and, where required, the old.
pub(crate) async fn email_change(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    email: &str,
    challenge: Option<&Challenge>,
) -> Result<(), Error> {
    check_mail_frequency(ctx, user.email_change_sent_at)?;
    check_mail_allowed(ctx, email)?;
    let new = fresh_hash(ctx, email, challenge);
    let both = ctx.config().email.double_confirm_changes && !user.email.is_empty();
    let current = if both { fresh_hash(ctx, &user.email, challenge) } else { String::new() };
    store_email_change(ctx, tx, user, email, (&current, &new)).await
}

/// Stores a pending change of address with the hashes that confirm it; empty for none.
pub(crate) async fn store_email_change(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    email: &str,
    (current, new): (&str, &str),
) -> Result<(), Error> {
    users::set_email_change(tx, user.id, email, (current, new), ctx.now).await.or_internal(UPDATING)?;
    for (token_type, hash, to) in
        [("email_change_token_current", current, user.email.as_str()), ("email_change_token_new", new, email)]
    {
        let stored = if hash.is_empty() {
            one_time_tokens::delete(tx, user.id, token_type).await.map(drop)
        } else {
            one_time_tokens::put(tx, user.id, token_type, hash, to, ctx.now).await
        };
        stored.or_internal(UPDATING)?;
    }
    Ok(())
}

/// What a text message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sms {
    /// Confirm a number, or sign in by it.
    Confirmation,
    /// Confirm a new number.
    PhoneChange,
    /// Prove oneself before changing the password.
    Reauthentication,
}

/// Sends a code to `phone`; returns the provider's id of the message.
pub(crate) async fn sms(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    phone: &str,
    sms: Sms,
) -> Result<String, Error> {
    let (last, name) = match sms {
        Sms::Confirmation => (user.confirmation_sent_at, "confirmation"),
        Sms::PhoneChange => (user.phone_change_sent_at, "phone_change"),
        Sms::Reauthentication => (user.reauthentication_sent_at, "reauthentication"),
    };
    let settings = &ctx.config().sms;
    if let Some(seconds) = wait(last, settings.max_frequency.0, ctx.now) {
        return Err(Error::TooSoonForSms(seconds));
    }
    let Some(code) = settings.test_code(phone, ctx.now) else {
        if !settings.autoconfirm() {
            ctx.settings.limits.sms.take((), ctx.now).map_err(|_| Error::SmsRateLimit)?;
        }
        return Err(Error::SmsNotSent(name));
    };
    let hash = otp::hash(phone, code);
    let (id, now) = (user.id, ctx.now);
    let (stored, token_type) = match sms {
        Sms::Confirmation => (users::set_confirmation(tx, id, &hash, false, now).await, "confirmation_token"),
        Sms::PhoneChange => (users::set_phone_change(tx, id, phone, &hash, now).await, "phone_change_token"),
        Sms::Reauthentication => {
            (users::set_reauthentication(tx, id, &hash, now).await, "reauthentication_token")
        }
    };
    stored.or_internal(UPDATING)?;
    one_time_tokens::put(tx, id, token_type, &hash, phone, now).await.or_internal(UPDATING)?;
    Ok("test-otp".to_owned())
}

fn fresh_hash(ctx: &Context, email: &str, challenge: Option<&Challenge>) -> String {
    let hash = otp::hash(email, &otp::fresh(config::otp_length(ctx.config().email.otp_length)));
    if challenge.is_some() { format!("{}{hash}", otp::PKCE_PREFIX) } else { hash }
}

fn check_mail_frequency(ctx: &Context, last: Option<DateTime<Utc>>) -> Result<(), Error> {
    match wait(last, ctx.config().email.max_frequency.0, ctx.now) {
        Some(seconds) => Err(Error::TooSoonForEmail(seconds)),
        None => Ok(()),
    }
}

/// Seconds until `last` is long enough ago.
fn wait(last: Option<DateTime<Utc>>, interval: Duration, now: DateTime<Utc>) -> Option<u64> {
    let left = last? + delta(kernel::units::Span(interval)) - now;
    left.to_std().ok().filter(|left| !left.is_zero()).map(|left| left.as_secs())
}

fn check_mail_allowed(ctx: &Context, email: &str) -> Result<(), Error> {
    let settings = &ctx.config().email;
    // Labels do not make another address of it: `jane+x@` is `jane@`.
    let plain = match email.split_once('@') {
        Some((local, domain)) => format!("{}@{domain}", local.split('+').next().unwrap_or(local)),
        None => email.to_owned(),
    };
    let listed = settings.authorized_addresses.iter().any(|address| address.eq_ignore_ascii_case(&plain));
    if !settings.authorized_addresses.is_empty() && !listed {
        return Err(Error::EmailNotAuthorized(email.to_owned()));
    }
    if ctx.config().rate_limit.email_sent == 0 {
        return Err(Error::EmailRateLimit);
    }
    if settings.autoconfirm() {
        return Ok(());
    }
    ctx.settings.limits.email.take((), ctx.now).map_err(|_| Error::EmailRateLimit)
}
