//! `/sso/saml/…`: what identity providers ask for, and where they send people back to.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};

use super::answer;
use super::call::{Body, Call};
use super::callback::described;
use crate::error::{Error, Saml};
use crate::oauth::finish::Finished;
use crate::saml::finish::{Message, finish};
use crate::saml::metadata;

pub(crate) async fn metadata(call: Call) -> Result<HttpResponse, Error> {
    let party = call.ctx.settings.party.as_ref().ok_or(Error::SamlDisabled)?;
    let download = call.param("download") == "true";
    // While another key is announced, identity providers are to hear of it soon.
    let age = if party.next.is_some() { 60 } else { 600 };
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "application/xml"));
    response.insert_header((CACHE_CONTROL, format!("public, max-age={age}")));
    if download {
        response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"metadata.xml\""));
    }
    Ok(response.body(metadata::document(party, download, call.ctx.now)))
}

/// Whatever happens ends in a redirect; what fails, on the site itself.
pub(crate) async fn consume(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let ctx = &call.ctx;
    if ctx.settings.party.is_none() {
        return Err(Error::SamlDisabled);
    }
    ctx.settings.limits.saml.take(ctx.client(), ctx.now).map_err(Error::TooManyRequests)?;
    let form = body.form();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let message = Message {
        response: field("SAMLResponse"),
        relay_state: field("RelayState"),
        is_artifact: !field("SAMLart").is_empty(),
    };
    let (target, finished) = match finish(ctx, &message).await {
        Ok(finished) => finished,
        Err(error) => {
            log(&error);
            return Ok(answer::redirect(&ctx.config().site_url, &described(&error), &[]));
        }
    };
    let mut response = match finished {
        Finished::Code(code) => answer::redirect(&target, &[("code", code)], &[]),
        Finished::In(grant) => {
            let mut fragment = answer::session_fragment(&grant, "");
            fragment.retain(|(key, _)| *key != "type");
            answer::redirect(&target, &[], &fragment)
        }
    };
    // Upstream redirects with 302 here and with 303 where something failed.
    *response.status_mut() = StatusCode::FOUND;
    Ok(response)
}

/// The browser carries no cause; it is known only here.
fn log(error: &Error) {
    match error {
        Error::Internal { text, source: Some(cause) } => tracing::error!(%cause, "{text}"),
        Error::Saml(Saml::Invalid(cause)) => tracing::info!(%cause, "a SAML assertion was refused"),
        error => tracing::info!(%error, "a single sign-on failed"),
    }
}
