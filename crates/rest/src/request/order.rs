//! `order`: `field.desc.nullslast,embed(field).asc`.

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
