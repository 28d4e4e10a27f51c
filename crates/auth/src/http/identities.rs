//! `/user/identities/…`: attaching and detaching other providers' accounts. Switched off.

use actix_web::HttpResponse;

use super::call::Call;
use crate::error::Error;

pub(crate) async fn authorize(call: Call) -> Result<HttpResponse, Error> {
    call.user().await?;
    Err(Error::ManualLinkingDisabled)
}

pub(crate) async fn delete(call: Call) -> Result<HttpResponse, Error> {
    call.user().await?;
    Err(Error::ManualLinkingDisabled)
}
