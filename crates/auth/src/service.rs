//! What one running instance holds, and what one request knows of it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use jwt::LiveKeys;
use kernel::{Clock, Problem};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::captcha::CaptchaSites;
use crate::config::Config;
use crate::hook::Hooks;
use crate::mail::Texts;
use crate::oidc::Issuers;
use crate::otp::Issued;
use crate::outbound::Outbound;
use crate::outbox::{Bell, Outbox, Ways, Wordings};
use crate::password::Hasher;
use crate::rate::{Client, Limiter, Limits};
use crate::redirect::Targets;
use crate::saml::{Desk, Party};
use crate::sms;

/// One running instance.
pub(crate) struct Service {
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) pool: db::Pool,
    pub(crate) keys: LiveKeys,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) refreshes: Turns,
    /// Wrong guesses at a code: after so many it is void.
    pub(crate) wrong_codes: Limiter<Issued>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) outbound: Outbound,
    pub(crate) captcha_sites: CaptchaSites,
    /// Rings when a mail or message was counted.
    pub(crate) sent: Notify,
    /// What issuers of ID tokens publish of themselves.
    pub(crate) issuers: Issuers,
    /// Sign-ins by SAML that are being looked at.
    pub(crate) saml: Desk,
    /// Wrong answers to one challenge of a second factor: after so many it is void.
    pub(crate) guesses: Limiter<Uuid>,
    /// Wrong answers for one second factor, over all its challenges.
    pub(crate) wrong_answers: Limiter<Uuid>,
}

/// The settings with what is worked out from them; a request keeps one for its whole length.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) targets: Targets,
    pub(crate) limits: Arc<Limits>,
    pub(crate) wordings: Wordings,
    pub(crate) ways: Ways,
    pub(crate) hooks: Hooks,
    /// Who we are to identity providers; `None` if SAML is switched off.
    pub(crate) party: Option<Party>,
}

impl Settings {
    pub(crate) fn new(config: Config) -> Result<Self, Vec<Problem>> {
        let limits = Arc::new(Limits::new(&config.rate_limit));
        Self::with_limits(config, limits)
    }

    /// These settings with counters that go on where they were.
    pub(crate) fn with_limits(config: Config, limits: Arc<Limits>) -> Result<Self, Vec<Problem>> {
        let problems = config.check();
        if !problems.is_empty() {
            return Err(problems);
        }
        let targets = Targets::new(&config.site_url, &config.additional_redirect_urls);
        let sms = sms::template(&config.sms.template);
        let sms = sms.map_err(|text| vec![Problem { key: "sms.template", text }])?;
        let mfa = sms::template(&config.mfa.phone.template);
        let mfa = mfa.map_err(|text| vec![Problem { key: "mfa.phone.template", text }])?;
        let wordings = Wordings { mail: Texts::load(&config)?, sms, mfa };
        let ways = Ways::of(&config);
        let (hooks, party) = (Hooks::of(&config.hook), Party::of(&config));
        Ok(Self { config, targets, limits, wordings, ways, hooks, party })
    }
}

/// Who does what when: all that flows know of a request.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) service: Arc<Service>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    /// The audience in which accounts are looked up and made.
    pub(crate) aud: String,
    /// This API as the request reached it, for links in mails.
    pub(crate) external_url: String,
    /// Where links lead; checked already.
    pub(crate) redirect_to: String,
    /// Rings when all of the request is over.
    pub(crate) bell: Arc<Bell>,
    /// The account that the request made, if it did.
    pub(crate) created: Arc<Created>,
}

/// The account that a request made: who signs up for it is told of once it is kept.
#[derive(Debug, Default)]
pub(crate) struct Created(Mutex<Option<Uuid>>);

impl Created {
    pub(crate) fn set(&self, id: Uuid) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    pub(crate) fn take(&self) -> Option<Uuid> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Context {
    pub(crate) fn config(&self) -> &Config {
        &self.settings.config
    }

    pub(crate) fn client(&self) -> Client {
        Client::of(self.ip)
    }
}

/// Turns by id: whoever holds one keeps others of the same id waiting, and only few of other ids.
pub(crate) struct Turns(Vec<tokio::sync::Mutex<()>>);

impl Turns {
    const LANES: usize = 256;

    pub(crate) fn new() -> Self {
        Self((0..Self::LANES).map(|_| tokio::sync::Mutex::new(())).collect())
    }

    /// The turn of `id`, as long as the guard lives; `None` only if there are no lanes at all.
    pub(crate) async fn take(&self, id: Uuid) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let lane = (id.as_u128() % Self::LANES as u128) as usize;
        Some(self.0.get(lane)?.lock().await)
    }
}
