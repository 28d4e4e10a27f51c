//! Users, credentials, sessions: the API of Supabase Auth.
//!
//! - `http/`: one file per URL. It reads the request, calls a flow, shapes the answer.
//! - Flows: [`signup`] and [`verify`] let people in, [`session`] keeps them in or puts them out,
//!   [`account`] changes who they are, [`send`] gets codes and notices on their way; [`factor`] raises
//!   a session by a second factor, [`passkey`] lets in by an authenticator alone.
//! - Delivery: [`mail`] and [`sms`] say what is sent and how, [`template`] is the language of their texts,
//!   [`outbox`] keeps it until it is gone, [`mailbox`] in development. [`outbound`] is the door to HTTP.
//! - [`hook`] asks the operator's own code, [`captcha`] whether a person asks.
//! - [`oauth`] signs in with accounts at other providers, whose ID tokens [`oidc`] verifies; [`web3`] with wallets.
//! - [`oauth_server`] lets other applications sign people in with accounts here.
//! - [`saml`] signs in with the accounts of an organisation; by [`scim`] the organisation keeps them.
//! - [`pwned`] asks whether a password has leaked.
//! - Rules without IO: [`password`], [`otp`], [`pkce`], [`refresh_token`], [`access_token`],
//!   [`redirect`], [`identifier`], [`rate`], [`totp`], [`webauthn`], [`seal`].
//! - [`impersonation`] lets administrators act as somebody else, for a short time and on the record.
//! - [`lockout`] lets wrong passwords wait for each other.
//! - `store/`: the SQL of schema `auth`, one file per table; `task/`: background work.
//!
//! Its connections log in as `supabase_auth_admin`, who owns that schema and nothing else. It
//! trusts the edge for who calls (`kernel::http::caller`) and checks user, session and ban itself.
//! It refuses to say whether an account exists, except where clients depend on being told.

mod access_token;
mod account;
mod audit;
mod captcha;
mod config;
mod device;
mod error;
mod factor;
mod hook;
mod http;
mod identifier;
mod impersonation;
mod link;
mod lockout;
mod mail;
mod mailbox;
mod oauth;
mod oauth_server;
mod oidc;
mod otp;
mod outbound;
mod outbox;
mod passkey;
mod password;
mod pkce;
mod pwned;
mod rate;
mod redirect;
mod refresh_token;
mod saml;
mod scim;
mod seal;
mod send;
mod service;
mod session;
mod signup;
mod sms;
mod store;
mod task;
mod template;
mod totp;
mod user;
mod verify;
mod web3;
mod webauthn;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use arc_swap::ArcSwap;
use jwt::LiveKeys;
use kernel::{Clock, Health, Problem, Task};
use tokio::sync::Notify;

pub use crate::captcha::CaptchaSites;
pub use crate::config::{
    Captcha, CaptchaProvider, Config, CustomOAuth, DbEncryption, Email, EmailValidation,
    External as ExternalProvider, Hook, Hooks, HttpSms, Impersonation, Lockout, Messagebird, Mfa, MfaPhone,
    MfaTotp, MfaWebAuthn, Notification, Notifications, OAuthServer as OAuthServerConfig, Passkey,
    PasswordHash, PasswordHibp, PasswordRequirements, RateLimits, Saml as SamlConfig, Scim, Sessions, Sms,
    Smtp, SmtpTls, Template, Templates, Textlocal, Twilio, TwilioVerify, UrlPaths, Vonage, Wallet, Web3,
    WebAuthn,
};
pub use crate::error::{
    Code, Error, Expiry, External, HookFailure, OAuthServer, Saml, SecondFactor, Weakness,
    Web3 as Web3Refusal,
};
pub use crate::mail::preview::{
    MailText, Preview, PreviewError, list as mail_texts, preview as preview_mail,
};
pub use crate::oauth::PROVIDERS;
use crate::oidc::Issuers;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::rate::Limiter;
use crate::service::{Service, Settings, Turns};

/// Wrong guesses at one code before it is void, and the time over which they are forgotten.
const WRONG_CODES: (u32, Duration) = (10, Duration::from_secs(86_400));

/// Wrong answers to one challenge of a second factor before it is void.
const GUESSES: (u32, Duration) = (5, Duration::from_secs(86_400));

/// Wrong answers for one second factor in an hour, over all its challenges and from wherever they come.
const WRONG_ANSWERS: (u32, Duration) = (30, Duration::from_secs(3600));

mod embedded {
    refinery::embed_migrations!("../../migrations/auth");
}

/// The migrations of schema `auth`.
#[must_use]
pub fn migrations() -> db::Migrations {
    db::Migrations::new(db::migrate::Owner::Auth, &embedded::migrations::runner(), &[])
}

/// A running instance. Clones share it.
#[derive(Clone)]
pub struct Auth(Arc<Service>);

