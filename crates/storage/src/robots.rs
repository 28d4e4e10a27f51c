//! The header that tells robots what to do with an object, checked before it is kept.

use chrono::DateTime;

use crate::error::Error;

const SIMPLE: &[&str] =
    &["all", "noindex", "nofollow", "none", "nosnippet", "indexifembedded", "notranslate", "noimageindex"];
const WITH_VALUE: &[&str] = &["max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"];

/// Checks a value: rules with commas between, each perhaps for one robot (`bot: noindex`).
///
/// # Errors
///
/// [`Error::InvalidRobotsTag`].
pub(crate) fn check(value: &str) -> Result<(), Error> {
    let mut rest = value.trim();
    if rest.is_empty() {
        return refuse("X-Robots-Tag header value must be a non-empty string".to_owned());
    }
    while !rest.is_empty() {
        let (rule, behind) = split(rest);
        one(rule.trim())?;
        rest = behind.trim();
    }
    Ok(())
}

/// The first rule and what follows it. A date may hold a comma, and ends before the next rule.
fn split(text: &str) -> (&str, &str) {
    let is_rule = |text: &str| {
        let word = text.split([',', ':']).next().unwrap_or_default().trim();
        let robot = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        SIMPLE.contains(&word)
            || WITH_VALUE.contains(&word)
            || (robot && text.contains(':') && !word.contains(' '))
    };
    let is_date = text.starts_with("unavailable_after:");
    let mut from = 0;
    while let Some(comma) = text[from..].find(',').map(|at| from + at) {
        let behind = &text[comma + 1..];
        if !is_date || is_rule(behind.trim_start()) {
            return (&text[..comma], behind);
        }
        from = comma + 1;
    }
    (text, "")
}

fn one(rule: &str) -> Result<(), Error> {
    if rule.is_empty() {
        return refuse("X-Robots-Tag header contains empty rule".to_owned());
    }
    if SIMPLE.contains(&rule) {
        return Ok(());
    }
    let Some((name, value)) = rule.split_once(':') else {
        return refuse(format!("Invalid X-Robots-Tag rule: \"{rule}\""));
    };
    let (name, value) = (name.trim(), value.trim());
    if WITH_VALUE.contains(&name) {
        return with_value(name, value);
    }
    if value.is_empty() {
        return refuse(format!("X-Robots-Tag user agent \"{name}\" has no rules specified"));
    }
    one(value)
}

fn with_value(name: &str, value: &str) -> Result<(), Error> {
    let (fits, wanted) = match name {
        _ if value.is_empty() => return refuse(format!("X-Robots-Tag rule \"{name}\" requires a value")),
        "max-image-preview" => {
            (matches!(value, "none" | "standard" | "large"), "must be one of: none, standard, large")
        }
        "unavailable_after" => (is_date(value), "must be a valid date"),
        _ => (value.parse::<i64>().is_ok_and(|n| n >= -1), "must be an integer >= -1"),
    };
    if fits { Ok(()) } else { refuse(format!("X-Robots-Tag \"{name}\" value {wanted}, got: \"{value}\"")) }
}

fn is_date(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok()
        || DateTime::parse_from_rfc2822(text).is_ok()
        || httpdate::parse_http_date(text).is_ok()
        || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
        || DateTime::parse_from_str(&format!("{text} +0000"), "%d %b %Y %H:%M:%S %Z %z").is_ok()
}

fn refuse(text: String) -> Result<(), Error> {
    Err(Error::InvalidRobotsTag(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_robots_understand() {
        for value in [
            "noindex",
            "noindex, nofollow",
            "max-snippet: 10, max-image-preview: large",
            "max-video-preview: -1",
            "googlebot: noindex",
            "googlebot: max-snippet: 0",
            "unavailable_after: 2030-01-01",
            "unavailable_after: Wed, 21 Oct 2026 07:28:00 GMT",
            "unavailable_after: Wed, 21 Oct 2026 07:28:00 GMT, noindex",
        ] {
            assert!(check(value).is_ok(), "{value}");
        }
        for value in [
            "",
            " ",
            "index-me",
            "noindex,,nofollow",
            "max-snippet: x",
            "max-snippet:",
            "max-image-preview: big",
            "bot:",
            "unavailable_after: soon",
        ] {
            assert!(matches!(check(value), Err(Error::InvalidRobotsTag(_))), "{value}");
        }
    }
}
