//! `basalt status`

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::figures::Figure;
use super::{Failure, Place, figures, print};
use crate::installation::Installation;
use crate::secrets::Secrets;
use crate::settings::Settings;

/// Show addresses and keys, under the names that `supabase status -o env` has.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Status {
    #[command(flatten)]
    place: Place,
    /// For people, for programs, or for a shell.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

const AFTER_HELP: &str = "\
Examples:
  basalt status --data-dir /var/lib/basalt
  basalt status -o env >> .env.local
  psql \"$(basalt status -o json | jq -r .DB_URL)\"";

/// How addresses and keys are shown.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Pretty,
    Json,
    Env,
}

impl Status {
    pub(super) fn run(self) -> Result<(), Failure> {
        let loaded = self.place.load()?;
        let installation = self.place.installation()?;
        let secrets = self.place.secrets(&loaded.settings, &installation)?;
        print(&text(self.output, &installation, &secrets, &loaded.settings))
    }
}

/// Addresses and keys in a format.
pub(super) fn text(
    format: Format,
    installation: &Installation,
    secrets: &Secrets,
    settings: &Settings,
) -> String {
    let values = values(installation, secrets, settings);
    match format {
        Format::Pretty => pretty(&values, installation, secrets),
        Format::Json => {
            let object: Map<_, _> =
                values.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
            format!("{:#}", Value::Object(object))
        }
        Format::Env => {
            let lines: Vec<_> =
                values.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
            lines.join("\n")
        }
    }
}

/// The Supabase command line's names, in its order.
fn values(
    installation: &Installation,
    secrets: &Secrets,
    settings: &Settings,
) -> Vec<(&'static str, String)> {
    let api = &installation.api_url;
    let text = |secret: &kernel::Secret| secret.expose().to_owned();
    vec![
        ("ANON_KEY", text(&secrets.anon_key)),
        ("API_URL", api.clone()),
        ("DB_URL", installation.database.url(&secrets.passwords.postgres)),
        ("GRAPHQL_URL", format!("{api}/graphql/v1")),
        ("JWT_SECRET", text(&secrets.jwt_secret)),
        ("PUBLISHABLE_KEY", text(&secrets.publishable_key)),
        ("REST_URL", format!("{api}/rest/v1")),
        ("S3_PROTOCOL_ACCESS_KEY_ID", text(&secrets.s3_access_key_id)),
        ("S3_PROTOCOL_ACCESS_KEY_SECRET", text(&secrets.s3_access_key_secret)),
        ("S3_PROTOCOL_REGION", settings.keys.s3_region.clone()),
        ("SECRET_KEY", text(&secrets.secret_key)),
        ("SERVICE_ROLE_KEY", text(&secrets.service_role_key)),
        ("STORAGE_S3_URL", format!("{api}/storage/v1/s3")),
    ]
}

fn pretty(values: &[(&str, String)], installation: &Installation, secrets: &Secrets) -> String {
    let stream = figures::connect(installation);
    let state = if stream.is_some() { "running" } else { "not running" };
    let mut text = format!("Basalt is {state}.\n\n{}", table(values));
    let figures = stream.map(|stream| figures::ask(stream, &secrets.service_role_key)).unwrap_or_default();
    if !figures.is_empty() {
        let value = |one: &Figure| match one.used {
            Some(used) => format!("{used} of {}", one.most),
            None => format!("{} at most", one.most),
        };
        let rows: Vec<_> = figures.iter().map(|one| (one.name.as_str(), value(one))).collect();
        text.push_str(&format!("\n\nRealtime uses:\n\n{}", table(&rows)));
    }
    text
}

fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<_> = rows.iter().map(|(name, value)| format!("  {name:width$}  {value}")).collect();
    lines.join("\n")
}

/// In double quotes, for shells and `.env` files alike.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_meant() {
        assert_eq!(quoted("plain"), r#""plain""#);
        assert_eq!(quoted(r#"a"b\c$d`e"#), r#""a\"b\\c\$d\`e""#);
    }
}
