//! Where a hook is: a function of the database, or an address on the web.

use url::{Host, Url};

use super::webhook::{Key, Webhook};
use crate::config::Hook;
use crate::store::hook;

/// Where a hook is.
#[derive(Debug)]
pub(crate) enum Target {
    Function {
        /// As the settings name it.
        uri: String,
        /// The statement that calls it.
        sql: String,
    },
    Web(Webhook),
}

/// Why a hook's settings cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    Uri(&'static str),
    Secret(&'static str),
}

impl Target {
    pub(crate) fn of(hook: &Hook) -> Result<Self, Unusable> {
        let url = Url::parse(&hook.uri).map_err(|_| Unusable::Uri("must be a URI"))?;
        match url.scheme() {
            "pg-functions" => function(&hook.uri, &url),
            "https" => web(hook),
            "http" if is_here(&url) => web(hook),
            "http" => Err(Unusable::Uri(
                "must be https, except on localhost, 127.0.0.1, [::1] and host.docker.internal",
            )),
            _ => Err(Unusable::Uri("must be pg-functions://postgres/<schema>/<function>, or an https URL")),
        }
    }
}

fn function(uri: &str, url: &Url) -> Result<Target, Unusable> {
    let parts: Vec<&str> = url.path().trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        [schema, name] if is_name(schema) && is_name(name) => {
            Ok(Target::Function { uri: uri.to_owned(), sql: hook::statement(schema, name) })
        }
        _ => Err(Unusable::Uri(
            "must be pg-functions://postgres/<schema>/<function>, names of letters, digits and underscores",
        )),
    }
}

/// Names that need no quoting, as upstream wants them.
fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// This machine, or the one that a container runs on.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => matches!(name, "localhost" | "host.docker.internal"),
        Some(Host::Ipv4(ip)) => ip.octets() == [127, 0, 0, 1],
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn web(hook: &Hook) -> Result<Target, Unusable> {
    let parts = hook.secrets.expose().split('|').filter(|part| !part.is_empty());
    let keys =
        parts.map(|part| Key::parse(part).ok_or(Unusable::Secret(SECRET))).collect::<Result<_, _>>()?;
    Ok(Target::Web(Webhook { url: hook.uri.clone(), keys }))
}

const SECRET: &str = "must be v1,whsec_<base64 of 24 to 64 bytes> or v1a,whpk_<base64>:whsk_<base64>";

#[cfg(test)]
mod tests {
    use kernel::Secret;

    use super::*;

    const SYMMETRIC: &str = "v1,whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn of(uri: &str, secrets: &str) -> Result<Target, Unusable> {
        Target::of(&Hook { enabled: true, uri: uri.to_owned(), secrets: Secret::new(secrets) })
    }

    #[test]
    fn functions_are_named_by_schema_and_name() {
        let longest = format!("pg-functions://postgres/public/{}", "x".repeat(63));
        for uri in ["pg-functions://postgres/public/Hook_1", "PG-FUNCTIONS://postgres/_a/b", &longest] {
            assert!(matches!(of(uri, ""), Ok(Target::Function { .. })), "{uri}");
        }
        let longer = format!("pg-functions://postgres/public/{}", "x".repeat(64));
        for uri in [
            "pg-functions://postgres/public",
            "pg-functions://postgres/public/",
            "pg-functions://postgres/public/a/b",
            "pg-functions://postgres/public/1a",
            "pg-functions://postgres/public/a%22b",
            "pg-functions://postgres/pub-lic/a",
            "pg-functions://postgres//a",
            &longer,
        ] {
            assert!(matches!(of(uri, ""), Err(Unusable::Uri(_))), "{uri}");
        }
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for uri in [
            "http://localhost:54321/x",
            "http://127.0.0.1/",
            "http://[::1]:1/",
            "http://host.docker.internal/",
        ] {
            assert!(of(uri, "").is_ok(), "{uri}");
        }
        for uri in [
            "http://example.com/",
            "http://localhost.example.com/",
            "http://10.0.0.1/",
            "ws://localhost/",
            "file:///etc/passwd",
            "nonsense",
        ] {
            assert!(matches!(of(uri, ""), Err(Unusable::Uri(_))), "{uri}");
        }
    }

    #[test]
    fn secrets_have_one_of_two_forms() {
        let several = format!("{SYMMETRIC}|{SYMMETRIC}|");
        let Ok(Target::Web(webhook)) = of("https://example.com/", &several) else { panic!("usable") };
        assert_eq!(webhook.keys.len(), 2);
        for secret in [
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "v1,whsec_c2hvcnQ=",
            "v1,whsec_not base64 at all, not base64 at all",
            "v1a,whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "v1a,whpk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:whsk_x",
        ] {
            assert!(matches!(of("https://example.com/", secret), Err(Unusable::Secret(_))), "{secret}");
        }
    }
}
