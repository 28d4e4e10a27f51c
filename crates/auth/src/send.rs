//! One-time codes and notices on their way to their owner.
//!
//! A code is made and its hash stored, with the moment, in the account and among the one-time
//! tokens; what is to be sent goes into the outbox, in the same transaction. Where a hook sends, it is
//! asked in place of that, still within the transaction: the request succeeds if the hook took the
//! message, and nothing of it is kept otherwise. Where no mail server is set up, mails are dropped, as
//! upstream does (said once at start); where no provider is, messages to phones are refused unless the
//! number is a configured test number.

pub(crate) mod nobody;
mod notice;
mod phone;

pub(crate) use notice::{Notice, notify};
pub(crate) use phone::{PhoneCode, Sms, channel, is_reachable, provider_says, sms};

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::units::Span;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access_token::delta;
use crate::account::UPDATING;
use crate::config;
use crate::error::{Error, OrInternal};
use crate::hook::{self, EmailData, Point};
use crate::link;
use crate::mail::{Kind, Letter, validation};
use crate::otp::Fresh;
use crate::outbox::{self, Message, Post};
use crate::pkce::Challenge;
use crate::service::Context;
use crate::store::{one_time_tokens, users};
use crate::user::User;

/// What a mail with a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mail {
    /// Confirm a new account's address.
    Confirmation,
    /// Come in for the first time.
    Invite,
    /// Set a new password.
    Recovery,
    /// Sign in by link; the same token as of a recovery.
    MagicLink,
    /// Prove oneself before changing the password.
    Reauthentication,
}

impl Mail {
    fn kind(self) -> Kind {
        match self {
            Self::Confirmation => Kind::Confirmation,
            Self::Invite => Kind::Invite,
            Self::Recovery => Kind::Recovery,
            Self::MagicLink => Kind::MagicLink,
            Self::Reauthentication => Kind::Reauthentication,
        }
    }

    /// What its token is called where tokens are found by their hash.
    fn token_type(self) -> &'static str {
        match self {
            Self::Confirmation | Self::Invite => "confirmation_token",
            Self::Recovery | Self::MagicLink => "recovery_token",
            Self::Reauthentication => "reauthentication_token",
        }
    }

    /// Keeps the hash with its account, if there is one.
    async fn keep(
        self,
        tx: &mut db::Session,
        id: Uuid,
        hash: &str,
        now: DateTime<Utc>,
    ) -> Result<(), db::Error> {
        match self {
            Self::Confirmation => users::set_confirmation(tx, id, hash, false, now).await,
            Self::Invite => users::set_confirmation(tx, id, hash, true, now).await,
            Self::Recovery | Self::MagicLink => users::set_recovery(tx, id, hash, now).await,
            Self::Reauthentication => users::set_reauthentication(tx, id, hash, now).await,
        }
    }

    /// What its link tells `/verify`; none if it has no link.
    fn verifies(self) -> Option<&'static str> {
        match self {
            Self::Confirmation => Some("signup"),
            Self::Invite => Some("invite"),
            Self::Recovery => Some("recovery"),
            Self::MagicLink => Some("magiclink"),
            Self::Reauthentication => None,
        }
    }
}

/// What upstream says when a mail cannot be sent.
fn failed(kind: Kind) -> &'static str {
    match kind {
        Kind::Confirmation => "Error sending confirmation email",
        Kind::Invite => "Error sending invite email",
        Kind::Recovery => "Error sending recovery email",
        Kind::MagicLink => "Error sending magic link email",
        Kind::EmailChange => "Error sending email change email",
        Kind::Reauthentication => "Error sending reauthentication email",
        _ => "Error sending notification email",
    }
}

/// What a hook that sends mails calls a mail.
fn action_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Confirmation => "signup",
        Kind::MagicLink => "magiclink",
        Kind::Reauthentication => "reauthentication",
        kind => kind.message_type(),
    }
}

