//! `basalt users`

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api::{Api, escaped};
use super::impersonate::Impersonate;
use super::{Common, Failure, Format, confirm, from_stdin, print, wait};

/// See and change the accounts of a running server.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Users {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt users list --search @example.com
  printf %s \"$PASSWORD\" | basalt users create ada@example.com --password-stdin
  basalt users show ada@example.com -o json
  basalt users ban ada@example.com --for 24h
  basalt users unban ada@example.com
  basalt users reset-password ada@example.com        send the mail that lets her choose another
  basalt users reset-password ada@example.com --link print the link instead
  basalt users delete ada@example.com --yes
  basalt users mfa list ada@example.com
  basalt users mfa remove ada@example.com 6f1c…      she has lost her phone
  basalt users impersonate ada@example.com --for 5m --reason ticket-4711

An account is named by its address, its phone number or its id.";

#[derive(Subcommand)]
enum Command {
    /// List accounts, the newest first.
    List(List),
    /// Make an account.
    Create(Create),
    /// Show an account.
    Show(Who),
    /// Shut an account out: no sign-in and no refresh until the ban ends.
    Ban(Ban),
    /// Let an account in again.
    Unban(Who),
    /// Delete an account.
    Delete(Delete),
    /// Send the mail with which an account chooses another password; or print the link, or set a password.
    ResetPassword(Reset),
    /// Print a token that acts as an account for some minutes, on the record and without a session.
    Impersonate(Impersonate),
    /// See and take away second factors.
    #[command(subcommand)]
    Mfa(Mfa),
}

#[derive(Subcommand)]
enum Mfa {
    /// List the second factors of an account.
    List(Who),
    /// Take a second factor away.
    Remove(Remove),
}

