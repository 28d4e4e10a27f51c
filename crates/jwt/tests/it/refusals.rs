//! Every row of PostgREST's table of refusals, and what attackers try.

use jwt::{KeySet, Policy};
use kernel::TokenError as E;
use proptest::prelude::*;
use serde_json::json;

use crate::material::{EC, ED, NOW, RSA, SECRET, b64, forge, keys, object, token};

fn refused(token: &str, expected: E) {
    assert_eq!(keys().verify(token, &Policy::default(), NOW).map(|_| ()), Err(expected), "{token}");
}

fn accepted(token: &str) {
    assert_eq!(keys().verify(token, &Policy::default(), NOW).map(|_| ()), Ok(()), "{token}");
}

#[test]
fn nothing_configured() {
    let result = KeySet::default().verify("", &Policy::default(), NOW);
    assert_eq!(result.map(|_| ()), Err(E::NoSecret));
}

#[test]
fn shape() {
    refused("", E::Empty);
    refused("a", E::Parts(1));
    refused("a.b", E::Parts(2));
    refused("a.b.c.d.e", E::Parts(5));
    refused("!.b.c", E::Undecodable);
    refused(&format!("{}.b.c", b64("not json")), E::Undecodable);
    refused(&format!("{}.b.c", b64("{}")), E::Undecodable);
    refused(&"a".repeat(70_000), E::Undecodable);
    refused("\u{e9}.\u{e9}.\u{e9}", E::Undecodable);
}

