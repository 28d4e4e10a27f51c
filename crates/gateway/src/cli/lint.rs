//! `basalt db lint`

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Common, Failure, Format, note, print, progress};
use crate::lint::{self, Finding, Level};

/// Say what is wrong inside functions.
///
/// With the package of the extension plpgsql_check every statement is looked at; without it syntax alone, and all of functions in SQL.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Lint {
    #[command(flatten)]
    common: Common,
    /// Schemas, with commas between [default: all that are not the platform's].
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    schema: Vec<String>,
    /// Leave out what matters less.
    #[arg(long, value_enum, default_value = "warning")]
    level: Level,
    /// End with 1 if something is found that matters this much.
    #[arg(long, value_enum, default_value = "none")]
    fail_on: FailOn,
}

const AFTER_HELP: &str = "\
Examples:
  basalt db lint
  basalt db lint --schema public,shop --level error
  basalt db lint --fail-on error -o json         for a pipeline";

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    /// Never.
    None,
    /// Anything.
    Warning,
    /// What fails when it runs.
    Error,
}

impl Lint {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = &self.common.place;
        let mut session = place.developer().await?;
        let told = |done, of| progress("functions", done, of);
        let report = lint::report(&place.administrator()?, &mut session, &self.schema, told).await?;
        if !report.is_thorough {
            note(
                "note: the extension plpgsql_check is not installed: of PL/pgSQL syntax alone was looked at, of SQL all \
                 (Debian: postgresql-<version>-plpgsql-check)",
            );
        }
        let mut findings = report.findings;
        for finding in &mut findings {
            finding.issues.retain(|issue| issue.level() >= self.level);
        }
        findings.retain(|finding| !finding.issues.is_empty());
        match self.common.output {
            Format::Json => print(&format!("{:#}", json!(findings)))?,
            Format::Pretty if findings.is_empty() => print(&"nothing was found")?,
            Format::Pretty => findings.iter().try_for_each(show)?,
        }
        let matters = |level| {
            let issues = findings.iter().flat_map(|finding| &finding.issues);
            issues.filter(|issue| issue.level() >= level).count()
        };
        let count = match self.fail_on {
            FailOn::None => 0,
            FailOn::Warning => matters(Level::Warning),
            FailOn::Error => matters(Level::Error),
        };
        if count == 0 { Ok(()) } else { Err(Failure::Failed(anyhow!("{count} issues matter"))) }
    }
}

fn show(finding: &Finding) -> Result<(), Failure> {
    print(&format!("\n{}", finding.function))?;
    for issue in &finding.issues {
        let line = issue.statement.as_ref().map(|statement| format!("line {}: ", statement.line_number));
        print(&format!("  {}: {}{}", issue.level, line.unwrap_or_default(), issue.message))?;
        for more in [&issue.detail, &issue.hint].into_iter().flatten() {
            print(&format!("    {more}"))?;
        }
    }
    Ok(())
}
