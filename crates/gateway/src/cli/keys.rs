//! `basalt keys`

use clap::{Args, Subcommand, ValueEnum};
use jwt::Algorithm;
use kernel::Clock;
use serde_json::json;

use super::s3_keys::S3;
use super::{Common, Failure, Format, print, wait};
use crate::further_keys::api::{self, Use};
use crate::installation::Place as Where;
use crate::rotation::{self, Change};
use crate::secrets::{self, Secrets};

/// The keys that sign tokens of users, the keys of applications, and the passwords of the database.
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
  basalt keys api list
  basalt keys api create shop --type secret      a further key for an application; shown this once
  basalt keys api rotate secret                  a fresh secret key; the one before goes on for now
  basalt keys api revoke 0a1b2c3d                and ends
  basalt keys s3 list
  basalt keys s3 create backup --bucket photos --read-only
                                                 a pair of keys of the S3 protocol; its secret is shown this once
  basalt keys s3 rotate                          a fresh pair of the installation's own, and
  basalt keys s3 revoke 0a1b2c3d                 away with the one before
  basalt keys password postgres                  a fresh password of the database

The server takes all of it over while it runs. Where jwt.keys (GOTRUE_JWT_KEYS) is set, the keys are managed there.";

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
    /// The keys that applications present.
    #[command(subcommand)]
    Api(Api),
    /// Pairs of keys of the S3 protocol.
    #[command(subcommand)]
    S3(S3),
    /// Give a role of our own Postgres a fresh password. Connections that are open stay so.
    Password(Password),
}

#[derive(Subcommand)]
enum Api {
    /// Show all keys, by their first characters; `basalt status` shows the installation's own.
    List(Common),
    /// Make a further key, which is shown this once.
    Create(Create),
    /// Make a fresh key the installation's own. The one before goes on until it is revoked.
    Rotate(Rotate),
    /// Take a further key away: whoever presents it is refused.
    Revoke(RevokeApi),
}

#[derive(Args)]
struct Create {
    /// Who is to use it.
    name: String,
    /// For browsers (acts as anon) or for servers (acts as service_role).
    #[arg(long = "type", value_name = "TYPE")]
    usage: Usage,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Rotate {
    /// Which of the two.
    #[arg(value_name = "TYPE")]
    usage: Usage,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct RevokeApi {
    /// The key, as `basalt keys api list` calls it.
    id: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Password {
    /// Whose: postgres, authenticator, supabase_auth_admin, supabase_storage_admin, supabase_realtime_admin.
    role: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum Usage {
    Publishable,
    Secret,
}

impl From<Usage> for Use {
    fn from(usage: Usage) -> Self {
        match usage {
            Usage::Publishable => Self::Publishable,
            Usage::Secret => Self::Secret,
        }
    }
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
            Command::Api(api) => api.run(),
            Command::S3(s3) => s3.run(),
            Command::Password(password) => password.run(),
        }
    }
}

impl Api {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(common) => common.list_api(),
            Self::Create(Create { name, usage, common }) => {
                common.change_api(api::Change::Create { name, usage: usage.into() })
            }
            Self::Rotate(Rotate { usage, common }) => common.change_api(api::Change::Rotate(usage.into())),
            Self::Revoke(RevokeApi { id, common }) => common.change_api(api::Change::Revoke(id)),
        }
    }
}

impl Password {
    fn run(self) -> Result<(), Failure> {
        let place = &self.common.place;
        let settings = place.load()?.settings;
        let installation = place.installation()?;
        let fail = |text: &str| Err(Failure::Failed(anyhow::anyhow!(text.to_owned())));
        if matches!(installation.database, Where::Elsewhere(_)) {
            return fail("the database runs elsewhere: change its passwords there, and database.url here");
        }
        if self.role == "postgres" && !settings.keys.postgres_password.is_empty() {
            return fail("keys.postgres_password is set, so the password is changed there");
        }
        let pool = place.administrator()?;
        let fresh = secrets::password()?;
        // The database first: what the file says, the next start puts into the database anyhow.
        let changed = Secrets::change(&place.data_dir, |secrets| {
            let Some(password) = secrets.passwords.of(&self.role) else {
                return Err(Failure::Failed(anyhow::anyhow!(
                    "there is no role of ours called {:?}",
                    self.role
                )));
            };
            *password = fresh.clone();
            wait(async {
                let mut session = pool.session().await?;
                ::db::bootstrap::set_passwords(&mut session, &[(self.role.as_str(), fresh.clone())]).await
            })
        })?;
        if changed.is_none() {
            return Err(Failure::NoInstallation(place.data_dir.clone()));
        }
        match self.common.output {
            Format::Json => print(&format!("{:#}", json!({ "role": self.role, "password": fresh.expose() }))),
            Format::Pretty => print(&fresh.expose()),
        }
    }
}

impl Common {
    fn change_api(&self, change: api::Change) -> Result<(), Failure> {
        let settings = self.place.load()?.settings;
        let changed = api::change(&settings, &self.place.data_dir, change, Clock::system().unix());
        let changed = changed.map_err(Failure::Failed)?;
        let changed = changed.ok_or_else(|| Failure::NoInstallation(self.place.data_dir.clone()))?;
        match (self.output, &changed.key) {
            (Format::Json, key) => {
                let key = key.as_ref().map(kernel::Secret::expose);
                print(&format!("{:#}", json!({ "id": changed.id, "key": key })))
            }
            (Format::Pretty, Some(key)) => print(&format!("{}  {}", changed.id, key.expose())),
            (Format::Pretty, None) => {
                print(&format!("{} is revoked; a running server knows within seconds", changed.id))
            }
        }
    }

    fn list_api(&self) -> Result<(), Failure> {
        let settings = self.place.load()?.settings;
        let secrets = Secrets::existing(&self.place.data_dir)?;
        let secrets = secrets.ok_or_else(|| Failure::NoInstallation(self.place.data_dir.clone()))?;
        let keys = api::list(&secrets.with_settings(&settings)?);
        match self.output {
            Format::Json => print(&format!("{:#}", json!({ "keys": keys }))),
            Format::Pretty => keys.iter().try_for_each(|key| {
                let since = key.created_at.as_deref().unwrap_or_default();
                print(&format!("{:11}  {:20}…  {:24}  {since}", key.id, key.begins, key.name).trim_end())
            }),
        }
    }

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
