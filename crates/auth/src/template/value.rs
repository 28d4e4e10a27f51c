//! Truth, order and print of values, as Go has them for decoded JSON.

use std::cmp::Ordering;
use std::fmt::Write;

use serde_json::{Number, Value};

/// Not empty, not zero, not false.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// How two values stand to each other, if they can be compared.
pub(super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Whether two values are the same; numbers by what they count.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match compare(left, right) {
        Some(order) => order == Ordering::Equal,
        None => left == right,
    }
}

/// The field at the end of the names; what is missing is null.
pub(super) fn field<'v>(value: &'v Value, names: &[String]) -> &'v Value {
    names.iter().fold(value, |value, name| value.get(name.as_str()).unwrap_or(&Value::Null))
}

/// What `{{ value }}` prints.
pub(super) fn print(value: &Value) -> String {
    let mut out = String::new();
    print_into(value, &mut out);
    out
}

fn print_into(value: &Value, out: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => out.push_str(text),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(' ');
                }
                nested(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            out.push_str("map[");
            for (n, (name, item)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(' ');
                }
                out.push_str(name);
                out.push(':');
                nested(item, out);
            }
            out.push(']');
        }
    }
}

/// Nothing inside of something has a sign of its own.
fn nested(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        value => print_into(value, out),
    }
}

/// A number as Go's `%v` writes a float: plain up to 21 digits, then with an exponent.
pub(super) fn number_text(number: &Number) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    let float = number.as_f64().unwrap_or_default();
    if float == 0.0 || (1e-4..1e21).contains(&float.abs()) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let mut out = String::new();
    // A line that cannot be wrong: writing to a string does not fail.
    let _ = write!(out, "{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    out
}
