//! Endpoints of parts that this version does not have: they answer as upstream does when the part
//! is switched off.

use actix_web::HttpResponse;

use crate::error::Error;

pub(crate) async fn scim() -> Result<HttpResponse, Error> {
    Err(Error::FeatureDisabled("SCIM server is disabled"))
}
