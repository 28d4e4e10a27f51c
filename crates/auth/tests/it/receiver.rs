//! A hook or a captcha service on the web: answers as it is told, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::Value;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

struct State {
    answer: Mutex<(u16, &'static str, String)>,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    state: Arc<State>,
}

impl Receiver {
    /// A server that answers `{}` until it is told otherwise.
    pub async fn start() -> Self {
        let answer = Mutex::new((200, "application/json", "{}".to_owned()));
        let state = Arc::new(State { answer, seen: Mutex::default() });
        let data = Data::from(Arc::clone(&state));
        let app = move || App::new().app_data(data.clone()).default_service(web::to(answer_request));
        let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://127.0.0.1:{}/hook", server.addrs()[0].port());
        actix_web::rt::spawn(server.run());
        Self { url, state }
    }

    pub fn answers(&self, body: Value) {
        self.answers_with(200, "application/json", &body.to_string());
    }

    pub fn answers_with(&self, status: u16, content_type: &'static str, body: &str) {
        *self.state.answer.lock().unwrap() = (status, content_type, body.to_owned());
    }

    /// What came since the last time.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.state.seen.lock().unwrap())
    }

    /// The only request since the last time.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

async fn answer_request(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let body = String::from_utf8(body.to_vec()).unwrap();
    state.seen.lock().unwrap().push(Seen { headers: headers.collect(), body });
    let (status, content_type, body) = state.answer.lock().unwrap().clone();
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    match content_type {
        "" => response.body(body),
        content_type => response.content_type(content_type).body(body),
    }
}
