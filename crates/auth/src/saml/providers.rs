//! Identity providers: who set them up, what they say of themselves, and when to ask again.

use reqwest::Method;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::description::Description;
use super::mapping::Mapping;
use crate::config::Config;
use crate::error::{Error, OrInternal, Saml};
use crate::outbound::{Reach, Request};
use crate::service::Context;
use crate::store::sso_providers::{self, SsoProvider};

/// How somebody can be named.
const NAME_ID_FORMATS: [&str; 4] = [
    "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
    "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
];

const FAILED: &str = "Database error saving SSO Identity Provider";

/// What an administrator wants a provider to be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wish {
    #[serde(rename = "type")]
    kind: String,
    metadata_url: String,
    metadata_xml: String,
    /// `None` leaves them as they are.
    domains: Option<Vec<String>>,
    attribute_mapping: Mapping,
    name_id_format: String,
    resource_id: Option<String>,
    disabled: Option<bool>,
}

impl Wish {
    fn check(&self, config: &Config, is_new: bool) -> Result<(), Error> {
        let (has_url, has_xml) = (!self.metadata_url.is_empty(), !self.metadata_xml.is_empty());
        if is_new && self.kind != "saml" {
            return Err(Error::invalid("Only 'saml' supported for SSO provider type"));
        }
        if has_url && has_xml {
            return Err(Error::invalid("Only one of metadata_xml or metadata_url needs to be set"));
        }
        if is_new && !has_url && !has_xml {
            return Err(Error::invalid("Either metadata_xml or metadata_url must be set"));
        }
        if has_url {
            let url = Url::parse(&self.metadata_url);
            let url = url.map_err(|_| Error::invalid("metadata_url is not a valid URL"))?;
            let is_web = match reach(config) {
                Reach::PublicOnly => url.scheme() == "https",
                Reach::Anywhere => matches!(url.scheme(), "http" | "https"),
            };
            if !is_web {
                return Err(Error::invalid("metadata_url is not a HTTPS URL"));
            }
        }
        if !self.name_id_format.is_empty() && !NAME_ID_FORMATS.contains(&self.name_id_format.as_str()) {
            let known = NAME_ID_FORMATS.join(", ");
            return Err(Error::invalid(format!("name_id_format must be unspecified or one of {known}")));
        }
        if self.domains.iter().flatten().any(|domain| domain.trim().is_empty()) {
            return Err(Error::invalid("domains cannot contain an empty name"));
        }
        Ok(())
    }

    /// The metadata that is given or found, if any.
    async fn metadata(&self, ctx: &Context) -> Result<Option<(String, Description)>, Error> {
        let text = match (self.metadata_xml.as_str(), self.metadata_url.as_str()) {
            ("", "") => return Ok(None),
            ("", url) => fetch(ctx, url).await?,
            (xml, _) => xml.to_owned(),
        };
        let description = Description::read(&text).map_err(|error| Error::invalid(error.to_string()))?;
        Ok(Some((text, description)))
    }

    /// The domains, each once.
    fn domains(&self) -> Vec<String> {
        let mut domains: Vec<String> = Vec::new();
        for domain in self.domains.iter().flatten() {
            if !domains.iter().any(|known| known.eq_ignore_ascii_case(domain)) {
                domains.push(domain.clone());
            }
        }
        domains
    }
}

/// Where metadata may be fetched.
fn reach(config: &Config) -> Reach {
    if config.saml.allow_private_networks { Reach::Anywhere } else { Reach::PublicOnly }
}

/// Metadata from where the provider publishes it, without detours.
async fn fetch(ctx: &Context, url: &str) -> Result<String, Error> {
    let request = Request { reach: reach(ctx.config()), ..Request::new(Method::GET, url) };
    let request = request.with("accept", "application/xml;charset=UTF-8");
    let answer = ctx.service.outbound.send(request).await;
    let answer = answer.map_err(|error| {
        Saml::Fetch(format!("No answer fetching SAML Metadata from URL '{url}': {error}"))
    })?;
    if answer.status != 200 {
        let status = answer.status;
        return Err(
            Saml::Fetch(format!("HTTP {status} error fetching SAML Metadata from URL '{url}'")).into()
        );
    }
    let text = "SAML Metadata XML contains invalid UTF-8 characters, which are not supported at this time";
    String::from_utf8(answer.body).map_err(|_| Error::invalid(text))
}

