//! The local settings of a request's transaction.

use std::borrow::Cow;

use db::Setting;
use kernel::units::Span;

use super::Context;
use crate::plan::Plan;
use crate::request::ApiRequest;

/// How long a statement may take.
const TIMEOUT: &str = "statement_timeout";

/// The longest that Postgres takes, in milliseconds.
const LONGEST: u128 = i32::MAX as u128;

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
    if let Some(Span(cap)) = context.limits.statement_timeout {
        let cap = cap.as_millis();
        let in_force = settings.iter().rev().find(|(name, _)| name == TIMEOUT);
        let in_force = in_force.and_then(|(_, value)| milliseconds(value)).filter(|time| *time > 0);
        let lesser = in_force.map_or(cap, |time| time.min(cap)).min(LONGEST);
        settings.push((Cow::Borrowed(TIMEOUT), Cow::Owned(lesser.to_string())));
    }
    settings
}

/// A time as Postgres reads it, in milliseconds; none for what it would not read.
fn milliseconds(text: &str) -> Option<u128> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = match unit.trim_start() {
        "us" => 0.001,
        "ms" | "" => 1.0,
        "s" => 1e3,
        "min" => 60e3,
        "h" => 3600e3,
        "d" => 86_400e3,
        _ => return None,
    };
    let time = number.parse::<f64>().ok()? * factor;
    // Neither sign nor fraction is left; what is larger than any time saturates.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some(time.round() as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_postgres_reads_them() {
        for (text, expected) in [
            ("8s", Some(8000)),
            ("0", Some(0)),
            ("250", Some(250)),
            ("250ms", Some(250)),
            (" 1.5 min ", Some(90_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("900us", Some(1)),
            ("", None),
            ("-1", None),
            ("1 S", None),
            ("soon", None),
            ("1.2.3s", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