/// What the service is given.
pub struct Deps {
    /// Connections that log in as `supabase_auth_admin`.
    pub pool: db::Pool,
    /// The keys that sign access tokens.
    pub keys: LiveKeys,
    /// The time.
    pub clock: Clock,
    /// Where captchas are checked.
    pub captcha_sites: CaptchaSites,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be used, each with what is wrong.
    #[error("{}", kernel::setting::told("auth", .0))]
    Settings(Vec<Problem>),
    /// The HTTP client cannot be made.
    #[error("no HTTP client: {0}")]
    Http(String),
    /// The password hasher failed.
    #[error("passwords cannot be hashed: {0}")]
    Hasher(#[source] Error),
}

/// What a change of settings did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Everything took effect.
    Applied,
    /// Nothing did: the new settings cannot be used.
    Refused(Vec<Problem>),
}

impl Auth {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// If the settings cannot be used.
    pub async fn start(config: Config, deps: Deps) -> Result<Self, StartError> {
        let settings = Settings::new(config).map_err(StartError::Settings)?;
        let config = &settings.config;
        if !config.email.is_sent() && !config.hook.send_email.enabled && config.email.enable_signup {
            tracing::warn!(
                confirmations = config.email.enable_confirmations,
                "no mail server is set up (auth.email.smtp.host): mails are dropped. Where new accounts must \
                 confirm their address (auth.email.enable_confirmations), nobody can sign in with one except \
                 through the admin API"
            );
        }
        if config.oauth_server.enabled && !oauth_server::token::signs_id_tokens(&deps.keys) {
            tracing::warn!(
                "access tokens are signed with a secret that no other application may know, so the OAuth server \
                 gives out no ID tokens; sign with a key pair (jwt.keys)"
            );
        }
        let outbound = Outbound::new().map_err(|error| StartError::Http(error.to_string()))?;
        if let Err(error) = task::limits::load(&deps.pool, &settings.limits, deps.clock.now()).await {
            tracing::warn!(%error, "the limits of messages begin anew");
        }
        let hasher = password::Hasher::new(config.password_hash).await.map_err(StartError::Hasher)?;
        Ok(Self(Arc::new(Service {
            settings: ArcSwap::from_pointee(settings),
            pool: deps.pool,
            keys: deps.keys,
            clock: deps.clock,
            hasher,
            refreshes: Turns::new(),
            wrong_codes: Limiter::new(WRONG_CODES.0, WRONG_CODES.1),
            outbox: Arc::new(Outbox::new(outbound.clone())),
            outbound,
            captcha_sites: deps.captcha_sites,
            sent: Notify::new(),
            issuers: Issuers::default(),
            saml: saml::Desk::new(),
            guesses: Limiter::new(GUESSES.0, GUESSES.1),
            wrong_answers: Limiter::new(WRONG_ANSWERS.0, WRONG_ANSWERS.1),
        })))
    }

    /// The endpoints, to be mounted below the prefix.
    pub fn routes(&self, cfg: &mut ServiceConfig) {
        http::routes(&self.0, cfg);
    }

    /// Where clients look for the OAuth server that know only its host, to be mounted at the root below
    /// `/.well-known`.
    pub fn discovery_routes(&self, cfg: &mut ServiceConfig) {
        http::discovery_routes(&self.0, cfg);
    }

    /// The mailbox of development, to be mounted where only the developer comes: `/mail` to look at it,
    /// `/mail.json` for programs.
    pub fn mailbox_routes(&self, cfg: &mut ServiceConfig) {
        http::mailbox_routes(&self.0, cfg);
    }

    /// What identity providers of organisations know, to be mounted besides where they know it: `/metadata`
    /// and `/acs`.
    pub fn saml_routes(&self, cfg: &mut ServiceConfig) {
        http::saml_routes(&self.0, cfg);
    }

    /// Background work, to be supervised.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        vec![
            task::sweep::task(&self.0),
            task::deliver::task(&self.0),
            task::texts::task(&self.0),
            task::limits::task(&self.0),
        ]
    }

    /// Whether the service can serve: it can if its database answers.
    pub async fn health(&self) -> Health {
        match self.0.pool.session().await {
            Ok(mut session) => match session.batch("select 1").await {
                Ok(()) => Health::Ready,
                Err(error) => Health::NotReady(error.to_string()),
            },
            Err(error) => Health::NotReady(error.to_string()),
        }
    }

    /// Takes over new settings, for requests that begin from now on.
    #[must_use]
    pub fn reload(&self, config: Config) -> Reload {
        let current = self.0.settings.load();
        let settings = if current.config.rate_limit == config.rate_limit {
            Settings::with_limits(config, Arc::clone(&current.limits))
        } else {
            Settings::new(config)
        };
        match settings {
            Ok(settings) => {
                self.0.settings.store(Arc::new(settings));
                Reload::Applied
            }
            Err(problems) => Reload::Refused(problems),
        }
    }
}
