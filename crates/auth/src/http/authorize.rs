//! `GET /authorize`, `/callback`: signing in by another provider. None is available.

use actix_web::HttpResponse;

use super::call::Call;
use crate::error::Error;

pub(crate) async fn get(call: Call) -> Result<HttpResponse, Error> {
    let provider = call.param("provider");
    Err(Error::invalid(if is_known(provider) {
        "Unsupported provider: provider is not enabled".to_owned()
    } else {
        format!("Unsupported provider: Provider {provider} could not be found")
    }))
}

pub(crate) async fn callback(_: Call) -> Result<HttpResponse, Error> {
    Err(Error::BadOAuthState("OAuth state parameter missing"))
}

fn is_known(provider: &str) -> bool {
    let provider = provider.to_ascii_lowercase();
    super::settings::PROVIDERS.contains(&provider.as_str()) || provider == "x"
}
