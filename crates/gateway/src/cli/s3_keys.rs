//! `basalt keys s3`

use clap::{Args, Subcommand};
use kernel::Clock;
use kernel::units::Span;
use serde_json::json;

use super::{Common, Failure, Format, print};
use crate::further_keys::s3::{self, Change, Grant};
use crate::secrets::Secrets;

#[derive(Subcommand)]
pub(super) enum S3 {
    /// Show all pairs, without their secrets; `basalt status` shows the installation's own.
    List(Common),
    /// Make a further pair, whose secret is shown this once.
    Create(Create),
    /// Make a fresh pair the installation's own. The one before goes on until it is revoked.
    Rotate(Common),
    /// Take a further pair away: whoever signs with it is refused.
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct Create {
    /// Who is to use it.
    name: String,
    /// Open this bucket alone.
    #[arg(long)]
    bucket: Option<String>,
    /// Change nothing.
    #[arg(long)]
    read_only: bool,
    /// Act in this role; policies bind all but the service role.
    #[arg(long, default_value = "service_role")]
    role: String,
    /// Act as this user (an id): policies see it as `auth.uid()`.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Count for so long: 24h, 720h.
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(super) struct Revoke {
    /// Its access key.
    access_key: String,
    #[command(flatten)]
    common: Common,
}

impl S3 {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = Clock::system().unix();
        match self {
            Self::List(common) => common.list_s3(),
            Self::Create(Create { name, bucket, read_only, role, user, expires, common }) => {
                let lifetime = |span: Span| i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX);
                let expires_at = expires.map(|span| now.saturating_add(lifetime(span)));
                let grant = Grant { name, role, user, bucket, read_only, expires_at };
                common.change_s3(Change::Create(grant), now)
            }
            Self::Rotate(common) => common.change_s3(Change::Rotate, now),
            Self::Revoke(Revoke { access_key, common }) => common.change_s3(Change::Revoke(access_key), now),
        }
    }
}

impl Common {
    fn change_s3(&self, change: Change, now: i64) -> Result<(), Failure> {
        let settings = self.place.load()?.settings;
        let changed = s3::change(&settings, &self.place.data_dir, change, now);
        let changed = changed.map_err(Failure::Failed)?;
        let changed = changed.ok_or_else(|| Failure::NoInstallation(self.place.data_dir.clone()))?;
        let access_key = changed.access_key.expose();
        match (self.output, changed.secret) {
            (Format::Json, secret) => {
                let secret = secret.as_ref().map(kernel::Secret::expose);
                print(&format!("{:#}", json!({ "access_key": access_key, "secret_key": secret })))
            }
            (Format::Pretty, Some(secret)) => {
                print(&format!("access key  {access_key}\nsecret key  {}", secret.expose()))
            }
            (Format::Pretty, None) => {
                print(&format!("{access_key} is revoked; a running server knows within seconds"))
            }
        }
    }

    fn list_s3(&self) -> Result<(), Failure> {
        let settings = self.place.load()?.settings;
        let secrets = Secrets::existing(&self.place.data_dir)?;
        let secrets = secrets.ok_or_else(|| Failure::NoInstallation(self.place.data_dir.clone()))?;
        let keys = s3::list(&secrets.with_settings(&settings)?);
        match self.output {
            Format::Json => print(&format!("{:#}", json!({ "keys": keys }))),
            Format::Pretty => keys.iter().try_for_each(|key| {
                let access = if key.read_only { "reads" } else { "writes" };
                let mut line = format!("{}  {:24}  {:14}  {access:6}", key.access_key, key.name, key.role);
                for (what, value) in
                    [("bucket", &key.bucket), ("user", &key.user), ("until", &key.expires_at)]
                {
                    if let Some(value) = value {
                        line.push_str(&format!("  {what} {value}"));
                    }
                }
                print(&line.trim_end())
            }),
        }
    }
}
