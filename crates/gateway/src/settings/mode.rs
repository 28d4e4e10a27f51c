//! Defaults that depend on what the installation is for.

use serde_json::{Value, json};

use super::load::{Assignment, last};
use super::source::Source;

/// Defaults that depend on what the installation is for.
pub(super) fn defaults(alone: bool, explicit: &[Assignment]) -> Vec<Assignment> {
    let said = |path: &str| last(explicit, &[], path);
    let layer = |name: &'static str, values: &[(&str, Value)]| {
        let assignment = |(path, value): &(&str, Value)| Assignment {
            path: (*path).to_owned(),
            value: value.clone(),
            source: Source::Mode(name),
        };
        values.iter().map(assignment).collect()
    };
    if alone && said("database.url").is_some_and(|url| url != "") {
        // PostgREST's own defaults where Supabase's differ.
        return layer(
            "the data API alone",
            &[
                ("rest.schemas", json!(["public"])),
                ("rest.max_rows", Value::Null),
                ("rest.anon_role", Value::Null),
                ("rest.extra_search_path", json!(["public"])),
                ("rest.cors", json!(true)),
                ("server.require_api_key", json!(false)),
            ],
        );
    }
    if said("mode") == Some(&json!("development")) {
        let mut values = vec![
            ("database.listen", json!("127.0.0.1:54322")),
            ("auth.email.enable_confirmations", json!(false)),
        ];
        // Somebody who tries sign-ins out does not wait between two mails.
        if said("auth.email.smtp.host").is_none_or(|host| host == "") {
            values.extend([
                ("auth.email.mailbox", json!(true)),
                ("auth.email.max_frequency", json!("1s")),
                ("auth.sms.max_frequency", json!("1s")),
                ("auth.rate_limit.email_sent", json!(360_000)),
                ("auth.rate_limit.sms_sent", json!(360_000)),
            ]);
        }
        let listen = said("server.listen").and_then(Value::as_array);
        let local = |address: &Value| {
            address
                .as_str()
                .and_then(|text| text.parse::<std::net::SocketAddr>().ok())
                .is_some_and(|a| a.ip().is_loopback())
        };
        if listen.is_none_or(|list| list.iter().all(local)) {
            values.push(("server.require_api_key", json!(false)));
        }
        return layer("development", &values);
    }
    Vec::new()
}