fn fresh(ctx: &Context, email: &str, challenge: Option<&Challenge>) -> Fresh {
    Fresh::new(email, config::otp_length(ctx.config().email.otp_length), challenge.is_some())
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
        Mail::Recovery | Mail::MagicLink => user.recovery_sent_at,
        Mail::Reauthentication => user.reauthentication_sent_at,
    };
    check_mail_frequency(ctx, last)?;
    check_authorized(ctx, &user.email)?;
    take_mail(ctx)?;
    let code = fresh(ctx, &user.email, challenge);
    store(ctx, tx, user, mail, &user.email, &code).await?;
    if ctx.settings.hooks.has(Point::SendEmail) {
        let token_hash = if mail.verifies().is_some() { code.link.as_str() } else { "" };
        let data = EmailData { token: &code.code, token_hash, ..email_data(ctx, mail.kind()) };
        return hook::send_email(ctx, tx, user, &data).await;
    }
    let data = letter_data(ctx, &user.email, mail, &code)?;
    write(ctx, tx, user, (mail.kind(), &user.email), data, Message::Mail).await
}

/// What the text of a mail with a code may mention.
fn letter_data(ctx: &Context, email: &str, mail: Mail, code: &Fresh) -> Result<Value, Error> {
    let mut data = json!({ "Email": email, "Token": code.code });
    if let Some(verifies) = mail.verifies() {
        data["ConfirmationURL"] =
            link::of(ctx.config(), &ctx.external_url, verifies, &code.link, &ctx.redirect_to)?.into();
        data["TokenHash"] = code.link.as_str().into();
        data["RedirectTo"] = ctx.redirect_to.as_str().into();
    }
    Ok(data)
}

/// Stores what recognises a code and its link.
pub(crate) async fn store(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    mail: Mail,
    identifier: &str,
    Fresh { hash, link, .. }: &Fresh,
) -> Result<(), Error> {
    let (id, now) = (user.id, ctx.now);
    mail.keep(tx, id, hash, now).await.or_internal(UPDATING)?;
    one_time_tokens::put(tx, id, mail.token_type(), link, identifier, now).await.or_internal(UPDATING)
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
    check_authorized(ctx, email)?;
    let both = ctx.config().email.double_confirm_changes && !user.email.is_empty();
    if both {
        check_authorized(ctx, &user.email)?;
    }
    take_mail(ctx)?;
    let new = fresh(ctx, email, challenge);
    let current = both.then(|| fresh(ctx, &user.email, challenge));
    let half = current.as_ref().map_or(Half::None, Half::New);
    store_email_change(ctx, tx, user, email, (half, Half::New(&new))).await?;
    if ctx.settings.hooks.has(Point::SendEmail) {
        // The hashes are the other way round than the codes. Receivers of Supabase Auth's reckon with it.
        let base = EmailData { token_hash: &new.link, ..email_data(ctx, Kind::EmailChange) };
        let data = match &current {
            Some(current) => EmailData {
                token: &current.code,
                token_new: &new.code,
                token_hash_new: &current.link,
                ..base
            },
            None => EmailData { token: &new.code, ..base },
        };
        let changed = User { email_change: email.to_owned(), ..user.clone() };
        return hook::send_email(ctx, tx, &changed, &data).await;
    }
    let mails = [Some((email, new)), current.map(|code| (user.email.as_str(), code))];
    for (to, Fresh { code, link, .. }) in mails.into_iter().flatten() {
        let data = json!({
            "ConfirmationURL": link::of(ctx.config(), &ctx.external_url, "email_change", &link, &ctx.redirect_to)?,
            "Email": user.email,
            "NewEmail": email,
            "Token": code,
            "TokenHash": link,
            "SendingTo": to,
            "RedirectTo": ctx.redirect_to,
        });
        write(ctx, tx, user, (Kind::EmailChange, to), data, Message::Mail).await?;
    }
    Ok(())
}

/// One of the two confirmations of a change of address.
#[derive(Clone, Copy)]
pub(crate) enum Half<'a> {
    New(&'a Fresh),
    /// The one that is pending already.
    Kept,
    None,
}

