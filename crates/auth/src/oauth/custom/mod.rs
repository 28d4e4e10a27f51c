//! Providers that administrators define by the API, called `custom:…`.
//!
//! [`definition`] is what may be said of one, [`place`] where it may be, [`claims`] how its accounts are
//! read. Whoever may define providers has this server make requests, so these go to the public internet
//! and by TLS only, unless `auth.custom_oauth.allow_private_networks` says otherwise; each address is
//! checked again in the moment of connecting.

pub(crate) mod claims;
pub(crate) mod definition;
pub(crate) mod place;

use chrono::{DateTime, Utc};
use kernel::Secret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::catalog::ClientProof;
use super::provider::{Provider, Source, Unusable};
use crate::config::{Config, DbEncryption};
use crate::error::{Error, OrInternal};
use crate::oidc::Issuer;
use crate::outbound::Reach;
use crate::seal::{self, SealError};
use crate::service::Context;
use crate::store::custom_oauth_providers;
use crate::user::Object;

/// How the names of all of them begin.
pub(crate) const PREFIX: &str = "custom:";

/// A provider as it was defined.
#[derive(Clone)]
pub(crate) struct Custom {
    pub(crate) id: Uuid,
    /// Its name in requests and identities.
    pub(crate) identifier: String,
    /// Its name for people.
    pub(crate) name: String,
    pub(crate) client_id: String,
    /// As the column holds it.
    pub(crate) client_secret: String,
    /// Other clients whose ID tokens are accepted.
    pub(crate) acceptable_client_ids: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) pkce_enabled: bool,
    pub(crate) attribute_mapping: Object,
    pub(crate) custom_claims_allowlist: Vec<String>,
    pub(crate) authorization_params: Object,
    pub(crate) enabled: bool,
    pub(crate) email_optional: bool,
    pub(crate) kind: Kind,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What it speaks, and where.
#[derive(Clone)]
pub(crate) enum Kind {
    Oidc {
        issuer: String,
        /// Elsewhere than below the issuer.
        discovery_url: Option<String>,
        skip_nonce_check: bool,
        /// The discovery document when the provider was last defined.
        document: Option<Value>,
    },
    OAuth2 {
        authorization_url: String,
        token_url: String,
        userinfo_url: String,
        jwks_uri: Option<String>,
    },
}

impl Kind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Oidc { .. } => "oidc",
            Self::OAuth2 { .. } => "oauth2",
        }
    }
}

impl Custom {
    /// As the admin API shows it: without its secret.
    pub(crate) fn view(&self) -> Value {
        let mut view = json!({
            "id": self.id,
            "provider_type": self.kind.name(),
            "identifier": self.identifier,
            "name": self.name,
            "client_id": self.client_id,
            "acceptable_client_ids": self.acceptable_client_ids,
            "scopes": self.scopes,
            "pkce_enabled": self.pkce_enabled,
            "attribute_mapping": self.attribute_mapping,
            "custom_claims_allowlist": self.custom_claims_allowlist,
            "authorization_params": self.authorization_params,
            "enabled": self.enabled,
            "email_optional": self.email_optional,
            "skip_nonce_check": false,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        });
        let own = match &self.kind {
            Kind::Oidc { issuer, discovery_url, skip_nonce_check, document } => json!({
                "issuer": issuer,
                "discovery_url": discovery_url,
                "skip_nonce_check": skip_nonce_check,
                "discovery_document": document,
            }),
            Kind::OAuth2 { authorization_url, token_url, userinfo_url, jwks_uri } => json!({
                "authorization_url": authorization_url,
                "token_url": token_url,
                "userinfo_url": userinfo_url,
                "jwks_uri": jwks_uri,
            }),
        };
        for (key, value) in own.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            view[key] = value.clone();
        }
        view
    }

    /// The clients whose ID tokens are accepted; the first is the one that signs in.
    pub(crate) fn client_ids(&self) -> Vec<String> {
        [std::slice::from_ref(&self.client_id), &self.acceptable_client_ids].concat()
    }

    /// Whom its ID tokens have to be of; `None` if it makes none.
    pub(crate) fn issuer(&self, reach: Reach) -> Option<Issuer<'_>> {
        match &self.kind {
            Kind::Oidc { issuer, discovery_url, .. } => {
                Some(Issuer { name: issuer, document: discovery_url.as_deref(), reach })
            }
            Kind::OAuth2 { .. } => None,
        }
    }

    fn secret(&self, settings: &DbEncryption) -> Result<Secret, SealError> {
        seal::read(settings, &self.id.to_string(), &self.client_secret).map(Secret::new)
    }

    /// Where clients are accepted without a nonce that they know.
    pub(crate) fn skips_nonce_check(&self) -> bool {
        matches!(self.kind, Kind::Oidc { skip_nonce_check: true, .. })
    }
}

