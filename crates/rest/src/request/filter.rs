//! Filters: `field=not.op(any).value`.

use super::select::Field;

/// A condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The field; may also name an embed (`rel=is.null`), which planning finds out.
    pub field: Field,
    /// The condition.
    pub expr: OpExpr,
}

/// An operation, possibly negated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpExpr {
    /// True after `not.`.
    pub negated: bool,
    /// The operation.
    pub operation: Operation,
}

/// An operator with its operand. Texts are values: they reach Postgres as parameters only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `neq`, `cs`, …
    Simple(SimpleOperator, String),
    /// `eq`, `gt`, `like`, …, with `(any)` or `(all)` if given. `*` in patterns is not yet `%`.
    Quant(QuantOperator, Option<Quantifier>, String),
    /// `in.(…)`; `in.()` holds one empty element, as upstream parses it.
    In(Vec<String>),
    /// `is.null` and the like.
    Is(IsValue),
    /// `isdistinct.value`.
    IsDistinctFrom(String),
    /// `fts(language).query` and the like.
    Fts(FtsOperator, Option<String>, String),
}

/// Operators without quantifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SimpleOperator {
    /// `neq`
    NotEqual,
    /// `cs`
    Contains,
    /// `cd`
    Contained,
    /// `ov`
    Overlap,
    /// `sl`
    StrictlyLeft,
    /// `sr`
    StrictlyRight,
    /// `nxr`
    NotExtendsRight,
    /// `nxl`
    NotExtendsLeft,
    /// `adj`
    Adjacent,
}

/// Operators that `(any)` and `(all)` apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuantOperator {
    /// `eq`
    Equal,
    /// `gte`
    GreaterThanEqual,
    /// `gt`
    GreaterThan,
    /// `lte`
    LessThanEqual,
    /// `lt`
    LessThan,
    /// `like`
    Like,
    /// `ilike`
    ILike,
    /// `match`
    Match,
    /// `imatch`
    IMatch,
}

/// `(any)` or `(all)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// `(any)`
    Any,
    /// `(all)`
    All,
}

/// Operands of `is`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsValue {
    /// `null`
    Null,
    /// `not_null`
    NotNull,
    /// `true`
    True,
    /// `false`
    False,
    /// `unknown`
    Unknown,
}

/// Full-text search operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FtsOperator {
    /// `fts`: `to_tsquery`
    Fts,
    /// `plfts`: `plainto_tsquery`
    Plain,
    /// `phfts`: `phraseto_tsquery`
    Phrase,
    /// `wfts`: `websearch_to_tsquery`
    Websearch,
}
