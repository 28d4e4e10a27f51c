//! Sign-ins from where an account was never entered before, of which its owner may be told by mail.
//!
//! A device is known by the browser that it says it has and by the network it comes from; if one of
//! them is new, the owner hears of it. Nothing is kept unless the mail is switched on, and the first
//! sign-in after that tells nobody: all is new then.

use std::net::{IpAddr, Ipv4Addr};

use chrono::SecondsFormat;

use crate::error::{Error, OrInternal};
use crate::mail::Kind;
use crate::send::{self, Notice};
use crate::service::Context;
use crate::store::devices;
use crate::user::User;

/// As much as is kept of what a browser calls itself, in letters.
const LONGEST: usize = 200;

/// Notes where the account is entered from, and tells its owner if that is new.
pub(crate) async fn note(ctx: &Context, tx: &mut db::Session, user: &User) -> Result<(), Error> {
    if !Kind::NewDevice.is_enabled(&ctx.config().email) || user.email.is_empty() {
        return Ok(());
    }
    let user_agent: String = ctx.user_agent.as_deref().unwrap_or_default().chars().take(LONGEST).collect();
    let ip = ctx.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let known = devices::note(tx, user.id, &user_agent, ip, ctx.now).await;
    let known = known.or_internal("Database error granting user")?;
    if !known.any || (known.user_agent && known.network) {
        return Ok(());
    }
    let at = ctx.now.to_rfc3339_opts(SecondsFormat::Secs, true);
    send::notify(ctx, tx, user, Notice::NewDevice { user_agent: &user_agent, ip, at: &at }).await
}
