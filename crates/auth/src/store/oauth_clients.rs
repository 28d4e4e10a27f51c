//! `auth.oauth_clients`: applications that may ask for access to accounts. Lists are texts with
//! commas between; a client that was deleted stays as a row and is found by nobody.

use chrono::{DateTime, Utc};
use db::{Error, Row, Session};
use uuid::Uuid;

use crate::oauth_server::client::{Client, Credential, Method, Registration};

const SELECT: &str = "\
select id, client_secret_hash, registration_type::text as registration_type, client_type::text as client_type,
       token_endpoint_auth_method, redirect_uris, grant_types, client_name, client_uri, logo_uri,
       created_at, updated_at
  from auth.oauth_clients
 where deleted_at is null";

fn client(row: &Row) -> Result<Client, Error> {
    let list = |column: &str| -> Result<Vec<String>, Error> {
        let text: String = row.try_get(column)?;
        Ok(text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect())
    };
    let method = Method::parse(row.try_get("token_endpoint_auth_method")?);
    let credential = match (row.try_get("client_type")?, method) {
        ("public", _) => Credential::Public,
        (_, method) => Credential::Secret {
            method: method.filter(|method| *method != Method::None).unwrap_or(Method::Basic),
            hash: row.try_get::<_, Option<_>>("client_secret_hash")?.unwrap_or_default(),
        },
    };
    let registration = match row.try_get("registration_type")? {
        "dynamic" => Registration::Dynamic,
        _ => Registration::Manual,
    };
    Ok(Client {
        id: row.try_get("id")?,
        credential,
        registration,
        redirect_uris: list("redirect_uris")?,
        grant_types: list("grant_types")?,
        name: row.try_get("client_name")?,
        uri: row.try_get("client_uri")?,
        logo_uri: row.try_get("logo_uri")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

pub(crate) async fn find(session: &mut Session, id: Uuid) -> Result<Option<Client>, Error> {
    let row = session.query_opt(&format!("{SELECT} and id = $1"), &[&id]).await?;
    row.as_ref().map(client).transpose()
}

/// The client, to be changed.
pub(crate) async fn lock(session: &mut Session, id: Uuid) -> Result<Option<Client>, Error> {
    let row = session.query_opt(&format!("{SELECT} and id = $1 for update"), &[&id]).await?;
    row.as_ref().map(client).transpose()
}

/// The client, which nobody changes or deletes until the transaction ends; others may hold it, too.
pub(crate) async fn hold(session: &mut Session, id: Uuid) -> Result<Option<Client>, Error> {
    let row = session.query_opt(&format!("{SELECT} and id = $1 for share"), &[&id]).await?;
    row.as_ref().map(client).transpose()
}

/// Some of all clients, newest first.
pub(crate) async fn list(session: &mut Session, limit: i64, offset: i64) -> Result<Vec<Client>, Error> {
    let sql = format!("{SELECT} order by created_at desc, id limit $1 offset $2");
    let rows = session.query(&sql, &[&limit, &offset]).await?;
    rows.iter().map(client).collect()
}

pub(crate) async fn count(session: &mut Session) -> Result<i64, Error> {
    const COUNT: &str = "select count(*) as number from auth.oauth_clients where deleted_at is null";
    Ok(session.query_one(COUNT, &[]).await?.try_get("number")?)
}

pub(crate) async fn insert(session: &mut Session, new: &Client) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.oauth_clients
  (id, client_secret_hash, registration_type, client_type, token_endpoint_auth_method, redirect_uris,
   grant_types, client_name, client_uri, logo_uri, created_at, updated_at)
values ($1, $2, $3::text::auth.oauth_registration_type, $4::text::auth.oauth_client_type, $5, $6, $7, $8, $9, $10,
        $11, $11)";
    let columns = Columns::of(new);
    session
        .execute(
            INSERT,
            &[
                &new.id,
                &columns.hash,
                &new.registration.name(),
                &new.credential.kind(),
                &columns.method,
                &columns.redirect_uris,
                &columns.grant_types,
                &new.name,
                &new.uri,
                &new.logo_uri,
                &new.created_at,
            ],
        )
        .await
        .map(drop)
}

/// Writes all that can change of a client.
pub(crate) async fn update(session: &mut Session, to: &Client) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.oauth_clients
   set client_secret_hash = $2, token_endpoint_auth_method = $3, redirect_uris = $4, grant_types = $5,
       client_name = $6, client_uri = $7, logo_uri = $8, updated_at = $9
 where id = $1";
    let columns = Columns::of(to);
    session
        .execute(
            UPDATE,
            &[
                &to.id,
                &columns.hash,
                &columns.method,
                &columns.redirect_uris,
                &columns.grant_types,
                &to.name,
                &to.uri,
                &to.logo_uri,
                &to.updated_at,
            ],
        )
        .await
        .map(drop)
}

/// The columns that are written otherwise than they are thought of.
struct Columns<'a> {
    /// Empty for none: the original cannot read NULL.
    hash: &'a str,
    method: &'static str,
    redirect_uris: String,
    grant_types: String,
}

impl<'a> Columns<'a> {
    fn of(client: &'a Client) -> Self {
        let hash = match &client.credential {
            Credential::Public => "",
            Credential::Secret { hash, .. } => hash,
        };
        Self {
            hash,
            method: client.credential.method().name(),
            redirect_uris: client.redirect_uris.join(","),
            grant_types: client.grant_types.join(","),
        }
    }
}

/// The client is found by nobody from now on; `false` if it was not before.
pub(crate) async fn delete(session: &mut Session, id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    const UPDATE: &str = "\
update auth.oauth_clients set deleted_at = $2, updated_at = $2 where id = $1 and deleted_at is null";
    Ok(session.execute(UPDATE, &[&id, &now]).await? > 0)
}