#[test]
fn a_truncated_or_changed_token_has_no_key() {
    let good = token(r#"{"role":"anon"}"#);
    accepted(&good);
    refused(&good[..good.len() - 1], E::NoKey);
    refused(&format!("{}.", good.rsplit_once('.').unwrap().0), E::NoKey);
    let parts: Vec<&str> = good.split('.').collect();
    let payload = b64(r#"{"role":"service_role"}"#);
    refused(&format!("{}.{payload}.{}", parts[0], parts[2]), E::NoKey);
    refused(&forge(r#"{"alg":"HS256"}"#, r#"{"role":"anon"}"#, b"another secret"), E::NoKey);
}

#[test]
fn the_signature_has_one_spelling() {
    let good = token(r#"{"role":"anon"}"#);
    refused(&format!("{good}="), E::NoKey);
    // 32 bytes leave two bits of the last character unused; setting one must not pass.
    let last = good.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    refused(&format!("{}{next}", &good[..good.len() - 1]), E::NoKey);
}

#[test]
fn unsecured_tokens() {
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = json!({ "alg": alg }).to_string();
        for signature in ["", "x"] {
            let text = format!("{}.{}.{signature}", b64(&header), b64(r#"{"role":"service_role"}"#));
            refused(&text, E::Algorithm("JWT is unsecured but expected 'alg' was not 'none'".to_owned()));
        }
    }
    let unknown = forge(r#"{"alg":"PS256"}"#, "{}", SECRET.as_bytes());
    assert!(matches!(
        keys().verify(&unknown, &Policy::default(), NOW).map(|_| ()),
        Err(E::Algorithm(text)) if !text.contains("PS256")
    ));
    refused(&forge(r#"{"alg":["HS256"]}"#, "{}", SECRET.as_bytes()), E::Undecodable);
    refused(&forge(r#"{"typ":"JWT"}"#, "{}", SECRET.as_bytes()), E::Undecodable);
}

#[test]
fn the_header_does_not_choose_the_algorithm() {
    // The public key as an HMAC secret: the classic confusion.
    for (jwk, alg) in [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")] {
        let asymmetric = KeySet::from_jwks_text(jwk).unwrap();
        let public = asymmetric.jwks()["keys"][0].to_string();
        let n = asymmetric.jwks()["keys"][0]["n"].as_str().unwrap_or("x").to_owned();
        for secret in [public.as_bytes(), n.as_bytes(), jwk.as_bytes(), b""] {
            let forged = forge(r#"{"alg":"HS256"}"#, r#"{"role":"service_role"}"#, secret);
            let result = asymmetric.verify(&forged, &Policy::default(), NOW).map(|_| ());
            assert_eq!(result, Err(E::NoKey), "{alg}");
        }
        // A right signature under a wrong name.
        let good = asymmetric.sign(&object(json!({ "role": "anon" }))).unwrap();
        let (_, rest) = good.split_once('.').unwrap();
        for other in ["HS256", "RS384", "ES384", "RS256", "ES256", "EdDSA"] {
            if other != alg {
                let renamed = format!("{}.{rest}", b64(json!({ "alg": other }).to_string()));
                assert!(asymmetric.verify(&renamed, &Policy::default(), NOW).is_err(), "{alg} as {other}");
            }
        }
    }
    // HS512 over the secret of an HS256 key.
    refused(&forge(r#"{"alg":"HS512"}"#, "{}", SECRET.as_bytes()), E::NoKey);
}

#[test]
fn extensions_and_encryption() {
    let sign = |header: &str| forge(header, "{}", SECRET.as_bytes());
    refused(&sign(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#), E::Kind);
    refused(&sign(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#), E::Kind);
    refused(&sign(r#"{"alg":"HS256","crit":[]}"#), E::Kind);
    refused(&sign(r#"{"alg":"dir","enc":"A256GCM"}"#), E::Kind);
    refused(&sign(r#"{"alg":"HS256","alg":"none"}"#), E::Undecodable);
    refused(&sign(r#"{"alg":"HS256","kid":"a","kid":"b"}"#), E::Undecodable);
    refused(&sign(r#"{"alg":"HS256","kid":7}"#), E::Undecodable);
    // Keys inside the token are not keys.
    let jwk = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": b64("mine")}, "jku": "http://127.0.0.1/"});
    refused(&forge(&jwk.to_string(), "{}", b"mine"), E::NoKey);
}

#[test]
fn payloads_that_are_no_claims() {
    for payload in ["", "[]", "1", "null", "\"x\"", "{", "{}x", r#"{"exp":1e999}"#] {
        refused(&token(payload), E::Claims);
    }
    refused(&token(&format!("{}{}", r#"{"a":"#.repeat(5000), "}".repeat(5000))), E::Claims);
    let header = b64(r#"{"alg":"HS256"}"#);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let message = format!("{header}.!!");
    let signature = b64(aws_lc_rs::hmac::sign(&key, message.as_bytes()));
    refused(&format!("{message}.{signature}"), E::Undecodable);
}

#[test]
fn times() {
    for name in ["exp", "nbf", "iat"] {
        for value in [json!("invalid"), json!(true), json!([1]), json!({})] {
            refused(&token(&json!({ name: value }).to_string()), E::NotANumber(name));
        }
    }
    refused(&token(r#"{"exp":null}"#), E::NotANumber("exp"));
    accepted(&token(r#"{"nbf":null,"iat":null}"#));
    accepted(&token("{}"));

    accepted(&token(&json!({ "exp": NOW - 30 }).to_string()));
    refused(&token(&json!({ "exp": NOW - 31 }).to_string()), E::Expired);
    accepted(&token(&json!({ "nbf": NOW + 30 }).to_string()));
    refused(&token(&json!({ "nbf": NOW + 31 }).to_string()), E::NotYetValid);
    accepted(&token(&json!({ "iat": NOW + 30 }).to_string()));
    refused(&token(&json!({ "iat": NOW + 31 }).to_string()), E::IssuedInFuture);
}

#[test]
fn times_that_are_no_whole_seconds() {
    accepted(&token(&format!(r#"{{"exp":{NOW}.5}}"#)));
    refused(&token(&format!(r#"{{"exp":{}.9}}"#, NOW - 31)), E::Expired);
    accepted(&token(r#"{"exp":1e300}"#));
    accepted(&token(r#"{"exp":18446744073709551615}"#));
    refused(&token(r#"{"exp":-1e300}"#), E::Expired);
    refused(&token(r#"{"nbf":1e300}"#), E::NotYetValid);
    for now in [i64::MIN, i64::MAX] {
        let _ = keys().verify(&token(r#"{"exp":0,"nbf":0}"#), &Policy::default(), now);
    }
}

#[test]
fn the_first_failure_is_told() {
    refused(&token(r#"{"exp":1,"nbf":"x","iat":"x","aud":1}"#), E::Expired);
    refused(&token(r#"{"nbf":"x","iat":"x","aud":1}"#), E::NotANumber("nbf"));
    refused(&token(&json!({ "iat": NOW + 99, "aud": 1 }).to_string()), E::IssuedInFuture);
}

#[test]
fn audiences() {
    let with = Policy { audience: Some("mine".to_owned()), ..Policy::default() };
    let check = |aud: &str, without: Result<(), E>, with_expected: Result<(), E>| {
        let token = token(&format!(r#"{{"aud":{aud}}}"#));
        assert_eq!(keys().verify(&token, &Policy::default(), NOW).map(|_| ()), without, "{aud}");
        assert_eq!(keys().verify(&token, &with, NOW).map(|_| ()), with_expected, "{aud}");
    };
    check(r#""mine""#, Ok(()), Ok(()));
    check(r#""other""#, Ok(()), Err(E::Audience));
    check(r#""""#, Ok(()), Err(E::Audience));
    check(r#"["other","mine"]"#, Ok(()), Ok(()));
    check(r#"["other"]"#, Ok(()), Err(E::Audience));
    check("[]", Ok(()), Ok(()));
    check("null", Ok(()), Ok(()));
    for shape in ["1", "{\"a\":1}", "[1]", r#"[{"a":1},"mine"]"#] {
        check(shape, Err(E::AudienceShape), Err(E::AudienceShape));
    }
    assert!(keys().verify(&token("{}"), &with, NOW).is_ok());
}

#[test]
fn roles() {
    let role = |payload: &str| {
        keys().verify(&token(payload), &Policy::default(), NOW).map(|v| v.role().map(ToString::to_string))
    };
    assert_eq!(role(r#"{"role":"anon"}"#), Ok(Some("anon".to_owned())));
    assert_eq!(role("{}"), Ok(None));
    assert_eq!(role(r#"{"role":7}"#), Ok(Some("7".to_owned())));
    // No role of Postgres, and none that a C string would turn into one.
    assert_eq!(role(r#"{"role":""}"#), Err(E::Claims));
    assert_eq!(role(r#"{"role":"none"}"#), Err(E::Claims));
    assert_eq!(role(r#"{"role":"service_role\u0000x"}"#), Err(E::Claims));
    assert_eq!(role(r#"{"role":"service_role\n"}"#), Err(E::Claims));
}

#[test]
fn a_token_without_a_role_acts_as_anonymous_or_not_at_all() {
    let verified = keys().verify(&token(r#"{"sub":"x"}"#), &Policy::default(), NOW).unwrap();
    assert_eq!(verified.identity(None).map(|_| ()), Err(E::NoRole));
    let anon = kernel::RoleName::parse("anon").unwrap();
    let identity = verified.identity(Some(&anon)).unwrap();
    assert_eq!(identity.role, anon);
    assert_eq!(identity.claims.text(), r#"{"role":"anon","sub":"x"}"#);
}

#[test]
fn nul_anywhere_in_the_claims() {
    for payload in [
        r#"{"sub":"a\u0000"}"#,
        r#"{"a\u0000":1}"#,
        r#"{"app_metadata":{"roles":["x",{"y\u0000":1}]}}"#,
        r#"{"app_metadata":{"roles":["x\u0000"]}}"#,
    ] {
        refused(&token(payload), E::Claims);
    }
}

proptest! {
    #[test]
    fn no_text_panics_or_passes(text in r"\PC{0,200}|[A-Za-z0-9_.=-]{0,200}") {
        prop_assert!(keys().verify(&text, &Policy::default(), NOW).is_err());
    }

    #[test]
    fn no_header_or_payload_panics(header in r"\PC{0,60}", payload in r"\PC{0,60}") {
        let _ = keys().verify(&forge(&header, &payload, SECRET.as_bytes()), &Policy::default(), NOW);
    }

    #[test]
    fn one_changed_byte_is_enough(position in 0usize..70, byte in any::<u8>()) {
        let good = token(r#"{"role":"anon"}"#);
        let mut bytes = good.clone().into_bytes();
        let position = position % bytes.len();
        bytes[position] = byte;
        if let Ok(changed) = String::from_utf8(bytes)
            && changed != good
        {
            prop_assert!(keys().verify(&changed, &Policy::default(), NOW).is_err());
        }
    }
}
