//! `/passkeys`: registering them, signing in by them, and keeping them in order.

use actix_web::HttpResponse;
use actix_web::web::Path;
use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer;
use super::call::{Body, Call, SignedIn};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal, SecondFactor};
use crate::passkey::{self, Answer, Begun};
use crate::store::webauthn_credentials::{self, PasskeyRow};

type Response = Result<HttpResponse, Error>;

const LOADING: &str = "Database error loading passkeys";
const LONGEST_NAME: usize = 120;

fn check_enabled(call: &Call) -> Result<(), Error> {
    if call.ctx.config().passkey.enabled { Ok(()) } else { Err(Error::PasskeysDisabled) }
}

/// A passkey as its owner and administrators see it.
pub(crate) fn view(passkey: &PasskeyRow) -> Value {
    let mut view = json!({ "id": passkey.id, "created_at": passkey.created_at });
    if !passkey.friendly_name.is_empty() {
        view["friendly_name"] = Value::from(passkey.friendly_name.as_str());
    }
    if let Some(at) = passkey.last_used_at {
        view["last_used_at"] = Value::from(at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    }
    view
}

/// The id of a passkey in a path; what is none is no passkey's.
pub(crate) fn passkey_id(text: &str) -> Result<Uuid, SecondFactor> {
    Uuid::try_parse(text).map_err(|_| SecondFactor::PasskeyNotFound)
}

fn begun(begun: Begun) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "challenge_id": begun.challenge_id,
        "options": begun.options,
        "expires_at": begun.expires_at.timestamp(),
    }))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct AnswerRequest {
    challenge_id: String,
    credential: Option<Value>,
}

impl AnswerRequest {
    fn check(&self) -> Result<Answer<'_>, Error> {
        if self.challenge_id.is_empty() {
            return Err(Error::invalid("challenge_id is required"));
        }
        let credential = self.credential.as_ref().ok_or(Error::invalid("credential is required"))?;
        let challenge_id = Uuid::try_parse(&self.challenge_id)
            .map_err(|_| Error::invalid("challenge_id must be a valid UUID"))?;
        Ok(Answer { challenge_id, credential })
    }
}

/// Who may register a passkey.
async fn registrant(call: &Call) -> Result<SignedIn, Error> {
    check_enabled(call)?;
    let signed_in = call.user().await?;
    if signed_in.user.is_anonymous {
        return Err(Error::AnonymousRefused);
    }
    passkey::check_may_register(&signed_in.user, signed_in.session.as_ref())?;
    Ok(signed_in)
}

pub(crate) async fn registration_options(call: Call) -> Response {
    let signed_in = registrant(&call).await?;
    Ok(begun(passkey::begin_registration(&call.ctx, &signed_in.user).await?))
}

pub(crate) async fn registration_verify(call: Call, body: Body) -> Response {
    let signed_in = registrant(&call).await?;
    let request: AnswerRequest = body.json()?;
    let passkey = passkey::finish_registration(&call.ctx, &signed_in.user, &request.check()?).await?;
    Ok(HttpResponse::Ok().json(view(&passkey)))
}

pub(crate) async fn authentication_options(call: Call, body: Body) -> Response {
    check_enabled(&call)?;
    let ctx = &call.ctx;
    ctx.settings.limits.passkey.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    call.captcha(&body).await?;
    Ok(begun(passkey::begin_authentication(ctx).await?))
}

pub(crate) async fn authentication_verify(call: Call, body: Body) -> Response {
    check_enabled(&call)?;
    let ctx = &call.ctx;
    ctx.settings.limits.passkey_verify.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let request: AnswerRequest = body.json()?;
    let grant = passkey::finish_authentication(ctx, &request.check()?).await?;
    Ok(answer::session(&grant))
}

pub(crate) async fn list(call: Call) -> Response {
    check_enabled(&call)?;
    let signed_in = call.user().await?;
    let mut connection = call.ctx.service.pool.session().await.or_internal(LOADING)?;
    let passkeys =
        webauthn_credentials::list(&mut connection, signed_in.user.id).await.or_internal(LOADING)?;
    Ok(HttpResponse::Ok().json(passkeys.iter().map(view).collect::<Vec<_>>()))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Renaming {
    friendly_name: String,
}

pub(crate) async fn rename(call: Call, id: Path<String>, body: Body) -> Response {
    const UPDATING: &str = "Database error updating passkey";
    check_enabled(&call)?;
    let ctx = &call.ctx;
    let user = call.user().await?.user;
    let id = passkey_id(&id)?;
    let request: Renaming = body.json()?;
    if request.friendly_name.is_empty() {
        return Err(Error::invalid("friendly_name is required"));
    }
    if request.friendly_name.len() > LONGEST_NAME {
        return Err(Error::invalid("friendly_name must be 120 characters or less"));
    }
    let mut tx = ctx.service.pool.begin().await.or_internal(UPDATING)?;
    webauthn_credentials::rename(&mut tx, (id, user.id), &request.friendly_name, ctx.now)
        .await
        .or_internal(UPDATING)?;
    let passkey = webauthn_credentials::find(&mut tx, id, user.id).await.or_internal(UPDATING)?;
    let passkey = passkey.ok_or(SecondFactor::PasskeyNotFound)?;
    let traits = json!({ "passkey_id": id });
    audit::record(ctx, &mut tx, Actor::User(&user), Action::PasskeyUpdated, Some(traits)).await?;
    tx.commit().await.or_internal(UPDATING)?;
    Ok(HttpResponse::Ok().json(view(&passkey)))
}

pub(crate) async fn delete(call: Call, id: Path<String>) -> Response {
    const DELETING: &str = "Database error deleting passkey";
    check_enabled(&call)?;
    let ctx = &call.ctx;
    let SignedIn { user, session, .. } = call.user().await?;
    passkey::check_raised(&user, session.as_ref())?;
    let id = passkey_id(&id)?;
    let mut tx = ctx.service.pool.begin().await.or_internal(DELETING)?;
    if !webauthn_credentials::delete(&mut tx, id, user.id).await.or_internal(DELETING)? {
        return Err(SecondFactor::PasskeyNotFound.into());
    }
    let traits = json!({ "passkey_id": id });
    audit::record(ctx, &mut tx, Actor::User(&user), Action::PasskeyDeleted, Some(traits)).await?;
    tx.commit().await.or_internal(DELETING)?;
    Ok(HttpResponse::NoContent().finish())
}
