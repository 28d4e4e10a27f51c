//! `make bench-rest`: what a request to the data API costs.
//!
//! Starts the release binary on an empty data directory, fills a few tables under row-level
//! security, and sends each kind of request over 1, 8, 16 and 64 connections. Printed per run:
//! requests per second, median and 99th percentile of the latency, CPU time per request of Basalt
//! and of Postgres, memory of Basalt. Beside it, in the same run, stand two yardsticks: `pgbench`
//! sending the same statement with the same role switching over the same socket (the floor), and,
//! with `--peer URL`, any server that speaks the same protocol.
//!
//! Figures of different runs are not comparable; the ratios within one run are.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]

mod floor;

use std::time::Duration;

use tests::load::client::{Load, Request};
use tests::load::cpu::{self, Cpu};
use tests::load::server::Basalt;

/// Connections of the runs.
const CONNECTIONS: [usize; 4] = [1, 8, 16, 64];

struct Options {
    seconds: u64,
    peer: Option<String>,
    only: Option<String>,
}

fn options() -> Options {
    let mut options = Options { seconds: 3, peer: None, only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} takes a value"));
        match word.as_str() {
            "--seconds" => options.seconds = value().parse().expect("--seconds takes a number"),
            "--peer" => options.peer = Some(value()),
            "--only" => options.only = Some(value()),
            _ => {
                println!("bench-rest [--seconds N] [--peer URL] [--only WORD]");
                std::process::exit(if word == "--help" { 0 } else { 2 });
            }
        }
    }
    options
}

/// A kind of request, and the statement that `pgbench` sends in its place.
struct Scenario {
    name: &'static str,
    request: fn(u64) -> Request,
    floor: &'static str,
    writes: bool,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "one row by key",
        request: |n| Request::get(format!("/bench_items?id=eq.{}", 1 + n * 7919 % 20_000)),
        floor: include_str!("floor/one_row.sql"),
        writes: false,
    },
    Scenario {
        name: "100 rows",
        request: |n| Request::get(format!("/bench_items?limit=100&id=gt.{}", n * 97 % 19_000)),
        floor: include_str!("floor/hundred_rows.sql"),
        writes: false,
    },
    Scenario {
        name: "20 rows, one embed",
        request: |n| {
            let from = n * 97 % 19_000;
            Request::get(format!("/bench_items?select=id,title,bench_parents(name)&limit=20&id=gt.{from}"))
        },
        floor: include_str!("floor/embed.sql"),
        writes: false,
    },
    Scenario {
        name: "count=exact page",
        request: |n| {
            let parent = 1 + n % 200;
            Request::get(format!("/bench_items?parent_id=eq.{parent}&limit=20")).with("prefer: count=exact")
        },
        floor: include_str!("floor/count.sql"),
        writes: false,
    },
    Scenario {
        name: "insert minimal",
        request: |n| {
            Request::post("/bench_notes", format!("{{\"body\":\"note {n}\"}}")).with("prefer: return=minimal")
        },
        floor: include_str!("floor/insert.sql"),
        writes: true,
    },
    Scenario {
        name: "function call",
        request: |n| Request::post("/rpc/bench_add", format!("{{\"a\":{n},\"b\":2}}")),
        floor: include_str!("floor/call.sql"),
        writes: false,
    },
];

fn main() {
    let options = options();
    let basalt = Basalt::start();
    let user = basalt.sign_up();
    basalt.load(include_str!("schema.sql"), &user.id);
    println!("idle memory of basalt: {} MB", cpu::resident(basalt.pid()) / 1024);
    println!(
        "{:<20} {:>4} {:>9} {:>8} {:>8} {:>8} {:>9} {:>7}",
        "request", "conn", "req/s", "p50 ms", "p99 ms", "basalt µs", "postgres µs", "RSS MB"
    );
    let wanted =
        |scenario: &&Scenario| options.only.as_ref().is_none_or(|word| scenario.name.contains(word.as_str()));
    for scenario in SCENARIOS.iter().filter(wanted) {
        for connections in CONNECTIONS {
            let load =
                Load { base: basalt.rest(), headers: user.headers(), connections, request: scenario.request };
            let _ = load.run(Duration::from_millis(500));
            let before = Cpu::of(&basalt);
            let result = load.run(Duration::from_secs(options.seconds));
            let used = Cpu::of(&basalt).since(&before);
            let per = |time: Duration| time.as_micros() as f64 / result.answers.max(1) as f64;
            println!(
                "{:<20} {:>4} {:>9.0} {:>8.2} {:>8.2} {:>9.0} {:>11.0} {:>7}{}",
                scenario.name,
                connections,
                result.rate(),
                result.percentile(50.0),
                result.percentile(99.0),
                per(used.basalt),
                per(used.postgres),
                cpu::resident(basalt.pid()) / 1024,
                result.complaint(),
            );
            if let Some(peer) = &options.peer {
                let load = Load {
                    base: peer.clone(),
                    headers: user.headers(),
                    connections,
                    request: scenario.request,
                };
                let result = load.run(Duration::from_secs(options.seconds));
                println!(
                    "{:<20} {:>4} {:>9.0} {:>8.2} {:>8.2}{}",
                    "  peer",
                    connections,
                    result.rate(),
                    result.percentile(50.0),
                    result.percentile(99.0),
                    result.complaint()
                );
            }
        }
        let floor = floor::run(&basalt, scenario.floor, &user.id, options.seconds);
        println!("{:<20} {:>4} {:>9.0} {:>38.0}", "  pgbench (floor)", 16, floor.rate, floor.postgres_micros);
        if scenario.writes {
            basalt.sql("truncate public.bench_notes");
        }
    }
}
