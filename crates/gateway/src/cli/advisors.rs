//! `basalt db advisors`

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::{Common, Failure, Format, print};
use crate::advice::{self, Category, Level};

/// Say what is open that should not be, and what is slow that need not be.
#[derive(Args)]
pub(super) struct Advisors {
    #[command(flatten)]
    common: Common,
    /// What to look at [default: everything].
    #[arg(long = "type", value_enum)]
    category: Option<Category>,
    /// Leave out what matters less.
    #[arg(long, value_enum, default_value = "warn")]
    level: Level,
    /// End with 1 if something is found that matters this much.
    #[arg(long, value_enum)]
    fail_on: Option<Level>,
}

impl Advisors {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let schemas = self.common.place.load()?.settings.rest.schemas;
        let mut session = self.common.place.developer().await?;
        let findings = advice::findings(&mut session, &schemas, self.category, self.level).await?;
        match self.common.output {
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
