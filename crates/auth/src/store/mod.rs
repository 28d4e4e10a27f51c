//! The SQL of schema `auth`, one file per table.
//!
//! A function is one statement. Transactions are opened by the flows that call it; moments are
//! parameters, so that tests can move time.

pub(crate) mod audit_log_entries;
pub(crate) mod custom_oauth_providers;
pub(crate) mod device_codes;
pub(crate) mod devices;
pub(crate) mod flow_state;
pub(crate) mod hook;
pub(crate) mod identities;
pub(crate) mod limits;
pub(crate) mod lockouts;
pub(crate) mod mfa_challenges;
pub(crate) mod mfa_factors;
pub(crate) mod oauth_authorizations;
pub(crate) mod oauth_client_states;
pub(crate) mod oauth_clients;
pub(crate) mod oauth_consents;
pub(crate) mod one_time_tokens;
pub(crate) mod outbox;
pub(crate) mod recovery_codes;
pub(crate) mod refresh_tokens;
pub(crate) mod saml_relay_states;
pub(crate) mod scim_tokens;
pub(crate) mod scim_users;
pub(crate) mod session_ends;
pub(crate) mod sessions;
pub(crate) mod spent;
pub(crate) mod sso_providers;
pub(crate) mod sweep;
pub(crate) mod users;
pub(crate) mod webauthn_challenges;
pub(crate) mod webauthn_credentials;
