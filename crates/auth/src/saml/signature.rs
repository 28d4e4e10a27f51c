//! Which part of a message is signed.
//!
//! [`signed_part`] answers with the bytes that were hashed, not with the message: whoever reads on from them
//! cannot read anything that nobody signed.

use std::collections::HashSet;

use roxmltree::{Document, Node};

use super::xml::{self, ASSERTION, DSIG, PROTOCOL};

/// Whose signatures count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust<'a> {
    /// DER.
    pub(crate) certificates: &'a [Vec<u8>],
    pub(crate) allow_sha1: bool,
}

/// Why a signature does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("an id occurs twice or can be read in two ways")]
    AmbiguousId,
    #[error("there is a signature where none belongs")]
    Misplaced,
    #[error("a signature has a shape that is not SAML's: {0}")]
    Shape(&'static str),
    #[error("a signature covers another element than the one it stands in")]
    OtherElement,
    #[error("{0} is not among the algorithms that are accepted")]
    Algorithm(String),
    #[error("the identity provider has no certificate")]
    NoCertificate,
    #[error("the signature does not fit: {0}")]
    Unfit(String),
}

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// Without comments, which are refused, these differ only in the namespaces they write down.
const CANONICAL: [&str; 4] = [
    EXCLUSIVE,
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/2006/12/xml-c14n11",
];

const SIGNATURES: [&str; 6] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];

const DIGESTS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];

/// For identity providers that know nothing better.
const SHA1: [&str; 3] = [
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
    "http://www.w3.org/2000/09/xmldsig#sha1",
];

/// The bytes that the signature of a response or an assertion covers: the response if it is signed, else its
/// assertion; `None` if neither is. Every signature in the document has to be good. `text` is what `document`
/// was read from.
pub(crate) fn signed_part(
    text: &str,
    document: &Document<'_>,
    trust: Trust<'_>,
) -> Result<Option<String>, SignatureError> {
    let root = document.root_element();
    check_ids(root)?;
    let signatures: Vec<_> = root.descendants().filter(|node| xml::is(*node, DSIG, "Signature")).collect();
    let mut holders = HashSet::new();
    for signature in &signatures {
        let holder = signature.parent_element().ok_or(SignatureError::Misplaced)?;
        let is_part = xml::is(holder, ASSERTION, "Assertion") && holder.parent_element() == Some(root);
        let is_signable = holder == root || (is_part && xml::is(root, PROTOCOL, "Response"));
        if !is_signable || !holders.insert(holder.id()) {
            return Err(SignatureError::Misplaced);
        }
        check_shape(*signature, holder, trust.allow_sha1)?;
    }
    if signatures.is_empty() {
        return Ok(None);
    }
    if trust.certificates.is_empty() {
        return Err(SignatureError::NoCertificate);
    }
    verify(text, trust).map(Some)
}

/// A reference finds one element, whoever looks for it.
fn check_ids(root: Node<'_, '_>) -> Result<(), SignatureError> {
    let mut ids = HashSet::new();
    for attribute in root.descendants().flat_map(|node| node.attributes()) {
        if !attribute.name().eq_ignore_ascii_case("id") {
            continue;
        }
        if attribute.namespace().is_some() || !ids.insert(attribute.value()) {
            return Err(SignatureError::AmbiguousId);
        }
    }
    Ok(())
}

