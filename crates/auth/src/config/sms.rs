//! `[auth.sms]`: accounts with a phone number, and the messages that go to them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::Secret;
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
    /// The text of a message, in the language of Go's templates.
    pub template: String,
    /// Twilio, Programmable Messaging.
    pub twilio: Twilio,
    /// Twilio Verify, which makes and checks the codes itself.
    pub twilio_verify: TwilioVerify,
    /// MessageBird.
    pub messagebird: Messagebird,
    /// Textlocal.
    pub textlocal: Textlocal,
    /// Vonage.
    pub vonage: Vonage,
    /// Any other provider: a program of yours that is told of each message by HTTP.
    pub http: HttpSms,
}

/// Twilio, Programmable Messaging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Twilio {
    /// Whether messages go this way.
    pub enabled: bool,
    /// The account's SID.
    pub account_sid: String,
    /// The messaging service's SID, or the number that messages come from.
    pub message_service_sid: String,
    /// The account's token.
    #[schemars(extend("format" = "password"))]
    pub auth_token: Secret,
    /// The content template for WhatsApp. Empty: the text of the message.
    pub content_sid: String,
    /// Where the API is.
    pub api_url: String,
}

/// Twilio Verify.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TwilioVerify {
    /// Whether messages go this way.
    pub enabled: bool,
    /// The account's SID.
    pub account_sid: String,
    /// The verification service's SID.
    pub message_service_sid: String,
    /// The account's token.
    #[schemars(extend("format" = "password"))]
    pub auth_token: Secret,
    /// Where the API is.
    pub api_url: String,
}

/// MessageBird.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Messagebird {
    /// Whether messages go this way.
    pub enabled: bool,
    /// Whom messages come from.
    pub originator: String,
    /// The access key.
    #[schemars(extend("format" = "password"))]
    pub access_key: Secret,
    /// Where the API is.
    pub api_url: String,
}

/// Textlocal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Textlocal {
    /// Whether messages go this way.
    pub enabled: bool,
    /// Whom messages come from.
    pub sender: String,
    /// The API key.
    #[schemars(extend("format" = "password"))]
    pub api_key: Secret,
    /// Where the API is.
    pub api_url: String,
}

/// Vonage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Vonage {
    /// Whether messages go this way.
    pub enabled: bool,
    /// Whom messages come from.
    pub from: String,
    /// The API key.
    #[schemars(extend("format" = "password"))]
    pub api_key: Secret,
    /// The API secret.
    #[schemars(extend("format" = "password"))]
    pub api_secret: Secret,
    /// Where the API is.
    pub api_url: String,
}

/// A program of yours: each message is a POST of `{"id", "phone", "message", "otp", "channel"}`, and any
/// status from 200 to 299 says that it was taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSms {
    /// Whether messages go this way.
    pub enabled: bool,
    /// Where messages are posted.
    pub url: String,
    /// The header `Authorization` that goes with them: `Bearer …`.
    #[schemars(extend("format" = "password"))]
    pub authorization: Secret,
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
            template: "Your code is {{ .Code }}".to_owned(),
            twilio: Twilio::default(),
            twilio_verify: TwilioVerify::default(),
            messagebird: Messagebird::default(),
            textlocal: Textlocal::default(),
            vonage: Vonage::default(),
            http: HttpSms::default(),
        }
    }
}

impl Default for Twilio {
    fn default() -> Self {
        Self {
            enabled: false,
            account_sid: String::new(),
            message_service_sid: String::new(),
            auth_token: Secret::default(),
            content_sid: String::new(),
            api_url: "https://api.twilio.com".to_owned(),
        }
    }
}

impl Default for TwilioVerify {
    fn default() -> Self {
        Self {
            enabled: false,
            account_sid: String::new(),
            message_service_sid: String::new(),
            auth_token: Secret::default(),
            api_url: "https://verify.twilio.com".to_owned(),
        }
    }
}

impl Default for Messagebird {
    fn default() -> Self {
        Self {
            enabled: false,
            originator: String::new(),
            access_key: Secret::default(),
            api_url: "https://rest.messagebird.com".to_owned(),
        }
    }
}

impl Default for Textlocal {
    fn default() -> Self {
        Self {
            enabled: false,
            sender: String::new(),
            api_key: Secret::default(),
            api_url: "https://api.textlocal.in".to_owned(),
        }
    }
}

impl Default for Vonage {
    fn default() -> Self {
        Self {
            enabled: false,
            from: String::new(),
            api_key: Secret::default(),
            api_secret: Secret::default(),
            api_url: "https://rest.nexmo.com".to_owned(),
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
