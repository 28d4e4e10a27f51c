//! What a provider says of an account.

use serde_json::{Value, json};

use crate::user::{Object, has_nul};

/// An address that a provider knows of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email {
    pub(crate) address: String,
    pub(crate) verified: bool,
    pub(crate) primary: bool,
}

/// An account at a provider: its addresses, and the claims that the identity keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Profile {
    pub(crate) emails: Vec<Email>,
    pub(crate) data: Object,
}

impl Profile {
    /// The account `sub` of `iss`.
    pub(crate) fn of(iss: &str, sub: impl AsRef<str>) -> Self {
        let sub = sub.as_ref();
        Self::default().with("iss", iss).with("sub", sub).with("provider_id", sub)
    }

    /// A claim. An empty one says nothing; Postgres keeps no NUL.
    pub(crate) fn with(mut self, key: &str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        if !value.is_empty() && !value.contains('\0') {
            self.data.insert(key.to_owned(), Value::from(value));
        }
        self
    }

    /// The name, under both keys that applications read.
    pub(crate) fn named(self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref().trim();
        self.with("name", name).with("full_name", name)
    }

    /// The picture, under both keys that applications read.
    pub(crate) fn pictured(self, url: impl AsRef<str>) -> Self {
        let url = url.as_ref();
        self.with("picture", url).with("avatar_url", url)
    }

    /// Claims that only this provider makes.
    pub(crate) fn custom(mut self, claims: Value) -> Self {
        if claims.as_object().is_some_and(|claims| !claims.is_empty()) && !has_nul(&claims) {
            self.data.insert("custom_claims".to_owned(), claims);
        }
        self
    }

    /// The only address, if there is one.
    pub(crate) fn reached_at(self, address: impl Into<String>, verified: bool) -> Self {
        self.also_at(address, verified, true)
    }

    /// One of several addresses.
    pub(crate) fn also_at(mut self, address: impl Into<String>, verified: bool, primary: bool) -> Self {
        let address = address.into();
        if !address.is_empty() && !address.contains('\0') {
            self.emails.push(Email { address, verified, primary });
        }
        self
    }

    /// Completes the claims: the address that counts, and what is proved.
    pub(crate) fn settled(mut self) -> Self {
        let (address, verified) = match self.email() {
            Some(email) => (email.address.clone(), email.verified),
            None => (String::new(), false),
        };
        self.data.remove("email");
        self = self.with("email", address);
        self.data.insert("email_verified".to_owned(), json!(verified));
        self.data.entry("phone_verified").or_insert_with(|| json!(false));
        self
    }

    /// The account's id at the provider; empty if it did not say.
    pub(crate) fn sub(&self) -> &str {
        self.data.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// The address that counts: the primary one, else the last.
    pub(crate) fn email(&self) -> Option<&Email> {
        self.emails.iter().find(|email| email.primary).or(self.emails.last())
    }

    /// The addresses that the provider vouches for, in small letters.
    pub(crate) fn verified(&self) -> Vec<String> {
        self.emails.iter().filter(|email| email.verified).map(|email| email.address.to_lowercase()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_without_content_are_left_out() {
        let profile = Profile::of("https://a.test", "7").named(" Jane ").pictured("").settled();
        let expected = json!({ "iss": "https://a.test", "sub": "7", "provider_id": "7", "name": "Jane",
            "full_name": "Jane", "email_verified": false, "phone_verified": false });
        assert_eq!(Value::Object(profile.data), expected);
    }

    #[test]
    fn the_primary_address_counts() {
        let profile = Profile::of("", "7")
            .also_at("A@x.test", true, false)
            .also_at("b@x.test", false, true)
            .also_at("c\0@x.test", true, false)
            .settled();
        assert_eq!(profile.data["email"], "b@x.test");
        assert_eq!(profile.data["email_verified"], false);
        assert_eq!(profile.verified(), ["a@x.test"]);
    }
}
