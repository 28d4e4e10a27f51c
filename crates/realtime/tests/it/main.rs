//! Realtime over real sockets, against a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod broadcast;
mod changes;
mod client;
mod database;
mod faults;
mod holder;
mod http;
mod instances;
mod limits;
mod nats;
mod policies;
mod presence;
mod private;
mod resume;
mod schema;
mod socket;
mod stream;
mod token;
mod values;

use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use db::{Fleet, Pool, PoolOptions};
use jwt::{ApiKeys, KeySet, Policy, Verifier};
use kernel::units::Span;
use kernel::{Clock, RoleName, Secret};
use realtime::{Config, Deps, Realtime};
use testkit::Database;

pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";
pub(crate) const PUBLISHABLE: &str = "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_x";

/// A running instance with a database of its own.
pub(crate) struct Server {
    pub(crate) database: Arc<Database>,
    pub(crate) realtime: Realtime,
    pub(crate) answers: kernel::Answers,
    pub(crate) address: std::net::SocketAddr,
    handle: actix_web::dev::ServerHandle,
    stop: kernel::task::StopHandle,
    stopped: kernel::Stop,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Settings under which nothing is held back.
pub(crate) fn config() -> Config {
    Config {
        connect_backoff: Span::secs(0),
        join_backoff: Span::secs(0),
        drain: Span::secs(0),
        // On a busy machine a test may be silent for long.
        idle_timeout: Span::secs(600),
        ..Config::default()
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(config(), Clock::system()).await
    }

    pub(crate) async fn with(config: Config, clock: Clock) -> Self {
        Self::on(Arc::new(testkit::database(&[realtime::migrations()]).await), config, clock).await
    }

    /// One more instance on a database that others may serve too.
    pub(crate) async fn on(database: Arc<Database>, config: Config, clock: Clock) -> Self {
        let login = database.target_as("supabase_realtime_admin").with_option("timezone", "UTC");
        let options = PoolOptions { size: 4, ..PoolOptions::default() };
        let anon = RoleName::parse("anon").unwrap();
        let keys = ApiKeys::new(true).with(
            &Secret::new(PUBLISHABLE),
            jwt::api_key::Kind::Publishable,
            &anon,
            clock.unix(),
        );
        let answers = kernel::Answers::default();
        let deps = Deps {
            pool: Pool::new(&login, options.clone()),
            fleet: Fleet::new(&login, options),
            stream: login,
            keys: realtime::Keys {
                verifier: Verifier::new(KeySet::from_secret(SECRET), Policy::default(), 100),
                keys,
            },
            clock,
            answers: answers.clone(),
        };
        let realtime = Realtime::start(config, deps).await.unwrap();
        let mounted = realtime.clone();
        let server = HttpServer::new(move || {
            let mounted = mounted.clone();
            App::new().service(web::scope("/realtime/v1").configure(move |scope| mounted.routes(scope)))
        })
        .workers(2)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        let (stop, stopped) = kernel::Stop::pair();
        Self { database, realtime, answers, address, handle, stop, stopped, tasks: Vec::new() }
    }

    /// With its background work.
    pub(crate) async fn working() -> Self {
        Self::start().await.at_work().await
    }

    /// Another instance on the same database, with its background work.
    pub(crate) async fn beside(&self) -> Self {
        Self::on(Arc::clone(&self.database), config(), Clock::system()).await.at_work().await
    }

    /// With settings of its own.
    pub(crate) async fn working_with(config: Config, clock: Clock) -> Self {
        Self::with(config, clock).await.at_work().await
    }

    pub(crate) async fn at_work(self) -> Self {
        let mut server = self;
        let administrator = Pool::new(&server.database.target(), PoolOptions::default());
        realtime::prepare(&administrator).await.unwrap();
        for task in server.realtime.tasks() {
            server.tasks.push(tokio::spawn(task.run(server.stopped.clone())));
        }
        server
    }

    /// Ends as a process does that is killed: without a word.
    pub(crate) fn kill(self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        // Its sockets end with it.
        drop(self.handle.stop(false));
    }

    /// Ends its background work as it is ended when the server stops.
    pub(crate) async fn retire(&mut self) {
        self.stop.stop();
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.stop();
        // Not waited for: the process ends.
        drop(self.handle.stop(false));
    }
}

/// A token of the installation's own role.
pub(crate) fn anon() -> String {
    testkit::token(SECRET, r#"{"role":"anon"}"#)
}

pub(crate) fn service() -> String {
    testkit::token(SECRET, r#"{"role":"service_role"}"#)
}

pub(crate) fn user(id: &str) -> String {
    testkit::user_token(SECRET, id)
}

#[test]
fn no_repeatable_file_was_forgotten() {
    testkit::repeatables_are_complete(&realtime::migrations());
}
