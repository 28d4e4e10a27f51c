//! `order`: `field.desc.nullslast,embed(field).asc`.

use super::cursor::{Cursor, Parsed};
use super::name::{delimiter, field, followed_by_one_of, lexeme, name};
use super::select::Field;

/// One term of an `order` list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderTerm {
    /// The to-one embed whose field orders this level, by alias or name; `None` for a field of
    /// the level itself.
    pub relation: Option<String>,
    /// The field.
    pub field: Field,
    /// `None` leaves the direction to the database.
    pub direction: Option<Direction>,
    /// `None` leaves the place of nulls to the database.
    pub nulls: Option<Nulls>,
}

/// A direction of sorting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `asc`
    Asc,
    /// `desc`
    Desc,
}

/// Where nulls sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// `nullsfirst`
    First,
    /// `nullslast`
    Last,
}

/// The whole list.
pub(super) fn terms(cursor: &mut Cursor<'_>) -> Parsed<Vec<OrderTerm>> {
    let terms = cursor.separated(|cursor| lexeme(cursor, term), |cursor| cursor.char(','))?;
    cursor.bounded(terms)
}

fn term(cursor: &mut Cursor<'_>) -> Parsed<OrderTerm> {
    cursor.either(
        |cursor| {
            cursor.attempt(|cursor| {
                let relation = name(cursor)?;
                cursor.char('(')?;
                let field = field(cursor)?;
                cursor.char(')')?;
                rest_of_term(cursor, Some(relation), field)
            })
        },
        |cursor| {
            let field = field(cursor)?;
            rest_of_term(cursor, None, field)
        },
    )
}

fn rest_of_term(cursor: &mut Cursor<'_>, relation: Option<String>, field: Field) -> Parsed<OrderTerm> {
    let direction = suffix(cursor, [("asc", Direction::Asc), ("desc", Direction::Desc)])?;
    let nulls = suffix(cursor, [("nullsfirst", Nulls::First), ("nullslast", Nulls::Last)])?;
    followed_by_one_of(cursor, &[","])?;
    Ok(OrderTerm { relation, field, direction, nulls })
}

/// `.word` for one of the words, or nothing.
fn suffix<T: Copy>(cursor: &mut Cursor<'_>, words: [(&'static str, T); 2]) -> Parsed<Option<T>> {
    for (word, value) in words {
        let found = cursor.maybe(|cursor| {
            cursor.attempt(|cursor| {
                delimiter(cursor)?;
                cursor.word(word)
            })
        })?;
        if found.is_some() {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "order/tests.rs"]
mod tests;
