//! `GET /.well-known/…`: public keys, and where everything is.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Path;
use serde_json::{Value, json};
use url::Url;

use super::call::Call;
use super::oauth;
use crate::error::Error;
use crate::oauth_server::{Scope, device};

const TEN_MINUTES: (actix_web::http::header::HeaderName, &str) = (CACHE_CONTROL, "public, max-age=600");

pub(crate) async fn jwks(call: Call) -> HttpResponse {
    HttpResponse::Ok().insert_header(TEN_MINUTES).json(call.ctx.service.keys.jwks())
}

/// The same document by OAuth's name for it, if there is an OAuth server.
pub(crate) async fn oauth_server(call: Call) -> Result<HttpResponse, Error> {
    oauth::enabled(&call)?;
    Ok(openid(call).await)
}

/// The same document for clients that put its name between host and path of the issuer, as RFC 8414
/// says, or know no more than the host.
pub(crate) async fn oauth_server_of_path(call: Call, path: Path<String>) -> Result<HttpResponse, Error> {
    let issuer = Url::parse(call.ctx.config().issuer());
    let is_ours = |path: &str| issuer.as_ref().is_ok_and(|url| url.path().trim_matches('/') == path);
    match path.trim_matches('/') {
        "" => oauth_server(call).await,
        path if is_ours(path) => oauth_server(call).await,
        _ => Err(Error::NoRoute),
    }
}

pub(crate) async fn openid(call: Call) -> HttpResponse {
    let config = call.ctx.config();
    let base = config.issuer().trim_end_matches('/');
    let at = |path: &str| Value::from(format!("{base}{path}"));
    let algorithm = call.ctx.service.keys.signing_algorithm().map(|algorithm| algorithm.name());
    let mut document = json!({
        "issuer": config.issuer(),
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "userinfo_endpoint": at("/oauth/userinfo"),
        "scopes_supported": Scope::ALL.map(Scope::name),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithm.into_iter().collect::<Vec<_>>(),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "claims_supported": [
            "sub", "aud", "iss", "exp", "iat", "auth_time", "nonce", "email", "email_verified", "phone_number",
            "phone_number_verified", "name", "picture", "preferred_username", "updated_at",
        ],
        "code_challenge_methods_supported": ["S256", "plain"],
    });
    if config.oauth_server.enabled && config.oauth_server.allow_dynamic_registration {
        document["registration_endpoint"] = at("/oauth/clients/register");
    }
    if config.oauth_server.enabled && config.oauth_server.device_grant {
        document["device_authorization_endpoint"] = at("/oauth/device_authorization");
        document["grant_types_supported"] = json!(["authorization_code", "refresh_token", device::GRANT]);
    }
    HttpResponse::Ok().insert_header(TEN_MINUTES).json(document)
}
