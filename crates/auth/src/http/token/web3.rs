//! A session for a message that a wallet signed.

use serde::Deserialize;

use super::super::call::Body;
use crate::error::Error;
use crate::service::Context;
use crate::session::Grant;
use crate::web3::{self, Presented};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    chain: String,
    message: String,
    signature: String,
}

pub(crate) async fn grant(ctx: &Context, body: &Body) -> Result<Grant, Error> {
    web3::check_enabled(ctx)?;
    let Request { chain, message, signature } = body.json()?;
    web3::grant(ctx, &Presented { chain, message, signature }).await
}
