//! `/factors`: a user's second factors. A session is raised by proving one.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer;
use super::call::{Body, Call};
use crate::error::Error;
use crate::factor::{self, Answer, Ceremony, FactorType, Member, Wish};
use crate::user::Factor;

/// The signed-in user, who is somebody and has a session to raise.
pub(super) async fn member(call: &Call) -> Result<Member, Error> {
    let signed_in = call.user().await?;
    if signed_in.user.is_anonymous {
        return Err(Error::AnonymousRefused);
    }
    let session = signed_in.session.ok_or(Error::SessionOfTokenMissing)?;
    Ok(Member { user: signed_in.user, session })
}

/// The factor that the path names, which is one of the user's own.
fn factor_of_path(member: &Member, id: &str) -> Result<Factor, Error> {
    let id = Uuid::try_parse(id).map_err(|_| Error::NotAnId("factor_id"))?;
    member.user.factors.iter().find(|factor| factor.id == id).cloned().ok_or(Error::FactorNotFound)
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Enrolment {
    factor_type: String,
    friendly_name: String,
    issuer: String,
    phone: String,
}

pub(crate) async fn enroll(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let member = member(&call).await?;
    let request: Enrolment = body.json()?;
    let wish = Wish {
        factor_type: FactorType::parse(&request.factor_type)?,
        friendly_name: &request.friendly_name,
        issuer: &request.issuer,
        phone: &request.phone,
    };
    let enrolled = factor::enroll(&call.ctx, &member, &wish).await?;
    let mut body = json!({
        "id": enrolled.id,
        "type": request.factor_type,
        "friendly_name": request.friendly_name,
    });
    if let Some(app) = enrolled.totp {
        body["totp"] = json!({ "qr_code": app.picture, "secret": app.secret, "uri": app.uri });
    }
    if wish.factor_type == FactorType::Phone {
        body["phone"] = Value::from(request.phone);
    }
    Ok(HttpResponse::Ok().json(body))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ChallengeRequest {
    channel: String,
}

pub(crate) async fn challenge(call: Call, id: Path<String>, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    let member = member(&call).await?;
    let factor = factor_of_path(&member, &id)?;
    ctx.settings.limits.factor_challenge.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let request: ChallengeRequest = if body.is_empty() { ChallengeRequest::default() } else { body.json()? };
    let asked = factor::challenge(ctx, &member, &factor, &request.channel).await?;
    let mut body = json!({
        "id": asked.id,
        "type": asked.factor_type.name(),
        "expires_at": asked.expires_at.timestamp(),
    });
    if let Some((kind, options)) = asked.ceremony {
        body["webauthn"] = json!({ "type": kind, "credential_options": options });
    }
    Ok(HttpResponse::Ok().json(body))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct VerifyRequest {
    challenge_id: Uuid,
    code: String,
    webauthn: Option<CeremonyRequest>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct CeremonyRequest {
    r#type: String,
    credential_response: Option<Value>,
}

pub(crate) async fn verify(call: Call, id: Path<String>, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    let member = member(&call).await?;
    let factor = factor_of_path(&member, &id)?;
    ctx.settings.limits.factor_verify.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let request: VerifyRequest = body.json()?;
    let answer = Answer {
        challenge_id: request.challenge_id,
        code: request.code,
        ceremony: request
            .webauthn
            .map(|ceremony| Ceremony { kind: ceremony.r#type, response: ceremony.credential_response }),
    };
    let grant = factor::verify(ctx, &member, &factor, &answer).await?;
    Ok(answer::session(&grant))
}

pub(crate) async fn unenroll(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    let member = member(&call).await?;
    let factor = factor_of_path(&member, &id)?;
    factor::unenroll(&call.ctx, &member, &factor).await?;
    Ok(HttpResponse::Ok().json(json!({ "id": factor.id })))
}
