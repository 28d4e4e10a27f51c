//! `basalt secrets`

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use kernel::Secret;
use serde_json::json;
use vault::{RootKey, admin};

use super::{Failure, Format, Place, from_stdin, print, progress, wait};
use crate::secrets;

/// Keep secrets in the vault of a running server. SQL sees them as `vault.decrypted_secrets`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Secrets {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt secrets list
  printf %s \"$TOKEN\" | basalt secrets set payment_token --description 'for the shop'
  basalt secrets get payment_token
  basalt secrets delete payment_token
  basalt secrets rotate-key                      a new key for the vault; the server goes on
  basalt secrets adopt pgsodium_root.key         open what a Supabase server had sealed";

#[derive(Subcommand)]
enum Command {
    /// List names; never contents.
    List(List),
    /// Print the content of a secret.
    Get(Get),
    /// Store what is read from standard input; a line break at its end is left out.
    Set(Set),
    /// Delete a secret.
    #[command(visible_alias = "rm")]
    Delete(Delete),
    /// Replace the key of the vault and seal every secret anew. If it was interrupted, run it again.
    RotateKey(RotateKey),
    /// Seal with our key what the vault of a Supabase server has sealed.
    Adopt(Adopt),
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    place: Place,
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

#[derive(Args)]
struct Get {
    /// Its name.
    name: String,
    #[command(flatten)]
    place: Place,
    /// The bare content, or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

#[derive(Args)]
struct Set {
    /// Its name.
    name: String,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct Delete {
    /// Its name.
    name: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct RotateKey {
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct Adopt {
    /// The root key of that server, `pgsodium_root.key`: 64 hex digits.
    root_key: PathBuf,
    #[command(flatten)]
    place: Place,
}

impl Secrets {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::List(list) => list.run(),
            Command::Get(get) => get.run(),
            Command::Set(set) => set.run(),
            Command::Delete(delete) => {
                let pool = delete.place.administrator()?;
                wait(admin::remove(&pool, &delete.name))
            }
            Command::RotateKey(rotate) => rotate.run(),
            Command::Adopt(adopt) => adopt.run(),
        }
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let pool = self.place.administrator()?;
        let list = wait(admin::list(&pool))?;
        match self.output {
            Format::Json => print(&format!("{:#}", json!(list))),
            Format::Pretty => list.iter().try_for_each(|each| {
                let name = each.name.as_deref().unwrap_or("-");
                print(&format!("{name:30}  {}  {}", each.updated_at, each.description).trim_end())
            }),
        }
    }
}

impl Get {
    fn run(self) -> Result<(), Failure> {
        let pool = self.place.administrator()?;
        let content = wait(admin::read(&pool, &self.name))?;
        match self.output {
            Format::Json => print(&format!("{:#}", json!({ "name": self.name, "value": content.expose() }))),
            Format::Pretty => print(&content.expose()),
        }
    }
}

impl Set {
    fn run(self) -> Result<(), Failure> {
        let pool = self.place.administrator()?;
        let content = from_stdin("the secret")?;
        wait(admin::write(&pool, &self.name, &Secret::new(content), self.description.as_deref()))
    }
}

impl RotateKey {
    fn run(self) -> Result<(), Failure> {
        let loaded = self.place.load()?;
        let pool = self.place.administrator()?;
        let mut key_file = loaded.settings.vault.key_file;
        if key_file.as_os_str().is_empty() {
            key_file = secrets::root_key_file(&self.place.data_dir);
        }
        let fresh = secrets::fresh_root_key()?;
        let work = admin::exchange(&pool, &key_file, fresh, |done, of| progress("sealed", done, of));
        let sealed = wait(work)?;
        print(&format!("the vault has a new key; {sealed} secrets were sealed with it"))
    }
}

impl Adopt {
    fn run(self) -> Result<(), Failure> {
        let text = std::fs::read_to_string(&self.root_key);
        let unread = || format!("cannot read {}", self.root_key.display());
        let text = Secret::new(text.with_context(unread).map_err(Failure::Failed)?);
        let Some(root) = RootKey::parse(text.expose()) else {
            let path = self.root_key.display();
            return Err(Failure::Failed(anyhow::anyhow!("{path} does not hold 64 hex digits")));
        };
        let pool = self.place.administrator()?;
        let adopted = wait(admin::adopt(&pool, &root))?;
        print(&format!("{} secrets were adopted", adopted.opened))?;
        if adopted.unopened.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(anyhow::anyhow!(
            "{} secrets were not opened by this key and are as they were: {}",
            adopted.unopened.len(),
            adopted.unopened.join(", ")
        )))
    }
}
