//! Messages as strangers might write them: nothing panics, and nobody comes in but who was signed for.
//!
//! `signed.xml` was signed by `xmlsec1` with the key `tests/it/saml/idp.pem`.

#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::super::assertion::NameId;
use super::super::key::Key;
use super::*;

const SIGNED: &str = include_str!("signed.xml");
const OURS: &str = include_str!("../../../tests/it/saml/ours.pem");
const THEIRS: &str = include_str!("../../../tests/it/saml/idp.pem");

/// The last block of a PEM file, without its frame.
fn block(pem: &str) -> String {
    let inside = pem.rsplit_once("-----BEGIN").unwrap().1.split_once("-----\n").unwrap().1;
    inside.split_once("-----END").unwrap().0.replace('\n', "")
}

struct Scene {
    party: Party,
    provider: Description,
}

impl Scene {
    fn new() -> Self {
        let base = "http://localhost:8000/auth/v1";
        let party = Party {
            entity_id: format!("{base}/sso/saml/metadata"),
            consumer: format!("{base}/sso/saml/acs"),
            key: Key::read(&block(OURS), base, true).unwrap(),
            next: None,
            allow_encrypted: true,
            allow_sha1: false,
        };
        let provider = Description {
            entity_id: "https://idp.test/metadata".to_owned(),
            sign_in: None,
            certificates: vec![STANDARD.decode(block(THEIRS)).unwrap()],
            valid_until: None,
            cache_duration: None,
        };
        Self { party, provider }
    }

    fn read(&self, text: &str) -> Result<Assertion, Invalid> {
        let now = moment("2027-01-15T08:00:30Z").unwrap();
        read(text, Expected { party: &self.party, provider: &self.provider, request_id: Some("id-1"), now })
    }
}

#[test]
fn what_was_signed_is_read() {
    let assertion = Scene::new().read(SIGNED).unwrap();
    let format = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned();
    assert_eq!(assertion.id, "_a1");
    assert_eq!(assertion.name_id, Some(NameId { format, value: "jane-4711".to_owned() }));
    assert_eq!(assertion.email(), "Jane@Corp.test");
    assert_eq!(assertion.session_ends_at, moment("2027-01-15T16:00:00Z"));
    assert_eq!(issuer(SIGNED).unwrap(), "https://idp.test/metadata");
}

#[test]
fn a_provider_without_certificates_signs_nothing() {
    let mut scene = Scene::new();
    scene.provider.certificates = Vec::new();
    assert!(matches!(scene.read(SIGNED), Err(Invalid::Signature(SignatureError::NoCertificate))));
    scene.provider.certificates = vec![vec![0x30, 0], b"nonsense".to_vec()];
    assert!(matches!(scene.read(SIGNED), Err(Invalid::Signature(SignatureError::Unfit(_)))));
}

/// Parts that mean something to a reader of SAML.
const PARTS: &[&str] = &[
    "<",
    ">",
    "\"",
    "'",
    "&amp;",
    "&#0;",
    "&#x41;",
    "/",
    " ID=\"_a1\"",
    " ID=\"_r1\"",
    " xml:id=\"_a1\"",
    " Id=\"_a1\"",
    "<saml:Assertion>",
    "</saml:Assertion>",
    "<samlp:Extensions>",
    "</samlp:Extensions>",
    "<ds:Object>",
    "</ds:Object>",
    "<saml:NameID>admin</saml:NameID>",
    "<saml:AttributeValue>admin@corp.test</saml:AttributeValue>",
    "<!-- -->",
    "<![CDATA[x]]>",
    "<!DOCTYPE x>",
    "<?x?>",
    " xmlns:saml=\"x\"",
    " xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"",
    "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>",
    "\n",
    "\u{feff}",
    "\u{0}",
    "é",
];

#[derive(Clone, Debug)]
struct Change {
    at: usize,
    removed: usize,
    inserted: String,
}

/// Something is taken out, put in, or doubled somewhere.
fn change() -> impl Strategy<Value = Change> {
    let length = SIGNED.len();
    let inserted = prop_oneof![
        Just(String::new()),
        proptest::sample::select(PARTS).prop_map(str::to_owned),
        "\\PC{0,8}",
        (0..length, 0..400_usize).prop_map(|(at, size)| SIGNED.chars().skip(at).take(size).collect()),
    ];
    (0..length, 0..60_usize, inserted).prop_map(|(at, removed, inserted)| Change { at, removed, inserted })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn changed_documents_let_nobody_else_in(changes in proptest::collection::vec(change(), 1..4)) {
        let scene = Scene::new();
        let mut text: Vec<char> = SIGNED.chars().collect();
        for Change { at, removed, inserted } in changes {
            let from = at.min(text.len());
            let to = (from + removed).min(text.len());
            text.splice(from..to, inserted.chars());
        }
        let text: String = text.into_iter().collect();
        let _ = issuer(&text);
        if let Ok(assertion) = scene.read(&text) {
            prop_assert_eq!(assertion, scene.read(SIGNED).unwrap());
        }
    }

    #[test]
    fn anything_at_all_is_refused(text in "(\\PC|<|>|</|\"|saml:|samlp:Response|xmlns|=|#|ds:Signature| ){0,60}") {
        let _ = issuer(&text);
        prop_assert!(Scene::new().read(&text).is_err());
    }

    #[test]
    fn anything_encrypted_is_refused(key in "[A-Za-z0-9+/=]{0,400}", data in "[A-Za-z0-9+/=]{0,100}", cipher in 0..5_usize) {
        let cipher = [
            "http://www.w3.org/2009/xmlenc11#aes128-gcm",
            "http://www.w3.org/2009/xmlenc11#aes256-gcm",
            "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
            "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
            "x",
        ][cipher];
        let encrypted = format!(
            "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
             xmlns:x=\"http://www.w3.org/2001/04/xmlenc#\"><x:EncryptedData><x:EncryptionMethod Algorithm=\"{cipher}\"/>\
             <k:KeyInfo xmlns:k=\"http://www.w3.org/2000/09/xmldsig#\"><x:EncryptedKey>\
             <x:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/>\
             <x:CipherData><x:CipherValue>{key}</x:CipherValue></x:CipherData></x:EncryptedKey></k:KeyInfo>\
             <x:CipherData><x:CipherValue>{data}</x:CipherValue></x:CipherData></x:EncryptedData></saml:EncryptedAssertion>"
        );
        let (head, rest) = SIGNED.split_once("<saml:Assertion").unwrap();
        let (_, tail) = rest.split_once("</saml:Assertion>").unwrap();
        let refused = Scene::new().read(&format!("{head}{encrypted}{tail}"));
        prop_assert!(matches!(refused, Err(Invalid::Undecryptable)));
    }
}
