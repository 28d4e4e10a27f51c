//! `make bench-schema`: how long a large schema takes to be seen, and what requests notice of it.
//!
//! Starts the release binary on an empty data directory and creates many tables, views and
//! functions. Then, idle and under load, a table is added and asked for until it is there. That time
//! has three parts: the notification, the pause that lets several changes share a reload, the
//! reload. Requests under way must not notice: none may fail, and their latencies are printed.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;
use std::time::{Duration, Instant};

use tests::load::client::{Load, Request};
use tests::load::cpu;
use tests::load::server::{Basalt, User};

/// Tables of a transaction: each takes locks until its end.
const AT_ONCE: usize = 500;

/// Changes measured idle, and under load.
const CHANGES: usize = 5;

fn main() {
    let tables = std::env::args().nth(1).map_or(10_000, |word| word.parse().expect("a number of tables"));
    let basalt = Basalt::start();
    let user = basalt.sign_up();
    println!("no tables: {} MB", cpu::resident(basalt.pid()) / 1024);
    let started = Instant::now();
    for from in (0..tables).step_by(AT_ONCE) {
        let to = tables.min(from + AT_ONCE) - 1;
        basalt.load_with(include_str!("tables.sql"), &[("from", from), ("to", to)]);
    }
    println!("{tables} tables created in {:.0?}", started.elapsed());
    println!("seen {:.2?} after the last of them", seen(&basalt, &user, &format!("bench_{}", tables - 1)));
    println!("{tables} tables: {} MB", cpu::resident(basalt.pid()) / 1024);
    changes(&basalt, &user, "idle");
    let load = Load {
        base: basalt.rest(),
        headers: user.headers(),
        connections: 8,
        request: |n| Request::get(format!("/bench_{}?id=eq.{n}", n % 50)),
    };
    let quiet = load.run(Duration::from_secs(3));
    println!("requests alone: {:.0}/s, p99 {:.1} ms", quiet.rate(), quiet.percentile(99.0));
    std::thread::scope(|scope| {
        let loaded = scope.spawn(|| load.run(Duration::from_secs(15)));
        changes(&basalt, &user, "load");
        let loaded = loaded.join().unwrap();
        println!(
            "requests during changes: {:.0}/s, p99 {:.1} ms, {} of {} refused{}",
            loaded.rate(),
            loaded.percentile(99.0),
            loaded.refused,
            loaded.answers,
            loaded.complaint()
        );
    });
    println!("at the end: {} MB", cpu::resident(basalt.pid()) / 1024);
}

/// Adds tables one by one and prints how long each took to be seen.
fn changes(basalt: &Basalt, user: &User, when: &str) {
    let times: Vec<_> = (0..CHANGES)
        .map(|n| {
            let table = format!("fresh_{when}_{n}");
            basalt.sql(&format!("create table public.{table} (id int primary key)"));
            format!("{:.2?}", seen(basalt, user, &table))
        })
        .collect();
    println!("a new table is seen ({when}) after {}", times.join(", "));
}

/// Asks for a table until it is there.
fn seen(basalt: &Basalt, user: &User, table: &str) -> Duration {
    let started = Instant::now();
    let url = format!("{}/{table}?limit=1", basalt.rest());
    let headers = user.headers();
    let headers = headers.lines().flat_map(|header| ["--header", header]);
    loop {
        let mut curl = Command::new("curl");
        let curl = curl.args(["--silent", "--fail", "--output", "/dev/null", &url]).args(headers.clone());
        if curl.status().is_ok_and(|status| status.success()) {
            return started.elapsed();
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{table} is not seen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
