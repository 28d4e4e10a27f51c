//! A client of the S3 protocol: it signs as the documents say, apart from the code that verifies.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::harness::{ACCESS_KEY, ACCESS_SECRET, ANON_KEY, Answer, Api};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const SEGMENTS: &AsciiSet = &UNRESERVED.remove(b'/');

/// Who signs, and when.
#[derive(Clone)]
pub struct Client {
    pub access: String,
    pub secret: String,
    pub token: Option<String>,
    /// Seconds since 1970.
    pub at: i64,
}

/// A request that can be altered before it is signed, and after.
pub struct Request {
    pub method: Method,
    /// Behind `/s3`, escaped.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

pub fn hex_digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Request {
    pub fn new(method: Method, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self {
            method,
            path: utf8_percent_encode(path, SEGMENTS).to_string(),
            query: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            headers: vec![("host".to_owned(), "localhost".to_owned())],
            body: Vec::new(),
        }
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn query_text(&self) -> String {
        let mut pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        pairs.sort();
        pairs.join("&")
    }

    fn canonical(&self, payload: &str) -> (String, String) {
        let mut headers = self.headers.clone();
        headers.sort();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let path = format!("/storage/v1/s3{}", self.path);
        let text = format!("{}\n{path}\n{}\n{lines}\n{names}\n{payload}", self.method, self.query_text());
        (text, names)
    }

    pub fn send(self) -> TestRequest {
        let query = self.query_text();
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("/storage/v1/s3{}{mark}{query}", self.path);
        let has_length = self.headers.iter().any(|(name, _)| name == "content-length");
        let mut request = TestRequest::with_uri(&uri).method(self.method);
        for (name, value) in self.headers {
            request = request.append_header((name, value));
        }
        if !has_length {
            request = request.insert_header(("content-length", self.body.len().to_string()));
        }
        request.set_payload(self.body)
    }
}

impl Client {
    /// The service's.
    pub fn service(api: &Api) -> Self {
        Self {
            access: ACCESS_KEY.to_owned(),
            secret: ACCESS_SECRET.to_owned(),
            token: None,
            at: api.clock.unix(),
        }
    }

    /// A user's, by session token.
    pub fn user(api: &Api, token: String) -> Self {
        Self {
            access: "stub".to_owned(),
            secret: ANON_KEY.to_owned(),
            token: Some(token),
            at: api.clock.unix(),
        }
    }

    pub fn moment(&self) -> String {
        DateTime::from_timestamp(self.at, 0).unwrap().format("%Y%m%dT%H%M%SZ").to_string()
    }

    pub fn scope(&self) -> String {
        format!("{}/local/s3/aws4_request", &self.moment()[..8])
    }

    pub fn key(&self) -> Vec<u8> {
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in self.scope().split('/') {
            key = mac(&key, part);
        }
        key
    }

    fn signature(&self, canonical: &str) -> String {
        let digest = hex_digest(canonical.as_bytes());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.moment(), self.scope());
        hex::encode(mac(&self.key(), &text))
    }

    /// Signs in a header. Returns the signature too, with which chunks begin.
    pub fn sign_as(&self, mut request: Request, payload: &str) -> (Request, String) {
        request = request.header("x-amz-date", &self.moment()).header("x-amz-content-sha256", payload);
        if let Some(token) = &self.token {
            request = request.header("x-amz-security-token", token);
        }
        let (canonical, names) = request.canonical(payload);
        let signature = self.signature(&canonical);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}",
            self.access,
            self.scope()
        );
        (request.header("authorization", &value), signature)
    }

    pub fn sign(&self, request: Request) -> Request {
        let payload = hex_digest(&request.body);
        self.sign_as(request, &payload).0
    }

    /// Signs in the query.
    pub fn presign(&self, mut request: Request, expires: u64) -> Request {
        let names = "host";
        let mut add = |name: &str, value: &str| request.query.push((name.to_owned(), value.to_owned()));
        add("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
        add("X-Amz-Credential", &format!("{}/{}", self.access, self.scope()));
        add("X-Amz-Date", &self.moment());
        add("X-Amz-Expires", &expires.to_string());
        add("X-Amz-SignedHeaders", names);
        if let Some(token) = &self.token {
            add("X-Amz-Security-Token", token);
        }
        let (canonical, _) = request.canonical("UNSIGNED-PAYLOAD");
        let signature = self.signature(&canonical);
        request.query.push(("X-Amz-Signature".to_owned(), signature));
        request
    }

    pub async fn send(&self, api: &Api, request: Request) -> Answer {
        api.send(self.sign(request).send()).await
    }

    pub async fn get(&self, api: &Api, path: &str) -> Answer {
        self.send(api, Request::new(Method::GET, path)).await
    }

    pub async fn head(&self, api: &Api, path: &str) -> Answer {
        self.send(api, Request::new(Method::HEAD, path)).await
    }

    pub async fn put(&self, api: &Api, path: &str, body: &str) -> Answer {
        self.send(api, Request::new(Method::PUT, path).body(body)).await
    }

    pub async fn post(&self, api: &Api, path: &str, body: &str) -> Answer {
        self.send(api, Request::new(Method::POST, path).body(body)).await
    }

    pub async fn delete(&self, api: &Api, path: &str) -> Answer {
        self.send(api, Request::new(Method::DELETE, path)).await
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The texts of all elements of a name.
    pub fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let start = format!("<{name}>");
        let parts = text.split(&start).skip(1);
        parts.map(|part| part.split("</").next().unwrap_or_default().to_owned()).collect()
    }

    pub fn element(&self, name: &str) -> String {
        self.elements(name).into_iter().next().unwrap_or_default()
    }

    #[track_caller]
    pub fn done(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    #[track_caller]
    pub fn fails(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.element("Code").as_str()), (status, code), "{}", self.text());
    }
}
