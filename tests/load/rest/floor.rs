//! The floor: `pgbench` sending the same transaction, pipelined and prepared, with the same
//! settings and role.

use std::process::Command;

use tests::load::cpu;
use tests::load::server::Basalt;

/// What the floor run saw.
pub struct Floor {
    /// Transactions per second.
    pub rate: f64,
    /// CPU time of Postgres per transaction.
    pub postgres_micros: f64,
}

/// `statement` runs as the user `owner` over 16 connections.
pub fn run(basalt: &Basalt, statement: &str, owner: &str, seconds: u64) -> Floor {
    let script = include_str!("floor/transaction.sql").replace("-- statement", statement.trim());
    let file = basalt.directory().join("floor.sql");
    std::fs::write(&file, script.replace(":owner", owner)).unwrap();
    let postmaster = basalt.postmaster();
    let before = cpu::of_ended_children(postmaster);
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol", "prepared", "--client", "16", "--jobs", "1"])
        .args(["--time", &seconds.to_string(), "--file"])
        .arg(&file)
        .arg(basalt.database_url())
        .output()
        .expect("pgbench is installed");
    assert!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
    // The time of a backend is the postmaster's once it has been waited for.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let used = cpu::of_ended_children(postmaster).saturating_sub(before);
    let report = String::from_utf8(output.stdout).unwrap();
    let number = |label: &str| {
        let line = report.lines().find_map(|line| line.strip_prefix(label));
        let word = line.and_then(|line| line.trim().split([' ', '/']).next().map(str::to_owned));
        word.and_then(|word| word.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("pgbench reports `{label}`: {report}"))
    };
    let transactions = number("number of transactions actually processed:").max(1.0);
    Floor { rate: number("tps ="), postgres_micros: used.as_micros() as f64 / transactions }
}
