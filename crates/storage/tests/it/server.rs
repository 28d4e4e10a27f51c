//! An S3 server for files to be kept at.

// The tests of `it` keep theirs on disk.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::{BoxBody, SizedStream, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpServer, web};
use futures_util::stream::{self, LocalBoxStream, StreamExt};
use kernel::units::{Bytes, Span};
use kernel::{Clock, Secret};
use object::Bucket;
use serde_json::json;
use storage::{Backend, Config, Remote};

use crate::harness::{ACCESS_KEY, ACCESS_SECRET, Api, request};

/// An S3 server that keeps files: another one of ours, by the clock of the machine, that can be told to
/// misbehave.
pub struct Server {
    api: Api,
    url: String,
    fault: Arc<Mutex<Fault>>,
}

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// It has no time.
    Busy,
    /// It never answers.
    Silent,
    /// It does what is asked, and then the line breaks.
    Mute,
    /// It refuses what is to be written, with this status and code.
    Refusing(u16, &'static str),
    /// After so many bytes of an answer the line breaks.
    Cut(usize),
    /// After so many bytes of an answer it says no more, and keeps the line.
    Stuck(usize),
}

/// The bucket that has the files.
const KEEPER: &str = "blobs";

/// An answer that ends before its end, if it is longer than that.
async fn short(
    answer: ServiceResponse,
    most: usize,
    rest: LocalBoxStream<'static, Result<web::Bytes, std::io::Error>>,
) -> ServiceResponse {
    let (request, answer) = answer.into_parts();
    let (answer, body) = answer.into_parts();
    let bytes = to_bytes(body).await.unwrap_or_default();
    let body = match bytes.len() {
        length if length > most => {
            let some = stream::iter([Ok(bytes.slice(..most))]).chain(rest);
            BoxBody::new(SizedStream::new(length as u64, some))
        }
        _ => BoxBody::new(bytes),
    };
    ServiceResponse::new(request, answer.set_body(body))
}

impl Server {
    pub async fn start() -> Self {
        let config = Config {
            file_size_limit: Bytes::mib(1000),
            unicode_keys: true,
            removal_delay: Span::secs(0),
            ..Config::default()
        };
        let api = Box::pin(Api::at(Clock::system(), config, None)).await;
        api.bucket(KEEPER, json!({})).await;
        let fault: Arc<Mutex<Fault>> = Arc::default();
        let (storage, asked) = (api.storage.clone(), Arc::clone(&fault));
        let server = HttpServer::new(move || {
            let (storage, fault) = (storage.clone(), Arc::clone(&asked));
            App::new()
                .wrap_fn(move |request, next| {
                    let fault = *fault.lock().unwrap();
                    // A request that is refused at once is not read.
                    let done = match fault {
                        Fault::Busy | Fault::Silent => None,
                        Fault::Refusing(..) if request.method() != Method::GET => None,
                        _ => Some(next.call(request)),
                    };
                    async move {
                        let refuse = |status: u16, code: &str| {
                            let status = StatusCode::from_u16(status).unwrap();
                            let body = format!("<Error><Code>{code}</Code></Error>");
                            actix_web::error::InternalError::new(body, status)
                        };
                        let Some(done) = done else {
                            return match fault {
                                Fault::Busy => Err(refuse(503, "SlowDown").into()),
                                Fault::Refusing(status, code) => Err(refuse(status, code).into()),
                                _ => std::future::pending().await,
                            };
                        };
                        let done = done.await?;
                        match fault {
                            Fault::Mute => std::future::pending().await,
                            Fault::Cut(most) => Ok(short(done, most, stream::empty().boxed_local()).await),
                            Fault::Stuck(most) => {
                                Ok(short(done, most, stream::pending().boxed_local()).await)
                            }
                            _ => Ok(done),
                        }
                    }
                })
                .service(web::scope("/storage/v1").configure(move |scope| storage.routes(scope)))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/storage/v1/s3", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { api, url, fault }
    }

    /// The bucket as somebody sees it who has the key.
    pub fn bucket(&self) -> Bucket {
        Bucket {
            name: KEEPER.to_owned(),
            endpoint: self.url.clone(),
            region: "local".to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: ACCESS_SECRET.to_owned(),
            path_style: true,
            tenant: "stub".to_owned(),
            part_size: 5 * 1024 * 1024,
            senders: 2,
            timeout: Duration::from_secs(10),
        }
    }

    pub fn keeps_for(&self, config: &mut Config) {
        config.backend = Backend::S3;
        config.bucket = KEEPER.to_owned();
        config.remote = Remote {
            endpoint: self.url.clone(),
            region: "local".to_owned(),
            access_key_id: Secret::new(ACCESS_KEY),
            secret_access_key: Secret::new(ACCESS_SECRET),
            force_path_style: true,
            part_size: Bytes::mib(5),
            ..config.remote.clone()
        };
    }

    /// From now on something is wrong with it, or nothing is any more.
    pub fn fails(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// The keys that it has.
    pub async fn keys(&self) -> Vec<String> {
        let rows = "select coalesce(string_agg(name, ',' order by name), '') from storage.objects";
        self.api.value(rows).await.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect()
    }

    /// Uploads in parts that nobody has completed.
    pub async fn begun(&self) -> String {
        self.api.value("select count(*) from storage.s3_multipart_uploads").await
    }

    /// Type and caching of one.
    pub async fn headers(&self, key: &str) -> (String, String) {
        let answer = self.api.get(&format!("/object/{KEEPER}/{key}"), &self.api.service()).await;
        (answer.header("content-type").to_owned(), answer.header("cache-control").to_owned())
    }

    /// The tag of one.
    pub async fn tag(&self, key: &str) -> String {
        let answer = self.api.get(&format!("/object/info/{KEEPER}/{key}"), &self.api.service()).await;
        answer.ok()["etag"].as_str().unwrap_or_default().to_owned()
    }

    /// Begins an upload in parts, and returns its id.
    pub async fn begin(&self, key: &str) -> String {
        let client = crate::s3::Client { at: self.api.clock.unix(), ..crate::s3::Client::service(&self.api) };
        client.post(&self.api, &format!("/{KEEPER}/{key}?uploads"), "").await.done(200);
        self.api.value("select id from storage.s3_multipart_uploads").await
    }

    pub async fn place(&self, key: &str, content: &[u8]) {
        let put = request(Method::POST, &format!("/object/{KEEPER}/{key}"), &self.api.service());
        let put = put.insert_header(("x-upsert", "true")).insert_header(("content-type", "text/plain"));
        self.api.send(put.set_payload(content.to_vec())).await.ok();
    }

    pub async fn lose(&self, key: &str) {
        self.api.delete(&format!("/object/{KEEPER}/{key}"), &self.api.service()).await.ok();
    }
}
