//! Signing in with an account at another provider.
//!
//! - [`begin`] sends the browser to the provider and remembers the sign-in as a row of `flow_state`,
//!   whose id is the `state`; [`finish`] takes it back up, once, and only for the provider it was begun
//!   with. [`id_token`] is for clients that have been at the provider themselves.
//! - [`provider`] puts together what the settings and [`catalog`] say of a provider, [`exchange`] talks
//!   to it, [`accounts`] and [`claims`] read what it says, as a [`profile`].
//! - [`twitter`] is the one that speaks OAuth 1.0a.
//! - [`custom`] are the providers that administrators define.
//! - [`enter`] decides whose account that is: the one it belongs to already, one with an address that
//!   the provider vouches for, or a new one. An address that nobody vouches for never links, and
//!   [`linking`] says which providers' accounts are kept apart.

pub(crate) mod accounts;
pub(crate) mod begin;
pub(crate) mod catalog;
pub(crate) mod claims;
pub(crate) mod custom;
pub(crate) mod enter;
pub(crate) mod exchange;
pub(crate) mod finish;
pub(crate) mod id_token;
pub(crate) mod linking;
mod parameters;
pub(crate) mod profile;
pub(crate) mod provider;
pub(crate) mod twitter;

/// The names of the providers, as settings and requests spell them.
pub const PROVIDERS: [&str; 25] = [
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "kakao",
    "keycloak",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "slack",
    "slack_oidc",
    "snapchat",
    "spotify",
    "twitch",
    "twitter",
    "vercel_marketplace",
    "workos",
    "x",
    "zoom",
];
