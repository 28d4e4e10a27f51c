//! Names that operators of comparable stacks already have in their environment.
//!
//! Each file is a table, one line a name: the name, the setting it means, how its text is
//! rewritten. An empty text means "not set", as compose files pass every variable they know.
//! Names that this version has no setting for are told once and never fail a start.

mod gotrue;
mod postgrest;
pub(super) mod project;
mod realtime;
mod supabase;

use std::collections::BTreeMap;

use super::assigned::leaf;
use super::load::Assignment;
use super::schema::Known;
use super::source::{Problem, Source};
use super::value;

type Environment = BTreeMap<String, String>;

/// One line of a table: the name, the setting, how the text is rewritten before it is read.
type Row = (&'static str, &'static str, Rewrite);
type Rewrite = fn(&str) -> Result<String, String>;

/// What the environment of another stack says.
#[derive(Debug, Default)]
pub(super) struct Translated {
    pub(super) assignments: Vec<Assignment>,
    pub(super) notes: Vec<String>,
}

/// Translates what is there. `alone`: the data API is to run alone.
pub(super) fn translate(
    environment: &Environment,
    known: &Known,
    alone: bool,
    problems: &mut Vec<Problem>,
) -> Translated {
    let mut into = Names { environment, known, problems, out: Translated::default(), unused: Vec::new() };
    supabase::translate(&mut into);
    gotrue::translate(&mut into);
    postgrest::translate(&mut into, alone);
    realtime::translate(&mut into);
    let Names { mut out, unused, .. } = into;
    if !unused.is_empty() {
        out.notes.push(format!("set, but without effect in this version: {}", unused.join(", ")));
    }
    out
}

/// What a table is applied to.
struct Names<'a> {
    environment: &'a Environment,
    known: &'a Known,
    problems: &'a mut Vec<Problem>,
    out: Translated,
    unused: Vec<String>,
}

impl Names<'_> {
    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn apply(&mut self, rows: &[Row]) {
        for (name, path, rewrite) in rows {
            if let Some(text) = self.get(name) {
                let text = rewrite(text);
                self.assign(name, path, text);
            }
        }
    }

    fn assign(&mut self, name: &str, path: &str, text: Result<String, String>) {
        let source = Source::Environment(name.to_owned());
        let value = match leaf(self.known, path) {
            Some(leaf) => text.and_then(|text| value::from_text(leaf, &text)),
            None => Err("this version has no such setting".to_owned()),
        };
        let path = path.to_owned();
        match value {
            Ok(value) => self.out.assignments.push(Assignment { path, value, source }),
            Err(text) => self.problems.push(Problem { key: path, text, source }),
        }
    }

    /// Remembers a name without effect, unless its value asks for nothing.
    fn unused(&mut self, name: &str) {
        if self.get(name).is_some_and(|text| value::flag(text) != Some(false)) {
            self.unused.push(name.to_owned());
        }
    }

    /// Names with `prefix` that are in no table: those of `quiet` beginnings are known and have no
    /// meaning here, the rest is told.
    fn leftovers(&mut self, prefix: &str, rows: &[Row], handled: &[&str], quiet: &[&str]) {
        let environment = self.environment;
        for name in environment.keys() {
            let Some(rest) = name.strip_prefix(prefix) else { continue };
            let known = rows.iter().any(|(row, ..)| row == name) || handled.contains(&name.as_str());
            if !known && !quiet.iter().any(|beginning| rest.starts_with(beginning)) {
                self.unused(name);
            }
        }
    }
}

