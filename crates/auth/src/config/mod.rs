//! The section `[auth]` of the settings.
//!
//! Names and grouping are those of the Supabase CLI's `config.toml`; what that file cannot say
//! has a name in the same manner. The defaults suit production: confirmation on, anonymous
//! sign-ins off, rotation on.

mod captcha;
mod custom_oauth;
mod email;
mod email_validation;
mod encryption;
mod external;
mod hook;
mod impersonation;
mod lockout;
mod mfa;
mod oauth_server;
mod password;
mod saml;
mod scim;
mod sms;
mod web3;

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::Problem;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

pub use captcha::{Captcha, CaptchaProvider};
pub use custom_oauth::CustomOAuth;
pub(crate) use email::DEFAULT_PATH;
pub use email::{Email, Notification, Notifications, Smtp, SmtpTls, Template, Templates, UrlPaths};
pub use email_validation::EmailValidation;
pub use encryption::DbEncryption;
pub use external::External;
pub use hook::{Hook, Hooks};
pub use impersonation::Impersonation;
pub use lockout::Lockout;
pub use mfa::{Mfa, MfaPhone, MfaTotp, MfaWebAuthn, Passkey, WebAuthn};
pub use oauth_server::OAuthServer;
pub use password::PasswordHibp;
pub use saml::Saml;
pub use scim::Scim;
pub use sms::{HttpSms, Messagebird, Sms, Textlocal, Twilio, TwilioVerify, Vonage};
pub use web3::{Wallet, Web3};

use crate::redirect::Glob;
use crate::{mail, sms as messages};

