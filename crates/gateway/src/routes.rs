//! The map: which prefix is served by whom, and who may come.
//!
//! The longest prefix wins. "Key" is what the stock gateways of Supabase demand; the services
//! decide everything finer themselves.

/// A part of the product that answers below a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Users and sessions.
    Auth,
    /// Tables and functions.
    Rest,
    /// Files.
    Storage,
    /// Probes of the data API that the Supabase command line polls.
    RestAdmin,
    /// Sockets and broadcasts.
    Realtime,
    /// Secrets, for their owner.
    Vault,
    /// Functions.
    Functions,
    /// The mailbox of development.
    Mailbox,
    /// The gateway itself.
    Gateway,
}

/// What a route asks of the API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRule {
    /// Nothing: the service decides.
    Open,
    /// Any valid key.
    Any,
    /// A key of the service role.
    Service,
    /// Nothing on a server that only its own machine reaches; elsewhere a key of the service role.
    Developer,
}

/// A row of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Matches this path and what lies below it; with `exact`, this path alone.
    pub(crate) prefix: &'static str,
    pub(crate) exact: bool,
    pub(crate) service: Service,
    pub(crate) key: KeyRule,
}

const fn below(prefix: &'static str, service: Service, key: KeyRule) -> Route {
    Route { prefix, exact: false, service, key }
}

const fn exactly(prefix: &'static str, service: Service, key: KeyRule) -> Route {
    Route { prefix, exact: true, service, key }
}

/// The rows; more specific ones first.
pub(crate) const ROUTES: &[Route] = &[
    exactly("/health", Service::Gateway, KeyRule::Open),
    exactly("/metrics", Service::Gateway, KeyRule::Service),
    exactly("/auth/v1/verify", Service::Auth, KeyRule::Open),
    exactly("/auth/v1/callback", Service::Auth, KeyRule::Open),
    exactly("/auth/v1/authorize", Service::Auth, KeyRule::Open),
    below("/auth/v1/.well-known", Service::Auth, KeyRule::Open),
    below("/auth/v1/sso/saml", Service::Auth, KeyRule::Open),
    // Identity providers have tokens of their own.
    below("/auth/v1/scim", Service::Auth, KeyRule::Open),
    // Applications that sign people in know nothing of API keys.
    exactly("/auth/v1/oauth/authorize", Service::Auth, KeyRule::Open),
    exactly("/auth/v1/oauth/token", Service::Auth, KeyRule::Open),
    exactly("/auth/v1/oauth/device_authorization", Service::Auth, KeyRule::Open),
    exactly("/auth/v1/oauth/userinfo", Service::Auth, KeyRule::Open),
    exactly("/auth/v1/oauth/clients/register", Service::Auth, KeyRule::Open),
    below("/.well-known/oauth-authorization-server", Service::Auth, KeyRule::Open),
    // Where identity providers know a stock installation of Supabase.
    below("/sso/saml", Service::Auth, KeyRule::Open),
    below("/auth/v1", Service::Auth, KeyRule::Any),
    exactly("/rest/v1/", Service::Rest, KeyRule::Service),
    exactly("/rest/v1", Service::Rest, KeyRule::Service),
    below("/rest/v1", Service::Rest, KeyRule::Any),
    below("/rest-admin/v1", Service::RestAdmin, KeyRule::Open),
    exactly("/graphql/v1", Service::Rest, KeyRule::Any),
    exactly("/_basalt/mail.json", Service::Mailbox, KeyRule::Developer),
    below("/_basalt/mail", Service::Mailbox, KeyRule::Developer),
    below("/storage/v1", Service::Storage, KeyRule::Open),
    below("/realtime/v1", Service::Realtime, KeyRule::Open),
    below("/vault/v1", Service::Vault, KeyRule::Service),
    below("/functions/v1", Service::Functions, KeyRule::Open),
];

/// The row for `path`.
pub(crate) fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| {
        path.strip_prefix(route.prefix)
            .is_some_and(|rest| rest.is_empty() || (!route.exact && rest.starts_with('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_specific_row_wins() {
        let check = |path: &str, expected: Option<(Service, KeyRule)>| {
            assert_eq!(find(path).map(|route| (route.service, route.key)), expected, "{path}");
        };
        check("/metrics", Some((Service::Gateway, KeyRule::Service)));
        check("/auth/v1/token", Some((Service::Auth, KeyRule::Any)));
        check("/auth/v1/verify", Some((Service::Auth, KeyRule::Open)));
        check("/auth/v1/verify/x", Some((Service::Auth, KeyRule::Any)));
        check("/auth/v1/.well-known/jwks.json", Some((Service::Auth, KeyRule::Open)));
        check("/sso/saml/acs", Some((Service::Auth, KeyRule::Open)));
        check("/auth/v1/scim/v2/Users", Some((Service::Auth, KeyRule::Open)));
        check("/sso", None);
        check("/auth/v1/.well-knownx", Some((Service::Auth, KeyRule::Any)));
        check("/auth/v1/oauth/token", Some((Service::Auth, KeyRule::Open)));
        check("/auth/v1/oauth/device_authorization", Some((Service::Auth, KeyRule::Open)));
        check("/auth/v1/oauth/device/BCDF-GHJK", Some((Service::Auth, KeyRule::Any)));
        check("/auth/v1/oauth/authorizations/x", Some((Service::Auth, KeyRule::Any)));
        check("/.well-known/oauth-authorization-server/auth/v1", Some((Service::Auth, KeyRule::Open)));
        check("/.well-known/openid-configuration", None);
        check("/rest/v1/", Some((Service::Rest, KeyRule::Service)));
        check("/rest/v1/todos", Some((Service::Rest, KeyRule::Any)));
        check("/rest/v10/todos", None);
        check("/_basalt/mail.json", Some((Service::Mailbox, KeyRule::Developer)));
        check("/_basalt/mail/1/html", Some((Service::Mailbox, KeyRule::Developer)));
        check("/_basalt/mailx", None);
        check("/storage/v1/object/public/b/auth/v1", Some((Service::Storage, KeyRule::Open)));
        check("/vault/v1/secrets/anon", Some((Service::Vault, KeyRule::Service)));
        check("/authx", None);
        check("/", None);
    }
}
