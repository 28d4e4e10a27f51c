//! `config/basalt.toml`: every setting with its description and its default.

use std::fmt::Write;

use serde_json::Value;

use super::schema::{Kind, Known, Leaf};

const WIDTH: usize = 100;

const HEADER: &str = "\
# Basalt's settings: every one, with its default. Written by `basalt config reference`.
#
# Copy what you need into `basalt.toml` in the data directory (or name a file with --config) and take
# away the `#`. The environment wins over the file: BASALT_AUTH__SITE_URL sets auth.site_url. So do the
# names that a self-hosted Supabase has (JWT_SECRET, SITE_URL, GOTRUE_..., PGRST_...); flags win over all.
#
# Durations: \"90s\", \"1h30m\", or seconds. Sizes: \"50MiB\", or bytes. Secrets also \"file:/path\" or \"env:NAME\".
";

/// The text of the file.
pub(crate) fn reference() -> String {
    let known = Known::read();
    let mut text = HEADER.to_owned();
    section(&known, "", &mut text);
    text
}

/// A section's own settings first, then the sections below it, as TOML demands.
fn section(known: &Known, section_path: &str, text: &mut String) {
    for (path, leaf) in known.leaves.iter().filter(|(path, _)| parent(path) == section_path) {
        text.push('\n');
        comment(&described(leaf), text);
        let name = path.rsplit('.').next().unwrap_or(path);
        let value = known.default(path);
        // A line that cannot be wrong: writing to a string does not fail.
        let _ = match value {
            Value::Null => writeln!(text, "#{name} ="),
            value => writeln!(text, "#{name} = {}", toml_value(value)),
        };
    }
    for (path, description) in known.sections.iter().filter(|(path, _)| parent(path) == section_path) {
        text.push('\n');
        comment(description, text);
        let _ = writeln!(text, "[{path}]");
        section(known, path, text);
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn described(leaf: &Leaf) -> String {
    let mut description = leaf.description.clone();
    if !leaf.choices.is_empty() {
        let many = if matches!(leaf.kind, Kind::List(_)) { "Any of" } else { "One of" };
        let names: Vec<_> = leaf.choices.iter().map(|choice| format!("\"{choice}\"")).collect();
        let _ = write!(description, " {many} {}.", names.join(", "));
    }
    description
}

fn comment(words: &str, text: &mut String) {
    let mut line = "#".to_owned();
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = "#".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

fn toml_value(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        value => toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::load::{Request, load};
    use super::*;

    #[test]
    fn the_checked_in_file_is_up_to_date() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/basalt.toml");
        let same = std::fs::read_to_string(file).unwrap_or_default() == reference();
        assert!(same, "config/basalt.toml differs; run: basalt config reference > config/basalt.toml");
    }

    #[test]
    fn without_its_hashes_it_is_a_settings_file_that_changes_nothing() {
        let uncommented = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) && !rest.ends_with('=') => {
                rest.to_owned()
            }
            _ => line.to_owned(),
        };
        let text: Vec<String> = reference().lines().map(uncommented).collect();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("basalt.toml"), text.join("\n")).unwrap();
        let request = Request { data_dir: dir.path().to_owned(), ..Request::default() };
        let loaded = load(&request).map_err(|problems| problems[0].to_string()).unwrap();
        let defaults = serde_json::to_value(super::super::Settings::default()).unwrap();
        assert_eq!(serde_json::to_value(loaded.settings).unwrap(), defaults);
        assert!(loaded.sources.len() > 80);
    }
}
