//! `basalt gen`

use clap::{Args, Subcommand};

use super::{Failure, Place, print, wait};
use crate::typegen::{self, Access, Language};

/// Generate code for client programs from the database of a running server.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Generate {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt gen types > database.types.ts           as `supabase gen types` writes it
  basalt gen types go --schema public,shop";

#[derive(Subcommand)]
enum Command {
    /// Print the types of tables, views and functions.
    Types(Types),
}

#[derive(Args)]
struct Types {
    /// What to write them in.
    #[arg(value_enum, default_value = "typescript")]
    language: Language,
    /// Schemas, with commas between [default: public and those of rest.schemas].
    #[arg(short, long, value_name = "LIST", value_delimiter = ',')]
    schema: Vec<String>,
    /// Of Swift: who may use the types.
    #[arg(long, value_enum, value_name = "ACCESS", default_value = "internal")]
    swift_access_control: Access,
    #[command(flatten)]
    place: Place,
}

impl Generate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Command::Types(types) = self.command;
        types.run()
    }
}

impl Types {
    fn run(self) -> Result<(), Failure> {
        let rest = self.place.load()?.settings.rest;
        let mut schemas = self.schema;
        if schemas.is_empty() {
            schemas = std::iter::once("public".to_owned()).chain(rest.schemas).collect();
        }
        let catalogue = wait(async {
            let mut session = self.place.developer().await?;
            let loaded = typegen::load(&mut session, &schemas, &rest.extra_search_path).await;
            loaded.map_err(Failure::Failed)
        })?;
        print(&typegen::text(&catalogue, self.language, self.swift_access_control).trim_end_matches('\n'))
    }
}
