//! `auth.sso_providers` with `auth.saml_providers` and `auth.sso_domains`: who vouches for whom.

use chrono::{DateTime, Utc};
use db::{Error, Param, Row, Session};
use serde_json::Value;
use uuid::Uuid;

use crate::saml::mapping::Mapping;

/// An identity provider.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SsoProvider {
    pub(crate) id: Uuid,
    pub(crate) resource_id: Option<String>,
    pub(crate) disabled: Option<bool>,
    pub(crate) entity_id: String,
    pub(crate) metadata_xml: String,
    pub(crate) metadata_url: Option<String>,
    pub(crate) mapping: Mapping,
    pub(crate) name_id_format: Option<String>,
    pub(crate) domains: Vec<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// When its metadata was taken over.
    pub(crate) described_at: DateTime<Utc>,
}

const SELECT: &str = "\
select p.id, p.resource_id, p.disabled, p.created_at, p.updated_at, s.entity_id, s.metadata_xml, s.metadata_url,
       s.attribute_mapping, s.name_id_format, s.updated_at as described_at,
       coalesce((select array_agg(d.domain order by d.created_at, d.domain)
                   from auth.sso_domains d where d.sso_provider_id = p.id), '{}') as domains
  from auth.sso_providers p join auth.saml_providers s on s.sso_provider_id = p.id
";

fn provider(row: &Row) -> Result<SsoProvider, Error> {
    let moment = |column| row.try_get::<_, Option<DateTime<Utc>>>(column).map(Option::unwrap_or_default);
    let mapping = match row.try_get::<_, Option<Value>>("attribute_mapping")? {
        None | Some(Value::Null) => Mapping::default(),
        Some(mapping) => serde_json::from_value(mapping).map_err(|error| Error::Client(error.to_string()))?,
    };
    Ok(SsoProvider {
        id: row.try_get("id")?,
        resource_id: row.try_get("resource_id")?,
        disabled: row.try_get("disabled")?,
        entity_id: row.try_get("entity_id")?,
        metadata_xml: row.try_get("metadata_xml")?,
        metadata_url: row.try_get::<_, Option<String>>("metadata_url")?.filter(|url| !url.is_empty()),
        mapping,
        name_id_format: row.try_get::<_, Option<String>>("name_id_format")?.filter(|name| !name.is_empty()),
        domains: row.try_get("domains")?,
        created_at: moment("created_at")?,
        updated_at: moment("updated_at")?,
        described_at: moment("described_at")?,
    })
}

async fn one(
    session: &mut Session,
    condition: &str,
    params: &[Param<'_>],
) -> Result<Option<SsoProvider>, Error> {
    let row = session.query_opt(&format!("{SELECT}{condition}"), params).await?;
    row.as_ref().map(provider).transpose()
}

pub(crate) async fn find(session: &mut Session, id: Uuid) -> Result<Option<SsoProvider>, Error> {
    one(session, "where p.id = $1", &[&id]).await
}

/// The provider, locked until the transaction ends.
pub(crate) async fn lock(session: &mut Session, id: Uuid) -> Result<Option<SsoProvider>, Error> {
    one(session, "where p.id = $1 for update of p", &[&id]).await
}

pub(crate) async fn find_by_entity_id(session: &mut Session, id: &str) -> Result<Option<SsoProvider>, Error> {
    one(session, "where s.entity_id = $1", &[&id]).await
}

pub(crate) async fn find_by_resource_id(
    session: &mut Session,
    id: &str,
) -> Result<Option<SsoProvider>, Error> {
    one(session, "where p.resource_id = $1", &[&id]).await
}

/// The provider to which a domain belongs; capital letters say nothing.
pub(crate) async fn find_by_domain(
    session: &mut Session,
    domain: &str,
) -> Result<Option<SsoProvider>, Error> {
    const CONDITION: &str = "\
where p.id = (select d.sso_provider_id from auth.sso_domains d where lower(d.domain) = lower($1))";
    one(session, CONDITION, &[&domain]).await
}

/// All, or those with this resource id, or with resource ids that begin so.
pub(crate) async fn list(
    session: &mut Session,
    resource_id: Option<&str>,
    prefix: Option<&str>,
) -> Result<Vec<SsoProvider>, Error> {
    const CONDITION: &str = "\
where ($1::text is null or p.resource_id = $1) and ($2::text is null or starts_with(p.resource_id, $2))
order by p.created_at, p.id";
    let rows = session.query(&format!("{SELECT}{CONDITION}"), &[&resource_id, &prefix]).await?;
    rows.iter().map(provider).collect()
}

pub(crate) async fn insert(session: &mut Session, new: &SsoProvider) -> Result<(), Error> {
    const INSERT: &str = "\
with provider as (
  insert into auth.sso_providers (id, resource_id, disabled, created_at, updated_at) values ($1, $2, $3, $4, $4)
)
insert into auth.saml_providers
  (id, sso_provider_id, entity_id, metadata_xml, metadata_url, attribute_mapping, name_id_format, created_at, updated_at)
values ($5, $1, $6, $7, $8, $9, $10, $4, $4)";
    session
        .execute(
            INSERT,
            &[
                &new.id,
                &new.resource_id,
                &new.disabled,
                &new.created_at,
                &Uuid::new_v4(),
                &new.entity_id,
                &new.metadata_xml,
                &new.metadata_url,
                &mapping(new),
                &new.name_id_format,
            ],
        )
        .await
        .map(drop)
}

fn mapping(provider: &SsoProvider) -> Value {
    serde_json::to_value(&provider.mapping).unwrap_or_default()
}

/// Writes what administrators may change; the domains have statements of their own.
pub(crate) async fn update(session: &mut Session, to: &SsoProvider) -> Result<(), Error> {
    const UPDATE: &str = "\
with provider as (
  update auth.sso_providers set resource_id = $2, disabled = $3, updated_at = $4 where id = $1
)
update auth.saml_providers
   set metadata_xml = $5, metadata_url = $6, attribute_mapping = $7, name_id_format = $8, updated_at = $9
 where sso_provider_id = $1";
    session
        .execute(
            UPDATE,
            &[
                &to.id,
                &to.resource_id,
                &to.disabled,
                &to.updated_at,
                &to.metadata_xml,
                &to.metadata_url,
                &mapping(to),
                &to.name_id_format,
                &to.described_at,
            ],
        )
        .await
        .map(drop)
}

/// Takes over metadata that was fetched again.
pub(crate) async fn describe(
    session: &mut Session,
    id: Uuid,
    metadata_xml: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const UPDATE: &str = "\
update auth.saml_providers set metadata_xml = $2, updated_at = $3 where sso_provider_id = $1";
    session.execute(UPDATE, &[&id, &metadata_xml, &now]).await.map(drop)
}

pub(crate) async fn insert_domains(
    session: &mut Session,
    id: Uuid,
    domains: &[String],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.sso_domains (id, sso_provider_id, domain, created_at, updated_at)
select gen_random_uuid(), $1, d.domain, $3, $3 from unnest($2::text[]) as d (domain)";
    session.execute(INSERT, &[&id, &domains, &now]).await.map(drop)
}

pub(crate) async fn delete_domains(session: &mut Session, id: Uuid, domains: &[String]) -> Result<(), Error> {
    const DELETE: &str = "delete from auth.sso_domains where sso_provider_id = $1 and domain = any ($2)";
    session.execute(DELETE, &[&id, &domains]).await.map(drop)
}

pub(crate) async fn delete(session: &mut Session, id: Uuid) -> Result<(), Error> {
    session.execute("delete from auth.sso_providers where id = $1", &[&id]).await.map(drop)
}
