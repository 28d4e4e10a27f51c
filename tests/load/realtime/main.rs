//! `make bench-realtime`: what sockets, broadcasts, presence and row changes cost.
//!
//! Starts the release binary on an empty data directory and opens sockets that speak version 2 of the protocol,
//! all from one thread: on a small machine the generator shares the cores with the server, so what it costs
//! itself is printed beside what the server costs. Every message carries the time at which it was sent (rows:
//! at which they were inserted), and every message that arrives is counted: what was sent and did not arrive is
//! lost.
//!
//! - [`crowd`]: many sockets; [`socket`]: frames; [`outcome`]: what is printed.
//! - [`broadcasts`], [`sockets`], [`presence`], [`changes`]: the scenarios; [`recovery`]: the time until they go on.
//!
//! Figures of different machines are not comparable, and neither are those of a busy one.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

mod broadcasts;
mod changes;
mod crowd;
mod outcome;
mod presence;
mod recovery;
mod socket;
mod sockets;

use std::future::Future;
use std::time::Duration;

use tests::load::server::Basalt;

/// What was asked for.
struct Options {
    seconds: u64,
    only: Option<String>,
}

fn options() -> Options {
    let mut options = Options { seconds: 5, only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} takes a value"));
        match word.as_str() {
            "--seconds" => options.seconds = value().parse().expect("--seconds takes a number"),
            "--only" => options.only = Some(value()),
            _ => {
                println!(
                    "bench-realtime [--seconds N] [--only fan-out|rooms|idle|presence|database|changes|recovery]"
                );
                std::process::exit(if word == "--help" { 0 } else { 2 });
            }
        }
    }
    options
}

fn main() {
    let options = options();
    let duration = Duration::from_secs(options.seconds);
    const MANY: &str = "100000000";
    let limits = [
        "BASALT_REALTIME__MAX_EVENTS_PER_SECOND",
        "BASALT_REALTIME__MAX_PRESENCE_EVENTS_PER_SECOND",
        "BASALT_REALTIME__MAX_PRESENCE_CALLS",
        "BASALT_REALTIME__MAX_JOINS_PER_SECOND",
    ];
    let mut environment = limits.map(|name| (name, MANY)).to_vec();
    environment.push(("BASALT_REALTIME__MAX_SOCKETS", "19000"));
    environment.push(("BASALT_SERVER__MAX_CONNECTIONS", "19000"));
    let basalt = Basalt::start_with_services("auth,rest,realtime", &environment);
    let wants = |name: &str| options.only.as_deref().is_none_or(|only| name.contains(only));
    outcome::head(&basalt);
    if wants("fan-out") {
        on_one_thread(broadcasts::fan_out(&basalt, duration));
    }
    if wants("rooms") {
        on_one_thread(broadcasts::rooms(&basalt, duration));
    }
    if wants("presence") {
        on_one_thread(presence::churn(&basalt, duration));
    }
    if wants("database") {
        on_one_thread(broadcasts::from_the_database(&basalt, duration));
    }
    if wants("changes") {
        on_one_thread(changes::to_many_users(&basalt, duration));
    }
    if wants("recovery") {
        on_one_thread(recovery::of_postgres(&basalt));
    }
    if wants("idle") {
        on_one_thread(sockets::idle(&basalt));
    }
}

fn on_one_thread(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, scenario);
}
