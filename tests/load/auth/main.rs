//! `make bench-auth`: what accounts and sessions cost.
//!
//! Starts the release binary on an empty data directory and measures sign-ins (which the hash of the
//! password bounds, on purpose), refreshes (each connection follows its own session), `GET /user` and the
//! public keys: requests per second, median and 99th percentile of the latency, CPU time per request of
//! Basalt and of Postgres, memory of Basalt. Then it asks for the user at a steady pace, alone and while
//! as many sign in as can: hashing must not keep others waiting.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use serde_json::{Value, json};
use tests::load::client::{Load, Outcome, Request};
use tests::load::cpu::{self, Cpu};
use tests::load::server::{Basalt, User};

const PASSWORD: &str = "a long enough password";
/// Accounts that sign in, and sessions that refresh.
const USERS: usize = 16;
/// Between two requests of a connection that asks at a steady pace.
const PACE: Duration = Duration::from_millis(20);

struct Options {
    seconds: u64,
    hash: String,
}

fn options() -> Options {
    let mut options = Options { seconds: 3, hash: "argon2id".to_owned() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} takes a value"));
        match word.as_str() {
            "--seconds" => options.seconds = value().parse().expect("--seconds takes a number"),
            "--hash" => options.hash = value(),
            _ => {
                println!("bench-auth [--seconds N] [--hash argon2id|bcrypt]");
                std::process::exit(if word == "--help" { 0 } else { 2 });
            }
        }
    }
    options
}

fn main() {
    let options = options();
    const MANY: &str = "100000000";
    let basalt = Basalt::start_with(&[
        ("BASALT_AUTH__PASSWORD_HASH", &options.hash),
        ("BASALT_AUTH__RATE_LIMIT__TOKEN_REFRESH", MANY),
        ("BASALT_AUTH__RATE_LIMIT__SIGN_IN_SIGN_UPS", MANY),
    ]);
    let users: Vec<User> = (0..USERS).map(|n| basalt.sign_up_as(&email(n), PASSWORD)).collect();
    let duration = Duration::from_secs(options.seconds);
    println!("passwords: {}", hash(&basalt));
    println!("idle memory of basalt: {} MB", cpu::resident(basalt.pid()) / 1024);
    println!(
        "{:<28} {:>4} {:>9} {:>8} {:>8} {:>9} {:>11} {:>7}",
        "request", "conn", "req/s", "p50 ms", "p99 ms", "basalt µs", "postgres µs", "RSS MB"
    );
    let load =
        |headers: String, connections, request| Load { base: basalt.auth(), headers, connections, request };
    for connections in [1, 16] {
        let load = load(key(&basalt), connections, sign_in);
        measured(&basalt, "sign in", connections, || load.run(duration));
    }
    let refreshing = load(key(&basalt), USERS, sign_in);
    let first = || users.iter().map(|user| refresh(&user.refresh_token)).collect();
    measured(&basalt, "refresh", USERS, || refreshing.chained(duration, first(), refreshed));
    let user = users[0].headers();
    for connections in [1, 16] {
        let load = load(user.clone(), connections, |_| Request::get("/user".to_owned()));
        measured(&basalt, "GET /user", connections, || load.run(duration));
    }
    let jwks = load(String::new(), 16, |_| Request::get("/.well-known/jwks.json".to_owned()));
    measured(&basalt, "public keys", 16, || jwks.run(duration));
    let steady = load(user, 4, |_| Request::get("/user".to_owned()));
    measured(&basalt, "GET /user, paced, alone", 4, || steady.paced(duration, PACE));
    let signing_in = load(key(&basalt), 16, sign_in);
    std::thread::scope(|scope| {
        let signed_in = scope.spawn(|| signing_in.run(duration + Duration::from_secs(1)));
        std::thread::sleep(Duration::from_millis(500));
        measured(&basalt, "GET /user, paced, sign-ins", 4, || steady.paced(duration, PACE));
        let signed_in = signed_in.join().unwrap();
        println!("  meanwhile {:.0} sign-ins/s{}", signed_in.rate(), signed_in.complaint());
    });
}

/// Runs a load and prints what it saw and cost.
fn measured(basalt: &Basalt, name: &str, connections: usize, load: impl FnOnce() -> Outcome) {
    let before = Cpu::of(basalt);
    let result = load();
    let used = Cpu::of(basalt).since(&before);
    let per = |time: Duration| time.as_micros() as f64 / result.answers.max(1) as f64;
    println!(
        "{:<28} {:>4} {:>9.0} {:>8.2} {:>8.2} {:>9.0} {:>11.0} {:>7}{}",
        name,
        connections,
        result.rate(),
        result.percentile(50.0),
        result.percentile(99.0),
        per(used.basalt),
        per(used.postgres),
        cpu::resident(basalt.pid()) / 1024,
        result.complaint(),
    );
}

fn email(n: usize) -> String {
    format!("bench{n}@example.com")
}

fn key(basalt: &Basalt) -> String {
    format!("apikey: {}\r\n", basalt.key("ANON_KEY"))
}

/// The kind of hash and its parameters, from one that was written.
fn hash(basalt: &Basalt) -> String {
    let hash = basalt.value("select encrypted_password from auth.users limit 1");
    let parts: Vec<&str> = hash.split('$').filter(|part| !part.is_empty()).collect();
    parts.iter().take(if hash.starts_with("$argon2") { 3 } else { 2 }).copied().collect::<Vec<_>>().join(" ")
}

fn sign_in(n: u64) -> Request {
    let user = usize::try_from(n).unwrap_or_default() % USERS;
    Request::post(
        "/token?grant_type=password",
        json!({ "email": email(user), "password": PASSWORD }).to_string(),
    )
}

fn refresh(token: &str) -> Request {
    Request::post("/token?grant_type=refresh_token", json!({ "refresh_token": token }).to_string())
}

/// The refresh that follows an answer.
fn refreshed(answer: &str) -> Request {
    let session: Value = serde_json::from_str(answer).unwrap_or_default();
    refresh(session["refresh_token"].as_str().unwrap_or_default())
}