/// Accounts, sign-in and sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where your application lives: links in mails lead here unless told otherwise.
    pub site_url: String,
    /// Where else a link may lead: URLs or patterns (`https://*.example.com/**`).
    pub additional_redirect_urls: Vec<String>,
    /// This API as clients reach it, for links in mails: `https://api.example.com/auth/v1`.
    /// Empty: worked out by the server from its own public address.
    pub external_url: String,
    /// How long an access token is good for.
    pub jwt_expiry: Span,
    /// The `iss` of access tokens. Empty: the external URL.
    pub jwt_issuer: String,
    /// The `aud` of new accounts and their tokens.
    pub jwt_aud: String,
    /// The database role of new accounts.
    pub jwt_default_group_name: String,
    /// A role whose holders may change their own `app_metadata`.
    pub jwt_admin_group_name: String,
    /// Roles in a token that may use the admin API.
    pub jwt_admin_roles: Vec<String>,
    /// Whether anyone may create an account.
    pub enable_signup: bool,
    /// Whether an account without address or password can be had by asking.
    pub enable_anonymous_sign_ins: bool,
    /// Delete accounts without address or number this long after they were made. Unset: never.
    pub anonymous_users_ttl: Option<Span>,
    /// Whether a signed-in user may attach another provider's account.
    pub enable_manual_linking: bool,
    /// Whether a refresh token that is used twice ends its session.
    pub enable_refresh_token_rotation: bool,
    /// For how long a refresh token may be used again after its first use, so that tabs that
    /// refresh at once do not end the session.
    pub refresh_token_reuse_interval: Span,
    /// Format of refresh tokens of new sessions: 1 keeps them as rows, 2 as a key per session.
    pub refresh_token_algorithm_version: u8,
    /// Percentage of sessions with tokens of version 1 that are moved to version 2 as they refresh.
    pub refresh_token_upgrade_percentage: u8,
    /// Never treat a reused refresh token as stolen.
    pub refresh_token_allow_reuse: bool,
    /// Characters a password must have at least; not below 6.
    pub minimum_password_length: usize,
    /// Kinds of characters a password must hold.
    pub password_requirements: PasswordRequirements,
    /// Sets of characters of which a password must hold one each; replaces `password_requirements`.
    pub password_required_characters: Vec<String>,
    /// How new passwords are hashed.
    pub password_hash: PasswordHash,
    /// Refusing passwords that have leaked.
    pub password_hibp: PasswordHibp,
    /// Whether an account that gets its first password gets an identity for its confirmed address, too.
    pub create_email_identity_on_password_set: bool,
    /// Whether what users do is also written to `auth.audit_log_entries`.
    pub audit_log_table: bool,
    /// How long a request may take before it is given up.
    pub max_request_duration: Span,
    /// Requests allowed per client.
    pub rate_limit: RateLimits,
    /// Tokens with which administrators act as somebody else.
    pub impersonation: Impersonation,
    /// Waits after wrong passwords.
    pub lockout: Lockout,
    /// Proof that a person asks, for whatever can be done without an account.
    pub captcha: Captcha,
    /// Accounts with an e-mail address.
    pub email: Email,
    /// Accounts with a phone number.
    pub sms: Sms,
    /// Other providers whose accounts people may sign in with, by name (`google`, `github`, `azure`, …),
    /// each with `enabled`, `client_id`, `secret`, and as needed `redirect_uri` (empty: `callback` below
    /// `external_url`), `url` (your own instance), `skip_nonce_check`, `email_optional`.
    pub external: BTreeMap<String, External>,
    /// Where all who come back from another provider go. Empty: where they wanted to.
    pub external_redirect_url: String,
    /// The id of your app for iOS, accepted in Apple's ID tokens besides the client's.
    pub ios_bundle_id: String,
    /// How long a sign-in at another provider, or by a link with PKCE, may take; not below five minutes.
    pub flow_state_expiry: Span,
    /// Other issuers whose ID tokens are accepted, for any client a request names: use only issuers
    /// that serve nobody but you.
    pub allowed_id_token_issuers: Vec<String>,
    /// Signing in with the accounts of an organisation.
    pub saml: Saml,
    /// Letting identity providers keep the accounts of their people.
    pub scim: Scim,
    /// Providers whose accounts are kept apart from all others', each with the name of its domain: those of
    /// one domain lead to each other's accounts by address, and to no others.
    pub linking_domains: BTreeMap<String, String>,
    /// How long sessions last.
    pub sessions: Sessions,
    /// Second factors.
    pub mfa: Mfa,
    /// Who this installation is to security keys and passkeys.
    pub webauthn: WebAuthn,
    /// Signing in without a password, by an authenticator alone.
    pub passkey: Passkey,
    /// Providers that administrators define.
    pub custom_oauth: CustomOAuth,
    /// Signing in with a wallet.
    pub web3: Web3,
    /// Other applications that sign people in with their accounts here.
    pub oauth_server: OAuthServer,
    /// Secrets sealed in the database.
    pub db_encryption: DbEncryption,
    /// Your own code, asked at certain points.
    pub hook: Hooks,
}

/// Kinds of characters a password must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasswordRequirements {
    /// Anything goes.
    #[default]
    #[serde(rename = "")]
    None,
    /// A letter and a digit.
    LettersDigits,
    /// A small letter, a capital letter and a digit.
    LowerUpperLettersDigits,
    /// A small letter, a capital letter, a digit and another character.
    LowerUpperLettersDigitsSymbols,
}

/// How new passwords are hashed. Both are understood by Supabase Auth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PasswordHash {
    /// Argon2id with 19 MiB, two passes, one lane.
    #[default]
    Argon2id,
    /// Bcrypt with cost 10, for other programs that read the table.
    Bcrypt,
}

/// Requests allowed per client address. All work without further configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Mails per hour, whole server; 0 sends none. Does not count where addresses need no confirmation.
    pub email_sent: u32,
    /// Text messages per hour, whole server; 0 sends none.
    pub sms_sent: u32,
    /// Anonymous sign-ins per hour.
    pub anonymous_users: u32,
    /// Sign-ins, requests of applications for access, and refreshes per five minutes; refreshes are counted
    /// per session.
    pub token_refresh: u32,
    /// Sign-ups, magic links, recoveries and account changes per five minutes, each.
    pub sign_in_sign_ups: u32,
    /// Codes and links checked per five minutes.
    pub token_verifications: u32,
    /// Wallet sign-ins per five minutes.
    pub web3: u32,
    /// Single sign-ons started per five minutes.
    pub sso: u32,
    /// Messages of identity providers taken per five minutes.
    pub saml_assertion: u32,
    /// Second factors asked for, and as many answers, per minute.
    pub mfa_challenge_and_verify: u32,
    /// Passkey sign-ins begun, and as many finished, per five minutes.
    pub passkey: u32,
    /// Applications that register themselves with the OAuth server, per five minutes.
    pub oauth_client_registrations: u32,
}

