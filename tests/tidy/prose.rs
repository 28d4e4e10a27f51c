//! Rules about everything that is read by people.

use crate::{files, none, root};

#[test]
fn the_repository_speaks_of_the_product_alone() {
    // Put together here, so that this file does not contain what it looks for.
    let forbidden = [
        ["/wo", "rk/"].concat(),
        ["/tmp/", "up/"].concat(),
        ["crates", ".io/"].concat(),
        ["registry.", "npmjs"].concat(),
    ];
    let endings = [
        ".rs",
        ".toml",
        ".md",
        ".sql",
        ".yaml",
        ".yml",
        ".mjs",
        ".json",
        "Makefile",
        "Dockerfile",
        "run",
        ".sh",
    ];
    let mut found = Vec::new();
    for (path, text) in files(".", &endings) {
        // Cargo's own lock file names where packages come from.
        for (n, line) in text.lines().enumerate() {
            if forbidden.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{path}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    none(found, "no path of a machine, no host of a package registry");
}

#[test]
fn the_readme_shows_the_quick_start_that_is_tested() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let shown = |name: &str| {
        let text = std::fs::read_to_string(root().join("examples/quickstart").join(name)).unwrap();
        // The file's opening comment is for those who open the file.
        let code = text.lines().skip_while(|line| line.starts_with("//")).collect::<Vec<_>>().join("\n");
        readme.contains(code.trim())
    };
    let missing = ["schema.sql", "quickstart.mjs"].into_iter().filter(|name| !shown(name)).map(str::to_owned);
    none(missing.collect(), "README.md shows these files of examples/quickstart");
}
