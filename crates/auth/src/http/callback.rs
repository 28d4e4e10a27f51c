//! `/callback`: the browser comes back from another provider, by a link or, from Apple, by a form.
//!
//! Whatever happens ends in a redirect. Where the sign-in is not known, neither is the application
//! that began it, and the site itself is told.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use kernel::ApiError;

use super::answer;
use super::call::{Body, Call};
use crate::error::{Error, External};
use crate::oauth::finish::{self, Finished};
use crate::service::Context;

pub(crate) async fn get(call: Call) -> HttpResponse {
    complete(&call.ctx, &call.query).await
}

pub(crate) async fn post(call: Call, body: Body) -> HttpResponse {
    complete(&call.ctx, &body.form()).await
}

async fn complete(ctx: &Context, params: &HashMap<String, String>) -> HttpResponse {
    let state = params.get("state").map(String::as_str).unwrap_or_default();
    let sign_in = match finish::sign_in_of(ctx, state).await {
        Ok(sign_in) => sign_in,
        Err(error) => {
            log(&error);
            return answer::redirect(&ctx.config().site_url, &described(&error), &[]);
        }
    };
    let target = [&ctx.config().external_redirect_url, &sign_in.referrer, &ctx.config().site_url];
    let target = target.into_iter().find(|url| !url.is_empty()).cloned().unwrap_or_default();
    let ctx = Context { redirect_to: target.clone(), ..ctx.clone() };
    match finish::finish(&ctx, &sign_in, params).await {
        Ok(Finished::Code(code)) => found(answer::redirect(&target, &[("code", code)], &[])),
        Ok(Finished::In(grant)) => {
            let mut fragment = answer::session_fragment(&grant, "");
            fragment.retain(|(key, _)| *key != "type");
            fragment.push(("provider_token", grant.provider_token.clone().unwrap_or_default()));
            fragment
                .extend(grant.provider_refresh_token.clone().map(|token| ("provider_refresh_token", token)));
            found(answer::redirect(&target, &[], &fragment))
        }
        Err(error) => {
            log(&error);
            let query = described(&error);
            let mut fragment: Vec<_> = query.iter().filter(|(_, text)| !text.is_empty()).cloned().collect();
            fragment.push(("sb", String::new()));
            found(answer::redirect(&target, &query, &fragment))
        }
    }
}

/// Upstream redirects with 302 here and with 303 elsewhere.
fn found(mut response: HttpResponse) -> HttpResponse {
    *response.status_mut() = StatusCode::FOUND;
    response
}

/// The error as parameters: OAuth's name for it, ours, and a text.
pub(super) fn described(error: &Error) -> Vec<(&'static str, String)> {
    if let Some((error, description)) = error.standard() {
        return vec![("error", error.to_owned()), ("error_description", description.into_owned())];
    }
    let kind = match (error.code(), error.status()) {
        ("signup_disabled" | "user_banned" | "provider_email_needs_verification", _) => "access_denied",
        (_, 400) => "invalid_request",
        (_, 401) => "unauthorized_client",
        (_, 403) => "access_denied",
        (_, 503) => "temporarily_unavailable",
        _ => "server_error",
    };
    vec![
        ("error", kind.to_owned()),
        ("error_code", error.code().to_owned()),
        ("error_description", error.public().into_owned()),
    ]
}

/// The browser carries no cause; it is known only here.
fn log(error: &Error) {
    match error {
        Error::Internal { text, source: Some(cause) } => tracing::error!(%cause, "{text}"),
        Error::External(External::Exchange { source, .. }) => {
            tracing::error!(cause = %source, "a provider's code could not be exchanged");
        }
        error => tracing::info!(%error, "a sign-in by another provider failed"),
    }
}
