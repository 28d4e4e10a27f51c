//! Values as JSON: what `to_jsonb` makes of them, read from the text that Postgres prints.
//!
//! The stream's session prints dates in the ISO style, times in UTC and bytes as hexadecimal digits. Rules
//! that are upstream's and not `to_jsonb`'s: a number that is none is null, and bytes lose their `\x`.

use super::kind::{Kind, Types};
use super::literal::{self, Node};
use crate::protocol::text::quoted;

/// Appends a value of a column.
pub(super) fn write(types: &Types, oid: u32, text: &str, to: &mut String) {
    match types.kind(oid) {
        Kind::Number if !is_number(text) => to.push_str("null"),
        Kind::Bytes => to.push_str(&quoted(text.strip_prefix("\\x").unwrap_or(text))),
        _ => write_inner(types, oid, text, to),
    }
}

/// A value that may be part of another.
fn write_inner(types: &Types, oid: u32, text: &str, to: &mut String) {
    match types.kind(oid) {
        Kind::Bool => to.push_str(if text == "t" { "true" } else { "false" }),
        Kind::Integer | Kind::Number if is_number(text) => to.push_str(text),
        Kind::Json => to.push_str(text),
        Kind::Moment => to.push_str(&quoted(&moment(text))),
        Kind::Array { element, delimiter } => match literal::array(text, *delimiter) {
            Some(nodes) => write_list(types, *element, &nodes, to),
            None => to.push_str(&quoted(text)),
        },
        Kind::Row(columns) => match literal::row(text).filter(|items| items.len() == columns.len()) {
            Some(items) => {
                to.push('{');
                for (index, ((name, oid), item)) in columns.iter().zip(items).enumerate() {
                    if index > 0 {
                        to.push(',');
                    }
                    to.push_str(&quoted(name));
                    to.push(':');
                    write_item(types, *oid, item.as_deref(), to);
                }
                to.push('}');
            }
            None => to.push_str(&quoted(text)),
        },
        _ => to.push_str(&quoted(text)),
    }
}

fn write_item(types: &Types, oid: u32, item: Option<&str>, to: &mut String) {
    match item {
        Some(text) => write_inner(types, oid, text, to),
        None => to.push_str("null"),
    }
}

fn write_list(types: &Types, element: u32, nodes: &[Node], to: &mut String) {
    to.push('[');
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            to.push(',');
        }
        match node {
            Node::List(nodes) => write_list(types, element, nodes, to),
            Node::Item(item) => write_item(types, element, item.as_deref(), to),
        }
    }
    to.push(']');
}

/// Everything else that Postgres prints for a number begins with a letter, its sign aside.
fn is_number(text: &str) -> bool {
    text.trim_start_matches('-').starts_with(|letter: char| letter.is_ascii_digit())
}

/// `2024-01-02 03:04:05+00` as `2024-01-02T03:04:05+00:00`.
fn moment(text: &str) -> String {
    let Some((date, time)) = text.split_once(' ').filter(|(_, time)| *time != "BC") else {
        return text.to_owned();
    };
    let (time, era) = match time.strip_suffix(" BC") {
        Some(time) => (time, " BC"),
        None => (time, ""),
    };
    let zone = if time.ends_with("+00") { ":00" } else { "" };
    format!("{date}T{time}{zone}{era}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::kind::{Type, built_in};
    use super::*;

    fn types() -> Types {
        let mut types = Types::default();
        let mut put = |oid, kind| types.put(oid, Type { name: String::new(), sql: String::new(), kind });
        for oid in [16, 17, 20, 25, 114, 701, 1082, 1184, 1700] {
            put(oid, built_in(oid));
        }
        put(1000, Kind::Array { element: 16, delimiter: ',' });
        put(1001, Kind::Array { element: 701, delimiter: ',' });
        put(1002, Kind::Array { element: 17, delimiter: ',' });
        put(2000, Kind::Domain { base: 1700 });
        put(2001, Kind::Row(vec![("a".into(), 20), ("b".into(), 1000), ("c".into(), 25)]));
        types
    }

    #[test]
    fn values_are_what_postgres_makes_of_them() {
        let types = types();
        for (oid, text, expected) in [
            (16, "t", "true"),
            (20, "9007199254740993", "9007199254740993"),
            (1700, "1.50", "1.50"),
            (2000, "-0.5", "-0.5"),
            (701, "1e-07", "1e-07"),
            (701, "NaN", "null"),
            (2000, "-Infinity", "null"),
            (1001, "{1.5,NaN,NULL}", r#"[1.5,"NaN",null]"#),
            (17, "\\xdead", r#""dead""#),
            (1002, r#"{"\\xdead"}"#, r#"["\\xdead"]"#),
            (25, "a\"b\n", r#""a\"b\n""#),
            (114, r#"{"k": [1]}"#, r#"{"k": [1]}"#),
            (1184, "2024-01-02 03:04:05.678+00", r#""2024-01-02T03:04:05.678+00:00""#),
            (1184, "infinity", r#""infinity""#),
            (1184, "0044-03-15 00:00:00+00 BC", r#""0044-03-15T00:00:00+00:00 BC""#),
            (1082, "0044-03-15 BC", r#""0044-03-15 BC""#),
            (1000, "{{t,f},{f,NULL}}", "[[true,false],[false,null]]"),
            (2001, r#"(1,"{t,f}",)"#, r#"{"a":1,"b":[true,false],"c":null}"#),
            (1000, "odd", r#""odd""#),
            (9999, "unknown", r#""unknown""#),
        ] {
            let mut json = String::new();
            write(&types, oid, text, &mut json);
            assert_eq!(json, expected, "{oid} {text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_no_number_becomes_json(
            oid in prop::sample::select(vec![16, 17, 25, 1082, 1184, 1000, 1002, 9999]),
            text in "\\PC{0,20}|[{}\",\\\\a-f NUL]{0,20}",
        ) {
            let mut json = String::new();
            write(&types(), oid, &text, &mut json);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
        }
    }
}
