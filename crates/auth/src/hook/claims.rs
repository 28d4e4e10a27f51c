//! What the claims of an access token must hold whatever a hook made of them: clients and policies
//! depend on it. The rules and the texts are those of upstream's schema.

use serde_json::{Map, Value};

const REQUIRED: [&str; 10] =
    ["aud", "exp", "iat", "sub", "email", "phone", "role", "aal", "session_id", "is_anonymous"];

/// Claims whose type is given, with the types they may have.
const TYPED: [(&str, &[&str]); 16] = [
    ("aud", &["string", "array"]),
    ("exp", &["integer"]),
    ("jti", &["string"]),
    ("iat", &["integer"]),
    ("iss", &["string"]),
    ("nbf", &["integer"]),
    ("sub", &["string"]),
    ("email", &["string"]),
    ("phone", &["string"]),
    ("app_metadata", &["object"]),
    ("user_metadata", &["object"]),
    ("role", &["string"]),
    ("aal", &["string"]),
    ("amr", &["array"]),
    ("session_id", &["string"]),
    ("client_id", &["string"]),
];

/// The claims, with whole numbers as such.
///
/// # Errors
///
/// What is wrong with them, a line each.
pub(super) fn check(claims: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(mut claims) = claims else {
        return Err(format!("- (root): {}\n", wrong_type(&["object"], &claims)));
    };
    let mut found = String::new();
    for name in REQUIRED.iter().filter(|name| !claims.contains_key(**name)) {
        found += &format!("- (root): {name} is required\n");
    }
    for (name, types) in TYPED {
        let Some(value) = claims.get_mut(name) else { continue };
        if types == ["integer"]
            && let Some(whole) = whole(value)
        {
            *value = whole.into();
        }
        if !types.contains(&type_of(value)) {
            found += &format!("- {name}: {}\n", wrong_type(types, value));
        }
    }
    let methods = claims.get("amr").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (nth, method) in methods.filter(|(_, method)| !method.is_string() && !method.is_object()) {
        found += &format!("- amr.{nth}: Must validate at least one schema (anyOf)\n");
        found += &format!("- amr.{nth}: {}\n", wrong_type(&["string"], method));
    }
    if found.is_empty() { Ok(claims) } else { Err(found) }
}

fn wrong_type(types: &[&str], value: &Value) -> String {
    format!("Invalid type. Expected: {}, given: {}", types.join(","), type_of(value))
}

/// The whole number that is written with a point or exponent.
fn whole(value: &Value) -> Option<i64> {
    let number = value.as_f64().filter(|_| value.is_f64())?;
    // Whatever is a moment in seconds is far below.
    let fits = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    fits.then_some(number as i64)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "aud": "authenticated", "exp": 2, "iat": 1, "sub": "s", "email": "", "phone": "",
            "role": "authenticated", "aal": "aal1", "session_id": "i", "is_anonymous": false,
            "amr": [{ "method": "password", "timestamp": 1 }, "otp"], "mine": { "any": [1, null] },
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    #[test]
    fn what_may_be_claimed() {
        assert_eq!(check(good()).map(Value::Object), Ok(good()));
        for (name, value) in
            [("aud", json!(["a", "b"])), ("role", json!("anything")), ("is_anonymous", json!("false"))]
        {
            assert!(check(with(name, value)).is_ok(), "{name}");
        }
        let whole = check(with("exp", json!(1.8e9)));
        assert_eq!(whole.map(|claims| claims.get("exp").cloned()), Ok(Some(json!(1_800_000_000))));
    }

    #[test]
    fn what_may_not() {
        let missing = "- (root): aud is required\n- (root): exp is required\n- (root): iat is required\n\
                       - (root): sub is required\n- (root): email is required\n- (root): phone is required\n\
                       - (root): role is required\n- (root): aal is required\n\
                       - (root): session_id is required\n- (root): is_anonymous is required\n";
        for (claims, text) in [
            (json!({}), missing),
            (json!(null), "- (root): Invalid type. Expected: object, given: null\n"),
            (with("exp", json!("2")), "- exp: Invalid type. Expected: integer, given: string\n"),
            (with("exp", json!(2.5)), "- exp: Invalid type. Expected: integer, given: number\n"),
            (with("aud", json!(1)), "- aud: Invalid type. Expected: string,array, given: integer\n"),
            (with("role", json!(null)), "- role: Invalid type. Expected: string, given: null\n"),
            (
                with("app_metadata", json!([])),
                "- app_metadata: Invalid type. Expected: object, given: array\n",
            ),
            (
                with("amr", json!(["a", 1])),
                "- amr.1: Must validate at least one schema (anyOf)\n- amr.1: Invalid type. Expected: string, \
                 given: integer\n",
            ),
        ] {
            assert_eq!(check(claims), Err(text.to_owned()));
        }
    }
}