/// A provider by its id, or by `resource_` and the id that whoever set it up gave it.
pub(crate) async fn find(session: &mut db::Session, id: &str) -> Result<SsoProvider, Error> {
    const FINDING: &str = "Database error finding SSO Identity Provider";
    let found = match id.strip_prefix("resource_") {
        // Postgres keeps no NUL.
        Some(id) if id.contains('\0') => None,
        Some(id) => sso_providers::find_by_resource_id(session, id).await.or_internal(FINDING)?,
        None => match Uuid::try_parse(id) {
            Ok(id) => sso_providers::find(session, id).await.or_internal(FINDING)?,
            Err(_) => None,
        },
    };
    Ok(found.ok_or(Saml::NoProvider("SSO Identity Provider not found"))?)
}

/// Sets a provider up.
pub(crate) async fn create(ctx: &Context, wish: Wish) -> Result<SsoProvider, Error> {
    const CONFLICT: &str = "Creating SSO provider failed, likely due to a conflict. Try again?";
    wish.check(ctx.config(), true)?;
    let (metadata_xml, description) =
        wish.metadata(ctx).await?.ok_or_else(|| Error::invalid("no metadata"))?;
    let domains = wish.domains();
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let known =
        sso_providers::find_by_entity_id(&mut tx, &description.entity_id).await.or_internal(FAILED)?;
    if known.is_some() {
        return Err(Saml::EntityExists(description.entity_id).into());
    }
    for domain in &domains {
        if let Some(holder) = sso_providers::find_by_domain(&mut tx, domain).await.or_internal(FAILED)? {
            let id = holder.id;
            let text =
                format!("SSO Domain '{domain}' is already assigned to an SSO identity provider ({id})");
            return Err(Saml::DomainTaken(text).into());
        }
    }
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let new = SsoProvider {
        id: Uuid::new_v4(),
        resource_id: wish.resource_id.and_then(text),
        disabled: wish.disabled,
        entity_id: description.entity_id,
        metadata_xml,
        metadata_url: text(wish.metadata_url),
        mapping: wish.attribute_mapping,
        name_id_format: text(wish.name_id_format),
        domains,
        created_at: ctx.now,
        updated_at: ctx.now,
        described_at: ctx.now,
    };
    saved(sso_providers::insert(&mut tx, &new).await, CONFLICT)?;
    saved(sso_providers::insert_domains(&mut tx, new.id, &new.domains, ctx.now).await, CONFLICT)?;
    let new = find(&mut tx, &new.id.to_string()).await?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(new)
}

