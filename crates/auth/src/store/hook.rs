//! Calls of functions that the operator named as hooks.
//!
//! They are the operator's own, in whatever schema; they run as `supabase_auth_admin`, who has to be
//! granted them.

use db::{Error, Session};
use serde_json::Value;

/// Bytes that an answer may have.
pub(crate) const MAX_ANSWER: i32 = 1024 * 1024;

/// How long a function may take.
const LIMIT: &str = "set local statement_timeout to '2s'";
const UNLIMIT: &str = "set local statement_timeout to default";

/// What a function answered, as text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Text(String),
    Nothing,
    TooMuch,
}

/// The statement that calls the function. The type of its argument is left to the server: some take
/// `json`, others `jsonb`.
pub(crate) fn statement(schema: &str, name: &str) -> String {
    const AROUND: [&str; 2] = [
        "with answer as materialized (select ",
        "($1)::text as body)
select octet_length(body), case when octet_length(body) <= $2 then body end
  from answer
 limit 1",
    ];
    let [before, after] = AROUND;
    [before, &db::ident(schema), ".", &db::ident(name), after].concat()
}

/// Calls the function within the transaction of `tx`.
pub(crate) async fn call(tx: &mut Session, statement: &str, payload: &Value) -> Result<Said, Error> {
    tx.batch(LIMIT).await?;
    let row = tx.query_opt(statement, &[payload, &MAX_ANSWER]).await?;
    tx.batch(UNLIMIT).await?;
    let Some(row) = row else { return Ok(Said::Nothing) };
    let (length, text): (Option<i32>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (length, text) {
        (_, Some(text)) => Said::Text(text),
        (Some(_), None) => Said::TooMuch,
        (None, None) => Said::Nothing,
    })
}

/// A point in the transaction to which it can go back.
pub(crate) async fn mark(tx: &mut Session) -> Result<(), Error> {
    tx.batch("savepoint before_hook").await
}

/// Forgets what was done since [`mark`], failures included.
pub(crate) async fn go_back(tx: &mut Session) -> Result<(), Error> {
    tx.batch("rollback to savepoint before_hook").await
}
