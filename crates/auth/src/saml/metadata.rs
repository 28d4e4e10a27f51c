//! What we tell identity providers about ourselves.

use chrono::{DateTime, Months, SecondsFormat, TimeDelta, Utc};

use super::Party;
use super::key::Key;
use super::xml::escape;

/// How long what was fetched may be used.
const VALID: TimeDelta = TimeDelta::hours(48);
/// How long what was downloaded, to be handed to somebody, may be used.
const VALID_DOWNLOADED: Months = Months::new(60);

/// Ways of encryption that we read.
const ENCRYPTIONS: [&str; 6] = [
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
];

/// The document. While another key is announced, it is to be fetched again within the hour.
pub(crate) fn document(party: &Party, download: bool, now: DateTime<Utc>) -> String {
    let until =
        if download { now.checked_add_months(VALID_DOWNLOADED) } else { now.checked_add_signed(VALID) };
    let until = until.unwrap_or(now).to_rfc3339_opts(SecondsFormat::Secs, true);
    let cache = if party.next.is_some() { " cacheDuration=\"PT1H\"" } else { "" };
    let keys: String = [Some(&party.key), party.next.as_ref()]
        .into_iter()
        .flatten()
        .map(|key| descriptors(party, key))
        .collect();
    format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" validUntil=\"{until}\"{cache} entityID=\"{id}\">\
         <SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\" WantAssertionsSigned=\"true\">\
         {keys}\
         <NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</NameIDFormat>\
         <NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>\
         <AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{consumer}\" index=\"1\"/>\
         </SPSSODescriptor></EntityDescriptor>",
        id = escape(&party.entity_id),
        consumer = escape(&party.consumer),
    )
}

fn descriptors(party: &Party, key: &Key) -> String {
    let descriptor = |purpose: &str, methods: &str| {
        format!(
            "<KeyDescriptor use=\"{purpose}\"><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data>\
             <X509Certificate>{}</X509Certificate></X509Data></KeyInfo>{methods}</KeyDescriptor>",
            key.certificate()
        )
    };
    let mut descriptors = descriptor("signing", "");
    if party.allow_encrypted {
        let method = |name| format!("<EncryptionMethod Algorithm=\"{name}\"/>");
        descriptors.push_str(&descriptor("encryption", &ENCRYPTIONS.map(method).concat()));
    }
    descriptors
}
