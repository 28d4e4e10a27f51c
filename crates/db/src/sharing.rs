//! Whether a connection is one: behind a pooler in transaction mode it is lent out to others in between.

use std::collections::HashSet;

use tokio_postgres::SimpleQueryMessage;

use crate::{Error, Pool, PoolOptions, Session, Target};

/// How often both are asked. A pooler hands out what came back last, or what waits longest: either shows at once.
const TURNS: usize = 4;

/// Whether two connections to `target` are served by the same servers in turn, as poolers in transaction or statement mode do
/// it. What one leaves behind there (`set`, prepared statements) meets others; this leaves nothing behind.
///
/// # Errors
///
/// No connection, or one that broke.
pub async fn is_shared(target: &Target) -> Result<bool, Error> {
    let pool = Pool::new(target, PoolOptions { size: 2, ..PoolOptions::default() });
    let (one, other) = (pool.session().await?, pool.session().await?);
    let (mut ones, mut others) = (HashSet::new(), HashSet::new());
    for _ in 0..TURNS {
        ones.insert(server(&one).await?);
        others.insert(server(&other).await?);
    }
    Ok(ones.len() > 1 || others.len() > 1 || !ones.is_disjoint(&others))
}

/// The process that answers, asked without a prepared statement.
async fn server(session: &Session) -> Result<String, Error> {
    let answer = session.client().simple_query("select pg_catalog.pg_backend_pid()").await?;
    let pid = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    pid.map(ToOwned::to_owned).ok_or_else(|| Error::Client("no row where one was expected".to_owned()))
}
