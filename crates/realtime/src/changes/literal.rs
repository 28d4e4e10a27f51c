//! Arrays and rows as Postgres writes them.

/// An element, or a row's column, that is text or null.
pub(super) type Item = Option<String>;

/// What an array holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Item(Item),
    /// A dimension further in.
    List(Vec<Node>),
}

/// Dimensions at most: Postgres' own bound.
const DEEPEST: usize = 6;

/// Reads `{a,"b c",NULL}`; none if it is no array.
pub(super) fn array(text: &str, delimiter: char) -> Option<Vec<Node>> {
    // Bounds that do not begin at 1 are written in front: `[0:1]={a,b}`.
    let text = match text.strip_prefix('[') {
        Some(bounds) => bounds.split_once('=')?.1,
        None => text,
    };
    let mut reader = Reader { rest: text.trim(), delimiter };
    let nodes = reader.list(DEEPEST)?;
    reader.rest.is_empty().then_some(nodes)
}

/// Reads `(a,"b ""c""",)`; none if it is no row.
pub(super) fn row(text: &str) -> Option<Vec<Item>> {
    let mut reader = Reader { rest: text.strip_prefix('(')?.strip_suffix(')')?, delimiter: ',' };
    let mut items = Vec::new();
    loop {
        items.push(reader.column()?);
        match reader.next() {
            None => return Some(items),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// Writes an array of these elements.
pub(super) fn to_array<'a>(items: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let mut text = String::from("{");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match item {
            None => text.push_str("NULL"),
            Some(item) => quote(item, &mut text),
        }
    }
    text.push('}');
    text
}

/// Writes a row of these columns.
pub(super) fn to_row<'a>(items: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let mut text = String::from("(");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if let Some(item) = item {
            quote(item, &mut text);
        }
    }
    text.push(')');
    text
}

fn quote(item: &str, to: &mut String) {
    to.push('"');
    for letter in item.chars() {
        if matches!(letter, '"' | '\\') {
            to.push('\\');
        }
        to.push(letter);
    }
    to.push('"');
}

struct Reader<'a> {
    rest: &'a str,
    delimiter: char,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let next = letters.next();
        self.rest = letters.as_str();
        next
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn list(&mut self, deepest: usize) -> Option<Vec<Node>> {
        if self.next() != Some('{') {
            return None;
        }
        let mut nodes = Vec::new();
        self.skip_blanks();
        if self.peek() == Some('}') {
            self.next();
            return Some(nodes);
        }
        loop {
            self.skip_blanks();
            nodes.push(match self.peek()? {
                '{' => Node::List(self.list(deepest.checked_sub(1)?)?),
                _ => Node::Item(self.element()?),
            });
            self.skip_blanks();
            match self.next()? {
                '}' => return Some(nodes),
                letter if letter == self.delimiter => {}
                _ => return None,
            }
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn element(&mut self) -> Option<Item> {
        if self.peek() == Some('"') {
            self.next();
            return self.quoted(false).map(Some);
        }
        let mut text = String::new();
        let mut is_escaped = false;
        while let Some(letter) = self.peek().filter(|letter| *letter != self.delimiter && *letter != '}') {
            self.next();
            match letter {
                '{' | '"' => return None,
                '\\' => {
                    is_escaped = true;
                    text.push(self.next()?);
                }
                letter => text.push(letter),
            }
        }
        let text = text.trim_ascii_end();
        if text.is_empty() {
            return None;
        }
        Some(if !is_escaped && text.eq_ignore_ascii_case("null") { None } else { Some(text.to_owned()) })
    }

    fn column(&mut self) -> Option<Item> {
        let mut text = String::new();
        let mut is_null = true;
        while let Some(letter) = self.peek().filter(|letter| *letter != ',') {
            is_null = false;
            self.next();
            match letter {
                '"' => text.push_str(&self.quoted(true)?),
                '\\' => text.push(self.next()?),
                letter => text.push(letter),
            }
        }
        Some(if is_null { None } else { Some(text) })
    }

    /// What follows an opening quote, up to the closing one; in rows a doubled quote stands for one.
    fn quoted(&mut self, is_doubled: bool) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.next()? {
                '\\' => text.push(self.next()?),
                '"' if is_doubled && self.peek() == Some('"') => {
                    self.next();
                    text.push('"');
                }
                '"' => return Some(text),
                letter => text.push(letter),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn item(text: &str) -> Node {
        Node::Item(Some(text.to_owned()))
    }

    #[test]
    fn arrays_of_postgres() {
        assert_eq!(array("{}", ','), Some(vec![]));
        let flat = vec![item("a"), item("b,\"c\\"), Node::Item(None), item("null"), item("")];
        assert_eq!(array(r#"{a,"b,\"c\\",NULL,"null",""}"#, ','), Some(flat));
        let nested = vec![Node::List(vec![item("1")]), Node::List(vec![item("2")])];
        assert_eq!(array("[0:1][1:1]={{1},{2}}", ','), Some(nested));
        assert_eq!(array("{(1,2);(3,4)}", ';'), Some(vec![item("(1,2)"), item("(3,4)")]));
        for odd in ["", "a", "{", "{a", "{a}b", "{,}", "{a,}", "{\"a}", "{{{{{{{{1}}}}}}}}"] {
            assert_eq!(array(odd, ','), None, "{odd}");
        }
    }

    #[test]
    fn rows_of_postgres() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(row(r#"(1,"a ""b"" \\",,"")"#), Some(vec![some("1"), some(r#"a "b" \"#), None, some("")]));
        assert_eq!(row("()"), Some(vec![None]));
        assert_eq!(row("(a"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(items in prop::collection::vec(prop::option::of("\\PC{0,8}"), 1..5)) {
            let written = to_array(items.iter().map(Option::as_deref));
            prop_assert_eq!(array(&written, ','), Some(items.iter().cloned().map(Node::Item).collect()));
            let written = to_row(items.iter().map(Option::as_deref));
            prop_assert_eq!(row(&written), Some(items));
        }

        #[test]
        fn no_text_breaks_it(text in "[{}(),\"\\\\a\\[\\]=:; ]{0,30}") {
            let _ = array(&text, ',');
            let _ = row(&text);
        }
    }
}
