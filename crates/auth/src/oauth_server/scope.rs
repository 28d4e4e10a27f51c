//! What an application may learn of an account.

use std::fmt;

/// One thing an application may learn or do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Who it is: an ID token.
    OpenId,
    /// Name, picture, metadata.
    Profile,
    /// The address.
    Email,
    /// The number.
    Phone,
    /// To go on while the person is away; every application gets that.
    OfflineAccess,
}

impl Scope {
    /// All there are, in the order in which they are published.
    pub(crate) const ALL: [Self; 5] =
        [Self::OpenId, Self::Profile, Self::Email, Self::Phone, Self::OfflineAccess];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::OfflineAccess => "offline_access",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// Scopes without repetition, in the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(Vec<Scope>);

impl Scopes {
    /// The scopes of a request; none is as good as another that is unknown.
    ///
    /// # Errors
    ///
    /// The first name that is no scope.
    pub(crate) fn parse(text: &str) -> Result<Self, &str> {
        let mut scopes = Self::default();
        for name in text.split_whitespace() {
            scopes.add(Scope::named(name).ok_or(name)?);
        }
        Ok(scopes)
    }

    /// The scopes of a column, without what we do not know.
    pub(crate) fn stored(text: &str) -> Self {
        let mut scopes = Self::default();
        text.split_whitespace().filter_map(Scope::named).for_each(|scope| scopes.add(scope));
        scopes
    }

    fn add(&mut self, scope: Scope) {
        if !self.has(scope) {
            self.0.push(scope);
        }
    }

    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if all of `wanted` are among these.
    pub(crate) fn cover(&self, wanted: &Self) -> bool {
        wanted.0.iter().all(|scope| self.has(*scope))
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|scope| scope.name()).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let scopes = Scopes::parse(text).map(|scopes| scopes.to_string());
            assert_eq!(scopes.as_deref().map_err(|unknown| *unknown), expected, "{text}");
        };
        check("openid profile", Ok("openid profile"));
        check("  email   openid email ", Ok("email openid"));
        check(" ", Ok(""));
        check("openid admin", Err("admin"));
        check("OPENID", Err("OPENID"));
    }

    #[test]
    fn consent_covers_what_it_names() {
        let scopes = |text: &str| Scopes::stored(text);
        assert!(scopes("openid email").cover(&scopes("email")));
        assert!(!scopes("openid").cover(&scopes("openid email")));
        assert_eq!(scopes("email of-old"), scopes("email"));
    }
}
