//! Notices of changes: they have no code, and no change depends on them.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{check_authorized, email_data, take_mail, write};
use crate::error::Error;
use crate::hook::{self, EmailData, Point};
use crate::mail::Kind;
use crate::outbox::Message;
use crate::service::Context;
use crate::user::User;

/// What an account's owner is told of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice<'a> {
    PasswordChanged,
    /// Goes to the old address.
    EmailChanged {
        old: &'a str,
        new: &'a str,
    },
    PhoneChanged {
        old: &'a str,
        new: &'a str,
    },
    IdentityLinked {
        provider: &'a str,
    },
    IdentityUnlinked {
        provider: &'a str,
    },
    /// By the factor's type: `totp`, `phone`, `webauthn`.
    FactorEnrolled {
        factor_type: &'a str,
    },
    FactorUnenrolled {
        factor_type: &'a str,
    },
    NewDevice {
        user_agent: &'a str,
        ip: IpAddr,
        at: &'a str,
    },
}

/// Tells the owner of `user`, an account as it was before the change, by mail, if that is switched on
/// and there is an address. Limits keep a notice from being sent but never the change.
pub(crate) async fn notify(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    notice: Notice<'_>,
) -> Result<(), Error> {
    let (kind, to, data) = match notice {
        Notice::PasswordChanged => (Kind::PasswordChanged, user.email.as_str(), json!({})),
        Notice::EmailChanged { old, new } => {
            (Kind::EmailChanged, old, json!({ "Email": new, "OldEmail": old }))
        }
        Notice::PhoneChanged { old, new } => {
            (Kind::PhoneChanged, user.email.as_str(), json!({ "Phone": new, "OldPhone": old }))
        }
        Notice::IdentityLinked { provider } => {
            (Kind::IdentityLinked, user.email.as_str(), json!({ "Provider": provider }))
        }
        Notice::IdentityUnlinked { provider } => {
            (Kind::IdentityUnlinked, user.email.as_str(), json!({ "Provider": provider }))
        }
        Notice::FactorEnrolled { factor_type } => {
            (Kind::FactorEnrolled, user.email.as_str(), json!({ "FactorType": factor_type }))
        }
        Notice::FactorUnenrolled { factor_type } => {
            (Kind::FactorUnenrolled, user.email.as_str(), json!({ "FactorType": factor_type }))
        }
        Notice::NewDevice { user_agent, ip, at } => {
            let data = json!({ "UserAgent": user_agent, "IP": ip.to_string(), "Time": at });
            (Kind::NewDevice, user.email.as_str(), data)
        }
    };
    if !kind.is_enabled(&ctx.config().email) || to.is_empty() {
        return Ok(());
    }
    if let Err(error) = check_authorized(ctx, to).and_then(|()| take_mail(ctx)) {
        tracing::warn!(user_id = %user.id, notice = kind.message_type(), %error, "a notice is not sent");
        return Ok(());
    }
    if ctx.settings.hooks.has(Point::SendEmail) {
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
        let hook_data = EmailData {
            old_email: text("OldEmail"),
            old_phone: text("OldPhone"),
            provider: text("Provider"),
            factor_type: text("FactorType"),
            ..email_data(ctx, kind)
        };
        return hook::send_notice(ctx, tx, user, &hook_data).await;
    }
    write(ctx, tx, user, (kind, to), data, Message::Mail).await
}
