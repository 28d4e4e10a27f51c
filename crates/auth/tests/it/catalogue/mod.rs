//! The catalogue of errors: what clients match on, in both versions of the API.
//!
//! One module per theme, each with the codes it shows. Together they show every code there is.

mod account;
mod custom;
mod external;
mod factors;
mod hooks;
mod limits;
mod oauth_server;
mod requests;
#[cfg(feature = "saml")]
mod saml;
mod sign_in;
mod web3;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use actix_web::http::Method;
use actix_web::test::TestRequest;
use auth::Code;
use serde_json::{Value, json};
use url::Url;

use crate::harness::{Answer, Api, request};

/// Codes of Supabase Auth that are never given here, and why.
const NEVER: [(&str, &str); 3] = [
    ("sms_send_failed", "messages leave after the answer, and are tried again"),
    ("email_address_not_provided", "Supabase Auth has it and never gives it"),
    ("webauthn_credential_not_found", "Supabase Auth has it and never gives it"),
];

const NOBODY: &str = "11111111-1111-4111-8111-111111111111";
const HEADER: &str = "x-supabase-api-version";
const NEWER: &str = "2024-01-01";

#[test]
fn every_code_is_shown() {
    let themes = [
        account::CODES,
        custom::CODES,
        external::CODES,
        factors::CODES,
        hooks::CODES,
        limits::CODES,
        oauth_server::CODES,
        requests::CODES,
        #[cfg(feature = "saml")]
        saml::CODES,
        sign_in::CODES,
        web3::CODES,
    ];
    let shown: BTreeSet<&str> = themes.iter().flat_map(|codes| codes.split_whitespace()).collect();
    let is_built =
        |code: &&str| cfg!(feature = "saml") || !(code.starts_with("saml_") || code.starts_with("sso_"));
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.text()).filter(is_built).collect();
    assert_eq!(known.difference(&shown).collect::<Vec<_>>(), [&""; 0], "codes that no theme shows");
    assert!(shown.is_subset(&known));
    for (code, reason) in NEVER {
        assert!(Code::ALL.iter().all(|known| known.text() != code), "{code} is given now: {reason}");
    }
}

/// Asks in one version of the API and notes what is not as it should be.
pub struct Catalogue {
    version: &'static str,
    seen: RefCell<BTreeSet<String>>,
    wrong: RefCell<Vec<String>>,
}

impl Catalogue {
    /// The message may go on where it ends with `…`.
    async fn check(&self, api: &Api, ask: TestRequest, status: u16, code: &str, message: &str) -> Answer {
        let answer = api.send(ask.insert_header((HEADER, self.version))).await;
        let newer = self.version == NEWER;
        let [code_at, message_at] = if newer { ["code", "message"] } else { ["error_code", "msg"] };
        let said = answer.body[message_at].as_str().unwrap_or_default();
        let worded = match message.strip_suffix('…') {
            Some(begin) => said.starts_with(begin),
            None => said == message,
        };
        let shaped = if newer {
            answer.header(HEADER) == NEWER && answer.body.get("error_code").is_none()
        } else {
            answer.body["code"] == status && answer.header(HEADER).is_empty()
        };
        let coded = answer.body[code_at] == code && answer.header("x-sb-error-code") == code;
        if !(answer.status == status && coded && worded && shaped) {
            self.note(&format!("{status} {code} {message:?}"), &answer);
        }
        self.seen.borrow_mut().insert(code.to_owned());
        answer
    }

    /// An error that a browser takes along to the application: the same in both versions.
    async fn carried(
        &self,
        api: &Api,
        ask: TestRequest,
        error: &str,
        code: &str,
        description: &str,
    ) -> Answer {
        let answer = api.send(ask.insert_header((HEADER, self.version))).await;
        let told = parameters(answer.header("location"));
        let expected = [("error", error), ("error_code", code), ("error_description", description)];
        let is_told = expected.iter().all(|(key, value)| told.get(*key).is_some_and(|told| told == value));
        if !(matches!(answer.status, 302 | 303) && is_told) {
            self.note(&format!("{error} {code} {description:?}"), &answer);
        }
        self.seen.borrow_mut().insert(code.to_owned());
        answer
    }

    /// A refusal in the words of OAuth, which knows no versions and none of our codes.
    async fn standard(&self, api: &Api, ask: TestRequest, error: &str, description: &str) {
        let answer = api.send(ask.insert_header((HEADER, self.version))).await;
        let expected = json!({ "error": error, "error_description": description });
        let is_bare = answer.header("x-sb-error-code").is_empty();
        if !(answer.status == 400 && answer.body == expected && is_bare) {
            self.note(&expected.to_string(), &answer);
        }
    }

    fn note(&self, expected: &str, answer: &Answer) {
        self.wrong.borrow_mut().push(format!(
            "expected {expected}, got {} {} {} (version {:?})",
            answer.status,
            answer.text.get(..300).unwrap_or(&answer.text),
            answer.header("location"),
            self.version
        ));
    }
}

/// Shows a theme in both versions. It has to show these codes, and no others.
async fn both(codes: &str, theme: impl AsyncFn(&Catalogue)) {
    for version in ["", NEWER] {
        let catalogue = Catalogue { version, seen: RefCell::default(), wrong: RefCell::default() };
        theme(&catalogue).await;
        let wrong = catalogue.wrong.into_inner();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let known: BTreeSet<String> = codes.split_whitespace().map(str::to_owned).collect();
        assert_eq!(catalogue.seen.into_inner(), known);
    }
}

/// The parameters of an address.
fn parameters(url: &str) -> HashMap<String, String> {
    Url::parse(url).map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

fn get(path: &str, token: &str) -> TestRequest {
    request(Method::GET, path, token)
}

fn post(path: &str, token: &str, body: Value) -> TestRequest {
    request(Method::POST, path, token).set_json(body)
}

fn put(path: &str, token: &str, body: Value) -> TestRequest {
    request(Method::PUT, path, token).set_json(body)
}

fn delete(path: &str, token: &str) -> TestRequest {
    request(Method::DELETE, path, token)
}

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}
