//! CSV bodies (RFC 4180): comma-separated, quotes doubled inside quotes, blank lines skipped.

use crate::error::Error;

/// All records, the header first.
pub(super) fn records(text: &str) -> Result<Vec<Vec<String>>, Error> {
    let mut records = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = line_end(rest) {
            rest = after;
            continue;
        }
        let (record, after) = record(rest)?;
        records.push(record);
        rest = after;
    }
    Ok(records)
}

fn record(mut rest: &str) -> Result<(Vec<String>, &str), Error> {
    let mut fields = Vec::new();
    loop {
        let (field, after) = field(rest)?;
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
            assert_eq!(records(text).unwrap(), expected, "{text:?}");
        }
        assert!(records("a\n\"open").is_err());
        assert!(records("a\nb\"c").is_err());
    }
}
