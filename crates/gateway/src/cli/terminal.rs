//! What commands say and ask: results to standard output, all else to standard error, and what only a person wants to see to a
//! terminal alone.

use std::fmt::Display;
use std::io::{IsTerminal, Read, Write, stderr, stdin, stdout};

use super::Failure;

/// Characters of a step: one line of a terminal that is not wide.
const STEP_SHOWN: usize = 79;

/// Tells a person something beside the result.
pub(super) fn note(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Asks a person before something is lost; a program has to say `--yes`.
pub(super) fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(Failure::Failed(anyhow::anyhow!("this would {what}; to do so: --yes")));
    }
    let mut out = stderr();
    write!(out, "This will {what}. Go on? [y/N] ").and_then(|()| out.flush())?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case("y") {
        Ok(())
    } else {
        Err(Failure::Failed(anyhow::anyhow!("left as it is")))
    }
}

/// What comes from standard input, without a line break at its end; a person is told what is waited for.
pub(super) fn from_stdin(what: &str) -> Result<String, Failure> {
    if stdin().is_terminal() {
        let _ = writeln!(stderr(), "{what}, then Ctrl-D:");
    }
    let mut text = String::new();
    stdin().read_to_string(&mut text)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Tells a person how far long work is.
pub(super) fn progress<N: Display + PartialEq>(what: &str, done: N, of: N) {
    let mut out = stderr();
    if out.is_terminal() {
        let end = if done == of { "\n" } else { "" };
        let _ = write!(out, "\r{what}: {done} of {of}{end}").and_then(|()| out.flush());
    }
}

/// Tells a person what is being done, in one line that the next takes the place of; an empty one takes it away.
pub(super) fn step(text: &str) {
    let mut out = stderr();
    if out.is_terminal() {
        let shown: String = text.chars().take(STEP_SHOWN).collect();
        let _ = write!(out, "\r\x1b[K{shown}").and_then(|()| out.flush());
    }
}

/// Prints to standard output; a reader that went away is content.
pub(super) fn print(text: &impl Display) -> Result<(), Failure> {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
