//! Successful answers that several endpoints give.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::session::Grant;
use crate::user::User;

/// `200 {}`, the answer of endpoints that say nothing on purpose.
pub(crate) fn nothing() -> HttpResponse {
    HttpResponse::Ok().json(json!({}))
}

/// A message on its way, with its id if it has one.
pub(crate) fn message(id: Option<String>) -> HttpResponse {
    match id {
        Some(id) => HttpResponse::Ok().json(json!({ "message_id": id })),
        None => nothing(),
    }
}

/// An account.
pub(crate) fn user(user: &User) -> HttpResponse {
    HttpResponse::Ok().json(user.view())
}

/// A session.
pub(crate) fn session(grant: &Grant) -> HttpResponse {
    let mut body = json!({
        "access_token": grant.access_token,
        "token_type": "bearer",
        "expires_in": grant.expires_in,
        "expires_at": grant.expires_at,
        "refresh_token": grant.refresh_token,
        "user": grant.user.view(),
    });
    for (key, token) in
        [("provider_token", &grant.provider_token), ("provider_refresh_token", &grant.provider_refresh_token)]
    {
        if let Some(token) = token {
            body[key] = Value::from(token.as_str());
        }
    }
    if let Some(weakness) = &grant.weak_password {
        body["weak_password"] = json!(weakness);
    }
    let mut response = HttpResponse::Ok();
    note_session(&mut response, grant);
    response.json(body)
}

/// Says for operators which session it is about.
pub(crate) fn note_session(response: &mut HttpResponseBuilder, grant: &Grant) {
    response.insert_header(("sb-auth-user-id", grant.user.id.to_string()));
    response.insert_header(("sb-auth-session-id", grant.session_id.to_string()));
    if let Some(counter) = grant.counter {
        response.insert_header(("sb-auth-refresh-token-counter", counter.to_string()));
    } else if let Some(prefix) = grant.refresh_token.get(..5) {
        response.insert_header(("sb-auth-refresh-token-prefix", prefix.to_owned()));
    }
    if let Some(causes) = &grant.reuse {
        response.insert_header(("sb-auth-refresh-token-reuse", "true"));
        response.insert_header(("sb-auth-refresh-token-reuse-cause", causes.join(",")));
    }
}

/// The session for a browser that follows a link: in the fragment, which no server sees.
pub(crate) fn session_fragment(grant: &Grant, kind: &str) -> Vec<(&'static str, String)> {
    vec![
        ("access_token", grant.access_token.clone()),
        ("expires_at", grant.expires_at.to_string()),
        ("expires_in", grant.expires_in.to_string()),
        ("refresh_token", grant.refresh_token.clone()),
        ("sb", String::new()),
        ("token_type", "bearer".to_owned()),
        ("type", kind.to_owned()),
    ]
}

/// Sends the browser to `target` with more query parameters and a fragment. `sb` in the fragment
/// tells clients our redirects from others'.
pub(crate) fn redirect(
    target: &str,
    query: &[(&'static str, String)],
    fragment: &[(&'static str, String)],
) -> HttpResponse {
    let (target, kept) = target.split_once('#').map_or((target, ""), |(target, kept)| (target, kept));
    let (path, mut pairs) = match target.split_once('?') {
        Some((path, text)) if !query.is_empty() => {
            let named = |key: &str| query.iter().any(|(name, _)| *name == key);
            let pairs = form_urlencoded::parse(text.as_bytes()).into_owned();
            (path, pairs.filter(|(key, _)| !named(key)).collect::<Vec<_>>())
        }
        _ => (target, Vec::new()),
    };
    pairs.extend(query.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let mut location = path.to_owned();
    if !pairs.is_empty() {
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        location = format!("{location}?{}", encode(&pairs));
    }
    if !fragment.is_empty() {
        let mut pairs: Vec<_> =
            fragment.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        location = format!("{location}#{}", encode(&pairs));
    } else if !kept.is_empty() {
        location = format!("{location}#{kept}");
    }
    HttpResponse::SeeOther().insert_header((LOCATION, location)).finish()
}

fn encode(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects() {
        let check = |target: &str,
                     query: &[(&'static str, String)],
                     fragment: &[(&'static str, String)],
                     to: &str| {
            let response = redirect(target, query, fragment);
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            assert_eq!(location, Some(to));
        };
        let code = [("code", "a b".to_owned())];
        let error = [("sb", String::new()), ("error_code", "otp_expired".to_owned())];
        check("https://a.test/x?y=1", &code, &[], "https://a.test/x?code=a+b&y=1");
        check("https://a.test/x?code=old", &code, &[], "https://a.test/x?code=a+b");
        check("https://a.test/x?y=%20#z", &[], &error, "https://a.test/x?y=%20#error_code=otp_expired&sb=");
        check("myapp://callback", &[], &error, "myapp://callback#error_code=otp_expired&sb=");
    }
}
