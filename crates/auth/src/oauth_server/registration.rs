//! How applications are registered and changed, and what of it is refused.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::client::{
    CONFIDENTIAL, Client, Credential, Method, PUBLIC, Registration, fresh_secret, hash, is_web_address,
};
use super::{device, redirect_uri};

/// What a new application says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Request {
    redirect_uris: Vec<String>,
    client_type: String,
    token_endpoint_auth_method: String,
    grant_types: Vec<String>,
    client_name: String,
    client_uri: String,
    logo_uri: String,
}

/// What shall be different of an application.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    token_endpoint_auth_method: Option<String>,
}

impl Request {
    /// The application, and its secret if it has one; or why it cannot be registered. `devices` says whether
    /// it may be one of a device.
    pub(crate) fn register(
        self,
        registration: Registration,
        devices: bool,
        now: DateTime<Utc>,
    ) -> Result<(Client, Option<String>), String> {
        match self.redirect_uris.is_empty() {
            true if is_for_devices(&self.grant_types) => {}
            true => return Err("redirect_uris is required".to_owned()),
            false => check_redirect_uris(&self.redirect_uris)?,
        }
        if !self.grant_types.is_empty() {
            check_grant_types(&self.grant_types, devices)?;
        }
        check_name(&self.client_name)?;
        check_link("client_uri", &self.client_uri)?;
        check_link("logo_uri", &self.logo_uri)?;
        let method = self.method()?;
        let secret = (method != Method::None).then(fresh_secret);
        let credential = match &secret {
            None => Credential::Public,
            Some(secret) => Credential::Secret { method, hash: hash(secret) },
        };
        let grant_types = match self.grant_types.is_empty() {
            true => GRANT_TYPES.map(str::to_owned).to_vec(),
            false => self.grant_types,
        };
        let client = Client {
            id: Uuid::new_v4(),
            credential,
            registration,
            redirect_uris: self.redirect_uris,
            grant_types,
            name: filled(self.client_name),
            uri: filled(self.client_uri),
            logo_uri: filled(self.logo_uri),
            created_at: now,
            updated_at: now,
        };
        Ok((client, secret))
    }

    /// How the application will prove who it is, from its kind and the way it names, which must agree.
    fn method(&self) -> Result<Method, String> {
        let (kind, name) = (self.client_type.as_str(), self.token_endpoint_auth_method.as_str());
        if !matches!(kind, "" | PUBLIC | CONFIDENTIAL) {
            return Err(format!("client_type must be '{PUBLIC}' or '{CONFIDENTIAL}'"));
        }
        let method = match (kind, name) {
            (PUBLIC, "") => Method::None,
            (_, "") => Method::Basic,
            (_, name) => Method::parse(name).ok_or_else(|| {
                format!("token_endpoint_auth_method must be one of: {}", Listed(&Method::ALL))
            })?,
        };
        let expected = if method == Method::None { PUBLIC } else { CONFIDENTIAL };
        if !kind.is_empty() && kind != expected {
            return Err(format!(
                "client_type '{kind}' is inconsistent with token_endpoint_auth_method '{name}' (expected client_type '{expected}')"
            ));
        }
        Ok(method)
    }
}

impl Change {
    /// True if nothing shall be different.
    pub(crate) fn is_empty(&self) -> bool {
        self.redirect_uris.is_none()
            && self.grant_types.is_none()
            && self.client_name.is_none()
            && self.client_uri.is_none()
            && self.logo_uri.is_none()
            && self.token_endpoint_auth_method.is_none()
    }

    /// Changes the application, or says why it cannot be; `devices` as for [`Request::register`].
    pub(crate) fn apply(self, client: &mut Client, devices: bool) -> Result<(), String> {
        if let Some(uris) = self.redirect_uris {
            check_redirect_uris(&uris)?;
            client.redirect_uris = uris;
        }
        if let Some(types) = self.grant_types {
            check_grant_types(&types, devices)?;
            client.grant_types = types;
        }
        if let Some(name) = self.client_name {
            check_name(&name)?;
            client.name = filled(name);
        }
        if let Some(uri) = self.client_uri {
            check_link("client_uri", &uri)?;
            client.uri = filled(uri);
        }
        if let Some(uri) = self.logo_uri {
            check_link("logo_uri", &uri)?;
            client.logo_uri = filled(uri);
        }
        match self.token_endpoint_auth_method {
            Some(name) => change_method(&mut client.credential, &name),
            None => Ok(()),
        }
    }
}

/// The kind of an application stays, and so do the ways that it has.
fn change_method(credential: &mut Credential, name: &str) -> Result<(), String> {
    let method = Method::parse(name).ok_or_else(|| {
        format!("invalid token_endpoint_auth_method: must be one of {}", Listed(&Method::ALL))
    })?;
    let kind = credential.kind();
    let refused = |valid: &[Method]| {
        let valid = Listed(valid);
        Err(format!(
            "token_endpoint_auth_method '{name}' is not valid for client_type '{kind}'; valid methods: {valid}"
        ))
    };
    match (credential, method) {
        (Credential::Public, Method::None) => Ok(()),
        (Credential::Public, _) => refused(&[Method::None]),
        (Credential::Secret { .. }, Method::None) => refused(&[Method::Basic, Method::Post]),
        (Credential::Secret { method: kept, .. }, method) => {
            *kept = method;
            Ok(())
        }
    }
}

/// Names in the form in which upstream lists them.
struct Listed<'a>(&'a [Method]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|method| method.name()).collect();
        write!(f, "[{}]", names.join(" "))
    }
}

const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];

