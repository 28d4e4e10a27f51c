//! The policy of a form in a browser: what whoever signed it lets others upload.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use serde_json::Value;

use super::checksum::Algorithm;
use super::error::Error;

/// Fields that need no condition: the signature itself, and what no server looks at. Nor do checksums, which allow nothing.
const FREE: [&str; 8] = [
    "policy",
    "file",
    "bucket",
    "x-amz-signature",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
];

/// What may be uploaded, and until when.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Seconds since 1970.
    expires_at: i64,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    Equals(String, String),
    StartsWith(String, String),
    Length(u64, u64),
}

impl Policy {
    /// From the field of a form.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPolicy`].
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| Error::InvalidPolicy)?;
        let document: Value = serde_json::from_slice(&bytes).map_err(|_| Error::InvalidPolicy)?;
        let expiration = document.get("expiration").and_then(Value::as_str).ok_or(Error::InvalidPolicy)?;
        let moment = DateTime::parse_from_rfc3339(expiration).ok().filter(|_| expiration.contains('T'));
        let expires_at = moment.ok_or(Error::InvalidPolicy)?.timestamp();
        let conditions = document.get("conditions").and_then(Value::as_array).ok_or(Error::InvalidPolicy)?;
        let mut all = Vec::new();
        for condition in conditions {
            match condition {
                Value::Object(pairs) if !pairs.is_empty() => {
                    for (name, value) in pairs {
                        all.push(Condition::Equals(name.to_ascii_lowercase(), text_of(value)?));
                    }
                }
                Value::Array(parts) => all.push(listed(parts)?),
                _ => return Err(Error::InvalidPolicy),
            }
        }
        Ok(Self { expires_at, conditions: all })
    }

    /// Whether these fields may be sent to this bucket now. Returns how many bytes the file may have.
    ///
    /// # Errors
    ///
    /// [`Error::AccessDenied`], with what does not fit.
    pub(crate) fn allows(
        &self,
        bucket: &str,
        fields: &[(String, String)],
        now: i64,
    ) -> Result<(u64, u64), Error> {
        if now >= self.expires_at {
            return Err(Error::AccessDenied("Invalid according to Policy: Policy expired.".into()));
        }
        // A field may come twice, and who reads it may take the one or the other: each must fit.
        let fits = |name: &str, holds: &dyn Fn(&str) -> bool| match name {
            "bucket" => holds(bucket),
            _ => {
                let mut values = fields.iter().filter(|(known, _)| known == name).peekable();
                values.peek().is_some() && values.all(|(_, value)| holds(value))
            }
        };
        let mut bounds = (0, u64::MAX);
        for condition in &self.conditions {
            let (name, fits) = match condition {
                Condition::Equals(name, wanted) => (name, fits(name, &|value| value == wanted)),
                Condition::StartsWith(name, start) => (name, fits(name, &|value| value.starts_with(start))),
                Condition::Length(least, most) => {
                    bounds = (bounds.0.max(*least), bounds.1.min(*most));
                    continue;
                }
            };
            if !fits {
                let text = format!("Invalid according to Policy: Policy Condition failed: {name}");
                return Err(Error::AccessDenied(text.into()));
            }
        }
        let covered = |name: &str| {
            self.conditions.iter().any(|condition| match condition {
                Condition::Equals(known, _) | Condition::StartsWith(known, _) => known == name,
                Condition::Length(..) => false,
            })
        };
        let is_free = |name: &str| {
            FREE.contains(&name) || name.starts_with("x-ignore-") || Algorithm::of_header(name).is_some()
        };
        // Without a word about the bucket it would be good for all that the signer may write to.
        if !covered("bucket") {
            return Err(Error::AccessDenied(
                "Invalid according to Policy: Policy did not reference these fields: bucket".into(),
            ));
        }
        match fields.iter().find(|(name, _)| !is_free(name) && !covered(name)) {
            None => Ok(bounds),
            Some((name, _)) => Err(Error::AccessDenied(
                format!("Invalid according to Policy: Extra input fields: {name}").into(),
            )),
        }
    }
}

