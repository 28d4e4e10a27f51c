//! `basalt config`

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Common, Failure, Format, print};
use crate::settings::{self, Source};

/// Check, show and describe the settings.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt config check                            does the next start take these settings?
  basalt config show                             what is set, and by whom
  basalt config show --all -o json
  basalt config reference > basalt.toml          a file to begin with";

#[derive(Subcommand)]
enum Command {
    /// Read the settings and say what is wrong with them.
    Check(Check),
    /// Show the effective settings and where each came from; secrets are masked.
    Show(Show),
    /// Print a settings file with every setting, its description and its default.
    Reference,
}

#[derive(Args)]
struct Check {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    common: Common,
    /// Also what nobody has set.
    #[arg(long)]
    all: bool,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Check(check) => {
                let loaded = check.common.place.load()?;
                if let Format::Json = check.common.output {
                    return print(&format!("{:#}", json!({ "notes": loaded.notes })));
                }
                loaded.notes.iter().try_for_each(|note| print(&format!("note: {note}")))?;
                print(&"the settings are in order")
            }
            Command::Show(show) => show.run(),
            // The file ends its own last line.
            Command::Reference => print(&settings::reference().trim_end()),
        }
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let loaded = self.common.place.load()?;
        let shown =
            settings::show(&loaded).into_iter().filter(|shown| self.all || shown.source != Source::Default);
        match self.common.output {
            Format::Pretty => {
                let lines: Vec<_> = shown
                    .map(|shown| format!("{} = {}  # {}", shown.path, shown.value, shown.source))
                    .collect();
                if lines.is_empty() {
                    print(&"# nothing is set: all defaults")
                } else {
                    print(&lines.join("\n"))
                }
            }
            Format::Json => {
                let object: Map<_, _> = shown
                    .map(|shown| {
                        (shown.path, json!({ "value": shown.value, "source": shown.source.to_string() }))
                    })
                    .collect();
                print(&format!("{:#}", Value::Object(object)))
            }
        }
    }
}
