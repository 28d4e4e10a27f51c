//! Names, fields and JSON paths: the words of every clause.

use super::cursor::{Cursor, Parsed};
use super::query::EmbedPath;
use super::select::{Field, JsonOperand, JsonPath, JsonStep};

/// Spaces and tabs.
pub(super) fn blank(cursor: &mut Cursor<'_>) {
    cursor.run(|c| c == ' ' || c == '\t', &[]);
}

/// `rule` with blanks around it.
pub(super) fn lexeme<T>(
    cursor: &mut Cursor<'_>,
    rule: impl FnOnce(&mut Cursor<'_>) -> Parsed<T>,
) -> Parsed<T> {
    blank(cursor);
    let value = rule(cursor)?;
    blank(cursor);
    Ok(value)
}

/// `c` with blanks around it.
pub(super) fn mark(cursor: &mut Cursor<'_>, c: char) -> Parsed<()> {
    lexeme(cursor, |cursor| cursor.char(c))
}

/// The dot between the parts of a path or an expression.
pub(super) fn delimiter(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.label("delimiter (.)", |cursor| cursor.char('.'))
}

/// `"…"` with backslash escapes, without the quotes.
pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.char('"')?;
    let mut value = String::new();
    loop {
        value.push_str(cursor.run(|c| c != '"' && c != '\\', &[]));
        if cursor.maybe(|cursor| cursor.char('\\'))?.is_none() {
            break;
        }
        value.push(cursor.one(|_| true)?);
    }
    cursor.char('"')?;
    Ok(value)
}

fn is_identifier(c: char) -> bool {
    c.is_alphabetic() || c.is_ascii_digit() || matches!(c, '_' | ' ' | '$')
}

/// Letters, digits, `_`, `$` and inner spaces.
pub(super) fn identifier(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.run1(is_identifier, &["letter", "digit"]).map(|text| text.trim().to_owned())
}

/// The words that `word` reads, joined by dashes; a dash before `>` is an arrow and not ours.
fn dashed(cursor: &mut Cursor<'_>, word: impl Fn(&mut Cursor<'_>) -> Parsed<String>) -> Parsed<String> {
    let dash = |cursor: &mut Cursor<'_>| {
        cursor.attempt(|cursor| {
            cursor.char('-')?;
            cursor.not_followed_by('>')
        })
    };
    cursor.separated(word, dash).map(|words| words.join("-"))
}

/// The name of a column, relation, alias or hint.
pub(super) fn name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.label("field name (* or [a..z0..9_$])", |cursor| {
        cursor.either(quoted, |cursor| dashed(cursor, identifier))
    })
}

/// A column with an optional JSON path.
pub(super) fn field(cursor: &mut Cursor<'_>) -> Parsed<Field> {
    lexeme(cursor, |cursor| Ok(Field { name: name(cursor)?, path: json_path(cursor)? }))
}

/// Any number of arrows with their keys or indexes.
pub(super) fn json_path(cursor: &mut Cursor<'_>) -> Parsed<JsonPath> {
    cursor.many(|cursor| {
        let is_text = cursor.keyword(&[("->>", true), ("->", false)])?;
        let operand =
            cursor.either(|cursor| cursor.attempt(json_index), |cursor| cursor.attempt(json_key))?;
        Ok(if is_text { JsonStep::DoubleArrow(operand) } else { JsonStep::Arrow(operand) })
    })
}

fn json_index(cursor: &mut Cursor<'_>) -> Parsed<JsonOperand> {
    let sign = cursor.maybe(|cursor| cursor.char('-'))?;
    let digits = cursor.run1(|c| c.is_ascii_digit(), &["digit"])?;
    followed_by_one_of(cursor, &["->", "::", ".", ","])?;
    let sign = if sign.is_some() { "-" } else { "" };
    Ok(JsonOperand::Index(format!("{sign}{digits}")))
}

