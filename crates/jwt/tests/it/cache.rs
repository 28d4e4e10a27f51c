//! A verifier remembers signatures and nothing else.

use std::sync::Arc;

use jwt::{Policy, Verifier};
use kernel::TokenError as E;
use serde_json::json;

use crate::material::{NOW, keys, token};

#[test]
fn a_known_token_is_the_same_object_and_still_expires() {
    let verifier = Verifier::new(keys(), Policy::default(), 2);
    let token = token(&json!({ "role": "anon", "exp": NOW }).to_string());
    let first = verifier.verify(&token, NOW).unwrap();
    let second = verifier.verify(&token, NOW).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&first.identity(None).unwrap(), &second.identity(None).unwrap()));
    assert_eq!(verifier.verify(&token, NOW + 31).map(|_| ()), Err(E::Expired));
    assert!(verifier.verify(&token, NOW).is_ok());
}

#[test]
fn the_oldest_goes_first() {
    let verifier = Verifier::new(keys(), Policy::default(), 2);
    let tokens: Vec<String> = (0..3).map(|i| token(&json!({ "role": "anon", "i": i }).to_string())).collect();
    let first = verifier.verify(&tokens[0], NOW).unwrap();
    for token in &tokens[1..] {
        verifier.verify(token, NOW).unwrap();
    }
    assert!(!Arc::ptr_eq(&first, &verifier.verify(&tokens[0], NOW).unwrap()));
}

#[test]
fn zero_entries_remember_nothing() {
    let verifier = Verifier::new(keys(), Policy::default(), 0);
    let token = token(r#"{"role":"anon"}"#);
    assert!(!Arc::ptr_eq(&verifier.verify(&token, NOW).unwrap(), &verifier.verify(&token, NOW).unwrap()));
}

#[test]
fn refusals_are_refused_again() {
    let verifier = Verifier::new(keys(), Policy::default(), 2);
    for _ in 0..2 {
        assert_eq!(verifier.verify("a.b", NOW).map(|_| ()), Err(E::Parts(2)));
        assert_eq!(verifier.verify(&token(r#"{"exp":1}"#), NOW).map(|_| ()), Err(E::Expired));
    }
}
