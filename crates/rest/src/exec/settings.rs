//! The local settings of a request's transaction.

use std::borrow::Cow;

use db::Setting;

use super::Context;
use crate::plan::Plan;
use crate::request::ApiRequest;

/// All settings in the order in which they take effect. Those of the role come before the role
/// itself: then `grant set on parameter … to authenticator` is enough for it.
pub(super) fn of<'a>(request: &'a ApiRequest, plan: &'a Plan<'a>, context: Context<'a>) -> Vec<Setting<'a>> {
    let config = context.config;
    let named = |name: &'static str, value: &'a str| (Cow::Borrowed(name), Cow::Borrowed(value));
    let pair = |(name, value): &'a (String, String)| (Cow::Borrowed(&**name), Cow::Borrowed(&**value));
    let mut search_path = String::with_capacity(64);
    for schema in std::iter::once(&request.schema).chain(&config.extra_search_path) {
        search_path.push_str(if search_path.is_empty() { "" } else { ", " });
        db::push_ident(&mut search_path, schema);
    }

    let mut settings: Vec<Setting<'a>> = Vec::with_capacity(12);
    settings.push((Cow::Borrowed("search_path"), Cow::Owned(search_path)));
    settings.extend(context.role_settings.iter().flat_map(|role| &role.settings).map(pair));
    settings.push(named("role", context.identity.role.as_str()));
    settings.push(named("request.jwt.claims", context.identity.claims.text()));
    settings.push(named("request.method", &request.method));
    settings.push(named("request.path", &request.path));
    settings.push(named("request.headers", &request.headers_json));
    settings.push(named("request.cookies", &request.cookies_json));
    if let Some(zone) = &request.preferences.timezone {
        settings.push(named("timezone", zone));
    }
    if let Plan::Call(call) = plan {
        settings.extend(call.routine.settings.iter().map(pair));
    }
    let app = config.app_settings.iter();
    settings.extend(
        app.map(|(name, value)| (Cow::Owned(format!("app.settings.{name}")), Cow::Borrowed(&**value))),
    );
    settings
}
