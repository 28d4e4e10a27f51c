//! Databases that have been migrated once and are copied ever after.

use db::{Migrations, Pool, PoolOptions, Session, Target, ident};
use sha2::{Digest, Sha256};

/// Held while a template is made; the whole server is one queue for that.
const LOCK: i64 = 0x7465_6d70;

/// The name of the template with these migrations, made if need be.
pub(crate) async fn ensure(administrator: &Target, owners: &[Migrations]) -> String {
    let name = name(owners);
    let pool = Pool::new(administrator, PoolOptions { size: 1, ..PoolOptions::default() });
    let mut session = pool.session().await.expect("the test server answers");
    if !exists(&mut session, &name).await {
        session.query("select pg_advisory_lock($1)", &[&LOCK]).await.expect("the lock can be taken");
        if !exists(&mut session, &name).await {
            make(&mut session, administrator, owners, &name).await;
        }
        session.query("select pg_advisory_unlock($1)", &[&LOCK]).await.expect("the lock can be given back");
    }
    name
}

async fn make(session: &mut Session, administrator: &Target, owners: &[Migrations], name: &str) {
    let draft = format!("{name}_draft");
    let draft_name = ident(&draft);
    session
        .batch(&format!("drop database if exists {draft_name} with (force)"))
        .await
        .expect("drops the draft");
    session
        .batch(&format!("create database {draft_name} template template0"))
        .await
        .expect("creates the draft");
    db::migrate::run(&administrator.with_database(&draft), owners)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let finish = format!("alter database {draft_name} rename to {}", ident(name));
    session.batch(&finish).await.expect("finishes the template");
}

async fn exists(session: &mut Session, name: &str) -> bool {
    let found = session.query_opt("select from pg_database where datname = $1", &[&name]).await;
    found.expect("databases can be listed").is_some()
}

fn name(owners: &[Migrations]) -> String {
    let mut digest = Sha256::new();
    for owner in owners {
        digest.update(owner.owner().name());
        digest.update(owner.fingerprint());
    }
    let digest = hex::encode(digest.finalize());
    format!("basalt_template_{}", digest.get(..16).unwrap_or(&digest))
}
