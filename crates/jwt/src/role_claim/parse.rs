//! Reading both syntaxes of a path to the role.

use serde_json::Value;

use super::{Filter, Step, Test};

type Parsed<T> = Result<T, &'static str>;

pub(super) fn steps(text: &str) -> Parsed<Vec<Step>> {
    let mut rest = Rest(text);
    let steps = if rest.take("$") {
        json_path(&mut rest)?
    } else if text.starts_with(['.', '[']) {
        js_path(&mut rest)?
    } else {
        return Err("a path begins with `$` or `.`");
    };
    if steps.is_empty() { Err("the path names no claim") } else { Ok(steps) }
}

/// What is left to read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str, reason: &'static str) -> Parsed<()> {
        if self.take(token) { Ok(()) } else { Err(reason) }
    }

    fn spaces(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn take_while(&mut self, accepted: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !accepted(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let next = chars.next();
        self.0 = chars.as_str();
        next
    }
}

fn json_path(rest: &mut Rest<'_>) -> Parsed<Vec<Step>> {
    let mut steps = Vec::new();
    loop {
        rest.spaces();
        if rest.0.is_empty() {
            return Ok(steps);
        }
        steps.push(if rest.take("[?") {
            let filter = filter(rest)?;
            rest.expect("]", "a filter ends with `]`")?;
            Step::Filter(filter)
        } else if rest.take("[*]") || rest.take(".*") {
            Step::Every
        } else {
            plain_step(rest)?
        });
    }
}

/// `.name`, `['name']` or `[0]`.
fn plain_step(rest: &mut Rest<'_>) -> Parsed<Step> {
    if rest.take(".") {
        let name = rest.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii());
        let begins = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
        return if begins { Ok(Step::Name(name.to_owned())) } else { Err("`.` is followed by a name") };
    }
    rest.expect("[", "unexpected character")?;
    rest.spaces();
    let step =
        if rest.0.starts_with(['"', '\'']) { Step::Name(string(rest)?) } else { Step::Index(index(rest)?) };
    rest.spaces();
    rest.expect("]", "`[` is not closed")?;
    Ok(step)
}

fn index(rest: &mut Rest<'_>) -> Parsed<i64> {
    rest.take_while(|c| c.is_ascii_digit() || c == '-').parse().map_err(|_| "an index is a whole number")
}

/// `@ == "x"`, `@.a != 1` or `search(@, '^x')`, with or without parentheses around.
fn filter(rest: &mut Rest<'_>) -> Parsed<Filter> {
    rest.spaces();
    let parentheses = rest.take("(");
    rest.spaces();
    let filter = if rest.take("search(") {
        rest.spaces();
        let path = relative(rest)?;
        rest.expect(",", "search() takes two arguments")?;
        rest.spaces();
        let test = pattern(&string(rest)?)?;
        rest.spaces();
        rest.expect(")", "search( is not closed")?;
        Filter { path, test }
    } else {
        let path = relative(rest)?;
        let wanted = rest.take("==");
        if !wanted {
            rest.expect("!=", "a filter compares with == or !=, or calls search()")?;
        }
        rest.spaces();
        Filter { path, test: Test::Equals { literal: literal(rest)?, wanted } }
    };
    rest.spaces();
    if parentheses {
        rest.expect(")", "`(` is not closed")?;
        rest.spaces();
    }
    Ok(filter)
}

/// `@` and what follows it.
fn relative(rest: &mut Rest<'_>) -> Parsed<Vec<Step>> {
    rest.expect("@", "a filter begins with `@`")?;
    let mut path = Vec::new();
    while rest.0.starts_with(['.', '[']) {
        path.push(plain_step(rest)?);
    }
    rest.spaces();
    Ok(path)
}

fn literal(rest: &mut Rest<'_>) -> Parsed<Value> {
    if rest.0.starts_with(['"', '\'']) {
        return string(rest).map(Value::String);
    }
    let word = rest.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
    serde_json::from_str(word).map_err(|_| "a comparison needs a string, a number, true, false or null")
}

fn string(rest: &mut Rest<'_>) -> Parsed<String> {
    let quote = rest.next().filter(|c| matches!(c, '"' | '\'')).ok_or("a string is quoted")?;
    let mut text = String::new();
    loop {
        match rest.next().ok_or("a string is not closed")? {
            end if end == quote => return Ok(text),
            '\\' => text.push(match rest.next() {
                Some(c @ ('\\' | '\'' | '"' | '/')) => c,
                _ => return Err("only quotes and backslashes may be escaped"),
            }),
            c => text.push(c),
        }
    }
}

/// A regular expression that is a literal with optional anchors.
fn pattern(text: &str) -> Parsed<Test> {
    let (start, text) = text.strip_prefix('^').map_or((false, text), |text| (true, text));
    let (end, text) = text.strip_suffix('$').map_or((false, text), |text| (true, text));
    if text.contains(['\\', '.', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '^', '$']) {
        return Err("search() takes a literal, optionally between ^ and $");
    }
    Ok(Test::Matches { text: text.to_owned(), start, end, wanted: true })
}

fn js_path(rest: &mut Rest<'_>) -> Parsed<Vec<Step>> {
    let mut steps = Vec::new();
    while !rest.0.is_empty() {
        steps.push(if rest.take("[?(") {
            let filter = js_filter(rest)?;
            rest.expect(")]", "a filter ends with `)]`")?;
            if !rest.0.is_empty() {
                return Err("nothing may follow a filter");
            }
            Step::Filter(filter)
        } else if rest.take("[") {
            let digits = rest.take_while(|c| c.is_ascii_digit());
            rest.expect("]", "`[` is not closed")?;
            Step::Index(digits.parse().map_err(|_| "an index is a whole number")?)
        } else {
            rest.expect(".", "unexpected character")?;
            Step::Name(js_name(rest)?)
        });
    }
    Ok(steps)
}

fn js_name(rest: &mut Rest<'_>) -> Parsed<String> {
    let name = rest.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '@'));
    if name.is_empty() { js_quoted(rest) } else { Ok(name.to_owned()) }
}

/// Without escapes.
fn js_quoted(rest: &mut Rest<'_>) -> Parsed<String> {
    rest.expect("\"", "a name or a quoted text is expected")?;
    let text = rest.take_while(|c| c != '"');
    rest.expect("\"", "a string is not closed")?;
    Ok(text.to_owned())
}

fn js_filter(rest: &mut Rest<'_>) -> Parsed<Filter> {
    rest.expect("@", "a filter begins with `@`")?;
    rest.spaces();
    // The longer operator first.
    let operators = [
        ("==^", (false, true, true)),
        ("==", (true, true, true)),
        ("!=", (true, true, false)),
        ("^==", (true, false, true)),
        ("*==", (false, false, true)),
    ];
    let (_, (start, end, wanted)) = operators
        .into_iter()
        .find(|(operator, _)| rest.take(operator))
        .ok_or("a filter compares with ==, !=, ^==, ==^ or *==")?;
    rest.spaces();
    let text = js_quoted(rest)?;
    Ok(Filter { path: Vec::new(), test: Test::Matches { text, start, end, wanted } })
}
