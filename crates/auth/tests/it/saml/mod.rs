//! Single sign-on by SAML, with documents that `xmlsec1` signed.

mod admin;
mod fetch;
mod hostile;
pub mod idp;
mod metadata;
mod scim;
mod sign_in;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io::Read;

use actix_web::http::Method;
use auth::{Config, SamlConfig};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use flate2::read::DeflateDecoder;
use kernel::Secret;
use serde_json::{Value, json};
use url::Url;

use crate::harness::{Answer, Api, open, request};
use crate::log::Log;

use self::idp::encoded;

const SITE: &str = "http://127.0.0.1:3000";

/// Settings under which SAML is on, and nothing is counted.
pub fn with_saml() -> Config {
    let mut config = open();
    config.saml = SamlConfig {
        enabled: true,
        private_key: Secret::new(idp::private_key("ours")),
        ..SamlConfig::default()
    };
    config.rate_limit.sso = 10_000;
    config.rate_limit.saml_assertion = 10_000;
    config
}

/// A service and one identity provider, of `corp.test`.
pub struct Scene {
    pub api: Api,
    pub admin: String,
    pub provider: String,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(with_saml(), json!({})).await
    }

    /// With these settings, and these things said of the provider besides.
    pub async fn with(config: Config, more: Value) -> Self {
        let api = Api::start(config).await;
        let admin = api.service_role();
        let mut wish = json!({ "type": "saml", "metadata_xml": idp::metadata(idp::ENTITY, "idp"),
            "domains": ["corp.test"] });
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = api.post_as(&admin, "/admin/sso/providers", wish).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let provider = answer.body["id"].as_str().unwrap().to_owned();
        Self { api, admin, provider }
    }

    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.api.clock.unix(), 0).unwrap()
    }

    /// Begins a sign-in; returns the request's id and the relay state.
    pub async fn begin(&self, more: Value) -> (String, String) {
        let mut body = json!({ "domain": "corp.test", "skip_http_redirect": true });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let url = self.api.post("/sso", body).await.ok()["url"].as_str().unwrap().to_owned();
        let told = query(&url);
        let request = inflated(&told["SAMLRequest"]);
        let id = request.split_once(" ID=\"").unwrap().1.split_once('"').unwrap().0;
        (id.to_owned(), told["RelayState"].clone())
    }

    /// The browser brings a document.
    async fn bring(&self, document: &str, relay_state: &str) -> Answer {
        let fields = [("SAMLResponse", encoded(document)), ("RelayState", relay_state.to_owned())];
        self.post_form(&fields).await
    }

    async fn post_form(&self, fields: &[(&str, String)]) -> Answer {
        self.api.send(request(Method::POST, "/sso/saml/acs", "").set_form(fields)).await
    }

    /// The browser brings a document that lets nobody in; returns what the log says of it.
    #[track_caller]
    fn refused<'a>(&'a self, document: &'a str) -> impl Future<Output = String> + 'a {
        self.refused_with(document, "")
    }

    async fn refused_with(&self, document: &str, relay_state: &str) -> String {
        let log = Log::begin();
        let answer = self.bring(document, relay_state).await;
        failed(&answer, "invalid_request", "validation_failed", "SAML Assertion is not valid");
        assert_eq!(self.api.value("select count(*) from auth.sessions").await.as_deref(), Some("0"));
        let lines = log.lines("a SAML assertion was refused");
        assert_eq!(lines.len(), 1);
        lines[0].clone()
    }
}

/// What a redirect to an application carries.
#[track_caller]
fn session(answer: &Answer, target: &str) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 302, "{} {}", answer.text, answer.header("location"));
    let location = answer.header("location");
    let (place, fragment) = location.split_once('#').unwrap_or_else(|| panic!("{location}"));
    assert_eq!(place, target);
    url::form_urlencoded::parse(fragment.as_bytes()).into_owned().collect()
}

/// The redirect to the site that says what failed.
#[track_caller]
fn failed(answer: &Answer, error: &str, code: &str, description: &str) {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let location = answer.header("location");
    assert!(location.starts_with(&format!("{SITE}?")), "{location}");
    let expected = [("error", error), ("error_code", code), ("error_description", description)];
    assert_eq!(query(location), expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

fn query(url: &str) -> HashMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

fn inflated(text: &str) -> String {
    let mut out = String::new();
    DeflateDecoder::new(STANDARD.decode(text).unwrap().as_slice()).read_to_string(&mut out).unwrap();
    out
}
