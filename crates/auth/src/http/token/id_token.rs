//! A session for an ID token that the client got from a provider.

use serde::Deserialize;

use super::super::call::{Body, Call};
use crate::error::Error;
use crate::oauth::id_token::{self, Presented};
use crate::session::Grant;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    id_token: String,
    access_token: String,
    nonce: String,
    provider: String,
    client_id: String,
    issuer: String,
    link_identity: bool,
}

pub(crate) async fn grant(call: &Call, body: &Body) -> Result<Grant, Error> {
    let request: Request = body.json()?;
    let invalid = |description| Error::OAuth { error: "invalid request", description };
    if request.id_token.is_empty() {
        return Err(invalid("id_token required"));
    }
    if request.provider.is_empty() && (request.client_id.is_empty() || request.issuer.is_empty()) {
        return Err(invalid("provider or client_id and issuer required"));
    }
    let linking = match request.link_identity {
        false => None,
        true => match call.user().await {
            Err(Error::NoAuthorization) => {
                return Err(invalid("Linking requires a valid user access token in Authorization"));
            }
            signed_in => Some(signed_in?.user.id),
        },
    };
    let Request { id_token, access_token, nonce, provider, client_id, issuer, .. } = request;
    let presented = Presented { id_token, access_token, nonce, provider, client_id, issuer };
    id_token::grant(&call.ctx, &presented, linking).await
}
