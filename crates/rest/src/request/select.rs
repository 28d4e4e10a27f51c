//! `select`: the tree of columns and embedded relations that the answer is made of.

use super::cursor::{Cursor, MAX_DEPTH, Parsed};
use super::name::{field, followed_by_one_of, identifier, lexeme, mark, name};

/// One entry of a `select` list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SelectItem {
    /// `alias:column->path::type.agg()::type`.
    Column(ColumnItem),
    /// `alias:relation!hint!inner(…)` or `...relation(…)`.
    Embed(EmbedItem),
}

/// A column of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnItem {
    /// The column; the name `*` without a path stands for all columns (also under `count()`).
    pub field: Field,
    /// `.sum()` and the like; `count()` alone is `Count` of the field `*`.
    pub aggregate: Option<Aggregate>,
    /// The type that the aggregate's result is cast to. Only letters, digits, `_`, `$`, space.
    pub aggregate_cast: Option<String>,
    /// The type that the column is cast to. Only letters, digits, `_`, `$`, space.
    pub cast: Option<String>,
    /// The key in the answer, if not the one that follows from the rest.
    pub alias: Option<String>,
}

/// A related relation in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmbedItem {
    /// The relation, or the relationship, as the client named it.
    pub relation: String,
    /// The key in the answer and the name in embed paths; never set on a spread.
    pub alias: Option<String>,
    /// What tells several relationships apart: a constraint, a column, a junction.
    pub hint: Option<String>,
    /// `!inner` or `!left`, if given.
    pub join: Option<JoinType>,
    /// `...relation(…)`: the columns go into the parent's object.
    pub spread: bool,
    /// What is selected of it; empty parentheses select nothing.
    pub select: Vec<SelectItem>,
}

/// A column with an optional path into its JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The column.
    pub name: String,
    /// The path; empty for the column itself.
    pub path: JsonPath,
}

/// Steps into a JSON value.
pub(crate) type JsonPath = Vec<JsonStep>;

/// One step into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonStep {
    /// `->`: yields JSON.
    Arrow(JsonOperand),
    /// `->>`: yields text.
    DoubleArrow(JsonOperand),
}

impl JsonStep {
    /// The key or index.
    pub fn operand(&self) -> &JsonOperand {
        match self {
            Self::Arrow(operand) | Self::DoubleArrow(operand) => operand,
        }
    }
}

/// Where a step leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonOperand {
    /// A key of an object.
    Key(String),
    /// An index of an array: an optional sign and digits, any number of them.
    Index(String),
}

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// `sum()`
    Sum,
    /// `avg()`
    Avg,
    /// `max()`
    Max,
    /// `min()`
    Min,
    /// `count()`
    Count,
}

impl Aggregate {
    /// The name, in SQL, in the grammar and as the key in the answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Min => "min",
            Self::Count => "count",
        }
    }
}

/// How an embedded relation is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinType {
    /// Parents without a match are dropped.
    Inner,
    /// Parents without a match stay.
    Left,
}

/// The whole list, possibly empty. What follows a list that is complete is not looked at.
pub(super) fn forest(cursor: &mut Cursor<'_>) -> Parsed<Vec<SelectItem>> {
    forest_at(cursor, 0)
}