fn listed(parts: &[Value]) -> Result<Condition, Error> {
    let [kind, first, second] = parts else { return Err(Error::InvalidPolicy) };
    let kind = kind.as_str().ok_or(Error::InvalidPolicy)?.to_ascii_lowercase();
    if kind == "content-length-range" {
        let number = |value: &Value| match value {
            Value::String(digits) => digits.parse().ok(),
            value => value.as_u64(),
        };
        let (least, most) =
            (number(first).ok_or(Error::InvalidPolicy)?, number(second).ok_or(Error::InvalidPolicy)?);
        return Ok(Condition::Length(least, most));
    }
    let name = first.as_str().and_then(|name| name.strip_prefix('$')).ok_or(Error::InvalidPolicy)?;
    let (name, value) = (name.to_ascii_lowercase(), text_of(second)?);
    match kind.as_str() {
        "eq" => Ok(Condition::Equals(name, value)),
        "starts-with" => Ok(Condition::StartsWith(name, value)),
        _ => Err(Error::InvalidPolicy),
    }
}

fn text_of(value: &Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(Error::InvalidPolicy),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn policy(conditions: &str) -> Result<Policy, Error> {
        let text = format!("{{\"expiration\": \"2027-01-01T00:00:00.000Z\", \"conditions\": {conditions}}}");
        Policy::read(&STANDARD.encode(text))
    }

    /// Whether fields fit a second before the end.
    fn fits(conditions: &str, fields: &[(&str, &str)]) -> bool {
        let fields: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        policy(conditions).unwrap().allows("b", &fields, 1_798_761_599).is_ok()
    }

    #[test]
    fn every_field_must_be_allowed() {
        let rules = r#"[{"bucket": "b"}, ["starts-with", "$key", "user/"], {"acl": "private"}, ["eq", "$Content-Type", "text/plain"]]"#;
        let good = [("key", "user/a"), ("acl", "private"), ("content-type", "text/plain"), ("policy", "x")];
        assert!(fits(rules, &good));
        for (at, other) in
            [(0, ("key", "other/a")), (1, ("acl", "public")), (2, ("content-type", "text/html"))]
        {
            let mut bad = good;
            bad[at] = other;
            assert!(!fits(rules, &bad), "{other:?}");
        }
        assert!(!fits(rules, &good[..2]));
        assert!(!fits(rules, &[&good[..], &[("x-amz-meta-admin", "1")]].concat()));
        assert!(fits(rules, &[&good[..], &[("x-ignore-this", "1"), ("x-amz-date", "1")]].concat()));
        assert!(!fits(r#"[{"bucket": "other"}]"#, &[]));
        assert!(!fits("[]", &[]) && fits(r#"[["starts-with", "$bucket", ""]]"#, &[]));
    }

    #[test]
    fn a_field_that_comes_twice_must_fit_twice() {
        let rules = r#"[{"bucket": "b"}, ["starts-with", "$key", "user/"], {"x-amz-meta-by": "ada"}]"#;
        let good = [("key", "user/a"), ("x-amz-meta-by", "ada")];
        assert!(fits(rules, &good));
        for second in [("key", "other/a"), ("x-amz-meta-by", "eve")] {
            assert!(!fits(rules, &[&good[..], &[second]].concat()), "{second:?}");
            assert!(!fits(rules, &[&[second][..], &good].concat()), "{second:?}");
        }
    }

    #[test]
    fn sizes_are_bounded_and_time_is_up() {
        let policy = policy(
            r#"[{"bucket": "b"}, ["content-length-range", 2, 10], ["content-length-range", "1", "8"]]"#,
        )
        .unwrap();
        assert_eq!(policy.allows("b", &[], 1_798_761_599).unwrap(), (2, 8));
        assert!(policy.allows("b", &[], 1_798_761_600).is_err());
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for bad in [
            "",
            "{}",
            "[1]",
            "[[]]",
            r#"[["eq", "key", "x"]]"#,
            r#"[["in", "$key", "x"]]"#,
            r#"[{"key": []}]"#,
            r#"[["content-length-range", -1, 5]]"#,
        ] {
            assert!(policy(bad).is_err(), "{bad}");
        }
        assert!(Policy::read("%%%").is_err());
        assert!(Policy::read(&STANDARD.encode("{\"conditions\": []}")).is_err());
        for moment in ["soon", "2027-01-01", "2027-01-01 00:00:00+00:00", "2027-01-01T00:00:00"] {
            let text = format!("{{\"expiration\": \"{moment}\", \"conditions\": []}}");
            assert!(Policy::read(&STANDARD.encode(text)).is_err(), "{moment}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_read_with_a_panic(text in ".{0,60}") {
            let _ = Policy::read(&text);
            let _ = policy(&text);
        }
    }
}
