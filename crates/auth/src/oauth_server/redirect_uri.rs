//! Where an application may be answered.
//!
//! Codes are sent there, by a browser, so nothing that a browser would run is taken, and no clear
//! text beyond this machine. A comma is refused, because the column separates addresses by commas:
//! the part behind it would be an address that nobody checked.

use url::Url;

/// Addresses one application may have.
pub(super) const MAX: usize = 10;
const MAX_LENGTH: usize = 2048;

/// Schemes that a browser runs or shows instead of calling an application.
const DANGEROUS: [&str; 6] = ["javascript", "data", "file", "vbscript", "about", "blob"];

/// Says whether an application may be answered at `uri`, and why not.
pub(super) fn check(uri: &str) -> Result<(), String> {
    if uri.is_empty() {
        return Err("redirect URI cannot be empty".to_owned());
    }
    if uri.chars().count() > MAX_LENGTH {
        return Err(format!("cannot exceed {MAX_LENGTH} characters"));
    }
    let scheme = scheme(uri).ok_or("must have scheme and host")?;
    // Browsers read some of these as something else.
    if uri.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '\\' | ',')) {
        return Err("invalid URL format".to_owned());
    }
    let host = authority(uri).filter(|authority| !authority.is_empty());
    if host.is_none() {
        return Err("must have scheme and host".to_owned());
    }
    if DANGEROUS.contains(&scheme.as_str()) {
        return Err(format!("scheme '{scheme}' is not allowed for security reasons"));
    }
    let url = Url::parse(uri).map_err(|_| "invalid URL format")?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if scheme == "http" && !loopback {
        return Err("HTTP scheme only allowed for localhost".to_owned());
    }
    if uri.contains('#') {
        return Err("fragment not allowed in redirect URI".to_owned());
    }
    Ok(())
}

fn scheme(uri: &str) -> Option<String> {
    let (scheme, _) = uri.split_once(':')?;
    let mut letters = scheme.chars();
    let begins = letters.next()?.is_ascii_alphabetic();
    let goes_on = letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (begins && goes_on).then(|| scheme.to_ascii_lowercase())
}

fn authority(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(':')?;
    rest.strip_prefix("//")?.split(['/', '?', '#']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |uri: &str, expected: Option<&str>| {
            assert_eq!(check(uri).err().as_deref(), expected, "{uri}");
        };
        check("https://a.test/cb?x=1", None);
        check("http://localhost:3000/cb", None);
        check("http://127.0.0.1/cb", None);
        check("http://[::1]:8080/cb", None);
        check("com.example.app://callback/x", None);
        check("", Some("redirect URI cannot be empty"));
        check("/cb", Some("must have scheme and host"));
        check("com.example.app:/cb", Some("must have scheme and host"));
        check("javascript:alert(1)", Some("must have scheme and host"));
        check("https:///cb", Some("must have scheme and host"));
        check(
            "javascript://a.test/%0aalert(1)",
            Some("scheme 'javascript' is not allowed for security reasons"),
        );
        check("JavaScript://a.test/", Some("scheme 'javascript' is not allowed for security reasons"));
        check("data://text/html,x", Some("invalid URL format"));
        check("blob://a.test/x", Some("scheme 'blob' is not allowed for security reasons"));
        check("http://a.test/cb", Some("HTTP scheme only allowed for localhost"));
        check("http://localhost@a.test/cb", Some("HTTP scheme only allowed for localhost"));
        check("http://localhost.a.test/cb", Some("HTTP scheme only allowed for localhost"));
        check("http://localhost\\@a.test/cb", Some("invalid URL format"));
        check("https://a.test/cb#x", Some("fragment not allowed in redirect URI"));
        check("https://a.test/\n", Some("invalid URL format"));
        check("https://a.test/,javascript:alert(1)", Some("invalid URL format"));
        check(&format!("https://a.test/{}", "x".repeat(2048)), Some("cannot exceed 2048 characters"));
    }
}
