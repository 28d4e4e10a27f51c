//! `basalt mail`

use anyhow::anyhow;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Api;
use super::users::text;
use super::{Common, Failure, Format, print, wait};

/// Look at the mails that accounts get, and see whether one arrives.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Mail {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt mail list                               the mails there are, and where their texts come from
  basalt mail preview invite                     subject and plain text
  basalt mail preview invite --html > invite.html
  basalt mail test ada@example.com               send one by the running server, and hear what its mail server says

A preview needs no running server: it shows the settings and files as they are now, filled with made-up data.";

#[derive(Subcommand)]
enum Command {
    /// List the mails there are, and where their texts come from.
    List(Common),
    /// Show a mail filled with made-up data.
    Preview(Preview),
    /// Send a mail with made-up data, and wait until the mail server has taken it.
    Test(Test),
}

#[derive(Args)]
struct Preview {
    /// Which mail: confirmation, invite, magic_link, …
    template: String,
    /// Print the page instead of the plain text.
    #[arg(long)]
    html: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Test {
    /// Where it goes.
    address: String,
    /// Which mail.
    #[arg(long, value_name = "NAME", default_value = "confirmation")]
    template: String,
    #[command(flatten)]
    common: Common,
}

impl Mail {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::List(common) => list(&common),
            Command::Preview(preview) => wait(preview.run()),
            Command::Test(test) => wait(test.run()),
        }
    }
}

fn list(common: &Common) -> Result<(), Failure> {
    let texts = auth::mail_texts(&common.place.load()?.settings.auth);
    match common.output {
        Format::Json => print(&format!("{:#}", json!(texts))),
        Format::Pretty => texts.iter().try_for_each(|text| {
            let state = if text.enabled { "sent" } else { "off" };
            print(&format!("{:22}  {state:4}  {:12}  auth.{}", text.template, text.source, text.setting))
        }),
    }
}

impl Preview {
    async fn run(self) -> Result<(), Failure> {
        let config = self.common.place.load()?.settings.auth;
        let shown = auth::preview_mail(&config, &self.template).await;
        let shown = shown.map_err(|error| Failure::Failed(anyhow!(error)))?;
        match (self.common.output, self.html) {
            (Format::Json, _) => print(&format!("{:#}", json!(shown))),
            (Format::Pretty, true) => print(&shown.html.trim_end()),
            (Format::Pretty, false) => {
                print(&format!("Subject: {}\n\n{}", shown.subject, shown.text.trim_end()))
            }
        }
    }
}

impl Test {
    async fn run(self) -> Result<(), Failure> {
        let body = json!({ "to": self.address, "template": self.template });
        let api = Api::of(&self.common.place)?;
        let answer: Value = api.call(Method::POST, "/auth/v1/admin/mail/test", Some(&body)).await?;
        match self.common.output {
            Format::Json => print(&format!("{answer:#}")),
            Format::Pretty if answer["sent_by"] == "mailbox" => {
                print(&"the mail is in the mailbox of development, at /_basalt/mail")
            }
            Format::Pretty => print(&format!("the mail server has taken {:?}", text(&answer, "subject"))),
        }
    }
}
