//! The command line: every command parses, calls and prints; nothing is decided here.

mod advisors;
mod api;
mod buckets;
mod completion;
mod config;
mod db;
mod dev;
mod failure;
mod figures;
mod generate;
mod impersonate;
mod import;
mod keys;
mod lint;
mod logs;
mod mail;
mod place;
mod s3_keys;
mod schema;
mod secrets;
mod serve;
mod sessions;
mod status;
mod storage;
mod terminal;
mod users;

pub(crate) use api::escaped;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use failure::Failure;
use place::{Common, Place};
use terminal::{confirm, from_stdin, note, print, progress};

/// A Supabase-compatible backend in one program.
///
/// Serves users and sessions (/auth/v1), your tables (/rest/v1), files (/storage/v1) and channels
/// (/realtime/v1) over HTTP, on a Postgres of its own or on yours. Secrets are made at the first start; nothing needs to be configured to begin.
#[derive(Parser)]
#[command(name = "basalt", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  basalt serve                                   start on http://127.0.0.1:8000
  basalt serve --dev                             the same, without API keys and mail confirmation
  basalt dev                                     serve the folder supabase/ while you work on it
  basalt status                                  addresses and keys
  basalt status -o env > .env.local              the same, for a program
  basalt config reference                        every setting with its default
  basalt keys rotate                             sign tokens of users with a fresh key

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 wrong settings, 4 no installation in the data directory,
5 the server does not run.";

#[derive(Subcommand)]
enum Command {
    /// Start the server.
    Serve(serve::Serve),
    /// Serve a project folder while you work on it.
    Dev(dev::Dev),
    /// Show addresses and keys, whether or not the server runs.
    Status(status::Status),
    /// Apply migrations and seeds of a project folder.
    Db(db::Db),
    /// Generate types for client programs.
    Gen(generate::Generate),
    /// Keep secrets in the vault.
    Secrets(secrets::Secrets),
    /// Check, show and describe the settings.
    Config(config::Config),
    /// Keys of tokens and of applications, passwords of the database: show, add, rotate, revoke.
    ///
    /// A key that signs tokens is first on standby: published, so that whoever verifies tokens gets to know it. Rotating puts
    /// it to use; the one used before goes on verifying, so that nobody is signed out. A running server
    /// takes changes over within seconds.
    Keys(keys::Keys),
    /// See and change accounts.
    Users(users::Users),
    /// See and change buckets of files.
    Buckets(buckets::Buckets),
    /// See, copy, check and restore files.
    Storage(storage::Storage),
    /// See and end sessions.
    Sessions(sessions::Sessions),
    /// Look at the mails that accounts get, and send one to see whether it arrives.
    Mail(mail::Mail),
    /// Show what the server has logged.
    Logs(logs::Logs),
    /// Take over a live Supabase.
    Import(import::Import),
    /// Print completions for a shell.
    Completion(completion::Completion),
    /// Show the version.
    Version,
}

/// For people or for programs.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Pretty,
    Json,
}

/// The command line. A command without examples of its own shows those of the command above that are about it.
fn command() -> clap::Command {
    with_examples(Cli::command(), "basalt")
}

fn with_examples(mut command: clap::Command, path: &str) -> clap::Command {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for name in names {
        let path = format!("{path} {name}");
        let is_about = |line: &&str| line.contains(&format!("{path} ")) || line.ends_with(&path);
        let examples: Vec<&str> = help.lines().filter(is_about).collect();
        command = command.mut_subcommand(name, |below| {
            let below = match below.get_after_help() {
                None if !examples.is_empty() => {
                    below.after_help(format!("Examples:\n{}", examples.join("\n")))
                }
                _ => below,
            };
            with_examples(below, &path)
        });
    }
    command
}

