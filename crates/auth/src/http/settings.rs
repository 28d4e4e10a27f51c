//! `GET /settings`: what is switched on.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::call::Call;
use crate::oauth::PROVIDERS;
use crate::oauth::provider::is_enabled;
use crate::sms::Provider;

pub(crate) async fn get(call: Call) -> HttpResponse {
    let config = call.ctx.config();
    // Upstream does not tell of these two.
    let shown = PROVIDERS.iter().filter(|name| !matches!(**name, "x" | "vercel_marketplace"));
    let mut external: Map<String, Value> =
        shown.map(|name| ((*name).to_owned(), Value::Bool(is_enabled(config, name)))).collect();
    external.insert("anonymous_users".to_owned(), Value::Bool(config.enable_anonymous_sign_ins));
    external.insert("email".to_owned(), Value::Bool(config.email.enable_signup));
    external.insert("phone".to_owned(), Value::Bool(config.sms.enable_signup));
    HttpResponse::Ok().json(json!({
        "external": external,
        "disable_signup": !config.enable_signup,
        "mailer_autoconfirm": config.email.autoconfirm(),
        "phone_autoconfirm": config.sms.autoconfirm(),
        "sms_provider": Provider::of(&config.sms).map_or("", |provider| provider.name()),
        "saml_enabled": config.saml.enabled,
        "saml_private_key_next_configured": call.ctx.settings.party.as_ref().is_some_and(|party| party.next.is_some()),
        "passkeys_enabled": config.passkey.enabled,
    }))
}