/// Changes a provider. Its metadata may only be replaced by other metadata of the same entity.
pub(crate) async fn update(ctx: &Context, id: Uuid, wish: Wish) -> Result<SsoProvider, Error> {
    const CONFLICT: &str = "Updating SSO provider failed, likely due to a conflict. Try again?";
    wish.check(ctx.config(), false)?;
    let metadata = wish.metadata(ctx).await?;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let before = sso_providers::lock(&mut tx, id).await.or_internal(FAILED)?;
    let before = before.ok_or(Saml::NoProvider("SSO Identity Provider not found"))?;
    let mut after = before.clone();
    if let Some((text, description)) = metadata {
        if description.entity_id != before.entity_id {
            let (expected, found) = (before.entity_id, description.entity_id);
            return Err(Saml::OtherEntity { expected, found }.into());
        }
        after.metadata_xml = text;
        after.described_at = ctx.now;
        if !wish.metadata_url.is_empty() {
            after.metadata_url = Some(wish.metadata_url.clone());
        }
    }
    let (mut added, mut kept) = (Vec::new(), Vec::new());
    for domain in wish.domains() {
        match sso_providers::find_by_domain(&mut tx, &domain).await.or_internal(FAILED)? {
            None => added.push(domain),
            Some(holder) if holder.id == id => kept.push(domain),
            Some(holder) => {
                let text =
                    format!("SSO domain '{domain}' already assigned to another provider ({})", holder.id);
                return Err(Saml::DomainTaken(text).into());
            }
        }
    }
    let is_kept = |domain: &String| kept.iter().any(|kept| kept.eq_ignore_ascii_case(domain));
    let mut removed = before.domains.clone();
    removed.retain(|domain| wish.domains.is_some() && !is_kept(domain));
    if wish.attribute_mapping.keys.is_some() {
        after.mapping = wish.attribute_mapping;
    }
    // What is not said of this is said to be nothing: so upstream has it.
    after.name_id_format = Some(wish.name_id_format).filter(|format| !format.is_empty());
    if let Some(resource_id) = wish.resource_id {
        after.resource_id = Some(resource_id).filter(|id| !id.is_empty());
    }
    after.disabled = wish.disabled.or(after.disabled);
    if after != before || !added.is_empty() || !removed.is_empty() {
        after.updated_at = ctx.now;
        saved(sso_providers::update(&mut tx, &after).await, CONFLICT)?;
        saved(sso_providers::delete_domains(&mut tx, id, &removed).await, CONFLICT)?;
        saved(sso_providers::insert_domains(&mut tx, id, &added, ctx.now).await, CONFLICT)?;
    }
    let after = find(&mut tx, &id.to_string()).await?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(after)
}

fn saved(result: Result<(), db::Error>, conflict: &'static str) -> Result<(), Error> {
    result.map_err(|error| match error.is_unique_violation() {
        true => Saml::Conflict(conflict).into(),
        false => Error::internal(FAILED, error),
    })
}

/// What the provider says of itself, asked for again if it is time to. What cannot be had, or is of somebody
/// else, changes nothing.
pub(crate) async fn description(ctx: &Context, provider: &SsoProvider) -> Result<Description, Error> {
    let known = Description::read(&provider.metadata_xml);
    let known = known.or_internal("Error parsing SAML Metadata for SAML provider")?;
    let Some(url) = &provider.metadata_url else {
        if known.valid_until.is_some_and(|until| ctx.now > until) {
            tracing::warn!(
                sso_provider_id = %provider.id,
                "the metadata of an identity provider is not valid any more: update its metadata_xml"
            );
        }
        return Ok(known);
    };
    let fetches = &ctx.service.saml.fetches;
    if !known.is_stale(provider.described_at, ctx.now) || fetches.take(provider.id, ctx.now).is_err() {
        return Ok(known);
    }
    match refresh(ctx, provider, url).await {
        Ok(description) => Ok(description),
        Err(error) => {
            tracing::warn!(
                sso_provider_id = %provider.id, %error,
                "the metadata of an identity provider could not be fetched again: going on with what is known"
            );
            Ok(known)
        }
    }
}

async fn refresh(ctx: &Context, provider: &SsoProvider, url: &str) -> Result<Description, Error> {
    let text = fetch(ctx, url).await?;
    let description = Description::read(&text).map_err(|error| Error::invalid(error.to_string()))?;
    if description.entity_id != provider.entity_id {
        let (expected, found) = (provider.entity_id.clone(), description.entity_id);
        return Err(Saml::OtherEntity { expected, found }.into());
    }
    let mut connection = ctx.service.pool.session().await.or_internal(FAILED)?;
    sso_providers::describe(&mut connection, provider.id, &text, ctx.now).await.or_internal(FAILED)?;
    Ok(description)
}

/// Takes a provider away, with the sign-ins that are under way there. Accounts stay.
pub(crate) async fn delete(ctx: &Context, id: &str) -> Result<SsoProvider, Error> {
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let provider = find(&mut tx, id).await?;
    sso_providers::delete(&mut tx, provider.id).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(provider)
}
