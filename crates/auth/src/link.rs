//! The links in mails.

use url::{Url, form_urlencoded};

use crate::config::{self, Config};
use crate::error::{Error, OrInternal};

/// The link of a mail: path by what it verifies, below the URL `external` of this API. `kind` is the type that
/// `/verify` is told; of a change of address also with the address's role, which is left out.
pub(crate) fn of(
    config: &Config,
    external: &str,
    kind: &str,
    hash: &str,
    redirect_to: &str,
) -> Result<String, Error> {
    let paths = &config.email.url_paths;
    let (path, kind) = match kind {
        "invite" => (&paths.invite, kind),
        "signup" => (&paths.confirmation, kind),
        "email_change" | "email_change_current" | "email_change_new" => (&paths.email_change, "email_change"),
        kind => (&paths.recovery, kind),
    };
    let base = resolve(external, path)?;
    // Only what would end the parameter is escaped, as applications match on the rest, and what is no
    // part of an address: nobody writes a sentence of theirs into our mails.
    let ends = |letter: char| matches!(letter, '&' | '=' | '#') || !letter.is_ascii_graphic();
    let escaped: String = match redirect_to.contains(ends) {
        true => form_urlencoded::byte_serialize(redirect_to.as_bytes()).collect(),
        false => redirect_to.to_owned(),
    };
    Ok(format!("{base}?token={hash}&type={kind}&redirect_to={escaped}"))
}

/// `path` against the external URL, whose own path is kept where `path` is the default.
fn resolve(external: &str, path: &str) -> Result<String, Error> {
    const BAD: &str = "Invalid external URL";
    if path == config::DEFAULT_PATH {
        return Ok(format!("{}{path}", external.trim_end_matches('/')));
    }
    let base = Url::parse(external).or_internal(BAD)?;
    Ok(base.join(path).or_internal(BAD)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let mut config = Config::default();
        let link = |config: &Config, kind: &str, to: &str| {
            of(config, "https://api.test/auth/v1", kind, "h", to).ok()
        };
        assert_eq!(
            link(&config, "email_change_new", "https://site.test/x").as_deref(),
            Some("https://api.test/auth/v1/verify?token=h&type=email_change&redirect_to=https://site.test/x")
        );
        config.email.url_paths.invite = "/auth/v1/verify".to_owned();
        assert_eq!(
            link(&config, "invite", "https://site.test/x?y=1").as_deref(),
            Some(
                "https://api.test/auth/v1/verify?token=h&type=invite&redirect_to=https%3A%2F%2Fsite.test%2Fx%3Fy%3D1"
            )
        );
        let sentence = link(&config, "signup", "https://site.test/ Call 555").unwrap_or_default();
        assert!(sentence.ends_with("redirect_to=https%3A%2F%2Fsite.test%2F+Call+555"), "{sentence}");
    }
}
