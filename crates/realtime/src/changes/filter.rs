//! Filters: which rows of a table a client wants, as it wrote them.
//!
//! `column=op.value`, several with commas between, all of which must hold. The grammar, down to its oddities,
//! and its errors are upstream's `parse_filters`.

use super::inspect;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    Like,
    Ilike,
    Is,
    Match,
    Imatch,
    IsDistinct,
}

const OPS: [(&str, Op); 13] = [
    ("eq", Op::Eq),
    ("neq", Op::Neq),
    ("lt", Op::Lt),
    ("lte", Op::Lte),
    ("gt", Op::Gt),
    ("gte", Op::Gte),
    ("in", Op::In),
    ("like", Op::Like),
    ("ilike", Op::Ilike),
    ("is", Op::Is),
    ("match", Op::Match),
    ("imatch", Op::Imatch),
    ("isdistinct", Op::IsDistinct),
];

impl Op {
    fn parse(name: &str) -> Option<Self> {
        OPS.iter().find(|(known, _)| *known == name).map(|(_, op)| *op)
    }

    /// Its name in a filter and in the database.
    pub(crate) fn name(self) -> &'static str {
        OPS.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) column: String,
    pub(crate) op: Op,
    /// What the column is compared with; for [`Op::In`] an array as Postgres writes it.
    pub(crate) value: String,
    /// `not.` stood in front.
    pub(crate) negate: bool,
}

impl Filter {
    /// As upstream shows it.
    pub(super) fn shown(&self) -> String {
        let parts = [&*self.column, self.op.name(), &self.value].map(inspect::text).join(", ");
        format!("{{{parts}, {}}}", self.negate)
    }
}

/// Reads filters; the error is what follows "Error parsing `filter` params: ".
pub(super) fn parse(text: &str) -> Result<Vec<Filter>, String> {
    match text.trim() {
        "" => Ok(Vec::new()),
        text => split(text).into_iter().map(condition).collect(),
    }
}

/// Splits at commas that are in no parentheses and in no quotes. A quote opens behind `.`, `(` and `,` only.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut is_quoted, mut is_escaped, mut before) = (0, 0_usize, false, false, '\0');
    for (index, letter) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted {
            match letter {
                '\\' => is_escaped = true,
                '"' => is_quoted = false,
                _ => {}
            }
        } else {
            match letter {
                '"' if matches!(before, '.' | '(' | ',') => is_quoted = true,
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    parts.push(&text[start..index]);
                    start = index + 1;
                    before = '\0';
                    continue;
                }
                _ => {}
            }
        }
        before = letter;
    }
    parts.push(&text[start..]);
    parts
}

fn condition(text: &str) -> Result<Filter, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("filter must not contain empty segments (check for extra commas)".to_owned());
    }
    let odd = |parts: &[&str]| inspect::list(parts.iter().map(|part| inspect::text(part)));
    let (column, rest) = text.split_once('=').ok_or_else(|| odd(&[text]))?;
    let (negate, rest) = match rest.strip_prefix("not.") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (name, value) = rest.split_once('.').ok_or_else(|| odd(&[rest]))?;
    let op = Op::parse(name).ok_or_else(|| odd(&[name, value]))?;
    let value = match op {
        Op::In => {
            let list = value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
            let list = list.ok_or_else(|| "`in` filter value must be wrapped by parentheses".to_owned())?;
            format!("{{{list}}}")
        }
        _ => unquoted(value),
    };
    Ok(Filter { column: column.to_owned(), op, value, negate })
}

/// A value that is wholly in quotes without them, every other one as it is.
fn unquoted(value: &str) -> String {
    let inner = || {
        let mut letters = value.strip_prefix('"')?.chars();
        let mut text = String::new();
        loop {
            match letters.next()? {
                '"' => return letters.as_str().is_empty().then_some(text),
                '\\' => text.push(letters.next()?),
                letter => text.push(letter),
            }
        }
    };
    inner().unwrap_or_else(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> (String, &'static str, String, bool) {
        let filter = parse(text).unwrap().remove(0);
        (filter.column, filter.op.name(), filter.value, filter.negate)
    }

    #[test]
    fn conditions() {
        let filter =
            |column: &str, op, value: &str, negate| (column.to_owned(), op, value.to_owned(), negate);
        assert_eq!(one("a=eq.b"), filter("a", "eq", "b", false));
        assert_eq!(one(" a=not.like.b% "), filter("a", "like", "b%", true));
        assert_eq!(one("a=in.(x,\"y,z\")"), filter("a", "in", "{x,\"y,z\"}", false));
        assert_eq!(one(r#"a=eq."b,\"c\"""#), filter("a", "eq", r#"b,"c""#, false));
        assert_eq!(one(r#"a=eq."b"c"#), filter("a", "eq", r#""b"c"#, false));
        assert_eq!(one(r#"a=eq."b"#), filter("a", "eq", r#""b"#, false));
        assert_eq!(one("a=eq.x=y.z"), filter("a", "eq", "x=y.z", false));
        assert_eq!(one("a=eq."), filter("a", "eq", "", false));
        assert_eq!(parse("a=gt.1,b=in.(1,2),c=eq.(x,y)").unwrap().len(), 3);
        assert!(parse("  ").unwrap().is_empty());
    }

    #[test]
    fn errors_are_upstreams() {
        for (text, error) in [
            ("a=foo.hey", r#"["foo", "hey"]"#),
            ("undefined", r#"["undefined"]"#),
            ("a=eq", r#"["eq"]"#),
            ("a=eq.1,", "filter must not contain empty segments (check for extra commas)"),
            ("a=in.1", "`in` filter value must be wrapped by parentheses"),
            ("a=in.(", "`in` filter value must be wrapped by parentheses"),
        ] {
            assert_eq!(parse(text), Err(error.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "(a=|not\\.|eq\\.|in\\.|[(),.=\"\\\\xé ]){0,20}") {
            if let Ok(filters) = parse(&text) {
                for filter in filters {
                    prop_assert!(text.contains(&filter.column));
                }
            }
        }

        #[test]
        fn a_quoted_value_is_any_value(value in "\\PC{0,12}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let filters = parse(&format!("a=eq.\"{quoted}\",b=is.null")).unwrap();
            prop_assert_eq!(filters.len(), 2);
            prop_assert_eq!(&filters[0].value, &value);
        }
    }
}
