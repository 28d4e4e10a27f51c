//! Values as upstream's messages show them: Elixir's way of writing.

use serde_json::Value;

/// A value.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(string) => text(string),
        Value::Array(items) => list(items.iter().map(self::value)),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            let members: Vec<_> = members
                .iter()
                .map(|(name, member)| format!("{} => {}", text(name), self::value(member)))
                .collect();
            format!("%{{{}}}", members.join(", "))
        }
    }
}

/// Text in quotes.
pub(super) fn text(text: &str) -> String {
    let mut shown = String::from("\"");
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\0' => shown.push_str("\\0"),
            // It would begin an interpolation.
            '#' if letters.peek() == Some(&'{') => shown.push_str("\\#"),
            letter => shown.push(letter),
        }
    }
    shown.push('"');
    shown
}

/// A list of what is shown already.
pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_look_like_elixirs() {
        let shown = value(&json!({ "b": [1, "x\"#{y}"], "a": null, "c": {} }));
        assert_eq!(shown, r#"%{"a" => nil, "b" => [1, "x\"\#{y}"], "c" => %{}}"#);
    }
}
