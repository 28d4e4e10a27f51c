//! `make bench-storage`: what files cost.
//!
//! Starts the binary on an empty data directory and measures uploads and downloads of 10 KB at 1, 8 and 64
//! connections, 1 GiB both ways, ranges of 10 KB of that gigabyte, lists of 100 in 3,000 and in 1,000,000
//! objects, and signing: requests per second, CPU seconds of Basalt and of Postgres per 1,000 requests,
//! and the most memory of Basalt meanwhile. `--peer URL` (with `--peer-key JWT` of its service role) measures
//! the same things beside at another server of the same API, without its costs.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

mod large;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::load::client::{Load, Outcome, Request};
use tests::load::cpu::{self, Cpu};
use tests::load::server::Basalt;

const FEW: u32 = 3_000;
const MANY: u32 = 1_000_000;

struct Options {
    seconds: u64,
    peer: Option<Peer>,
    only: Option<String>,
}

struct Peer {
    url: String,
    key: String,
}

fn options() -> Options {
    let mut options = Options { seconds: 3, peer: None, only: None };
    let (mut peer, mut key) = (None, String::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} takes a value"));
        match word.as_str() {
            "--seconds" => options.seconds = value().parse().expect("--seconds takes a number"),
            "--peer" => peer = Some(value()),
            "--peer-key" => key = value(),
            "--only" => options.only = Some(value()),
            _ => {
                println!("bench-storage [--seconds N] [--peer URL --peer-key JWT] [--only WORD]");
                std::process::exit(if word == "--help" { 0 } else { 2 });
            }
        }
    }
    options.peer = peer.map(|url| Peer { url: url.trim_end_matches('/').to_owned(), key });
    options
}

/// Something that clients do many times.
struct Scenario {
    name: &'static str,
    connections: &'static [usize],
    request: fn(u64) -> Request,
    /// Needs the gigabyte, or objects that only SQL makes.
    needs: Needs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Gigabyte,
    Objects,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "upload 10 KB", connections: &[1, 8, 64], request: upload, needs: Needs::Nothing },
    Scenario { name: "replace 10 KB", connections: &[8], request: replace, needs: Needs::Nothing },
    Scenario { name: "download 10 KB", connections: &[1, 8, 64], request: download, needs: Needs::Nothing },
    Scenario { name: "download, public", connections: &[1, 8, 64], request: public, needs: Needs::Nothing },
    Scenario { name: "sign", connections: &[8], request: sign, needs: Needs::Nothing },
    Scenario { name: "10 KB of 1 GiB", connections: &[1, 8], request: range, needs: Needs::Gigabyte },
    Scenario { name: "list of 3,000", connections: &[8], request: list_few, needs: Needs::Objects },
    Scenario { name: "list of 1,000,000", connections: &[8], request: list_many, needs: Needs::Objects },
    Scenario { name: "list-v2 of 3,000", connections: &[8], request: list_v2_few, needs: Needs::Objects },
    Scenario {
        name: "list-v2 of 1,000,000",
        connections: &[8],
        request: list_v2_many,
        needs: Needs::Objects,
    },
];

/// Names are not used twice, whichever scenario takes one.
static SERIAL: AtomicU64 = AtomicU64::new(0);

fn content() -> String {
    "ten bytes ".repeat(1000)
}

fn upload(_: u64) -> Request {
    let n = SERIAL.fetch_add(1, Ordering::Relaxed);
    Request::post(&format!("/object/bench/new/{n}"), content())
}

fn replace(n: u64) -> Request {
    Request::new("PUT", format!("/object/bench/same/{}", n % 64), content())
}

fn download(_: u64) -> Request {
    Request::get("/object/authenticated/bench/small".to_owned())
}

fn public(_: u64) -> Request {
    Request::get("/object/public/open/small".to_owned())
}

fn sign(_: u64) -> Request {
    Request::post("/object/sign/bench/small", json!({ "expiresIn": 60 }).to_string())
}

fn range(_: u64) -> Request {
    Request::get("/object/authenticated/bench/large".to_owned()).with("range: bytes=700000000-700009999")
}

fn list(bucket: &str, version: &str, n: u64) -> Request {
    let body = match version {
        // Somewhere in the middle, as who scrolls.
        "list" => json!({ "prefix": "", "limit": 100, "offset": (n % 20) * 100 }),
        _ => json!({ "limit": 100, "prefix": format!("{:02}", n % 30) }),
    };
    Request::post(&format!("/object/{version}/{bucket}"), body.to_string())
}

fn list_few(n: u64) -> Request {
    list("few", "list", n)
}

fn list_many(n: u64) -> Request {
    list("many", "list", n)
}

fn list_v2_few(n: u64) -> Request {
    list("few", "list-v2", n)
}

fn list_v2_many(n: u64) -> Request {
    list("many", "list-v2", n)
}

