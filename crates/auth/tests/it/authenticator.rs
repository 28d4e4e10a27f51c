//! An authenticator in software: what a security key or a passkey provider would do, and ways to
//! do it wrong.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const ORIGIN: &str = "http://localhost:5173";

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// One credential, and where its owner uses it.
pub struct Authenticator {
    pub id: Vec<u8>,
    pub origin: String,
    pub rp_id: String,
    pub counter: u32,
    pub aaguid: [u8; 16],
    pub user_handle: Vec<u8>,
    pub flags: u8,
    key: EcdsaKeyPair,
}

fn text(name: &str) -> Cbor {
    Cbor::Text(name.to_owned())
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Authenticator {
    pub fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self {
            id: digest(&SHA256, key.public_key().as_ref()).as_ref().to_vec(),
            origin: ORIGIN.to_owned(),
            rp_id: "localhost".to_owned(),
            counter: 0,
            aaguid: [0; 16],
            user_handle: Vec::new(),
            flags: PRESENT | VERIFIED,
            key,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        json!({
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        })
        .to_string()
        .into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }

    /// `navigator.credentials.create()`, as JSON.
    pub fn create(&mut self, options: &Value) -> Value {
        self.user_handle = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let point = self.key.public_key().as_ref();
        let key = BTreeMap::from([
            (Cbor::Integer(1), Cbor::Integer(2)),
            (Cbor::Integer(3), Cbor::Integer(-7)),
            (Cbor::Integer(-1), Cbor::Integer(1)),
            (Cbor::Integer(-2), Cbor::Bytes(point[1..33].to_vec())),
            (Cbor::Integer(-3), Cbor::Bytes(point[33..].to_vec())),
        ]);
        let mut data = self.data(self.flags | ATTESTED);
        data.extend_from_slice(&self.aaguid);
        data.extend_from_slice(&u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend(serde_cbor_2::to_vec(&Cbor::Map(key)).unwrap());
        let object = Cbor::Map(BTreeMap::from([
            (text("fmt"), text("none")),
            (text("attStmt"), Cbor::Map(BTreeMap::new())),
            (text("authData"), Cbor::Bytes(data)),
        ]));
        json!({
            "id": encode(&self.id),
            "rawId": encode(&self.id),
            "type": "public-key",
            "response": {
                "attestationObject": encode(&serde_cbor_2::to_vec(&object).unwrap()),
                "clientDataJSON": encode(&self.client_data("webauthn.create", options)),
                "transports": ["internal", "hybrid"],
            },
            "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
        })
    }

    /// `navigator.credentials.get()`, as JSON.
    pub fn get(&mut self, options: &Value) -> Value {
        self.counter += 1;
        let data = self.data(self.flags);
        let client_data = self.client_data("webauthn.get", options);
        let mut message = data.clone();
        message.extend_from_slice(digest(&SHA256, &client_data).as_ref());
        let signature = self.key.sign(&SystemRandom::new(), &message).unwrap();
        json!({
            "id": encode(&self.id),
            "rawId": encode(&self.id),
            "type": "public-key",
            "response": {
                "authenticatorData": encode(&data),
                "clientDataJSON": encode(&client_data),
                "signature": encode(signature.as_ref()),
                "userHandle": encode(&self.user_handle),
            },
            "clientExtensionResults": {},
        })
    }
}
