//! Loading keys, choosing among them, signing and publishing.

use jwt::{Algorithm, KeyError, KeySet, Policy, generate};
use kernel::TokenError as E;
use serde_json::{Value, json};

use crate::material::{EC, ED, NOW, RSA, SECRET, b64, forge, object};

fn header(token: &str) -> Value {
    use base64::Engine;
    let part = token.split('.').next().unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn set(keys: &[&str]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| serde_json::from_str(key).unwrap()).collect();
    Value::Array(keys).to_string()
}

/// The same key, for verification only.
fn verify_only(jwk: &str) -> String {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    jwk["key_ops"] = json!(["verify"]);
    jwk.to_string()
}

#[test]
fn each_kind_signs_publishes_and_verifies() {
    let claims = object(json!({ "role": "authenticated", "sub": "x", "exp": NOW + 60 }));
    for (jwk, algorithm, kid) in
        [(RSA, Algorithm::RS256, "rsa"), (EC, Algorithm::ES256, "ec"), (ED, Algorithm::EdDSA, "ed")]
    {
        let keys = KeySet::from_jwks_text(&set(&[jwk])).unwrap();
        assert_eq!(keys.signing_algorithm(), Some(algorithm));
        let token = keys.sign(&claims).unwrap();
        assert_eq!(header(&token), json!({ "alg": algorithm.name(), "kid": kid, "typ": "JWT" }));
        // Someone who has only the public document can verify.
        let public = KeySet::from_jwks_text(&keys.jwks().to_string()).unwrap();
        let verified = public.verify(&token, &Policy::default(), NOW).unwrap();
        assert_eq!(verified.fields(), &claims);
        assert_eq!(public.signing_algorithm(), None);
    }
    let keys = KeySet::from_secret(SECRET);
    let token = keys.sign(&claims).unwrap();
    assert_eq!(header(&token), json!({ "alg": "HS256", "typ": "JWT" }));
    assert!(keys.verify(&token, &Policy::default(), NOW).is_ok());
}

#[test]
fn the_larger_curve() {
    use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
    let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    let jwk = json!({
        "kty": "EC", "crv": "P-384", "key_ops": ["sign"], "x": b64(x), "y": b64(y), "d": b64(d.as_ref())
    });
    let keys = KeySet::from_jwks_text(&jwk.to_string()).unwrap();
    assert_eq!(keys.signing_algorithm(), Some(Algorithm::ES384));
    let token = keys.sign(&object(json!({ "role": "anon" }))).unwrap();
    assert!(keys.verify(&token, &Policy::default(), NOW).is_ok());
}

