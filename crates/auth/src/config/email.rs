//! `[auth.email]`: accounts with an e-mail address, and the mail that goes to them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kernel::Secret;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EmailValidation;

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
    /// Checks of an address before mail goes to it.
    pub validation: EmailValidation,
    /// Other hosts by which this API is reached: a link in a mail names the one that the request came by
    /// (`X-Forwarded-Host`, else `Host`), if it is one of these.
    pub external_hosts: Vec<String>,
    /// Let people sign in by other providers before they confirm an address that the provider does not
    /// vouch for.
    pub allow_unverified_sign_ins: bool,
    /// Paths of the links in mails, below the external URL.
    pub url_paths: UrlPaths,
    /// Keep mails in a mailbox in memory instead of sending them, to be looked at under
    /// `/_basalt/mail`; messages to phones too, if no provider is set up. For development only.
    pub mailbox: bool,
    /// The mail server. Without one, mails are dropped.
    pub smtp: Smtp,
    /// The texts of mails with links and codes.
    pub template: Templates,
    /// Mails that tell of a change of the account. All are off unless switched on.
    pub notification: Notifications,
}

/// The mail server that sends our mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// Whether the server is used, if one is named.
    pub enabled: bool,
    /// Its name. Empty: there is none.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The name to log in by. Empty: no log-in.
    pub user: String,
    /// The password to log in by.
    #[schemars(extend("format" = "password"))]
    pub pass: Secret,
    /// The address that mails come from.
    pub admin_email: String,
    /// The name that mails come from.
    pub sender_name: String,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// File with the certificates (PEM) of the authority that vouches for the server. Empty: those that
    /// the system trusts.
    pub ca_file: PathBuf,
    /// Further headers of every mail, each with its values. `$messageType` stands for the kind of the
    /// mail.
    pub headers: BTreeMap<String, Vec<String>>,
    /// How long sending one mail may take.
    pub timeout: Span,
}

/// How the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// From the start on port 465; else by STARTTLS, without which no password is sent to another
    /// machine.
    #[default]
    Auto,
    /// From the start.
    Implicit,
    /// By STARTTLS, or not at all.
    Starttls,
    /// Never: for a server on this machine or in a network of your own.
    None,
}

/// The texts of mails with links and codes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Templates {
    /// An invitation.
    pub invite: Template,
    /// The confirmation of a new account's address.
    pub confirmation: Template,
    /// A way to a new password.
    pub recovery: Template,
    /// A link to sign in by.
    pub magic_link: Template,
    /// The confirmation of a change of address.
    pub email_change: Template,
    /// A code that a change of password asks for.
    pub reauthentication: Template,
}

/// The text of a mail, in the language of Go's templates. At most one source of the body may be named;
/// without one, the body is ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    /// The subject. Empty: ours.
    pub subject: String,
    /// File with the body, in HTML.
    pub content_path: PathBuf,
    /// The body itself, in HTML.
    pub content: String,
    /// Where the body is fetched, again every ten minutes: a URL, or a path below `auth.site_url`. While
    /// it cannot be had, the last one is used, or ours.
    pub content_url: String,
}

/// Mails that tell of a change of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notifications {
    /// The password was changed.
    pub password_changed: Notification,
    /// The address was changed; goes to the old one.
    pub email_changed: Notification,
    /// The phone number was changed.
    pub phone_changed: Notification,
    /// A way to sign in was added.
    pub identity_linked: Notification,
    /// A way to sign in was removed.
    pub identity_unlinked: Notification,
    /// A second factor was added.
    pub mfa_factor_enrolled: Notification,
    /// A second factor was removed.
    pub mfa_factor_unenrolled: Notification,
    /// Somebody signed in from a browser or a network from which the account was not entered in the last
    /// half year.
    pub new_device: Notification,
}

/// A mail that tells of a change, and its text as in `auth.email.template`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notification {
    /// Whether it is sent.
    pub enabled: bool,
    /// The subject. Empty: ours.
    pub subject: String,
    /// File with the body, in HTML.
    pub content_path: PathBuf,
    /// The body itself, in HTML.
    pub content: String,
    /// Where the body is fetched, as in `auth.email.template`.
    pub content_url: String,
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
            validation: EmailValidation::default(),
            external_hosts: Vec::new(),
            allow_unverified_sign_ins: false,
            url_paths: UrlPaths::default(),
            mailbox: false,
            smtp: Smtp::default(),
            template: Templates::default(),
            notification: Notifications::default(),
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            enabled: true,
            host: String::new(),
            port: 587,
            user: String::new(),
            pass: Secret::default(),
            admin_email: String::new(),
            sender_name: String::new(),
            tls: SmtpTls::Auto,
            ca_file: PathBuf::new(),
            headers: BTreeMap::new(),
            timeout: Span::secs(20),
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

    /// Mail goes anywhere at all.
    pub(crate) fn is_sent(&self) -> bool {
        self.mailbox || self.smtp.is_used()
    }
}

impl Smtp {
    /// A server is named and not switched off.
    pub(crate) fn is_used(&self) -> bool {
        self.enabled && !self.host.is_empty()
    }
}

impl Notification {
    /// Its text.
    pub(crate) fn template(&self) -> Template {
        Template {
            subject: self.subject.clone(),
            content_path: self.content_path.clone(),
            content: self.content.clone(),
            content_url: self.content_url.clone(),
        }
    }
}