/// How long sessions last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// End a session this long after sign-in. Unset: never.
    pub timebox: Option<Span>,
    /// End a session that was not refreshed for so long. Unset: never.
    pub inactivity_timeout: Option<Span>,
    /// How long users with a second factor may go without using it. Unset: always.
    pub allow_low_aal: Option<Span>,
    /// End the sessions that a newer sign-in of the same user supersedes.
    pub single_per_user: bool,
    /// Kinds of sessions that do not supersede each other.
    pub tags: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            site_url: "http://127.0.0.1:3000".to_owned(),
            additional_redirect_urls: Vec::new(),
            external_url: String::new(),
            jwt_expiry: Span::secs(3600),
            jwt_issuer: String::new(),
            jwt_aud: "authenticated".to_owned(),
            jwt_default_group_name: "authenticated".to_owned(),
            jwt_admin_group_name: "admin".to_owned(),
            jwt_admin_roles: vec!["service_role".to_owned(), "supabase_admin".to_owned()],
            enable_signup: true,
            enable_anonymous_sign_ins: false,
            anonymous_users_ttl: None,
            enable_manual_linking: false,
            enable_refresh_token_rotation: true,
            refresh_token_reuse_interval: Span::secs(10),
            refresh_token_algorithm_version: 2,
            refresh_token_upgrade_percentage: 0,
            refresh_token_allow_reuse: false,
            minimum_password_length: 6,
            password_requirements: PasswordRequirements::None,
            password_required_characters: Vec::new(),
            password_hash: PasswordHash::Argon2id,
            password_hibp: PasswordHibp::default(),
            create_email_identity_on_password_set: false,
            audit_log_table: true,
            max_request_duration: Span::secs(10),
            rate_limit: RateLimits::default(),
            impersonation: Impersonation::default(),
            lockout: Lockout::default(),
            captcha: Captcha::default(),
            email: Email::default(),
            sms: Sms::default(),
            external: BTreeMap::new(),
            external_redirect_url: String::new(),
            ios_bundle_id: String::new(),
            flow_state_expiry: Span::secs(300),
            allowed_id_token_issuers: Vec::new(),
            saml: Saml::default(),
            scim: Scim::default(),
            linking_domains: BTreeMap::new(),
            sessions: Sessions::default(),
            mfa: Mfa::default(),
            webauthn: WebAuthn::default(),
            passkey: Passkey::default(),
            custom_oauth: CustomOAuth::default(),
            web3: Web3::default(),
            oauth_server: OAuthServer::default(),
            db_encryption: DbEncryption::default(),
            hook: Hooks::default(),
        }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            email_sent: 30,
            sms_sent: 30,
            anonymous_users: 30,
            token_refresh: 150,
            sign_in_sign_ups: 30,
            token_verifications: 30,
            web3: 30,
            sso: 30,
            saml_assertion: 30,
            mfa_challenge_and_verify: 15,
            passkey: 30,
            oauth_client_registrations: 10,
        }
    }
}

/// A configured length of codes, brought into what is safe.
pub(crate) fn otp_length(configured: u8) -> usize {
    if (6..=10).contains(&configured) { usize::from(configured) } else { 6 }
}

