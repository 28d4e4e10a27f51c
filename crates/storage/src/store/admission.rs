//! What is asked before a body is read: the bucket's rules and, in the same round trip, the policies.

use db::{End, Query, Record};

use super::buckets::{RULES, Rules};
use super::objects::NewObject;
use crate::call::Acting;
use crate::error::{Error, Existing};

const RULES_AND_OBJECT: &str = "
    select file_size_limit, allowed_mime_types,
           exists (select from storage.objects where bucket_id = $1 and name = $2 and archived_at is null)
      from storage.buckets where id = $1";

/// What came of it.
pub(crate) struct Admission {
    /// `None`: there is no such bucket.
    pub(crate) rules: Option<Rules>,
    /// Whether the object may be written. It is meant for those whom the rules let pass.
    pub(crate) verdict: Result<(), Error>,
}

/// Asks for the rules as the service, and whether `acting` may write the object.
///
/// Policies do not bind the service, so it is not asked to try: what else could refuse its write does so
/// when it comes. That there is an object already is told before the body is read all the same.
pub(crate) async fn ask(
    service: &Acting<'_>,
    acting: &Acting<'_>,
    object: &NewObject<'_>,
    upsert: bool,
) -> Result<Admission, db::Error> {
    if acting.is_service() {
        let rows = service.look_up(RULES_AND_OBJECT, &[object.bucket.into(), object.name.into()]).await?;
        let exists = rows.first().map_or(Ok(false), |row| row.get(2))?;
        let verdict = if exists && !upsert { Err(Error::Exists(Existing::Key)) } else { Ok(()) };
        return Ok(Admission { rules: first(&rows)?, verdict });
    }
    let (asked, tried) = ([object.bucket.into()], object.params());
    let rules = Query { sql: RULES, params: &asked };
    let probe = Query { sql: NewObject::question(upsert), params: &tried };
    let (rows, probed) = service.beside(rules, acting, probe, End::Rollback).await?;
    Ok(Admission { rules: first(&rows)?, verdict: probed.map(drop).map_err(Error::making(Existing::Key)) })
}

fn first(rows: &[Record]) -> Result<Option<Rules>, db::Error> {
    rows.first().map(Rules::read).transpose()
}
