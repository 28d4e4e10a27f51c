//! Second factors: set up, asked for, proved, removed.
//!
//! A factor is made unproved by [`enroll`]; a [`challenge`] that is answered rightly ([`verify`])
//! proves it and raises the session that answered to `aal2`, with fresh tokens. Every other session
//! of the account that was not raised ends then, so that who came in by the password alone is out.
//!
//! [`recovery`] codes stand in for a factor that is lost.
//!
//! Beyond upstream: the code of an app is good once; a challenge takes five wrong answers, and a
//! factor thirty an hour, from wherever they come; a security key proves its own factor only.

mod challenge;
mod enroll;
pub(crate) mod recovery;
mod unenroll;
mod verify;

pub(crate) use challenge::challenge;
pub(crate) use enroll::{Wish, enroll};
pub(crate) use unenroll::unenroll;
pub(crate) use verify::{Answer, Ceremony, verify};

use serde_json::Value;
use uuid::Uuid;

use crate::config::Mfa;
use crate::error::{Code, Error, OrInternal, SecondFactor};
use crate::store::mfa_factors;
use crate::store::sessions::SessionRow;
use crate::user::User;
use crate::webauthn::{Credential, RelyingParty};

/// A signed-in user whose session can be raised.
pub(crate) struct Member {
    pub(crate) user: User,
    pub(crate) session: SessionRow,
}

impl Member {
    fn is_raised(&self) -> bool {
        self.session.aal() == "aal2"
    }
}

/// The kinds of factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FactorType {
    Totp,
    Phone,
    WebAuthn,
}

impl FactorType {
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        match name {
            "totp" => Ok(Self::Totp),
            "phone" => Ok(Self::Phone),
            "webauthn" => Ok(Self::WebAuthn),
            _ => Err(Error::invalid("factor_type needs to be totp, phone, or webauthn")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Phone => "phone",
            Self::WebAuthn => "webauthn",
        }
    }

    /// How a session says that it was raised by a factor of this kind.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Phone => "mfa/phone",
            Self::WebAuthn => "mfa/webauthn",
        }
    }

    fn check_enroll_enabled(self, config: &Mfa) -> Result<(), Error> {
        let (enabled, code, text) = match self {
            Self::Totp => {
                (config.totp.enroll_enabled, Code::MfaTotpEnrollNotEnabled, "MFA enroll is disabled for TOTP")
            }
            Self::Phone => (
                config.phone.enroll_enabled,
                Code::MfaPhoneEnrollNotEnabled,
                "MFA enroll is disabled for Phone",
            ),
            Self::WebAuthn => (
                config.web_authn.enroll_enabled,
                Code::MfaWebauthnEnrollNotEnabled,
                "MFA enroll is disabled for WebAuthn",
            ),
        };
        if enabled { Ok(()) } else { Err(Error::MfaDisabled { code, text }) }
    }

    fn check_verify_enabled(self, config: &Mfa) -> Result<(), Error> {
        let (enabled, code, text) = match self {
            Self::Totp => (
                config.totp.verify_enabled,
                Code::MfaTotpVerifyNotEnabled,
                "MFA verification is disabled for TOTP",
            ),
            Self::Phone => (
                config.phone.verify_enabled,
                Code::MfaPhoneVerifyNotEnabled,
                "MFA verification is disabled for Phone",
            ),
            Self::WebAuthn => (
                config.web_authn.verify_enabled,
                Code::MfaWebauthnVerifyNotEnabled,
                "MFA verification is disabled for WebAuthn",
            ),
        };
        if enabled { Ok(()) } else { Err(Error::MfaDisabled { code, text }) }
    }
}

/// Upstream registers them; here they cannot be checked.
const UNSUPPORTED: SecondFactor =
    SecondFactor::CeremonyFailed("Security keys of EdDSA are not supported: enroll another");

/// What a failure of the database may say.
const FAILED: &str = "Database error processing factor";

fn relying_party(config: &crate::Config) -> Result<RelyingParty, Error> {
    RelyingParty::new(config).or_internal("Failed to initialize WebAuthn")
}

/// The credentials of the account's proved security keys, with the factors they belong to.
async fn credentials(tx: &mut db::Session, user_id: Uuid) -> Result<Vec<(Uuid, Credential)>, Error> {
    let stored: Vec<(Uuid, Value)> = mfa_factors::credentials(tx, user_id).await.or_internal(FAILED)?;
    let read = |(id, stored): &(Uuid, Value)| Some((*id, Credential::from_stored(stored)?));
    Ok(stored.iter().filter_map(read).collect())
}
