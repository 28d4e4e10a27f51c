//! The service mounted as the gateway mounts it, with an edge that verifies tokens.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Service;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::{App, HttpMessage, web};
use chrono::DateTime;
use db::Fleet;
use jwt::{KeySet, Policy, Verifier};
use kernel::{Clock, Credential, Identity, RoleName, Secret, TokenError};
use object::Store;
use serde_json::{Value, json};
use storage::{Backend, Config, Deps, S3Credentials, S3Keys, S3Pair, Storage};
use tempfile::TempDir;
use testkit::Database;

use crate::server::Server;

pub const SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";
pub const USER: &str = "11111111-2222-4333-8444-555555555555";
pub const OTHER: &str = "99999999-2222-4333-8444-555555555555";

pub const ACCESS_KEY: &str = "0123456789abcdef0123456789abcdef";
pub const ACCESS_SECRET: &str = "the secret of the service";
pub const ANON_KEY: &str = "the key that browsers have";

type Call = Box<dyn Fn(TestRequest) -> Pin<Box<dyn Future<Output = Answer>>>>;

/// A running service on a database and a directory of its own.
pub struct Api {
    pub database: Database,
    pub storage: Storage,
    pub directory: TempDir,
    pub clock: Clock,
    /// Who may sign requests of S3.
    pub credentials: S3Credentials,
    /// The server that keeps the files, if there is one.
    pub remote: Option<Box<Server>>,
    config: Config,
    keys: KeySet,
    call: Call,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status == 200, "{} {}", self.status, String::from_utf8_lossy(&self.bytes));
        self.body
    }

    /// HTTP status, and of the body status and code.
    pub fn error(&self) -> (u16, &str, &str) {
        let text = |name: &str| self.body[name].as_str().unwrap_or_default();
        (self.status, text("statusCode"), text("code"))
    }

    #[track_caller]
    pub fn refused(&self, status: &str, code: &str, message: &str) {
        let told = (self.error(), self.body["message"].as_str().unwrap_or_default());
        assert_eq!(told, ((400, status, code), message));
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Api {
    pub async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let remote = match crate::BACKEND {
            Backend::File => None,
            Backend::S3 => Some(Box::new(Server::start().await)),
        };
        let clock = Clock::stopped(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        Self::at(clock, config, remote).await
    }

    pub async fn at(clock: Clock, config: Config, remote: Option<Box<Server>>) -> Self {
        let database = testkit::database(&[storage::migrations()]).await;
        let directory = tempfile::tempdir().unwrap();
        let keys = KeySet::from_secret(SECRET);
        let fleet = database.fleet_as("supabase_storage_admin");
        let credentials = credentials(&[]);
        let deps = deps(fleet, &keys, &clock, &credentials);
        let mut config = Config { path: directory.path().to_owned(), ..config };
        if let Some(remote) = &remote {
            remote.keeps_for(&mut config);
        }
        let storage = Storage::start(config.clone(), deps).await.unwrap();
        let call = mount(storage.clone(), keys.clone(), clock.clone()).await;
        Self { database, storage, directory, clock, credentials, remote, config, keys, call }
    }

    /// As after a restart of the server.
    pub async fn restart(&mut self) {
        let fleet = self.database.fleet_as("supabase_storage_admin");
        let (keys, clock) = (self.keys.clone(), self.clock.clone());
        let deps = deps(fleet, &keys, &clock, &self.credentials);
        self.storage = Storage::start(self.config.clone(), deps).await.unwrap();
        self.call = mount(self.storage.clone(), keys, clock).await;
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        (self.call)(request).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path, token).set_json(body)).await
    }

    pub async fn put(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(request(Method::PUT, path, token).set_json(body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send(request(Method::DELETE, path, token)).await
    }

    pub async fn upload(&self, path: &str, token: &str, content: &str) -> Answer {
        self.send(upload(path, token, content)).await
    }

    /// A bucket of the service's.
    pub async fn bucket(&self, id: &str, settings: Value) {
        let mut body = settings;
        body["name"] = id.into();
        self.post("/bucket", &self.service(), body).await.ok();
    }

    pub fn service(&self) -> String {
        self.token(json!({ "role": "service_role" }))
    }

    pub fn user(&self, id: &str) -> String {
        self.token(json!({ "role": "authenticated", "sub": id }))
    }

    pub fn token(&self, claims: Value) -> String {
        let Value::Object(mut claims) = claims else { panic!("claims are an object") };
        claims.entry("exp").or_insert_with(|| json!(self.clock.unix() + 3600));
        self.keys.sign(&claims).unwrap()
    }

    pub async fn sql(&self, sql: &str) {
        self.database.admin().await.batch(sql).await.unwrap();
    }

    /// The only value of the only row, as text.
    pub async fn value(&self, sql: &str) -> String {
        let sql = format!("select coalesce((q.*)::text, '') from ({sql}) as q (value)");
        let text: String = self.database.admin().await.query_one(&sql, &[]).await.unwrap().get(0);
        text.trim_matches(['(', ')', '"']).to_owned()
    }

    /// Policies for signed-in users on a table: any of select, insert, update, delete.
    pub async fn allow(&self, table: &str, commands: &[&str], rule: &str) {
        let mut sql = String::new();
        for command in ["select", "insert", "update", "delete"] {
            sql.push_str(&format!("drop policy if exists p_{command} on storage.{table};"));
        }
        for command in commands {
            let rule = match *command {
                "insert" => format!("with check ({rule})"),
                "update" => format!("using ({rule}) with check ({rule})"),
                _ => format!("using ({rule})"),
            };
            sql.push_str(&format!(
                "create policy p_{command} on storage.{table} for {command} to authenticated {rule};"
            ));
        }
        self.sql(&sql).await;
    }

    /// All files of objects and drafts, wherever they are kept; not what tells that a file has just got its
    /// place.
    pub async fn files(&self) -> Vec<String> {
        let mut found = self.local_files();
        if let Some(remote) = &self.remote {
            found.extend(remote.keys().await.into_iter().map(|key| format!("stub/{key}")));
            found.sort();
        }
        found
    }

    /// Those of them that are on this machine.
    pub fn local_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut todo = vec![self.directory.path().to_owned()];
        while let Some(directory) = todo.pop() {
            for entry in std::fs::read_dir(directory).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => todo.push(entry.path()),
                    false if entry.path().extension().is_some_and(|kind| kind == "placed") => {}
                    false => found.push(entry.path()),
                }
            }
        }
        let relative = |path: std::path::PathBuf| {
            path.strip_prefix(self.directory.path()).unwrap().display().to_string()
        };
        let mut found: Vec<String> = found.into_iter().map(relative).collect();
        found.sort();
        found
    }

    /// Puts a file where one of an object would be, as [`Api::files`] names it.
    pub async fn place(&self, file: &str, content: &[u8]) {
        match &self.remote {
            None => {
                let path = self.directory.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
            Some(remote) => remote.place(file.strip_prefix("stub/").unwrap(), content).await,
        }
    }

    /// The files as the service sees them.
    pub fn store(&self) -> Store {
        match &self.remote {
            None => Store::on_disk(self.directory.path(), "stub/stub".as_ref()),
            Some(remote) => Store::in_bucket(self.directory.path(), &remote.bucket()),
        }
        .unwrap()
    }

    /// Takes such a file away.
    pub async fn lose(&self, file: &str) {
        match &self.remote {
            None => std::fs::remove_file(self.directory.path().join(file)).unwrap(),
            Some(remote) => remote.lose(file.strip_prefix("stub/").unwrap()).await,
        }
    }

    /// Every row has its file, and after the removals that are due every file its row. What is
    /// remembered of resumable uploads that are complete may stay.
    pub async fn is_consistent(&self) {
        self.sql("update storage.basalt_removals set due_at = now()").await;
        self.storage.remove_due().await.unwrap();
        let rows = "select coalesce(string_agg(
                      'stub/stub/' || bucket_id || '/' || name || '/' || version, ',' order by bucket_id, name), '')
                    from storage.objects";
        let expected: Vec<String> =
            self.value(rows).await.split(',').filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let mut expected = expected;
        expected.sort();
        let mut files = self.files().await;
        let is_memory = |file: &str| file.ends_with(".note") || file.ends_with(".sent");
        files.retain(|file| !(file.starts_with(".resumable/") && is_memory(file)));
        assert_eq!(files, expected);
    }
}

