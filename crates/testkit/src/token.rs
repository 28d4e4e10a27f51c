//! Tokens as the product mints them.

use std::time::SystemTime;

use serde_json::{Map, Value};

/// A token signed with `secret` (HS256), with `claims`, a JSON object. `exp` is an hour ahead unless it is among them.
pub fn token(secret: &str, claims: &str) -> String {
    let mut claims: Map<String, Value> = serde_json::from_str(claims).expect("claims are a JSON object");
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    claims.entry("exp").or_insert_with(|| (now + 3600).into());
    jwt::KeySet::from_secret(secret).sign(&claims).expect("claims can be signed")
}

/// A token of the user with this id.
pub fn user_token(secret: &str, id: &str) -> String {
    let claims = serde_json::json!({ "sub": id, "role": "authenticated", "aud": "authenticated" });
    token(secret, &claims.to_string())
}
