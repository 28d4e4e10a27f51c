//! `[auth.hook.<name>]`: the operator's own code, asked at certain points.

use kernel::{Problem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hook::{Point, Target, Unusable};

/// Your own code, asked at certain points: a function in the database or an address on the web.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Replaces the claims of every access token.
    pub custom_access_token: Hook,
    /// May refuse the second step of a sign-in, right or wrong.
    pub mfa_verification_attempt: Hook,
    /// May refuse a sign-in by password, right or wrong.
    pub password_verification_attempt: Hook,
    /// Sends mails in place of the mail server.
    pub send_email: Hook,
    /// Sends messages to phones in place of a provider.
    pub send_sms: Hook,
    /// May refuse a new account.
    pub before_user_created: Hook,
    /// Is told of a new account.
    pub after_user_created: Hook,
}

/// One hook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hook {
    /// Whether it is asked.
    pub enabled: bool,
    /// `pg-functions://postgres/<schema>/<function>`, or an `https` URL (`http` for this machine only).
    pub uri: String,
    /// What signs requests to a URL, after Standard Webhooks: `v1,whsec_<base64>` or
    /// `v1a,whpk_<base64>:whsk_<base64>`; several, separated by `|`, while one takes the place of another.
    #[schemars(extend("format" = "password"))]
    pub secrets: Secret,
}

impl Hooks {
    pub(crate) fn get(&self, point: Point) -> &Hook {
        match point {
            Point::CustomAccessToken => &self.custom_access_token,
            Point::MfaVerification => &self.mfa_verification_attempt,
            Point::PasswordVerification => &self.password_verification_attempt,
            Point::SendEmail => &self.send_email,
            Point::SendSms => &self.send_sms,
            Point::BeforeUserCreated => &self.before_user_created,
            Point::AfterUserCreated => &self.after_user_created,
        }
    }

    /// Everything that keeps these settings from being used. A URI is checked even if its hook is off.
    pub(super) fn check(&self) -> Vec<Problem> {
        let check = |point: Point| {
            let hook = self.get(point);
            let (uri, secrets) = keys(point);
            if hook.uri.is_empty() {
                let text = "must say where the hook is".to_owned();
                return hook.enabled.then_some(Problem { key: uri, text });
            }
            match Target::of(hook) {
                Ok(_) => None,
                Err(Unusable::Uri(text)) => Some(Problem { key: uri, text: text.to_owned() }),
                Err(Unusable::Secret(text)) => Some(Problem { key: secrets, text: text.to_owned() }),
            }
        };
        Point::ALL.into_iter().filter_map(check).collect()
    }
}

/// What the settings of a hook are called.
fn keys(point: Point) -> (&'static str, &'static str) {
    match point {
        Point::CustomAccessToken => ("hook.custom_access_token.uri", "hook.custom_access_token.secrets"),
        Point::MfaVerification => {
            ("hook.mfa_verification_attempt.uri", "hook.mfa_verification_attempt.secrets")
        }
        Point::PasswordVerification => {
            ("hook.password_verification_attempt.uri", "hook.password_verification_attempt.secrets")
        }
        Point::SendEmail => ("hook.send_email.uri", "hook.send_email.secrets"),
        Point::SendSms => ("hook.send_sms.uri", "hook.send_sms.secrets"),
        Point::BeforeUserCreated => ("hook.before_user_created.uri", "hook.before_user_created.secrets"),
        Point::AfterUserCreated => ("hook.after_user_created.uri", "hook.after_user_created.secrets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_name_the_hook() {
        let hook = |enabled, uri: &str, secrets: &str| Hook {
            enabled,
            uri: uri.to_owned(),
            secrets: Secret::new(secrets),
        };
        let hooks = Hooks {
            custom_access_token: hook(true, "", ""),
            send_sms: hook(false, "ftp://example.com", ""),
            send_email: hook(true, "https://example.com", "v1,whsec_short"),
            after_user_created: hook(true, "pg-functions://postgres/public/created", ""),
            ..Hooks::default()
        };
        let keys: Vec<_> = hooks.check().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["hook.custom_access_token.uri", "hook.send_email.secrets", "hook.send_sms.uri"]);
    }
}
