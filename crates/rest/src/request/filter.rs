//! Filters: `field=not.op(any).value`.

use super::cursor::{Cursor, Parsed};
use super::name::{delimiter, identifier, mark, quoted};
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

/// `not.op(quantifier).value`, where `value` reads the operand.
pub(super) fn expression(
    cursor: &mut Cursor<'_>,
    value: fn(&mut Cursor<'_>) -> Parsed<String>,
) -> Parsed<OpExpr> {
    let negated = cursor.maybe(negation)?.is_some();
    let operation = cursor.label("operator (eq, gt, ...)", |cursor| operation(cursor, value))?;
    Ok(OpExpr { negated, operation })
}

/// `not.`
pub(super) fn negation(cursor: &mut Cursor<'_>) -> Parsed<()> {
    dotted(cursor, "not")
}

/// `word.`, or the cursor has not moved.
fn dotted(cursor: &mut Cursor<'_>, word: &'static str) -> Parsed<()> {
    cursor.attempt(|cursor| {
        cursor.word(word)?;
        delimiter(cursor)
    })
}

/// After `in.`, `is.` and `isdistinct.` there is no way back; every other operator that does not
/// parse leaves the cursor where it was, so that a function's argument may begin like one.
fn operation(cursor: &mut Cursor<'_>, value: fn(&mut Cursor<'_>) -> Parsed<String>) -> Parsed<Operation> {
    if let Some(in_list) = cursor.maybe(|cursor| {
        dotted(cursor, "in")?;
        list(cursor).map(Operation::In)
    })? {
        return Ok(in_list);
    }
    if let Some(is) = cursor.maybe(|cursor| {
        dotted(cursor, "is")?;
        is_value(cursor).map(Operation::Is)
    })? {
        return Ok(is);
    }
    if let Some(distinct) = cursor.maybe(|cursor| {
        dotted(cursor, "isdistinct")?;
        value(cursor).map(Operation::IsDistinctFrom)
    })? {
        return Ok(distinct);
    }
    cursor.either(
        |cursor| cursor.attempt(|cursor| full_text(cursor, value)),
        |cursor| {
            cursor.either(
                |cursor| cursor.attempt(|cursor| simple(cursor, value)),
                |cursor| cursor.attempt(|cursor| quantifiable(cursor, value)),
            )
        },
    )
}

fn full_text(cursor: &mut Cursor<'_>, value: fn(&mut Cursor<'_>) -> Parsed<String>) -> Parsed<Operation> {
    let operator = cursor.keyword(&[
        ("fts", FtsOperator::Fts),
        ("plfts", FtsOperator::Plain),
        ("phfts", FtsOperator::Phrase),
        ("wfts", FtsOperator::Websearch),
    ])?;
    let language = cursor.maybe(|cursor| {
        cursor.attempt(|cursor| {
            cursor.char('(')?;
            let language = identifier(cursor)?;
            cursor.char(')')?;
            Ok(language)
        })
    })?;
    delimiter(cursor)?;
    Ok(Operation::Fts(operator, language, value(cursor)?))
}

fn simple(cursor: &mut Cursor<'_>, value: fn(&mut Cursor<'_>) -> Parsed<String>) -> Parsed<Operation> {
    let operator = cursor.keyword(&[
        ("neq", SimpleOperator::NotEqual),
        ("cs", SimpleOperator::Contains),
        ("cd", SimpleOperator::Contained),
        ("ov", SimpleOperator::Overlap),
        ("sl", SimpleOperator::StrictlyLeft),
        ("sr", SimpleOperator::StrictlyRight),
        ("nxr", SimpleOperator::NotExtendsRight),
        ("nxl", SimpleOperator::NotExtendsLeft),
        ("adj", SimpleOperator::Adjacent),
    ])?;
    delimiter(cursor)?;
    Ok(Operation::Simple(operator, value(cursor)?))
}

fn quantifiable(cursor: &mut Cursor<'_>, value: fn(&mut Cursor<'_>) -> Parsed<String>) -> Parsed<Operation> {
    let operator = cursor.keyword(&[
        ("eq", QuantOperator::Equal),
        ("gte", QuantOperator::GreaterThanEqual),
        ("gt", QuantOperator::GreaterThan),
        ("lte", QuantOperator::LessThanEqual),
        ("lt", QuantOperator::LessThan),
        ("like", QuantOperator::Like),
        ("ilike", QuantOperator::ILike),
        ("match", QuantOperator::Match),
        ("imatch", QuantOperator::IMatch),
    ])?;
    let quantifier = cursor.maybe(|cursor| {
        cursor.attempt(|cursor| {
            cursor.char('(')?;
            let quantifier = cursor.keyword(&[("any", Quantifier::Any), ("all", Quantifier::All)])?;
            cursor.char(')')?;
            Ok(quantifier)
        })
    })?;
    delimiter(cursor)?;
    Ok(Operation::Quant(operator, quantifier, value(cursor)?))
}

/// Whole words are not asked for: `is.nullable` is `is.null`, as upstream reads it.
fn is_value(cursor: &mut Cursor<'_>) -> Parsed<IsValue> {
    cursor.label("isVal: (null, not_null, true, false, unknown)", |cursor| {
        for (word, value) in [
            ("null", IsValue::Null),
            ("not_null", IsValue::NotNull),
            ("true", IsValue::True),
            ("false", IsValue::False),
        ] {
            if cursor.maybe(|cursor| cursor.attempt(|cursor| any_case(cursor, word)))?.is_some() {
                return Ok(value);
            }
        }
        cursor.attempt(|cursor| any_case(cursor, "unknown"))?;
        Ok(IsValue::Unknown)
    })
}

fn any_case(cursor: &mut Cursor<'_>, word: &str) -> Parsed<()> {
    for wanted in word.chars() {
        cursor.one(|c| c == wanted || c == wanted.to_ascii_uppercase())?;
    }
    Ok(())
}

/// `(a,"b,c",d)`.
fn list(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    mark(cursor, '(')?;
    let elements = cursor.separated(element, |cursor| cursor.char(','))?;
    mark(cursor, ')')?;
    Ok(elements)
}

fn element(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.either(closed_quoted, |cursor| Ok(up_to_comma(cursor)))
}

/// A quoted value that really ends with its quote.
fn closed_quoted(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.attempt(|cursor| {
        let value = quoted(cursor)?;
        cursor.followed_by_any(",)")?;
        Ok(value)
    })
}

fn up_to_comma(cursor: &mut Cursor<'_>) -> String {
    cursor.run(|c| c != ',' && c != ')', &[]).to_owned()
}

/// Everything up to the end, verbatim.
pub(super) fn whole_value(cursor: &mut Cursor<'_>) -> Parsed<String> {
    Ok(cursor.run(|_| true, &[]).to_owned())
}

/// A value inside a logic tree: quoted, a Postgres array, or up to the next comma or parenthesis.
pub(super) fn inner_value(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.either(closed_quoted, |cursor| {
        cursor.either(
            |cursor| {
                cursor.attempt(|cursor| {
                    cursor.char('{')?;
                    let inside = cursor.run(|c| c != '{' && c != '}', &[]);
                    cursor.char('}')?;
                    Ok(format!("{{{inside}}}"))
                })
            },
            |cursor| Ok(up_to_comma(cursor)),
        )
    })
}

#[cfg(test)]
#[path = "filter/tests.rs"]
mod tests;
