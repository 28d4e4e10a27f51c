//! Table `vault.secrets`.

use db::{Error, Session};
use kernel::Secret;

/// A secret without its content.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Listed {
    /// Its id, a UUID.
    pub id: String,
    /// Its name, if it has one; unique.
    pub name: Option<String>,
    /// What it is for.
    pub description: String,
    /// When it was made, as ISO 8601.
    pub created_at: String,
    /// When it was last written, as ISO 8601.
    pub updated_at: String,
}

/// Keeps what follows out of the server's log and statistics.
const QUIET: &str = "\
set local log_statement = 'none';
set local log_min_duration_statement = -1;
set local log_min_error_statement = 'panic';
set local log_parameter_max_length_on_error = 0;
set local auto_explain.log_min_duration = -1;
set local pg_stat_statements.track = 'none'";

pub(crate) async fn quiet(session: &mut Session) -> Result<(), Error> {
    session.batch(QUIET).await
}

/// All of them, or the `limit` that follow the first `offset`.
pub(crate) async fn list(session: &mut Session, page: Option<Page>) -> Result<Vec<Listed>, Error> {
    const SQL: &str = "
        select id::text, name, description, to_json(created_at) #>> '{}', to_json(updated_at) #>> '{}'
        from vault.secrets
        order by name, created_at, id
        limit $1 offset $2";
    let (limit, offset) = page.map_or((None, 0), |page| (Some(page.limit), page.offset));
    session.query(SQL, &[&limit, &offset]).await?.iter().map(listed).collect()
}

/// A part of the list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Secrets at most.
    pub limit: i64,
    /// How many come before.
    pub offset: i64,
}

fn listed(row: &db::Row) -> Result<Listed, Error> {
    Ok(Listed {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        description: row.try_get(2)?,
        created_at: row.try_get(3)?,
        updated_at: row.try_get(4)?,
    })
}

/// How a secret is meant.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// By its id, a UUID.
    Id(&'a str),
    /// By its name.
    Name(&'a str),
}

impl Which<'_> {
    /// Both parameters of the statements below, one of them null.
    fn params(self) -> (Option<String>, Option<String>) {
        match self {
            Self::Id(id) => (Some(id.to_owned()), None),
            Self::Name(name) => (None, Some(name.to_owned())),
        }
    }
}

/// A secret with its content.
pub(crate) async fn open(session: &mut Session, which: Which<'_>) -> Result<Option<(Listed, Secret)>, Error> {
    const SQL: &str = "
        select id::text, name, description, to_json(created_at) #>> '{}', to_json(updated_at) #>> '{}',
          decrypted_secret
        from vault.decrypted_secrets
        where id = $1::text::uuid or name = $2";
    let (id, name) = which.params();
    let row = session.query_opt(SQL, &[&id, &name]).await?;
    row.map(|row| Ok((listed(&row)?, Secret::new(row.try_get::<_, &str>(5)?)))).transpose()
}

