//! The path and query as the services shall see them.

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, uri::PathAndQuery};

use super::refusal::Refusal;

/// Below it topics and events are segments of the path, whatever they hold; there is no finer rule to get around.
const NAMES: &str = "/realtime/v1/api/broadcast/";

/// Resolves `//`, `.` and `..`, and refuses slashes in disguise, so that no spelling of a path gets
/// around the rule of its prefix. Names of objects may hold empty segments and slashes of any
/// spelling: nothing below that prefix has a rule of its own.
pub(crate) fn normalise(request: &mut ServiceRequest) -> Result<(), Refusal> {
    let raw = request.uri().path();
    if raw.starts_with(STORAGE) && raw.split('/').all(|segment| matches!(dots(segment), None | Some(0))) {
        return Ok(());
    }
    if has_disguised_slash(raw) && !(raw.starts_with(NAMES) && resolved(raw).is_none()) {
        return Err(Refusal::BadPath);
    }
    if let Some(path) = resolved(raw) {
        replace(request, |query| match query {
            Some(query) => format!("{path}?{query}"),
            None => path.clone(),
        })?;
    }
    Ok(())
}

const STORAGE: &str = "/storage/v1/";

/// Escaped, or a backslash, which readers of URLs take for one.
fn has_disguised_slash(path: &str) -> bool {
    path.contains('\\')
        || path
            .as_bytes()
            .windows(3)
            .any(|w| w.eq_ignore_ascii_case(b"%2f") || w.eq_ignore_ascii_case(b"%5c"))
}

/// The path without empty and dot segments, or `None` if it has none. A trailing slash stays.
fn resolved(path: &str) -> Option<String> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let body = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() || body.split('/').all(|segment| dots(segment).is_none()) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in body.split('/') {
        match dots(segment) {
            Some(2) => drop(kept.pop()),
            Some(_) => {}
            None => kept.push(segment),
        }
    }
    let trailing = if inner.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    Some(format!("/{}{trailing}", kept.join("/")))
}

/// How many dots a dot segment has, escaped ones included; 0 for the empty segment.
fn dots(segment: &str) -> Option<usize> {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    matches!(plain.as_str(), "" | "." | "..").then_some(plain.len())
}

/// The first `apikey` of the query, which stays there.
pub(crate) fn api_key(request: &ServiceRequest) -> Option<String> {
    let key = request.query_string().split('&').find_map(|parameter| parameter.strip_prefix("apikey="))?;
    Some(percent_encoding::percent_decode_str(key).decode_utf8().ok()?.into_owned())
}

/// Takes `apikey` out of the query, where the data API would read it as a filter, and returns the
/// first one.
pub(crate) fn take_api_key(request: &mut ServiceRequest) -> Option<String> {
    let query = request.query_string();
    if !query.contains("apikey=") {
        return None;
    }
    let (keys, others): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|parameter| parameter.starts_with("apikey="));
    let key = keys.first()?.strip_prefix("apikey=")?;
    let key = percent_encoding::percent_decode_str(key).decode_utf8().ok()?.into_owned();
    let others = others.join("&");
    let path = request.uri().path().to_owned();
    replace(request, |_| if others.is_empty() { path.clone() } else { format!("{path}?{others}") }).ok()?;
    Some(key)
}

/// `/graphql/v1` is the function `graphql` of the schema `graphql_public`.
pub(crate) fn graphql(request: &mut ServiceRequest) -> Result<(), Refusal> {
    if request.path() != "/graphql/v1" {
        return Ok(());
    }
    if request.method() != Method::POST {
        return Err(Refusal::PostOnly);
    }
    replace(request, |_| "/rest/v1/rpc/graphql".to_owned())?;
    let schema = HeaderValue::from_static("graphql_public");
    request.headers_mut().insert(HeaderName::from_static("content-profile"), schema);
    Ok(())
}

fn replace(request: &mut ServiceRequest, target: impl FnOnce(Option<&str>) -> String) -> Result<(), Refusal> {
    let mut parts = request.uri().clone().into_parts();
    let target = target(request.uri().query());
    let target = PathAndQuery::try_from(target.as_str()).map_err(|_| Refusal::BadPath)?;
    parts.path_and_query = Some(target);
    let uri = Uri::from_parts(parts).map_err(|_| Refusal::BadPath)?;
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn every_spelling_of_a_path_is_one_path() {
        let check =
            |path: &str, expected: Option<&str>| assert_eq!(resolved(path).as_deref(), expected, "{path}");
        check("/rest/v1/todos", None);
        check("/rest/v1/", None);
        check("/", None);
        check("//auth//v1/user", Some("/auth/v1/user"));
        check("/rest/v1/../../auth/v1/admin", Some("/auth/v1/admin"));
        check("/rest/./v1/x/", Some("/rest/v1/x/"));
        check("/../../..", Some("/"));
        check("/rest/v1/%2e%2E/x", Some("/rest/x"));
        check("/auth/v1/.well-known/.%2e/admin", Some("/auth/v1/admin"));
        check("/rest/v1/a..b", None);
    }

    #[test]
    fn names_of_objects_stay_as_they_are_spelled() {
        let check = |path: &str, expected: Result<&str, Refusal>| {
            let mut request = TestRequest::with_uri(path).to_srv_request();
            let seen = normalise(&mut request).map(|()| request.uri().path().to_owned());
            assert_eq!(seen, expected.map(str::to_owned), "{path}");
        };
        check("/storage/v1/object/b//a%2Fb/", Ok("/storage/v1/object/b//a%2Fb/"));
        check("/storage/v1/object/b/../../../../auth/v1/admin", Ok("/auth/v1/admin"));
        check("/storage/v1/object/b/%2e%2e/c", Ok("/storage/v1/object/c"));
        check("/storage/v1/object/b/%2e%2e/a%2Fb", Err(Refusal::BadPath));
        check("/storage/v1x//b", Ok("/storage/v1x/b"));
    }

    #[test]
    fn no_prefix_excuses_a_slash_in_disguise() {
        let mut name = TestRequest::with_uri("/realtime/v1/api/broadcast/a%2Fb/events/c").to_srv_request();
        assert_eq!(normalise(&mut name), Ok(()), "but for names below one prefix without a finer rule");
        for path in [
            "/rest/v1/a%2Fb",
            "/realtime/v1/api/broadcast/../../../auth/v1/.well-known/..%2fadmin/users",
            "/auth/v1/.well-known/..%5cadmin",
            "/functions/v1/open/\\..\\..\\guarded",
            "/storage/v1/object/../../../auth/v1/.well-known/..%2fadmin/users",
        ] {
            let mut request = TestRequest::with_uri(path).to_srv_request();
            assert_eq!(normalise(&mut request), Err(Refusal::BadPath), "{path}");
        }
    }

    #[test]
    fn the_key_leaves_the_query() {
        let check = |uri: &str, key: Option<&str>, rest: &str| {
            let mut request = TestRequest::with_uri(uri).to_srv_request();
            assert_eq!(take_api_key(&mut request).as_deref(), key, "{uri}");
            assert_eq!(request.uri().to_string(), rest, "{uri}");
        };
        check("/rest/v1/t?apikey=k&select=*", Some("k"), "/rest/v1/t?select=*");
        check("/rest/v1/t?apikey=k", Some("k"), "/rest/v1/t");
        check("/rest/v1/t?a=1&apikey=k%2B1&apikey=second", Some("k+1"), "/rest/v1/t?a=1");
        check("/rest/v1/t?myapikey=eq.1", None, "/rest/v1/t?myapikey=eq.1");
    }
}
