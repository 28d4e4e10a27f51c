//! Rows asked for: `limit`, `offset` and the `Range` header as one closed interval.
//!
//! The arithmetic is PostgREST's, quirks included: an offset with `limit=0` is refused, one of -1
//! with `limit=1` is nothing at all.

use crate::error::{Error, RangeError};

/// The rows from `lower` to `upper`, both counted from 0 and included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first row; may be negative, as the client may write what it likes.
    pub lower: i64,
    /// The last row; `None` for no end. Below `lower` when a limit is 0 or negative.
    pub upper: Option<i64>,
}

impl Range {
    /// Every row.
    pub const ALL: Self = Self { lower: 0, upper: None };
    /// No row, asked for on purpose by `limit=0`.
    pub const LIMIT_ZERO: Self = Self { lower: 0, upper: Some(-1) };

    /// The number of rows to skip.
    pub fn offset(self) -> i64 {
        self.lower
    }

    /// The greatest number of rows; negative if the client asked for that.
    pub fn limit(self) -> Option<i64> {
        self.upper.map(|upper| upper.saturating_sub(self.lower).saturating_add(1))
    }

    /// The rows of `limit` and `offset` as written, of which at least one was given.
    pub(super) fn from_clauses(limit: Option<&str>, offset: Option<&str>) -> Self {
        let whole = |text: Option<&str>| text.and_then(integer);
        let lower = whole(offset).unwrap_or(0);
        let rows = match (limit, whole(limit)) {
            // A limit that is no number is no limit alone, and none at all next to an offset.
            (Some(_), None) if offset.is_some() => Some(0),
            (_, rows) => rows,
        };
        let upper = rows.map(|rows| lower.saturating_add(rows).saturating_sub(1));
        Self { lower, upper }
    }

    /// The rows of a `Range` header; all for one that is not understood.
    fn from_header(value: &str) -> Self {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match value.split_once('-') {
            Some((lower, upper)) if digits(lower) && (upper.is_empty() || digits(upper)) => {
                Self { lower: integer(lower).unwrap_or(0), upper: integer(upper) }
            }
            _ => Self::ALL,
        }
    }

    fn is_empty(self) -> bool {
        self.upper.is_some_and(|upper| upper < self.lower)
    }

    /// The rows in both; `None` if there are none.
    fn intersect(self, other: Self) -> Option<Self> {
        if self.is_empty() || other.is_empty() {
            return None;
        }
        let upper = match (self.upper, other.upper) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let both = Self { lower: self.lower.max(other.lower), upper };
        (!both.is_empty()).then_some(both)
    }
}

/// The rows of the root: `clauses` narrowed by the `Range` header of a GET.
pub(super) fn root(clauses: Range, header: Option<&str>, method: &str) -> Result<Range, Error> {
    let header = header.filter(|_| method == "GET").map_or(Range::ALL, Range::from_header);
    let rows = if clauses.upper == Range::LIMIT_ZERO.upper {
        Range::LIMIT_ZERO
    } else {
        header.intersect(clauses).ok_or(Error::Range(if header.is_empty() {
            RangeError::LowerAboveUpper
        } else {
            RangeError::NegativeLimit
        }))?
    };
    if method == "PUT" && rows != Range::ALL {
        return Err(Error::PutLimit);
    }
    Ok(rows)
}

/// A whole number with an optional sign, brought into the range of 64 bits.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bound = if negative { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rows(lower: i64, upper: i64) -> Range {
        Range { lower, upper: Some(upper) }
    }

    #[test]
    fn limit_and_offset() {
        for (limit, offset, expected) in [
            (Some("3"), None, rows(0, 2)),
            (None, Some("3"), Range { lower: 3, upper: None }),
            (Some("3"), Some("2"), rows(2, 4)),
            (Some("0"), None, Range::LIMIT_ZERO),
            (Some("x"), None, Range::ALL),
            (None, Some("x"), Range::ALL),
            (Some("x"), Some("2"), rows(2, 1)),
            (Some("-2"), None, rows(0, -3)),
            (Some("99999999999999999999"), None, rows(0, i64::MAX - 1)),
        ] {
            assert_eq!(Range::from_clauses(limit, offset), expected, "{limit:?} {offset:?}");
        }
        assert_eq!(rows(0, -3).limit(), Some(-2));
    }

    #[test]
    fn the_root_is_narrowed_by_the_header() {
        let below = Err(Error::Range(RangeError::NegativeLimit));
        let above = Err(Error::Range(RangeError::LowerAboveUpper));
        for (clauses, header, method, expected) in [
            (Range::ALL, None, "GET", Ok(Range::ALL)),
            (Range::ALL, Some("0-9"), "GET", Ok(rows(0, 9))),
            (Range::ALL, Some("5-"), "GET", Ok(Range { lower: 5, upper: None })),
            (Range::ALL, Some("items=0-9"), "GET", Ok(Range::ALL)),
            (Range::ALL, Some("0-9"), "HEAD", Ok(Range::ALL)),
            (Range::ALL, Some("5-2"), "GET", above.clone()),
            (rows(1, 3), Some("2-9"), "GET", Ok(rows(2, 3))),
            (rows(0, 1), Some("2-9"), "GET", below.clone()),
            (rows(0, -3), None, "GET", below.clone()),
            (Range::LIMIT_ZERO, Some("2-9"), "GET", Ok(Range::LIMIT_ZERO)),
            (rows(2, 1), None, "GET", below.clone()),
            (rows(-1, -1), None, "GET", Ok(Range::LIMIT_ZERO)),
            (rows(0, 0), None, "PUT", Err(Error::PutLimit)),
            (Range::ALL, None, "PUT", Ok(Range::ALL)),
        ] {
            assert_eq!(root(clauses, header, method), expected, "{clauses:?} {header:?} {method}");
        }
    }
}
