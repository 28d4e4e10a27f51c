//! A position in a text and what could have stood there.
//!
//! The grammar of the query string is hand-written recursive descent over this cursor. Clients
//! see its error texts, so the cursor keeps the books that PostgREST's parser library keeps: a
//! failure remembers where it happened and everything that would have been accepted there; of
//! two failures the later one counts, and two at one place are merged. A rule that failed after
//! it had moved the cursor is final unless it was an [`attempt`](Cursor::attempt).
//!
//! Recursion is bounded by [`MAX_DEPTH`], lists by [`MAX_ITEMS`].

use crate::error::QueryError;

/// The deepest nesting of a `select` or of a logic tree.
pub(crate) const MAX_DEPTH: usize = 100;

/// The longest list of columns: Postgres takes no more in one result.
pub(crate) const MAX_ITEMS: usize = 1664;

/// A text being parsed.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// What would have been accepted here besides what was.
    pending: Failure,
}

/// Why a rule does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    at: usize,
    notes: Vec<Note>,
}

/// Result of a rule.
pub(crate) type Parsed<T> = Result<T, Failure>;

/// Parts of an error text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    /// The character that did not fit; `None` for the end. Only the first is shown.
    Found(Option<char>),
    /// A character that must not follow.
    Unwanted(char),
    /// What would have fitted, described.
    Expected(&'static str),
    /// What would have fitted, to the letter.
    ExpectedWord(&'static str),
    /// The character that would have fitted.
    ExpectedChar(char),
    /// A sentence of its own.
    Sentence(&'static str),
}

impl Failure {
    fn new(at: usize, notes: Vec<Note>) -> Self {
        Self { at, notes }
    }

    /// The later of two failures; both if they are at one place.
    fn merge(mut self, mut other: Self) -> Self {
        match (self.notes.is_empty(), other.notes.is_empty()) {
            (false, true) => self,
            (true, false) => other,
            _ if self.at == other.at => {
                self.notes.append(&mut other.notes);
                self
            }
            _ if self.at > other.at => self,
            _ => other,
        }
    }

    /// Says `label` instead of what was expected in detail.
    fn labelled(mut self, label: &'static str) -> Self {
        self.notes.retain(|note| {
            !matches!(note, Note::Expected(_) | Note::ExpectedWord(_) | Note::ExpectedChar(_))
        });
        self.notes.insert(0, Note::Expected(label));
        self
    }
}

impl<'a> Cursor<'a> {
    /// The start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, pending: Failure::default() }
    }

    /// What lies ahead.
    pub fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn moved_to(&mut self, at: usize) {
        self.at = at;
        self.pending = Failure::new(at, Vec::new());
    }

    /// The failure of a rule that did not move the cursor.
    fn refuse(&mut self, notes: Vec<Note>) -> Failure {
        std::mem::take(&mut self.pending).merge(Failure::new(self.at, notes))
    }

    /// Remembers what would also have been accepted here.
    fn remember(&mut self, notes: Vec<Note>) {
        self.pending = self.refuse(notes);
    }

    /// A failure for a reason that is not about the next character.
    pub fn fail(&mut self, sentence: &'static str) -> Failure {
        self.refuse(vec![Note::Sentence(sentence)])
    }

    /// A failure without a word; what was expected before speaks for itself.
    pub fn fail_silently(&mut self) -> Failure {
        self.refuse(Vec::new())
    }

    /// One character that `accept` takes; error texts say no more than what was found.
    pub fn one(&mut self, accept: impl Fn(char) -> bool) -> Parsed<char> {
        self.take(accept, None)
    }

    /// The character `wanted`.
    pub fn char(&mut self, wanted: char) -> Parsed<()> {
        self.take(|c| c == wanted, Some(Note::ExpectedChar(wanted))).map(drop)
    }

    fn take(&mut self, accept: impl Fn(char) -> bool, expected: Option<Note>) -> Parsed<char> {
        match self.peek() {
            Some(c) if accept(c) => {
                self.moved_to(self.at + c.len_utf8());
                Ok(c)
            }
            found => Err(self.refuse(std::iter::once(Note::Found(found)).chain(expected).collect())),
        }
    }

    /// The longest run of characters that `accept` takes, possibly none; `expected` names them.
    pub fn run(&mut self, accept: impl Fn(char) -> bool, expected: &[&'static str]) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        let (taken, left) = rest.split_at(length);
        if length > 0 {
            self.moved_to(self.at + length);
        }
        let found = Note::Found(left.chars().next());
        self.remember(std::iter::once(found).chain(expected.iter().map(|e| Note::Expected(e))).collect());
        taken
    }

    /// Like [`run`](Self::run), but at least one character.
    pub fn run1(&mut self, accept: impl Fn(char) -> bool, expected: &[&'static str]) -> Parsed<&'a str> {
        match self.run(accept, expected) {
            "" => Err(std::mem::take(&mut self.pending)),
            taken => Ok(taken),
        }
    }

    /// Exactly `word`. A word that begins right and goes on wrong moves the cursor.
    pub fn word(&mut self, word: &'static str) -> Parsed<()> {
        let mut found = self.rest().chars();
        let mut matched = 0;
        for wanted in word.chars() {
            let next = found.next();
            if next != Some(wanted) {
                let failure = self.refuse(vec![Note::Found(next), Note::ExpectedWord(word)]);
                self.at += matched;
                return Err(failure);
            }
            matched += wanted.len_utf8();
        }
        self.moved_to(self.at + matched);
        Ok(())
    }

    /// The value of the first of `words` that stands here.
    pub fn keyword<T: Copy>(&mut self, words: &[(&'static str, T)]) -> Parsed<T> {
        match words {
            [] => Err(self.fail_silently()),
            [(word, value), others @ ..] => self.either(
                |cursor| cursor.attempt(|cursor| cursor.word(word)).map(|()| *value),
                |cursor| cursor.keyword(others),
            ),
        }
    }

    /// `rule`, and if it fails the cursor has not moved.
    pub fn attempt<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let (start, before) = (self.at, std::mem::take(&mut self.pending));
        match rule(self) {
            Err(failure) => {
                self.at = start;
                Err(before.merge(failure))
            }
            Ok(value) => {
                if self.at == start {
                    self.pending = before.merge(std::mem::take(&mut self.pending));
                }
                Ok(value)
            }
        }
    }

    /// `rule` without moving the cursor when it applies.
    pub fn ahead<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let (start, before) = (self.at, std::mem::take(&mut self.pending));
        let result = rule(self);
        self.at = start;
        match result {
            Ok(value) => {
                self.pending = before;
                Ok(value)
            }
            Err(failure) => Err(before.merge(failure)),
        }
    }

    /// `first`, or `second` if `first` failed without moving the cursor.
    pub fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Parsed<T>,
        second: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.at;
        match first(self) {
            Err(failure) if self.at == start => {
                self.pending = failure;
                second(self)
            }
            result => result,
        }
    }

    /// `rule`, or nothing if it failed without moving the cursor.
    pub fn maybe<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        self.either(|cursor| rule(cursor).map(Some), |_| Ok(None))
    }

    /// `rule`, whose error says `label` if it fails without moving the cursor.
    pub fn label<T>(&mut self, label: &'static str, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let (start, before) = (self.at, std::mem::take(&mut self.pending));
        let result = rule(self);
        if self.at != start {
            return result;
        }
        match result {
            Err(failure) => Err(before.merge(failure.labelled(label))),
            Ok(value) => {
                let mut pending = std::mem::take(&mut self.pending);
                if !pending.notes.is_empty() {
                    pending = pending.labelled(label);
                }
                self.pending = before.merge(pending);
                Ok(value)
            }
        }
    }

    /// `rule` as often as it applies.
    pub fn many<T>(&mut self, mut rule: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        loop {
            let start = self.at;
            match rule(self) {
                Ok(item) => items.push(item),
                Err(failure) if self.at == start => {
                    self.pending = failure;
                    return Ok(items);
                }
                Err(failure) => return Err(failure),
            }
            self.pending = Failure::default();
        }
    }

    /// `list`, unless it is longer than [`MAX_ITEMS`].
    pub fn bounded<T>(&mut self, list: Vec<T>) -> Parsed<Vec<T>> {
        if list.len() > MAX_ITEMS { Err(self.fail("the list is too long")) } else { Ok(list) }
    }

    /// One or more of `rule` with `separator` between.
    pub fn separated<T>(
        &mut self,
        mut rule: impl FnMut(&mut Self) -> Parsed<T>,
        mut separator: impl FnMut(&mut Self) -> Parsed<()>,
    ) -> Parsed<Vec<T>> {
        let first = rule(self)?;
        let mut items = self.many(|cursor| {
            separator(cursor)?;
            rule(cursor)
        })?;
        items.insert(0, first);
        Ok(items)
    }

    /// Fails if `refused` follows.
    pub fn not_followed_by(&mut self, refused: char) -> Parsed<()> {
        self.not_followed(|c| c == refused, Some(Note::ExpectedChar(refused)))
    }

    /// Fails unless one of the characters of `allowed` follows, or the end.
    pub fn followed_by_any(&mut self, allowed: &str) -> Parsed<()> {
        self.not_followed(|c| !allowed.contains(c), None)
    }

    fn not_followed(&mut self, refused: impl Fn(char) -> bool, note: Option<Note>) -> Parsed<()> {
        match self.peek() {
            Some(c) if refused(c) => {
                let after = Failure::new(self.at + c.len_utf8(), vec![Note::Unwanted(c)]);
                Err(std::mem::take(&mut self.pending).merge(after))
            }
            found => {
                self.remember(std::iter::once(Note::Found(found)).chain(note).collect());
                Ok(())
            }
        }
    }

    /// The end of the text.
    pub fn end(&mut self) -> Parsed<()> {
        let expected = Note::Expected("end of input");
        match self.peek() {
            Some(c) => Err(self.refuse(vec![expected, Note::Unwanted(c)])),
            None => {
                self.remember(vec![expected, Note::Found(None)]);
                Ok(())
            }
        }
    }

    /// The client's view of `failure` while parsing `what`.
    pub fn explain(&self, what: &str, failure: Failure) -> QueryError {
        let (line, column) = self.line_and_column(failure.at);
        QueryError {
            message: format!("\"failed to parse {what}\" (line {line}, column {column})"),
            details: describe(failure.notes),
        }
    }

    /// Lines and columns count from 1; a tab goes to the next multiple of eight.
    fn line_and_column(&self, at: usize) -> (usize, usize) {
        self.text.get(..at).unwrap_or(self.text).chars().fold((1, 1), |(line, column), c| match c {
            '\n' => (line + 1, 1),
            '\t' => (line, column + 8 - (column - 1) % 8),
            _ => (line, column + 1),
        })
    }
}

/// The notes as one line: `unexpected … expecting …`.
fn describe(notes: Vec<Note>) -> String {
    let mut unwanted = Vec::new();
    let mut expected = Vec::new();
    let mut sentences = Vec::new();
    let mut found = None;
    let push = |list: &mut Vec<String>, text: String| {
        if !list.contains(&text) {
            list.push(text);
        }
    };
    for note in notes {
        match note {
            Note::Found(c) => {
                found.get_or_insert(c);
            }
            Note::Unwanted(c) => push(&mut unwanted, show(c, '\'')),
            Note::Expected(what) => push(&mut expected, what.to_owned()),
            Note::ExpectedWord(word) => push(&mut expected, format!("\"{word}\"")),
            Note::ExpectedChar(c) => push(&mut expected, show(c, '"')),
            Note::Sentence(text) => push(&mut sentences, text.to_owned()),
        }
    }
    let mut parts = Vec::new();
    match found {
        _ if !unwanted.is_empty() => parts.push(format!("unexpected {}", listed(&unwanted))),
        Some(Some(c)) => parts.push(format!("unexpected {}", show(c, '"'))),
        Some(None) => parts.push("unexpected end of input".to_owned()),
        None => {}
    }
    if !expected.is_empty() {
        parts.push(format!("expecting {}", listed(&expected)));
    }
    if !sentences.is_empty() {
        parts.push(listed(&sentences));
    }
    if parts.is_empty() {
        return "unknown parse error".to_owned();
    }
    parts.join(" ")
}

fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// A character as upstream shows it: quoted, everything but printable ASCII escaped.
fn show(c: char, quote: char) -> String {
    const CONTROLS: [&str; 32] = [
        "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "a", "b", "t", "n", "v", "f", "r", "SO", "SI",
        "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS",
        "US",
    ];
    let code = u32::from(c);
    let name = usize::try_from(code).ok().and_then(|code| CONTROLS.get(code));
    let inner = match (c, name) {
        (_, Some(name)) => format!("\\{name}"),
        ('\u{7f}', _) => "\\DEL".to_owned(),
        _ if c == quote || c == '\\' => format!("\\{c}"),
        _ if c.is_ascii() => c.to_string(),
        _ => format!("\\{code}"),
    };
    format!("{quote}{inner}{quote}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_shown_as_upstream_shows_them() {
        for (c, expected) in [
            ('a', "\"a\""),
            ('"', r#""\"""#),
            ('\'', "\"'\""),
            ('\\', r#""\\""#),
            ('\n', r#""\n""#),
            ('é', r#""\233""#),
        ] {
            assert_eq!(show(c, '"'), expected);
        }
        assert_eq!(show('\'', '\''), r"'\''");
    }

    #[test]
    fn tabs_and_newlines_move_the_column() {
        let cursor = Cursor::new("a\tb\nc");
        assert_eq!(cursor.line_and_column(2), (1, 9));
        assert_eq!(cursor.line_and_column(4), (2, 1));
    }

    #[test]
    fn failures_at_one_place_are_merged_and_the_later_one_wins() {
        let mut cursor = Cursor::new("x");
        let failure = cursor
            .either(|c| c.word("a"), |c| c.char('b'))
            .err()
            .map(|failure| cursor.explain("it (x)", failure));
        assert_eq!(
            failure.map(|f| (f.message, f.details)),
            Some((
                "\"failed to parse it (x)\" (line 1, column 1)".to_owned(),
                "unexpected \"x\" expecting \"a\" or \"b\"".to_owned()
            ))
        );
    }
}
