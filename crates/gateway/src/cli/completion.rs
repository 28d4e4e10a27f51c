//! `basalt completion`

use clap::Args;
use clap_complete::{Shell, generate};

use super::{Failure, print};

/// Print what makes a shell complete commands and flags.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Completion {
    /// Of which shell.
    shell: Shell,
}

const AFTER_HELP: &str = "\
Examples:
  basalt completion bash > /etc/bash_completion.d/basalt
  basalt completion zsh > \"${fpath[1]}/_basalt\"
  basalt completion fish > ~/.config/fish/completions/basalt.fish";

impl Completion {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut text = Vec::new();
        generate(self.shell, &mut super::command(), "basalt", &mut text);
        print(&String::from_utf8_lossy(&text).trim_end())
    }
}