fn check_redirect_uris(uris: &[String]) -> Result<(), String> {
    match uris.len() {
        0 => Err("redirect_uris cannot be empty".to_owned()),
        1..=redirect_uri::MAX => uris.iter().try_for_each(|uri| {
            redirect_uri::check(uri).map_err(|reason| format!("invalid redirect_uri '{uri}': {reason}"))
        }),
        _ => Err(format!("redirect_uris cannot exceed {} items", redirect_uri::MAX)),
    }
}

/// True of applications that run on devices alone: no browser is ever sent back to them.
fn is_for_devices(types: &[String]) -> bool {
    types.iter().any(|name| name == device::GRANT) && !types.iter().any(|name| name == GRANT_TYPES[0])
}

fn check_grant_types(types: &[String], devices: bool) -> Result<(), String> {
    if types.is_empty() {
        return Err("grant_types cannot be empty".to_owned());
    }
    let is_known = |name: &str| GRANT_TYPES.contains(&name) || (devices && name == device::GRANT);
    match types.iter().all(|name| is_known(name)) {
        true => Ok(()),
        false => Err("grant_types must only contain 'authorization_code' and/or 'refresh_token'".to_owned()),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    match name.len() {
        0..=1024 => Ok(()),
        _ => Err("client_name cannot exceed 1024 characters".to_owned()),
    }
}

fn check_link(field: &str, text: &str) -> Result<(), String> {
    if text.len() > 2048 {
        return Err(format!("{field} cannot exceed 2048 characters"));
    }
    match text.is_empty() || is_web_address(text) {
        true => Ok(()),
        false => Err(format!("{field} must be a valid URL")),
    }
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn register(request: serde_json::Value) -> Result<(Client, Option<String>), String> {
        let mut request: Request = serde_json::from_value(request).unwrap();
        if request.redirect_uris.is_empty() {
            request.redirect_uris = vec!["https://a.test/cb".to_owned()];
        }
        request.register(Registration::Manual, false, DateTime::default())
    }

    #[test]
    fn kinds_and_methods_agree() {
        let check = |kind: &str, method: &str, expected: Result<Method, &str>| {
            let result = register(json!({ "client_type": kind, "token_endpoint_auth_method": method }));
            if let Ok((client, secret)) = &result {
                assert_eq!(secret.is_some(), client.credential != Credential::Public);
            }
            let result = result.map(|(client, _)| client.credential.method());
            assert_eq!(result, expected.map_err(str::to_owned), "{kind} {method}");
        };
        check("", "", Ok(Method::Basic));
        check("public", "", Ok(Method::None));
        check("confidential", "", Ok(Method::Basic));
        check("", "none", Ok(Method::None));
        check("", "client_secret_post", Ok(Method::Post));
        check("secret", "", Err("client_type must be 'public' or 'confidential'"));
        check(
            "",
            "private_key_jwt",
            Err("token_endpoint_auth_method must be one of: [none client_secret_basic client_secret_post]"),
        );
        check(
            "public",
            "client_secret_basic",
            Err(
                "client_type 'public' is inconsistent with token_endpoint_auth_method 'client_secret_basic' \
                 (expected client_type 'confidential')",
            ),
        );
        check(
            "confidential",
            "none",
            Err("client_type 'confidential' is inconsistent with token_endpoint_auth_method 'none' \
                 (expected client_type 'public')"),
        );
    }

    #[test]
    fn what_an_application_says_is_checked() {
        let check = |request: serde_json::Value, expected: &str| {
            assert_eq!(register(request.clone()).err().as_deref(), Some(expected), "{request}");
        };
        check(json!({ "redirect_uris": vec!["https://a.test"; 11] }), "redirect_uris cannot exceed 10 items");
        check(
            json!({ "redirect_uris": ["https://a.test", "http://a.test"] }),
            "invalid redirect_uri 'http://a.test': HTTP scheme only allowed for localhost",
        );
        check(
            json!({ "grant_types": ["password"] }),
            "grant_types must only contain 'authorization_code' and/or 'refresh_token'",
        );
        check(json!({ "client_name": "x".repeat(1025) }), "client_name cannot exceed 1024 characters");
        check(json!({ "client_uri": "example.com" }), "client_uri must be a valid URL");
        check(json!({ "client_uri": "javascript:alert(1)" }), "client_uri must be a valid URL");
        check(json!({ "logo_uri": "data:text/html,x" }), "logo_uri must be a valid URL");
        check(
            json!({ "logo_uri": format!("https://a.test/{}", "x".repeat(2048)) }),
            "logo_uri cannot exceed 2048 characters",
        );
        let none = Request::default().register(Registration::Dynamic, false, DateTime::default());
        assert_eq!(none.err().as_deref(), Some("redirect_uris is required"));
    }

    #[test]
    fn changes() {
        let (mut client, _) = register(json!({ "client_name": "A" })).unwrap();
        let mut check = |change: serde_json::Value, expected: Result<(), &str>| {
            let change: Change = serde_json::from_value(change).unwrap();
            assert_eq!(change.apply(&mut client, false), expected.map_err(str::to_owned));
        };
        check(json!({ "redirect_uris": [] }), Err("redirect_uris cannot be empty"));
        check(json!({ "grant_types": [] }), Err("grant_types cannot be empty"));
        check(
            json!({ "token_endpoint_auth_method": "none" }),
            Err("token_endpoint_auth_method 'none' is not valid for client_type 'confidential'; \
                 valid methods: [client_secret_basic client_secret_post]"),
        );
        check(
            json!({ "token_endpoint_auth_method": "x" }),
            Err(
                "invalid token_endpoint_auth_method: must be one of [none client_secret_basic client_secret_post]",
            ),
        );
        check(json!({ "token_endpoint_auth_method": "client_secret_post", "client_name": "" }), Ok(()));
        assert_eq!((client.credential.method(), client.name), (Method::Post, None));
    }
}
