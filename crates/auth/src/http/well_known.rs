//! `GET /.well-known/…`: public keys, and where everything is.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use super::call::Call;

const TEN_MINUTES: (actix_web::http::header::HeaderName, &str) = (CACHE_CONTROL, "public, max-age=600");

pub(crate) async fn jwks(call: Call) -> HttpResponse {
    HttpResponse::Ok().insert_header(TEN_MINUTES).json(call.ctx.service.keys.jwks())
}

pub(crate) async fn openid(call: Call) -> HttpResponse {
    let issuer = call.ctx.config().issuer().trim_end_matches('/');
    let at = |path: &str| Value::from(format!("{issuer}{path}"));
    let algorithm = call.ctx.service.keys.signing_algorithm().map(|algorithm| algorithm.name());
    HttpResponse::Ok().insert_header(TEN_MINUTES).json(json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "userinfo_endpoint": at("/oauth/userinfo"),
        "scopes_supported": ["openid", "profile", "email", "phone", "offline_access"],
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
    }))
}
