//! The exchange of a code for a session.

use serde::Deserialize;

use super::super::call::Body;
use crate::error::Error;
use crate::service::Context;
use crate::session::Grant;
use crate::verify;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    auth_code: String,
    code_verifier: String,
}

pub(crate) async fn grant(ctx: &Context, body: &Body) -> Result<Grant, Error> {
    let request: Request = body.json()?;
    verify::exchange(ctx, &request.auth_code, &request.code_verifier).await
}
