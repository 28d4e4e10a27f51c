//! Codes that go to phones.

use kernel::units::Span;

use super::wait;
use crate::account::UPDATING;
use crate::config;
use crate::error::{Error, OrInternal};
use crate::hook::{self, Point};
use crate::otp::{self, Fresh};
use crate::outbox::{self, Message, Phone};
use crate::service::Context;
use crate::sms::{self, Channel, Text};
use crate::store::{one_time_tokens, users};
use crate::user::User;

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

/// Sends a code to `phone`; returns the id of the message, if it has one.
pub(crate) async fn sms(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    phone: &str,
    sms: Sms,
    channel: Channel,
) -> Result<Option<String>, Error> {
    let last = match sms {
        Sms::Confirmation => user.confirmation_sent_at,
        Sms::PhoneChange => user.phone_change_sent_at,
        Sms::Reauthentication => user.reauthentication_sent_at,
    };
    if let Some(seconds) = wait(last, ctx.config().sms.max_frequency.0, ctx.now) {
        return Err(Error::TooSoonForSms(seconds));
    }
    let message = phone_code(ctx, phone, channel);
    let mut changed = user.clone();
    if sms == Sms::PhoneChange {
        changed.phone_change = phone.to_owned();
    }
    let (code, message_id) = message.send(ctx, tx, &changed, false).await?;
    // No link is sent: the one that is stored beside the hash leads nowhere.
    let Fresh { hash, link, .. } = Fresh::of(phone, code, false);
    let (id, now) = (user.id, ctx.now);
    let (stored, token_type) = match sms {
        Sms::Confirmation => (users::set_confirmation(tx, id, &hash, false, now).await, "confirmation_token"),
        Sms::PhoneChange => (users::set_phone_change(tx, id, phone, &hash, now).await, "phone_change_token"),
        Sms::Reauthentication => {
            (users::set_reauthentication(tx, id, &hash, now).await, "reauthentication_token")
        }
    };
    stored.or_internal(UPDATING)?;
    one_time_tokens::put(tx, id, token_type, &link, phone, now).await.or_internal(UPDATING)?;
    Ok(message_id)
}

/// Whether a message to `phone` could go anywhere.
pub(crate) fn is_reachable(ctx: &Context, phone: &str) -> bool {
    !matches!(ctx.settings.ways.phone, Phone::Nowhere)
        || ctx.settings.hooks.has(Point::SendSms)
        || ctx.config().sms.test_code(phone, ctx.now).is_some()
}

/// A code that confirms or signs in.
pub(super) fn phone_code<'a>(ctx: &'a Context, phone: &'a str, channel: Channel) -> PhoneCode<'a> {
    let settings = &ctx.config().sms;
    PhoneCode {
        phone,
        channel,
        length: settings.otp_length,
        template: &ctx.settings.wordings.sms,
        lifetime: settings.otp_expiry,
        limited: !settings.autoconfirm(),
    }
}

/// What may be said where messages cannot be sent.
pub(super) const FAILED_SMS: &str = "Unable to get SMS provider";

/// A code that is to be made and sent to a phone.
pub(crate) struct PhoneCode<'a> {
    /// In digits.
    pub(crate) phone: &'a str,
    pub(crate) channel: Channel,
    /// Digits of the code, as configured.
    pub(crate) length: u8,
    pub(crate) template: &'a crate::template::Template,
    /// How long the code is good for.
    pub(crate) lifetime: Span,
    /// Whether the server's limit of messages counts.
    pub(crate) limited: bool,
}

impl PhoneCode<'_> {
    /// Makes the code and puts its message into the outbox, or hands it to the hook that sends; returns
    /// the code and the message's id, if it has one. Test numbers get their own code, and no message.
    pub(crate) async fn send(
        self,
        ctx: &Context,
        tx: &mut db::Session,
        user: &User,
        second_factor: bool,
    ) -> Result<(String, Option<String>), Error> {
        if let Some(code) = ctx.config().sms.test_code(self.phone, ctx.now) {
            return Ok((code.to_owned(), Some("test-otp".to_owned())));
        }
        if self.limited {
            ctx.settings.limits.sms.take((), ctx.now).map_err(|_| Error::SmsRateLimit)?;
            ctx.service.sent.notify_one();
        }
        let code = otp::fresh(config::otp_length(self.length));
        if ctx.settings.hooks.has(Point::SendSms) {
            hook::send_sms(ctx, tx, user, (self.phone, &code), second_factor).await?;
            return Ok((code, None));
        }
        if matches!(ctx.settings.ways.phone, Phone::Nowhere) {
            return Err(Error::internal(FAILED_SMS, "no SMS provider is configured (auth.sms.*.enabled)"));
        }
        let body = sms::write(self.template, &code).or_internal("error generating sms template")?;
        let text = Text { phone: self.phone.to_owned(), channel: self.channel, body, code: code.clone() };
        let id = outbox::put(ctx, tx, &Message::Phone(text), self.lifetime, FAILED_SMS).await?;
        Ok((code, Some(id.to_string())))
    }
}

/// Whether `code` is the one that the provider made for `phone`; none where the codes are ours.
pub(crate) async fn provider_says(ctx: &Context, phone: &str, code: &str) -> Option<bool> {
    if ctx.settings.hooks.has(Point::SendSms) {
        return None;
    }
    match &ctx.settings.ways.phone {
        Phone::Provider(provider) => provider.check(&ctx.service.outbox.outbound, phone, code).await,
        _ => None,
    }
}

/// The channel that a request names.
///
/// # Errors
///
/// If there is none of that name, or messages cannot travel that way here.
pub(crate) fn channel(ctx: &Context, name: &str) -> Result<Channel, Error> {
    let supported = || match &ctx.settings.ways.phone {
        Phone::Provider(provider) => provider.supports(Channel::WhatsApp),
        Phone::Mailbox => true,
        Phone::Nowhere => false,
    };
    match name {
        "" | "sms" => Ok(Channel::Sms),
        // The hook is not told of channels, and takes all.
        _ if ctx.settings.hooks.has(Point::SendSms) => Ok(Channel::Sms),
        "whatsapp" if supported() => Ok(Channel::WhatsApp),
        _ => Err(Error::invalid(
            "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if Twilio or \
             Twilio Verify is used as the provider.",
        )),
    }
}
