//! Whose a code or link is that came back, and whether it is still good. What is recognised is used up.

use chrono::{DateTime, Utc};
use kernel::units::Span;
use uuid::Uuid;

use super::{Proof, Purpose};
use crate::account::UPDATING;
use crate::error::{Error, OrInternal};
use crate::otp::{self, Issued};
use crate::send;
use crate::service::Context;
use crate::store::{one_time_tokens, users};
use crate::user::User;

impl Proof {
    /// Where a code was sent; empty for a link.
    fn address(&self) -> &str {
        match self {
            Self::Hash(_) => "",
            Self::EmailCode { email, .. } => email,
            Self::PhoneCode { phone, .. } => phone,
        }
    }

    /// The hashes that the proof may be stored under.
    fn hashes(&self) -> Vec<String> {
        let hash = match self {
            Self::Hash(hash) => return vec![hash.clone()],
            Self::EmailCode { email, code } => otp::hash(email, code),
            Self::PhoneCode { phone, code } => otp::hash(phone, code),
        };
        vec![format!("{}{hash}", otp::PKCE_PREFIX), hash]
    }
}

/// Whose code came back.
pub(super) enum Recognised {
    /// What came back is used up, and the account locked: nobody else comes in by it.
    Yes {
        user: Box<User>,
        purpose: Purpose,
        /// It was sent to the address that is to be changed.
        by_current: bool,
    },
    /// The code is none of those it may have been meant for, which are listed with their accounts.
    Wrong(Vec<(Uuid, Issued)>),
}

/// A code that an account waits for.
struct Pending {
    purpose: Purpose,
    token_type: &'static str,
    code: Issued,
}

impl Pending {
    fn new(purpose: Purpose, token_type: &'static str, hash: &str, sent_at: Option<DateTime<Utc>>) -> Self {
        Self { purpose, token_type, code: Issued { hash: hash.to_owned(), sent_at } }
    }

    fn confirmation(user: &User, purpose: Purpose) -> Self {
        Self::new(purpose, "confirmation_token", &user.confirmation_token, user.confirmation_sent_at)
    }

    fn recovery(user: &User, purpose: Purpose) -> Self {
        Self::new(purpose, "recovery_token", &user.recovery_token, user.recovery_sent_at)
    }

    /// What a code sent to `address` for `purpose` may be.
    fn of(user: &User, purpose: Purpose, address: &str) -> Vec<Self> {
        match purpose {
            Purpose::Email => {
                vec![Self::confirmation(user, Purpose::Signup), Self::recovery(user, Purpose::MagicLink)]
            }
            Purpose::Signup | Purpose::Invite | Purpose::Sms => vec![Self::confirmation(user, purpose)],
            Purpose::Recovery | Purpose::MagicLink => vec![Self::recovery(user, purpose)],
            Purpose::EmailChange => [
                (CURRENT, &user.email_change_token_current, &user.email),
                ("email_change_token_new", &user.email_change_token_new, &user.email_change),
            ]
            .into_iter()
            .filter(|(_, _, to)| to.eq_ignore_ascii_case(address))
            .map(|(token_type, hash, _)| Self::new(purpose, token_type, hash, user.email_change_sent_at))
            .collect(),
            Purpose::PhoneChange => vec![Self::new(
                purpose,
                "phone_change_token",
                &user.phone_change_token,
                user.phone_change_sent_at,
            )],
        }
    }
}

const CURRENT: &str = "email_change_token_current";

const LOCKING: &str = "Database error finding user";

/// Uses up the code, if the account waits for it.
async fn claim_code(
    ctx: &Context,
    tx: &mut db::Session,
    user: User,
    purpose: Purpose,
    proof: &Proof,
    expiry: Span,
) -> Result<Recognised, Error> {
    let (pending, hashes) = (Pending::of(&user, purpose, proof.address()), proof.hashes());
    let fits = |pending: &&Pending| {
        let Issued { hash: stored, sent_at } = &pending.code;
        hashes.iter().any(|hash| otp::is_valid(hash, stored, *sent_at, expiry, ctx.now))
    };
    let Some(meant) = pending.iter().find(fits) else {
        return Ok(Recognised::Wrong(pending.into_iter().map(|pending| (user.id, pending.code)).collect()));
    };
    if !one_time_tokens::delete(tx, user.id, meant.token_type).await.or_internal(UPDATING)? {
        return Err(Error::OtpExpired);
    }
    let by_current = meant.token_type == CURRENT;
    Ok(Recognised::Yes { user: Box::new(user), purpose: meant.purpose, by_current })
}

pub(super) async fn recognise(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    proof: &Proof,
) -> Result<Recognised, Error> {
    match proof {
        Proof::Hash(hash) => by_hash(ctx, tx, purpose, hash).await,
        Proof::EmailCode { email, .. } => by_email_code(ctx, tx, purpose, email, proof).await,
        Proof::PhoneCode { phone, code } => by_phone_code(ctx, tx, purpose, (phone, code), proof).await,
    }
}

