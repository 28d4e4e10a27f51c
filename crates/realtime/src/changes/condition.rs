//! Conditions as values: what is certain of them is judged on a row and on somebody's claims.
//!
//! Truth has three values, as in SQL, and a fourth for what only the database can say.

/// What is known of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Null,
    Unsure,
}

impl Truth {
    pub(super) fn and(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::True, |sum, truth| match (sum, truth) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unsure, _) | (_, Self::Unsure) => Self::Unsure,
            (Self::Null, _) | (_, Self::Null) => Self::Null,
            _ => Self::True,
        })
    }

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            other => other,
        }
    }

    pub(super) fn or(all: impl Iterator<Item = Self>) -> Self {
        Self::and(all.map(Self::not)).not()
    }

    fn of(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Const(bool),
    /// A column that is true or false.
    Flag(usize),
    IsNull(Operand),
    /// The first is one of the others.
    Among(Operand, Vec<Operand>),
    Unsure,
}

/// Something that has a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// By its place among the columns of the table.
    Column(usize),
    /// An expression about claims, by its place among those of all conditions of the table.
    Claim(usize),
    Text(String),
}

/// A value that a condition asks for.
pub(super) enum Value<'a> {
    Text(&'a str),
    Null,
    /// It was not sent.
    Unknown,
}

/// Where a condition finds its values.
pub(super) trait Values {
    fn column(&self, index: usize) -> Value<'_>;
    fn claim(&self, index: usize) -> Value<'_>;
}

impl Condition {
    /// Judges a row.
    pub(super) fn judge(&self, values: &impl Values) -> Truth {
        let text = |operand: &Operand| -> Result<Option<String>, Truth> {
            let value = match operand {
                Operand::Column(index) => values.column(*index),
                Operand::Claim(index) => values.claim(*index),
                Operand::Text(text) => Value::Text(text),
            };
            match value {
                Value::Text(text) => Ok(Some(text.to_owned())),
                Value::Null => Ok(None),
                Value::Unknown => Err(Truth::Unsure),
            }
        };
        match self {
            Self::And(all) => Truth::and(all.iter().map(|condition| condition.judge(values))),
            Self::Or(all) => Truth::or(all.iter().map(|condition| condition.judge(values))),
            Self::Not(condition) => condition.judge(values).not(),
            Self::Const(truth) => Truth::of(*truth),
            Self::Flag(index) => match values.column(*index) {
                Value::Text(text) => Truth::of(text == "t"),
                Value::Null => Truth::Null,
                Value::Unknown => Truth::Unsure,
            },
            Self::IsNull(operand) => match text(operand) {
                Ok(text) => Truth::of(text.is_none()),
                Err(truth) => truth,
            },
            Self::Among(operand, others) => match text(operand) {
                Ok(None) => Truth::Null,
                Ok(Some(value)) => Truth::or(others.iter().map(|other| match text(other) {
                    Ok(Some(other)) => Truth::of(other == value),
                    Ok(None) => Truth::Null,
                    Err(truth) => truth,
                })),
                Err(truth) => truth,
            },
            Self::Unsure => Truth::Unsure,
        }
    }
}
