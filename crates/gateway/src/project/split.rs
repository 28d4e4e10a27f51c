//! A file of SQL into its statements.
//!
//! Semicolons end statements, except in strings, quoted names, comments, parentheses and the bodies of
//! functions (`$tag$ … $tag$`, `BEGIN ATOMIC … END`). What is not closed goes to the end of the file: the
//! database will say what is wrong with it.

/// The statements of `text`, trimmed and without the semicolons that end them. Comments stay with
/// the statement behind them.
pub(crate) fn statements(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut scanner = Scanner { text: text.as_bytes(), at: 0, parentheses: 0, blocks: 0, after_begin: false };
    let mut start = 0;
    loop {
        let end = scanner.statement();
        let statement = text.get(start..end).unwrap_or_default().trim();
        if !statement.is_empty() {
            found.push(statement);
        }
        if end >= text.len() {
            return found;
        }
        start = end + 1;
        scanner.at = start;
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    parentheses: usize,
    /// `BEGIN ATOMIC` and the `CASE`s in it that are open.
    blocks: usize,
    /// The last word was `BEGIN`.
    after_begin: bool,
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or_default()
    }

    /// Goes to the semicolon that ends the statement, or to the end; returns where that is.
    fn statement(&mut self) -> usize {
        (self.parentheses, self.blocks, self.after_begin) = (0, 0, false);
        while self.at < self.text.len() {
            match self.peek(0) {
                b';' if self.parentheses == 0 && self.blocks == 0 => return self.at,
                b'(' => self.step(|scanner| scanner.parentheses += 1),
                b')' => self.step(|scanner| scanner.parentheses = scanner.parentheses.saturating_sub(1)),
                b'\'' => self.quoted(b'\'', false),
                b'"' => self.quoted(b'"', false),
                b'-' if self.peek(1) == b'-' => self.line(),
                b'/' if self.peek(1) == b'*' => self.comment(),
                b'$' => self.dollar(),
                byte if is_word(byte) => self.word(),
                _ => self.at += 1,
            }
        }
        self.text.len()
    }

    fn step(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.at += 1;
    }

    /// A string or quoted name, from its first quote.
    fn quoted(&mut self, quote: u8, has_escapes: bool) {
        self.at += 1;
        while self.at < self.text.len() {
            let byte = self.peek(0);
            self.at += 1;
            if has_escapes && byte == b'\\' {
                self.at += 1;
            } else if byte == quote {
                // A doubled quote goes on; as another string it comes to the same.
                return;
            }
        }
    }

    fn line(&mut self) {
        while self.at < self.text.len() && self.peek(0) != b'\n' {
            self.at += 1;
        }
    }

    /// Comments nest.
    fn comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// `$tag$ … $tag$`, or a dollar.
    fn dollar(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().skip(1).take_while(|byte| is_word(**byte) && **byte != b'$').count();
        let is_tag = rest.get(length + 1) == Some(&b'$') && !rest.get(1).is_some_and(u8::is_ascii_digit);
        if !is_tag {
            self.at += 1;
            return;
        }
        let (tag, body) = rest.split_at(length + 2);
        let end = body.windows(tag.len()).position(|window| window == tag);
        self.at = end.map_or(self.text.len(), |end| self.at + tag.len() + end + tag.len());
    }

    fn word(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = rest.get(..rest.iter().take_while(|byte| is_word(**byte)).count()).unwrap_or_default();
        self.at += word.len();
        let is = |other: &str| word.eq_ignore_ascii_case(other.as_bytes());
        if is("e") && self.peek(0) == b'\'' {
            return self.quoted(b'\'', true);
        }
        if self.blocks > 0 && is("case") || self.after_begin && is("atomic") {
            self.blocks += 1;
        } else if is("end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
        self.after_begin = is("begin");
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(statements(text), expected, "{text}");
    }

    #[test]
    fn semicolons_end_statements() {
        check("select 1; select 2;", &["select 1", "select 2"]);
        check("  \n;;\tselect 1 ;\n", &["select 1"]);
        check("select 1", &["select 1"]);
        check("", &[]);
    }

    #[test]
    fn not_in_strings_and_names() {
        check("select ';', ';;'''; x", &["select ';', ';;'''", "x"]);
        check(r#"select ";", "a"";b"; x"#, &[r#"select ";", "a"";b""#, "x"]);
        check(r"select e'\';', E'\\'; x", &[r"select e'\';', E'\\'", "x"]);
        check(r"select '\'; x", &[r"select '\'", "x"]);
        check("select 'open; x", &["select 'open; x"]);
        check("select 'é;'; ü", &["select 'é;'", "ü"]);
    }

    #[test]
    fn not_in_comments() {
        check("-- a;b\nselect 1; x", &["-- a;b\nselect 1", "x"]);
        check("/* a; /* b; */ c; */ select 1; x", &["/* a; /* b; */ c; */ select 1", "x"]);
        check("select 1; -- the end", &["select 1", "-- the end"]);
        check("select 1 - 1; select 4 / 2; x", &["select 1 - 1", "select 4 / 2", "x"]);
    }

    #[test]
    fn not_in_bodies_of_functions() {
        check("do $$ begin a; end $$; x", &["do $$ begin a; end $$", "x"]);
        check("do $a$ $$;$$ $b$; $a$; x", &["do $a$ $$;$$ $b$; $a$", "x"]);
        check("select $1; x", &["select $1", "x"]);
        check("select a$b$c; x", &["select a$b$c", "x"]);
        check(
            "create function f() returns int begin atomic select 1; select case when a then 1 end; end; x",
            &[
                "create function f() returns int begin atomic select 1; select case when a then 1 end; end",
                "x",
            ],
        );
        check("begin; select 1; end; x", &["begin", "select 1", "end", "x"]);
    }

    #[test]
    fn not_in_parentheses() {
        check(
            "create rule r as on insert to t do (a; b); x",
            &["create rule r as on insert to t do (a; b)", "x"],
        );
        check("a); b", &["a)", "b"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "[ a-cE;'\"$()/*\\\\\n-]{0,60}|\\PC{0,30}") {
            let kept: String = statements(&text).concat();
            let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != ';').collect::<String>();
            prop_assert_eq!(plain(&kept), plain(&text));
        }
    }
}
