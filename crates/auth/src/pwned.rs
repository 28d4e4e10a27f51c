//! Whether a password has leaked, by asking Have I Been Pwned.
//!
//! Only the first five digits of the password's SHA-1 leave the house, and the answer is padded, so that
//! neither the service nor the line learns which one was meant. An option that is off: it makes
//! sign-ups wait for a service elsewhere.

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use reqwest::Method;

use crate::error::{Error, Weakness};
use crate::outbound::{OutboundError, Request};
use crate::password;
use crate::service::Context;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

const WARNING: &str = "Password is known to be weak and easy to guess, please choose a different one.";

/// Why it is not known whether a password has leaked.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    #[error("the service answered with status {0}")]
    Status(u16),
}

/// Checks the installation's rules, and that the password is not known to others.
///
/// # Errors
///
/// All that the password lacks at once.
pub(crate) async fn check_strength(ctx: &Context, password: &str) -> Result<(), Error> {
    const FAILED: &str = "Unable to perform password strength check with HaveIBeenPwned.org.";
    let mut weakness = match password::check_strength(ctx.config(), password) {
        Ok(()) => Weakness { message: String::new(), reasons: Vec::new() },
        Err(Error::WeakPassword(weakness)) => weakness,
        Err(other) => return Err(other),
    };
    let settings = &ctx.config().password_hibp;
    if settings.enabled {
        match has_leaked(ctx, password).await {
            Ok(false) => {}
            Ok(true) => {
                weakness.reasons.push("pwned");
                weakness.message = format!("{} {WARNING}", weakness.message).trim_start().to_owned();
            }
            Err(error) if settings.fail_closed => return Err(Error::internal(FAILED, error)),
            Err(error) => tracing::warn!(%error, "not known whether a password has leaked; it is let pass"),
        }
    }
    if weakness.reasons.is_empty() { Ok(()) } else { Err(Error::WeakPassword(weakness)) }
}

async fn has_leaked(ctx: &Context, password: &str) -> Result<bool, Unknown> {
    let settings = &ctx.config().password_hibp;
    let hash = hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()));
    let Some((beginning, rest)) = hash.split_at_checked(5) else { return Ok(false) };
    let url = format!("{}/range/{beginning}", settings.url.trim_end_matches('/'));
    let mut request = Request::new(Method::GET, &url).with("add-padding", "true");
    if !settings.user_agent.is_empty() {
        request = request.with("user-agent", &settings.user_agent);
    }
    request.timeout = PATIENCE;
    let answer = ctx.service.outbound.send(request).await?;
    if !answer.is_success() {
        return Err(Unknown::Status(answer.status));
    }
    Ok(lists(&String::from_utf8_lossy(&answer.body), rest))
}

/// Whether a list of hashes and how often each was seen holds this one; padding was seen never.
fn lists(answer: &str, rest: &str) -> bool {
    let mut lines = answer.lines().filter_map(|line| line.trim().split_once(':'));
    lines.any(|(hash, seen)| hash.eq_ignore_ascii_case(rest) && seen.trim().bytes().any(|b| b != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_hashes() {
        let list = "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:3861493\r\n\
                    00D4F6E8FA6EECAD2A3AA415EEC418D38EC:0\r\n\nnonsense";
        assert!(lists(list, "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
        assert!(!lists(list, "00D4F6E8FA6EECAD2A3AA415EEC418D38EC"));
        assert!(!lists(list, "1E4C9B93F3F0682250B6CF8331B7EE68FD9"));
        assert!(!lists("", ""));
    }
}