/// The service's pair, and others beside it.
pub fn credentials(others: &[S3Pair]) -> S3Credentials {
    let own = S3Pair::new(Secret::new(ACCESS_KEY), Secret::new(ACCESS_SECRET));
    S3Credentials::new([&[own], others].concat(), vec![Secret::new(ANON_KEY)])
}

fn deps(fleet: Fleet, keys: &KeySet, clock: &Clock, credentials: &S3Credentials) -> Deps {
    let s3 = S3Keys {
        credentials: credentials.clone(),
        region: "local".to_owned(),
        verifier: Verifier::new(keys.clone(), Policy::default(), 0),
    };
    Deps { fleet, keys: keys.clone(), s3, clock: clock.clone(), public_url: String::new() }
}

/// A request with, if it is not empty, a bearer token.
pub fn request(method: Method, path: &str, token: &str) -> TestRequest {
    let request = TestRequest::with_uri(&format!("/storage/v1{}", path.replace(' ', "%20"))).method(method);
    match token {
        "" => request,
        token => request.insert_header(("Authorization", format!("Bearer {token}"))),
    }
}

pub fn upload(path: &str, token: &str, content: &str) -> TestRequest {
    request(Method::POST, &format!("/object/{path}"), token)
        .insert_header(("content-type", "text/plain"))
        .insert_header(("content-length", content.len().to_string()))
        .set_payload(content.to_owned())
}

async fn mount(storage: Storage, keys: KeySet, clock: Clock) -> Call {
    let app = App::new()
        .wrap_fn(move |request, next| {
            let credential = credential(&keys, &clock, request.headers());
            request.extensions_mut().insert(credential);
            next.call(request)
        })
        .service(web::scope("/storage/v1").configure(|cfg| storage.routes(cfg)));
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
            let bytes = read_body(response).await.to_vec();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            Answer { status, headers, bytes, body }
        })
    })
}

fn credential(keys: &KeySet, clock: &Clock, headers: &HeaderMap) -> Credential {
    let anon = RoleName::parse("anon").unwrap();
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Credential::Verified(Arc::new(Identity::anonymous(anon)));
    };
    let verified = keys.verify(token, &Policy::default(), clock.unix());
    let identity = verified.and_then(|verified| verified.identity(Some(&anon)));
    identity.map_or_else(|error: TokenError| Credential::Refused(error), Credential::Verified)
}