fn check_shape(signature: Node<'_, '_>, holder: Node<'_, '_>, sha1: bool) -> Result<(), SignatureError> {
    let algorithm = |node: Node<'_, '_>, known: &[&str]| {
        let name = node.attribute("Algorithm").unwrap_or_default();
        let is_known = known.contains(&name) || (sha1 && SHA1.contains(&name));
        if is_known { Ok(()) } else { Err(SignatureError::Algorithm(name.chars().take(100).collect())) }
    };
    let parts: Vec<_> = signature.children().filter(Node::is_element).collect();
    let info = match parts.as_slice() {
        [info, value] if is_pair(*info, *value) => *info,
        [info, value, key] if is_pair(*info, *value) && xml::is(*key, DSIG, "KeyInfo") => *info,
        _ => return Err(SignatureError::Shape("Signature")),
    };
    let [canonical, method, reference] = elements(info, "SignedInfo")?;
    named(canonical, "CanonicalizationMethod")?;
    algorithm(canonical, &CANONICAL)?;
    named(method, "SignatureMethod")?;
    algorithm(method, &SIGNATURES)?;
    if method.children().any(|child| child.is_element()) {
        return Err(SignatureError::Shape("SignatureMethod"));
    }
    named(reference, "Reference")?;
    let id = holder.attribute("ID").filter(|id| !id.is_empty());
    let covered = reference.attribute("URI").and_then(|uri| uri.strip_prefix('#'));
    if id.is_none() || covered != id {
        return Err(SignatureError::OtherElement);
    }
    let [transforms, digest, value] = elements(reference, "Reference")?;
    named(transforms, "Transforms")?;
    named(digest, "DigestMethod")?;
    named(value, "DigestValue")?;
    algorithm(digest, &DIGESTS)?;
    let transforms: Vec<_> = transforms.children().filter(Node::is_element).collect();
    let [enveloped, canonical @ ..] = transforms.as_slice() else {
        return Err(SignatureError::Shape("Transforms"));
    };
    named(*enveloped, "Transform")?;
    if enveloped.attribute("Algorithm") != Some(ENVELOPED) || canonical.len() > 1 {
        return Err(SignatureError::Shape("Transforms"));
    }
    for transform in canonical {
        named(*transform, "Transform")?;
        if !transform.attribute("Algorithm").is_some_and(|name| CANONICAL.contains(&name)) {
            return Err(SignatureError::Shape("Transforms"));
        }
    }
    // What canonicalisation may be told is a list of prefixes, and nothing else is told anything.
    let told = signature.descendants().filter(|node| {
        node.parent_element().is_some_and(|parent| {
            matches!(parent.tag_name().name(), "Transform" | "CanonicalizationMethod" | "DigestMethod")
        }) && node.is_element()
    });
    if told.into_iter().any(|node| !xml::is(node, EXCLUSIVE, "InclusiveNamespaces")) {
        return Err(SignatureError::Shape("Transform"));
    }
    Ok(())
}

fn is_pair(info: Node<'_, '_>, value: Node<'_, '_>) -> bool {
    xml::is(info, DSIG, "SignedInfo") && xml::is(value, DSIG, "SignatureValue")
}

fn named(node: Node<'_, '_>, name: &'static str) -> Result<(), SignatureError> {
    if xml::is(node, DSIG, name) { Ok(()) } else { Err(SignatureError::Shape(name)) }
}

fn elements<'a, 'i: 'a>(node: Node<'a, 'i>, name: &'static str) -> Result<[Node<'a, 'i>; 3], SignatureError> {
    let elements: Vec<_> = node.children().filter(Node::is_element).collect();
    elements.try_into().map_err(|_| SignatureError::Shape(name))
}

#[cfg(feature = "saml")]
fn verify(text: &str, trust: Trust<'_>) -> Result<String, SignatureError> {
    use samael::crypto::AllowedSignatureAlgorithm as Allowed;
    use samael::crypto::{CertificateDer, Crypto, CryptoProvider, ReduceMode};

    const ALLOWED: &[Allowed] = &[
        Allowed::RsaSha256,
        Allowed::RsaSha384,
        Allowed::RsaSha512,
        Allowed::EcdsaSha256,
        Allowed::EcdsaSha384,
        Allowed::EcdsaSha512,
    ];
    let certificates: Vec<CertificateDer> =
        trust.certificates.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let allowed = if trust.allow_sha1 { None } else { Some(ALLOWED) };
    Crypto::reduce_xml_to_signed_with_allowed_algorithms(text, &certificates, ReduceMode::PreDigest, allowed)
        .map_err(|error| SignatureError::Unfit(error.to_string()))
}

#[cfg(not(feature = "saml"))]
fn verify(_: &str, _: Trust<'_>) -> Result<String, SignatureError> {
    Err(SignatureError::Unfit("this binary was built without SAML".to_owned()))
}
