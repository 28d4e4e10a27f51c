//! One request as Postgres sees it: who calls, for what, with which settings.
//!
//! Policies decide by the role and by settings of the transaction (upstream's `setScope`). A call can
//! act in two ways: as its caller, whose policies count, and as the service, which they do not bind.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use db::{Abreast, Access, End, Flight, Isolation, Journey, Leg, Query, Record, Setting, Text};
use kernel::identity::Proof;
use kernel::{Identity, TokenError};
use serde_json::{Map, Value};

use crate::error::{Error, token_text};
use crate::service::Service;

/// The role that policies do not bind.
pub(crate) const SERVICE_ROLE: &str = "service_role";

/// How long a writer waits for another one of the same object.
const LOCK_TIMEOUT: &str = "5s";

/// A request that is being served.
pub(crate) struct Call {
    pub(crate) service: Arc<Service>,
    /// The caller, if anybody vouches for him.
    identity: Option<Arc<Identity>>,
    facts: Facts,
}

/// What settings say of the request.
struct Facts {
    operation: &'static str,
    method: String,
    path: String,
    headers: String,
    token: String,
    /// What of it the webhook is told, if there is one.
    events: Option<String>,
}

impl Call {
    /// A call that needs no caller: whoever knows the URL may come.
    pub(crate) fn open(service: &Arc<Service>, request: &HttpRequest, operation: &'static str) -> Self {
        Self { service: Arc::clone(service), identity: None, facts: Facts::of(service, request, operation) }
    }

    /// A call of somebody who may be anonymous; a token that is no good is none.
    pub(crate) fn anyone(service: &Arc<Service>, request: &HttpRequest, operation: &'static str) -> Self {
        let identity = kernel::http::caller(request).ok().filter(|identity| identity.proof != Proof::None);
        Self { service: Arc::clone(service), identity, facts: Facts::of(service, request, operation) }
    }

    /// A call of somebody with a token.
    ///
    /// # Errors
    ///
    /// Why the token is refused.
    pub(crate) fn caller(
        service: &Arc<Service>,
        request: &HttpRequest,
        operation: &'static str,
    ) -> Result<Self, Error> {
        let refused = |error: &TokenError| Error::AccessDenied(token_text(error).into());
        match kernel::http::caller(request) {
            Ok(identity) if identity.proof != Proof::None => Ok(Self {
                service: Arc::clone(service),
                identity: Some(identity),
                facts: Facts::of(service, request, operation),
            }),
            Ok(_) | Err(TokenError::NoRole) => {
                // An SDK's request passes a gateway upstream, which adds an empty header.
                let headers = request.headers();
                let told = [AUTHORIZATION.as_str(), "apikey", "x-client-info"];
                match told.into_iter().any(|name| headers.contains_key(name)) {
                    true => Err(refused(&TokenError::Empty)),
                    false => {
                        Err(Error::Schema("headers must have required property 'authorization'".to_owned()))
                    }
                }
            }
            Err(error) => Err(refused(&error)),
        }
    }

    /// As [`Call::caller`], for endpoints that take a missing token for an empty one.
    ///
    /// # Errors
    ///
    /// Why the token is refused.
    pub(crate) fn bearer(
        service: &Arc<Service>,
        request: &HttpRequest,
        operation: &'static str,
    ) -> Result<Self, Error> {
        let empty = || Error::AccessDenied(token_text(&TokenError::Empty).into());
        Self::caller(service, request, operation).map_err(|error| match error {
            Error::Schema(_) => empty(),
            error => error,
        })
    }

    /// A call that somebody signed; the token is his, if he has one.
    pub(crate) fn signed(
        service: &Arc<Service>,
        request: &HttpRequest,
        operation: &'static str,
        identity: Arc<Identity>,
        token: String,
    ) -> Self {
        let facts = Facts { token, ..Facts::of(service, request, operation) };
        Self { service: Arc::clone(service), identity: Some(identity), facts }
    }

