//! Listeners, workers, limits of the HTTP server.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpResponse, HttpServer, web};
use kernel::units::{Bytes, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use socket2::SockRef;

use crate::edge::refusal::Refusal;
use crate::edge::{self, Edge};
use crate::health::Health;
use crate::metrics;

/// Settings of the HTTP server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// The URL under which clients reach this server; links in mails are built from it. Empty: the
    /// first address.
    pub public_url: String,
    /// Ask for an API key. Off only for development: without a key, callers are anonymous.
    pub require_api_key: bool,
    /// Accept the JWT keys `anon` and `service_role` beside the opaque ones.
    pub legacy_api_keys: bool,
    /// Refuse secret API keys that come from a browser.
    pub refuse_secret_keys_in_browsers: bool,
    /// Show the description of the data API (`/rest/v1/`) to every caller, not only to the service
    /// role.
    pub openapi_for_everyone: bool,
    /// Proxies whose `X-Forwarded-For` is believed: addresses or ranges.
    pub trusted_proxies: Vec<String>,
    /// Origins that browsers may call from. Empty: every origin.
    pub cors_allowed_origins: Vec<String>,
    /// Largest body of a request to the data API.
    pub max_body: Bytes,
    /// How long a request may take in all.
    pub request_timeout: Span,
    /// How long a client may take to send its headers.
    pub header_timeout: Span,
    /// A client that takes nothing of what is sent to it for so long is cut off, sockets included.
    pub send_timeout: Span,
    /// How long an idle connection is kept.
    pub keep_alive: Span,
    /// Connections at most, over all workers.
    pub max_connections: usize,
    /// Worker threads. 0: one per core.
    pub workers: usize,
    /// How long requests may finish after the signal to stop.
    pub shutdown_timeout: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8000))],
            public_url: String::new(),
            require_api_key: true,
            legacy_api_keys: true,
            refuse_secret_keys_in_browsers: true,
            openapi_for_everyone: false,
            trusted_proxies: Vec::new(),
            cors_allowed_origins: Vec::new(),
            max_body: Bytes::mib(50),
            request_timeout: Span::secs(60),
            header_timeout: Span::secs(10),
            send_timeout: Span::secs(60),
            keep_alive: Span::secs(75),
            max_connections: 10_000,
            workers: 0,
            shutdown_timeout: Span::secs(25),
        }
    }
}

impl Config {
    /// Worker threads.
    pub(crate) fn workers(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

/// Opens the listening sockets.
///
/// # Errors
///
/// An address that is taken or not ours, with its name.
pub(crate) fn bind(config: &Config) -> anyhow::Result<Vec<TcpListener>> {
    let open = |address: &SocketAddr| {
        let listener = TcpListener::bind(address)
            .map_err(|error| anyhow::anyhow!("cannot listen on {address} (server.listen): {error}"))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    config.listen.iter().map(open).collect()
}

/// Answers on `listeners` while the rest is still starting: 503, with the reason.
pub(crate) fn serve_starting(listeners: &[TcpListener]) -> std::io::Result<Server> {
    let mut server =
        HttpServer::new(|| App::new().default_service(web::to(|| async { Refusal::Starting.answer() })))
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1);
    for listener in listeners {
        server = server.listen(listener.try_clone()?)?;
    }
    Ok(server.run())
}

/// What the server mounts.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) auth: Option<auth::Auth>,
    pub(crate) rest: Option<rest::Rest>,
    pub(crate) storage: Option<storage::Storage>,
    pub(crate) realtime: Option<realtime::Realtime>,
    pub(crate) vault: Option<vault::Vault>,
    pub(crate) functions: Option<functions::Functions>,
    pub(crate) health: Health,
}

impl Services {
    /// Says goodbye to those who would stay.
    pub(crate) async fn drain(&self) {
        if let Some(realtime) = &self.realtime {
            realtime.drain().await;
        }
    }
}

/// Serves for good.
pub(crate) fn serve(
    listeners: Vec<TcpListener>,
    edge: Arc<Edge>,
    services: Services,
) -> std::io::Result<Server> {
    let config = edge.rules.load().config.clone();
    let (workers, send_timeout) = (config.workers(), config.send_timeout.0);
    let mut server = HttpServer::new(move || {
        let edge = Arc::clone(&edge);
        let bare = edge.bare;
        let services = services.clone();
        App::new()
            .configure(move |app| mount(app, &services, bare))
            .default_service(web::to(|| async { Refusal::NoRoute.answer() }))
            .wrap(Condition::new(!bare, from_fn(edge::compress::mark_small)))
            .wrap(Condition::new(!bare, Compress::default()))
            .wrap(from_fn(move |request, next| edge::handle(Arc::clone(&edge), request, next)))
    })
    .on_connect(move |connection, _| {
        // Nothing of ours runs while the system waits for such a client.
        if let Some(stream) = connection.downcast_ref::<TcpStream>()
            && let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(send_timeout))
        {
            tracing::debug!(%error, "a connection has no time limit");
        }
    })
    .workers(workers)
    // A body that is sent in pieces would wait for the client to acknowledge its head.
    .tcp_nodelay(true)
    .max_connections(config.max_connections.div_ceil(workers).max(1))
    .client_request_timeout(config.header_timeout.0)
    .keep_alive(config.keep_alive.0)
    .shutdown_timeout(config.shutdown_timeout.0.as_secs())
    .disable_signals();
    for listener in listeners {
        // HTTP/1.1 alone: for HTTP/2 in clear the library has neither a limit on headers and streams
        // nor a time limit for a peer that says nothing.
        server = server.listen(listener)?;
    }
    Ok(server.run())
}

fn mount(app: &mut web::ServiceConfig, services: &Services, bare: bool) {
    if let (Some(rest), true) = (&services.rest, bare) {
        app.service(web::scope("/rest/v1").configure(|scope| rest.routes(scope)));
        rest.routes(app);
        return;
    }
    let health = services.health.clone();
    app.route("/health", web::get().to(move || answer(health.clone())));
    let measured = services.clone();
    app.route("/metrics", web::get().to(move || std::future::ready(metrics::answer(&measured))));
    let (ready, live) = (services.health.clone(), HttpResponse::Ok);
    app.route("/rest-admin/v1/ready", web::get().to(move || answer(ready.clone())));
    app.route("/rest-admin/v1/live", web::get().to(move || async move { live().finish() }));
    if let Some(auth) = &services.auth {
        app.service(web::scope("/auth/v1").configure(|scope| auth.routes(scope)));
        app.service(web::scope("/.well-known").configure(|scope| auth.discovery_routes(scope)));
        app.service(web::scope("/_basalt").configure(|scope| auth.mailbox_routes(scope)));
        app.service(web::scope("/sso/saml").configure(|scope| auth.saml_routes(scope)));
    }
    if let Some(rest) = &services.rest {
        app.service(web::scope("/rest/v1").configure(|scope| rest.routes(scope)));
    }
    if let Some(storage) = &services.storage {
        app.service(web::scope("/storage/v1").configure(|scope| storage.routes(scope)));
    }
    if let Some(functions) = &services.functions {
        app.service(web::scope("/functions/v1").configure(|scope| functions.routes(scope)));
    }
    if let Some(vault) = &services.vault {
        app.service(web::scope("/vault/v1").configure(|scope| vault.routes(scope)));
    }
    if let Some(realtime) = &services.realtime {
        app.service(web::scope("/realtime/v1").configure(|scope| realtime.routes(scope)));
    }
}

async fn answer(health: Health) -> HttpResponse {
    let report = health.report().await;
    let mut answer = if report.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(report)
}