async fn by_hash(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    hash: &str,
) -> Result<Recognised, Error> {
    let types: &[&str] = match purpose {
        Purpose::Email => &["confirmation_token", "recovery_token"],
        Purpose::Signup | Purpose::Invite => &["confirmation_token"],
        Purpose::Recovery | Purpose::MagicLink => &["recovery_token"],
        Purpose::EmailChange => &["email_change_token_current", "email_change_token_new"],
        Purpose::Sms | Purpose::PhoneChange => return Err(Error::invalid("Invalid email verification type")),
    };
    let user = users::find_by_one_time_token(tx, types, hash).await;
    let user = user.or_internal("Database error finding user from email link")?.ok_or(Error::LinkExpired)?;
    let user = users::lock(tx, user.id).await.or_internal(LOCKING)?.ok_or(Error::LinkExpired)?;
    let claimed = one_time_tokens::claim(tx, types, hash).await.or_internal(UPDATING)?;
    let (owner, token_type) = claimed.ok_or(Error::LinkExpired)?;
    if owner != user.id {
        return Err(Error::LinkExpired);
    }
    let (sent_at, purpose) = match purpose {
        Purpose::Email if token_type == "recovery_token" => (user.recovery_sent_at, Purpose::MagicLink),
        Purpose::Email => (user.confirmation_sent_at, Purpose::Signup),
        Purpose::Recovery | Purpose::MagicLink => (user.recovery_sent_at, purpose),
        Purpose::EmailChange => (user.email_change_sent_at, purpose),
        _ => (user.confirmation_sent_at, purpose),
    };
    if otp::is_expired(sent_at, ctx.config().email.otp_expiry, ctx.now) {
        return Err(Error::LinkExpired);
    }
    Ok(Recognised::Yes { user: Box::new(user), purpose, by_current: token_type == CURRENT })
}

async fn by_email_code(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    email: &str,
    proof: &Proof,
) -> Result<Recognised, Error> {
    const FINDING: &str = "Database error finding user";
    let user = match purpose {
        Purpose::Sms | Purpose::PhoneChange => return Err(Error::OtpExpired),
        Purpose::EmailChange => users::find_by_email_change(tx, email, &proof.hashes(), &ctx.aud).await,
        _ => users::find_by_email(tx, email, &ctx.aud).await,
    };
    // Several accounts may want the same address: a wrong code may have been meant for each.
    if let (Purpose::EmailChange, Ok(None)) = (purpose, &user) {
        let waiting = users::awaiting_email_change(tx, email, &ctx.aud).await.or_internal(FINDING)?;
        let codes = |user: &User| {
            let id = user.id;
            Pending::of(user, purpose, email).into_iter().map(move |pending| (id, pending.code))
        };
        return Ok(Recognised::Wrong(waiting.iter().flat_map(codes).collect()));
    }
    let user = user.or_internal("Database error finding user")?.ok_or(Error::OtpExpired)?;
    let user = users::lock(tx, user.id).await.or_internal(LOCKING)?.ok_or(Error::OtpExpired)?;
    claim_code(ctx, tx, user, purpose, proof, ctx.config().email.otp_expiry).await
}

async fn by_phone_code(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    (phone, code): (&str, &str),
    proof: &Proof,
) -> Result<Recognised, Error> {
    let user = match purpose {
        Purpose::PhoneChange => users::find_by_phone_change(tx, phone, &ctx.aud).await,
        Purpose::Sms => users::find_by_phone(tx, phone, &ctx.aud).await,
        _ => return Err(Error::OtpExpired),
    };
    let user = user.or_internal("Database error finding user")?.ok_or(Error::OtpExpired)?;
    // Asked before the account is locked: it may take a while.
    let said = match ctx.config().sms.test_code(phone, ctx.now) {
        Some(_) => None,
        None => send::provider_says(ctx, phone, code).await,
    };
    let user = users::lock(tx, user.id).await.or_internal(LOCKING)?.ok_or(Error::OtpExpired)?;
    let settings = &ctx.config().sms;
    if settings.test_code(phone, ctx.now) == Some(code) {
        return Ok(Recognised::Yes { user: Box::new(user), purpose, by_current: false });
    }
    match said {
        Some(true) => return used_up(tx, user, purpose).await,
        Some(false) => return Err(Error::OtpExpired),
        None => {}
    }
    claim_code(ctx, tx, user, purpose, proof, settings.otp_expiry).await
}

/// A code that the provider made and found right, where one was asked for.
async fn used_up(tx: &mut db::Session, user: User, purpose: Purpose) -> Result<Recognised, Error> {
    let token_type =
        if purpose == Purpose::PhoneChange { "phone_change_token" } else { "confirmation_token" };
    if !one_time_tokens::delete(tx, user.id, token_type).await.or_internal(UPDATING)? {
        return Err(Error::OtpExpired);
    }
    Ok(Recognised::Yes { user: Box::new(user), purpose, by_current: false })
}

/// A short code can be guessed from many addresses: after some wrong guesses it is good no more. Only
/// the code: links cannot be guessed, and its owner still comes in by one, or by the next code.
pub(crate) async fn count_wrong_code(
    ctx: &Context,
    mut tx: db::Session,
    guessed: impl IntoIterator<Item = (Uuid, Issued)>,
) -> Result<(), Error> {
    let mut voided = false;
    for (user_id, code) in guessed.into_iter().filter(|(_, code)| !code.hash.is_empty()) {
        if ctx.service.wrong_codes.take(code.clone(), ctx.now).is_err() {
            users::void_code(&mut tx, user_id, &code.hash, ctx.now).await.or_internal(UPDATING)?;
            tracing::warn!(%user_id, "too many wrong guesses at a code: it is void");
            voided = true;
        }
    }
    if voided {
        tx.commit().await.or_internal(UPDATING)?;
    }
    Ok(())
}