/// Which addresses these providers may be at.
pub(crate) fn reach(config: &Config) -> Reach {
    if config.custom_oauth.allow_private_networks { Reach::Anywhere } else { Reach::PublicOnly }
}

/// The provider of this name, switched off or not.
pub(crate) async fn find(ctx: &Context, identifier: &str) -> Result<Option<Custom>, Error> {
    const FAILED: &str = "Error finding custom provider";
    let mut connection = ctx.service.pool.session().await.or_internal(FAILED)?;
    custom_oauth_providers::find(&mut connection, identifier).await.or_internal(FAILED)
}

/// The provider of this name, ready to sign in at; `scopes` of the client take the place of its own.
pub(crate) async fn load(ctx: &Context, identifier: &str, scopes: &str) -> Result<Provider, Unusable> {
    let config = ctx.config();
    if !config.custom_oauth.enabled {
        return Err(Unusable::CustomDisabled);
    }
    let found = find(ctx, identifier).await.map_err(|error| Unusable::Failed(Box::new(error)))?;
    let custom = found.ok_or_else(|| Unusable::CustomUnknown(identifier.to_owned()))?;
    if !custom.enabled {
        return Err(Unusable::CustomOff(identifier.to_owned()));
    }
    let secret = custom.secret(&config.db_encryption);
    let secret = secret.map_err(|error| Unusable::Secret(identifier.to_owned(), error))?;
    let external = &config.custom_oauth.external_url;
    let external = if external.is_empty() { &config.external_url } else { external };
    let reach = reach(config);
    let (authorize, token) = match (custom.issuer(reach), &custom.kind) {
        (Some(issuer), _) => {
            let (service, now) = (&ctx.service, ctx.now);
            let document = service.issuers.discover(&service.outbound, issuer, now).await?;
            (document.authorization_endpoint.clone(), document.token_endpoint.clone())
        }
        (None, Kind::OAuth2 { authorization_url, token_url, .. }) => {
            (authorization_url.clone(), token_url.clone())
        }
        (None, Kind::Oidc { .. }) => (String::new(), String::new()),
    };
    // The browser is sent there: an issuer's document must not name a script.
    if !place::is_web(&authorize, reach) || !place::is_web(&token, reach) {
        return Err(Unusable::Insecure);
    }
    let mut scopes: Vec<String> = scopes.split_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() {
        scopes.clone_from(&custom.scopes);
    }
    if matches!(custom.kind, Kind::Oidc { .. }) {
        definition::with_openid(&mut scopes);
    }
    let params = custom.authorization_params.iter();
    let params = params.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    Ok(Provider {
        name: custom.identifier.clone(),
        client_ids: custom.client_ids(),
        secret,
        redirect_uri: format!("{}/callback", external.trim_end_matches('/')),
        scopes,
        authorize,
        token,
        proof: ClientProof::Either,
        pkce: custom.pkce_enabled,
        email_optional: custom.email_optional,
        params: params.collect(),
        url: String::new(),
        reach,
        source: Source::Custom(Box::new(custom)),
    })
}
