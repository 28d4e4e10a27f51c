//! Second factors, security keys and passkeys: what `[auth.mfa]`, `[auth.webauthn]` and
//! `[auth.passkey]` say.

use kernel::Problem;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Second factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mfa {
    /// Factors one account may have, proved or not.
    pub max_enrolled_factors: usize,
    /// Proved factors one account may have.
    pub max_verified_factors: usize,
    /// How long a challenge waits for its answer; not below five minutes.
    pub challenge_expiry: Span,
    /// After how long a factor that was never challenged gives way to a new one; not below five minutes.
    pub factor_expiry: Span,
    /// Codes of authenticator apps.
    pub totp: MfaTotp,
    /// Codes sent to a phone.
    pub phone: MfaPhone,
    /// Security keys and other authenticators of browsers.
    pub web_authn: MfaWebAuthn,
}

/// Codes of authenticator apps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MfaTotp {
    /// Whether new ones can be set up.
    pub enroll_enabled: bool,
    /// Whether those there are can be used.
    pub verify_enabled: bool,
}

/// Codes sent to a phone as a second factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MfaPhone {
    /// Whether new ones can be set up.
    pub enroll_enabled: bool,
    /// Whether those there are can be used.
    pub verify_enabled: bool,
    /// Digits of a code, 6 to 10.
    pub otp_length: u8,
    /// The message; `{{ .Code }}` stands for the code.
    pub template: String,
    /// The least time between two messages for one factor.
    pub max_frequency: Span,
}

/// Security keys as a second factor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MfaWebAuthn {
    /// Whether new ones can be set up.
    pub enroll_enabled: bool,
    /// Whether those there are can be used.
    pub verify_enabled: bool,
}

/// Who this installation is to authenticators, for security keys and passkeys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebAuthn {
    /// The domain credentials are bound to. It cannot be changed later: credentials would be lost.
    /// Empty: the host of `site_url`.
    pub rp_id: String,
    /// The name people see. Empty: the domain.
    pub rp_display_name: String,
    /// Where ceremonies may take place: `https://app.example.com`. Empty: the origin of `site_url`.
    pub rp_origins: Vec<String>,
    /// How long a passkey ceremony may take.
    pub challenge_expiry: Span,
}

/// Signing in without a password, by an authenticator alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Passkey {
    /// Whether passkeys can be registered and used.
    pub enabled: bool,
    /// Passkeys one account may have.
    pub max_per_user: i64,
}

impl Default for Mfa {
    fn default() -> Self {
        Self {
            max_enrolled_factors: 10,
            max_verified_factors: 10,
            challenge_expiry: Span::secs(LEAST),
            factor_expiry: Span::secs(LEAST),
            totp: MfaTotp::default(),
            phone: MfaPhone::default(),
            web_authn: MfaWebAuthn::default(),
        }
    }
}

impl Default for MfaTotp {
    fn default() -> Self {
        Self { enroll_enabled: true, verify_enabled: true }
    }
}

impl Default for MfaPhone {
    fn default() -> Self {
        Self {
            enroll_enabled: false,
            verify_enabled: false,
            otp_length: 6,
            template: "Your code is {{ .Code }}".to_owned(),
            max_frequency: Span::secs(60),
        }
    }
}

impl Default for WebAuthn {
    fn default() -> Self {
        Self {
            rp_id: String::new(),
            rp_display_name: String::new(),
            rp_origins: Vec::new(),
            challenge_expiry: Span::secs(300),
        }
    }
}

impl Default for Passkey {
    fn default() -> Self {
        Self { enabled: false, max_per_user: 10 }
    }
}

/// Seconds below which upstream does not let challenges and unproved factors expire.
const LEAST: u64 = 300;

impl Mfa {
    /// How long a challenge waits for its answer.
    pub(crate) fn challenge_expiry(&self) -> Span {
        Span(self.challenge_expiry.0.max(Span::secs(LEAST).0))
    }

    /// After how long a factor that was never challenged gives way.
    pub(crate) fn factor_expiry(&self) -> Span {
        Span(self.factor_expiry.0.max(Span::secs(LEAST).0))
    }
}

impl WebAuthn {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key, text| problems.push(Problem { key, text });
        if self.rp_id.contains("://") || self.rp_id.contains('/') {
            report("webauthn.rp_id", format!("`{}` is not a domain: leave out scheme and path", self.rp_id));
        }
        for origin in &self.rp_origins {
            if Url::parse(origin).is_err() {
                report(
                    "webauthn.rp_origins",
                    format!("`{origin}` is not an origin like https://app.example.com"),
                );
            }
        }
        if self.challenge_expiry.0.is_zero() {
            report("webauthn.challenge_expiry", "must be longer than zero".to_owned());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_expiries_are_lengthened_as_upstream_does() {
        let mfa = Mfa { challenge_expiry: Span::secs(1), factor_expiry: Span::secs(301), ..Mfa::default() };
        assert_eq!(mfa.challenge_expiry(), Span::secs(300));
        assert_eq!(mfa.factor_expiry(), Span::secs(301));
    }

    #[test]
    fn an_origin_is_a_url_and_an_id_is_not() {
        let wrong = WebAuthn {
            rp_id: "https://example.com".to_owned(),
            rp_origins: vec!["example.com".to_owned()],
            ..WebAuthn::default()
        };
        let keys: Vec<_> = wrong.check().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["webauthn.rp_id", "webauthn.rp_origins"]);
    }
}
