//! `[auth.email]`: accounts with an e-mail address, and the mail that goes to them.

use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Accounts with an e-mail address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Email {
    /// Whether accounts can be created and entered by address.
    pub enable_signup: bool,
    /// Whether one can sign in by a mailed link or code.
    pub enable_magic_link: bool,
    /// Whether an address must be confirmed before the first sign-in. Without it anyone can claim
    /// any address; with it, mail must be set up.
    pub enable_confirmations: bool,
    /// Whether a change of address must be confirmed from the old one too.
    pub double_confirm_changes: bool,
    /// Whether a password change needs a mailed code when the session is older than a day.
    pub secure_password_change: bool,
    /// Whether a password change needs the current password.
    pub require_current_password: bool,
    /// The least time between two mails of one kind to one user.
    pub max_frequency: Span,
    /// Digits of a code, 6 to 10.
    pub otp_length: u8,
    /// How long a link or code is good for.
    pub otp_expiry: Span,
    /// If not empty, the only addresses that mail is sent to.
    pub authorized_addresses: Vec<String>,
    /// Paths of the links in mails, below the external URL.
    pub url_paths: UrlPaths,
}

/// Paths of the links in mails, resolved against the external URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UrlPaths {
    /// Of invitations.
    pub invite: String,
    /// Of address confirmations.
    pub confirmation: String,
    /// Of password recoveries and magic links.
    pub recovery: String,
    /// Of address changes.
    pub email_change: String,
}

impl Default for Email {
    fn default() -> Self {
        Self {
            enable_signup: true,
            enable_magic_link: true,
            enable_confirmations: true,
            double_confirm_changes: true,
            secure_password_change: false,
            require_current_password: false,
            max_frequency: Span::secs(60),
            otp_length: 6,
            otp_expiry: Span::secs(3600),
            authorized_addresses: Vec::new(),
            url_paths: UrlPaths::default(),
        }
    }
}

/// Where links lead unless told otherwise.
pub(crate) const DEFAULT_PATH: &str = "/verify";

impl Default for UrlPaths {
    fn default() -> Self {
        let verify = || DEFAULT_PATH.to_owned();
        Self { invite: verify(), confirmation: verify(), recovery: verify(), email_change: verify() }
    }
}

impl Email {
    /// New addresses count as confirmed.
    pub(crate) fn autoconfirm(&self) -> bool {
        !self.enable_confirmations
    }
}
