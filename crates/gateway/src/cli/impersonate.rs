//! `basalt users impersonate`

use clap::Args;
use kernel::units::Span;
use reqwest::Method;
use serde_json::{Map, Value};

use super::users::{Who, of, text};
use super::{Failure, Format, print};

/// The token sees what the account sees, and says who acts (`act`). It changes nothing of the account, cannot be
/// refreshed and ends by itself.
#[derive(Args)]
pub(super) struct Impersonate {
    #[command(flatten)]
    who: Who,
    /// For how long: 5m. Without, for as long as auth.impersonation.max_lifetime allows.
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<Span>,
    /// Who you are; the token and the audit log tell.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Why; the audit log tells.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Meet policies that demand a second factor.
    #[arg(long)]
    aal2: bool,
}

impl Impersonate {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, user) = self.who.find().await?;
        let fields = [
            ("expires_in", self.duration.map(|span| Value::from(span.0.as_secs()))),
            ("actor", self.actor.map(Value::from)),
            ("reason", self.reason.map(Value::from)),
            ("aal", self.aal2.then(|| Value::from("aal2"))),
        ];
        let body: Map<String, Value> =
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let path = of(&user, "/impersonate");
        let answer = api.call(Method::POST, &path, Some(&Value::Object(body))).await?;
        match self.who.output() {
            Format::Json => print(&format!("{answer:#}")),
            Format::Pretty => print(&text(&answer, "access_token")),
        }
    }
}