    /// As [`Call::caller`], for endpoints of the service role alone.
    ///
    /// # Errors
    ///
    /// Also [`Error::InvalidRole`].
    pub(crate) fn service_only(
        service: &Arc<Service>,
        request: &HttpRequest,
        operation: &'static str,
    ) -> Result<Self, Error> {
        let call = Self::caller(service, request, operation)?;
        let role = call.identity.as_ref().map(|identity| identity.role.as_str());
        if role == Some(SERVICE_ROLE) { Ok(call) } else { Err(Error::InvalidRole) }
    }

    /// True if a token proves who calls.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.identity.is_some()
    }

    /// The role in which the caller comes.
    pub(crate) fn role(&self) -> &str {
        self.identity.as_ref().map_or("anon", |identity| identity.role.as_str())
    }

    /// True if the caller is one whom policies do not bind.
    pub(crate) fn is_service(&self) -> bool {
        self.role() == SERVICE_ROLE
    }

    /// Whose objects are that this call makes.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.identity.as_ref()?.claims.str("sub").filter(|sub| !sub.is_empty())
    }

    /// To act as the caller; an anonymous one is nobody but `anon`.
    pub(crate) fn as_caller(&self) -> Acting<'_> {
        match &self.identity {
            Some(identity) => {
                let sub = identity.claims.str("sub").unwrap_or_default();
                self.acting(identity.role.as_str(), identity.claims.text(), sub, &self.facts.token)
            }
            None => self.acting("anon", r#"{"role":"anon"}"#, "", ""),
        }
    }

    /// To act as the service, whatever the caller may.
    pub(crate) fn as_service(&self) -> Acting<'_> {
        self.acting(SERVICE_ROLE, r#"{"role":"service_role"}"#, "", "")
    }

    fn acting<'a>(&'a self, role: &'a str, claims: &'a str, sub: &'a str, token: &'a str) -> Acting<'a> {
        let facts = &self.facts;
        let timeout = self.service.config().statement_timeout.0.as_millis().to_string();
        let mut settings = vec![
            setting("role", role),
            setting("search_path", "storage, public, extensions"),
            setting("request.jwt.claim.role", role),
            setting("request.jwt", token),
            setting("request.jwt.claim.sub", sub),
            setting("request.jwt.claims", claims),
            setting("request.headers", &facts.headers),
            setting("request.method", &facts.method),
            setting("request.path", &facts.path),
            setting("storage.operation", facts.operation),
            setting("storage.allow_delete_query", "true"),
            setting("lock_timeout", LOCK_TIMEOUT),
            ("statement_timeout".into(), timeout.into()),
        ];
        settings.extend(facts.events.as_deref().map(|wanted| setting("storage.basalt_events", wanted)));
        Acting { service: &self.service, role, settings }
    }
}

fn setting<'a>(name: &'a str, value: &'a str) -> Setting<'a> {
    (name.into(), value.into())
}

impl Facts {
    fn of(service: &Service, request: &HttpRequest, operation: &'static str) -> Self {
        let full = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let id = || kernel::http::request_id(request).map(|id| id.to_string()).unwrap_or_default();
        let events = service.webhook.as_ref().map(|webhook| webhook.wanted(operation, &id()));
        // As the service alone would see it.
        let path = full.strip_prefix("/storage/v1").unwrap_or(full);
        Self {
            operation,
            method: request.method().as_str().to_owned(),
            path: path.to_owned(),
            headers: headers(request.headers()),
            token: token(request.headers()),
            events,
        }
    }
}

fn headers(headers: &HeaderMap) -> String {
    let mut all = Map::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match all.get_mut(name.as_str()) {
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(&value);
            }
            _ => {
                all.insert(name.as_str().to_owned(), Value::from(value));
            }
        }
    }
    Value::Object(all).to_string()
}

/// The token as it came; an opaque key is none.
fn token(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(AUTHORIZATION.as_str())
        .map(|value| value.split_once(' ').map_or(value, |(_, token)| token).trim());
    let token = bearer.filter(|token| !token.is_empty()).or_else(|| text("apikey"));
    token.filter(|token| !token.starts_with("sb_")).unwrap_or_default().to_owned()
}

