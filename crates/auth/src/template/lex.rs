//! Text → pieces.

use super::ParseError;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// To be printed as it is.
    Literal(String),
    /// What stands between `{{` and `}}`, and the line it begins in.
    Action(Vec<Token>, usize),
}

/// A word inside an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `name`, a keyword or a function.
    Word(String),
    /// `.name.name`; without names, the dot itself.
    Field(Vec<String>),
    /// `$name.field`; the first name is that of the variable, without the sign.
    Variable(String, Vec<String>),
    Text(String),
    Number(serde_json::Number),
    Open,
    /// With the fields of what the parentheses hold: `(…).name`.
    Close(Vec<String>),
    Pipe,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

pub(super) fn lex(text: &str) -> Result<Vec<Piece>, ParseError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut line = 1;
    let mut trim = false;
    loop {
        let (literal, action) = match rest.split_once(OPEN) {
            Some((literal, action)) => (literal, Some(action)),
            None => (rest, None),
        };
        let trims_left = action.is_some_and(opens_with_trim);
        let mut shown = literal;
        if trim {
            shown = shown.trim_start_matches(is_space);
        }
        if trims_left {
            shown = shown.trim_end_matches(is_space);
        }
        if !shown.is_empty() {
            pieces.push(Piece::Literal(shown.to_owned()));
        }
        line += lines(literal);
        let Some(action) = action else { return Ok(pieces) };
        let inner = if trims_left { &action[1..] } else { action };
        let mut reader = Reader { rest: inner, line };
        trim = match reader.comment()? {
            Some(trim) => trim,
            None => {
                let (tokens, trim) = reader.action()?;
                pieces.push(Piece::Action(tokens, line));
                trim
            }
        };
        (rest, line) = (reader.rest, reader.line);
    }
}