/// A secret without its content; nobody else writes it before the transaction ends.
pub(crate) async fn lock_any(session: &mut Session, which: Which<'_>) -> Result<Option<String>, Error> {
    const SQL: &str = "select id::text from vault.secrets where id = $1::text::uuid or name = $2 for update";
    let (id, name) = which.params();
    session.query_opt(SQL, &[&id, &name]).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// The secret with this id, without its content.
pub(crate) async fn get(session: &mut Session, id: &str) -> Result<Listed, Error> {
    const SQL: &str = "
        select id::text, name, description, to_json(created_at) #>> '{}', to_json(updated_at) #>> '{}'
        from vault.secrets
        where id = $1::text::uuid";
    listed(&session.query_one(SQL, &[&id]).await?)
}

/// Writes what is given and keeps the rest.
pub(crate) async fn change(session: &mut Session, id: &str, change: &Change) -> Result<(), Error> {
    const SQL: &str = "select vault.update_secret($1::text::uuid, $2, $3, $4)";
    let content = change.secret.as_ref().map(Secret::expose);
    session.execute(SQL, &[&id, &content, &change.name, &change.description]).await.map(drop)
}

/// What becomes of a secret; nothing where there is none.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its content.
    pub secret: Option<Secret>,
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// Makes a secret and returns its id.
pub(crate) async fn create(
    session: &mut Session,
    content: &Secret,
    change: &Change,
) -> Result<String, Error> {
    const SQL: &str = "select vault.create_secret($1, $2, coalesce($3, ''))::text";
    let row = session.query_one(SQL, &[&content.expose(), &change.name, &change.description]).await?;
    Ok(row.try_get(0)?)
}

/// Deletes by id.
pub(crate) async fn remove(session: &mut Session, id: &str) -> Result<(), Error> {
    session.execute("delete from vault.secrets where id = $1::text::uuid", &[&id]).await.map(drop)
}

/// How many keys there are at the moment: two while one replaces the other.
pub(crate) async fn count_keys(session: &mut Session) -> Result<i32, Error> {
    Ok(session.query_one("select cardinality(vault._keys())", &[]).await?.try_get(0)?)
}

/// How many secrets there are, and how many of them were sealed elsewhere.
pub(crate) async fn count(session: &mut Session) -> Result<(i64, i64), Error> {
    const SQL: &str = "select count(*), count(*) filter (where secret not like 'b1:%') from vault.secrets";
    let row = session.query_one(SQL, &[]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// The content of the secret called `name`.
pub(crate) async fn find(session: &mut Session, name: &str) -> Result<Option<Secret>, Error> {
    const SQL: &str = "select decrypted_secret from vault.decrypted_secrets where name = $1";
    let row = session.query_opt(SQL, &[&name]).await?;
    row.map(|row| Ok(Secret::new(row.try_get::<_, &str>(0)?))).transpose()
}

/// The id of the secret called `name`; nobody else writes it before the transaction ends.
pub(crate) async fn lock(session: &mut Session, name: &str) -> Result<Option<String>, Error> {
    const SQL: &str = "select id::text from vault.secrets where name = $1 for update";
    session.query_opt(SQL, &[&name]).await?.map(|row| Ok(row.try_get(0)?)).transpose()
}

pub(crate) async fn insert(
    session: &mut Session,
    name: &str,
    content: &Secret,
    description: Option<&str>,
) -> Result<(), Error> {
    const SQL: &str = "select vault.create_secret($1, $2, coalesce($3, ''))";
    session.execute(SQL, &[&content.expose(), &name, &description]).await.map(drop)
}

/// Writes content, and the description if there is one.
pub(crate) async fn update(
    session: &mut Session,
    id: &str,
    content: &Secret,
    description: Option<&str>,
) -> Result<(), Error> {
    const SQL: &str = "select vault.update_secret($1::text::uuid, $2, null, $3)";
    session.execute(SQL, &[&id, &content.expose(), &description]).await.map(drop)
}

/// Whether there was one.
pub(crate) async fn delete(session: &mut Session, name: &str) -> Result<bool, Error> {
    let deleted = session.execute("delete from vault.secrets where name = $1", &[&name]).await?;
    Ok(deleted > 0)
}

/// Whether secrets are sealed with `key` from now on.
pub(crate) async fn seals_with(session: &mut Session, key: &Secret) -> Result<bool, Error> {
    let row = session.query_one("select (vault._keys())[1] = $1", &[&key.expose()]).await?;
    Ok(row.try_get(0)?)
}

/// How many secrets were sealed here.
pub(crate) async fn count_sealed(session: &mut Session) -> Result<i64, Error> {
    const SQL: &str = "select count(*) from vault.secrets where secret like 'b1:%'";
    Ok(session.query_one(SQL, &[]).await?.try_get(0)?)
}

/// What became of some secrets.
pub(crate) struct Resealed {
    /// The last of them; none if there was none.
    pub last: Option<String>,
    pub count: i64,
    /// Those that no key opens; they are as they were.
    pub unopened: Vec<String>,
}

/// Seals `limit` secrets behind the id `after` with the key of today.
pub(crate) async fn reseal(session: &mut Session, after: &str, limit: i64) -> Result<Resealed, Error> {
    const SQL: &str = "
        with batch as materialized (
          select id, secret
          from vault.secrets
          where id > $1::text::uuid and secret like 'b1:%'
          order by id
          limit $2
          for update
        ),
        sealed as materialized (
          select id, vault._reseal(id, secret) as secret from batch
        ),
        done as (
          update vault.secrets s
          set secret = sealed.secret
          from sealed
          where s.id = sealed.id and sealed.secret is not null
        )
        select
          (array_agg(id order by id desc))[1]::text,
          count(*),
          coalesce(array_agg(id::text order by id) filter (where secret is null), '{}')
        from sealed";
    let row = session.query_one(SQL, &[&after, &limit]).await?;
    Ok(Resealed { last: row.try_get(0)?, count: row.try_get(1)?, unopened: row.try_get(2)? })
}

/// A secret in the form of the original extension.
pub(crate) struct Foreign {
    pub id: String,
    pub secret: String,
    pub nonce: Option<Vec<u8>>,
    /// It names a key of its own.
    pub has_key_id: bool,
}

pub(crate) async fn list_foreign(session: &mut Session) -> Result<Vec<Foreign>, Error> {
    const SQL: &str = "
        select id::text, secret, nonce, key_id is not null
        from vault.secrets
        where secret not like 'b1:%'
        order by id
        for update";
    let rows = session.query(SQL, &[]).await?;
    let foreign = |row: &db::Row| {
        Ok(Foreign {
            id: row.try_get(0)?,
            secret: row.try_get(1)?,
            nonce: row.try_get(2)?,
            has_key_id: row.try_get(3)?,
        })
    };
    rows.iter().map(foreign).collect()
}

/// Seals the content of a row that somebody else sealed.
pub(crate) async fn take_over(session: &mut Session, id: &str, content: &Secret) -> Result<(), Error> {
    const SQL: &str = "update vault.secrets set secret = vault._seal(id, $2) where id = $1::text::uuid";
    session.execute(SQL, &[&id, &content.expose()]).await.map(drop)
}

/// A secret that comes from another vault.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Its id there and here.
    pub id: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What it is for.
    pub description: String,
    /// Its content.
    pub content: Secret,
    /// When it was made, as Postgres writes it.
    pub created_at: String,
    /// When it was last written, as Postgres writes it.
    pub updated_at: String,
}

/// Whether this very secret is here.
pub(crate) async fn is_here(session: &mut Session, moved: &Moved) -> Result<bool, Error> {
    const SQL: &str = "
        select exists (
          select from vault.decrypted_secrets
          where id = $1::text::uuid and name is not distinct from $2 and description = $3 and decrypted_secret = $4
        )";
    let params: [db::Param<'_>; 4] = [&moved.id, &moved.name, &moved.description, &moved.content.expose()];
    Ok(session.query_one(SQL, &params).await?.try_get(0)?)
}

/// Seals it here under its id; whatever else has its name goes.
pub(crate) async fn settle(session: &mut Session, moved: &Moved) -> Result<(), Error> {
    const OTHER: &str = "delete from vault.secrets where name = $1 and id <> $2::text::uuid";
    const SQL: &str = "
        insert into vault.secrets (id, name, description, secret, created_at, updated_at)
        values ($1::text::uuid, $2, $3, vault._seal($1::text::uuid, $4), $5::text::timestamptz, $6::text::timestamptz)
        on conflict (id) do update
        set name = excluded.name, description = excluded.description, secret = excluded.secret,
            created_at = excluded.created_at, updated_at = excluded.updated_at";
    session.execute(OTHER, &[&moved.name, &moved.id]).await?;
    let params: [db::Param<'_>; 6] = [
        &moved.id,
        &moved.name,
        &moved.description,
        &moved.content.expose(),
        &moved.created_at,
        &moved.updated_at,
    ];
    session.execute(SQL, &params).await.map(drop)
}
