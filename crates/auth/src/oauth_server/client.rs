//! Applications that may ask for access: what they are, and how they prove who they are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;
use uuid::Uuid;

use super::redirect_uri;

/// A registered application.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Client {
    pub(crate) id: Uuid,
    pub(crate) credential: Credential,
    pub(crate) registration: Registration,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) grant_types: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) logo_uri: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// How an application proves who it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Credential {
    /// It cannot: it runs where nothing stays secret.
    Public,
    /// By a secret, of which we know the hash, brought in this way.
    Secret { method: Method, hash: String },
}

/// How an application says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    None,
    Basic,
    Post,
}

/// Who registered an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    Dynamic,
    Manual,
}

impl Method {
    /// All there are, in upstream's order.
    pub(super) const ALL: [Self; 3] = [Self::None, Self::Basic, Self::Post];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

impl Registration {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Manual => "manual",
        }
    }
}

/// A secret of 256 random bits.
pub(crate) fn fresh_secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is kept of a secret. It cannot be guessed, so it needs no slow hash.
pub(crate) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

impl Credential {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Public => PUBLIC,
            Self::Secret { .. } => CONFIDENTIAL,
        }
    }

    pub(crate) fn method(&self) -> Method {
        match self {
            Self::Public => Method::None,
            Self::Secret { method, .. } => *method,
        }
    }

    /// Accepts the application, or says why not.
    pub(crate) fn check(&self, used: Method, secret: &str) -> Result<(), String> {
        let registered = self.method();
        if used != registered {
            let (registered, used) = (registered.name(), used.name());
            return Err(format!(
                "invalid authentication method: client is registered for '{registered}' but '{used}' was used"
            ));
        }
        match self {
            Self::Public => Ok(()),
            Self::Secret { .. } if secret.is_empty() => {
                Err("confidential clients must provide client_secret".to_owned())
            }
            Self::Secret { hash: stored, .. } => {
                match bool::from(hash(secret).as_bytes().ct_eq(stored.as_bytes())) {
                    true => Ok(()),
                    false => Err("invalid client credentials".to_owned()),
                }
            }
        }
    }
}

impl Client {
    /// True if the application may be answered there. What was registered elsewhere by laxer rules
    /// does not count.
    pub(crate) fn may_be_answered_at(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| registered == uri) && redirect_uri::check(uri).is_ok()
    }

    pub(crate) fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|allowed| allowed.trim() == grant_type)
    }
}

pub(super) const PUBLIC: &str = "public";
pub(super) const CONFIDENTIAL: &str = "confidential";

/// Links of applications are shown to people on the page that asks for consent: only such that a
/// browser opens, not such that it runs.
pub(crate) fn is_web_address(text: &str) -> bool {
    let web = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    web && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uri: &str) -> Client {
        Client {
            id: Uuid::nil(),
            credential: Credential::Public,
            registration: Registration::Manual,
            redirect_uris: vec![uri.to_owned()],
            grant_types: Vec::new(),
            name: None,
            uri: None,
            logo_uri: None,
            created_at: DateTime::default(),
            updated_at: DateTime::default(),
        }
    }

    #[test]
    fn secrets() {
        let secret = fresh_secret();
        let credential = Credential::Secret { method: Method::Basic, hash: hash(&secret) };
        assert_eq!(credential.check(Method::Basic, &secret), Ok(()));
        let check = |credential: &Credential, method, secret: &str, expected: &str| {
            assert_eq!(credential.check(method, secret).err().as_deref(), Some(expected));
        };
        check(&credential, Method::Basic, "wrong", "invalid client credentials");
        check(&credential, Method::Basic, &hash(&secret), "invalid client credentials");
        check(&credential, Method::Basic, "", "confidential clients must provide client_secret");
        let post = "invalid authentication method: client is registered for 'client_secret_basic' but 'client_secret_post' was used";
        check(&credential, Method::Post, &secret, post);
        let none = "invalid authentication method: client is registered for 'client_secret_basic' but 'none' was used";
        check(&credential, Method::None, "", none);
        let unset = Credential::Secret { method: Method::Basic, hash: String::new() };
        check(&unset, Method::Basic, "x", "invalid client credentials");
        // The form in which Supabase Auth keeps it.
        assert_eq!(hash("secret"), "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols");
    }

    #[test]
    fn addresses_that_were_registered_by_laxer_rules_do_not_count() {
        let mut client = client("https://a.test/cb");
        client.redirect_uris.push("javascript:alert(1)".to_owned());
        assert!(client.may_be_answered_at("https://a.test/cb"));
        for uri in [
            "https://a.test/cb/",
            "https://a.test/cb?",
            "https://A.test/cb",
            "https://a.test",
            "javascript:alert(1)",
        ] {
            assert!(!client.may_be_answered_at(uri), "{uri}");
        }
    }
}