/// `- ` at the beginning of an action eats the space before it.
fn opens_with_trim(action: &str) -> bool {
    action.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

/// Reads one action.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn error<T>(&self, text: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError { line: self.line, text: text.into() })
    }

    /// Takes `count` bytes.
    fn take(&mut self, count: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, ""));
        self.line += lines(taken);
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, test: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|c| !test(c)).unwrap_or(self.rest.len()))
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest.starts_with(prefix);
        if found {
            self.take(prefix.len());
        }
        found
    }

    /// A comment that is the whole action; returns whether the space behind goes.
    fn comment(&mut self) -> Result<Option<bool>, ParseError> {
        if !self.rest.trim_start_matches(is_space).starts_with("/*") {
            return Ok(None);
        }
        let Some(end) = self.rest.find("*/") else { return self.error("a comment does not end") };
        self.take(end + 2);
        match self.end() {
            Some(trim) => Ok(Some(trim)),
            None => self.error("a comment must be an action by itself"),
        }
    }

    /// The end of the action, if it is here; true if it eats the space behind.
    fn end(&mut self) -> Option<bool> {
        let after = self.rest.trim_start_matches(is_space);
        let spaced = after.len() < self.rest.len();
        if spaced && after.strip_prefix('-').is_some_and(|rest| rest.starts_with(CLOSE)) {
            self.take(self.rest.len() - after.len() + 1 + CLOSE.len());
            return Some(true);
        }
        if after.starts_with(CLOSE) {
            self.take(self.rest.len() - after.len() + CLOSE.len());
            return Some(false);
        }
        None
    }

    fn action(&mut self) -> Result<(Vec<Token>, bool), ParseError> {
        let mut tokens = Vec::new();
        loop {
            if let Some(trim) = self.end() {
                return Ok((tokens, trim));
            }
            self.take_while(is_space);
            match self.token()? {
                Some(token) => tokens.push(token),
                None => return self.error("an action does not end: `}}` is missing"),
            }
        }
    }

    fn token(&mut self) -> Result<Option<Token>, ParseError> {
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let second = self.rest[first.len_utf8()..].chars().next();
        Ok(Some(match first {
            '|' => self.single(Token::Pipe),
            ',' => self.single(Token::Comma),
            '(' => self.single(Token::Open),
            ')' => {
                self.take(1);
                Token::Close(self.fields()?)
            }
            ':' if self.eat(":=") => Token::Declare,
            '=' => self.single(Token::Assign),
            '"' => self.quoted()?,
            '`' => self.raw()?,
            '\'' => self.character()?,
            '$' => {
                self.take(1);
                let name = self.take_while(is_letter).to_owned();
                Token::Variable(name, self.fields()?)
            }
            '.' if !second.is_some_and(|c| c.is_ascii_digit()) => match second {
                Some(c) if is_letter(c) => Token::Field(self.fields()?),
                _ => self.single(Token::Field(Vec::new())),
            },
            c if c.is_ascii_digit() || c == '.' => self.number()?,
            '+' | '-' if second.is_some_and(|c| c.is_ascii_digit() || c == '.') => self.number()?,
            c if is_letter(c) => Token::Word(self.take_while(is_letter).to_owned()),
            c => return self.error(format!("`{}` is not understood", c.escape_debug())),
        }))
    }

    fn single(&mut self, token: Token) -> Token {
        self.take(1);
        token
    }

    fn fields(&mut self) -> Result<Vec<String>, ParseError> {
        let mut names = Vec::new();
        while self.eat(".") {
            let name = self.take_while(is_letter);
            if name.is_empty() {
                return self.error("a dot must be followed by a name");
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }

    fn number(&mut self) -> Result<Token, ParseError> {
        let text = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_'));
        let plain = text.replace('_', "");
        let (negative, digits) = match plain.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
        };
        let radix = |prefix: &str, radix| {
            let digits = digits.strip_prefix(prefix)?;
            i64::from_str_radix(digits, radix).ok()
        };
        let whole = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2));
        let whole = whole.or_else(|| digits.parse().ok()).map(|n: i64| if negative { -n } else { n });
        let number = match whole {
            Some(whole) => Some(serde_json::Number::from(whole)),
            None => plain.parse::<f64>().ok().and_then(serde_json::Number::from_f64),
        };
        match number {
            Some(number) => Ok(Token::Number(number)),
            None => self.error(format!("`{text}` is not a number")),
        }
    }

    fn raw(&mut self) -> Result<Token, ParseError> {
        self.take(1);
        let Some(end) = self.rest.find('`') else { return self.error("a text does not end") };
        let text = self.take(end).to_owned();
        self.take(1);
        Ok(Token::Text(text))
    }

    fn quoted(&mut self) -> Result<Token, ParseError> {
        self.take(1);
        let mut text = String::new();
        loop {
            match self.letter('"')? {
                Some(c) => text.push(c),
                None => return Ok(Token::Text(text)),
            }
        }
    }

    /// `'x'` is the number of the letter, as in Go.
    fn character(&mut self) -> Result<Token, ParseError> {
        self.take(1);
        match (self.letter('\'')?, self.letter('\'')?) {
            (Some(c), None) => Ok(Token::Number(u32::from(c).into())),
            _ => self.error("a character must be one letter"),
        }
    }

    /// The next letter of a quoted text; none at its end.
    fn letter(&mut self, quote: char) -> Result<Option<char>, ParseError> {
        let Some(first) = self.rest.chars().next() else { return self.error("a text does not end") };
        self.take(first.len_utf8());
        if first == quote {
            return Ok(None);
        }
        if first == '\n' {
            return self.error("a text does not end in its line");
        }
        if first != '\\' {
            return Ok(Some(first));
        }
        let Some(escape) = self.rest.chars().next() else { return self.error("a text does not end") };
        self.take(escape.len_utf8());
        let letter = match escape {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'v' => Some('\u{b}'),
            '\\' | '\'' | '"' => Some(escape),
            'x' => self.code(2),
            'u' => self.code(4),
            'U' => self.code(8),
            _ => None,
        };
        match letter {
            Some(letter) => Ok(Some(letter)),
            None => self.error(format!("`\\{}` is not understood", escape.escape_debug())),
        }
    }

    fn code(&mut self, digits: usize) -> Option<char> {
        let hex = self.rest.get(..digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let code = u32::from_str_radix(hex, 16).ok()?;
        self.take(digits);
        char::from_u32(code)
    }
}
