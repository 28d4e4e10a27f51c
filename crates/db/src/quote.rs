//! The only two quoting functions of the workspace.

/// An identifier, quoted: always in double quotes, so that case, spaces and reserved words stand.
#[must_use]
pub fn ident(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    push_ident(&mut out, name);
    out
}

/// Appends an identifier, quoted as [`ident`] does it.
pub fn push_ident(out: &mut String, name: &str) {
    push_quoted(out, name, '"');
}

/// A string literal, quoted. Only for utility statements, which take no parameters
/// (`alter role … password …`); everything else binds its values.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut body = String::with_capacity(text.len() + 2);
    push_quoted(&mut body, text, '\'');
    // With a backslash inside, only the E form means the same under every setting.
    if body.contains('\\') { format!(" E{}", body.replace('\\', r"\\")) } else { body }
}

fn push_quoted(out: &mut String, text: &str, mark: char) {
    out.push(mark);
    // Both are ASCII: what is between them is text again.
    for part in text.split_inclusive([mark, '\0']) {
        match part.strip_suffix('\0') {
            Some(kept) => out.push_str(kept),
            None => out.push_str(part),
        }
        if part.ends_with(mark) {
            out.push(mark);
        }
    }
    out.push(mark);
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
