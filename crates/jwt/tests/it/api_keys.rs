//! Opaque and legacy API keys.

use jwt::api_key::{self, Kind, UnknownKey};
use jwt::{ApiKeys, KeySet, Policy, Verifier, generate};
use kernel::{RoleName, Secret};
use serde_json::json;

use crate::material::{NOW, SECRET, object};

fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

fn verifier() -> Verifier {
    let keys = KeySet::from_jwks_text(generate::es256().unwrap().expose()).unwrap();
    Verifier::new(keys.with_secret(SECRET.as_bytes()), Policy::default(), 10)
}

#[test]
fn the_format_is_upstreams() {
    for (key, prefix, length) in [
        (api_key::publishable().unwrap(), "sb_publishable_", 46),
        (api_key::secret().unwrap(), "sb_secret_", 41),
    ] {
        assert!(key.expose().starts_with(prefix));
        assert_eq!(key.expose().len(), length);
    }
    assert_ne!(api_key::secret().unwrap().expose(), api_key::secret().unwrap().expose());
}

#[test]
fn opaque_keys_act_as_their_role() {
    let publishable = api_key::publishable().unwrap();
    let secret = api_key::secret().unwrap();
    // The command line tool's fixed key: its checksum is of another project.
    let configured = Secret::new("sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH");
    let keys = ApiKeys::new(true)
        .with(&publishable, Kind::Publishable, &role("anon"), NOW)
        .with(&secret, Kind::Secret, &role("service_role"), NOW)
        .with(&configured, Kind::Publishable, &role("anon"), NOW)
        .with(&Secret::default(), Kind::Secret, &role("service_role"), NOW);
    let verifier = verifier();
    let resolve =
        |key: &str| keys.resolve(key, &verifier, NOW).map(|r| (r.identity.role.to_string(), r.kind));
    assert_eq!(resolve(publishable.expose()), Ok(("anon".to_owned(), Kind::Publishable)));
    assert_eq!(resolve(secret.expose()), Ok(("service_role".to_owned(), Kind::Secret)));
    assert_eq!(resolve(configured.expose()), Ok(("anon".to_owned(), Kind::Publishable)));
    for key in ["", "sb_secret_", api_key::secret().unwrap().expose(), &secret.expose()[..40]] {
        assert_eq!(resolve(key), Err(UnknownKey), "{key}");
    }
    let identity = keys.resolve(secret.expose(), &verifier, NOW).unwrap().identity;
    assert_eq!(
        identity.claims.text(),
        json!({"exp": NOW + 315_360_000, "iat": NOW, "iss": "supabase", "role": "service_role"}).to_string()
    );
    assert!(!format!("{keys:?}").contains("sb_"));
}

#[test]
fn legacy_keys_are_tokens_of_two_roles() {
    let keys = ApiKeys::new(true);
    let verifier = verifier();
    let resolve =
        |key: &str, now| keys.resolve(key, &verifier, now).map(|r| (r.identity.role.to_string(), r.kind));
    for name in ["anon", "service_role"] {
        let key = api_key::mint_legacy(SECRET, name, NOW, NOW + 100).unwrap();
        assert_eq!(resolve(key.expose(), NOW), Ok((name.to_owned(), Kind::Legacy)));
        assert_eq!(resolve(key.expose(), NOW + 131), Err(UnknownKey));
        let off = ApiKeys::new(false);
        assert!(off.resolve(key.expose(), &verifier, NOW).is_err());
    }
    for name in ["authenticated", "postgres", "supabase_admin"] {
        let key = api_key::mint_legacy(SECRET, name, NOW, NOW + 100).unwrap();
        assert_eq!(resolve(key.expose(), NOW), Err(UnknownKey), "{name}");
    }
    let forged = api_key::mint_legacy("another secret", "service_role", NOW, NOW + 100).unwrap();
    assert_eq!(resolve(forged.expose(), NOW), Err(UnknownKey));
    // The asymmetric form of the same keys.
    let signed = verifier.keys().sign(&object(json!({ "role": "anon", "exp": NOW + 100 }))).unwrap();
    assert_eq!(resolve(&signed, NOW), Ok(("anon".to_owned(), Kind::Legacy)));
}
