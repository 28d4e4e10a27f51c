//! A provider as it is to be used now: what is known of it, and what the settings say.

use kernel::Secret;

use super::catalog::{Account, ClientProof, Known, Places};
use super::custom::{self, Custom};
use super::twitter;
use crate::config::Config;
use crate::error::Error;
use crate::oidc::{Issuer, OidcError};
use crate::outbound::Reach;
use crate::seal::SealError;
use crate::service::Context;

/// Why a provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("Provider {0} could not be found")]
    Unknown(String),
    #[error("provider is not enabled")]
    Disabled,
    #[error("missing OAuth client ID")]
    NoClientId,
    #[error("missing OAuth secret")]
    NoSecret,
    #[error("missing redirect URI")]
    NoRedirectUri,
    #[error("unable to find URL for the Keycloak provider")]
    NoUrl,
    #[error("{0}")]
    Discovery(#[from] OidcError),
    #[error("custom OAuth providers are disabled")]
    CustomDisabled,
    #[error("custom provider {0} not found")]
    CustomUnknown(String),
    #[error("custom provider {0} is disabled")]
    CustomOff(String),
    #[error("error decrypting client secret for provider {0}: {1}")]
    Secret(String, SealError),
    #[error("the provider's endpoints are not URLs with TLS")]
    Insecure,
    /// Not the provider's fault.
    #[error(transparent)]
    Failed(Box<Error>),
}

impl Unusable {
    /// The error that says so, made by `refusal` of the text.
    pub(crate) fn into_error(self, refusal: impl Fn(String) -> Error) -> Error {
        match self {
            Self::Failed(error) => *error,
            other => refusal(format!("Unsupported provider: {other}")),
        }
    }
}

/// Where the provider's account is described.
pub(crate) enum Source {
    Known(&'static Account),
    /// At the one that speaks OAuth 1.0a.
    Twitter,
    Custom(Box<Custom>),
}

/// A provider that can be used.
pub(crate) struct Provider {
    pub(crate) name: String,
    /// The first is the one that signs in.
    pub(crate) client_ids: Vec<String>,
    pub(crate) secret: Secret,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) authorize: String,
    pub(crate) token: String,
    pub(crate) proof: ClientProof,
    pub(crate) pkce: bool,
    pub(crate) email_optional: bool,
    pub(crate) source: Source,
    /// What its sign-in page is told besides.
    pub(crate) params: Vec<(String, String)>,
    /// The instance that the settings name; empty for the provider's own.
    pub(crate) url: String,
    pub(crate) reach: Reach,
}

impl Provider {
    /// The provider called `name`, asked for more `scopes` by the client.
    pub(crate) async fn load(ctx: &Context, name: &str, scopes: &str) -> Result<Self, Unusable> {
        let name = name.to_lowercase();
        if name.starts_with(custom::PREFIX) {
            return custom::load(ctx, &name, scopes).await;
        }
        let config = ctx.config();
        let known = Known::find(&name);
        if known.is_none() && name != twitter::NAME {
            return Err(Unusable::Unknown(name));
        }
        let settings = config.external.get(&name).filter(|s| s.enabled).ok_or(Unusable::Disabled)?;
        let client_ids = settings.client_ids();
        if client_ids.is_empty() {
            return Err(Unusable::NoClientId);
        }
        if settings.secret.is_empty() {
            return Err(Unusable::NoSecret);
        }
        let redirect_uri = redirect_uri(config, &settings.redirect_uri).ok_or(Unusable::NoRedirectUri)?;
        let url = settings.url.trim_end_matches('/').to_owned();
        let mut provider = Self {
            client_ids,
            secret: settings.secret.clone(),
            redirect_uri,
            scopes: Vec::new(),
            authorize: String::new(),
            token: String::new(),
            proof: ClientProof::Form,
            pkce: false,
            email_optional: settings.email_optional,
            source: Source::Twitter,
            params: Vec::new(),
            url,
            reach: Reach::Anywhere,
            name,
        };
        let Some(known) = known else { return Ok(provider.at_twitter()) };
        provider.scopes = known.scopes.iter().map(|scope| (*scope).to_owned()).collect();
        (provider.proof, provider.pkce) = (known.client, known.pkce);
        provider.source = Source::Known(&known.account);
        provider.locate(ctx, &known.places).await?;
        if known.more_scopes {
            let more = scopes.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned);
            provider.scopes.extend(more);
        }
        Ok(provider)
    }

    fn at_twitter(mut self) -> Self {
        if self.url.is_empty() {
            self.url = twitter::HOST.to_owned();
        }
        self.authorize = format!("{}/oauth/authenticate", self.url);
        self.token = format!("{}/oauth/access_token", self.url);
        self
    }

    async fn locate(&mut self, ctx: &Context, places: &Places) -> Result<(), Unusable> {
        match places {
            Places::At { authorize, token } => {
                let place = |(host, path): &(&str, &str)| match (self.url.as_str(), *host) {
                    ("", "") => None,
                    ("", host) => Some(format!("{host}{path}")),
                    (url, _) => Some(format!("{url}{path}")),
                };
                let (authorize, token) = (place(authorize), place(token));
                self.authorize = authorize.ok_or(Unusable::NoUrl)?;
                self.token = token.ok_or(Unusable::NoUrl)?;
            }
            Places::Discovered => {
                let issuer = self.issuer().unwrap_or_default();
                let (service, issuer) = (&ctx.service, Issuer::trusted(&issuer));
                let document = service.issuers.discover(&service.outbound, issuer, ctx.now).await?;
                self.authorize = document.authorization_endpoint.clone();
                self.token = document.token_endpoint.clone();
            }
        }
        Ok(())
    }

    /// The issuer of its ID tokens, where that is known beforehand: the instance that the settings
    /// name, where discovery says all of the rest.
    pub(crate) fn issuer(&self) -> Option<String> {
        match self.source {
            Source::Known(Account::IdToken(issuer, _)) if self.url.is_empty() || !self.is_discovered() => {
                Some((*issuer).to_owned())
            }
            Source::Known(Account::IdToken(..)) => Some(self.url.clone()),
            _ => None,
        }
    }

    fn is_discovered(&self) -> bool {
        Known::find(&self.name).is_some_and(|known| matches!(known.places, Places::Discovered))
    }

    /// The id of the client that signs in.
    pub(crate) fn client_id(&self) -> &str {
        self.client_ids.first().map(String::as_str).unwrap_or_default()
    }
}

/// Whether the settings switch the provider on.
pub(crate) fn is_enabled(config: &Config, name: &str) -> bool {
    config.external.get(name).is_some_and(|settings| settings.enabled)
}

fn redirect_uri(config: &Config, configured: &str) -> Option<String> {
    match (configured, config.external_url.as_str()) {
        ("", "") => None,
        ("", url) => Some(format!("{}/callback", url.trim_end_matches('/'))),
        (uri, _) => Some(uri.to_owned()),
    }
}
