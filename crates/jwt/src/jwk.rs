//! JSON Web Keys (RFC 7517, 7518, 8037), public and private.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeyPairComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, ED25519,
    EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, Ed25519KeyPair, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::key::{Check, Key, Signer};
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

struct Curve {
    name: &'static str,
    /// Length of a coordinate in bytes.
    size: usize,
    algorithm: Algorithm,
    verify: &'static EcdsaVerificationAlgorithm,
    sign: &'static EcdsaSigningAlgorithm,
}

static CURVES: [Curve; 3] = [
    Curve {
        name: "P-256",
        size: 32,
        algorithm: Algorithm::ES256,
        verify: &ECDSA_P256_SHA256_FIXED,
        sign: &ECDSA_P256_SHA256_FIXED_SIGNING,
    },
    Curve {
        name: "P-384",
        size: 48,
        algorithm: Algorithm::ES384,
        verify: &ECDSA_P384_SHA384_FIXED,
        sign: &ECDSA_P384_SHA384_FIXED_SIGNING,
    },
    Curve {
        name: "P-521",
        size: 66,
        algorithm: Algorithm::ES512,
        verify: &ECDSA_P521_SHA512_FIXED,
        sign: &ECDSA_P521_SHA512_FIXED_SIGNING,
    },
];

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
        if self.r#use.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let algorithm = match self.alg.as_deref().map(Algorithm::parse) {
            Some(None) => return Ok(None),
            Some(known) => known,
            None => None,
        };
        let key = match self.kty.as_str() {
            "oct" => self.shared(algorithm)?,
            "RSA" => self.rsa(algorithm)?,
            "EC" => match CURVES.iter().find(|curve| self.crv.as_deref() == Some(curve.name)) {
                Some(curve) => self.ecdsa(curve, algorithm)?,
                None => return Ok(None),
            },
            "OKP" if self.crv.as_deref() == Some("Ed25519") => self.ed25519(algorithm)?,
            _ => return Ok(None),
        };
        Ok(Some(key))
    }

    fn bytes(&self, name: &'static str, member: Option<&String>) -> Result<Vec<u8>, KeyError> {
        let text = member.ok_or_else(|| KeyError::Missing(self.label(), name))?;
        // Some exporters pad; the padding carries nothing.
        base64url::decode(text.trim_end_matches('=')).ok_or_else(|| KeyError::Malformed(self.label(), name))
    }

    fn key(&self, checks: Vec<(Algorithm, Check)>, signer: Option<(Algorithm, Signer)>) -> Key {
        Key { kid: self.kid.clone(), checks, signer, public: None }
    }

    /// The algorithms of `kind` that this key may use: the one it names, or all.
    fn allowed<T: Copy>(
        &self,
        named: Option<Algorithm>,
        kind: &[(Algorithm, T)],
    ) -> Result<Vec<(Algorithm, T)>, KeyError> {
        let allowed: Vec<_> =
            kind.iter().filter(|(own, _)| named.is_none_or(|named| named == *own)).copied().collect();
        if allowed.is_empty() {
            return Err(KeyError::Malformed(self.label(), "alg"));
        }
        Ok(allowed)
    }

    /// The members that everyone may see, as published.
    fn published(&self, algorithm: Algorithm, own: Value) -> Map<String, Value> {
        let mut public = match own {
            Value::Object(own) => own,
            _ => Map::new(),
        };
        public.insert("use".to_owned(), json!("sig"));
        public.insert("key_ops".to_owned(), json!(["verify"]));
        public.insert("alg".to_owned(), json!(algorithm.name()));
        if let Some(kid) = &self.kid {
            public.insert("kid".to_owned(), json!(kid));
        }
        public
    }

    fn shared(&self, named: Option<Algorithm>) -> Result<Key, KeyError> {
        let kind = [
            (Algorithm::HS256, hmac::HMAC_SHA256),
            (Algorithm::HS384, hmac::HMAC_SHA384),
            (Algorithm::HS512, hmac::HMAC_SHA512),
        ];
        let secret = self.bytes("k", self.k.as_ref())?;
        if secret.is_empty() {
            return Err(KeyError::Malformed(self.label(), "k"));
        }
        let keys: Vec<_> = self
            .allowed(named, &kind)?
            .into_iter()
            .map(|(algorithm, hash)| (algorithm, Arc::new(hmac::Key::new(hash, &secret))))
            .collect();
        let signer = keys.first().map(|(algorithm, key)| (*algorithm, Signer::Shared(Arc::clone(key))));
        let checks = keys.into_iter().map(|(algorithm, key)| (algorithm, Check::Shared(key))).collect();
        Ok(self.key(checks, signer))
    }

    fn rsa(&self, named: Option<Algorithm>) -> Result<Key, KeyError> {
        let rejected = || KeyError::Rejected(self.label());
        let kind = [
            (Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::RS384, &RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::RS512, &RSA_PKCS1_2048_8192_SHA512),
        ];
        let allowed = self.allowed(named, &kind)?;
        let algorithm = allowed.first().map_or(Algorithm::RS256, |(first, _)| *first);
        let number = |name, member| {
            let bytes: Vec<u8> = self.bytes(name, member)?;
            Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
        };
        let public =
            RsaPublicKeyComponents { n: number("n", self.n.as_ref())?, e: number("e", self.e.as_ref())? };
        let mut checks = Vec::with_capacity(allowed.len());
        for (algorithm, parameters) in allowed {
            let key = public.to_parsed_public_key(parameters).map_err(|_| rejected())?;
            checks.push((algorithm, Check::Public(key)));
        }
        let published = json!({
            "kty": "RSA", "n": base64url::encode(&public.n), "e": base64url::encode(&public.e)
        });
        let signer = match &self.d {
            None => None,
            Some(_) => {
                let parts = KeyPairComponents {
                    public_key: public,
                    d: number("d", self.d.as_ref())?,
                    p: number("p", self.p.as_ref())?,
                    q: number("q", self.q.as_ref())?,
                    dP: number("dp", self.dp.as_ref())?,
                    dQ: number("dq", self.dq.as_ref())?,
                    qInv: number("qi", self.qi.as_ref())?,
                };
                let pair = RsaKeyPair::from_components(&parts).map_err(|_| rejected())?;
                Some((algorithm, Signer::Rsa(pair)))
            }
        };
        Ok(Key { public: Some(self.published(algorithm, published)), ..self.key(checks, signer) })
    }

    fn ecdsa(&self, curve: &'static Curve, named: Option<Algorithm>) -> Result<Key, KeyError> {
        let rejected = || KeyError::Rejected(self.label());
        self.allowed(named, &[(curve.algorithm, ())])?;
        let coordinate = |name, member| {
            let mut bytes: Vec<u8> = self.bytes(name, member)?;
            // Some exporters drop leading zeros, against RFC 7518, 6.2.1.2.
            if bytes.len() > curve.size {
                return Err(KeyError::Malformed(self.label(), name));
            }
            bytes.splice(0..0, std::iter::repeat_n(0, curve.size - bytes.len()));
            Ok(bytes)
        };
        let (x, y) = (coordinate("x", self.x.as_ref())?, coordinate("y", self.y.as_ref())?);
        // SEC 1, 2.3.3: an uncompressed point.
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let key = ParsedPublicKey::new(curve.verify, &point).map_err(|_| rejected())?;
        let signer = match &self.d {
            None => None,
            Some(_) => {
                let d = coordinate("d", self.d.as_ref())?;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.sign, &d, &point)
                    .map_err(|_| rejected())?;
                Some((curve.algorithm, Signer::Ecdsa(pair)))
            }
        };
        let published = json!({
            "kty": "EC", "crv": curve.name, "x": base64url::encode(&x), "y": base64url::encode(&y)
        });
        let public = Some(self.published(curve.algorithm, published));
        Ok(Key { public, ..self.key(vec![(curve.algorithm, Check::Public(key))], signer) })
    }

    fn ed25519(&self, named: Option<Algorithm>) -> Result<Key, KeyError> {
        let rejected = || KeyError::Rejected(self.label());
        self.allowed(named, &[(Algorithm::EdDSA, ())])?;
        let x = self.bytes("x", self.x.as_ref())?;
        let key = ParsedPublicKey::new(&ED25519, &x).map_err(|_| rejected())?;
        let signer = match &self.d {
            None => None,
            Some(_) => {
                let seed = self.bytes("d", self.d.as_ref())?;
                let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &x).map_err(|_| rejected())?;
                Some((Algorithm::EdDSA, Signer::Ed25519(pair)))
            }
        };
        let published = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&x) });
        let public = Some(self.published(Algorithm::EdDSA, published));
        Ok(Key { public, ..self.key(vec![(Algorithm::EdDSA, Check::Public(key))], signer) })
    }
}
