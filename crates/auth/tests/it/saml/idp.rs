//! An identity provider: writes what it is told to, and has it signed by the `xmlsec1` command.

use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

pub const ENTITY: &str = "https://idp.test/metadata";
pub const SIGN_IN: &str = "https://idp.test/sign-in?tenant=1";
pub const CONSUMER: &str = "http://localhost:8000/auth/v1/sso/saml/acs";
pub const AUDIENCE: &str = "http://localhost:8000/auth/v1/sso/saml/metadata";

pub const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
pub const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// The file of a key with its certificate, or of a key alone.
pub fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/saml").join(format!("{name}.pem"))
}

/// The last block of a PEM file, without its frame.
fn block(name: &str) -> String {
    let text = std::fs::read_to_string(key_file(name)).unwrap();
    let inside = text.rsplit_once("-----BEGIN").unwrap().1.split_once("-----\n").unwrap().1;
    inside.split_once("-----END").unwrap().0.replace('\n', "")
}

/// A private key as the settings want it.
pub fn private_key(name: &str) -> String {
    block(name)
}

/// The metadata of a provider that signs with the key of this name.
pub fn metadata(entity: &str, key: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<!-- for tests -->\n\
         <md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity}\">\
         <md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
         <md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>\
         <ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>\
         <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"{}\"/></md:IDPSSODescriptor></md:EntityDescriptor>",
        block(key),
        SIGN_IN.replace('&', "&amp;"),
    )
}

/// What is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    Response,
    Assertion,
    Both,
    Nothing,
}