fn main() {
    let options = options();
    let basalt =
        Basalt::start_with_services("auth,rest,storage", &[("BASALT_STORAGE__FILE_SIZE_LIMIT", "2GiB")]);
    let (base, headers) = (basalt.storage(), bearer(basalt.key("SERVICE_ROLE_KEY")));
    println!(
        "idle memory of basalt: {} MB; load average {}",
        cpu::resident(basalt.pid()) / 1024,
        load_average()
    );
    prepare(&base, &headers);
    if let Some(peer) = &options.peer {
        prepare(&peer.url, &bearer(&peer.key));
    }
    let is_wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    println!(
        "{:<22} {:>4} {:>9} {:>8} {:>8} {:>12} {:>12} {:>7} {:>6}",
        "request", "conn", "req/s", "p50 ms", "p99 ms", "basalt s/k", "postgres s/k", "RSS MB", "load"
    );
    if SCENARIOS.iter().any(|scenario| scenario.needs == Needs::Objects && is_wanted(scenario.name)) {
        fill(&basalt);
    }
    let needs_it =
        SCENARIOS.iter().any(|scenario| scenario.needs == Needs::Gigabyte && is_wanted(scenario.name));
    if needs_it || is_wanted("1 GiB") {
        gigabyte(&basalt, "upload 1 GiB", || large::send(&base, &headers));
        gigabyte(&basalt, "download 1 GiB", || large::receive(&base, &headers));
        if let Some(peer) = &options.peer {
            let (url, headers) = (&peer.url, bearer(&peer.key));
            println!("{:<22} {:>6.0} MiB/s", "  peer", rate(|| large::send(url, &headers)));
            println!("{:<22} {:>6.0} MiB/s", "  peer", rate(|| large::receive(url, &headers)));
        }
    }
    for scenario in SCENARIOS.iter().filter(|scenario| is_wanted(scenario.name)) {
        for &connections in scenario.connections {
            let duration = Duration::from_secs(options.seconds);
            let load = |base: &str, headers: &str| Load {
                base: base.to_owned(),
                headers: headers.to_owned(),
                connections,
                request: scenario.request,
            };
            measured(&basalt, scenario.name, connections, || load(&base, &headers).run(duration));
            if let Some(peer) = &options.peer
                && scenario.needs != Needs::Objects
            {
                let result = load(&peer.url, &bearer(&peer.key)).run(duration);
                println!(
                    "{:<22} {connections:>4} {:>9.0} {:>8.2} {:>8.2}{}",
                    "  peer",
                    result.rate(),
                    result.percentile(50.0),
                    result.percentile(99.0),
                    result.complaint()
                );
            }
        }
    }
}

fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The buckets, and a small object in each.
fn prepare(base: &str, headers: &str) {
    for (bucket, public) in [("bench", false), ("open", true)] {
        let body = json!({ "name": bucket, "public": public }).to_string();
        let made = curl(headers, &["--json", &body, &format!("{base}/bucket")]);
        assert!(made.contains("name") || made.contains("Duplicate"), "{made}");
        let put = ["--request", "PUT", "--data", &content(), &format!("{base}/object/{bucket}/small")];
        assert!(curl(headers, &put).contains("Key"), "the first upload failed");
    }
}

/// Rows without files: lists need none.
fn fill(basalt: &Basalt) {
    for (bucket, count) in [("few", FEW), ("many", MANY)] {
        basalt.sql(&format!("insert into storage.buckets (id, name) values ('{bucket}', '{bucket}')"));
        basalt.sql(&format!(
            "insert into storage.objects (bucket_id, name, version, metadata)
             select '{bucket}', lpad((n::bigint * 7919 % {count})::text, 7, '0') || '.png', gen_random_uuid()::text,
                    jsonb_build_object('size', n, 'mimetype', 'image/png', 'eTag', md5(n::text))
               from generate_series(1, {count}) n"
        ));
    }
    basalt.sql("vacuum analyze storage.objects");
}

fn curl(headers: &str, words: &[&str]) -> String {
    let output = Command::new("curl").args(["--silent", "--header", headers.trim()]).args(words).output();
    String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
}

/// MiB per second.
fn rate(transfer: impl FnOnce()) -> f64 {
    let started = Instant::now();
    transfer();
    1024.0 / started.elapsed().as_secs_f64()
}

fn gigabyte(basalt: &Basalt, name: &str, transfer: impl FnOnce()) {
    let before = Cpu::of(basalt);
    let mut rate = 0.0;
    let most = most_memory(basalt, || rate = self::rate(transfer));
    let used = Cpu::of(basalt).since(&before);
    println!(
        "{name:<22} {rate:>6.0} MiB/s, {:.2} CPU s of basalt, {most} MB, load {}",
        used.basalt.as_secs_f64(),
        load_average()
    );
}

/// The most memory of Basalt while something runs, in MB.
fn most_memory(basalt: &Basalt, work: impl FnOnce()) -> u64 {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(cpu::resident(basalt.pid()));
                std::thread::sleep(Duration::from_millis(50));
            }
            most / 1024
        });
        work();
        done.store(true, Ordering::Relaxed);
        watching.join().unwrap()
    })
}

/// Runs a load and prints what it saw and cost.
fn measured(basalt: &Basalt, name: &str, connections: usize, load: impl FnOnce() -> Outcome) {
    let before = Cpu::of(basalt);
    let mut result = Outcome::default();
    let most = most_memory(basalt, || result = load());
    let used = Cpu::of(basalt).since(&before);
    let per_thousand = |time: Duration| time.as_secs_f64() * 1000.0 / result.answers.max(1) as f64;
    println!(
        "{name:<22} {connections:>4} {:>9.0} {:>8.2} {:>8.2} {:>12.3} {:>12.3} {most:>7} {:>6}{}",
        result.rate(),
        result.percentile(50.0),
        result.percentile(99.0),
        per_thousand(used.basalt),
        per_thousand(used.postgres),
        load_average(),
        result.complaint(),
    );
}
