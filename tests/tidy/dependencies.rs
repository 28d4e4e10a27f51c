//! Who may depend on whom.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::{none, root};

/// The table of `ARCHITECTURE.md`: crate, workspace crates it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("jwt", &["kernel"]),
    ("db", &["kernel"]),
    ("cluster", &["kernel"]),
    ("durable", &[]),
    ("object", &[]),
    ("picture", &[]),
    ("auth", &["kernel", "jwt", "db"]),
    ("rest", &["kernel", "db"]),
    ("realtime", &["kernel", "jwt", "db"]),
    ("storage", &["kernel", "jwt", "db", "object", "picture"]),
    ("vault", &["kernel", "db", "durable"]),
    ("functions", &["kernel"]),
    (
        "gateway",
        &[
            "kernel",
            "jwt",
            "db",
            "durable",
            "cluster",
            "auth",
            "rest",
            "realtime",
            "storage",
            "vault",
            "functions",
        ],
    ),
    ("testkit", &["kernel", "jwt", "db", "cluster"]),
    ("tests", &[]),
];

/// Outside crates that open doors, and the only crates that may name them.
const DOORS: &[(&str, &[&str])] = &[
    ("tokio-postgres", &["db"]),
    ("deadpool-postgres", &["db"]),
    ("refinery", &["db", "auth", "realtime", "storage", "vault"]),
    ("anyhow", &["gateway"]),
    ("reqwest", &["auth", "functions", "gateway", "storage"]),
    ("lettre", &["auth"]),
    ("async-nats", &["realtime"]),
    ("object_store", &["object"]),
    ("jsonwebtoken", &["jwt"]),
    ("actix-web", &["kernel", "auth", "rest", "realtime", "storage", "vault", "functions", "gateway"]),
];

/// Crate → (name, is a development dependency).
fn dependencies() -> BTreeMap<String, Vec<(String, bool)>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo describes the workspace");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let list = |package: &Value| {
        let used = package["dependencies"].as_array().unwrap().iter();
        used.map(|d| (d["name"].as_str().unwrap().to_owned(), d["kind"] == "dev")).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), list(package))).collect()
}

#[test]
fn crates_know_only_whom_the_table_lets_them_know() {
    let dependencies = dependencies();
    let mut findings = Vec::new();
    for (name, used) in &dependencies {
        let Some((_, allowed)) = MAY_USE.iter().find(|(row, _)| row == name) else {
            findings.push(format!("{name} is not in the table"));
            continue;
        };
        for (other, dev) in used {
            let ours = dependencies.contains_key(other);
            let testing = *dev && (other == "testkit" || *name == "tests");
            // A service's tests may use what the gateway would hand to it.
            let handed =
                *dev && matches!(other.as_str(), "jwt" | "db" | "cluster" | "kernel" | "vault" | "auth");
            if ours && !allowed.contains(&other.as_str()) && !testing && !handed {
                findings.push(format!("{name} uses {other}"));
            }
            if other == "testkit" && !dev {
                findings.push(format!("{name} ships testkit"));
            }
        }
    }
    none(findings, "the dependency table");
}

#[test]
fn doors_are_opened_in_one_place() {
    let mut findings = Vec::new();
    for (name, used) in dependencies() {
        for (other, dev) in used {
            let rule = DOORS.iter().find(|(door, _)| *door == other);
            if rule.is_some_and(|(_, keepers)| !keepers.contains(&name.as_str())) && !dev {
                findings.push(format!("{name} uses {other}"));
            }
        }
    }
    none(findings, "these crates are reached through their keepers");
}
