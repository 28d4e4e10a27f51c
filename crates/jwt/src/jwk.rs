//! JSON Web Keys (RFC 7517, 7518, 8037), public and private.
//!
//! jsonwebtoken takes key bytes as they are and finds fault with them at the first token; a private
//! key it takes only as PKCS#8 or PKCS#1. So aws-lc-rs, which it stands on, does two things here:
//! it refuses keys whose parts are unusable or do not belong together, and it writes private keys
//! in those forms.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeyPairComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm,
    EcdsaVerificationAlgorithm, Ed25519KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::key::Key;
use crate::token::base64url;
use crate::{Algorithm, KeyError};

/// The members we read; all others (`x5c`, `ext`, …) are none of our business.
#[derive(Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    k: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// How a key verifies, how it signs if it is private, and its own members as published.
struct Material {
    decoding: DecodingKey,
    encoding: Option<EncodingKey>,
    public: Option<Value>,
}

struct Curve {
    name: &'static str,
    /// Length of a coordinate in bytes.
    size: usize,
    verify: &'static EcdsaVerificationAlgorithm,
    sign: &'static EcdsaSigningAlgorithm,
}

static P256: Curve = Curve {
    name: "P-256",
    size: 32,
    verify: &ECDSA_P256_SHA256_FIXED,
    sign: &ECDSA_P256_SHA256_FIXED_SIGNING,
};

static P384: Curve = Curve {
    name: "P-384",
    size: 48,
    verify: &ECDSA_P384_SHA384_FIXED,
    sign: &ECDSA_P384_SHA384_FIXED_SIGNING,
};

impl Jwk {
    /// True if `key_ops` makes this the key that signs.
    pub(crate) fn signs(&self) -> bool {
        self.key_ops.as_ref().is_some_and(|ops| ops.iter().any(|op| op == "sign"))
    }

    /// How error messages call this key.
    pub(crate) fn label(&self) -> String {
        format!("`{}`", self.kid.as_deref().unwrap_or(&self.kty))
    }

    /// The key, or `None` for a kind that we do not know or that does not sign: a key set may hold
    /// keys for others (RFC 7517, 5).
    pub(crate) fn load(&self) -> Result<Option<Key>, KeyError> {
        use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, RS256, RS384, RS512};

