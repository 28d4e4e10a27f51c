//! The functions of Go's templates, but `call` and `js`.

use std::cmp::Ordering;

use serde_json::Value;

use super::value::{compare, equal, is_true, number_text, print};
use super::{escape, eval};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Func {
    And,
    Or,
    Not,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Html,
    UrlQuery,
}

/// Name, function, least and most arguments.
const FUNCTIONS: &[(&str, Func, usize, usize)] = &[
    ("and", Func::And, 1, usize::MAX),
    ("or", Func::Or, 1, usize::MAX),
    ("not", Func::Not, 1, 1),
    ("eq", Func::Eq, 2, usize::MAX),
    ("ne", Func::Ne, 2, 2),
    ("lt", Func::Lt, 2, 2),
    ("le", Func::Le, 2, 2),
    ("gt", Func::Gt, 2, 2),
    ("ge", Func::Ge, 2, 2),
    ("len", Func::Len, 1, 1),
    ("index", Func::Index, 1, usize::MAX),
    ("slice", Func::Slice, 1, 3),
    ("print", Func::Print, 0, usize::MAX),
    ("printf", Func::Printf, 1, usize::MAX),
    ("println", Func::Println, 0, usize::MAX),
    ("html", Func::Html, 0, usize::MAX),
    ("urlquery", Func::UrlQuery, 0, usize::MAX),
];

impl Func {
    pub(super) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(own, ..)| *own == name).map(|(_, func, ..)| *func)
    }

    fn row(self) -> Option<&'static (&'static str, Self, usize, usize)> {
        FUNCTIONS.iter().find(|(_, func, ..)| *func == self)
    }

    pub(super) fn name(self) -> &'static str {
        self.row().map_or("", |(name, ..)| name)
    }

    pub(super) fn takes(self, arguments: usize) -> bool {
        self.row().is_some_and(|(_, _, least, most)| (*least..=*most).contains(&arguments))
    }

    /// The value for these arguments. What does not fit is empty: it never fails.
    pub(super) fn call(self, arguments: Vec<Value>) -> Value {
        let get = |n: usize| arguments.get(n).unwrap_or(&Value::Null);
        let ordered = |test: fn(Ordering) -> bool| compare(get(0), get(1)).is_some_and(test);
        match self {
            Self::And => chosen(arguments, false),
            Self::Or => chosen(arguments, true),
            Self::Not => Value::Bool(!is_true(get(0))),
            Self::Eq => Value::Bool(arguments.iter().skip(1).any(|other| equal(get(0), other))),
            Self::Ne => Value::Bool(!equal(get(0), get(1))),
            Self::Lt => Value::Bool(ordered(Ordering::is_lt)),
            Self::Le => Value::Bool(ordered(Ordering::is_le)),
            Self::Gt => Value::Bool(ordered(Ordering::is_gt)),
            Self::Ge => Value::Bool(ordered(Ordering::is_ge)),
            Self::Len => Value::from(length(get(0))),
            Self::Index => index(get(0), arguments.get(1..).unwrap_or_default()),
            Self::Slice => slice(get(0), arguments.get(1..).unwrap_or_default()),
            Self::Print => Value::String(printed(&arguments)),
            Self::Printf => Value::String(formatted(&print(get(0)), arguments.get(1..).unwrap_or_default())),
            Self::Println => {
                let words: Vec<String> = arguments.iter().map(print).collect();
                Value::String(words.join(" ") + "\n")
            }
            Self::Html => Value::String(escape(&printed(&arguments))),
            Self::UrlQuery => {
                let text = printed(&arguments);
                Value::String(url::form_urlencoded::byte_serialize(text.as_bytes()).collect())
            }
        }
    }
}

/// The first argument that is (`or`) or is not (`and`) true, else the last.
fn chosen(arguments: Vec<Value>, wanted: bool) -> Value {
    let last = arguments.len().saturating_sub(1);
    let found = arguments.into_iter().enumerate().find(|(n, value)| is_true(value) == wanted || *n == last);
    found.map(|(_, value)| value).unwrap_or_default()
}

/// Bytes of a text, as in Go; elements of everything else.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    }
}

fn position(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
}

fn index(value: &Value, keys: &[Value]) -> Value {
    let found = keys.iter().try_fold(value, |value, key| match (value, key) {
        (Value::Object(fields), Value::String(name)) => fields.get(name),
        (Value::Array(items), key) => items.get(position(key)?),
        _ => None,
    });
    if let ([key], Value::String(text)) = (keys, value) {
        return position(key).and_then(|n| text.as_bytes().get(n)).map_or(Value::Null, |b| Value::from(*b));
    }
    found.cloned().unwrap_or_default()
}

