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

/// Files that write SQL: parts of it are expressions, names and types, which no parameter can stand for.
const WRITERS: &[&str] = &[
    "crates/db/src/",
    "crates/gateway/src/import/tables.rs",
    "crates/realtime/src/store/visible.rs",
    "crates/rest/src/sql/",
];

/// The texts that are put together in `text`, with the lines that they begin in: first literals of `format!`, `write!` and lists.
fn put_together(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for start in ["format!(", "write!(", "writeln!(", "push_str(&", "["] {
        for (at, _) in text.match_indices(start) {
            let rest = &text[at + start.len()..];
            // What is written to comes first.
            let rest = match start.starts_with("write") {
                true => rest.split_once(',').map_or("", |(_, rest)| rest),
                false => rest,
            };
            let line = text[..at].lines().count();
            if let Some(literal) = literal(rest.trim_start()) {
                // A list is one only if something is done with it.
                let is_list = start == "[";
                let tail = rest.trim_start().get(literal.len() + 2..).unwrap_or_default();
                let tail = tail.split(';').next().unwrap_or_default();
                if !is_list || tail.contains("].concat()") || tail.contains("].join(") {
                    found.push((line.max(1), literal));
                }
            }
        }
    }
    found
}

/// The content of the string that `code` begins with.
fn literal(code: &str) -> Option<String> {
    if let Some(raw) = code.strip_prefix("r#\"") {
        return raw.split_once("\"#").map(|(content, _)| content.to_owned());
    }
    let mut content = String::new();
    let mut escaped = false;
    for c in code.strip_prefix('"')?.chars() {
        match c {
            '"' if !escaped => return Some(content),
            '\\' if !escaped => escaped = true,
            c => {
                content.push(c);
                escaped = false;
            }
        }
    }
    None
}

/// Whether it is a statement, as far as its beginning tells.
fn is_statement(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().take(4).map(str::to_ascii_lowercase).collect();
    matches!(
        words.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
        ["select", ..]
            | ["insert", "into", ..]
            | ["delete", "from", ..]
            | ["update", _, "set", ..]
            | ["update", _, _, "set"]
            | ["with", _, "as" | "(select", ..]
    )
}

/// Whether a value is put between quotes, where it could end them. Names in capitals are constants.
fn quotes_a_value(text: &str) -> bool {
    let mut is_quoted = false;
    let mut rest = text;
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
    if !text.contains(' ') {
        return false;
    }
    while let Some(at) = rest.find(['\'', '{']) {
        let (mark, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        // An apostrophe.
        let is_inside = is_letter(rest.as_bytes()[..at].last()) && is_letter(after.as_bytes().first());
        rest = after;
        if mark == b'\'' {
            is_quoted ^= !is_inside;
        } else if let Some(doubled) = after.strip_prefix('{') {
            rest = doubled;
        } else if is_quoted {
            let name = after.split(['}', ':']).next().unwrap_or_default();
            if name.is_empty() || name.chars().any(|c| c.is_ascii_lowercase()) {
                return true;
            }
        }
    }
    false
}

#[test]
fn sql_is_not_glued() {
    let mut found = Vec::new();
    for (path, text) in files("crates", &[".rs"]) {
        if is_test(&path) {
            continue;
        }
        let is_writer = WRITERS.iter().any(|writer| path.starts_with(writer));
        for (line, part) in put_together(shipped(&text)) {
            let is_glued = if is_writer { quotes_a_value(&part) } else { is_statement(&part) };
            if is_glued {
                found.push(format!("{path}:{line}: {}", part.lines().next().unwrap_or_default()));
            }
        }
    }
    none(
        found,
        "no statement is put together outside the files that write SQL, and those put no value between quotes",
    );
}

#[test]
fn glued_sql_is_recognised() {
    let statements =
        |code: &str| put_together(code).into_iter().filter(|(_, part)| is_statement(part)).count();
    for code in [
        "format!(\"select {x}\")",
        "format!(\n    \"\\\n   select {x} from t\")",
        "write!(out, \"insert into {t} values (1)\")",
        "[\"select (\", x, \")\"].concat()",
        "format!(r#\"update t set \"a\" = {x}\"#)",
        "format!(\"delete from {t}\")",
    ] {
        assert_eq!(statements(code), 1, "{code}");
    }
    for code in
        ["format!(\"delete {n} files\")", "format!(\"{SELECT} where id = $1\")", "[\"select \", \"x\"]"]
    {
        assert_eq!(statements(code), 0, "{code}");
    }
    assert!(quotes_a_value("select '{x}'") && quotes_a_value("a = 'it''s {}'"));
    assert!(!quotes_a_value("the server's {error}") && !quotes_a_value("'{name}'"));
    assert!(!quotes_a_value("select {x} || '{{}}' from '{CONSTANT}' where a = 'b' and {c}"));
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