/// Runs the command of this process.
pub(crate) fn run() -> ExitCode {
    let matches = command().get_matches();
    let parsed = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let outcome = match parsed.command {
        Command::Serve(serve) => serve.run(),
        Command::Dev(dev) => dev.run(),
        Command::Status(status) => status.run(),
        Command::Db(db) => db.run(),
        Command::Gen(generate) => generate.run(),
        Command::Secrets(secrets) => secrets.run(),
        Command::Config(config) => config.run(),
        Command::Keys(keys) => keys.run(),
        Command::Users(users) => users.run(),
        Command::Buckets(buckets) => buckets.run(),
        Command::Storage(storage) => storage.run(),
        Command::Sessions(sessions) => sessions.run(),
        Command::Mail(mail) => mail.run(),
        Command::Logs(logs) => logs.run(),
        Command::Import(import) => import.run(),
        Command::Completion(completion) => completion.run(),
        Command::Version => print(&format!("basalt {}", env!("CARGO_PKG_VERSION"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

/// Waits for what a command does with the database.
fn wait<T, E: Into<Failure>>(work: impl Future<Output = Result<T, E>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work).map_err(Into::into)
}

/// An address: `127.0.0.1:8000`, `:8000` for all of them, `localhost:8000`, `8000`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
    let host = match host {
        "" => "0.0.0.0",
        "localhost" => "127.0.0.1",
        host => host,
    };
    format!("{host}:{port}")
        .parse()
        .map_err(|_| "must be an address and a port, such as 127.0.0.1:8000".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    /// Every command that has none below it, as the words that call it.
    fn leaves(command: &clap::Command, path: &[String], found: &mut Vec<(Vec<String>, String)>) {
        for below in command.get_subcommands() {
            let path = [path, &[below.get_name().to_owned()]].concat();
            match below.has_subcommands() {
                true => leaves(below, &path, found),
                false => {
                    found.push((path, below.get_after_help().map(ToString::to_string).unwrap_or_default()));
                }
            }
        }
    }

    fn all() -> Vec<(Vec<String>, String)> {
        let mut found = Vec::new();
        leaves(&command(), &[], &mut found);
        found.retain(|(path, _)| path != &["version"]);
        found
    }

    #[test]
    fn every_command_shows_an_example() {
        for (path, help) in all() {
            let path = path.join(" ");
            assert!(help.contains(&format!("basalt {path}")), "{path}: {help}");
        }
    }

    #[test]
    fn every_command_is_in_the_readme_and_called_by_a_test_of_the_binary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        let table: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `basalt ")).collect();
        let folder = fs::read_dir(root.join("tests/clients/js")).unwrap().flatten().map(|entry| entry.path());
        let tests: Vec<String> = folder
            .filter(|path| path.to_string_lossy().ends_with(".test.mjs") || path.ends_with("harness.mjs"))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        let is_word_of = |text: &str, word: &str| {
            let quoted = |mark: char| text.contains(&format!("{mark}{word}{mark}"));
            quoted('\'') || quoted('`')
        };
        for (path, _) in all() {
            let is_called = tests.iter().any(|text| path.iter().all(|word| is_word_of(text, word)));
            assert!(is_called, "a test of the binary has to call basalt {}", path.join(" "));
            let (first, rest) = path.split_first().unwrap();
            let is_told = |line: &&str| {
                line.starts_with(&format!("| `basalt {first}"))
                    && rest.iter().all(|word| line.contains(word.as_str()))
            };
            assert!(table.iter().any(is_told), "the README tells nothing of basalt {}", path.join(" "));
        }
    }

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text).ok().map(|address| address.to_string()).as_deref(), expected, "{text}");
        };
        check("127.0.0.1:8000", Some("127.0.0.1:8000"));
        check(":80", Some("0.0.0.0:80"));
        check("8000", Some("127.0.0.1:8000"));
        check("localhost:1", Some("127.0.0.1:1"));
        check("[::1]:8000", Some("[::1]:8000"));
        check("example.com:80", None);
        check("127.0.0.1", None);
        check("", None);
    }
}
