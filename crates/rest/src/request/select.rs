//! `select`: the tree of columns and embedded relations that the answer is made of.

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
