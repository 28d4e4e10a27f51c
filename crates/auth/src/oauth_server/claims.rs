//! What an application learns of an account: in the ID token, and at `/oauth/userinfo`.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Scope, Scopes};
use crate::user::User;

/// How long an ID token is good for.
const ID_TOKEN_LIFE: TimeDelta = TimeDelta::hours(1);

type Claims = Map<String, Value>;

/// Of whom an ID token speaks, to whom, and since when they are known.
pub(crate) struct About<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) user: &'a User,
    pub(crate) client_id: Uuid,
    pub(crate) scopes: &'a Scopes,
    pub(crate) nonce: Option<&'a str>,
    /// When the user last proved who they are.
    pub(crate) signed_in_at: DateTime<Utc>,
}

/// What an ID token says.
pub(crate) fn id_token(about: &About<'_>, now: DateTime<Utc>) -> Claims {
    let About { issuer, user, client_id, scopes, nonce, signed_in_at } = about;
    let mut claims = profile(user, scopes);
    claims.insert("iss".to_owned(), json!(issuer));
    claims.insert("sub".to_owned(), json!(user.id));
    claims.insert("aud".to_owned(), json!(client_id));
    claims.insert("client_id".to_owned(), json!(client_id));
    claims.insert("exp".to_owned(), json!((now + ID_TOKEN_LIFE).timestamp()));
    claims.insert("iat".to_owned(), json!(now.timestamp()));
    claims.insert("auth_time".to_owned(), json!(signed_in_at.timestamp()));
    if let Some(nonce) = nonce.filter(|nonce| !nonce.is_empty()) {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    let email_verified = scopes.has(Scope::Email) && user.email_confirmed_at.is_some();
    claims.insert("email_verified".to_owned(), json!(email_verified));
    let phone_verified = scopes.has(Scope::Phone) && user.phone_confirmed_at.is_some();
    claims.insert("phone_number_verified".to_owned(), json!(phone_verified));
    if scopes.has(Scope::Email) {
        say(&mut claims, "email", &user.email);
    }
    if scopes.has(Scope::Phone) {
        say(&mut claims, "phone_number", &user.phone);
    }
    claims
}

/// What is answered to who asks with an access token.
pub(crate) fn user_info(user: &User, scopes: &Scopes) -> Claims {
    let mut claims = profile(user, scopes);
    claims.insert("sub".to_owned(), json!(user.id));
    if scopes.has(Scope::Email) {
        say(&mut claims, "email", &user.email);
        if user.email_confirmed_at.is_some() {
            claims.insert("email_verified".to_owned(), json!(true));
        }
    }
    if scopes.has(Scope::Profile) {
        claims.insert("user_metadata".to_owned(), json!(user.user_metadata));
    }
    if scopes.has(Scope::Phone) {
        say(&mut claims, "phone", &user.phone);
        if user.phone_confirmed_at.is_some() {
            claims.insert("phone_verified".to_owned(), json!(true));
        }
    }
    claims
}

/// Name, picture and the like, which the user said of themselves.
fn profile(user: &User, scopes: &Scopes) -> Claims {
    let mut claims = Claims::new();
    if !scopes.has(Scope::Profile) {
        return claims;
    }
    let said = |names: &[&str]| {
        let texts = names.iter().filter_map(|name| user.user_metadata.get(*name).and_then(Value::as_str));
        texts.into_iter().find(|text| !text.is_empty())
    };
    say(&mut claims, "name", said(&["name"]).unwrap_or(&user.email));
    say(&mut claims, "picture", said(&["picture", "avatar_url"]).unwrap_or_default());
    say(&mut claims, "preferred_username", said(&["preferred_username", "username"]).unwrap_or_default());
    if user.updated_at.timestamp() > 0 {
        claims.insert("updated_at".to_owned(), json!(user.updated_at.timestamp()));
    }
    claims
}

fn say(claims: &mut Claims, name: &str, text: &str) {
    if !text.is_empty() {
        claims.insert(name.to_owned(), json!(text));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn jane() -> User {
        let metadata = json!({ "name": "", "avatar_url": "https://a.test/j.png", "username": "jane" });
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        User {
            email: "jane@example.com".to_owned(),
            phone: "15550100".to_owned(),
            email_confirmed_at: Some(at(5)),
            updated_at: at(10),
            user_metadata: metadata.as_object().unwrap().clone(),
            ..User::default()
        }
    }

    #[test]
    fn what_an_id_token_says() {
        let check = |scopes: &str, nonce: Option<&str>, more: Value| {
            let about = About {
                issuer: "https://api.test/auth/v1",
                user: &jane(),
                client_id: Uuid::max(),
                scopes: &Scopes::stored(scopes),
                nonce,
                signed_in_at: DateTime::from_timestamp(70, 0).unwrap(),
            };
            let mut expected = json!({ "iss": "https://api.test/auth/v1", "sub": Uuid::nil(), "aud": Uuid::max(),
                "client_id": Uuid::max(), "iat": 100, "exp": 3700, "auth_time": 70, "email_verified": false,
                "phone_number_verified": false });
            for (key, value) in more.as_object().unwrap() {
                expected[key] = value.clone();
            }
            let claims = id_token(&about, DateTime::from_timestamp(100, 0).unwrap());
            assert_eq!(Value::Object(claims), expected, "{scopes}");
        };
        check("openid", None, json!({}));
        check(
            "openid email",
            Some("n"),
            json!({ "nonce": "n", "email": "jane@example.com", "email_verified": true }),
        );
        check("openid phone", Some(""), json!({ "phone_number": "15550100" }));
        check(
            "openid profile",
            None,
            json!({ "name": "jane@example.com", "picture": "https://a.test/j.png", "preferred_username": "jane",
                "updated_at": 10 }),
        );
    }

    #[test]
    fn what_is_answered() {
        let check = |scopes: &str, mut expected: Value| {
            expected["sub"] = json!(Uuid::nil());
            assert_eq!(Value::Object(user_info(&jane(), &Scopes::stored(scopes))), expected, "{scopes}");
        };
        check("", json!({}));
        check("openid offline_access", json!({}));
        check("email", json!({ "email": "jane@example.com", "email_verified": true }));
        check("phone", json!({ "phone": "15550100" }));
        check(
            "profile",
            json!({ "name": "jane@example.com", "picture": "https://a.test/j.png", "preferred_username": "jane",
                "updated_at": 10, "user_metadata": jane().user_metadata }),
        );
    }
}
