//! An application asks for access: someone's browser brings its wishes, and is sent on to the page
//! of the site that asks for consent.
//!
//! Who the application is and where it may be answered is checked first. Until both are known the
//! browser is sent nowhere; from then on the application itself hears what is wrong.

use url::{ParseError, Url};
use uuid::Uuid;

use super::{Scopes, with_params};
use crate::access_token::delta;
use crate::error::{Error, OAuthServer, OrInternal};
use crate::service::Context;
use crate::store::oauth_authorizations::{self, NewAuthorization};
use crate::store::oauth_clients;

/// What an application asks for. What it did not say is empty.
pub(crate) struct Request<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) response_type: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) state: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) code_challenge: &'a str,
    pub(crate) code_challenge_method: &'a str,
    pub(crate) nonce: &'a str,
}

/// Notes the request; returns where the browser goes: to the page of the site, or back with an error.
pub(crate) async fn begin(ctx: &Context, request: &Request<'_>) -> Result<String, Error> {
    let client_id = known(ctx, request).await?;
    let back = |error, description: &str| {
        let state = Some(("state", request.state)).filter(|(_, state)| !state.is_empty());
        let params: Vec<_> =
            [("error", error), ("error_description", description)].into_iter().chain(state).collect();
        with_params(request.redirect_uri, &params)
    };
    let config = &ctx.config().oauth_server;
    let wishes = match request.check(&config.default_scope) {
        Ok(wishes) => wishes,
        Err(description) => return Ok(back("invalid_request", &description)),
    };
    // The page knows the request by it; nobody guesses it.
    let id = Uuid::new_v4().simple().to_string();
    let new = NewAuthorization {
        authorization_id: &id,
        client_id,
        redirect_uri: request.redirect_uri,
        scope: &wishes.scopes.to_string(),
        state: request.state,
        resource: request.resource,
        challenge: request.code_challenge,
        challenge_method: wishes.challenge_method,
        nonce: request.nonce,
        expires_at: ctx.now + delta(config.authorization_ttl),
    };
    if let Err(error) = insert(ctx, &new).await {
        tracing::warn!(%error, %client_id, "a request of an application for access could not be kept");
        return Ok(back("server_error", "error creating authorization"));
    }
    if config.authorization_url_path.is_empty() {
        return Ok(back("server_error", "oauth authorization path not configured"));
    }
    let site = ctx.config().site_url.trim_end_matches('/');
    let path = config.authorization_url_path.trim_start_matches('/');
    Ok(format!("{site}/{path}?authorization_id={id}"))
}

/// The application, if there is one that may be answered where it wants to be.
async fn known(ctx: &Context, request: &Request<'_>) -> Result<Uuid, Error> {
    const FINDING: &str = "error validating client";
    if request.client_id.is_empty() {
        return Err(Error::invalid("client_id is required"));
    }
    if request.redirect_uri.is_empty() {
        return Err(Error::invalid("redirect_uri is required"));
    }
    let id = Uuid::try_parse(request.client_id);
    let id = id.map_err(|_| OAuthServer::UnknownClient("invalid client_id format"))?;
    let mut session = ctx.service.pool.session().await.or_internal(FINDING)?;
    let client = oauth_clients::find(&mut session, id).await.or_internal(FINDING)?;
    let client = client.ok_or(OAuthServer::UnknownClient("invalid client_id"))?;
    match client.may_be_answered_at(request.redirect_uri) {
        true => Ok(client.id),
        false => Err(Error::invalid("invalid redirect_uri")),
    }
}

async fn insert(ctx: &Context, new: &NewAuthorization<'_>) -> Result<(), db::Error> {
    let mut session = ctx.service.pool.session().await?;
    oauth_authorizations::insert(&mut session, new, ctx.now).await
}

/// What of a request was written in more than one way.
struct Wishes {
    scopes: Scopes,
    challenge_method: &'static str,
}

