//! The mails there are.

use serde::{Deserialize, Serialize};

use crate::config::{Email, Template};

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Invite,
    Confirmation,
    Recovery,
    MagicLink,
    EmailChange,
    Reauthentication,
    PasswordChanged,
    EmailChanged,
    PhoneChanged,
    IdentityLinked,
    IdentityUnlinked,
    FactorEnrolled,
    FactorUnenrolled,
    NewDevice,
}

impl Kind {
    pub(crate) const ALL: [Self; 14] = [
        Self::Invite,
        Self::Confirmation,
        Self::Recovery,
        Self::MagicLink,
        Self::EmailChange,
        Self::Reauthentication,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::PhoneChanged,
        Self::IdentityLinked,
        Self::IdentityUnlinked,
        Self::FactorEnrolled,
        Self::FactorUnenrolled,
        Self::NewDevice,
    ];

    /// Upstream's name, which headers may carry as `$messageType`.
    pub(crate) fn message_type(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Confirmation => "confirmation",
            Self::Recovery => "recovery",
            Self::MagicLink => "magic_link",
            Self::EmailChange => "email_change",
            Self::Reauthentication => "reauthenticate",
            Self::PasswordChanged => "password_changed_notification",
            Self::EmailChanged => "email_changed_notification",
            Self::PhoneChanged => "phone_changed_notification",
            Self::IdentityLinked => "identity_linked_notification",
            Self::IdentityUnlinked => "identity_unlinked_notification",
            Self::FactorEnrolled => "mfa_factor_enrolled_notification",
            Self::FactorUnenrolled => "mfa_factor_unenrolled_notification",
            Self::NewDevice => "new_device_notification",
        }
    }

    /// The section of its text, below `auth`.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Invite => "email.template.invite",
            Self::Confirmation => "email.template.confirmation",
            Self::Recovery => "email.template.recovery",
            Self::MagicLink => "email.template.magic_link",
            Self::EmailChange => "email.template.email_change",
            Self::Reauthentication => "email.template.reauthentication",
            Self::PasswordChanged => "email.notification.password_changed",
            Self::EmailChanged => "email.notification.email_changed",
            Self::PhoneChanged => "email.notification.phone_changed",
            Self::IdentityLinked => "email.notification.identity_linked",
            Self::IdentityUnlinked => "email.notification.identity_unlinked",
            Self::FactorEnrolled => "email.notification.mfa_factor_enrolled",
            Self::FactorUnenrolled => "email.notification.mfa_factor_unenrolled",
            Self::NewDevice => "email.notification.new_device",
        }
    }

    /// What people call it: the last word of its section.
    pub(crate) fn name(self) -> &'static str {
        self.section().rsplit('.').next().unwrap_or_default()
    }

    /// The mail that people call so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its text as configured.
    pub(crate) fn template(self, email: &Email) -> Template {
        match self {
            Self::Invite => email.template.invite.clone(),
            Self::Confirmation => email.template.confirmation.clone(),
            Self::Recovery => email.template.recovery.clone(),
            Self::MagicLink => email.template.magic_link.clone(),
            Self::EmailChange => email.template.email_change.clone(),
            Self::Reauthentication => email.template.reauthentication.clone(),
            Self::PasswordChanged => email.notification.password_changed.template(),
            Self::EmailChanged => email.notification.email_changed.template(),
            Self::PhoneChanged => email.notification.phone_changed.template(),
            Self::IdentityLinked => email.notification.identity_linked.template(),
            Self::IdentityUnlinked => email.notification.identity_unlinked.template(),
            Self::FactorEnrolled => email.notification.mfa_factor_enrolled.template(),
            Self::FactorUnenrolled => email.notification.mfa_factor_unenrolled.template(),
            Self::NewDevice => email.notification.new_device.template(),
        }
    }

    /// Whether it is sent at all: notifications have to be switched on.
    pub(crate) fn is_enabled(self, email: &Email) -> bool {
        let notification = &email.notification;
        match self {
            Self::PasswordChanged => notification.password_changed.enabled,
            Self::EmailChanged => notification.email_changed.enabled,
            Self::PhoneChanged => notification.phone_changed.enabled,
            Self::IdentityLinked => notification.identity_linked.enabled,
            Self::IdentityUnlinked => notification.identity_unlinked.enabled,
            Self::FactorEnrolled => notification.mfa_factor_enrolled.enabled,
            Self::FactorUnenrolled => notification.mfa_factor_unenrolled.enabled,
            Self::NewDevice => notification.new_device.enabled,
            _ => true,
        }
    }
}
