//! CSV bodies (RFC 4180): comma-separated, quotes doubled inside quotes, blank lines skipped.

use super::cursor::MAX_ITEMS;
use crate::error::Error;

/// The records one by one, the header first. After an error there are no more.
pub(super) fn records(text: &str) -> impl Iterator<Item = Result<Vec<String>, Error>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while let Some(after) = line_end(rest) {
            rest = after;
        }
        if rest.is_empty() {
            return None;
        }
        let record = record(rest);
        rest = record.as_ref().map_or("", |(_, after)| after);
        Some(record.map(|(fields, _)| fields))
    })
}

fn record(mut rest: &str) -> Result<(Vec<String>, &str), Error> {
    let mut fields = Vec::new();
    loop {
        let (field, after) = field(rest)?;
        if fields.len() == MAX_ITEMS {
            return Err(Error::Body(format!("A line of the CSV has more than {MAX_ITEMS} fields")));
        }
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok((fields, after)),
            None => {
                let after = line_end(after).ok_or_else(|| {
                    Error::Body("parse error in CSV: unexpected character after a field".to_owned())
                })?;
                return Ok((fields, after));
            }
        }
    }
}

fn field(text: &str) -> Result<(String, &str), Error> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\n', '\r', '"']).unwrap_or(text.len());
        let (field, after) = text.split_at(end);
        return Ok((field.to_owned(), after));
    };
    let mut field = String::new();
    loop {
        let (inside, after) = rest
            .split_once('"')
            .ok_or_else(|| Error::Body("parse error in CSV: a quoted field does not end".to_owned()))?;
        field.push_str(inside);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, after)),
        }
    }
}

fn line_end(text: &str) -> Option<&str> {
    text.strip_prefix("\r\n").or_else(|| text.strip_prefix(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn records_and_fields() {
        for (text, expected) in [
            ("a,b\n1,2\n", vec![vec!["a", "b"], vec!["1", "2"]]),
            ("a,b\r\n1,\r\n\r\n,2", vec![vec!["a", "b"], vec!["1", ""], vec!["", "2"]]),
            ("\"a,\"\"b\"\"\n\",c\n", vec![vec!["a,\"b\"\n", "c"]]),
            ("", vec![]),
        ] {
            let found: Vec<_> = records(text).map(Result::unwrap).collect();
            assert_eq!(found, expected, "{text:?}");
        }
        for text in ["a\n\"open", "a\nb\"c", &",".repeat(MAX_ITEMS)] {
            let found: Vec<_> = records(text).collect();
            assert!(matches!(found.as_slice(), [.., Err(_)]), "{text:?}");
        }
    }
}