impl Config {
    /// Everything that keeps these settings from being used.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key, text: String| problems.push(Problem { key, text });
        if Url::parse(&self.site_url).is_err() {
            report("site_url", format!("`{}` is not an absolute URL", self.site_url));
        }
        if !self.external_url.is_empty() && Url::parse(&self.external_url).is_err() {
            report("external_url", format!("`{}` is not an absolute URL", self.external_url));
        }
        for pattern in &self.additional_redirect_urls {
            if let Err(error) = Glob::parse(pattern) {
                report("additional_redirect_urls", format!("`{pattern}`: {error}"));
            }
        }
        let days = |days: u64| Duration::from_secs(days * 86_400);
        if self.jwt_expiry.0 < Duration::from_secs(1) || self.jwt_expiry.0 > days(3650) {
            report("jwt_expiry", "must be between one second and ten years".to_owned());
        }
        if self.max_request_duration.0.is_zero() {
            report("max_request_duration", "must be longer than zero".to_owned());
        }
        if !matches!(self.refresh_token_algorithm_version, 0..=2) {
            report("refresh_token_algorithm_version", "must be 1 or 2".to_owned());
        }
        if self.refresh_token_upgrade_percentage > 100 {
            report("refresh_token_upgrade_percentage", "must be between 0 and 100".to_owned());
        }
        for (key, limit) in [
            ("anonymous_users_ttl", self.anonymous_users_ttl),
            ("sessions.timebox", self.sessions.timebox),
            ("sessions.inactivity_timeout", self.sessions.inactivity_timeout),
            ("sessions.allow_low_aal", self.sessions.allow_low_aal),
        ] {
            if limit.is_some_and(|limit| limit.0.is_zero()) {
                report(key, "must be longer than zero; leave it out to switch it off".to_owned());
            }
        }
        problems.extend(mail::check(self));
        problems.extend(self.email.validation.check());
        problems.extend(messages::check(&self.sms));
        problems.extend(messages::check_template("mfa.phone.template", &self.mfa.phone.template));
        problems.extend(external::check(&self.external));
        problems.extend(self.saml.check(&self.external_url));
        problems.extend(self.webauthn.check());
        problems.extend(self.web3.check());
        problems.extend(self.password_hibp.check());
        if self.email.autoconfirm() && self.email.allow_unverified_sign_ins {
            let text = "needs auth.email.enable_confirmations".to_owned();
            problems.push(Problem { key: "email.allow_unverified_sign_ins", text });
        }
        problems.extend(self.custom_oauth.check());
        problems.extend(self.oauth_server.check());
        problems.extend(self.db_encryption.check());
        problems.extend(self.hook.check());
        problems.extend(self.captcha.check());
        problems.extend(self.impersonation.check());
        problems.extend(self.lockout.check());
        problems
    }

    /// Sets of characters of which a password must hold one each.
    pub(crate) fn required_characters(&self) -> Vec<&str> {
        const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
        const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const DIGITS: &str = "0123456789";
        const SYMBOLS: &str = "!@#$%^&*()_+-=[]{};'\\:\"|<>?,./`~";
        if !self.password_required_characters.is_empty() {
            return self.password_required_characters.iter().map(String::as_str).collect();
        }
        match self.password_requirements {
            PasswordRequirements::None => Vec::new(),
            PasswordRequirements::LettersDigits => vec![LETTERS, DIGITS],
            PasswordRequirements::LowerUpperLettersDigits => vec![LOWER, UPPER, DIGITS],
            PasswordRequirements::LowerUpperLettersDigitsSymbols => vec![LOWER, UPPER, DIGITS, SYMBOLS],
        }
    }

    /// How long a sign-in may take that leaves this server and comes back.
    pub(crate) fn flow_state_expiry(&self) -> Span {
        Span(self.flow_state_expiry.0.clamp(Duration::from_secs(300), Duration::from_secs(86_400)))
    }

    /// The `iss` of access tokens; empty for none.
    pub(crate) fn issuer(&self) -> &str {
        if self.jwt_issuer.is_empty() { &self.external_url } else { &self.jwt_issuer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_used() {
        assert_eq!(Config::default().check(), Vec::new());
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"enable_singup":true}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"email":{"otp_lenght":6}}"#).is_err());
    }

    #[test]
    fn problems_name_their_setting() {
        let config = Config {
            site_url: "example".to_owned(),
            refresh_token_algorithm_version: 3,
            sessions: Sessions { timebox: Some(Span::secs(0)), ..Sessions::default() },
            ..Config::default()
        };
        let keys: Vec<_> = config.check().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["site_url", "refresh_token_algorithm_version", "sessions.timebox"]);
    }
}
