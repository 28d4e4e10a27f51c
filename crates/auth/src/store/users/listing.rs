//! Many accounts: in pages, and by what is looked for.

use db::{Error, Session};

use super::{SELECT, user};
use crate::user::User;

/// Which accounts are listed; what is empty does not count.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    /// Part of an address, a number or a name.
    pub(crate) filter: &'a str,
    /// The whole address, however it is written.
    pub(crate) email: &'a str,
    /// The whole number, in digits.
    pub(crate) phone: &'a str,
}

/// How a list of accounts is cut and ordered.
pub(crate) struct Listing<'a> {
    pub(crate) aud: &'a str,
    pub(crate) sought: Sought<'a>,
    pub(crate) ascending: bool,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

/// The filter's wildcards count as characters.
fn like(filter: &str) -> Option<String> {
    let escaped = filter.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    (!filter.is_empty()).then(|| format!("%{escaped}%"))
}

const FILTER: &str = "and u.aud = $1
   and ($2::text is null or u.email ilike $2 or u.phone like $2 or u.raw_user_meta_data ->> 'full_name' ilike $2)
   and ($3 = '' or lower(u.email) = lower($3)) and ($4 = '' or u.phone = $4)
";

pub(crate) async fn list(session: &mut Session, listing: &Listing<'_>) -> Result<Vec<User>, Error> {
    let order = if listing.ascending {
        "order by u.created_at, u.id"
    } else {
        "order by u.created_at desc, u.id desc"
    };
    let sought = &listing.sought;
    let rows = session
        .query(
            &format!("{SELECT}{FILTER}{order} limit $5 offset $6"),
            &[
                &listing.aud,
                &like(sought.filter),
                &sought.email,
                &sought.phone,
                &listing.limit,
                &listing.offset,
            ],
        )
        .await?;
    rows.iter().map(user).collect()
}

pub(crate) async fn count(session: &mut Session, aud: &str, sought: Sought<'_>) -> Result<i64, Error> {
    const COUNT: &str = "select count(*) as total from auth.users u
 where (u.instance_id = '00000000-0000-0000-0000-000000000000' or u.instance_id is null)
";
    let row = session
        .query_one(&format!("{COUNT}{FILTER}"), &[&aud, &like(sought.filter), &sought.email, &sought.phone])
        .await?;
    Ok(row.try_get("total")?)
}
