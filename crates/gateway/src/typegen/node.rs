//! Postgres' print of a query, as `pg_rewrite` keeps it: `{QUERY :commandType 1 :targetList ({TARGETENTRY …} …) …}`.

use std::collections::HashMap;

/// Deeper is not read: whoever wrote such a view does without.
const DEPTH_MAX: usize = 1000;

/// A piece of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    Nothing,
    Text(String),
    List(Vec<Node>),
    Object { name: String, fields: HashMap<String, Node> },
}

impl Node {
    /// Reads a whole print; none if it is no such thing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { tokens: tokens(text), at: 0 };
        let node = reader.node(0)?;
        (reader.at == reader.tokens.len()).then_some(node)
    }

    /// A field of an object called `name`.
    pub(super) fn field(&self, field: &str) -> &Self {
        match self {
            Self::Object { fields, .. } => fields.get(field).unwrap_or(&Self::Nothing),
            _ => &Self::Nothing,
        }
    }

    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Object { name, .. } if name == wanted)
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    pub(super) fn number(&self) -> i64 {
        self.text().parse().unwrap_or(0)
    }
}

struct Token {
    /// As it stands, which tells a brace from an escaped one.
    raw: String,
    text: String,
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", |token| &token.raw)
    }

    fn next(&mut self) -> Option<&Token> {
        self.at += 1;
        self.tokens.get(self.at - 1)
    }

    fn at_end_of_value(&self) -> bool {
        self.at >= self.tokens.len() || self.peek() == "}" || self.peek().starts_with(':')
    }

    fn node(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        let token = self.next()?;
        match token.raw.as_str() {
            "{" => self.object(depth),
            "(" => {
                let mut items = Vec::new();
                // Lists of numbers say so.
                if matches!(self.peek(), "i" | "o" | "b" | "x") {
                    self.at += 1;
                }
                while self.peek() != ")" {
                    items.push(self.node(depth + 1)?);
                }
                self.at += 1;
                Some(Node::List(items))
            }
            "<>" => Some(Node::Nothing),
            _ => Some(Node::Text(token.text.clone())),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Node> {
        let name = self.next()?.text.clone();
        let mut fields = HashMap::new();
        while self.peek() != "}" {
            let field = self.next()?.raw.strip_prefix(':')?.to_owned();
            let value = if self.at_end_of_value() { Node::Nothing } else { self.node(depth + 1)? };
            fields.insert(field, value);
            // A constant is printed byte by byte: that is of no interest here.
            while !self.at_end_of_value() {
                self.node(depth + 1)?;
            }
        }
        self.at += 1;
        Some(Node::Object { name, fields })
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(&first) = letters.peek() {
        if first.is_ascii_whitespace() {
            letters.next();
            continue;
        }
        let (mut raw, mut plain) = (String::new(), String::new());
        if "(){}".contains(first) {
            letters.next();
            raw.push(first);
            tokens.push(Token { raw, text: String::new() });
            continue;
        }
        while let Some(&letter) = letters.peek() {
            if letter.is_ascii_whitespace() || "(){}".contains(letter) {
                break;
            }
            letters.next();
            raw.push(letter);
            let meant = if letter == '\\' { letters.next() } else { None };
            if let Some(meant) = meant {
                raw.push(meant);
            }
            plain.push(meant.unwrap_or(letter));
        }
        tokens.push(Token { raw, text: plain });
    }
    tokens
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_what_postgres_prints() {
        let text = r"({QUERY :commandType 1 :name a\ b :rtable ({RTE :relid 7} {RTE :x <> :y (o 1 2)}) :value 4 [ 1 0 ] :last })";
        let parsed = Node::parse(text).unwrap();
        let [query] = parsed.items() else { panic!("one query") };
        assert!(query.is("QUERY"));
        assert_eq!(query.field("name").text(), "a b");
        assert_eq!(query.field("rtable").items()[0].field("relid").number(), 7);
        assert_eq!(query.field("rtable").items()[1].field("y").items().len(), 2);
        assert_eq!(query.field("last"), &Node::Nothing);
        assert_eq!(query.field("value").number(), 4);
    }

    #[test]
    fn what_is_broken_is_not_read() {
        for text in ["", "{", "({A :b)", "{A b}", "(", "{A :b 1} x", &"(".repeat(100_000)] {
            assert_eq!(Node::parse(text), None);
        }
    }
}
