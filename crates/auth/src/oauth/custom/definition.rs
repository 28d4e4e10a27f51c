//! What an administrator may say of a provider. Rules, their order and words are upstream's.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::parameters::is_definable;
use super::{Custom, Kind, PREFIX};
use crate::error::Error;
use crate::user::Object;

/// What a request says. Of a provider that exists, what is not said stays.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Definition {
    pub(crate) provider_type: String,
    pub(crate) identifier: String,
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    acceptable_client_ids: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    pkce_enabled: Option<bool>,
    attribute_mapping: Option<Object>,
    custom_claims_allowlist: Option<Vec<String>>,
    authorization_params: Option<Object>,
    enabled: Option<bool>,
    email_optional: Option<bool>,
    issuer: String,
    discovery_url: Option<String>,
    skip_nonce_check: Option<bool>,
    authorization_url: String,
    token_url: String,
    userinfo_url: String,
    jwks_uri: Option<String>,
}

/// Properties of an account that no provider decides.
const PROTECTED: [&str; 13] = [
    "id",
    "aud",
    "role",
    "app_metadata",
    "created_at",
    "updated_at",
    "confirmed_at",
    "email_confirmed_at",
    "phone_confirmed_at",
    "email_verified",
    "phone_verified",
    "banned_until",
    "is_super_admin",
];

/// Checks the name of a provider.
///
/// # Errors
///
/// If it is none of these providers'.
pub(crate) fn check_identifier(identifier: &str) -> Result<(), Error> {
    if identifier.is_empty() {
        return Err(Error::invalid("identifier is required"));
    }
    if !identifier.starts_with(PREFIX) {
        let text = format!("identifier must start with 'custom:' prefix, e.g. 'custom:{identifier}'");
        return Err(Error::invalid(text));
    }
    Ok(())
}

/// Without this scope a provider gives no ID token.
pub(crate) fn with_openid(scopes: &mut Vec<String>) {
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
}

impl Definition {
    /// Checks what a new provider needs.
    pub(crate) fn check_new(&self) -> Result<(), Error> {
        if !matches!(self.provider_type.as_str(), "oauth2" | "oidc") {
            return Err(Error::invalid("provider_type must be either 'oauth2' or 'oidc'"));
        }
        check_identifier(&self.identifier)?;
        let common = [
            (&self.name, "name is required"),
            (&self.client_id, "client_id is required"),
            (&self.client_secret, "client_secret is required"),
        ];
        let oidc = [(&self.issuer, "issuer is required for OIDC providers")];
        let oauth2 = [
            (&self.authorization_url, "authorization_url is required for OAuth2 providers"),
            (&self.token_url, "token_url is required for OAuth2 providers"),
            (&self.userinfo_url, "userinfo_url is required for OAuth2 providers"),
        ];
        let own: &[_] = if self.provider_type == "oidc" { &oidc } else { &oauth2 };
        let missing = common.iter().chain(own).find(|(value, _)| value.is_empty());
        missing.map_or(Ok(()), |(_, text)| Err(Error::invalid(*text)))?;
        self.check()
    }

