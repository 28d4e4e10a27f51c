//! Requests against a small schema: what they come to, and what they are refused for.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use actix_web::http::header::{HeaderName, HeaderValue};

use super::world::{cache, config};
use super::*;
use crate::request::{ApiRequest, Incoming};

pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
    config: &Config,
) -> ApiRequest {
    parsed(method, target, headers, body, config).unwrap()
}

pub(crate) fn parsed(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
    config: &Config,
) -> Result<ApiRequest, Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    let body = bytes::Bytes::copy_from_slice(body.as_bytes());
    ApiRequest::parse(Incoming { method, path, query, headers: &headers, body }, config)
}

/// The code and message of the refusal, or `ok`.
fn refusal(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    let config = Config { legacy_target_names: false, ..config() };
    let cache = cache();
    let request: ApiRequest = request(method, target, headers, body, &config);
    match plan(&request, &cache, &config, config.limits("")) {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{} {error}", error.code()),
    }
}

fn get(target: &str) -> String {
    refusal("GET", target, &[], "")
}

#[test]
fn unknown_names_are_refused_in_order() {
    assert_eq!(get("/clents"), "PGRST205 Could not find the table 'test.clents' in the schema cache");
    assert_eq!(
        get("/clients?select=*,users(*)&nowhere.id=eq.1"),
        "PGRST108 'nowhere' is not an embedded resource in this request"
    );
    assert_eq!(
        get("/clients?select=*,users(*)"),
        "PGRST200 Could not find a relationship between 'clients' and 'users' in the schema cache"
    );
    assert_eq!(get("/clients?select=id.sum()"), "PGRST123 Use of aggregate functions is not allowed");
    assert_eq!(
        refusal("GET", "/clients", &[("accept", "text/xml")], ""),
        "PGRST107 None of these media types are available: text/xml"
    );
    assert_eq!(
        refusal("GET", "/clients", &[("prefer", "handling=strict, nonsense")], ""),
        "PGRST122 Invalid preferences given with handling=strict"
    );
    assert_eq!(
        refusal("POST", "/clients", &[], r#"{"id":1,"nam":"x"}"#),
        "PGRST204 Could not find the 'nam' column of 'clients' in the schema cache"
    );
}

#[test]
fn an_alias_hides_the_name_of_its_relation() {
    assert_eq!(get("/clients?select=*,all:projects(*)&all.id=eq.1"), "ok");
    assert_eq!(
        get("/clients?select=*,all:projects(*)&projects.id=eq.1"),
        "PGRST108 'projects' is not an embedded resource in this request"
    );
}

#[test]
fn a_legacy_name_is_remembered() {
    let config = config();
    let cache = cache();
    let request = request("GET", "/clients?select=*,all:projects(*)&projects.id=eq.1", &[], "", &config);
    let Ok(Plan::Read(read)) = plan(&request, &cache, &config, config.limits("")) else { panic!("a read") };
    assert_eq!(read.tree.legacy_names(), [("projects", "all")]);
}

#[test]
fn only_a_to_one_embed_sorts_its_parent() {
    assert_eq!(get("/projects?select=*,clients(*)&order=clients(name)"), "ok");
    assert_eq!(
        get("/clients?select=*,projects(*)&order=projects(name)"),
        "PGRST118 A related order on 'projects' is not possible"
    );
    assert_eq!(
        get("/projects?order=clients(name)"),
        "PGRST108 'clients' is not an embedded resource in this request"
    );
}

#[test]
fn a_put_names_its_row_by_the_key_and_nothing_else() {
    let put = |target| refusal("PUT", target, &[], r#"{"id":1,"name":"x"}"#);
    assert_eq!(put("/clients?id=eq.1"), "ok");
    for target in [
        "/clients",
        "/clients?name=eq.x",
        "/clients?id=eq.1&name=eq.x",
        "/clients?id=not.eq.1",
        "/clients?id=gt.1",
        "/clients?id=eq(any).{1}",
        "/clients?id=eq.1&and=(id.eq.1)",
    ] {
        assert!(put(target).starts_with("PGRST105"), "{target}: {}", put(target));
    }
    assert!(refusal("PUT", "/log?line=eq.x", &[], r#"{"line":"x"}"#).starts_with("PGRST105"));
}

#[test]
fn functions_are_found_by_the_names_of_their_arguments() {
    assert_eq!(get("/rpc/add?a=1&b=2"), "ok");
    assert_eq!(get("/rpc/add?a=1&b=2&c=3"), "ok");
    assert!(get("/rpc/add?a=1").starts_with("PGRST202"));
    assert!(get("/rpc/add?a=1&b=2&d=3").starts_with("PGRST202"));
    assert!(get("/rpc/nothing").starts_with("PGRST202"));
    assert_eq!(get("/rpc/projects_of"), "ok");
    let take = |kind| refusal("POST", "/rpc/take", &[("content-type", kind)], r#"{"a":1}"#);
    assert_eq!(take("application/json"), "ok");
    assert_eq!(take("application/octet-stream"), "ok");
    assert!(take("text/plain").starts_with("PGRST202"));
    // The unnamed parameter takes a body; a query string is none.
    assert!(get("/rpc/take?a=1").starts_with("PGRST202"));
}

#[test]
fn a_limit_on_changes_needs_a_function_that_returns_rows() {
    let call = |target| {
        refusal("POST", target, &[("prefer", "handling=strict, max-affected=1")], r#"{"a":1,"b":2}"#)
    };
    assert!(call("/rpc/add").starts_with("PGRST128"));
    assert_eq!(
        refusal("POST", "/rpc/projects_of", &[("prefer", "handling=strict, max-affected=1")], "{}"),
        "ok"
    );
}

#[test]
fn handlers_of_a_relation_need_whole_rows() {
    let calendar = |target| refusal("GET", target, &[("accept", "text/calendar")], "");
    assert_eq!(calendar("/clients"), "ok");
    assert!(calendar("/clients?select=id").starts_with("PGRST107"));
    assert!(calendar("/projects").starts_with("PGRST107"));
}

#[test]
fn aggregates_inside_arrays_are_not_made() {
    let config = Config { aggregates: true, ..config() };
    let cache = cache();
    let request = request("GET", "/clients?select=...projects(id.sum())", &[], "", &config);
    let error = plan(&request, &cache, &config, config.limits("")).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "PGRST127");
}

/// Each of these is a few kilobytes and would be a statement of many megabytes.
#[test]
fn few_words_do_not_stand_for_very_many_columns() {
    let stars = format!("/clients?select=...projects({}*)", "*,".repeat(1600));
    let many: Vec<_> = (0..20).map(|n| format!("e{n}:projects(...tasks({}*))", "*,".repeat(700))).collect();
    let level = format!("...projects({}...clients(", "*,".repeat(40));
    let spreads = format!("/clients?select={}*{}", level.repeat(50), "))".repeat(50));
    assert_eq!(get(&stars), "ok");
    for target in [format!("/clients?select={}", many.join(",")), spreads] {
        assert!(target.len() < 40_000 && get(&target).starts_with("PGRST100"), "{}", get(&target));
    }
}
