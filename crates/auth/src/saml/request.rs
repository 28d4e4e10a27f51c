//! What we ask of an identity provider: to say who the browser's user is.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use url::form_urlencoded;
use uuid::Uuid;

use super::Party;
use super::xml::escape;

const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// A request, under an id that its answer has to name.
pub(crate) struct Request<'a> {
    pub(crate) id: &'a str,
    /// Where the identity provider takes requests.
    pub(crate) location: &'a str,
    /// How it is to name the user; `None`: by a name that stays.
    pub(crate) name_id_format: Option<&'a str>,
    pub(crate) now: DateTime<Utc>,
}

/// An id for a request: nobody can guess it, and it does not begin with a digit, as XML demands.
pub(crate) fn fresh_id() -> String {
    format!("id-{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

impl Request<'_> {
    fn document(&self, party: &Party) -> String {
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{now}\" \
             Destination=\"{location}\" AssertionConsumerServiceURL=\"{consumer}\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\">\
             <saml:Issuer Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:entity\">{issuer}</saml:Issuer>\
             <samlp:NameIDPolicy Format=\"{format}\" AllowCreate=\"true\"/></samlp:AuthnRequest>",
            id = escape(self.id),
            now = self.now.to_rfc3339_opts(SecondsFormat::Millis, true),
            location = escape(self.location),
            consumer = escape(&party.consumer),
            issuer = escape(&party.entity_id),
            format = escape(self.name_id_format.unwrap_or(PERSISTENT)),
        )
    }

    /// The address that carries the signed request, and `relay_state`, which comes back with the answer.
    pub(crate) fn address(&self, party: &Party, relay_state: &str) -> Result<String, RequestError> {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(self.document(party).as_bytes())?;
        let document = STANDARD.encode(deflated.finish()?);
        let pairs = [("SAMLRequest", document.as_str()), ("RelayState", relay_state), ("SigAlg", RSA_SHA256)];
        // What is signed is the text as it stands in the address.
        let signed = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let signature = party.key.sign(signed.as_bytes()).map_err(|_| RequestError::Sign)?;
        let signature: String =
            form_urlencoded::byte_serialize(STANDARD.encode(signature).as_bytes()).collect();
        let separator = if self.location.contains('?') { '&' } else { '?' };
        Ok(format!("{}{separator}{signed}&Signature={signature}", self.location))
    }
}

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the request cannot be compressed: {0}")]
    Deflate(#[from] std::io::Error),
    #[error("the request cannot be signed")]
    Sign,
}
