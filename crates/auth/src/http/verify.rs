//! `/verify`: links are followed by GET and end in a redirect, codes are posted.

use actix_web::HttpResponse;
use kernel::ApiError;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::call::{Body, Call};
use crate::error::Error;
use crate::otp::PKCE_PREFIX;
use crate::verify::{self, HALF_CONFIRMED, Proof, Purpose, Verified};

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    ctx.settings.limits.verify.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let (token, kind) = (call.param("token"), call.param("type"));
    if kind.is_empty() {
        return Err(Error::invalid("Verify requires a verification type"));
    }
    if token.is_empty() || token.contains('\0') {
        return Err(Error::invalid("Verify requires a token or a token hash"));
    }
    let exchange = token.starts_with(PKCE_PREFIX);
    let verified = match Purpose::parse(kind) {
        Some(purpose) => verify::verify(ctx, purpose, &Proof::Hash(token.to_owned()), exchange).await,
        None => Err(Error::invalid("Invalid email verification type")),
    };
    let target = &ctx.redirect_to;
    Ok(match verified {
        Ok(Verified::In(grant)) => answer::redirect(target, &[], &answer::session_fragment(&grant, kind)),
        Ok(Verified::Code(code)) => answer::redirect(target, &[("code", code)], &[]),
        Ok(Verified::HalfConfirmed) => {
            let message = ("message", HALF_CONFIRMED.to_owned());
            let query = if exchange { vec![message.clone()] } else { Vec::new() };
            answer::redirect(target, &query, &[message, ("sb", String::new())])
        }
        Err(error @ Error::Internal { .. }) => return Err(error),
        Err(error) => refused(target, &error, exchange),
    })
}

/// The error travels with the browser: in the fragment, and for PKCE also in the query.
fn refused(target: &str, error: &Error, exchange: bool) -> HttpResponse {
    let mut pairs =
        vec![("error_code", error.code().to_owned()), ("error_description", error.public().into_owned())];
    let kind = match error.status() {
        400 => Some("invalid_request"),
        401 => Some("unauthorized_client"),
        403 => Some("access_denied"),
        503 => Some("temporarily_unavailable"),
        _ => None,
    };
    pairs.extend(kind.map(|kind| ("error", kind.to_owned())));
    let query = if exchange { pairs.clone() } else { Vec::new() };
    pairs.push(("sb", String::new()));
    answer::redirect(target, &query, &pairs)
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    #[serde(rename = "type")]
    kind: String,
    token: String,
    token_hash: String,
    email: String,
    phone: String,
    redirect_to: String,
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    ctx.settings.limits.verify.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let request: Request = body.json()?;
    let kind = request.kind.clone();
    if kind.is_empty() {
        return Err(Error::invalid("Verify requires a verification type"));
    }
    let proof = request.proof()?;
    let purpose = Purpose::parse(&kind).ok_or_else(|| Error::invalid("Unsupported verification type"))?;
    match verify::verify(ctx, purpose, &proof, false).await? {
        Verified::In(grant) => Ok(answer::session(&grant)),
        Verified::HalfConfirmed => {
            Ok(HttpResponse::Ok().json(json!({ "msg": HALF_CONFIRMED, "code": "200" })))
        }
        Verified::Code(code) => Ok(HttpResponse::Ok().json(json!({ "auth_code": code }))),
    }
}

impl Request {
    fn proof(self) -> Result<Proof, Error> {
        match (self.token.is_empty(), self.token_hash.is_empty()) {
            (true, true) | (false, false) => {
                Err(Error::invalid("Verify requires either a token or a token hash"))
            }
            (true, false)
                if self.email.is_empty() && self.phone.is_empty() && self.redirect_to.is_empty() =>
            {
                Ok(Proof::Hash(self.token_hash))
            }
            (true, false) => Err(Error::invalid("Only the token_hash and type should be provided")),
            (false, true) => match (self.email.is_empty(), self.phone.is_empty()) {
                (false, true) => Proof::email_code(&self.email, self.token),
                (true, false) => Proof::phone_code(&self.phone, self.token),
                _ => {
                    Err(Error::invalid("Only an email address or phone number should be provided on verify"))
                }
            },
        }
    }
}
