//! A test's own database.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use db::migrate::Owner;
use db::{Error, Fleet, Migrations, Pool, PoolOptions, Session, Target, ident};

use crate::server::Server;
use crate::template;

/// A database with the migrations of `owners`, and those of `base` in any case. Dropped with the value.
pub async fn database(owners: &[Migrations]) -> Database {
    let mut owners = owners.to_vec();
    if !owners.iter().any(|owner| owner.owner() == Owner::Base) {
        owners.push(db::bootstrap::migrations(&db::bootstrap::Options::default()));
    }
    owners.sort_by_key(Migrations::owner);
    let template = template::ensure(&Server::get().administrator, &owners).await;
    let database = Database::create(&template).await;
    db::bootstrap::own_clone(&mut database.admin().await).await.expect("the clone can be given its owner");
    database
}

/// A database without anything, as a new server has it. Dropped with the value.
pub async fn empty() -> Database {
    Database::create("template0").await
}

/// A database of one test.
pub struct Database {
    administrator: Target,
    admin: Pool,
}

impl Database {
    async fn create(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let started = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("basalt_test_{}_{started:x}_{count}", std::process::id());
        let server = &Server::get().administrator;
        let create =
            format!("create database {} template {} strategy file_copy", ident(&name), ident(template));
        let mut session = pool(server, 1).session().await.expect("the test server answers");
        session.batch(&create).await.unwrap_or_else(|error| panic!("{create}: {error}"));
        let administrator = server.with_database(&name);
        let admin = pool(&administrator, 4);
        Self { administrator, admin }
    }

    /// The name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.administrator.database()
    }

    /// As the superuser.
    #[must_use]
    pub fn target(&self) -> Target {
        self.administrator.clone()
    }

    /// As a role that may log in. The server asks for no password.
    #[must_use]
    pub fn target_as(&self, role: &str) -> Target {
        self.administrator.with_user(role, None)
    }

    /// Connections of a role that may log in.
    #[must_use]
    pub fn pool_as(&self, role: &str) -> Pool {
        pool(&self.target_as(role), 10)
    }

    /// Connections of a role that may log in, for callers' transactions.
    #[must_use]
    pub fn fleet_as(&self, role: &str) -> Fleet {
        Fleet::new(&self.target_as(role), PoolOptions::default())
    }

    /// A session of the superuser.
    pub async fn admin(&self) -> Session {
        self.admin.session().await.expect("the administrator can connect")
    }

    /// A session of its own as `role`, which need not be one that may log in. Settings of the role do not apply.
    pub async fn session_as(&self, role: &str) -> Session {
        let mut session =
            pool(&self.administrator, 1).session().await.expect("the administrator can connect");
        let become_role = format!("set session authorization {}", ident(role));
        session.batch(&become_role).await.expect("the role exists");
        session
    }

    /// A transaction as a caller of the data API: the role and, as JSON, the claims of its token.
    pub async fn caller(&self, role: &str, claims: &str) -> Session {
        let pool = pool(&self.target_as("authenticator"), 1);
        let mut session = pool.begin().await.expect("authenticator can connect");
        session
            .query(
                "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
                &[&role, &claims],
            )
            .await
            .expect("the role can be assumed");
        session
    }

    /// The database as `pg_dump` writes it.
    #[must_use]
    pub fn dump(&self) -> String {
        Server::get().dump(self.name())
    }

    /// Reads what [`Database::dump`] wrote, into a database that is [`empty`].
    pub fn restore(&self, dump: &str) {
        Server::get().psql(self.name(), dump);
    }

    /// Writes a file that the database server can read and nobody else.
    #[must_use]
    pub fn server_file(&self, name: &str, content: &str) -> PathBuf {
        Server::get().write_file(&format!("{}.{name}", self.name()), content)
    }
}

/// Ends the connections to a database. `drop database … with (force)` does it too, but looks only every 100 ms.
const DISCONNECT: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1";

/// Slots that stay when their readers go would keep it from being dropped.
const DROP_SLOTS: &str = "
    select count(pg_drop_replication_slot(slot_name)) from pg_replication_slots where database = $1 and not active";

impl Drop for Database {
    fn drop(&mut self) {
        self.admin.close();
        let server = Server::get().administrator.clone();
        let name = self.name().to_owned();
        // A thread, because a runtime cannot be entered from within another one.
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                let mut session = pool(&server, 1).session().await?;
                for _ in 0..50 {
                    if session.query_one(DISCONNECT, &[&name]).await?.get::<_, i64>(0) == 0 {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                session.query(DROP_SLOTS, &[&name]).await?;
                session.batch(&format!("drop database if exists {} with (force)", ident(&name))).await
            })
        })
        .join();
        if let (Ok(Err(error)), false) = (done, std::thread::panicking()) {
            panic!("could not drop {}: {error}", self.name());
        }
    }
}

/// The SQLSTATE of a failure.
#[track_caller]
pub fn code<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("it succeeded"),
        Err(error) => {
            error.code().unwrap_or_else(|| panic!("not an answer of the server: {error}")).to_owned()
        }
    }
}

fn pool(target: &Target, size: usize) -> Pool {
    Pool::new(target, PoolOptions { size, ..PoolOptions::default() })
}

/// Checks that every file of `migrations/<owner>/repeatable` is listed.
///
/// # Panics
///
/// When one is not.
pub fn repeatables_are_complete(migrations: &Migrations) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let directory = root.join(migrations.owner().name()).join("repeatable");
    let mut files: Vec<String> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().replace(".sql", ""))
        .collect();
    files.sort();
    assert_eq!(migrations.repeatables().collect::<Vec<_>>(), files);
}
