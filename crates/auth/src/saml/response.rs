//! Whether a message from an identity provider lets somebody in, and whom. No IO, no clock.

use chrono::{DateTime, TimeDelta, Utc};
use roxmltree::Node;

use super::assertion::{Assertion, Unreadable};
use super::description::{Description, moment};
use super::signature::{self, SignatureError, Trust};
use super::xml::{self, ASSERTION, PROTOCOL, XmlError};
use super::{Party, encryption};

/// How far clocks may be apart.
const SKEW: TimeDelta = TimeDelta::seconds(180);
/// How old a message may be.
const AGE: TimeDelta = TimeDelta::seconds(90);
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// After this, an assertion issued at a moment is refused for its age alone.
pub(crate) const ACCEPTABLE: TimeDelta = TimeDelta::seconds(90 + 2 * 180);

/// What a message has to fit.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) party: &'a Party,
    pub(crate) provider: &'a Description,
    /// The request that it answers; `None` if nobody asked.
    pub(crate) request_id: Option<&'a str>,
    pub(crate) now: DateTime<Utc>,
}

/// Why a message is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Invalid {
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("it is no SAML 2.0 response")]
    NotAResponse,
    #[error("the identity provider refused: {0}")]
    Status(String),
    #[error("it was not made just now: {0}")]
    Age(&'static str),
    #[error("it was sent somewhere else")]
    Destination,
    #[error("it does not answer our request")]
    Request,
    #[error("it is from another identity provider")]
    Issuer,
    #[error("there is not exactly one assertion")]
    Assertions,
    #[error("neither response nor assertion is signed")]
    Unsigned,
    #[error("encrypted assertions are not accepted")]
    Encrypted,
    #[error("the assertion cannot be decrypted")]
    Undecryptable,
    #[error("a part of the assertion is missing, cannot be read or is there twice: {0}")]
    Unreadable(Unreadable),
    #[error("the assertion is not for us")]
    Audience,
    #[error("the assertion is too young or too old: {0}")]
    Time(&'static str),
    #[error("nothing says that the bearer of the assertion is to be believed here and now")]
    Bearer,
}

/// Who a message says that it is from, before anything of it is verified.
pub(crate) fn issuer(text: &str) -> Result<String, Invalid> {
    let document = xml::read(text, xml::MESSAGE)?;
    let root = document.root_element();
    if !xml::is(root, PROTOCOL, "Response") {
        return Err(Invalid::NotAResponse);
    }
    Ok(xml::child(root, ASSERTION, "Issuer").and_then(xml::text).unwrap_or_default())
}

/// Reads a response; what it returns was signed by the provider for us, now, and, if we asked, for that.
pub(crate) fn read(text: &str, expected: Expected<'_>) -> Result<Assertion, Invalid> {
    let document = xml::read(text, xml::MESSAGE)?;
    let response = document.root_element();
    check_response(response, expected)?;
    let part = only_assertion(response)?;
    let trust =
        Trust { certificates: &expected.provider.certificates, allow_sha1: expected.party.allow_sha1 };
    let Some(signed) = signature::signed_part(text, &document, trust)? else {
        // What is signed may be inside what is encrypted.
        return match part {
            Part::Encrypted(node) => read_encrypted(node, trust, false, expected),
            Part::Plain(_) => Err(Invalid::Unsigned),
        };
    };
    let document = xml::read(&signed, xml::MESSAGE)?;
    let root = document.root_element();
    if xml::is(root, ASSERTION, "Assertion") {
        return accept(root, expected);
    }
    check_response(root, expected)?;
    // Whoever signs a response says in it where it goes.
    if root.attribute("Destination").is_none() {
        return Err(Invalid::Destination);
    }
    match only_assertion(root)? {
        Part::Plain(node) => accept(node, expected),
        Part::Encrypted(node) => read_encrypted(node, trust, true, expected),
    }
}

enum Part<'a, 'i> {
    Plain(Node<'a, 'i>),
    Encrypted(Node<'a, 'i>),
}

/// The one assertion, which stands directly in the response; there is no other anywhere.
fn only_assertion<'a, 'i: 'a>(response: Node<'a, 'i>) -> Result<Part<'a, 'i>, Invalid> {
    let kind = |node: Node<'a, 'i>| {
        if xml::is(node, ASSERTION, "Assertion") {
            Some(Part::Plain(node))
        } else if xml::is(node, ASSERTION, "EncryptedAssertion") {
            Some(Part::Encrypted(node))
        } else {
            None
        }
    };
    let mut parts = response.descendants().filter_map(kind);
    match (parts.next(), parts.next()) {
        (Some(part), None) => {
            let (Part::Plain(node) | Part::Encrypted(node)) = part;
            let direct = node.parent_element() == Some(response);
            if direct { Ok(part) } else { Err(Invalid::Assertions) }
        }
        _ => Err(Invalid::Assertions),
    }
}

