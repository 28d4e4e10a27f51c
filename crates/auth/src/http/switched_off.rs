//! Endpoints of parts that this version does not have: they answer as upstream does when the part
//! is switched off, after the same checks of the caller.

use actix_web::HttpResponse;

use super::call::Call;
use crate::error::Error;

type Answer = Result<HttpResponse, Error>;

pub(crate) async fn scim() -> Answer {
    Err(Error::FeatureDisabled("SCIM server is disabled"))
}

pub(crate) async fn saml() -> Answer {
    Err(Error::SamlDisabled)
}

pub(crate) async fn admin_saml(call: Call) -> Answer {
    call.admin().await?;
    saml().await
}
