//! Reading what the edge attached to a request.

use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};

use crate::{Credential, Identity, RequestId, TokenError};

/// The caller of this request.
///
/// # Errors
///
/// Why the caller's token was refused; also if the edge attached nothing, which is the same as
/// nobody being allowed.
pub fn caller(request: &HttpRequest) -> Result<Arc<Identity>, TokenError> {
    match request.extensions().get::<Credential>() {
        Some(Credential::Verified(identity)) => Ok(Arc::clone(identity)),
        Some(Credential::Refused(error)) => Err(error.clone()),
        None => Err(TokenError::NoRole),
    }
}

/// The id of this request, as the access log has it.
#[must_use]
pub fn request_id(request: &HttpRequest) -> Option<RequestId> {
    request.extensions().get::<RequestId>().copied()
}

/// The address of the client as the edge resolved it through trusted proxies.
#[must_use]
pub fn client_address(request: &HttpRequest) -> Option<std::net::IpAddr> {
    request.extensions().get::<ClientAddress>().map(|address| address.0)
}

/// The client's address, attached by the edge.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub std::net::IpAddr);
