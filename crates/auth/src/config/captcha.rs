//! `[auth.captcha]`: proof that a person asks.

use std::time::Duration;

use kernel::units::Span;
use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Proof that a person asks, for whatever can be done without an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Captcha {
    /// Whether it is asked for.
    pub enabled: bool,
    /// Who checks it.
    pub provider: CaptchaProvider,
    /// Your secret at the provider.
    #[schemars(extend("format" = "password"))]
    pub secret: Secret,
    /// How long the provider may take.
    pub timeout: Span,
}

/// Who checks captchas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CaptchaProvider {
    /// Nobody.
    #[default]
    #[serde(rename = "")]
    None,
    /// hCaptcha.
    Hcaptcha,
    /// Cloudflare Turnstile.
    Turnstile,
}

impl Default for Captcha {
    fn default() -> Self {
        Self {
            enabled: false,
            provider: CaptchaProvider::None,
            secret: Secret::default(),
            timeout: Span(Duration::from_secs(10)),
        }
    }
}

impl Captcha {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let problem = |key, text: &str| Problem { key, text: text.to_owned() };
        let mut problems = Vec::new();
        if self.enabled && self.provider == CaptchaProvider::None {
            problems.push(problem("captcha.provider", "must be hcaptcha or turnstile"));
        }
        if self.enabled && self.secret.expose().trim().is_empty() {
            problems.push(problem("captcha.secret", "must be your secret at the provider"));
        }
        if self.timeout.0.is_zero() {
            problems.push(problem("captcha.timeout", "must be longer than zero"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_switched_on_is_complete() {
        let check = |provider, secret: &str, expected: &[&str]| {
            let captcha =
                Captcha { enabled: true, provider, secret: Secret::new(secret), ..Captcha::default() };
            let keys: Vec<_> = captcha.check().into_iter().map(|problem| problem.key).collect();
            assert_eq!(keys, expected);
        };
        check(CaptchaProvider::Hcaptcha, "s", &[]);
        check(CaptchaProvider::None, " ", &["captcha.provider", "captcha.secret"]);
        assert_eq!(Captcha::default().check(), Vec::new());
    }
}