// The text is fallible in all rewrites because it is in some.
#[allow(clippy::unnecessary_wraps)]
fn same(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// A flag whose meaning is the other way round.
fn not(text: &str) -> Result<String, String> {
    let flag = value::flag(text).ok_or_else(|| "must be true or false".to_owned())?;
    Ok((!flag).to_string())
}

/// `phone:code,phone:code`; plus signs and spaces in numbers say nothing.
#[allow(clippy::unnecessary_wraps)]
fn test_codes(text: &str) -> Result<String, String> {
    Ok(text.replace(['+', ' '], ""))
}

/// The compose file's own name for "no mail server" is none.
#[allow(clippy::unnecessary_wraps)]
fn mail_host(text: &str) -> Result<String, String> {
    const NOBODY: &str = "supabase-mail";
    Ok(if text == NOBODY { String::new() } else { text.to_owned() })
}

/// The provider of messages is named; ours are switched on one by one.
fn sms_provider(into: &mut Names<'_>, name: &'static str) {
    if let Some(provider) = into.get(name).map(str::to_lowercase) {
        into.assign(name, &format!("auth.sms.{provider}.enabled"), Ok("true".to_owned()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::super::schema::Known;
    use super::*;

    /// What the names mean; the last one of a setting counts.
    fn meaning(environment: &[(&str, &str)], alone: bool) -> (BTreeMap<String, Value>, Vec<String>) {
        let environment =
            environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut problems = Vec::new();
        let out = translate(&environment, &Known::read(), alone, &mut problems);
        assert_eq!(problems, Vec::new());
        (out.assignments.into_iter().map(|a| (a.path, a.value)).collect(), out.notes)
    }

    fn check(environment: &[(&str, &str)], alone: bool, expected: &[(&str, Value)]) {
        let expected = expected.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect();
        assert_eq!(meaning(environment, alone), (expected, Vec::new()), "{environment:?}");
    }

    /// A table that names a setting which is gone would fail only where somebody uses the name.
    #[test]
    fn every_row_names_a_setting() {
        let known = Known::read();
        let rows = supabase::ROWS.iter().chain(gotrue::ROWS).chain(postgrest::ROWS).chain(realtime::ROWS);
        let wrong = rows
            .filter(|(_, path, _)| !known.leaves.contains_key(*path))
            .map(|(name, path, _)| (*name, *path));
        assert_eq!(wrong.collect::<Vec<_>>(), Vec::<(&str, &str)>::new());
    }

    #[test]
    fn limits_of_realtime() {
        check(
            &[
                ("TENANT_MAX_CONCURRENT_USERS", "500"),
                ("TENANT_MAX_EVENTS_PER_SECOND", "100"),
                ("CLIENT_PRESENCE_WINDOW_MS", "30000"),
                ("NO_CHANNEL_TIMEOUT_IN_MS", "600000"),
                ("PORT", "4000"),
            ],
            false,
            &[
                ("realtime.max_sockets", json!(500)),
                ("realtime.max_events_per_second", json!(100)),
                ("realtime.presence_window", json!("30000ms")),
                ("realtime.no_channel_timeout", json!("600000ms")),
            ],
        );
        let (_, notes) = meaning(&[("RUN_JANITOR", "true"), ("GEN_RPC_TCP_SERVER_PORT", "5369")], false);
        assert_eq!(notes, ["set, but without effect in this version: RUN_JANITOR, GEN_RPC_TCP_SERVER_PORT"]);
    }

    #[test]
    fn an_env_file_of_the_compose_stack() {
        check(
            &[
                ("POSTGRES_HOST", "db"),
                ("POSTGRES_PASSWORD", "pw"),
                ("DISABLE_SIGNUP", "true"),
                ("ENABLE_EMAIL_AUTOCONFIRM", "true"),
                ("ADDITIONAL_REDIRECT_URLS", ""),
                ("SMTP_HOST", ""),
                ("PGRST_DB_SCHEMAS", "public,storage,graphql_public"),
                ("JWT_EXPIRY", "3600"),
                ("PATH", "/bin"),
            ],
            false,
            &[
                ("keys.postgres_password", json!("pw")),
                ("auth.enable_signup", json!(false)),
                ("auth.email.enable_confirmations", json!(false)),
                ("rest.schemas", json!(["public", "storage", "graphql_public"])),
                ("auth.jwt_expiry", json!("3600")),
            ],
        );
        let url = json!("postgresql://postgres:pw@db.example.com:5432/postgres");
        let elsewhere = [("POSTGRES_HOST", "db.example.com"), ("POSTGRES_PASSWORD", "pw")];
        assert_eq!(meaning(&elsewhere, false).0["database.url"], url);
    }

    #[test]
    fn parts_of_the_compose_stack_that_have_short_names() {
        check(
            &[
                ("GITHUB_ENABLED", "true"),
                ("GITHUB_CLIENT_ID", "id"),
                ("GITHUB_SECRET", "s"),
                ("MFA_PHONE_ENROLL_ENABLED", "true"),
                ("FUNCTIONS_VERIFY_JWT", "false"),
                ("KONG_HTTP_PORT", "8100"),
                ("POOLER_TENANT_ID", "x"),
                ("LOGFLARE_PUBLIC_ACCESS_TOKEN", "x"),
            ],
            false,
            &[
                ("auth.external.github.enabled", json!(true)),
                ("auth.external.github.client_id", json!("id")),
                ("auth.external.github.secret", json!("s")),
                ("auth.mfa.phone.enroll_enabled", json!(true)),
                ("functions.verify_jwt", json!(false)),
                ("server.listen", json!(["127.0.0.1:8100"])),
            ],
        );
    }

    #[test]
    fn an_empty_text_is_no_value_but_unsets_an_option_of_postgrest() {
        check(&[("SITE_URL", ""), ("GOTRUE_SITE_URL", ""), ("PGRST_DB_SCHEMAS", "")], false, &[]);
        check(&[("PGRST_DB_MAX_ROWS", "")], false, &[("rest.max_rows", Value::Null)]);
        check(&[("PGRST_DB_EXTRA_SEARCH_PATH", "")], false, &[("rest.extra_search_path", json!([]))]);
        check(&[("PGRST_JWT_SECRET", ""), ("PGRST_DB_URI", "")], true, &[]);
    }

    #[test]
    fn what_postgrest_reads_from_several_forms() {
        let secret = |text: &str| meaning(&[("PGRST_JWT_SECRET", text)], true).0;
        assert_eq!(secret("plain")["jwt.secret"], json!("plain"));
        assert_eq!(secret("@/run/secret")["jwt.secret"], json!("file:/run/secret"));
        assert_eq!(secret(r#"{"keys":[]}"#)["jwt.jwks"], json!(r#"{"keys":[]}"#));
        let listen = |host: &str, port: &str| {
            meaning(&[("PGRST_SERVER_HOST", host), ("PGRST_SERVER_PORT", port)], true).0["server.listen"]
                .clone()
        };
        assert_eq!(listen("!4", "3001"), json!(["0.0.0.0:3001"]));
        assert_eq!(listen("*6", ""), json!(["[::]:3000"]));
        assert_eq!(listen("", "3001"), json!(["127.0.0.1:3001"]));
        check(&[("PGRST_APP_SETTINGS_app_host", "x")], true, &[("rest.app_settings.app_host", json!("x"))]);
    }

    #[test]
    fn the_database_of_the_data_api_is_its_own_only_when_it_is_alone() {
        let uri = ("PGRST_DB_URI", "postgresql://authenticator@db/postgres");
        check(&[uri], true, &[("database.url", json!(uri.1))]);
        let (assignments, notes) = meaning(&[uri], false);
        assert!(assignments.is_empty() && notes[0].contains("PGRST_DB_URI"));
    }

    #[test]
    fn mail_and_messages() {
        check(
            &[
                ("SMTP_HOST", "mail.example.com"),
                ("SMTP_PORT", "465"),
                ("SMTP_PASS", "123456"),
                ("GOTRUE_SMTP_HEADERS", r#"{"X-Kind":["$messageType"]}"#),
                ("GOTRUE_MAILER_TEMPLATES_MAGIC_LINK", "/mails/magic.html"),
                ("GOTRUE_MAILER_NOTIFICATIONS_PASSWORD_CHANGED_ENABLED", "true"),
                ("GOTRUE_SMS_PROVIDER", "twilio"),
                ("GOTRUE_SMS_TWILIO_AUTH_TOKEN", "t"),
                ("GOTRUE_RATE_LIMIT_EMAIL_SENT", "10/10m"),
            ],
            false,
            &[
                ("auth.email.smtp.host", json!("mail.example.com")),
                ("auth.email.smtp.port", json!(465)),
                ("auth.email.smtp.pass", json!("123456")),
                ("auth.email.smtp.headers", json!({ "X-Kind": ["$messageType"] })),
                ("auth.email.template.magic_link.content_url", json!("/mails/magic.html")),
                ("auth.email.notification.password_changed.enabled", json!(true)),
                ("auth.sms.twilio.enabled", json!(true)),
                ("auth.sms.twilio.auth_token", json!("t")),
                ("auth.rate_limit.email_sent", json!(60)),
            ],
        );
        check(&[("SMTP_HOST", "supabase-mail")], false, &[("auth.email.smtp.host", json!(""))]);
    }

    #[test]
    fn providers_of_accounts() {
        check(
            &[
                ("GOTRUE_EXTERNAL_GOOGLE_ENABLED", "true"),
                ("GOTRUE_EXTERNAL_GOOGLE_CLIENT_ID", "a,b"),
                ("GOTRUE_EXTERNAL_GOOGLE_SECRET", "s"),
                ("GOTRUE_EXTERNAL_LINKEDIN_OIDC_REDIRECT_URI", "https://a.test/callback"),
                ("GOTRUE_EXTERNAL_REDIRECT_URL", ""),
            ],
            false,
            &[
                ("auth.external.google.enabled", json!(true)),
                ("auth.external.google.client_id", json!("a,b")),
                ("auth.external.google.secret", json!("s")),
                ("auth.external.linkedin_oidc.redirect_uri", json!("https://a.test/callback")),
            ],
        );
    }

    #[test]
    fn domains_of_providers() {
        check(
            &[
                ("GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS", "custom:a=social, custom:b=social"),
                ("GOTRUE_EXPERIMENTAL_PROVIDERS_WITH_OWN_LINKING_DOMAIN", "github,custom:b"),
            ],
            false,
            &[(
                "auth.linking_domains",
                json!({ "custom:a": "social", "custom:b": "social", "github": "github" }),
            )],
        );
    }

    #[test]
    fn names_without_effect_are_told_once() {
        let names = [
            ("GOTRUE_WAT", "1"),
            ("PGRST_WAT", "1"),
            ("DASHBOARD_USERNAME", "supabase"),
            ("GOTRUE_EXTERNAL_GOOGLE_ENABLED", "false"),
            ("GOTRUE_API_PORT", "9999"),
            ("PGRST_ADMIN_SERVER_PORT", "3001"),
        ];
        let notes = meaning(&names, false).1;
        assert_eq!(
            notes,
            ["set, but without effect in this version: DASHBOARD_USERNAME, GOTRUE_WAT, PGRST_WAT"]
        );
    }

    #[test]
    fn a_wrong_value_names_the_variable() {
        let environment = [("DISABLE_SIGNUP".to_owned(), "maybe".to_owned())].into();
        let mut problems = Vec::new();
        translate(&environment, &Known::read(), false, &mut problems);
        let expected = "auth.enable_signup: must be true or false (environment variable DISABLE_SIGNUP)";
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}