    /// Checks what any definition may say.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (key, value) in self.authorization_params.iter().flatten() {
            if !is_definable(key) {
                return Err(Error::invalid(format!("Cannot override reserved OAuth parameter: {key}")));
            }
            if !value.is_string() {
                return Err(Error::invalid(format!("Authorization parameter {key:?} must be a string")));
            }
        }
        let mut targets = self.attribute_mapping.iter().flatten();
        if let Some((target, _)) = targets.find(|(target, _)| PROTECTED.contains(&target.as_str())) {
            return Err(Error::invalid(format!("Cannot map to protected system field: {target}")));
        }
        if self.custom_claims_allowlist.iter().flatten().any(|key| key.trim().is_empty()) {
            return Err(Error::invalid("custom_claims_allowlist entries must be non-empty strings"));
        }
        Ok(())
    }

    /// The URLs that it names and that count for a provider of this kind.
    pub(crate) fn urls(&self, kind: &str) -> impl Iterator<Item = &str> {
        let urls = match kind {
            "oidc" => vec![self.issuer.as_str(), self.discovery_url.as_deref().unwrap_or_default()],
            _ => vec![
                self.authorization_url.as_str(),
                self.token_url.as_str(),
                self.userinfo_url.as_str(),
                self.jwks_uri.as_deref().unwrap_or_default(),
            ],
        };
        urls.into_iter().filter(|url| !url.is_empty())
    }

    /// Whether an issuer's document has to be looked at again.
    pub(crate) fn moves_issuer(&self) -> bool {
        !self.issuer.is_empty() || self.discovery_url.is_some()
    }

    /// A new provider, still without its secret.
    pub(crate) fn create(self, now: DateTime<Utc>) -> Custom {
        let kind = match self.provider_type.as_str() {
            "oidc" => Kind::Oidc {
                issuer: String::new(),
                discovery_url: None,
                skip_nonce_check: false,
                document: None,
            },
            _ => Kind::OAuth2 {
                authorization_url: String::new(),
                token_url: String::new(),
                userinfo_url: String::new(),
                jwks_uri: None,
            },
        };
        let mut custom = Custom {
            id: Uuid::new_v4(),
            identifier: self.identifier.clone(),
            name: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            acceptable_client_ids: Vec::new(),
            scopes: Vec::new(),
            pkce_enabled: true,
            attribute_mapping: Object::new(),
            custom_claims_allowlist: Vec::new(),
            authorization_params: Object::new(),
            enabled: true,
            email_optional: false,
            kind,
            created_at: now,
            updated_at: now,
        };
        self.change(&mut custom, now);
        custom
    }

    /// Changes what it says of a provider, but for the secret.
    pub(crate) fn change(self, custom: &mut Custom, now: DateTime<Utc>) {
        fn put<T>(slot: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *slot = value;
            }
        }
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        put(&mut custom.name, text(self.name));
        put(&mut custom.client_id, text(self.client_id));
        put(&mut custom.acceptable_client_ids, self.acceptable_client_ids);
        put(&mut custom.scopes, self.scopes);
        put(&mut custom.pkce_enabled, self.pkce_enabled);
        put(&mut custom.attribute_mapping, self.attribute_mapping);
        put(&mut custom.custom_claims_allowlist, self.custom_claims_allowlist);
        put(&mut custom.authorization_params, self.authorization_params);
        put(&mut custom.enabled, self.enabled);
        put(&mut custom.email_optional, self.email_optional);
        match &mut custom.kind {
            Kind::Oidc { issuer, discovery_url, skip_nonce_check, .. } => {
                put(issuer, text(self.issuer));
                put(discovery_url, self.discovery_url.and_then(text).map(Some));
                put(skip_nonce_check, self.skip_nonce_check);
                with_openid(&mut custom.scopes);
            }
            Kind::OAuth2 { authorization_url, token_url, userinfo_url, jwks_uri } => {
                put(authorization_url, text(self.authorization_url));
                put(token_url, text(self.token_url));
                put(userinfo_url, text(self.userinfo_url));
                put(jwks_uri, self.jwks_uri.and_then(text).map(Some));
            }
        }
        custom.updated_at = now;
    }
}

/// The rule of the table that a value broke, for people.
pub(crate) fn broken(rule: &str) -> &'static str {
    match rule {
        "identifier_format" => {
            "identifier can only contain lowercase letters, digits, colons and hyphens, and at most 50 of them"
        }
        "name_length" => "name cannot exceed 100 characters",
        "client_id_length" => "client_id cannot exceed 512 characters",
        rule if rule.ends_with("_https") => "URL must use HTTPS",
        rule if rule.ends_with("_length") => "URL cannot exceed 2048 characters",
        _ => "Invalid custom OAuth provider",
    }
}

/// What of a discovery document is there.
pub(crate) fn known(document: &Value) -> Value {
    const MEMBERS: [&str; 9] = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "scopes_supported",
        "response_types_supported",
        "grant_types_supported",
        "subject_types_supported",
    ];
    MEMBERS.iter().filter_map(|name| Some(((*name).to_owned(), document.get(name)?.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use kernel::ApiError;
    use serde_json::json;

    use super::*;

    fn refusal(body: Value) -> Option<String> {
        let definition = serde_json::from_value::<Definition>(body).unwrap_or_default();
        definition.check_new().err().map(|error| error.public().into_owned())
    }

    #[test]
    fn what_a_provider_needs() {
        let mut body = json!({ "provider_type": "oidc" });
        for (missing, key, value) in [
            ("identifier is required", "identifier", "acme"),
            ("identifier must start with 'custom:' prefix, e.g. 'custom:acme'", "identifier", "custom:acme"),
            ("name is required", "name", "Acme"),
            ("client_id is required", "client_id", "c"),
            ("client_secret is required", "client_secret", "s"),
            ("issuer is required for OIDC providers", "issuer", "https://acme.test"),
        ] {
            assert_eq!(refusal(body.clone()).as_deref(), Some(missing));
            body[key] = json!(value);
        }
        assert_eq!(refusal(body.clone()), None);
        body["provider_type"] = json!("oauth2");
        for key in ["authorization_url", "token_url", "userinfo_url"] {
            assert_eq!(refusal(body.clone()), Some(format!("{key} is required for OAuth2 providers")));
            body[key] = json!("https://acme.test/x");
        }
        assert_eq!(refusal(body.clone()), None);
        for (key, value, text) in [
            ("provider_type", json!("saml"), "provider_type must be either 'oauth2' or 'oidc'"),
            (
                "authorization_params",
                json!({ "State": "x" }),
                "Cannot override reserved OAuth parameter: State",
            ),
            ("authorization_params", json!({ "a": 1 }), "Authorization parameter \"a\" must be a string"),
            ("attribute_mapping", json!({ "role": "r" }), "Cannot map to protected system field: role"),
            (
                "custom_claims_allowlist",
                json!([" "]),
                "custom_claims_allowlist entries must be non-empty strings",
            ),
        ] {
            let mut body = body.clone();
            body[key] = value;
            assert_eq!(refusal(body).as_deref(), Some(text));
        }
    }
}