#[test]
fn keys_for_es512_are_refused_by_name() {
    let refused = |jwk: &str| KeySet::from_jwks_text(jwk).map(|_| ());
    for members in [r#""crv":"P-521""#, r#""crv":"P-521","alg":"ES512""#, r#""crv":"P-256","alg":"ES512""#] {
        let jwk = format!(r#"{{"kty":"EC","kid":"a",{members},"x":"AA","y":"AA"}}"#);
        assert_eq!(refused(&jwk), Err(KeyError::Es512("`a`".to_owned())), "{members}");
    }
    // A key that agrees on keys or encrypts is none of ours.
    for members in [r#""alg":"ECDH-ES""#, r#""use":"enc""#] {
        let jwk = format!(r#"{{"kty":"EC","crv":"P-521",{members},"x":"AA","y":"AA"}}"#);
        assert_eq!(refused(&jwk), Err(KeyError::Empty), "{members}");
    }
    let token = forge(r#"{"alg":"ES512"}"#, "{}", SECRET.as_bytes());
    let verified = KeySet::from_secret(SECRET).verify(&token, &Policy::default(), NOW);
    assert!(matches!(verified.map(|_| ()), Err(E::Algorithm(_))));
}

#[test]
fn nothing_private_is_published() {
    let secret = json!({"kty": "oct", "kid": "hs", "alg": "HS256", "k": b64(SECRET)}).to_string();
    let all = set(&[RSA, &verify_only(EC), &verify_only(ED), &secret]);
    let jwks = KeySet::from_jwks_text(&all).unwrap().with_secret(SECRET.as_bytes()).jwks();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.iter().map(|key| key["kid"].as_str().unwrap()).collect::<Vec<_>>(), ["rsa", "ec", "ed"]);
    for key in keys {
        let key = key.as_object().unwrap();
        for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(!key.contains_key(member), "{member}");
        }
        assert_eq!((&key["use"], &key["key_ops"]), (&json!("sig"), &json!(["verify"])));
        assert!(key["alg"].is_string());
    }
    assert_eq!(KeySet::from_secret(SECRET).jwks(), json!({ "keys": [] }));
}

#[test]
fn the_kid_narrows_the_choice() {
    let other = json!({"kty": "oct", "kid": "other", "k": b64("other secret"), "alg": "HS256"}).to_string();
    let mine = json!({"kty": "oct", "kid": "mine", "k": b64(SECRET), "alg": "HS256"}).to_string();
    let keys = KeySet::from_jwks_text(&set(&[&other, &mine])).unwrap();
    let check = |header: &str, expected: Result<(), E>| {
        let token = forge(header, "{}", SECRET.as_bytes());
        assert_eq!(keys.verify(&token, &Policy::default(), NOW).map(|_| ()), expected, "{header}");
    };
    check(r#"{"alg":"HS256","kid":"mine"}"#, Ok(()));
    check(r#"{"alg":"HS256"}"#, Ok(()));
    check(r#"{"alg":"HS256","kid":null}"#, Ok(()));
    check(r#"{"alg":"HS256","kid":"other"}"#, Err(E::NoKey));
    check(r#"{"alg":"HS256","kid":"unknown"}"#, Err(E::NoKey));
    check(r#"{"alg":"HS384","kid":"mine"}"#, Err(E::NoKey));
}

#[test]
fn keys_that_share_a_kid_are_all_tried() {
    let first = json!({"kty": "oct", "kid": "same", "k": b64("another secret")}).to_string();
    let second = json!({"kty": "oct", "kid": "same", "k": b64(SECRET)}).to_string();
    let keys = KeySet::from_jwks_text(&set(&[&first, &second])).unwrap();
    let token = forge(r#"{"alg":"HS256","kid":"same"}"#, "{}", SECRET.as_bytes());
    assert!(keys.verify(&token, &Policy::default(), NOW).is_ok());
}

#[test]
fn the_plain_secret_verifies_what_no_other_key_claims() {
    let keys = KeySet::from_jwks_text(&set(&[EC])).unwrap().with_secret(SECRET.as_bytes());
    let strict = Policy { strict_kid: true, ..Policy::default() };
    let plain = forge(r#"{"alg":"HS256"}"#, "{}", SECRET.as_bytes());
    let foreign = forge(r#"{"alg":"HS256","kid":"gone"}"#, "{}", SECRET.as_bytes());
    let confused = forge(r#"{"alg":"HS256","kid":"ec"}"#, "{}", SECRET.as_bytes());
    assert!(keys.verify(&plain, &Policy::default(), NOW).is_ok());
    assert!(keys.verify(&plain, &strict, NOW).is_ok());
    assert!(keys.verify(&foreign, &Policy::default(), NOW).is_ok());
    assert_eq!(keys.verify(&foreign, &strict, NOW).map(|_| ()), Err(E::NoKey));
    assert_eq!(keys.verify(&confused, &Policy::default(), NOW).map(|_| ()), Err(E::NoKey));
    // The asymmetric key signs, the secret does not.
    assert_eq!(keys.signing_algorithm(), Some(Algorithm::ES256));
}

#[test]
fn verification_keys_of_others_do_not_sign() {
    let ours = KeySet::from_jwks_text(EC).unwrap();
    let theirs = KeySet::from_jwks_text(RSA).unwrap();
    let token = theirs.sign(&object(json!({}))).unwrap();
    assert!(ours.verify(&token, &Policy::default(), NOW).is_err());
    let both = ours.with_verification_keys(&theirs);
    assert!(both.verify(&token, &Policy::default(), NOW).is_ok());
    assert_eq!(both.signing_algorithm(), Some(Algorithm::ES256));
}

#[test]
fn jwt_secret_in_its_three_forms() {
    assert_eq!(KeySet::from_jwt_secret(b"short").map(|_| ()), Err(KeyError::TooShort));
    for secret in [SECRET.to_owned(), json!({"kty": "oct", "k": b64(SECRET)}).to_string()] {
        let keys = KeySet::from_jwt_secret(secret.as_bytes()).unwrap();
        let token = forge(r#"{"alg":"HS256"}"#, "{}", SECRET.as_bytes());
        assert!(keys.verify(&token, &Policy::default(), NOW).is_ok());
    }
    let binary = [0xff; 40];
    let token = forge(r#"{"alg":"HS256"}"#, "{}", &binary);
    assert!(KeySet::from_jwt_secret(&binary).unwrap().verify(&token, &Policy::default(), NOW).is_ok());
    let jwks = format!(r#"{{"keys":{}}}"#, set(&[EC, RSA]));
    assert_eq!(KeySet::from_jwt_secret(jwks.as_bytes()).unwrap().signing_algorithm(), None);
}

#[test]
fn keys_that_are_refused() {
    let check = |text: &str, expected: KeyError| {
        assert_eq!(KeySet::from_jwks_text(text).map(|_| ()), Err(expected), "{text}");
    };
    check("", KeyError::NotJwk);
    check("{}", KeyError::NotJwk);
    check("[1]", KeyError::NotJwk);
    check(r#"{"keys":[]}"#, KeyError::Empty);
    check(r#"[{"kty":"EC","crv":"secp256k1"},{"kty":"OKP","crv":"X25519"}]"#, KeyError::Empty);
    check(r#"[{"kty":"oct","k":"c2VjcmV0","use":"enc"}]"#, KeyError::Empty);
    check(r#"[{"kty":"oct","k":"c2VjcmV0","alg":"A256KW"}]"#, KeyError::Empty);
    check(r#"[{"kty":"oct"}]"#, KeyError::Missing("`oct`".to_owned(), "k"));
    check(r#"[{"kty":"oct","k":""}]"#, KeyError::Malformed("`oct`".to_owned(), "k"));
    check(r#"[{"kty":"oct","k":"!","kid":"a"}]"#, KeyError::Malformed("`a`".to_owned(), "k"));
    check(&EC.replace("ES256", "RS256"), KeyError::Malformed("`ec`".to_owned(), "alg"));
    check(&EC.replace("f83OJ", "f84OJ"), KeyError::Rejected("`ec`".to_owned()));
    check(&EC.replace("jpsQn", "jpsQo"), KeyError::Rejected("`ec`".to_owned()));
    check(&ED.replace("nWGxn", "nWGxo"), KeyError::Rejected("`ed`".to_owned()));
    check(&set(&[EC, ED]), KeyError::Signers(2));
    let mut public: Value = serde_json::from_str(EC).unwrap();
    public.as_object_mut().unwrap().remove("d");
    check(&public.to_string(), KeyError::NotPrivate("`ec`".to_owned()));
}

#[test]
fn generated_keys_work_and_differ() {
    let (one, two) = (generate::es256().unwrap(), generate::es256().unwrap());
    assert_ne!(one.expose(), two.expose());
    let keys = KeySet::from_jwks_text(one.expose()).unwrap();
    let token = keys.sign(&object(json!({ "role": "anon" }))).unwrap();
    assert!(keys.verify(&token, &Policy::default(), NOW).is_ok());
    assert!(KeySet::from_jwks_text(two.expose()).unwrap().verify(&token, &Policy::default(), NOW).is_err());
    assert_eq!(header(&token)["kid"].as_str().unwrap().len(), 36);
    assert_eq!(generate::secret().unwrap().expose().len(), 64);
}

#[test]
fn debug_shows_no_key() {
    let keys = KeySet::from_jwks_text(EC).unwrap().with_secret(SECRET.as_bytes());
    assert_eq!(format!("{keys:?}"), r#"KeySet { kids: ["ec"], secret: true }"#);
}
