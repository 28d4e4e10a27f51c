//! `Prefer: cursor=keyset`, an extension of ours: the next page begins after the key of the last
//! row, not after a number of rows.
//!
//! A page's link carries a cursor: `cursor=keyset.<text>`, the order of the rows and the values
//! that the last one has in it. As a filter that parameter could not be read, so it is nobody
//! else's. A cursor is only a condition: whoever makes one up gets no row that a filter would not
//! give.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Range;
use super::query::decode;
use crate::error::Error;

/// The preference.
pub(crate) const PREFERENCE: &str = "cursor=keyset";

/// The parameter, and how its value begins.
const PARAMETER: &str = "cursor";
const PREFIX: &str = "keyset.";

/// The longest cursor, in characters: it must fit into a URL and a header.
const LONGEST: usize = 4096;

/// What would end a link, or looks as if.
const ENDS_LINK: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b',');

/// What a request says about the page it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keyset {
    /// The row before the page; none for the first page.
    pub after: Option<Position>,
    /// The parameters that all pages have in common, as sent.
    shared: String,
}

/// A row's place in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// What the rows are sorted by, the key included; as `plan` spells it.
    pub order: String,
    /// The row's values in it, as the database spells them.
    pub values: Vec<Option<String>>,
}

/// The text of the cursor, if a parameter is one.
pub(super) fn cursor<'a>(key: &str, value: &'a str) -> Option<&'a str> {
    (key == PARAMETER).then(|| value.strip_prefix(PREFIX))?
}

impl Keyset {
    /// The page of a request with this query string and cursor.
    pub(super) fn parse(query: &str, cursor: Option<&str>) -> Result<Self, Error> {
        let own = |part: &&str| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let decoded = |text: &str| decode(text.as_bytes()).unwrap_or_default();
            let key = decoded(key);
            ["limit", "offset"].contains(&key.as_str()) || self::cursor(&key, &decoded(value)).is_some()
        };
        let parts = query.split(['&', ';']).filter(|part| !part.is_empty() && !own(part));
        let shared: Vec<_> = parts.map(|part| utf8_percent_encode(part, ENDS_LINK).to_string()).collect();
        let after = cursor.map(Position::parse).transpose()?;
        Ok(Self { after, shared: shared.join("&") })
    }

    /// The value of `Link` for the page after `position`, relative to the address of this one.
    ///
    /// # Errors
    ///
    /// A key that is too long to be sent.
    pub fn next(&self, position: &Position, rows: Range) -> Result<String, Error> {
        let cursor = position.text()?;
        let separator = if self.shared.is_empty() { "" } else { "&" };
        let limit = rows.limit().map(|limit| format!("&limit={limit}")).unwrap_or_default();
        Ok(format!("<?{}{separator}{PARAMETER}={PREFIX}{cursor}{limit}>; rel=\"next\"", self.shared))
    }
}

impl Position {
    fn parse(cursor: &str) -> Result<Self, Error> {
        let unreadable = || Error::Cursor("it cannot be read");
        let json = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| unreadable())?;
        let (order, values): (String, Vec<Option<String>>) =
            serde_json::from_slice(&json).map_err(|_| unreadable())?;
        // Nothing that Postgres could take.
        if values.iter().flatten().any(|value| value.contains('\0')) {
            return Err(unreadable());
        }
        Ok(Self { order, values })
    }

    fn text(&self) -> Result<String, Error> {
        // Strings and nulls have a JSON form.
        let json = serde_json::to_vec(&(&self.order, &self.values)).unwrap_or_default();
        let text = URL_SAFE_NO_PAD.encode(json);
        if text.len() > LONGEST {
            return Err(Error::Cursor("the values that the last row is sorted by are too long"));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn position(values: &[Option<&str>]) -> Position {
        let values = values.iter().map(|value| value.map(str::to_owned)).collect();
        Position { order: "name.desc,id.desc".to_owned(), values }
    }

    #[test]
    fn a_link_leads_on_from_the_last_row() {
        let after = position(&[None, Some("7")]);
        let text = after.text().unwrap();
        let link = |query: &str, rows| Keyset::parse(query, None).unwrap().next(&after, rows).unwrap();
        let ten = Range { lower: 20, upper: Some(29) };
        assert_eq!(
            link("select=id,name&offset=20&limit=10&id=gt.1&id=lt.9&cursor=eq.1&cursor=keyset.x", ten),
            format!(
                "<?select=id%2Cname&id=gt.1&id=lt.9&cursor=eq.1&cursor=keyset.{text}&limit=10>; rel=\"next\""
            )
        );
        assert_eq!(link("", Range::ALL), format!("<?cursor=keyset.{text}>; rel=\"next\""));
        let odd = link("a=eq.<b>%20\"&;tasks.limit=1&%6Cimit=3", Range::ALL);
        assert!(odd.starts_with("<?a=eq.%3Cb%3E%20%22&tasks.limit=1&cursor="), "{odd}");
        assert_eq!(Keyset::parse("x", Some(&text)).unwrap().after, Some(after));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for text in [
            String::new(),
            "?".to_owned(),
            encoded("x"),
            encoded("[]"),
            encoded(r#"["id"]"#),
            encoded(r#"["id",[1]]"#),
            encoded(r#"["id",["1"],3]"#),
            encoded(r#"["id",["\u0000"]]"#),
            format!("{}=", encoded(r#"["id",["1"]]"#)),
        ] {
            assert!(matches!(Position::parse(&text), Err(Error::Cursor(_))), "{text}");
        }
        assert!(position(&[Some(&"x".repeat(LONGEST))]).text().is_err());
    }

    #[test]
    fn only_one_spelling_is_a_cursor() {
        assert_eq!(cursor("cursor", "keyset.x"), Some("x"));
        for (key, value) in
            [("cursor", "eq.x"), ("cursor", "keyset"), ("Cursor", "keyset.x"), ("c.cursor", "keyset.x")]
        {
            assert_eq!(cursor(key, value), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(order in ".*", values in prop::collection::vec(prop::option::of("[^\0]{0,40}"), 0..9)) {
            let position = Position { order, values };
            if let Ok(text) = position.text() {
                prop_assert_eq!(Position::parse(&text).unwrap(), position);
            }
        }

        #[test]
        fn nothing_panics(query in ".*", cursor in ".*") {
            let _ = Keyset::parse(&query, Some(&cursor));
        }
    }
}