/// What the envelope says, signed or not: it can only make a message worse.
fn check_response(response: Node<'_, '_>, expected: Expected<'_>) -> Result<(), Invalid> {
    if !xml::is(response, PROTOCOL, "Response") || response.attribute("Version") != Some("2.0") {
        return Err(Invalid::NotAResponse);
    }
    if response.attribute("Destination").is_some_and(|url| url != expected.party.consumer) {
        return Err(Invalid::Destination);
    }
    if response.attribute("InResponseTo").filter(|id| !id.is_empty()) != expected.request_id {
        return Err(Invalid::Request);
    }
    check_age(response.attribute("IssueInstant").and_then(moment), expected.now)?;
    let issuer = xml::child(response, ASSERTION, "Issuer").map(|node| xml::text(node).unwrap_or_default());
    if issuer.is_some_and(|issuer| issuer != expected.provider.entity_id) {
        return Err(Invalid::Issuer);
    }
    let code =
        xml::child(response, PROTOCOL, "Status").and_then(|node| xml::child(node, PROTOCOL, "StatusCode"));
    match code.and_then(|code| code.attribute("Value")) {
        Some(SUCCESS) => Ok(()),
        code => Err(Invalid::Status(code.unwrap_or("nothing").chars().take(100).collect())),
    }
}

fn check_age(issued_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), Invalid> {
    match issued_at.map(|at| now.signed_duration_since(at)) {
        None => Err(Invalid::Age("no moment")),
        Some(age) if age > AGE + SKEW => Err(Invalid::Age("too long ago")),
        Some(age) if age < -SKEW => Err(Invalid::Age("in the future")),
        Some(_) => Ok(()),
    }
}

/// Opens an assertion. If its envelope was not signed, it has to be.
fn read_encrypted(
    node: Node<'_, '_>,
    trust: Trust<'_>,
    is_signed: bool,
    expected: Expected<'_>,
) -> Result<Assertion, Invalid> {
    if !expected.party.allow_encrypted {
        return Err(Invalid::Encrypted);
    }
    let text = encryption::open(node, expected.party).ok_or(Invalid::Undecryptable)?;
    let document = xml::read(&text, xml::MESSAGE).map_err(|_| Invalid::Undecryptable)?;
    match signature::signed_part(&text, &document, trust)? {
        Some(signed) => accept(xml::read(&signed, xml::MESSAGE)?.root_element(), expected),
        None if is_signed => accept(document.root_element(), expected),
        None => Err(Invalid::Unsigned),
    }
}

fn accept(node: Node<'_, '_>, expected: Expected<'_>) -> Result<Assertion, Invalid> {
    let others = node.descendants().skip(1).any(|node| xml::is(node, ASSERTION, "Assertion"));
    if !xml::is(node, ASSERTION, "Assertion") || others {
        return Err(Invalid::Assertions);
    }
    let assertion = Assertion::read(node).map_err(Invalid::Unreadable)?;
    check(&assertion, expected)?;
    Ok(assertion)
}

fn check(assertion: &Assertion, expected: Expected<'_>) -> Result<(), Invalid> {
    let Expected { party, provider, request_id, now } = expected;
    check_age(Some(assertion.issued_at), now)?;
    if assertion.issuer != provider.entity_id {
        return Err(Invalid::Issuer);
    }
    let names_us = |list: &Vec<String>| list.contains(&party.entity_id);
    if assertion.audiences.is_empty() || !assertion.audiences.iter().all(names_us) {
        return Err(Invalid::Audience);
    }
    let too_early = |from: Option<DateTime<Utc>>| from.is_some_and(|from| now + SKEW < from);
    let too_late = |end: Option<DateTime<Utc>>| end.is_some_and(|end| now - SKEW >= end);
    if too_early(assertion.not_before) {
        return Err(Invalid::Time("NotBefore"));
    }
    if too_late(assertion.not_on_or_after) {
        return Err(Invalid::Time("NotOnOrAfter"));
    }
    if too_late(assertion.session_ends_at) {
        return Err(Invalid::Time("SessionNotOnOrAfter"));
    }
    let holds = assertion.bearers.iter().any(|bearer| {
        bearer.recipient == party.consumer
            && bearer.in_response_to.as_deref().filter(|id| !id.is_empty()) == request_id
            && !too_early(bearer.not_before)
            && !too_late(Some(bearer.not_on_or_after))
    });
    if holds { Ok(()) } else { Err(Invalid::Bearer) }
}

#[cfg(all(test, feature = "saml"))]
mod tests;
