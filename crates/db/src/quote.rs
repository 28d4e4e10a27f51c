//! The only two quoting functions of the workspace.

/// An identifier, quoted: always in double quotes, so that case, spaces and reserved words stand.
#[must_use]
pub fn ident(name: &str) -> String {
    quoted(name, '"')
}

/// A string literal, quoted. Only for utility statements, which take no parameters
/// (`alter role … password …`); everything else binds its values.
#[must_use]
pub fn literal(text: &str) -> String {
    let body = quoted(text, '\'');
    // With a backslash inside, only the E form means the same under every setting.
    if body.contains('\\') { format!(" E{}", body.replace('\\', r"\\")) } else { body }
}

fn quoted(text: &str, mark: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars().filter(|c| *c != '\0') {
        if c == mark {
            out.push(mark);
        }
        out.push(c);
    }
    out.push(mark);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(ident(r#"a"; drop table x; --"#), r#""a""; drop table x; --""#);
        assert_eq!(ident("Mixed Case"), r#""Mixed Case""#);
        assert_eq!(ident("cut\0here"), r#""cuthere""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"\' or 1=1 --"), r" E'\\'' or 1=1 --'");
    }
}
