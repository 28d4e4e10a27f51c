//! Errors of the database: which status a SQLSTATE becomes, and `RAISE SQLSTATE 'PGRST'`, with
//! which SQL answers as it likes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Error, RaiseError};

/// An error that the server reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Database {
    code: String,
    message: String,
    details: Option<String>,
    hint: Option<String>,
    status: u16,
    headers: Vec<(String, String)>,
}

/// MESSAGE of a `RAISE SQLSTATE 'PGRST'`.
#[derive(Deserialize)]
struct RaisedMessage {
    code: String,
    message: String,
    details: Option<String>,
    hint: Option<String>,
}

/// DETAIL of a `RAISE SQLSTATE 'PGRST'`. A `status_text` is read and not used: HTTP/2 has none.
#[derive(Deserialize)]
struct RaisedDetail {
    status: u16,
    #[serde(rename = "status_text")]
    _status_text: Option<String>,
    headers: BTreeMap<String, String>,
}

/// The parts of an error as the server sent them.
pub(crate) struct ServerReport<'a> {
    /// The SQLSTATE.
    pub code: &'a str,
    /// The primary message.
    pub message: &'a str,
    /// DETAIL.
    pub details: Option<&'a str>,
    /// HINT.
    pub hint: Option<&'a str>,
}

/// What an error report of the server means for a caller who is `authenticated`, that is, has
/// another role than the anonymous one.
pub(crate) fn read(report: &ServerReport<'_>, authenticated: bool) -> Error {
    if report.code == "PGRST" {
        return raised(report.message, report.details).unwrap_or_else(Error::Raise);
    }
    Error::Database(Box::new(Database {
        code: report.code.to_owned(),
        message: report.message.to_owned(),
        details: report.details.map(str::to_owned),
        hint: report.hint.map(str::to_owned),
        status: status(report.code, report.message, authenticated),
        headers: Vec::new(),
    }))
}

fn raised(message: &str, detail: Option<&str>) -> Result<Error, RaiseError> {
    let said: RaisedMessage =
        serde_json::from_str(message).map_err(|_| RaiseError::Message(message.to_owned()))?;
    let detail = detail.ok_or(RaiseError::NoDetail)?;
    let how: RaisedDetail =
        serde_json::from_str(detail).map_err(|_| RaiseError::Detail(detail.to_owned()))?;
    Ok(Error::Database(Box::new(Database {
        code: said.code,
        message: said.message,
        details: said.details,
        hint: said.hint,
        status: how.status,
        headers: how.headers.into_iter().collect(),
    })))
}

/// The status of a SQLSTATE; PostgREST's table.
fn status(code: &str, message: &str, authenticated: bool) -> u16 {
    match code {
        "23503" | "23505" => 409,
        "25006" => 405,
        // pg-safeupdate speaks to the client; any other cardinality violation is the schema's.
        "21000" if message.ends_with("requires a WHERE clause") => 400,
        "21000" => 500,
        "22023" if message.starts_with("role") && message.ends_with("does not exist") => 401,
        "53400" => 500,
        "57P01" => 503,
        "P0001" => 400,
        "42883" if message.starts_with("function xmlagg(") => 406,
        "42883" | "42P01" => 404,
        "42P17" => 500,
        "42501" if authenticated => 403,
        "42501" => 401,
        _ => match (code.get(..2), code.get(2..)) {
            (Some("PT"), Some(number)) => number.parse().unwrap_or(500),
            (Some("08" | "53"), _) => 503,
            (Some("0L" | "0P" | "28"), _) => 403,
            (
                Some(
                    "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0" | "HV"
                    | "P0" | "XX",
                ),
                _,
            ) => 500,
            _ => 400,
        },
    }
}

impl Database {
    /// The SQLSTATE, or the code that SQL raised.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// DETAIL.
    pub fn details(&self) -> Option<&str> {
        self.details.as_deref()
    }

    /// HINT.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The status it becomes.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers that SQL raised with it.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn report<'a>(code: &'a str, message: &'a str, details: Option<&'a str>) -> ServerReport<'a> {
        ServerReport { code, message, details, hint: None }
    }

    #[test]
    fn statuses() {
        for (code, message, expected) in [
            ("08006", "", 503),
            ("0P000", "", 403),
            ("23503", "", 409),
            ("23505", "", 409),
            ("23514", "", 400),
            ("22P02", "", 400),
            ("25006", "", 405),
            ("25P02", "", 500),
            ("21000", "DELETE requires a WHERE clause", 400),
            ("21000", "more than one row returned by a subquery", 500),
            ("22023", "role \"nobody\" does not exist", 401),
            ("22023", "invalid value for parameter", 400),
            ("28P01", "", 403),
            ("40001", "", 500),
            ("53300", "", 503),
            ("53400", "", 500),
            ("54001", "", 500),
            ("57014", "", 500),
            ("57P01", "", 503),
            ("P0001", "", 400),
            ("P0002", "", 500),
            ("42883", "function nope() does not exist", 404),
            ("42883", "function xmlagg(record) does not exist", 406),
            ("42P01", "", 404),
            ("42P17", "", 500),
            ("42703", "", 400),
            ("42501", "", 401),
            ("PT402", "Payment required", 402),
            ("PTxxx", "", 500),
            ("XX000", "", 500),
            ("", "", 400),
        ] {
            assert_eq!(status(code, message, false), expected, "{code} {message}");
        }
        assert_eq!(status("42501", "", true), 403);
    }

    #[test]
    fn sql_controls_the_whole_answer() {
        let error = read(
            &report(
                "PGRST",
                r#"{"code":"123","message":"ABC","details":"DEF","hint":"XYZ"}"#,
                Some(r#"{"status":332,"headers":{"X-Header":"str"}}"#),
            ),
            false,
        );
        assert_eq!((error.status(), &*error.code(), &*error.message()), (332, "123", "ABC"));
        let Error::Database(error) = error else { panic!("not a database error") };
        assert_eq!(error.headers(), [("X-Header".to_owned(), "str".to_owned())]);
    }

    #[test]
    fn malformed_raises_are_told_apart() {
        let good = r#"{"code":"1","message":"m"}"#;
        for (message, detail, expected) in [
            ("INVALID", Some("{}"), RaiseError::Message("INVALID".to_owned())),
            (r#"{"code":"1"}"#, Some("{}"), RaiseError::Message(r#"{"code":"1"}"#.to_owned())),
            (good, None, RaiseError::NoDetail),
            (good, Some("INVALID"), RaiseError::Detail("INVALID".to_owned())),
            (good, Some(r#"{"status":400}"#), RaiseError::Detail(r#"{"status":400}"#.to_owned())),
        ] {
            assert_eq!(read(&report("PGRST", message, detail), false), Error::Raise(expected));
        }
    }
}
