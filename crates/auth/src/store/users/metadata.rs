//! What applications, providers and their users say of accounts.

use chrono::{DateTime, Utc};
use db::{Error, Session};
use serde_json::Value;
use uuid::Uuid;

use crate::user::Object;

/// A patch of an object: what to set, and what to leave out.
fn patch(patch: &Object) -> (Value, Vec<String>) {
    let (nulls, values): (Object, Object) = patch.clone().into_iter().partition(|(_, value)| value.is_null());
    (Value::Object(values), nulls.into_iter().map(|(key, _)| key).collect())
}

pub(crate) async fn merge_user_metadata(
    session: &mut Session,
    id: Uuid,
    changes: &Object,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set raw_user_meta_data = (coalesce(nullif(raw_user_meta_data, 'null'), '{}') || $2::jsonb) - $3::text[],
       updated_at = $4
 where id = $1";
    let (values, removed) = patch(changes);
    session.execute(UPDATE, &[&id, &values, &removed, &now]).await.map(drop)
}

pub(crate) async fn merge_app_metadata(
    session: &mut Session,
    id: Uuid,
    changes: &Object,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users
   set raw_app_meta_data = (coalesce(nullif(raw_app_meta_data, 'null'), '{}') || $2::jsonb) - $3::text[],
       updated_at = $4
 where id = $1";
    let (values, removed) = patch(changes);
    session.execute(UPDATE, &[&id, &values, &removed, &now]).await.map(drop)
}

/// Brings `provider` and `providers` of the account in line with its identities.
pub(crate) async fn update_providers(
    session: &mut Session,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.users u
   set raw_app_meta_data = coalesce(nullif(u.raw_app_meta_data, 'null'), '{}')
         || jsonb_build_object('providers', coalesce(p.names, '[]'))
         || case when p.names is null then '{}' else jsonb_build_object('provider', p.names -> 0) end,
       updated_at = $2
  from (select jsonb_agg(provider order by since) as names
          from (select provider, min(created_at) as since from auth.identities
                 where user_id = $1 group by provider) each) p
 where u.id = $1";
    session.execute(UPDATE, &[&id, &now]).await.map(drop)
}
