//! Templates of mails and messages, in the language of Go's `text/template` and `html/template`.
//!
//! ```text
//! lex     text → pieces: literal text, and the words inside `{{ … }}`
//! parse   pieces → tree; every name and every block is checked here
//! eval    tree and data → text, within limits of steps and size
//! func    the functions: `eq`, `index`, `printf` …
//! value   truth, comparison and printing as Go has them
//! html    where in a page a value lands, and what it must look like there
//! ```
//!
//! Understood: fields, variables, pipelines, `if`, `with`, `range`, `break`, `continue`, `define`,
//! `template`, `block`, comments, trim markers, and Go's functions but `call` and `js`. Two things differ
//! on purpose. What is missing is empty, where Go prints `<no value>` or fails, because what users wrote
//! into their metadata must not keep a mail from being sent. And HTML comments stay.
//!
//! A template that parses can always be rendered, unless it exceeds the limits.

mod eval;
mod func;
mod html;
mod lex;
mod parse;
mod value;

use serde_json::Value;

pub(crate) use html::escape;

/// Longer templates are refused, in bytes.
pub(crate) const MAX_TEMPLATE: usize = 1_000_000;

/// What the output is, which decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page: values are escaped for the place they land in.
    Html,
    /// Plain text: values are printed as they are.
    Text,
}

/// A template that can be rendered.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    tree: parse::Tree,
    format: Format,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub(crate) struct ParseError {
    /// Counted from one.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) text: String,
}

/// Why a template could not be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RenderError {
    /// It prints too much.
    #[error("the template prints more than {} bytes", eval::MAX_OUTPUT)]
    TooLong,
    /// It does too much, or includes itself without end.
    #[error("the template does not come to an end")]
    Endless,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// What is wrong, and in which line.
    pub(crate) fn parse(text: &str, format: Format) -> Result<Self, ParseError> {
        if text.len() > MAX_TEMPLATE {
            return Err(ParseError { line: 1, text: format!("longer than {MAX_TEMPLATE} bytes") });
        }
        Ok(Self { tree: parse::parse(lex::lex(text)?)?, format })
    }

    /// Renders it with `data` as the dot.
    ///
    /// # Errors
    ///
    /// If it exceeds the limits.
    pub(crate) fn render(&self, data: &Value) -> Result<String, RenderError> {
        eval::render(&self.tree, self.format, data)
    }
}

#[cfg(test)]
mod tests;
