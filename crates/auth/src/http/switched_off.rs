//! Endpoints of parts that this version does not have: they answer as upstream does when the part
//! is switched off, after the same checks of the caller.

use actix_web::HttpResponse;
use serde::Deserialize;
use uuid::Uuid;

use super::call::{Body, Call};
use crate::error::Error;

type Answer = Result<HttpResponse, Error>;

pub(crate) async fn oauth_server() -> Answer {
    Err(Error::FeatureDisabled("OAuth server is disabled"))
}

pub(crate) async fn scim() -> Answer {
    Err(Error::FeatureDisabled("SCIM server is disabled"))
}

pub(crate) async fn saml() -> Answer {
    Err(Error::SamlDisabled)
}

pub(crate) async fn passkeys() -> Answer {
    Err(Error::PasskeysDisabled)
}

pub(crate) async fn admin_passkeys(call: Call) -> Answer {
    call.admin().await?;
    passkeys().await
}

pub(crate) async fn admin_saml(call: Call) -> Answer {
    call.admin().await?;
    saml().await
}

pub(crate) async fn admin_oauth_server(call: Call) -> Answer {
    call.admin().await?;
    oauth_server().await
}

pub(crate) async fn admin_custom_providers(call: Call) -> Answer {
    call.admin().await?;
    Err(Error::FeatureDisabled("Custom OAuth providers are disabled"))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Enrolment {
    factor_type: String,
}

pub(crate) async fn enroll(call: Call, body: Body) -> Answer {
    let signed_in = call.user().await?;
    if signed_in.user.is_anonymous {
        return Err(Error::AnonymousRefused);
    }
    let (code, text) = match body.json::<Enrolment>()?.factor_type.as_str() {
        "totp" => ("mfa_totp_enroll_not_enabled", "MFA enroll is disabled for TOTP"),
        "phone" => ("mfa_phone_enroll_not_enabled", "MFA enroll is disabled for Phone"),
        "webauthn" => ("mfa_webauthn_enroll_not_enabled", "MFA enroll is disabled for WebAuthn"),
        _ => return Err(Error::invalid("factor_type needs to be totp, phone, or webauthn")),
    };
    Err(Error::MfaDisabled { code, text })
}

/// No factor can be used; that of another user cannot even be seen.
pub(crate) async fn factor(call: Call, path: actix_web::HttpRequest) -> Answer {
    let signed_in = call.user().await?;
    if signed_in.user.is_anonymous {
        return Err(Error::AnonymousRefused);
    }
    let id = path.match_info().get("factor_id").unwrap_or_default();
    let id = Uuid::try_parse(id).map_err(|_| Error::NotAnId("factor_id"))?;
    let factor = signed_in.user.factors.iter().find(|factor| factor.id == id).ok_or(Error::FactorNotFound)?;
    let (code, text) = match factor.factor_type.as_str() {
        "totp" => ("mfa_totp_verify_not_enabled", "MFA verification is disabled for TOTP"),
        "phone" => ("mfa_phone_verify_not_enabled", "MFA verification is disabled for Phone"),
        _ => ("mfa_webauthn_verify_not_enabled", "MFA verification is disabled for WebAuthn"),
    };
    Err(Error::MfaDisabled { code, text })
}
