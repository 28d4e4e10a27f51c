//! Rules about Rust files.

use crate::{files, none, root};

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "shared", "types"];

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.starts_with("tests/") || path.ends_with("/tests.rs")
}

/// The part of a file that ships: everything before its test module.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn modules_have_names_that_say_something() {
    let bad = |path: &str| {
        path.trim_end_matches(".rs").split('/').any(|part| EMPTY_NAMES.contains(&part))
            && path != "tests/tidy/source.rs"
    };
    let found = files("crates", &[".rs"]).into_iter().map(|(path, _)| path).filter(|path| bad(path));
    none(found.collect(), "no module is called util, helper, common …");
}

#[test]
fn long_modules_and_crate_roots_say_what_they_are_for() {
    let wanted = |path: &str, text: &str| path.ends_with("src/lib.rs") || text.lines().count() > 100;
    let silent = |(path, text): &(String, String)| {
        wanted(path, text) && !is_test(path) && !text.trim_start().starts_with("//!")
    };
    let found = files("crates", &[".rs"]).into_iter().filter(silent).map(|(path, _)| path);
    none(found.collect(), "they open with a //! paragraph");
}

#[test]
fn the_environment_is_read_in_one_place() {
    let reads = |text: &str| text.contains("env::var") || text.contains("env::vars");
    let allowed = |path: &str| {
        path.starts_with("crates/gateway/src/settings")
            || path.starts_with("crates/gateway/src/cli")
            || path == "crates/gateway/src/main.rs"
            || path.starts_with("crates/testkit")
            || is_test(path)
    };
    let found = files("crates", &[".rs"]);
    let found = found.into_iter().filter(|(path, text)| !allowed(path) && reads(shipped(text)));
    none(found.map(|(path, _)| path).collect(), "only the settings read the environment");
}

#[test]
fn sql_is_not_glued() {
    let verbs = ["select ", "insert ", "update ", "delete "];
    let glued = |line: &str| {
        let line = line.to_ascii_lowercase();
        verbs.iter().any(|verb| line.contains(&format!("format!(\"{verb}")))
    };
    // The data API writes SQL for a living; `db` writes its own utility statements.
    let allowed = |path: &str| {
        path.starts_with("crates/rest/src/sql/") || path.starts_with("crates/db/src/") || is_test(path)
    };
    let mut found = Vec::new();
    for (path, text) in files("crates", &[".rs"]) {
        if !allowed(&path) {
            let lines = shipped(&text).lines().enumerate().filter(|(_, line)| glued(line));
            found.extend(lines.map(|(n, line)| format!("{path}:{}: {}", n + 1, line.trim())));
        }
    }
    none(found, "no format! begins with an SQL verb");
}

#[test]
fn every_crate_keeps_the_lints() {
    let members = std::fs::read_dir(root().join("crates")).unwrap().flatten();
    let lax = members.filter(|member| {
        let manifest = std::fs::read_to_string(member.path().join("Cargo.toml")).unwrap_or_default();
        !manifest.contains("[lints]\nworkspace = true")
    });
    none(lax.map(|member| member.path().display().to_string()).collect(), "every crate inherits the lints");
}

#[test]
fn nothing_is_left_for_later_without_an_issue() {
    let marks = ["TODO", "FIXME", "HACK", "todo!(", "unimplemented!("];
    let mut found = Vec::new();
    for (path, text) in files("crates", &[".rs", ".sql"]) {
        let lines = text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
        found.extend(
            lines.filter(|(_, line)| !line.contains("TODO(#")).map(|(n, _)| format!("{path}:{}", n + 1)),
        );
    }
    none(found, "a TODO names its issue");
}
