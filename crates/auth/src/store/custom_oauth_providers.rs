//! `auth.custom_oauth_providers`: providers that administrators define.

use db::{Error, Row, Session};
use serde_json::Value;

use crate::oauth::custom::{Custom, Kind};
use crate::user::Object;

const SELECT: &str = "\
select id, provider_type, identifier, name, client_id, client_secret, acceptable_client_ids, scopes, pkce_enabled,
       attribute_mapping, custom_claims_allowlist, authorization_params, enabled, email_optional, issuer,
       discovery_url, skip_nonce_check, cached_discovery, authorization_url, token_url, userinfo_url, jwks_uri,
       created_at, updated_at
  from auth.custom_oauth_providers
";

fn custom(row: &Row) -> Result<Custom, Error> {
    let text = |column: &str| Ok::<_, Error>(row.try_get::<_, Option<String>>(column)?);
    let object = |column: &str| match row.try_get::<_, Value>(column)? {
        Value::Object(object) => Ok::<_, Error>(object),
        _ => Ok(Object::new()),
    };
    let kind = if row.try_get::<_, &str>("provider_type")? == "oidc" {
        Kind::Oidc {
            issuer: text("issuer")?.unwrap_or_default(),
            discovery_url: text("discovery_url")?,
            skip_nonce_check: row.try_get("skip_nonce_check")?,
            document: row.try_get("cached_discovery")?,
        }
    } else {
        Kind::OAuth2 {
            authorization_url: text("authorization_url")?.unwrap_or_default(),
            token_url: text("token_url")?.unwrap_or_default(),
            userinfo_url: text("userinfo_url")?.unwrap_or_default(),
            jwks_uri: text("jwks_uri")?,
        }
    };
    Ok(Custom {
        id: row.try_get("id")?,
        identifier: row.try_get("identifier")?,
        name: row.try_get("name")?,
        client_id: row.try_get("client_id")?,
        client_secret: row.try_get("client_secret")?,
        acceptable_client_ids: row.try_get("acceptable_client_ids")?,
        scopes: row.try_get("scopes")?,
        pkce_enabled: row.try_get("pkce_enabled")?,
        attribute_mapping: object("attribute_mapping")?,
        custom_claims_allowlist: row.try_get("custom_claims_allowlist")?,
        authorization_params: object("authorization_params")?,
        enabled: row.try_get("enabled")?,
        email_optional: row.try_get("email_optional")?,
        kind,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// All, or those of one type, newest first.
pub(crate) async fn list(session: &mut Session, kind: Option<&str>) -> Result<Vec<Custom>, Error> {
    let sql = format!("{SELECT} where provider_type = $1 or $1 is null order by created_at desc, id");
    session.query(&sql, &[&kind]).await?.iter().map(custom).collect()
}

pub(crate) async fn find(session: &mut Session, identifier: &str) -> Result<Option<Custom>, Error> {
    let sql = format!("{SELECT} where identifier = $1");
    session.query_opt(&sql, &[&identifier]).await?.as_ref().map(custom).transpose()
}

pub(crate) async fn count(session: &mut Session) -> Result<u64, Error> {
    let row = session.query_one("select count(*) from auth.custom_oauth_providers", &[]).await?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}

/// The endpoints of either kind, in the order of the columns.
struct Places<'a> {
    issuer: Option<&'a str>,
    discovery_url: Option<&'a str>,
    skip_nonce_check: bool,
    document: Option<&'a Value>,
    authorization_url: Option<&'a str>,
    token_url: Option<&'a str>,
    userinfo_url: Option<&'a str>,
    jwks_uri: Option<&'a str>,
}

impl<'a> Places<'a> {
    fn of(kind: &'a Kind) -> Self {
        let none = Self {
            issuer: None,
            discovery_url: None,
            skip_nonce_check: false,
            document: None,
            authorization_url: None,
            token_url: None,
            userinfo_url: None,
            jwks_uri: None,
        };
        match kind {
            Kind::Oidc { issuer, discovery_url, skip_nonce_check, document } => Self {
                issuer: Some(issuer),
                discovery_url: discovery_url.as_deref(),
                skip_nonce_check: *skip_nonce_check,
                document: document.as_ref(),
                ..none
            },
            Kind::OAuth2 { authorization_url, token_url, userinfo_url, jwks_uri } => Self {
                authorization_url: Some(authorization_url),
                token_url: Some(token_url),
                userinfo_url: Some(userinfo_url),
                jwks_uri: jwks_uri.as_deref(),
                ..none
            },
        }
    }
}

pub(crate) async fn insert(session: &mut Session, new: &Custom) -> Result<(), Error> {
    const INSERT: &str = "\
insert into auth.custom_oauth_providers
  (id, provider_type, identifier, name, client_id, client_secret, acceptable_client_ids, scopes, pkce_enabled,
   attribute_mapping, custom_claims_allowlist, authorization_params, enabled, email_optional, issuer,
   discovery_url, skip_nonce_check, cached_discovery, authorization_url, token_url, userinfo_url, jwks_uri,
   created_at, updated_at, discovery_cached_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, case when $18::jsonb is not null then $24::timestamptz end)";
    let places = Places::of(&new.kind);
    let (mapping, params) =
        (Value::Object(new.attribute_mapping.clone()), Value::Object(new.authorization_params.clone()));
    session
        .execute(
            INSERT,
            &[
                &new.id,
                &new.kind.name(),
                &new.identifier,
                &new.name,
                &new.client_id,
                &new.client_secret,
                &new.acceptable_client_ids,
                &new.scopes,
                &new.pkce_enabled,
                &mapping,
                &new.custom_claims_allowlist,
                &params,
                &new.enabled,
                &new.email_optional,
                &places.issuer,
                &places.discovery_url,
                &places.skip_nonce_check,
                &places.document,
                &places.authorization_url,
                &places.token_url,
                &places.userinfo_url,
                &places.jwks_uri,
                &new.created_at,
                &new.updated_at,
            ],
        )
        .await
        .map(drop)
}

/// Everything but what it is called and of which type it is; false if it is gone.
pub(crate) async fn update(session: &mut Session, changed: &Custom) -> Result<bool, Error> {
    const UPDATE: &str = "\
update auth.custom_oauth_providers
   set name = $2, client_id = $3, client_secret = $4, acceptable_client_ids = $5, scopes = $6, pkce_enabled = $7,
       attribute_mapping = $8, custom_claims_allowlist = $9, authorization_params = $10, enabled = $11,
       email_optional = $12, issuer = $13, discovery_url = $14, skip_nonce_check = $15, cached_discovery = $16,
       authorization_url = $17, token_url = $18, userinfo_url = $19, jwks_uri = $20, updated_at = $21,
       discovery_cached_at = case when cached_discovery is distinct from $16 then $21 else discovery_cached_at end
 where id = $1";
    let places = Places::of(&changed.kind);
    let (mapping, params) = (
        Value::Object(changed.attribute_mapping.clone()),
        Value::Object(changed.authorization_params.clone()),
    );
    let rows = session
        .execute(
            UPDATE,
            &[
                &changed.id,
                &changed.name,
                &changed.client_id,
                &changed.client_secret,
                &changed.acceptable_client_ids,
                &changed.scopes,
                &changed.pkce_enabled,
                &mapping,
                &changed.custom_claims_allowlist,
                &params,
                &changed.enabled,
                &changed.email_optional,
                &places.issuer,
                &places.discovery_url,
                &places.skip_nonce_check,
                &places.document,
                &places.authorization_url,
                &places.token_url,
                &places.userinfo_url,
                &places.jwks_uri,
                &changed.updated_at,
            ],
        )
        .await?;
    Ok(rows > 0)
}

/// False if there is none of this name.
pub(crate) async fn delete(session: &mut Session, identifier: &str) -> Result<bool, Error> {
    const DELETE: &str = "delete from auth.custom_oauth_providers where identifier = $1";
    Ok(session.execute(DELETE, &[&identifier]).await? > 0)
}

/// Names the rule that a value broke, if it was a rule of the table.
pub(crate) fn broken_rule(error: &Error) -> Option<&str> {
    let constraint = error.constraint()?;
    constraint.strip_prefix("custom_oauth_providers_")
}
