//! The URL of an upload, as the client must call it. Behind a proxy the server sees other names than
//! the client: what is configured counts first, then what proxies tell, then the request itself.

use actix_web::HttpRequest;

use crate::upload::header;

const PATH: &str = "/upload/resumable";

/// What the ids of uploads follow.
pub(super) fn base(request: &HttpRequest, public_url: &str, is_signed: bool) -> String {
    let suffix = if is_signed { "/sign" } else { "" };
    let path = request.uri().path();
    let mounted = path.find(PATH).map_or("", |at| &path[..at]);
    if !public_url.is_empty() {
        return format!("{public_url}{mounted}{PATH}{suffix}");
    }
    let connection = request.connection_info();
    let host = with_port(connection.host(), request);
    let stripped = header(request, "x-forwarded-prefix").unwrap_or_default().trim_end_matches('/');
    // A proxy that strips nothing may name the prefix all the same.
    let stripped = if path.starts_with(stripped) { "" } else { stripped };
    format!("{}://{host}{stripped}{mounted}{PATH}{suffix}", connection.scheme())
}

/// A proxy may tell its port apart from its name.
fn with_port(host: &str, request: &HttpRequest) -> String {
    let port = header(request, "x-forwarded-port").filter(|_| header(request, "x-forwarded-host").is_some());
    let port = port.and_then(|port| port.parse::<u16>().ok()).filter(|port| !matches!(port, 80 | 443));
    let Some(port) = port else { return host.to_owned() };
    let name = match host.rsplit_once(':') {
        Some((name, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    format!("{name}:{port}")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_url_that_the_client_knows() {
        let check =
            |path: &str, public_url: &str, headers: &[(&'static str, &'static str)], expected: &str| {
                let request = headers
                    .iter()
                    .fold(TestRequest::with_uri(path), |request, header| request.insert_header(*header));
                assert_eq!(base(&request.to_http_request(), public_url, path.ends_with("/sign")), expected);
            };
        let path = "/storage/v1/upload/resumable";
        check(path, "", &[("host", "a.example:8000")], "http://a.example:8000/storage/v1/upload/resumable");
        check(
            "/storage/v1/upload/resumable/sign",
            "https://api.example",
            &[("host", "10.0.0.1"), ("x-forwarded-host", "evil.example")],
            "https://api.example/storage/v1/upload/resumable/sign",
        );
        let proxied =
            [("host", "10.0.0.1"), ("x-forwarded-host", "a.example"), ("x-forwarded-proto", "https")];
        check(path, "", &proxied, "https://a.example/storage/v1/upload/resumable");
        let with_port = [&proxied[..], &[("x-forwarded-port", "8443")]].concat();
        check(path, "", &with_port, "https://a.example:8443/storage/v1/upload/resumable");
        let usual = [&proxied[..], &[("x-forwarded-port", "443")]].concat();
        check(path, "", &usual, "https://a.example/storage/v1/upload/resumable");
        let stripped = [&proxied[..], &[("x-forwarded-prefix", "/files/")]].concat();
        check(path, "", &stripped, "https://a.example/files/storage/v1/upload/resumable");
        let kept = [&proxied[..], &[("x-forwarded-prefix", "/storage/v1/")]].concat();
        check(path, "", &kept, "https://a.example/storage/v1/upload/resumable");
        check("/upload/resumable", "", &kept, "https://a.example/storage/v1/upload/resumable");
    }
}
