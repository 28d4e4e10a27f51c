//! What is done for an address or number without an account, so that neither the answer nor its time
//! tells it from one that has an account.
//!
//! The checks are those of an account, in the same order, so that the same requests are refused in the
//! same words; when a code was last asked for is kept by a hash (`auth.basalt_limits`). Then as many
//! statements run as for an account, of which those on its row find nothing; the mail or message is
//! written and goes into the outbox, marked as nobody's, and whoever delivers drops it. The limit of
//! the whole server is looked at but not used up: nothing is sent. What remains is a hook that sends:
//! it can be asked of accounts only, and its time shows.

use std::time::Duration;

use uuid::Uuid;

use super::phone::{FAILED_SMS, PhoneCode, phone_code};
use super::{Mail, check_authorized, check_mail_frequency, fresh, letter_data, wait, write};
use crate::account::UPDATING;
use crate::error::{Error, OrInternal};
use crate::hook::Point;
use crate::outbox::{self, Message, Phone};
use crate::pkce::Challenge;
use crate::service::Context;
use crate::sms::{self, Channel, Text};
use crate::store::{limits, one_time_tokens, users};
use crate::user::User;
use crate::{config, otp};

/// As [`super::mail`], for nobody.
pub(crate) async fn mail(
    ctx: &Context,
    tx: &mut db::Session,
    email: &str,
    mail: Mail,
    challenge: Option<&Challenge>,
) -> Result<(), Error> {
    let hash = otp::hash(email, mail.token_type());
    let last = limits::touch_unknown(tx, &hash, ctx.now).await.or_internal(UPDATING)?;
    check_mail_frequency(ctx, last)?;
    check_authorized(ctx, email)?;
    let (config, limit) = (ctx.config(), &ctx.settings.limits.email);
    let counts = !config.email.autoconfirm();
    if config.rate_limit.email_sent == 0 || (counts && limit.look(&(), ctx.now).is_err()) {
        return Err(Error::EmailRateLimit);
    }
    let nobody = User { id: Uuid::new_v4(), email: email.to_owned(), ..User::default() };
    let code = fresh(ctx, email, challenge);
    mail.keep(tx, nobody.id, &code.hash, ctx.now).await.or_internal(UPDATING)?;
    one_time_tokens::delete(tx, nobody.id, mail.token_type()).await.or_internal(UPDATING)?;
    if ctx.settings.hooks.has(Point::SendEmail) {
        return Ok(());
    }
    let data = letter_data(ctx, email, mail, &code)?;
    let nobodys = |letter| Message::Nobody { of: Box::new(Message::Mail(letter)) };
    write(ctx, tx, &nobody, (mail.kind(), email), data, nobodys).await
}

/// As [`super::sms`], for nobody: returns an id where it would. `interval` is the least time between two.
pub(crate) async fn sms(
    ctx: &Context,
    tx: &mut db::Session,
    phone: &str,
    channel: Channel,
    interval: Duration,
) -> Result<Option<String>, Error> {
    const TOKEN: &str = "confirmation_token";
    let hash = otp::hash(phone, TOKEN);
    let last = limits::touch_unknown(tx, &hash, ctx.now).await.or_internal(UPDATING)?;
    if let Some(seconds) = wait(last, interval, ctx.now) {
        return Err(Error::TooSoonForSms(seconds));
    }
    let id = Uuid::new_v4();
    let (code, message_id) = phone_code(ctx, phone, channel).send_to_nobody(ctx, tx).await?;
    let hash = otp::hash(phone, &code);
    users::set_confirmation(tx, id, &hash, false, ctx.now).await.or_internal(UPDATING)?;
    one_time_tokens::delete(tx, id, TOKEN).await.or_internal(UPDATING)?;
    Ok(message_id)
}

impl PhoneCode<'_> {
    /// As [`PhoneCode::send`], for nobody.
    async fn send_to_nobody(
        self,
        ctx: &Context,
        tx: &mut db::Session,
    ) -> Result<(String, Option<String>), Error> {
        if let Some(code) = ctx.config().sms.test_code(self.phone, ctx.now) {
            return Ok((code.to_owned(), Some("test-otp".to_owned())));
        }
        if self.limited {
            ctx.settings.limits.sms.look(&(), ctx.now).map_err(|_| Error::SmsRateLimit)?;
        }
        let code = otp::fresh(config::otp_length(self.length));
        if ctx.settings.hooks.has(Point::SendSms) {
            return Ok((code, None));
        }
        if matches!(ctx.settings.ways.phone, Phone::Nowhere) {
            return Err(Error::internal(FAILED_SMS, "no SMS provider is configured (auth.sms.*.enabled)"));
        }
        let body = sms::write(self.template, &code).or_internal("error generating sms template")?;
        let text = Text { phone: self.phone.to_owned(), channel: self.channel, body, code: code.clone() };
        let message = Message::Nobody { of: Box::new(Message::Phone(text)) };
        let id = outbox::put(ctx, tx, &message, self.lifetime, FAILED_SMS).await?;
        Ok((code, Some(id.to_string())))
    }
}