/// Fails unless one of the words follows, or the end.
pub(super) fn followed_by_one_of(cursor: &mut Cursor<'_>, words: &[&'static str]) -> Parsed<()> {
    match words {
        [] => cursor.end(),
        [word, others @ ..] => cursor.either(
            |cursor| cursor.attempt(|cursor| cursor.ahead(|cursor| cursor.word(word))),
            |cursor| followed_by_one_of(cursor, others),
        ),
    }
}

fn json_key(cursor: &mut Cursor<'_>) -> Parsed<JsonOperand> {
    let plain = |cursor: &mut Cursor<'_>| {
        cursor.run1(|c| !"(-:.,>)".contains(c), &[]).map(|text| text.trim().to_owned())
    };
    cursor
        .label("any non reserved character different from: .,>()", |cursor| {
            cursor.either(quoted, |cursor| dashed(cursor, plain))
        })
        .map(JsonOperand::Key)
}

/// `embed.embed.field`: the left side of a filter, an order, a limit.
pub(super) fn tree_path(cursor: &mut Cursor<'_>) -> Parsed<(EmbedPath, Field)> {
    let mut names = cursor.separated(name, delimiter)?;
    let path = json_path(cursor)?;
    let name = names.pop().unwrap_or_default();
    Ok((names, Field { name, path }))
}

/// `a,b,c`: `columns` and `on_conflict`.
pub(super) fn names(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    let names = cursor.separated(name, |cursor| mark(cursor, ','))?;
    cursor.bounded(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T>(rule: impl Fn(&mut Cursor<'_>) -> Parsed<T>, text: &str) -> Result<T, (String, String)> {
        let mut cursor = Cursor::new(text);
        rule(&mut cursor).map_err(|failure| {
            let error = cursor.explain("it", failure);
            (error.message.replace("\"failed to parse it\" ", ""), error.details)
        })
    }

    #[test]
    fn names_as_upstream_reads_them() {
        for (text, expected) in [
            ("identifier", "identifier"),
            ("identifier with spaces", "identifier with spaces"),
            ("identifier-with-dashes", "identifier-with-dashes"),
            ("123", "123"),
            ("_", "_"),
            ("$", "$"),
            ("\":\"", ":"),
            (" no leading or trailing spaces ", "no leading or trailing spaces"),
            ("\" leading and trailing spaces \"", " leading and trailing spaces "),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("单元", "单元"),
            ("a->b", "a"),
        ] {
            assert_eq!(parse(name, text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(
            parse(name, ":"),
            Err((
                "(line 1, column 1)".into(),
                "unexpected \":\" expecting field name (* or [a..z0..9_$])".into()
            ))
        );
    }

    #[test]
    fn json_paths_as_upstream_reads_them() {
        use JsonOperand::{Index, Key};
        use JsonStep::{Arrow, DoubleArrow};
        let key = |text: &str| Key(text.to_owned());
        let index = |text: &str| Index(text.to_owned());
        for (text, expected) in [
            ("->text", vec![Arrow(key("text"))]),
            ("->!@#$%^&*_a", vec![Arrow(key("!@#$%^&*_a"))]),
            ("->1", vec![Arrow(index("1"))]),
            ("->>text", vec![DoubleArrow(key("text"))]),
            ("->>-1", vec![DoubleArrow(index("-1"))]),
            ("->0,other", vec![Arrow(index("0"))]),
            ("->0.desc", vec![Arrow(index("0"))]),
            ("->a-b->>\"c.d\"", vec![Arrow(key("a-b")), DoubleArrow(key("c.d"))]),
            ("->1a", vec![Arrow(key("1a"))]),
        ] {
            assert_eq!(parse(json_path, text), Ok(expected), "{text}");
        }
        for (text, place, details) in [
            (
                "->>-78xy",
                "(line 1, column 7)",
                "unexpected 'x' expecting digit, \"->\", \"::\", \".\", \",\" or end of input",
            ),
            ("->>--34", "(line 1, column 5)", "unexpected \"-\" expecting digit"),
            ("->>-xy-4", "(line 1, column 5)", "unexpected \"x\" expecting digit"),
        ] {
            assert_eq!(parse(json_path, text), Err((place.into(), details.into())), "{text}");
        }
    }
}