/// Statements in one role and with its settings.
pub(crate) struct Acting<'a> {
    service: &'a Service,
    role: &'a str,
    settings: Vec<Setting<'a>>,
}

impl Acting<'_> {
    /// Reads with rights that no policy and so no code of the developer's bounds.
    pub(crate) async fn look_up(&self, sql: &str, params: &[Text]) -> Result<Vec<Record>, db::Error> {
        Ok(self.fly(Access::ReadOnly, End::Commit, None, Query { sql, params }).await?.1)
    }

    /// Runs a statement and keeps its work. What only reads may come this way too: a policy may write.
    pub(crate) async fn run(&self, sql: &str, params: &[Text]) -> Result<Vec<Record>, db::Error> {
        Ok(self.fly(Access::ReadWrite, End::Commit, None, Query { sql, params }).await?.1)
    }

    /// As [`Acting::run`], with a statement before it in the same transaction.
    pub(crate) async fn run_after(
        &self,
        first: Query<'_>,
        sql: &str,
        params: &[Text],
    ) -> Result<Vec<Record>, db::Error> {
        Ok(self.fly(Access::ReadWrite, End::Commit, Some(first), Query { sql, params }).await?.1)
    }

    /// Runs a statement, with another before it, and forgets its work: it tells what would be allowed.
    /// Returns the rows of both.
    pub(crate) async fn try_out(
        &self,
        first: Option<Query<'_>>,
        sql: &str,
        params: &[Text],
    ) -> Result<(Vec<Record>, Vec<Record>), db::Error> {
        self.fly(Access::ReadWrite, End::Rollback, first, Query { sql, params }).await
    }

    /// Reads as this one and, in the same round trip, tries as another: [`Acting::try_out`] with
    /// [`End::Rollback`], [`Acting::run`] otherwise. What this one reads is there even if the other fails.
    pub(crate) async fn beside(
        &self,
        query: Query<'_>,
        other: &Acting<'_>,
        tried: Query<'_>,
        end: End,
    ) -> Result<Abreast, db::Error> {
        self.service.fleet.tandem(&self.leg(query), &other.leg(tried), end).await
    }

    /// True for the role that policies do not bind.
    pub(crate) fn is_service(&self) -> bool {
        self.role == SERVICE_ROLE
    }

    fn leg<'a>(&'a self, main: Query<'a>) -> Leg<'a> {
        let Self { role, settings, .. } = self;
        Leg { role, access: Access::ReadWrite, settings, before: None, main }
    }

    async fn fly(
        &self,
        access: Access,
        end: End,
        aside: Option<Query<'_>>,
        main: Query<'_>,
    ) -> Result<(Vec<Record>, Vec<Record>), db::Error> {
        let landed = self
            .service
            .fleet
            .run(&Flight {
                role: self.role,
                access,
                isolation: Isolation::ReadCommitted,
                settings: &self.settings,
                before: None,
                aside,
                main,
                describe: false,
                after: None,
                end,
            })
            .await?;
        Ok((landed.aside, landed.rows))
    }
}

/// Several statements in one transaction, in one role or another. Dropped, it is rolled back.
pub(crate) struct Work(Journey);

impl Work {
    pub(crate) async fn begin(service: &Service) -> Result<Self, db::Error> {
        Ok(Self(service.fleet.journey(Access::ReadWrite, Isolation::ReadCommitted).await?))
    }

    pub(crate) async fn run(
        &mut self,
        acting: &Acting<'_>,
        sql: &str,
        params: &[Text],
    ) -> Result<Vec<Record>, db::Error> {
        let rows = self.0.fly(&acting.leg(Query { sql, params })).await?;
        self.0.keep().await?;
        Ok(rows)
    }

    pub(crate) async fn commit(self) -> Result<(), db::Error> {
        self.0.commit().await
    }

    pub(crate) async fn rollback(self) -> Result<(), db::Error> {
        self.0.rollback().await
    }
}
