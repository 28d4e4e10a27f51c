//! Durations and sizes as settings spell them.
//!
//! Durations follow Go's syntax (`1h30m`, `300ms`), which is what the environment of a
//! self-hosted Supabase already holds; a bare number is seconds. Sizes are bytes with an optional
//! unit (`50MiB`, `1GB`, `512`).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A text that is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a {1}")]
pub struct UnitError(String, &'static str);

/// A length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }
}

impl Bytes {
    /// So many mebibytes.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// As a length in memory; saturates on small platforms.
    #[must_use]
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Splits `text` into its leading number and the rest.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let refused = || UnitError(text.to_owned(), "duration such as 90s, 1h30m or 300ms");
        let mut rest = text.trim();
        let mut total = 0.0;
        if rest.is_empty() {
            return Err(refused());
        }
        while !rest.is_empty() {
            let (value, tail) = number(rest).ok_or_else(refused)?;
            let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            total += value
                * match unit {
                    "ns" => 1e-9,
                    "us" | "µs" => 1e-6,
                    "ms" => 1e-3,
                    "s" => 1.0,
                    "m" => 60.0,
                    "h" => 3600.0,
                    "d" => 86_400.0,
                    "" if rest == text.trim() && tail.is_empty() => 1.0,
                    _ => return Err(refused()),
                };
            rest = tail;
        }
        Duration::try_from_secs_f64(total).map(Self).map_err(|_| refused())
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let refused = || UnitError(text.to_owned(), "size such as 1048576, 512KB or 50MiB");
        let (value, unit) = number(text.trim()).ok_or_else(refused)?;
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1.0,
            "kb" | "k" => 1e3,
            "mb" | "m" => 1e6,
            "gb" | "g" => 1e9,
            "tb" | "t" => 1e12,
            "kib" => 1024.0,
            "mib" => 1_048_576.0,
            "gib" => 1_073_741_824.0,
            "tib" => 1_099_511_627_776.0,
            _ => return Err(refused()),
        };
        let bytes = value * factor;
        // Beyond this a float no longer counts single bytes.
        if bytes > 9_007_199_254_740_992.0 {
            return Err(refused());
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0 => f.write_str("0s"),
            m if m % 86_400_000 == 0 => write!(f, "{}d", m / 86_400_000),
            m if m % 3_600_000 == 0 => write!(f, "{}h", m / 3_600_000),
            m if m % 60_000 == 0 => write!(f, "{}m", m / 60_000),
            m if m % 1000 == 0 => write!(f, "{}s", m / 1000),
            m => write!(f, "{m}ms"),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            n if n % 1_073_741_824 == 0 => write!(f, "{}GiB", n / 1_073_741_824),
            n if n % 1_048_576 == 0 => write!(f, "{}MiB", n / 1_048_576),
            n if n % 1024 == 0 => write!(f, "{}KiB", n / 1024),
            n => write!(f, "{n}"),
        }
    }
}

struct Text<T>(&'static str, fn(u64) -> T);

impl<T: FromStr<Err = UnitError>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<T, E> {
        Ok((self.1)(n))
    }

    fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<T, E> {
        u64::try_from(n).map(self.1).map_err(|_| E::custom("must not be negative"))
    }
}

macro_rules! spelled {
    // One spelling rule for both units: text or a bare number in, the shortest text out.
    ($unit:ident, $what:literal, $from:expr) => {
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Text::<Self>($what, $from)).map_err(D::Error::custom)
            }
        }

        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $unit {
            fn schema_name() -> Cow<'static, str> {
                stringify!($unit).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "integer"], "description": $what })
            }
        }
    };
}

spelled!(Span, "a duration such as \"90s\", \"1h30m\" or seconds", Span::secs);
spelled!(Bytes, "a size such as \"50MiB\" or bytes", Bytes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(text.parse::<Span>().ok(), millis.map(|m| Span(Duration::from_millis(m))), "{text}");
        };
        check("90", Some(90_000));
        check("1h30m", Some(5_400_000));
        check("300ms", Some(300));
        check("1.5s", Some(1500));
        check("", None);
        check("h", None);
        check("1x", None);
        check("1h5", None);
        check("-1s", None);
    }

    #[test]
    fn sizes() {
        let check = |text: &str, bytes: Option<u64>| {
            assert_eq!(text.parse::<Bytes>().ok(), bytes.map(Bytes), "{text}")
        };
        check("512", Some(512));
        check("50MiB", Some(52_428_800));
        check("1 GB", Some(1_000_000_000));
        check("20mb", Some(20_000_000));
        check("MiB", None);
        check("1XB", None);
        check("99999999TiB", None);
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["0s", "90s", "5m", "1h", "2d", "250ms"] {
            assert_eq!(text.parse::<Span>().map(|s| s.to_string()).as_deref(), Ok(text));
        }
        for text in ["0", "7", "3KiB", "50MiB", "2GiB"] {
            assert_eq!(text.parse::<Bytes>().map(|b| b.to_string()).as_deref(), Ok(text));
        }
    }
}