/// What a provider says.
#[derive(Clone)]
pub struct Message {
    pub signed: Signed,
    pub key: &'static str,
    pub signature_method: &'static str,
    pub digest_method: &'static str,
    pub canonical: &'static str,
    pub id: String,
    pub issuer: String,
    pub assertion_issuer: String,
    /// Attributes of the response: all but ID, Version and IssueInstant.
    pub destination: Option<String>,
    pub in_response_to: Option<String>,
    pub status: &'static str,
    pub issued_at: DateTime<Utc>,
    pub name_id: (&'static str, String),
    pub recipient: String,
    pub audience: Option<String>,
    pub not_before: DateTime<Utc>,
    pub not_on_or_after: DateTime<Utc>,
    pub session_ends_at: Option<DateTime<Utc>>,
    /// Names and values of attributes.
    pub attributes: Vec<(&'static str, Vec<&'static str>)>,
}

impl Message {
    /// About Jane, just now, in answer to nobody.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self {
            signed: Signed::Assertion,
            key: "idp",
            signature_method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            digest_method: "http://www.w3.org/2001/04/xmlenc#sha256",
            canonical: "http://www.w3.org/2001/10/xml-exc-c14n#",
            id: format!("_{}", uuid::Uuid::new_v4().simple()),
            issuer: ENTITY.to_owned(),
            assertion_issuer: ENTITY.to_owned(),
            destination: Some(CONSUMER.to_owned()),
            in_response_to: None,
            status: "urn:oasis:names:tc:SAML:2.0:status:Success",
            issued_at: now,
            name_id: (PERSISTENT, "jane-4711".to_owned()),
            recipient: CONSUMER.to_owned(),
            audience: Some(AUDIENCE.to_owned()),
            not_before: now - TimeDelta::minutes(1),
            not_on_or_after: now + TimeDelta::minutes(5),
            session_ends_at: None,
            attributes: vec![("mail", vec!["Jane@Corp.test"])],
        }
    }

    /// In answer to a request.
    pub fn answering(now: DateTime<Utc>, request_id: &str) -> Self {
        Self { in_response_to: Some(request_id.to_owned()), ..Self::at(now) }
    }

    fn signature(&self, id: &str, wanted: bool) -> String {
        if !wanted {
            return String::new();
        }
        let Self { canonical, signature_method, digest_method, .. } = self;
        format!(
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm=\"{canonical}\"/><ds:SignatureMethod Algorithm=\"{signature_method}\"/>\
             <ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
             <ds:Transform Algorithm=\"{canonical}\"/></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{digest_method}\"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>\
             <ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>"
        )
    }

    fn assertion(&self) -> String {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let signature = self.signature(&self.id, matches!(self.signed, Signed::Assertion | Signed::Both));
        let answers =
            self.in_response_to.as_ref().map(|id| format!(" InResponseTo=\"{id}\"")).unwrap_or_default();
        let audience = self.audience.as_ref().map(|audience| {
            format!("<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>")
        });
        let ends = self.session_ends_at.map(|at| format!(" SessionNotOnOrAfter=\"{}\"", time(at)));
        let attributes: String = self
            .attributes
            .iter()
            .map(|(name, values)| {
                let value = |value: &&str| format!("<saml:AttributeValue>{value}</saml:AttributeValue>");
                let values: String = values.iter().map(value).collect();
                format!("<saml:Attribute Name=\"{name}\">{values}</saml:Attribute>")
            })
            .collect();
        format!(
            "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{issued}\"><saml:Issuer>{issuer}</saml:Issuer>{signature}<saml:Subject>\
             <saml:NameID Format=\"{format}\">{name}</saml:NameID>\
             <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
             <saml:SubjectConfirmationData{answers} NotOnOrAfter=\"{end}\" Recipient=\"{recipient}\"/>\
             </saml:SubjectConfirmation></saml:Subject>\
             <saml:Conditions NotBefore=\"{start}\" NotOnOrAfter=\"{end}\">{audience}</saml:Conditions>\
             <saml:AuthnStatement AuthnInstant=\"{issued}\"{ends}><saml:AuthnContext><saml:AuthnContextClassRef>\
             urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>\
             </saml:AuthnStatement><saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>",
            id = self.id,
            issued = time(self.issued_at),
            issuer = self.assertion_issuer,
            format = self.name_id.0,
            name = self.name_id.1,
            recipient = self.recipient,
            start = time(self.not_before),
            end = time(self.not_on_or_after),
            audience = audience.unwrap_or_default(),
            ends = ends.unwrap_or_default(),
        )
    }

    fn response(&self, content: &str) -> String {
        let attribute = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(" {name}=\"{value}\"")).unwrap_or_default()
        };
        let id = format!("r{}", self.id);
        format!(
            "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{}\"{}{}><saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{}</saml:Issuer>\
             {}<samlp:Status><samlp:StatusCode Value=\"{}\"/></samlp:Status>{content}</samlp:Response>",
            self.issued_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            attribute("Destination", &self.destination),
            attribute("InResponseTo", &self.in_response_to),
            self.issuer,
            self.signature(&id, matches!(self.signed, Signed::Response | Signed::Both)),
            self.status,
        )
    }

    /// The document, signed.
    pub fn document(&self) -> String {
        let mut document = self.response(&self.assertion());
        if matches!(self.signed, Signed::Assertion | Signed::Both) {
            document = self.sign(&document, "//*[local-name()='Assertion']/*[local-name()='Signature']");
        }
        if matches!(self.signed, Signed::Response | Signed::Both) {
            document = self.sign(&document, "/*/*[local-name()='Signature']");
        }
        document
    }

    /// As [`Message::document`], with the assertion encrypted for our key of this name.
    pub fn encrypted(&self, for_key: &str, session_key: &str, cipher: &str, wrapping: &str) -> String {
        let mut assertion = self.assertion();
        if matches!(self.signed, Signed::Assertion | Signed::Both) {
            assertion = self.sign(&assertion, "/*/*[local-name()='Signature']");
        }
        let template = format!(
            "<xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" \
             Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"{cipher}\"/>\
             <ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><xenc:EncryptedKey>\
             <xenc:EncryptionMethod Algorithm=\"{wrapping}\"/><xenc:CipherData><xenc:CipherValue/></xenc:CipherData>\
             </xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>"
        );
        let files = tempfile::tempdir().unwrap();
        let (template_file, data, public) =
            (files.path().join("t.xml"), files.path().join("d.xml"), files.path().join("p.pem"));
        std::fs::write(&template_file, template).unwrap();
        std::fs::write(&data, assertion).unwrap();
        run(Command::new("openssl")
            .args(["rsa", "-pubout", "-in"])
            .arg(key_file(for_key))
            .arg("-out")
            .arg(&public));
        let encrypted = run(Command::new("xmlsec1")
            .args(["--encrypt", "--session-key", session_key, "--pubkey-pem"])
            .arg(&public)
            .arg("--xml-data")
            .arg(&data)
            .arg(&template_file));
        let encrypted = encrypted.split_once("?>").unwrap().1.trim();
        let wrapped = format!(
            "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{encrypted}\
             </saml:EncryptedAssertion>"
        );
        let document = self.response(&wrapped);
        match self.signed {
            Signed::Response | Signed::Both => self.sign(&document, "/*/*[local-name()='Signature']"),
            _ => document,
        }
    }

    /// Fills in the signature at this place.
    pub fn sign(&self, document: &str, place: &str) -> String {
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("document.xml");
        std::fs::write(&file, document).unwrap();
        let key = key_file(self.key);
        let signed = run(Command::new("xmlsec1")
            .args(["--sign", "--privkey-pem"])
            .arg(format!("{0},{0}", key.display()))
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"])
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response"])
            .args(["--node-xpath", place])
            .arg(&file));
        signed.split_once("?>").unwrap().1.trim().to_owned()
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("xmlsec1 and openssl are installed: .ci/setup.sh test");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// As the form has it.
pub fn encoded(document: &str) -> String {
    STANDARD.encode(document)
}