fn forest_at(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<Vec<SelectItem>> {
    if depth > MAX_DEPTH {
        return Err(cursor.fail("the nesting is too deep"));
    }
    let items =
        cursor.maybe(|cursor| cursor.separated(|cursor| item(cursor, depth), |cursor| mark(cursor, ',')))?;
    cursor.bounded(items.unwrap_or_default())
}

fn item(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SelectItem> {
    let head = cursor.either(
        |cursor| cursor.attempt(spread_head).map(Some),
        |cursor| cursor.maybe(|cursor| cursor.attempt(embed_head)),
    )?;
    match head {
        Some(mut embed) => {
            cursor.char('(')?;
            embed.select = forest_at(cursor, depth + 1)?;
            cursor.char(')')?;
            Ok(SelectItem::Embed(embed))
        }
        None => column(cursor).map(SelectItem::Column),
    }
}

/// `...name!hint!inner` before its parentheses.
fn spread_head(cursor: &mut Cursor<'_>) -> Parsed<EmbedItem> {
    lexeme(cursor, |cursor| {
        cursor.word("...")?;
        let relation = name(cursor)?;
        embed_after_name(cursor, relation, None, true)
    })
}

/// `alias:name!hint!inner` before its parentheses.
fn embed_head(cursor: &mut Cursor<'_>) -> Parsed<EmbedItem> {
    lexeme(cursor, |cursor| {
        let alias = alias(cursor)?;
        let relation = name(cursor)?;
        // `count()` is an aggregate.
        if relation == "count" {
            return Err(cursor.fail_silently());
        }
        embed_after_name(cursor, relation, alias, false)
    })
}

fn embed_after_name(
    cursor: &mut Cursor<'_>,
    relation: String,
    alias: Option<String>,
    spread: bool,
) -> Parsed<EmbedItem> {
    let modifiers = [cursor.maybe(modifier)?, cursor.maybe(modifier)?];
    cursor.attempt(|cursor| cursor.ahead(|cursor| cursor.char('(')))?;
    let mut embed = EmbedItem { relation, alias, hint: None, join: None, spread, select: Vec::new() };
    for modifier in modifiers.into_iter().flatten() {
        match modifier {
            Modifier::Hint(hint) => embed.hint = embed.hint.or(Some(hint)),
            Modifier::Join(join) => embed.join = embed.join.or(Some(join)),
        }
    }
    Ok(embed)
}

/// What follows a `!`.
enum Modifier {
    Hint(String),
    Join(JoinType),
}

fn modifier(cursor: &mut Cursor<'_>) -> Parsed<Modifier> {
    cursor.char('!')?;
    cursor.either(
        |cursor| cursor.keyword(&[("left", JoinType::Left), ("inner", JoinType::Inner)]).map(Modifier::Join),
        |cursor| cursor.attempt(name).map(Modifier::Hint),
    )
}

/// `alias:`, which a second colon would make a cast.
fn alias(cursor: &mut Cursor<'_>) -> Parsed<Option<String>> {
    cursor.maybe(|cursor| {
        cursor.attempt(|cursor| {
            let alias = name(cursor)?;
            cursor.char(':')?;
            cursor.not_followed_by(':')?;
            Ok(alias)
        })
    })
}

fn column(cursor: &mut Cursor<'_>) -> Parsed<ColumnItem> {
    lexeme(cursor, |cursor| {
        cursor.either(
            |cursor| cursor.attempt(star),
            |cursor| cursor.either(|cursor| cursor.attempt(count), |cursor| plain_column(cursor)),
        )
    })
}

fn all_columns() -> Field {
    Field { name: "*".to_owned(), path: Vec::new() }
}

fn star(cursor: &mut Cursor<'_>) -> Parsed<ColumnItem> {
    cursor.word("*")?;
    item_end(cursor)?;
    Ok(ColumnItem { field: all_columns(), aggregate: None, aggregate_cast: None, cast: None, alias: None })
}

fn count(cursor: &mut Cursor<'_>) -> Parsed<ColumnItem> {
    let alias = alias(cursor)?;
    cursor.word("count()")?;
    let aggregate_cast = cast(cursor)?;
    item_end(cursor)?;
    let aggregate = Some(Aggregate::Count);
    Ok(ColumnItem { field: all_columns(), aggregate, aggregate_cast, cast: None, alias })
}

fn plain_column(cursor: &mut Cursor<'_>) -> Parsed<ColumnItem> {
    let alias = alias(cursor)?;
    let field = field(cursor)?;
    let cast_to = cast(cursor)?;
    let aggregate = cursor.maybe(|cursor| cursor.attempt(aggregate))?;
    let aggregate_cast = cast(cursor)?;
    item_end(cursor)?;
    Ok(ColumnItem { field, aggregate, aggregate_cast, cast: cast_to, alias })
}

fn cast(cursor: &mut Cursor<'_>) -> Parsed<Option<String>> {
    cursor.maybe(|cursor| {
        cursor.word("::")?;
        let name = identifier(cursor)?;
        // A dollar outside of a name would begin a string that ends wherever the client likes.
        let is_name = |word: &str| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if name.split(' ').any(|word| word.contains('$') && !is_name(word)) {
            return Err(cursor.fail("a dollar cannot begin the name of a type"));
        }
        Ok(name)
    })
}

fn aggregate(cursor: &mut Cursor<'_>) -> Parsed<Aggregate> {
    cursor.char('.')?;
    let aggregate = cursor.keyword(
        &[Aggregate::Sum, Aggregate::Avg, Aggregate::Count, Aggregate::Max, Aggregate::Min]
            .map(|aggregate| (aggregate.name(), aggregate)),
    )?;
    cursor.word("()")?;
    Ok(aggregate)
}

/// The end of an item: what may follow it, not taken.
fn item_end(cursor: &mut Cursor<'_>) -> Parsed<()> {
    followed_by_one_of(cursor, &[")", ","])
}

#[cfg(test)]
#[path = "select/tests.rs"]
mod tests;
