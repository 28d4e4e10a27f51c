//! The refresh grant.

use serde::Deserialize;

use super::super::call::Body;
use crate::error::Error;
use crate::service::Context;
use crate::session::{self, Grant};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    refresh_token: String,
}

pub(crate) async fn grant(ctx: &Context, body: &Body) -> Result<Grant, Error> {
    let request: Request = body.json()?;
    session::refresh(ctx, &request.refresh_token, None).await
}