fn slice(value: &Value, ends: &[Value]) -> Value {
    let from = ends.first().map_or(Some(0), position).unwrap_or(usize::MAX);
    let to = |length: usize| ends.get(1).map_or(Some(length), position).unwrap_or(usize::MAX);
    match value {
        Value::String(text) => text.get(from..to(text.len())).map_or(Value::Null, Value::from),
        Value::Array(items) => items.get(from..to(items.len())).map_or(Value::Null, Value::from),
        _ => Value::Null,
    }
}

/// As Go's `Sprint`: a space between two values that are no texts.
fn printed(values: &[Value]) -> String {
    let mut out = String::new();
    let mut before: Option<&Value> = None;
    for value in values {
        if before.is_some_and(|before| !before.is_string() && !value.is_string()) {
            out.push(' ');
        }
        out.push_str(&print(value));
        before = Some(value);
    }
    out
}

/// The widest that a number or text is padded to.
const MAX_WIDTH: usize = 1000;

/// As Go's `Sprintf`, for `%s %v %q %d %x %f %t %c %%` with flags, width and precision.
fn formatted(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if out.len() > eval::MAX_OUTPUT {
            break;
        }
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut flags = String::new();
        while let Some(flag) = letters.next_if(|c| "+-# 0".contains(*c)) {
            flags.push(flag);
        }
        let mut number = || {
            let mut digits = String::new();
            while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<usize>().ok().map(|n| n.min(MAX_WIDTH))
        };
        let width = number().unwrap_or(0);
        let precision = match letters.next_if_eq(&'.') {
            Some(_) => {
                let mut digits = String::new();
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                Some(digits.parse::<usize>().unwrap_or(0).min(MAX_WIDTH))
            }
            None => None,
        };
        let Some(verb) = letters.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let text = match values.next() {
            Some(value) => directive(verb, &flags, precision, value),
            None => format!("%!{verb}(MISSING)"),
        };
        pad(&mut out, &text, width, &flags, verb);
    }
    out
}

fn pad(out: &mut String, text: &str, width: usize, flags: &str, verb: char) {
    let missing = width.saturating_sub(text.chars().count());
    let zero = flags.contains('0') && !flags.contains('-') && matches!(verb, 'd' | 'f' | 'x');
    let fill = if zero { "0" } else { " " }.repeat(missing);
    match (flags.contains('-'), zero, text.strip_prefix('-')) {
        (true, ..) => out.extend([text, &fill]),
        (false, true, Some(digits)) => out.extend(["-", &fill, digits]),
        _ => out.extend([&fill, text]),
    }
}

fn directive(verb: char, flags: &str, precision: Option<usize>, value: &Value) -> String {
    let signed =
        |text: String| if flags.contains('+') && !text.starts_with('-') { format!("+{text}") } else { text };
    let cut = |text: String| match precision {
        Some(most) => text.chars().take(most).collect(),
        None => text,
    };
    let whole = || value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64));
    match (verb, value) {
        ('v', Value::Null) => "<nil>".to_owned(),
        ('v', _) => print(value),
        ('s', Value::String(text)) => cut(text.clone()),
        ('s', Value::Array(_) | Value::Object(_)) => cut(print(value)),
        ('q', Value::String(text)) => format!("{:?}", cut(text.clone())),
        ('x', Value::String(text)) => hex::encode(text),
        ('t', Value::Bool(flag)) => flag.to_string(),
        ('d', Value::Number(_)) if whole().is_some() => signed(whole().unwrap_or_default().to_string()),
        ('x', Value::Number(_)) if whole().is_some() => format!("{:x}", whole().unwrap_or_default()),
        ('f', Value::Number(number)) => {
            signed(format!("{:.*}", precision.unwrap_or(6), number.as_f64().unwrap_or_default()))
        }
        ('c', Value::Number(number)) => {
            let letter = number.as_u64().and_then(|n| u32::try_from(n).ok()).and_then(char::from_u32);
            letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
        }
        (_, Value::Null) => format!("%!{verb}(<nil>)"),
        (_, Value::Bool(_)) => format!("%!{verb}(bool={})", print(value)),
        (_, Value::Number(number)) if number.is_f64() => format!("%!{verb}(float64={})", number_text(number)),
        (_, Value::Number(_)) => format!("%!{verb}(int={})", print(value)),
        (_, Value::String(_)) => format!("%!{verb}(string={})", print(value)),
        _ => format!("%!{verb}({})", print(value)),
    }
}
