//! `basalt db advisors`

use ::db::Pool;
use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::{Failure, Format, Place, print};
use crate::advice::{self, Category, Level};
use crate::database::one_connection;

/// Say what is open that should not be, and what is slow that need not be.
#[derive(Args)]
pub(super) struct Advisors {
    #[command(flatten)]
    place: Place,
    /// What to look at [default: everything].
    #[arg(long = "type", value_enum)]
    category: Option<Category>,
    /// Leave out what matters less.
    #[arg(long, value_enum, default_value = "warn")]
    level: Level,
    /// End with 1 if something is found that matters this much.
    #[arg(long, value_enum)]
    fail_on: Option<Level>,
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "pretty")]
    output: Format,
}

impl Advisors {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let schemas = self.place.load()?.settings.rest.schemas;
        let target = self.place.installation()?.database.developer()?;
        let session = Pool::new(&target, one_connection()).session().await;
        let mut session =
            session.context("the database does not answer; does the server run?").map_err(Failure::Failed)?;
        let findings = advice::findings(&mut session, &schemas, self.category, self.level).await?;
        match self.output {
            Format::Json => print(&format!("{:#}", json!(findings)))?,
            Format::Pretty if findings.is_empty() => print(&"nothing was found")?,
            Format::Pretty => {
                let mut last = "";
                for finding in &findings {
                    if finding.name != last {
                        let level = format!("{:?}", finding.level).to_lowercase();
                        print(&format!("\n{level}: {} ({})", finding.description, finding.name))?;
                        last = finding.name;
                    }
                    print(&format!("  {}", finding.detail))?;
                }
            }
        }
        let matters = |level| findings.iter().filter(|finding| finding.level >= level).count();
        match self.fail_on.map(matters) {
            Some(count @ 1..) => Err(Failure::Failed(anyhow!("{count} findings matter"))),
            _ => Ok(()),
        }
    }
}
