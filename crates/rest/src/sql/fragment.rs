//! SQL text under construction.
//!
//! Text is appended in the order of the statement, so parameters are numbered as they are
//! written. What comes from outside enters in two ways only: names through [`Sql::name`], values
//! through [`Sql::value`]. The text of a request's shape is the same for all its values, which is
//! what lets the database keep the plan.

use std::fmt::Write;

use db::Text;

use crate::schema::QualifiedName;

/// A statement with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The text.
    pub text: String,
    /// The values of `$1`, `$2` …
    pub params: Vec<Text>,
}

/// A statement being written.
#[derive(Debug, Default)]
pub(super) struct Sql {
    text: String,
    params: Vec<Text>,
}

impl Sql {
    pub fn finish(self) -> Statement {
        Statement { text: self.text, params: self.params }
    }

    /// Bytes of the text so far.
    pub fn length(&self) -> usize {
        self.text.len()
    }

    /// Text of ours.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A type, as the catalogue spells it or as the grammar of casts admits it: neither can hold
    /// anything but a type, and quoting would change what built-in ones mean.
    pub fn type_name(&mut self, name: &str) -> &mut Self {
        self.push(name)
    }

    /// A default, as the catalogue spells it.
    pub fn expression(&mut self, text: &str) -> &mut Self {
        self.push(text)
    }

    /// A name.
    pub fn name(&mut self, name: &str) -> &mut Self {
        db::push_ident(&mut self.text, name);
        self
    }

    /// A relation, function or type.
    pub fn qualified(&mut self, name: &QualifiedName) -> &mut Self {
        self.name(&name.schema).push(".").name(&name.name)
    }

    /// A value: the next parameter, whose type the database infers from its place.
    pub fn value(&mut self, value: impl Into<Text>) -> &mut Self {
        self.params.push(value.into());
        // Writing to a string cannot fail.
        let _ = write!(self.text, "${}", self.params.len());
        self
    }

    /// Items with `separator` between them.
    pub fn list<T>(
        &mut self,
        separator: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            write(self, item);
        }
        self
    }
}

/// Texts as an array literal, every element quoted: one parameter, however many there are.
pub(super) fn array_literal<'a>(elements: impl IntoIterator<Item = &'a str>) -> String {
    let mut literal = String::from("{");
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for c in element.chars() {
            if matches!(c, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(c);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_an_array_cannot_leave_it() {
        let literal = array_literal(["plain", r#"a"b"#, r"back\slash", "{},", ""]);
        assert_eq!(literal, r#"{"plain","a\"b","back\\slash","{},",""}"#);
        assert_eq!(array_literal([]), "{}");
    }
}
