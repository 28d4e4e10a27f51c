//! What is answered when the operator's own code fails, or refuses.

use db::ServerError;
use serde_json::{Value, json};

use super::Code;

/// A hook that refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum HookFailure {
    /// It refused, in its own words and with a status of its own.
    #[error("{message}")]
    Refused {
        /// Of 400 to 599.
        status: u16,
        /// For the caller.
        message: String,
    },
    /// The function raised, does not exist, may not be called, or took too long.
    #[error("Error running hook URI: {uri}")]
    Function {
        /// As the settings name it.
        uri: String,
        /// What the database said.
        #[source]
        source: db::Error,
    },
    /// It did not answer in time; the number is seconds.
    #[error("Failed to reach hook within maximum time of {0:.6} seconds")]
    TimedOut(f64),
    /// It could not be reached; why stays in the log.
    #[error("Failed to reach hook after maximum retries")]
    Unreachable(String),
    /// The answer is longer than this many bytes.
    #[error("Payload size exceeded size limit of {0} bytes")]
    TooLong(usize),
    /// The answer is not JSON.
    #[error("{0}")]
    ContentType(String),
    /// It is too busy.
    #[error("Service currently unavailable due to hook")]
    Unavailable,
    /// It says that the request is wrong.
    #[error("Invalid payload sent to hook")]
    Payload,
    /// It does not know us.
    #[error("Hook requires authorization token")]
    Unauthorized,
    /// It answered with a status that means nothing here.
    #[error("Unexpected status code returned from hook: {0}")]
    Status(u16),
    /// The answer is not what was expected.
    #[error("Error unmarshaling JSON output.")]
    Unreadable,
    /// The answer holds no claims.
    #[error("output claims field is missing")]
    NoClaims,
    /// The claims lack something, or are of wrong types; a line each.
    #[error("output claims do not conform to the expected schema: \n{0}")]
    Claims(String),
    /// The code of a second factor was not sent.
    #[error("error invoking hook")]
    SecondFactor(#[source] Box<Self>),
}

impl HookFailure {
    /// Status and code.
    pub(super) fn place(&self) -> (u16, Code) {
        match self {
            Self::Refused { status: 500, .. } => (500, Code::UnexpectedFailure),
            Self::Refused { status, .. } => (*status, Code::Unknown),
            Self::TimedOut(_) => (422, Code::HookTimeout),
            Self::Unreachable(_) => (422, Code::HookTimeoutAfterRetry),
            Self::TooLong(_) => (422, Code::HookPayloadOverSizeLimit),
            Self::ContentType(_) => (400, Code::HookPayloadInvalidContentType),
            _ => (500, Code::UnexpectedFailure),
        }
    }

    /// Whether the hook meant it, so that asking again makes no difference.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// What the function raised, if that is meant for the caller.
    pub(super) fn raised(&self) -> Option<(u16, Value)> {
        match self {
            Self::Function { source, .. } => source.server().and_then(raised),
            _ => None,
        }
    }
}

/// Status and body of an error of Postgres that was raised for the caller to see: by hand, or by a
/// constraint.
fn raised(error: &ServerError) -> Option<(u16, Value)> {
    let status = match error.code.as_str() {
        "P0001" | "23000" | "23001" | "23502" | "23503" | "23505" | "23514" | "23P01" => 500,
        code => code.strip_prefix("PT")?.parse().ok().filter(|status| (400..600).contains(status))?,
    };
    let mut body = json!({ "code": error.code, "message": error.message });
    for (key, text) in [("hint", &error.hint), ("detail", &error.detail)] {
        if let Some(text) = text {
            body[key] = Value::from(text.as_str());
        }
    }
    Some((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_told_as_upstream_tells_it() {
        let text = HookFailure::TimedOut(5.0).to_string();
        assert_eq!(text, "Failed to reach hook within maximum time of 5.000000 seconds");
    }

    #[test]
    fn what_is_raised_for_the_caller() {
        let server = |code: &str| ServerError {
            code: code.to_owned(),
            message: "m".to_owned(),
            detail: None,
            hint: Some("h".to_owned()),
            schema: None,
            table: None,
            column: None,
            constraint: None,
        };
        let body = |code: &str| json!({ "code": code, "message": "m", "hint": "h" });
        for (code, status) in [("P0001", 500), ("23505", 500), ("PT402", 402)] {
            assert_eq!(raised(&server(code)), Some((status, body(code))));
        }
        for code in ["42883", "57014", "PT200", "PT999", "PTxyz"] {
            assert_eq!(raised(&server(code)), None, "{code}");
        }
    }
}
