//! The service mounted as the gateway mounts it, with an edge that verifies tokens.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Service;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::{App, HttpMessage, web};
use auth::{Auth, CaptchaSites, Config, Deps};
use chrono::DateTime;
use jwt::{KeySet, LiveKeys, Policy};
use kernel::http::ClientAddress;
use kernel::identity::Proof;
use kernel::{Claims, Clock, Credential, Identity, RoleName};
use serde_json::{Map, Value, json};
use testkit::Database;

pub const SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";

type Call = Box<dyn Fn(TestRequest) -> Pin<Box<dyn Future<Output = Answer>>>>;

/// A running service on a database of its own.
pub struct Api {
    pub database: Arc<Database>,
    pub auth: Auth,
    pub clock: Clock,
    pub keys: LiveKeys,
    call: Call,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    /// Status and error code.
    pub fn error(&self) -> (u16, &str) {
        (self.status, self.body["error_code"].as_str().unwrap_or_default())
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, message: &str) {
        assert_eq!(
            (self.error(), self.body["msg"].as_str()),
            ((status, code), Some(message)),
            "{}",
            self.text
        );
        assert_eq!(self.header("x-sb-error-code"), code);
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Settings under which a sign-up is a sign-in, and nothing is counted.
pub fn open() -> Config {
    let mut config = Config {
        external_url: "http://localhost:8000/auth/v1".to_owned(),
        enable_anonymous_sign_ins: true,
        additional_redirect_urls: vec!["https://app.test/**".to_owned()],
        ..Config::default()
    };
    config.email.enable_confirmations = false;
    config.sms.enable_signup = true;
    config.sms.enable_confirmations = false;
    let limits = &mut config.rate_limit;
    limits.email_sent = 10_000;
    limits.anonymous_users = 10_000;
    limits.token_refresh = 10_000;
    limits.sign_in_sign_ups = 10_000;
    limits.token_verifications = 10_000;
    config
}

/// As [`open`], but addresses have to be confirmed.
pub fn confirming() -> Config {
    let mut config = open();
    config.email.enable_confirmations = true;
    config.sms.enable_confirmations = true;
    config
}

impl Api {
    pub async fn start(config: Config) -> Self {
        Self::on(testkit::database(&[auth::migrations()]).await, config).await
    }

    /// With captchas that are checked here.
    pub async fn start_with(config: Config, captcha_sites: CaptchaSites) -> Self {
        let database = testkit::database(&[auth::migrations()]).await;
        let deps = Deps { captcha_sites, ..deps(database.pool_as("supabase_auth_admin")) };
        Self::mounted(Arc::new(database), config, deps).await
    }

    /// On a database that has what the service needs.
    pub async fn on(database: Database, config: Config) -> Self {
        Self::signing(database, config, KeySet::from_secret(SECRET)).await
    }

    /// As [`Api::on`], with tokens signed by these keys.
    pub async fn signing(database: Database, config: Config, keys: KeySet) -> Self {
        let deps = deps(database.pool_as("supabase_auth_admin"));
        Self::mounted(Arc::new(database), config, Deps { keys: LiveKeys::from(keys), ..deps }).await
    }

    /// Another process on the same database.
    pub async fn beside(&self, config: Config) -> Self {
        self.with_pool(config, self.database.pool_as("supabase_auth_admin")).await
    }

    /// As [`Api::beside`], with these connections.
    pub async fn with_pool(&self, config: Config, pool: db::Pool) -> Self {
        let deps = Deps { keys: self.keys.clone(), clock: self.clock.clone(), ..deps(pool) };
        Self::mounted(Arc::clone(&self.database), config, deps).await
    }

    async fn mounted(database: Arc<Database>, config: Config, deps: Deps) -> Self {
        let (keys, clock) = (deps.keys.clone(), deps.clock.clone());
        let auth = Auth::start(config, deps).await.unwrap();
        let call = mount(auth.clone(), keys.clone(), clock.clone()).await;
        Self { database, auth, clock, keys, call }
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        (self.call)(request).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path, "").set_json(body)).await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path, token).set_json(body)).await
    }

    pub async fn put_as(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(request(Method::PUT, path, token).set_json(body)).await
    }

    pub async fn delete_as(&self, token: &str, path: &str) -> Answer {
        self.send(request(Method::DELETE, path, token)).await
    }

    /// A new account with a session.
    pub async fn sign_up(&self, email: &str) -> Value {
        self.post("/signup", json!({ "email": email, "password": "password" })).await.ok()
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("/token?grant_type=password", json!({ "email": email, "password": password })).await
    }

    pub async fn refresh(&self, token: &Value) -> Answer {
        self.post("/token?grant_type=refresh_token", json!({ "refresh_token": token })).await
    }

    /// A token of the role that administrates.
    pub fn service_role(&self) -> String {
        self.token(json!({ "role": "service_role" }))
    }

    pub fn token(&self, claims: Value) -> String {
        let Value::Object(mut claims) = claims else { panic!("claims are an object") };
        claims.entry("exp").or_insert_with(|| json!(self.clock.unix() + 3600));
        self.keys.sign(&claims).unwrap()
    }

    pub fn claims(&self, token: &Value) -> Map<String, Value> {
        let verified = self.keys.verify(token.as_str().unwrap(), &Policy::default(), self.clock.unix());
        verified.unwrap().fields().clone()
    }

    pub async fn sql(&self, sql: &str) {
        self.database.admin().await.batch(sql).await.unwrap();
    }

    /// The first column of the only row, as text.
    pub async fn value(&self, sql: &str) -> Option<String> {
        let sql = format!("select (q.*)::text from ({sql}) q");
        let text: Option<String> = self.database.admin().await.query_one(&sql, &[]).await.unwrap().get(0);
        text.map(|text| text.trim_matches(['(', ')', '"']).to_owned()).filter(|text| !text.is_empty())
    }

    /// Runs `calls` while the accounts are held, and lets go when so many of them wait: all of them
    /// have read by then what they are going to act on.
    pub async fn contend<T>(&self, sql: &str, waiting: i64, calls: impl Future<Output = T>) -> T {
        let mut holder = self.database.pool_as("supabase_auth_admin").begin().await.unwrap();
        holder.batch(sql).await.unwrap();
        let mut watch = self.database.admin().await;
        let release = async {
            const WAITING: &str = "select count(distinct pid) from pg_locks l where not granted
                and pid in (select pid from pg_stat_activity where datname = current_database())";
            let mut count = 0;
            while count < waiting {
                tokio::time::sleep(Duration::from_millis(5)).await;
                count = watch.query_one(WAITING, &[]).await.unwrap().get(0);
            }
            holder.commit().await.unwrap();
        };
        futures_util::future::join(calls, release).await.0
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// What the service is given, at a time that stands still.
pub fn deps(pool: db::Pool) -> Deps {
    Deps {
        pool,
        keys: KeySet::from_secret(SECRET).into(),
        clock: Clock::stopped(DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap()),
        captcha_sites: CaptchaSites::default(),
    }
}

/// A request with the anonymous API key and, if it is not empty, a bearer token.
pub fn request(method: Method, path: &str, token: &str) -> TestRequest {
    // Of the mailbox, which is mounted beside the service.
    let uri = match path.strip_prefix("/../..") {
        Some(path) => path.to_owned(),
        None => format!("/auth/v1{path}"),
    };
    let request = TestRequest::with_uri(&uri).method(method);
    match token {
        "" => request,
        token => request.insert_header(("Authorization", format!("Bearer {token}"))),
    }
}

async fn mount(auth: Auth, keys: LiveKeys, clock: Clock) -> Call {
    let app = App::new()
        .wrap_fn(move |request, next| {
            let credential = credential(&keys, &clock, request.headers());
            request.extensions_mut().insert(credential);
            let forwarded = request.headers().get("x-test-client").and_then(|value| value.to_str().ok());
            let address: IpAddr = forwarded.unwrap_or("192.0.2.1").parse().unwrap();
            request.extensions_mut().insert(ClientAddress(address));
            next.call(request)
        })
        .service(web::scope("/auth/v1").configure(|cfg| auth.routes(cfg)))
        .service(web::scope("/_basalt").configure(|cfg| auth.mailbox_routes(cfg)));
    let service = Rc::new(init_service(app).await);
    Box::new(move |request| {
        let service = Rc::clone(&service);
        Box::pin(async move {
            let response = match try_call_service(&*service, request.to_request()).await {
                Ok(response) => response.map_into_boxed_body(),
                Err(error) => {
                    let request = TestRequest::default().to_http_request();
                    actix_web::dev::ServiceResponse::new(request, error.error_response())
                }
            };
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let bytes = read_body(response).await;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            Answer { status, headers, text, body }
        })
    })
}

fn credential(keys: &LiveKeys, clock: &Clock, headers: &HeaderMap) -> Credential {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) else {
        let role = RoleName::parse("anon").unwrap();
        let claims = Claims::new(Map::new(), &role);
        return Credential::Verified(Arc::new(Identity { role, claims, proof: Proof::ApiKey }));
    };
    match keys.verify(token, &Policy::default(), clock.unix()) {
        Err(error) => Credential::Refused(error),
        Ok(verified) => {
            let fields = verified.fields().clone();
            let role = fields.get("role").and_then(Value::as_str).unwrap_or("anon");
            let role = RoleName::parse(role).unwrap();
            let claims = Claims::new(fields, &role);
            Credential::Verified(Arc::new(Identity { role, claims, proof: Proof::Token }))
        }
    }
}