#[derive(Args)]
struct List {
    /// Only accounts whose address or name holds this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// Which page.
    #[arg(long, value_name = "N", default_value = "1")]
    page: u32,
    /// Accounts of a page, 1000 at most.
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_page: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(super) struct Who {
    /// Its address, phone number or id.
    account: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Create {
    /// Its address, or its phone number (with a + before it).
    account: String,
    /// Read its password from standard input. Without, it signs in by links and codes alone.
    #[arg(long)]
    password_stdin: bool,
    /// Leave it to its owner to confirm the address.
    #[arg(long)]
    unconfirmed: bool,
    /// What the application knows of it, a JSON object (`user_metadata`).
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
    /// What only the operator may write (`app_metadata`).
    #[arg(long, value_name = "JSON", value_parser = object)]
    app_metadata: Option<Map<String, Value>>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Ban {
    #[command(flatten)]
    who: Who,
    /// For how long: 30m, 24h. Without, for a hundred years.
    #[arg(long = "for", value_name = "DURATION", default_value = "876000h")]
    duration: String,
}

#[derive(Args)]
struct Delete {
    #[command(flatten)]
    who: Who,
    /// Keep the id, for what refers to it, and nothing that says whose it was.
    #[arg(long)]
    soft: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
struct Reset {
    #[command(flatten)]
    who: Who,
    /// Print the link that the mail would hold, and send nothing.
    #[arg(long, conflicts_with = "stdin")]
    link: bool,
    /// Set the password that is read from standard input.
    #[arg(long)]
    stdin: bool,
}

#[derive(Args)]
struct Remove {
    /// The account: its address, phone number or id.
    account: String,
    /// The factor, as `basalt users mfa list` calls it.
    factor: String,
    #[command(flatten)]
    common: Common,
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

impl Users {
    pub(super) fn run(self) -> Result<(), Failure> {
        wait(async {
            match self.command {
                Command::List(list) => list.run().await,
                Command::Create(create) => create.run().await,
                Command::Show(who) => {
                    let (_, user) = who.find().await?;
                    who.common.show(&user)
                }
                Command::Ban(ban) => ban.who.change(json!({ "ban_duration": ban.duration })).await,
                Command::Unban(who) => who.change(json!({ "ban_duration": "none" })).await,
                Command::Delete(delete) => delete.run().await,
                Command::ResetPassword(reset) => reset.run().await,
                Command::Impersonate(impersonate) => impersonate.run().await,
                Command::Mfa(Mfa::List(who)) => who.factors().await,
                Command::Mfa(Mfa::Remove(remove)) => remove.run().await,
            }
        })
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let path = format!(
            "/auth/v1/admin/users?page={}&per_page={}&filter={}",
            self.page,
            self.per_page,
            escaped(&self.search)
        );
        let answer = Api::of(&self.common.place)?.call(Method::GET, &path, None).await?;
        let users = answer["users"].as_array().map(Vec::as_slice).unwrap_or_default();
        match self.common.output {
            Format::Json => print(&format!("{:#}", json!(users))),
            Format::Pretty => users.iter().try_for_each(|user| {
                let last = user["last_sign_in_at"].as_str().unwrap_or("never");
                print(&format!(
                    "{}  {:32}  {}  {}",
                    text(user, "id"),
                    name(user),
                    text(user, "created_at"),
                    last
                ))
            }),
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let is_phone = self.account.starts_with('+');
        let (name, confirm) = if is_phone { ("phone", "phone_confirm") } else { ("email", "email_confirm") };
        let mut body = Map::from_iter([
            (name.to_owned(), Value::from(self.account)),
            (confirm.to_owned(), Value::from(!self.unconfirmed)),
        ]);
        if self.password_stdin {
            body.insert("password".to_owned(), Value::from(from_stdin("the password")?));
        }
        for (name, data) in [("user_metadata", self.metadata), ("app_metadata", self.app_metadata)] {
            if let Some(data) = data {
                body.insert(name.to_owned(), Value::Object(data));
            }
        }
        let api = Api::of(&self.common.place)?;
        let user = api.call(Method::POST, "/auth/v1/admin/users", Some(&Value::Object(body))).await?;
        self.common.show(&user)
    }
}

impl Who {
    /// The account, and how the server is reached.
    pub(super) async fn find(&self) -> Result<(Api, Value), Failure> {
        let api = Api::of(&self.common.place)?;
        let user = find(&api, &self.account).await?;
        Ok((api, user))
    }

    pub(super) fn output(&self) -> Format {
        self.common.output
    }

    async fn change(&self, body: Value) -> Result<(), Failure> {
        let (api, user) = self.find().await?;
        self.common.show(&api.call(Method::PUT, &of(&user, ""), Some(&body)).await?)
    }

    async fn factors(&self) -> Result<(), Failure> {
        let (api, user) = self.find().await?;
        let factors = api.call(Method::GET, &of(&user, "/factors"), None).await?;
        match self.common.output {
            Format::Json => print(&format!("{factors:#}")),
            Format::Pretty => factors.as_array().into_iter().flatten().try_for_each(|factor| {
                let field = |name| text(factor, name);
                print(&format!(
                    "{}  {:8}  {:10}  {}",
                    field("id"),
                    field("factor_type"),
                    field("status"),
                    field("friendly_name")
                ))
            }),
        }
    }
}

impl Delete {
    async fn run(self) -> Result<(), Failure> {
        let (api, user) = self.who.find().await?;
        confirm(&format!("take the account {} away", name(&user)), self.yes)?;
        let body = json!({ "should_soft_delete": self.soft });
        api.call(Method::DELETE, &of(&user, ""), Some(&body)).await?;
        match self.who.common.output {
            Format::Json => print(&format!("{:#}", json!({ "id": user["id"], "deleted": true }))),
            Format::Pretty => print(&format!("{} is deleted", name(&user))),
        }
    }
}

impl Reset {
    async fn run(self) -> Result<(), Failure> {
        if self.stdin {
            return self.who.change(json!({ "password": from_stdin("the password")? })).await;
        }
        let (api, user) = self.who.find().await?;
        let Some(email) = user["email"].as_str().filter(|email| !email.is_empty()) else {
            let text = "the account has no address to send a mail to; set a password with --stdin";
            return Err(Failure::Failed(anyhow::anyhow!(text)));
        };
        if self.link {
            let body = json!({ "type": "recovery", "email": email });
            let answer = api.call(Method::POST, "/auth/v1/admin/generate_link", Some(&body)).await?;
            return match self.who.common.output {
                Format::Json => {
                    print(&format!("{:#}", json!({ "email": email, "action_link": answer["action_link"] })))
                }
                Format::Pretty => print(&text(&answer, "action_link")),
            };
        }
        api.call(Method::POST, "/auth/v1/recover", Some(&json!({ "email": email }))).await?;
        match self.who.common.output {
            Format::Json => print(&format!("{:#}", json!({ "email": email, "sent": true }))),
            Format::Pretty => print(&format!("a mail went to {email}")),
        }
    }
}

impl Remove {
    async fn run(self) -> Result<(), Failure> {
        let who = Who { account: self.account, common: self.common };
        let (api, user) = who.find().await?;
        api.call(Method::DELETE, &of(&user, &format!("/factors/{}", escaped(&self.factor))), None).await?;
        match who.common.output {
            Format::Json => print(&format!("{:#}", json!({ "id": self.factor, "removed": true }))),
            Format::Pretty => print(&format!("{} has lost the factor {}", name(&user), self.factor)),
        }
    }
}

impl Common {
    fn show(&self, user: &Value) -> Result<(), Failure> {
        if matches!(self.output, Format::Json) {
            return print(&format!("{user:#}"));
        }
        let providers = user["app_metadata"]["providers"].as_array().into_iter().flatten();
        let providers: Vec<_> = providers.filter_map(Value::as_str).collect();
        let rows = [
            ("id", text(user, "id")),
            ("email", text(user, "email")),
            ("phone", text(user, "phone")),
            ("created", text(user, "created_at")),
            ("confirmed", text(user, "confirmed_at")),
            ("last sign-in", text(user, "last_sign_in_at")),
            ("banned until", text(user, "banned_until")),
            ("providers", providers.join(", ")),
            ("factors", user["factors"].as_array().map_or(0, Vec::len).to_string()),
            ("data", user["user_metadata"].to_string()),
        ];
        rows.iter()
            .filter(|(_, value)| !value.is_empty())
            .try_for_each(|(name, value)| print(&format!("{name:12}  {value}")))
    }
}

/// The account called `who`.
async fn find(api: &Api, who: &str) -> Result<Value, Failure> {
    if Uuid::try_parse(who).is_ok() {
        return api.call(Method::GET, &format!("/auth/v1/admin/users/{who}"), None).await;
    }
    for name in ["email", "phone"] {
        let path = format!("/auth/v1/admin/users?per_page=1&{name}={}", escaped(who));
        let mut answer = api.call(Method::GET, &path, None).await?;
        if let Some(user) = answer["users"].get_mut(0).map(Value::take) {
            return Ok(user);
        }
    }
    Err(Failure::Failed(anyhow::anyhow!("there is no account called {who:?}")))
}

/// The path of an account, or of what is below it.
pub(super) fn of(user: &Value, below: &str) -> String {
    format!("/auth/v1/admin/users/{}{below}", escaped(&text(user, "id")))
}

/// What a person calls an account.
pub(super) fn name(user: &Value) -> String {
    ["email", "phone", "id"]
        .iter()
        .map(|field| text(user, field))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// A field as text; empty where there is none.
pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
