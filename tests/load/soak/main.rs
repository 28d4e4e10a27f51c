//! `make bench-soak`: memory under a long mixed load.
//!
//! Starts the release binary on an empty data directory and sends reads, embeds, writes and calls
//! over 16 connections; every fifth request is refused, each time for another reason. Prints the
//! memory of Basalt as it goes and, at the end, how it grew after the first quarter: a server that
//! keeps something of each request shows a slope, one that does not shows none.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use tests::load::client::{Load, Request};
use tests::load::cpu;
use tests::load::server::Basalt;

/// Figures printed over the whole time.
const LINES: u64 = 30;

fn main() {
    let seconds = seconds();
    let basalt = Basalt::start();
    let user = basalt.sign_up();
    println!("idle: {} kB", cpu::resident(basalt.pid()));
    basalt.load(include_str!("../rest/schema.sql"), &user.id);
    basalt.load(include_str!("schema.sql"), &user.id);
    let load = Load { base: basalt.rest(), headers: user.headers(), connections: 16, request };
    let pause = Duration::from_secs((seconds / LINES).max(1));
    println!("{:>8} {:>10}", "seconds", "RSS kB");
    std::thread::scope(|scope| {
        let started = Instant::now();
        let loaded = scope.spawn(|| load.run(Duration::from_secs(seconds)));
        let mut points = Vec::new();
        while !loaded.is_finished() {
            std::thread::sleep(pause);
            let point = (started.elapsed().as_secs_f64(), cpu::resident(basalt.pid()) as f64);
            println!("{:>8.0} {:>10.0}", point.0, point.1);
            points.push(point);
        }
        let outcome = loaded.join().unwrap();
        println!(
            "{} requests, {:.0}/s, p99 {:.1} ms, {:.1} % refused, {} failed",
            outcome.answers,
            outcome.rate(),
            outcome.percentile(99.0),
            outcome.refused as f64 * 100.0 / outcome.answers.max(1) as f64,
            outcome.failed
        );
        points.retain(|(at, _)| *at > seconds as f64 / 4.0);
        println!("after the first quarter: {:+.1} kB per minute", slope(&points) * 60.0);
    });
    std::thread::sleep(Duration::from_secs(30));
    println!("half a minute later: {} kB", cpu::resident(basalt.pid()));
}

fn seconds() -> u64 {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => 600,
        ["--seconds", number] => number.parse().expect("--seconds takes a number"),
        _ => {
            println!("bench-soak [--seconds N]");
            std::process::exit(2);
        }
    }
}

/// The nth request. The last two of ten are refused.
fn request(n: u64) -> Request {
    let row = 1 + n * 7919 % 20_000;
    let mark = n * 31 % 5_000;
    let merge = "prefer: resolution=merge-duplicates,return=minimal";
    match n % 10 {
        0..=2 => Request::get(format!("/bench_items?id=eq.{row}")),
        3 => Request::get(format!("/bench_items?limit=100&id=gt.{}", row % 19_000)),
        4 => Request::get(format!(
            "/bench_items?select=id,title,bench_parents(name)&limit=20&id=gt.{}",
            row % 19_000
        )),
        5 => Request::post("/soak_marks", format!(r#"{{"id":{mark},"label":"mark {n}"}}"#)).with(merge),
        6 => Request::new(
            "PATCH",
            format!("/soak_marks?id=eq.{mark}"),
            format!(r#"{{"label":"changed by {n}"}}"#),
        )
        .with("prefer: return=representation"),
        7 => Request::post("/rpc/bench_add", format!(r#"{{"a":{n},"b":2}}"#)),
        _ => refused(n, mark),
    }
}

fn refused(n: u64, mark: u64) -> Request {
    match n / 10 % 8 {
        0 => Request::get(format!("/bench_items?id=eq.word{n}")),
        1 => Request::get(format!("/no_table_{n}")),
        2 => Request::get(format!("/bench_items?select=id,no_column_{}", n % 1000)),
        3 => Request::get(format!("/bench_items?id=no_operator.{n}")),
        4 => Request::post("/soak_marks", format!("{{\"id\":{mark},")),
        5 => Request::post("/soak_marks", format!(r#"{{"id":-{n},"label":"row security"}}"#)),
        6 => Request::post("/rpc/soak_fail", "{}".to_owned()),
        _ => Request::new(
            "PATCH",
            format!("/soak_marks?id=lt.{}", mark + 10_000),
            r#"{"count":-1}"#.to_owned(),
        ),
    }
}

/// By least squares, in units of y per unit of x.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len().max(1) as f64;
    let (x, y) =
        points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / count, sum.1 + point.1 / count));
    let (above, below) = points.iter().fold((0.0, 0.0), |sum, point| {
        (sum.0 + (point.0 - x) * (point.1 - y), sum.1 + (point.0 - x).powi(2))
    });
    if below > 0.0 { above / below } else { 0.0 }
}