/// Stores a pending change of address with what confirms it.
pub(crate) async fn store_email_change(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    email: &str,
    (current, new): (Half<'_>, Half<'_>),
) -> Result<(), Error> {
    fn hash<'a>(half: Half<'a>, pending: &'a str) -> &'a str {
        match half {
            Half::New(fresh) => &fresh.hash,
            Half::Kept => pending,
            Half::None => "",
        }
    }
    let hashes = (hash(current, &user.email_change_token_current), hash(new, &user.email_change_token_new));
    users::set_email_change(tx, user.id, email, hashes, ctx.now).await.or_internal(UPDATING)?;
    for (token_type, half, to) in
        [("email_change_token_current", current, user.email.as_str()), ("email_change_token_new", new, email)]
    {
        let stored = match half {
            Half::New(fresh) => one_time_tokens::put(tx, user.id, token_type, &fresh.link, to, ctx.now).await,
            Half::Kept => Ok(()),
            Half::None => one_time_tokens::delete(tx, user.id, token_type).await.map(drop),
        };
        stored.or_internal(UPDATING)?;
    }
    Ok(())
}

/// What every hook that sends mails is told.
fn email_data(ctx: &Context, kind: Kind) -> EmailData<'_> {
    EmailData {
        redirect_to: &ctx.redirect_to,
        email_action_type: action_type(kind),
        site_url: &ctx.external_url,
        ..EmailData::default()
    }
}

/// Writes a mail and puts it into the outbox, as what `message` makes of it.
async fn write(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    (kind, to): (Kind, &str),
    mut data: Value,
    message: impl FnOnce(Letter) -> Message,
) -> Result<(), Error> {
    let is_notice = !kind.section().starts_with("email.template");
    if !is_notice {
        check_arrival(ctx, to).await?;
    }
    if matches!(ctx.settings.ways.post, Post::Nowhere) {
        return Ok(());
    }
    if data.get("Email").is_none() {
        data["Email"] = user.email.as_str().into();
    }
    data["SiteURL"] = ctx.config().site_url.as_str().into();
    data["Data"] = Value::Object(user.user_metadata.clone());
    let letter = ctx.settings.wordings.mail.write(kind, to, &data).or_internal(failed(kind))?;
    // A notice has no code that ends.
    let lifetime = if is_notice { Span::secs(86_400) } else { ctx.config().email.otp_expiry };
    outbox::put(ctx, tx, &message(letter), lifetime, failed(kind)).await.map(drop)
}

fn check_mail_frequency(ctx: &Context, last: Option<DateTime<Utc>>) -> Result<(), Error> {
    match wait(last, ctx.config().email.max_frequency.0, ctx.now) {
        Some(seconds) => Err(Error::TooSoonForEmail(seconds)),
        None => Ok(()),
    }
}

/// Seconds until `last` is long enough ago.
pub(crate) fn wait(last: Option<DateTime<Utc>>, interval: Duration, now: DateTime<Utc>) -> Option<u64> {
    let left = last? + delta(Span(interval)) - now;
    left.to_std().ok().filter(|left| !left.is_zero()).map(|left| left.as_secs())
}

/// Whether mail may go to this address at all.
fn check_authorized(ctx: &Context, email: &str) -> Result<(), Error> {
    let authorized = &ctx.config().email.authorized_addresses;
    // Labels do not make another address of it: `jane+x@` is `jane@`.
    let plain = match email.split_once('@') {
        Some((local, domain)) => format!("{}@{domain}", local.split('+').next().unwrap_or(local)),
        None => email.to_owned(),
    };
    let listed = authorized.iter().any(|address| address.eq_ignore_ascii_case(&plain));
    if authorized.is_empty() || listed { Ok(()) } else { Err(Error::EmailNotAuthorized(email.to_owned())) }
}

/// Whether mail to this address may arrive.
async fn check_arrival(ctx: &Context, email: &str) -> Result<(), Error> {
    let settings = &ctx.config().email.validation;
    if !settings.is_on() || validation::may_arrive(settings, &ctx.service.outbound, email).await {
        return Ok(());
    }
    Err(Error::EmailInvalid(email.to_owned()))
}

/// Counts a mail against the server's limit.
fn take_mail(ctx: &Context) -> Result<(), Error> {
    if ctx.config().rate_limit.email_sent == 0 {
        return Err(Error::EmailRateLimit);
    }
    if ctx.config().email.autoconfirm() {
        return Ok(());
    }
    ctx.settings.limits.email.take((), ctx.now).map_err(|_| Error::EmailRateLimit)?;
    ctx.service.sent.notify_one();
    Ok(())
}
