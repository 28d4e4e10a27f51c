//! `basalt sessions`

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::escaped;
use super::users::{Who, name, of, text};
use super::{Failure, Format, print, wait};

/// See where an account is signed in, and sign it out.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Sessions {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt sessions list ada@example.com
  basalt sessions revoke ada@example.com --session 6f1c…
  basalt sessions revoke ada@example.com             all of them

Whoever is signed out gets no new access token; the one at hand ends within its hour.";

#[derive(Subcommand)]
enum Command {
    /// List the sessions of an account, the one used last first.
    List(Who),
    /// End the sessions of an account.
    Revoke(Revoke),
}

#[derive(Args)]
struct Revoke {
    #[command(flatten)]
    who: Who,
    /// Only this one, as `basalt sessions list` calls it.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

impl Sessions {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::List(who) => wait(list(who)),
            Command::Revoke(revoke) => wait(revoke.run()),
        }
    }
}

async fn list(who: Who) -> Result<(), Failure> {
    let (api, user) = who.find().await?;
    let sessions = api.call(Method::GET, &of(&user, "/sessions"), None).await?;
    match who.output() {
        Format::Json => print(&format!("{sessions:#}")),
        Format::Pretty => sessions.as_array().into_iter().flatten().try_for_each(|session| {
            let field = |name| text(session, name);
            print(&format!(
                "{}  {}  {}  {:15}  {}",
                field("id"),
                field("last_used_at"),
                field("aal"),
                field("ip"),
                field("user_agent")
            ))
        }),
    }
}

impl Revoke {
    async fn run(self) -> Result<(), Failure> {
        let (api, user) = self.who.find().await?;
        let below = match &self.session {
            Some(id) => format!("/sessions/{}", escaped(id)),
            None => "/sessions".to_owned(),
        };
        api.call(Method::DELETE, &of(&user, &below), None).await?;
        match self.who.output() {
            Format::Json => {
                let session = self.session.map_or(Value::from("all"), Value::from);
                print(&format!("{:#}", json!({ "user_id": user["id"], "revoked": session })))
            }
            Format::Pretty => print(&format!("{} is signed out", name(&user))),
        }
    }
}
