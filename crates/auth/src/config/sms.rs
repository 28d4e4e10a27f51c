//! `[auth.sms]`: accounts with a phone number, and the messages that go to them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Accounts with a phone number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sms {
    /// Whether accounts can be created and entered by phone number.
    pub enable_signup: bool,
    /// Whether a number must be confirmed before the first sign-in.
    pub enable_confirmations: bool,
    /// The least time between two messages of one kind to one user.
    pub max_frequency: Span,
    /// Digits of a code, 6 to 10.
    pub otp_length: u8,
    /// How long a code is good for.
    pub otp_expiry: Span,
    /// Numbers that always have the given code and are sent nothing.
    pub test_otp: BTreeMap<String, String>,
    /// When the test codes end.
    #[schemars(with = "Option<String>")]
    pub test_otp_valid_until: Option<DateTime<Utc>>,
}

impl Default for Sms {
    fn default() -> Self {
        Self {
            enable_signup: false,
            enable_confirmations: true,
            max_frequency: Span::secs(60),
            otp_length: 6,
            otp_expiry: Span::secs(60),
            test_otp: BTreeMap::new(),
            test_otp_valid_until: None,
        }
    }
}

impl Sms {
    /// New numbers count as confirmed.
    pub(crate) fn autoconfirm(&self) -> bool {
        !self.enable_confirmations
    }

    /// The code that `phone` always has, if it is a test number.
    pub(crate) fn test_code(&self, phone: &str, now: DateTime<Utc>) -> Option<&str> {
        if self.test_otp_valid_until.is_some_and(|end| now > end) {
            return None;
        }
        self.test_otp
            .iter()
            .find(|(number, _)| number.trim_start_matches('+').replace(' ', "") == phone)
            .map(|(_, code)| code.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_codes_are_found_however_the_number_is_written() {
        let sms = Sms {
            test_otp: BTreeMap::from([("+1 234567890".to_owned(), "123456".to_owned())]),
            ..Sms::default()
        };
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
        assert_eq!(sms.test_code("1234567890", now), Some("123456"));
        assert_eq!(sms.test_code("1234567891", now), None);
        let ended = Sms { test_otp_valid_until: Some(now - chrono::TimeDelta::seconds(1)), ..sms };
        assert_eq!(ended.test_code("1234567890", now), None);
    }
}
