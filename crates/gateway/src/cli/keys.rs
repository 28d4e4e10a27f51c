//! `basalt keys`

use clap::{Args, Subcommand, ValueEnum};
use jwt::Algorithm;
use kernel::Clock;
use serde_json::json;

use super::{Failure, Format, Place, print};
use crate::rotation::{self, Change};
use crate::secrets::Secrets;

/// Show, add, rotate and revoke the keys that sign tokens of users.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt keys list                               what signs, what verifies, what is revoked
  basalt keys rotate                             a fresh ES256 key signs from now on
  basalt keys add --algorithm rs256              or prepare one, let ten minutes pass, and
  basalt keys rotate                             put it to use
  basalt keys revoke 6f1c…                       refuse what an old key signed, once nobody needs it

Where jwt.keys (GOTRUE_JWT_KEYS) is set, the keys are managed there.";

#[derive(Subcommand)]
enum Command {
    /// Show all keys and their states.
    List(Common),
    /// Make a key and put it on standby.
    Add(Make),
    /// Put the key on standby to use; without one, make one. Nobody is signed out.
    Rotate(Make),
    /// Take a key away for ever: what it signed is refused.
    Revoke(Revoke),
}

#[derive(Args)]
struct Common {
    #[command(flatten)]
    place: Place,
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

#[derive(Args)]
struct Make {
    #[command(flatten)]
    common: Common,
    /// What the new key signs with. getClaims of supabase-js verifies es256 and rs256 by itself, asks the
    /// server where the key is hs256, which is never published, and does not know eddsa.
    #[arg(long, value_name = "NAME", default_value = "es256")]
    algorithm: Kind,
}

#[derive(Args)]
struct Revoke {
    #[command(flatten)]
    common: Common,
    /// The key, as `basalt keys list` calls it.
    id: String,
    /// Even if tokens that it signed have not expired: their holders have to refresh.
    #[arg(long)]
    now: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Es256,
    Rs256,
    Eddsa,
    Hs256,
}

impl From<Kind> for Algorithm {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Es256 => Self::ES256,
            Kind::Rs256 => Self::RS256,
            Kind::Eddsa => Self::EdDSA,
            Kind::Hs256 => Self::HS256,
        }
    }
}

impl Keys {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::List(common) => common.list(),
            Command::Add(make) => make.common.change(Change::Add(make.algorithm.into()), "is on standby"),
            Command::Rotate(make) => {
                make.common.change(Change::Rotate(make.algorithm.into()), "signs from now on")
            }
            Command::Revoke(Revoke { common, id, now }) => {
                common.change(Change::Revoke { kid: id, even_if_needed: now }, "is revoked")
            }
        }
    }
}

impl Common {
    fn change(&self, change: Change, what: &str) -> Result<(), Failure> {
        let settings = self.place.load()?.settings;
        let changed = rotation::change(&settings, &self.place.data_dir, change, Clock::system().unix());
        let kid = changed.map_err(Failure::Failed)?;
        let kid = kid.ok_or_else(|| Failure::NoInstallation(self.place.data_dir.clone()))?;
        match self.output {
            Format::Pretty => print(&format!("{kid} {what}; a running server knows within seconds\n"))?,
            Format::Json => {}
        }
        self.list()
    }

    fn list(&self) -> Result<(), Failure> {
        let settings = self.place.load()?.settings;
        let secrets = Secrets::existing(&self.place.data_dir)?;
        let secrets = secrets.ok_or_else(|| Failure::NoInstallation(self.place.data_dir.clone()))?;
        let keys = rotation::list(&settings, &secrets.with_settings(&settings)?).map_err(Failure::Failed)?;
        match self.output {
            Format::Json => print(&format!("{:#}", json!({ "keys": keys }))),
            Format::Pretty => {
                let line = |id: &str, algorithm: &str, state: &str, since: &str| {
                    format!("{id:36}  {algorithm:9}  {state:15}  {since}").trim_end().to_owned()
                };
                let mut lines = vec![line("ID", "ALGORITHM", "STATE", "SINCE")];
                lines.extend(keys.iter().map(|key| {
                    line(&key.id, &key.algorithm, &key.state, key.since.as_deref().unwrap_or_default())
                }));
                print(&lines.join("\n"))
            }
        }
    }
}
