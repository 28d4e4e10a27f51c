//! `auth.basalt_scim_users`, read with the accounts it is about: an identity provider's own, whether they were made
//! by it or came by signing in. Ours.

use chrono::{DateTime, Utc};
use db::{Error, Row, Session};
use serde_json::Value;
use uuid::Uuid;

use crate::scim::filter::Filter;
use crate::user::Object;

/// An account as its identity provider sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScimUserRow {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) user_name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) email_type: String,
    pub(crate) attributes: Object,
    /// The ban that the identity provider asked for.
    pub(crate) shut_until: Option<DateTime<Utc>>,
    /// The ban of somebody else's that this took the place of.
    pub(crate) banned_before: Option<DateTime<Utc>>,
    /// The ban in force or over, whoever asked for it.
    pub(crate) banned_until: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

fn user(row: &Row) -> Result<ScimUserRow, Error> {
    let attributes = match row.try_get::<_, Option<Value>>("attributes")? {
        Some(Value::Object(attributes)) => attributes,
        _ => Object::new(),
    };
    Ok(ScimUserRow {
        id: row.try_get("id")?,
        email: row.try_get::<_, Option<String>>("email")?.unwrap_or_default(),
        user_name: row.try_get("user_name")?,
        external_id: row.try_get("external_id")?,
        email_type: row.try_get("email_type")?,
        attributes,
        shut_until: row.try_get("shut_until")?,
        banned_before: row.try_get("banned_before")?,
        banned_until: row.try_get("banned_until")?,
        created_at: row.try_get::<_, Option<DateTime<Utc>>>("created_at")?.unwrap_or_default(),
        updated_at: row.try_get::<_, Option<DateTime<Utc>>>("updated_at")?.unwrap_or_default(),
    })
}

const SELECT: &str = "\
select u.id, u.email, coalesce(s.user_name, u.email, u.id::text) as user_name, s.external_id, s.attributes,
       coalesce(s.email_type, 'work') as email_type,
       s.shut_until, s.banned_before, u.banned_until, u.created_at, greatest(u.updated_at, s.updated_at) as updated_at";

/// Whom the identity provider may see at all. An organisation's account stays its own when its user signs in
/// another way as well, or in that way only: nobody gets out of reach by it. One that somebody had before is not
/// the organisation's.
const THEIRS: &str = "
  from auth.users u left join auth.basalt_scim_users s on s.user_id = u.id and s.sso_provider_id = $1
 where u.deleted_at is null
   and u.id in (select user_id from auth.identities where provider = 'sso:' || $1::uuid::text
                union select user_id from auth.basalt_scim_users where sso_provider_id = $1)
   and not exists (select from auth.identities i
                    where i.user_id = u.id and i.provider <> 'sso:' || $1::uuid::text
                      and (not u.is_sso_user or i.provider like 'sso:%'))
";

/// What finds the people a filter names, with its value as the second parameter.
fn condition(filter: &Filter) -> (&'static str, String) {
    match filter {
        Filter::Everybody => ("and $2::text = ''", String::new()),
        Filter::Nobody => ("and $2::text <> ''", String::new()),
        Filter::Id(id) => ("and u.id = $2::text::uuid", id.to_string()),
        Filter::ExternalId(id) => ("and s.external_id = $2::text", id.clone()),
        Filter::Email(email) => (
            "and u.id in (select id from auth.users
                where (instance_id = '00000000-0000-0000-0000-000000000000' or instance_id is null)
                  and lower(email) = lower($2::text))",
            email.clone(),
        ),
        Filter::UserName(name) => (
            "and lower(coalesce(s.user_name, u.email)) = lower($2::text)
   and u.id in (select user_id from auth.basalt_scim_users
                 where sso_provider_id = $1 and lower(user_name) = lower($2::text)
                union
                select id from auth.users
                 where (instance_id = '00000000-0000-0000-0000-000000000000' or instance_id is null)
                   and lower(email) = lower($2::text))",
            name.clone(),
        ),
    }
}

/// The people of an identity provider that the filter names, the first ones first.
pub(crate) async fn list(
    session: &mut Session,
    provider_id: Uuid,
    filter: &Filter,
    (limit, offset): (i64, i64),
) -> Result<Vec<ScimUserRow>, Error> {
    let (condition, value) = condition(filter);
    let sql = format!("{SELECT}{THEIRS}{condition} order by u.created_at, u.id limit $3 offset $4");
    session.query(&sql, &[&provider_id, &value, &limit, &offset]).await?.iter().map(user).collect()
}

pub(crate) async fn count(session: &mut Session, provider_id: Uuid, filter: &Filter) -> Result<i64, Error> {
    const COUNT: &str = "select count(*) as total";
    let (condition, value) = condition(filter);
    let row = session.query_one(&format!("{COUNT}{THEIRS}{condition}"), &[&provider_id, &value]).await?;
    Ok(row.try_get("total")?)
}

/// One of the people of an identity provider, whom nobody else changes until the transaction ends.
pub(crate) async fn lock(
    session: &mut Session,
    provider_id: Uuid,
    id: Uuid,
) -> Result<Option<ScimUserRow>, Error> {
    let (condition, value) = condition(&Filter::Id(id));
    let sql = format!("{SELECT}{THEIRS}{condition} for update of u");
    session.query_opt(&sql, &[&provider_id, &value]).await?.as_ref().map(user).transpose()
}

/// What an identity provider says of an account from now on.
pub(crate) struct Said<'a> {
    pub(crate) user_id: Uuid,
    pub(crate) provider_id: Uuid,
    pub(crate) user_name: &'a str,
    pub(crate) external_id: Option<&'a str>,
    pub(crate) email_type: &'a str,
    pub(crate) attributes: &'a Object,
    pub(crate) shut_until: Option<DateTime<Utc>>,
    pub(crate) banned_before: Option<DateTime<Utc>>,
}

pub(crate) async fn put(session: &mut Session, said: &Said<'_>, now: DateTime<Utc>) -> Result<(), Error> {
    const PUT: &str = "\
insert into auth.basalt_scim_users
  (user_id, sso_provider_id, user_name, external_id, email_type, attributes, shut_until, banned_before, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (user_id) do update
   set sso_provider_id = excluded.sso_provider_id, user_name = excluded.user_name,
       external_id = excluded.external_id, email_type = excluded.email_type, attributes = excluded.attributes,
       shut_until = excluded.shut_until, banned_before = excluded.banned_before,
       updated_at = excluded.updated_at";
    let attributes = Value::Object(said.attributes.clone());
    let params: [db::Param<'_>; 9] = [
        &said.user_id,
        &said.provider_id,
        &said.user_name,
        &said.external_id,
        &said.email_type,
        &attributes,
        &said.shut_until,
        &said.banned_before,
        &now,
    ];
    session.execute(PUT, &params).await.map(drop)
}

/// Forgets what identity providers said of an account: somebody else may have its name from now on.
pub(crate) async fn forget(session: &mut Session, user_id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.basalt_scim_users where user_id = $1", &[&user_id]).await.map(drop)
}

/// Keeps the provider's people as they are until the transaction ends: two of the same name are not made at once.
pub(crate) async fn hold_provider(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session
        .query_opt("select id from auth.sso_providers where id = $1 for no key update", &[&id])
        .await
        .map(drop)
}
