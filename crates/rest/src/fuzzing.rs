//! The door by which the fuzzers of `fuzz/` reach what is private; no other build has it.
//!
//! Each function takes any bytes at all. What it promises of them it asserts, so that a broken
//! promise is a crash.

use std::sync::LazyLock;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

pub use crate::exec::fuzzing::row;
pub use crate::request::fuzzing::{body, clause, header, query};

use crate::config::Config;
use crate::plan::plan;
use crate::plan::world;
use crate::request::{ApiRequest, Incoming};
use crate::schema::SchemaCache;
use crate::sql::{self, proof};

static CACHE: LazyLock<SchemaCache> = LazyLock::new(world::cache);

/// A request as it would look on the wire: `GET /clients?id=eq.1`, headers, an empty line, a body.
/// The first byte chooses settings.
pub fn statement(data: &[u8]) {
    let Some((settings, data)) = data.split_first() else { return };
    let config =
        Config { aggregates: settings & 1 != 0, legacy_target_names: settings & 2 == 0, ..world::config() };
    let Some((method, path, query, headers, body)) = message(data) else { return };
    let incoming =
        Incoming { method, path, query, headers: &headers, body: bytes::Bytes::copy_from_slice(body) };
    let Ok(request) = ApiRequest::parse(incoming, &config) else { return };
    let limits = config.limits("");
    let Ok(plan) = plan(&request, &CACHE, &config, limits) else { return };
    let other = proof::with_other_values(&request);
    let other_plan = crate::plan::plan(&other, &CACHE, &config, limits);
    #[allow(clippy::unwrap_used)]
    let other_plan = other_plan.unwrap();

    let casts = proof::casts(&request);
    let texts = |request: &ApiRequest, plan: &crate::plan::Plan<'_>| {
        let main = sql::statement(request, plan, limits);
        let (main, count) = main.map_or((None, None), |all| (Some(all.main), all.count));
        let all = [main, count, sql::lines(plan), sql::plain(request, plan, settings & 4 == 0)];
        all.map(|statement| {
            statement.map(|statement| {
                assert_eq!(proof::check(&statement, &casts), Ok(()));
                statement.text
            })
        })
    };
    assert_eq!(texts(&request, &plan), texts(&other, &other_plan), "a value got into the text");
}

/// Method, path, query string, headers and body.
fn message(data: &[u8]) -> Option<(&str, &str, &str, HeaderMap, &[u8])> {
    let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let (head, body) = data.split_at(end);
    let mut lines = std::str::from_utf8(head).ok()?.split('\n');
    let (method, target) = lines.next()?.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.append(name, value);
        }
    }
    Some((method, path, query, headers, body.get(2..).unwrap_or_default()))
}
