//! The service against a real Postgres, one module per feature.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

mod account;
mod admin;
mod adoption;
mod anonymous;
mod authenticator;
mod captcha;
mod catalogue;
mod codes;
mod custom;
mod enumeration;
mod founding;
mod hooks;
mod hostile;
mod impersonation;
mod limits;
mod linking;
mod lockout;
mod log;
mod mail;
mod mail_admin;
mod mfa;
mod oauth;
mod oauth_server;
mod passkeys;
mod password;
mod provider;
mod receiver;
mod recovery;
mod redirects;
mod refresh;
#[cfg(feature = "saml")]
mod saml;
mod schema;
mod scim;
mod sealed;
mod sessions;
mod settings;
mod signup;
mod sms;
mod smtp;
mod surface;
mod takeover;
mod twitter;
mod validation;
mod web3;
