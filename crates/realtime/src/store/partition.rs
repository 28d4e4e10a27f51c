//! The partitions of `realtime.messages`: one for each day, in UTC.

use chrono::{Days, NaiveDate};
use db::{Error, Session, ident, literal};

const LIST: &str = "
    select c.relname::text
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'realtime.messages'::regclass";

const PREFIX: &str = "messages_";
const DAY: &str = "%Y_%m_%d";

/// The days that have a partition; partitions that somebody else made are not among them.
pub(crate) async fn list(session: &mut Session) -> Result<Vec<NaiveDate>, Error> {
    let rows = session.query(LIST, &[]).await?;
    let names = rows.iter().map(|row| row.try_get::<_, String>(0));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let day = |name: &String| NaiveDate::parse_from_str(name.strip_prefix(PREFIX)?, DAY).ok();
    Ok(names.iter().filter_map(day).collect())
}

/// Makes the partition of a day.
pub(crate) async fn create(session: &mut Session, day: NaiveDate) -> Result<(), Error> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
    let sql = format!(
        "create table if not exists realtime.{} partition of realtime.messages for values from ({}) to ({})",
        ident(&name(day)),
        literal(&day.to_string()),
        literal(&next.to_string())
    );
    session.batch(&sql).await
}

/// Drops the partition of a day.
pub(crate) async fn drop(session: &mut Session, day: NaiveDate) -> Result<(), Error> {
    session.batch(&format!("drop table if exists realtime.{}", ident(&name(day)))).await
}

fn name(day: NaiveDate) -> String {
    format!("{PREFIX}{}", day.format(DAY))
}
