//! A provider of accounts: answers what it is told to, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use jwt::KeySet;
use serde_json::{Value, json};

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, (u16, Value)>>,
    seen: Mutex<Vec<Seen>>,
}

/// What was asked.
#[derive(Clone)]
pub struct Seen {
    path: String,
    pub form: HashMap<String, String>,
    pub authorization: String,
}

#[derive(Clone)]
pub struct Provider {
    pub url: String,
    pub keys: KeySet,
    state: Arc<State>,
}

impl Provider {
    /// A provider with a key of its own, which it publishes with its discovery document.
    pub async fn start() -> Self {
        let state = Arc::new(State::default());
        let data = Data::from(Arc::clone(&state));
        let app = move || App::new().app_data(data.clone()).default_service(web::to(answer));
        let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        let keys = KeySet::from_jwks_text(jwt::generate::es256().unwrap().expose()).unwrap();
        let provider = Self { url, keys, state };
        provider.publish(&provider.url.clone());
        provider
    }

    /// Publishes the discovery document in the name of `issuer`.
    pub fn publish(&self, issuer: &str) {
        let at = |path: &str| format!("{}{path}", self.url);
        let document = json!({ "issuer": issuer, "authorization_endpoint": at("/in"),
            "token_endpoint": at("/token"), "jwks_uri": at("/keys") });
        self.answers("/.well-known/openid-configuration", document);
        self.answers("/keys", self.keys.jwks());
    }

    /// From now on the answer at `path`; a text goes as it is.
    pub fn answers(&self, path: &str, body: Value) {
        self.answers_with(path, 200, body);
    }

    pub fn answers_with(&self, path: &str, status: u16, body: Value) {
        self.state.answers.lock().unwrap().insert(path.to_owned(), (status, body));
    }

    /// What was asked at `path`.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.state.seen.lock().unwrap().iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// As GitHub Enterprise: an account with these addresses, each with whether it is verified.
    pub fn is_github(&self, id: u64, emails: &[(&str, bool)]) {
        let tokens = json!({ "access_token": "provider-access", "refresh_token": "provider-refresh" });
        self.answers("/login/oauth/access_token", tokens);
        let user = json!({ "id": id, "login": "jane", "name": "Jane", "avatar_url": "https://p.test/j" });
        self.answers("/api/v3/user", user);
        let first = emails.first().map(|(email, _)| *email);
        let emails = emails.iter().map(|(email, verified)| {
            json!({ "email": email, "verified": verified, "primary": Some(*email) == first })
        });
        self.answers("/api/v3/user/emails", emails.collect());
    }
}

async fn answer(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    state.seen.lock().unwrap().push(Seen {
        path: request.path().to_owned(),
        form: web::Query::<HashMap<_, _>>::from_query(std::str::from_utf8(&body).unwrap())
            .unwrap()
            .into_inner(),
        authorization: header("authorization").unwrap_or_default().to_owned(),
    });
    let found = state.answers.lock().unwrap().get(request.path()).cloned();
    let (status, body) = found.unwrap_or((404, json!({})));
    let mut response = HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap());
    match body {
        Value::String(text) => response.body(text),
        body => response.json(body),
    }
}