        if self.r#use.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let named = match self.alg.as_deref() {
            None => None,
            Some("ES512") => return Err(KeyError::Es512(self.label())),
            Some(name) => match Algorithm::parse(name) {
                None => return Ok(None),
                known => known,
            },
        };
        let (kind, material) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("oct", _) => (vec![HS256, HS384, HS512], self.shared()?),
            ("RSA", _) => (vec![RS256, RS384, RS512], self.rsa()?),
            ("EC", Some("P-256")) => (vec![ES256], self.ecdsa(&P256)?),
            ("EC", Some("P-384")) => (vec![ES384], self.ecdsa(&P384)?),
            ("EC", Some("P-521")) => return Err(KeyError::Es512(self.label())),
            ("OKP", Some("Ed25519")) => (vec![EdDSA], self.ed25519()?),
            _ => return Ok(None),
        };
        let algorithms = match named {
            None => kind,
            Some(named) if kind.contains(&named) => vec![named],
            Some(_) => return Err(KeyError::Malformed(self.label(), "alg")),
        };
        let Material { decoding, encoding, mut public } = material;
        if let (Some(public), Some(algorithm)) = (&mut public, algorithms.first()) {
            public["use"] = json!("sig");
            public["key_ops"] = json!(["verify"]);
            public["alg"] = json!(algorithm.name());
            if let Some(kid) = &self.kid {
                public["kid"] = json!(kid);
            }
        }
        Ok(Some(Key { kid: self.kid.clone(), algorithms, decoding, encoding, public }))
    }

    fn rejected(&self) -> KeyError {
        KeyError::Rejected(self.label())
    }

    fn bytes(&self, name: &'static str, member: &Option<String>) -> Result<Vec<u8>, KeyError> {
        let text = member.as_ref().ok_or_else(|| KeyError::Missing(self.label(), name))?;
        // Some exporters pad; the padding carries nothing.
        base64url::decode(text.trim_end_matches('=')).ok_or_else(|| KeyError::Malformed(self.label(), name))
    }

    fn shared(&self) -> Result<Material, KeyError> {
        let secret = self.bytes("k", &self.k)?;
        if secret.is_empty() {
            return Err(KeyError::Malformed(self.label(), "k"));
        }
        Ok(Material {
            decoding: DecodingKey::from_secret(&secret),
            encoding: Some(EncodingKey::from_secret(&secret)),
            public: None,
        })
    }

    fn rsa(&self) -> Result<Material, KeyError> {
        let number = |name, member| {
            let bytes: Vec<u8> = self.bytes(name, member)?;
            Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
        };
        let public_key = RsaPublicKeyComponents { n: number("n", &self.n)?, e: number("e", &self.e)? };
        public_key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).map_err(|_| self.rejected())?;
        let decoding = DecodingKey::from_rsa_raw_components(&public_key.n, &public_key.e);
        let public = json!({
            "kty": "RSA", "n": base64url::encode(&public_key.n), "e": base64url::encode(&public_key.e)
        });
        let mut encoding = None;
        if self.d.is_some() {
            let parts = KeyPairComponents {
                public_key,
                d: number("d", &self.d)?,
                p: number("p", &self.p)?,
                q: number("q", &self.q)?,
                dP: number("dp", &self.dp)?,
                dQ: number("dq", &self.dq)?,
                qInv: number("qi", &self.qi)?,
            };
            let pair = RsaKeyPair::from_components(&parts).map_err(|_| self.rejected())?;
            let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| self.rejected())?;
            // Signing wants PKCS#1, which is inside PKCS#8; only the PEM reader unwraps it.
            let body = STANDARD.encode(pkcs8.as_ref());
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
            encoding = Some(EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| self.rejected())?);
        }
        Ok(Material { decoding, encoding, public: Some(public) })
    }

    fn ecdsa(&self, curve: &'static Curve) -> Result<Material, KeyError> {
        let coordinate = |name, member| {
            let mut bytes: Vec<u8> = self.bytes(name, member)?;
            // Some exporters drop leading zeros, against RFC 7518, 6.2.1.2.
            if bytes.len() > curve.size {
                return Err(KeyError::Malformed(self.label(), name));
            }
            bytes.splice(0..0, std::iter::repeat_n(0, curve.size - bytes.len()));
            Ok(bytes)
        };
        let (x, y) = (coordinate("x", &self.x)?, coordinate("y", &self.y)?);
        // SEC 1, 2.3.3: an uncompressed point.
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        ParsedPublicKey::new(curve.verify, &point).map_err(|_| self.rejected())?;
        let mut encoding = None;
        if self.d.is_some() {
            let d = coordinate("d", &self.d)?;
            let pkcs8 = EcdsaKeyPair::from_private_key_and_public_key(curve.sign, &d, &point)
                .map_err(|_| self.rejected())?
                .to_pkcs8v1()
                .map_err(|_| self.rejected())?;
            encoding = Some(EncodingKey::from_ec_der(pkcs8.as_ref()));
        }
        let public = json!({
            "kty": "EC", "crv": curve.name, "x": base64url::encode(&x), "y": base64url::encode(&y)
        });
        Ok(Material { decoding: DecodingKey::from_ec_der(&point), encoding, public: Some(public) })
    }

    fn ed25519(&self) -> Result<Material, KeyError> {
        let x = self.bytes("x", &self.x)?;
        ParsedPublicKey::new(&ED25519, &x).map_err(|_| self.rejected())?;
        let mut encoding = None;
        if self.d.is_some() {
            let seed = self.bytes("d", &self.d)?;
            let pkcs8 = Ed25519KeyPair::from_seed_and_public_key(&seed, &x)
                .map_err(|_| self.rejected())?
                .to_pkcs8v1()
                .map_err(|_| self.rejected())?;
            encoding = Some(EncodingKey::from_ed_der(pkcs8.as_ref()));
        }
        let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&x) });
        Ok(Material { decoding: DecodingKey::from_ed_der(&x), encoding, public: Some(public) })
    }
}
