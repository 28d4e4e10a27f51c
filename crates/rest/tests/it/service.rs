//! The service over a database of its own, called as the edge would call it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{App, HttpMessage, HttpResponse, body, test, web};
use kernel::identity::Proof;
use kernel::{Claims, Credential, Identity, RoleName};
use rest::{Config, Deps, Rest};
use serde_json::{Map, Value, json};

/// Clients have projects, projects have tasks, people work on tasks; each person sees her own notes.
const SCHEMA: &str = include_str!("schema.sql");

/// A running service.
pub struct Service {
    rest: Rest,
    pub database: testkit::Database,
}

/// Who calls.
#[derive(Clone, Copy)]
pub enum Caller {
    Anonymous,
    User(&'static str),
    Service,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `code` of an error.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Service {
    pub async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        Self::over(config, "").await
    }

    /// Over a database that has more than the schema of all tests.
    pub async fn over(config: Config, more: &str) -> Self {
        let database = testkit::database(&[]).await;
        database.admin().await.batch(SCHEMA).await.expect("the schema is created");
        database.admin().await.batch(more).await.expect("more is created");
        let deps = Deps {
            fleet: database.fleet_as("authenticator"),
            pool: database.pool_as("authenticator"),
            target: database.target_as("authenticator"),
        };
        let rest = Rest::start(config, deps).await.expect("the service starts");
        Self { rest, database }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Caller::Service, "GET", path, &[], "").await
    }

    pub async fn send(
        &self,
        caller: Caller,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        payload: &str,
    ) -> Answer {
        let answer = self.open(caller, method, path, headers, payload).await;
        let status: StatusCode = answer.status();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let headers = headers.collect();
        let bytes = body::to_bytes(answer.into_body()).await.expect("a body");
        Answer { status: status.as_u16(), headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// The answer with its body still to be read.
    pub async fn open(
        &self,
        caller: Caller,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        payload: &str,
    ) -> HttpResponse {
        let rest = self.rest.clone();
        let scope = web::scope("/rest/v1").configure(move |cfg| rest.routes(cfg));
        let app = test::init_service(App::new().service(scope)).await;
        let mut request = test::TestRequest::with_uri(&format!("/rest/v1{path}"))
            .method(method.parse().expect("a method"))
            .set_payload(payload.to_owned());
        for header in headers {
            request = request.append_header(*header);
        }
        let request = request.to_request();
        request.extensions_mut().insert(Credential::Verified(Arc::new(caller.identity())));
        test::call_service(&app, request).await.map_into_boxed_body().into()
    }

    /// The service, to be mounted on a server.
    pub fn rest(&self) -> Rest {
        self.rest.clone()
    }

    /// What keeps the cache fresh; it is not run by itself.
    pub fn task(&self) -> kernel::Task {
        self.rest.tasks().into_iter().next().expect("a task")
    }

    /// One number from the database, as the superuser sees it.
    pub async fn count(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from {table}");
        self.database.admin().await.query_one(&sql, &[]).await.expect("a count").get(0)
    }
}

impl Caller {
    pub fn identity(self) -> Identity {
        let (role, claims) = match self {
            Self::Anonymous => ("anon", json!({})),
            Self::User(id) => ("authenticated", json!({ "sub": id })),
            Self::Service => ("service_role", json!({})),
        };
        let role = RoleName::parse(role).expect("a role");
        let fields: Map<String, Value> = claims.as_object().cloned().unwrap_or_default();
        Identity { claims: Claims::new(fields, &role), role, proof: Proof::Token }
    }
}
