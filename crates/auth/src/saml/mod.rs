//! Signing in with the accounts of an organisation, by SAML 2.0.
//!
//! - [`begin`] sends the browser to the organisation's identity provider with a signed [`request`];
//!   [`finish`] takes what it brings back. [`providers`] keeps the identity providers, as administrators set
//!   them up and their [`description`] says; [`metadata`] is what we say of ourselves, [`key`] signs it.
//! - [`response`] decides what a message says, without IO: [`xml`] reads it within bounds, [`signature`] says
//!   which part of it is signed, [`encryption`] opens it, [`assertion`] and [`mapping`] read that part alone.
//!
//! # What stands between a stranger and an account
//!
//! Nothing is taken from a message but what was hashed to verify its signature. The verifier hands back
//! those very bytes, they are read anew, and the message they came in is forgotten, so that moving signed
//! parts about, or putting others beside them, changes nothing that counts. Before that, a message must
//! have the one shape that identity providers write: one assertion, signatures that each cover the element
//! they stand in, ids that occur once, pinned algorithms, no comments, no document type, no entities.
//!
//! Signatures are verified by xmlsec and libxml2, which are written in C, through `samael`. What reaches them
//! was read within narrow bounds by a parser in Rust first, comes as plain UTF-8 without document type,
//! references only parts of itself, and is verified only by certificates that an administrator accepted; nothing
//! is fetched. Keys that a message brings along are ignored. They run aside on few threads; what they have to
//! say about a message that is refused goes to standard error, as xmlsec does it.
//!
//! An assertion is good once, for us, from the provider that was asked, shortly after it was made, and for the
//! request it answers if there was one. As the SAML profile for metadata has it, certificates count because they
//! were set up, whatever they say of their own validity.

pub(crate) mod assertion;
pub(crate) mod begin;
pub(crate) mod description;
pub(crate) mod encryption;
pub(crate) mod finish;
pub(crate) mod key;
pub(crate) mod mapping;
pub(crate) mod metadata;
pub(crate) mod providers;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod signature;
pub(crate) mod xml;

use std::sync::Arc;

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::config::Config;
use crate::rate::Limiter;

use self::key::Key;

/// Who we are to identity providers.
#[derive(Debug)]
pub(crate) struct Party {
    /// Our name; our metadata is found there.
    pub(crate) entity_id: String,
    /// Where assertions are to be sent.
    pub(crate) consumer: String,
    pub(crate) key: Key,
    pub(crate) next: Option<Key>,
    pub(crate) allow_encrypted: bool,
    pub(crate) allow_sha1: bool,
}

impl Party {
    /// Who the settings say we are; `None` if SAML is switched off or its settings cannot be used, which
    /// their own check reports.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let saml = &config.saml;
        if !saml.enabled {
            return None;
        }
        let url = if saml.external_url.is_empty() { &config.external_url } else { &saml.external_url };
        let base = url.trim_end_matches('/');
        let read = |text: &str| Key::read(text, &config.external_url, saml.allow_encrypted_assertions).ok();
        let next = saml.private_key_next.expose();
        Some(Self {
            entity_id: format!("{base}/sso/saml/metadata"),
            consumer: format!("{base}/sso/saml/acs"),
            key: read(saml.private_key.expose())?,
            next: if next.is_empty() { None } else { Some(read(next)?) },
            allow_encrypted: saml.allow_encrypted_assertions,
            allow_sha1: saml.allow_sha1,
        })
    }
}

/// What a running instance keeps in memory.
pub(crate) struct Desk {
    /// Messages that may be verified at one time.
    pub(crate) seats: Arc<Semaphore>,
    /// Descriptions fetched again while somebody waits to sign in, by provider.
    pub(crate) fetches: Limiter<Uuid>,
}

impl Desk {
    const SEATS: usize = 2;
    /// A description that cannot be had is asked for this often, and not by everyone who signs in.
    const FETCHES: (u32, std::time::Duration) = (1, std::time::Duration::from_secs(300));

    pub(crate) fn new() -> Self {
        Self {
            seats: Arc::new(Semaphore::new(Self::SEATS)),
            fetches: Limiter::new(Self::FETCHES.0, Self::FETCHES.1),
        }
    }
}
