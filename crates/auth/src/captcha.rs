//! Proof that a person asks: a token that the page got from hCaptcha or Turnstile, and that they know.
//!
//! Both answer the same question in the same form. If they cannot be asked, nobody gets through.

use serde::Deserialize;

use crate::config::CaptchaProvider;
use crate::error::{Error, OrInternal};
use crate::outbound::Request;
use crate::service::Context;

/// Where the providers of captchas are asked. The default is where they are.
#[derive(Clone, Debug)]
pub struct CaptchaSites {
    /// hCaptcha.
    pub hcaptcha: String,
    /// Cloudflare Turnstile.
    pub turnstile: String,
}

impl Default for CaptchaSites {
    fn default() -> Self {
        Self {
            hcaptcha: "https://hcaptcha.com/siteverify".to_owned(),
            turnstile: "https://challenges.cloudflare.com/turnstile/v0/siteverify".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Verdict {
    success: bool,
    #[serde(rename = "error-codes")]
    error_codes: Vec<String>,
}

/// Checks the token that came with a request.
pub(crate) async fn check(ctx: &Context, token: &str) -> Result<(), Error> {
    const FAILED: &str = "captcha verification process failed";
    if token.is_empty() {
        return Err(Error::CaptchaFailed("no captcha_token found".to_owned()));
    }
    let settings = &ctx.config().captcha;
    let sites = &ctx.service.captcha_sites;
    let url = match settings.provider {
        CaptchaProvider::Hcaptcha => &sites.hcaptcha,
        CaptchaProvider::Turnstile => &sites.turnstile,
        CaptchaProvider::None => return Err(Error::internal(FAILED, "no provider is configured")),
    };
    let address = ctx.ip.map(|ip| ip.to_string()).unwrap_or_default();
    let fields =
        [("secret", settings.secret.expose().trim()), ("response", token), ("remoteip", address.as_str())];
    let request = Request { timeout: settings.timeout.0, ..Request::form(url, fields) };
    let answer = ctx.service.outbound.send(request).await.or_internal(FAILED)?;
    let verdict: Verdict = answer.json().or_internal(FAILED)?;
    match verdict.success {
        true => Ok(()),
        false => Err(Error::CaptchaFailed(verdict.error_codes.join(", "))),
    }
}
