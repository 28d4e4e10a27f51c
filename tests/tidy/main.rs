//! The source tree keeps the rules of `ARCHITECTURE.md`.
//!
//! These tests read files as text. They know nothing of Rust beyond what a careful reader sees, so
//! a rule here is one that can be said in a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod dependencies;
mod prose;
mod source;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    // Asked when the test runs: a target directory may outlive the clone it was first used for.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    Path::new(&here).parent().unwrap().to_owned()
}

/// Every file that git would keep below `below` whose name ends in one of `endings`, with its text.
fn files(below: &str, endings: &[&str]) -> Vec<(String, String)> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--", below])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let listed = String::from_utf8(output.stdout).unwrap();
    let wanted = |path: &&str| endings.iter().any(|ending| path.ends_with(ending));
    let read =
        |path: &str| std::fs::read_to_string(root().join(path)).ok().map(|text| (path.to_owned(), text));
    listed.lines().filter(wanted).filter_map(read).collect()
}

/// Fails with all findings at once.
fn none(findings: Vec<String>, rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