impl Request<'_> {
    /// Reads the wishes, or says what is wrong with them.
    fn check(&self, default_scope: &str) -> Result<Wishes, String> {
        if !matches!(self.response_type, "" | "code") {
            return Err("only response_type=code is supported".to_owned());
        }
        let scope = if self.scope.is_empty() { default_scope } else { self.scope };
        let scopes = Scopes::parse(scope).map_err(|unknown| format!("unsupported scope: {unknown}"))?;
        if scopes.is_empty() {
            return Err("scope parameter cannot be empty".to_owned());
        }
        check_resource(self.resource)?;
        Ok(Wishes { scopes, challenge_method: self.challenge_method()? })
    }

    /// PKCE is demanded of everyone.
    fn challenge_method(&self) -> Result<&'static str, &'static str> {
        if self.code_challenge.is_empty() || self.code_challenge_method.is_empty() {
            return Err("PKCE flow requires both code_challenge and code_challenge_method");
        }
        let method = match self.code_challenge_method.to_ascii_lowercase().as_str() {
            "s256" => "s256",
            "plain" => "plain",
            _ => return Err("code_challenge_method must be 'S256' or 'plain'"),
        };
        match self.code_challenge.len() {
            43..=128 => Ok(method),
            _ => Err("code_challenge must be between 43 and 128 characters"),
        }
    }
}

/// The API that the application means to use; RFC 8707.
fn check_resource(resource: &str) -> Result<(), &'static str> {
    if resource.is_empty() {
        return Ok(());
    }
    let url = Url::parse(resource).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => "resource must be an absolute URI",
        _ => "resource must be a valid URI",
    })?;
    match (url.fragment().unwrap_or_default(), url.query().unwrap_or_default()) {
        ("", "") => Ok(()),
        ("", _) => Err("resource must not include a query component"),
        _ => Err("resource must not include a fragment component"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn request() -> Request<'static> {
        Request {
            client_id: "",
            redirect_uri: "",
            response_type: "",
            scope: "",
            state: "",
            resource: "",
            code_challenge: CHALLENGE,
            code_challenge_method: "S256",
            nonce: "",
        }
    }

    #[test]
    fn wishes() {
        let check = |request: Request<'_>, expected: Result<(&str, &str), &str>| {
            let wishes = request.check("email");
            let wishes = wishes.map(|wishes| (wishes.scopes.to_string(), wishes.challenge_method));
            let wishes = wishes.as_ref().map(|(scopes, method)| (scopes.as_str(), *method));
            assert_eq!(wishes.map_err(String::as_str), expected);
        };
        check(request(), Ok(("email", "s256")));
        check(Request { scope: "openid  email openid", ..request() }, Ok(("openid email", "s256")));
        check(Request { code_challenge_method: "Plain", ..request() }, Ok(("email", "plain")));
        check(Request { response_type: "token", ..request() }, Err("only response_type=code is supported"));
        check(Request { scope: "admin", ..request() }, Err("unsupported scope: admin"));
        check(Request { scope: " ", ..request() }, Err("scope parameter cannot be empty"));
        let both = "PKCE flow requires both code_challenge and code_challenge_method";
        check(Request { code_challenge: "", ..request() }, Err(both));
        check(Request { code_challenge_method: "", ..request() }, Err(both));
        check(
            Request { code_challenge_method: "S512", ..request() },
            Err("code_challenge_method must be 'S256' or 'plain'"),
        );
        check(
            Request { code_challenge: "short", ..request() },
            Err("code_challenge must be between 43 and 128 characters"),
        );
    }

    #[test]
    fn resources() {
        let check = |resource: &str, expected: Option<&str>| {
            assert_eq!(check_resource(resource).err(), expected, "{resource}");
        };
        check("", None);
        check("https://api.test/mcp", None);
        check("urn:api", None);
        check("/mcp", Some("resource must be an absolute URI"));
        check("https://[x/", Some("resource must be a valid URI"));
        check("https://api.test/#x", Some("resource must not include a fragment component"));
        check("https://api.test/?x", Some("resource must not include a query component"));
    }
}
