//! Rows asked for: `limit`, `offset` and the `Range` header as one closed interval.

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
}
