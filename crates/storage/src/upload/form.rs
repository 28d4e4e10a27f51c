//! `multipart/form-data`, read as it comes (RFC 7578).
//!
//! One file and a few short fields, before or behind it. Nothing is held but the field at hand and what
//! may be the beginning of a boundary.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

use super::body::Body;
use crate::error::Error;

/// Fields of a form, at most.
const FIELDS: usize = 10;

/// Bytes of a field: a document of metadata.
const FIELD: usize = 1024 * 1024;

/// Bytes of the headers of a part.
const HEADERS: usize = 16 * 1024;

/// A form that is being read.
pub(crate) struct Form {
    body: Body,
    buffer: BytesMut,
    delimiter: Finder<'static>,
    state: State,
    fields: usize,
    most_fields: usize,
    /// The name of the file's part. Without one, a part that is named like a file is the file.
    file: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter, where nothing is of interest.
    Start,
    /// In the content of a part.
    Inside,
    /// Right behind a delimiter.
    Boundary,
    /// After the last delimiter.
    Over,
}

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A short text.
    Field { name: String, value: Vec<u8> },
    /// The content, still to be read with [`Form::chunk`].
    File { content_type: Option<String>, filename: Option<String> },
}

/// The boundary that a content type announces, if it is one of forms.
pub(crate) fn boundary(content_type: &str) -> Option<String> {
    let rest = content_type.get(..19).filter(|kind| kind.eq_ignore_ascii_case("multipart/form-data"));
    let parameters = content_type.get(rest?.len()..)?;
    parameter(parameters, "boundary").filter(|text| (1..=200).contains(&text.len()))
}

impl Form {
    pub(crate) fn new(body: Body, boundary: &str) -> Self {
        // The delimiter begins with a line break, which the first one lacks.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        let delimiter = Finder::new(&format!("\r\n--{boundary}")).into_owned();
        Self { body, buffer, delimiter, state: State::Start, fields: 0, most_fields: FIELDS, file: None }
    }

    /// Whose file is the part of this name. All others are fields, so many at most.
    pub(crate) fn of_file(self, name: &'static str, most_fields: usize) -> Self {
        Self { most_fields, file: Some(name), ..self }
    }

    /// The rest of the request, when the form is of no use any more.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }

    /// The next part; `None` at the end. What was not read of the last one is passed over.
    ///
    /// # Errors
    ///
    /// A body that is no form or ends early, a field that is too long.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, Error> {
        while matches!(self.state, State::Start | State::Inside) {
            self.piece().await?;
        }
        if self.state == State::Over || !self.begin_part().await? {
            self.state = State::Over;
            return Ok(None);
        }
        let headers = self.headers().await?;
        self.state = State::Inside;
        let disposition = headers.get("content-disposition").unwrap_or_default();
        let name = parameter(disposition, "name").unwrap_or_default();
        let content_type = headers.get("content-type").map(str::to_owned);
        let filename = parameter(disposition, "filename");
        let has_filename = filename.is_some() || parameter(disposition, "filename*").is_some();
        let is_file = match self.file {
            Some(file) => name.eq_ignore_ascii_case(file),
            None => {
                has_filename || name.is_empty() || content_type.as_deref() == Some("application/octet-stream")
            }
        };
        if is_file {
            return Ok(Some(Part::File { content_type, filename }));
        }
        self.fields += 1;
        if self.fields > self.most_fields {
            return Err(Error::InvalidRequest("Too many fields".into()));
        }
        let value = self.field().await?;
        Ok(Some(Part::Field { name, value }))
    }

    /// The next bytes of the file; `None` at its end.
    ///
    /// # Errors
    ///
    /// A body that ends early.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        match self.state {
            State::Inside => self.piece().await,
            State::Start | State::Boundary | State::Over => Ok(None),
        }
    }

    /// Some bytes before the next delimiter, which is taken away when it is reached: then `None`.
    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(at) = self.delimiter.find(&self.buffer) {
                let before = self.buffer.split_to(at).freeze();
                if !before.is_empty() {
                    return Ok(Some(before));
                }
                let _ = self.buffer.split_to(self.delimiter.needle().len());
                self.state = State::Boundary;
                return Ok(None);
            }
            let held = self.delimiter.needle().len() - 1;
            if self.buffer.len() > held {
                let ready = self.buffer.len() - held;
                return Ok(Some(self.buffer.split_to(ready).freeze()));
            }
            self.fill().await?;
        }
    }

    /// After a delimiter: false if it was the last one.
    async fn begin_part(&mut self) -> Result<bool, Error> {
        let line = self.line(HEADERS).await?;
        Ok(!line.starts_with(b"--"))
    }

    async fn headers(&mut self) -> Result<Headers, Error> {
        let mut headers = Headers::default();
        let mut left = HEADERS;
        loop {
            let line = self.line(left).await?;
            left = left.saturating_sub(line.len() + 2);
            if line.is_empty() {
                return Ok(headers);
            }
            if let Some((name, value)) = String::from_utf8_lossy(&line).split_once(':') {
                headers.0.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
    }

    /// A line without its break. The last delimiter need not have one.
    async fn line(&mut self, most: usize) -> Result<Bytes, Error> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(at).freeze();
                let _ = self.buffer.split_to(2);
                return Ok(line);
            }
            if self.buffer.len() > most {
                return Err(Error::InvalidRequest("No content provided".into()));
            }
            if self.buffer.starts_with(b"--") {
                return Ok(Bytes::from_static(b"--"));
            }
            self.fill().await?;
        }
    }

    async fn field(&mut self) -> Result<Vec<u8>, Error> {
        let mut value = Vec::new();
        while let Some(bytes) = self.piece().await? {
            if value.len() + bytes.len() > FIELD {
                return Err(Error::EntityTooLarge("user_metadata"));
            }
            value.extend_from_slice(&bytes);
        }
        Ok(value)
    }

    async fn fill(&mut self) -> Result<(), Error> {
        match self.body.next().await? {
            Some(bytes) => {
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            None => Err(Error::InvalidRequest("No content provided".into())),
        }
    }
}

#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A parameter of a header's value, with or without quotes.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value;
    while let Some((_, behind)) = rest.split_once(';') {
        let behind = behind.trim_start();
        let (found, after) = behind.split_once('=')?;
        let (text, left) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if found.trim().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = left;
    }
    None
}

/// A text up to its closing quote, and what follows.
fn unquoted(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                out.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (out, &text[at + 1..]),
            _ => out.push(c),
        }
    }
    (out, "")
}
