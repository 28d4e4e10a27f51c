//! `Prefer` headers (RFC 7240).

/// The preferences of a request; `None` where the client has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// `resolution=`: what an insert does with duplicates.
    pub resolution: Option<Resolution>,
    /// `return=`: how much of the changed rows comes back.
    pub representation: Option<Representation>,
    /// `count=`: which total is wanted.
    pub count: Option<Count>,
    /// `tx=`: how the transaction ends; only if the settings allow overriding it.
    pub transaction: Option<Transaction>,
    /// `missing=`: what stands for keys that a row of the body lacks.
    pub missing: Option<Missing>,
    /// `handling=`: what unknown preferences do.
    pub handling: Option<Handling>,
    /// `timezone=`: the time zone of the transaction, unchecked.
    pub timezone: Option<String>,
    /// `max-affected=`: the greatest number of rows that a write may touch.
    pub max_affected: Option<i64>,
    /// Preferences that mean nothing here, as sent.
    pub invalid: Vec<String>,
}

/// What an insert does with duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// `merge-duplicates`
    MergeDuplicates,
    /// `ignore-duplicates`
    IgnoreDuplicates,
}

/// How much of the changed rows comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Representation {
    /// `representation`: the rows.
    Full,
    /// `minimal`: nothing, which needs no SELECT right.
    Minimal,
    /// `headers-only`: the `Location` of an inserted row.
    HeadersOnly,
}

/// How a total is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// `exact`
    Exact,
    /// `planned`: the planner's guess.
    Planned,
    /// `estimated`: exact up to the row limit of the settings, the planner's guess above.
    Estimated,
}

/// How the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// `commit`
    Commit,
    /// `rollback`
    Rollback,
}

/// What stands for keys that a row lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// `default`: the column's default.
    Default,
    /// `null`
    Null,
}

/// What unknown preferences do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// `strict`: they are an error.
    Strict,
    /// `lenient`: they are ignored.
    Lenient,
}
