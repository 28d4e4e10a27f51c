//! What every handler reads first: who calls, in which circumstances, with what body.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST, REFERER, USER_AGENT};
use actix_web::web::{self, Bytes, Data, Query};
use actix_web::{FromRequest, HttpRequest};
use kernel::Identity;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use url::Url;
use uuid::Uuid;

use super::MAX_BODY;
use crate::captcha;
use crate::error::{Error, OAuthServer, OrInternal};
use crate::identifier;
use crate::impersonation;
use crate::outbox::Bell;
use crate::redirect;
use crate::service::{Context, Service};
use crate::session;
use crate::store::sessions::SessionRow;
use crate::store::{sessions, users};
use crate::user::{User, has_nul};

/// A request: its circumstances, and who is behind it once asked.
pub(crate) struct Call {
    pub(crate) ctx: Context,
    pub(crate) query: HashMap<String, String>,
    bearer: bool,
    identity: Result<Arc<Identity>, kernel::TokenError>,
}

impl FromRequest for Call {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

fn header(request: &HttpRequest, name: impl actix_web::http::header::AsHeaderName) -> &str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl Call {
    fn of(request: &HttpRequest) -> Result<Self, Error> {
        let service = request.app_data::<Data<Service>>().cloned().map(Data::into_inner);
        let service = service.ok_or(Error::Internal { text: "Service is not mounted", source: None })?;
        let settings = service.settings.load_full();
        let query = Query::<HashMap<String, String>>::from_query(request.query_string());
        let query = query.map(Query::into_inner).unwrap_or_default();
        let identity = kernel::http::caller(request);
        let param = query.get("redirect_to").map(String::as_str).unwrap_or_default();
        let wished = [header(request, "redirect_to"), param].into_iter().find(|wish| !wish.is_empty());
        let redirect_to =
            settings.targets.choose([wished.unwrap_or_default(), header(request, REFERER)]).to_owned();
        if let Some(wished) = wished.filter(|wished| *wished != redirect_to) {
            tracing::warn!(
                wished = redirect::shown(wished),
                "redirect target is neither on the site nor among auth.additional_redirect_urls"
            );
        }
        let ctx = Context {
            now: service.clock.now(),
            ip: kernel::http::client_address(request),
            user_agent: Some(header(request, USER_AGENT).to_owned()).filter(|agent| !agent.is_empty()),
            aud: audience(request, identity.as_deref().ok(), &settings.config)?,
            external_url: external_url(request, &settings.config),
            redirect_to,
            bell: Arc::new(Bell::new(Arc::clone(&service.outbox))),
            created: Arc::default(),
            service,
            settings,
        };
        Ok(Self { ctx, query, bearer: has_bearer(header(request, AUTHORIZATION)), identity })
    }

    /// A parameter of the query; empty if there is none.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The verified bearer token.
    fn token(&self) -> Result<&Identity, Error> {
        if !self.bearer {
            return Err(Error::NoAuthorization);
        }
        let identity = self.identity.as_deref().map_err(Error::refused_token)?;
        match identity.claims.is_id_token() {
            true => Err(Error::refused_token(&kernel::TokenError::Audience)),
            false => Ok(identity),
        }
    }

    /// The signed-in user, in a session of their own: what an application holds for them is not
    /// enough to act as them.
    pub(crate) async fn user(&self) -> Result<SignedIn, Error> {
        let signed_in = self.user_or_client().await?;
        signed_in.refuse_actor()?;
        match signed_in.session.as_ref().is_some_and(SessionRow::is_held) {
            true => Err(OAuthServer::HeldSession.into()),
            false => Ok(signed_in),
        }
    }

    /// The signed-in user, be it through an application: who must exist, have a session if the token
    /// names one, and not be banned.
    pub(crate) async fn user_or_client(&self) -> Result<SignedIn, Error> {
        let identity = self.token()?;
        let claim = |name: &str| identity.claims.str(name).unwrap_or_default();
        if claim("sub").is_empty() {
            return Err(Error::BadJwt("invalid claim: missing sub claim".into()));
        }
        let user_id = Uuid::try_parse(claim("sub")).map_err(|_| Error::SubjectNotAnId)?;
        let mut connection = self.ctx.service.pool.session().await.or_internal(FINDING)?;
        let user = users::find(&mut connection, user_id).await.or_internal(FINDING)?;
        let user = user.ok_or(Error::UserOfTokenMissing)?;
        let session = session_of(&mut connection, claim("session_id")).await?;
        if session.as_ref().is_some_and(|session| session.user_id != user.id) {
            return Err(Error::SessionOfTokenMissing);
        }
        if user.is_banned(self.ctx.now) {
            return Err(Error::UserBanned);
        }
        let aud = match identity.claims.get("aud") {
            Some(Value::Array(list)) => list.first().and_then(Value::as_str),
            aud => aud.and_then(Value::as_str),
        };
        let is_acted = impersonation::is_acting(&identity.claims);
        Ok(SignedIn { aud: aud.unwrap_or_default().to_owned(), user, session, is_acted })
    }

    /// The administrator's role.
    pub(crate) async fn admin(&self) -> Result<String, Error> {
        Ok(self.administrator().await?.role.to_string())
    }

    /// The administrator. Neither user nor session is needed, but one that is named counts.
    pub(crate) async fn administrator(&self) -> Result<&Identity, Error> {
        let identity = match self.token() {
            // An API key of an administrator's role says enough by itself.
            Err(Error::NoAuthorization) => match self.identity.as_deref() {
                Ok(identity) if self.is_admin(identity) => identity,
                _ => return Err(Error::NoAuthorization),
            },
            identity => identity?,
        };
        if !self.is_admin(identity) {
            return Err(Error::NotAdmin);
        }
        let session_id = identity.claims.str("session_id").unwrap_or_default();
        if !session_id.is_empty() {
            let mut connection = self.ctx.service.pool.session().await.or_internal(FINDING)?;
            if let Some(session) = session_of(&mut connection, session_id).await? {
                if session.is_held() {
                    return Err(Error::NotAdmin);
                }
                let user = users::find(&mut connection, session.user_id).await.or_internal(FINDING)?;
                let user = user.ok_or(Error::UserOfTokenMissing)?;
                session::validity(self.ctx.config(), &session, &user, None, self.ctx.now)
                    .map_err(|_| Error::AdminSessionExpired)?;
            }
        }
        Ok(identity)
    }

    /// Has it checked that a person asks, where that is switched on. Administrators need no proof.
    pub(crate) async fn captcha(&self, body: &Body) -> Result<(), Error> {
        if !self.ctx.config().captcha.enabled || self.admin().await.is_ok() {
            return Ok(());
        }
        let proof: Proof = body.json()?;
        let token = proof.gotrue_meta_security.captcha_token.unwrap_or_default();
        captcha::check(&self.ctx, token.trim()).await
    }

    fn is_admin(&self, identity: &Identity) -> bool {
        self.ctx.config().jwt_admin_roles.iter().any(|role| role == identity.role.as_str())
    }
}

/// What a request says of the person behind it.
#[derive(serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Proof {
    gotrue_meta_security: MetaSecurity,
}

#[derive(serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
struct MetaSecurity {
    captcha_token: Option<String>,
}

const FINDING: &str = "Database error finding user";

async fn session_of(connection: &mut db::Session, claim: &str) -> Result<Option<SessionRow>, Error> {
    if claim.is_empty() {
        return Ok(None);
    }
    let id = Uuid::try_parse(claim)
        .map_err(|_| Error::BadJwt("invalid claim: session_id claim must be a UUID".into()))?;
    if id.is_nil() {
        return Ok(None);
    }
    let session = sessions::find(connection, id).await.or_internal(FINDING)?;
    session.ok_or(Error::SessionOfTokenMissing).map(Some)
}

/// This API as its settings say; on the host that the request came by, if the settings list it.
fn external_url(request: &HttpRequest, config: &crate::Config) -> String {
    let forwarded = header(request, "x-forwarded-host");
    let host = if forwarded.is_empty() { header(request, HOST) } else { forwarded };
    let own = config.external_url.clone();
    if !config.email.external_hosts.iter().any(|known| known == host) {
        return own;
    }
    let is_local = host == "localhost" || host.starts_with("localhost:");
    let scheme = if is_local && header(request, "x-forwarded-proto") != "https" { "http" } else { "https" };
    // The path below which this API is mounted stays.
    let path = Url::parse(&own).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// The audience: by header, else the token's unless an administrator's, else the configured one.
fn audience(
    request: &HttpRequest,
    identity: Option<&Identity>,
    config: &crate::Config,
) -> Result<String, Error> {
    let named = header(request, "x-jwt-aud");
    if !named.is_empty() {
        return identifier::audience(named).map(str::to_owned);
    }
    let ordinary = identity.filter(|id| !config.jwt_admin_roles.iter().any(|role| role == id.role.as_str()));
    let claimed = match ordinary.and_then(|identity| identity.claims.get("aud")) {
        Some(Value::Array(list)) => list.first().and_then(Value::as_str),
        aud => aud.and_then(Value::as_str),
    };
    identifier::audience(claimed.filter(|aud| !aud.is_empty()).unwrap_or(&config.jwt_aud)).map(str::to_owned)
}

/// `Bearer` and one word.
fn has_bearer(header: &str) -> bool {
    header.split_once(' ').is_some_and(|(kind, word)| {
        kind.eq_ignore_ascii_case("bearer") && !word.is_empty() && !word.contains(char::is_whitespace)
    })
}

/// A signed-in user.
pub(crate) struct SignedIn {
    pub(crate) user: User,
    pub(crate) session: Option<SessionRow>,
    /// The token's audience.
    pub(crate) aud: String,
    /// Whether it is an administrator who acts as the user.
    is_acted: bool,
}

impl SignedIn {
    /// Who acts as somebody else looks, and changes nothing.
    pub(crate) fn refuse_actor(&self) -> Result<(), Error> {
        match self.is_acted {
            true => Err(Error::ActorRefused("Not allowed with an impersonation token")),
            false => Ok(()),
        }
    }
}

/// The body of a request, bounded and never decompressed.
pub(crate) struct Body(Bytes);

impl FromRequest for Body {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // As it came: the framework's own reading would decompress first and measure then.
        let payload = web::Payload::from_request(request, payload);
        Box::pin(async move {
            let unreadable = || Error::BadJson("Could not read request body".to_owned());
            let payload = payload.await.map_err(|_| unreadable())?;
            match payload.to_bytes_limited(MAX_BODY).await {
                Ok(Ok(bytes)) => Ok(Self(bytes)),
                Ok(Err(_)) => Err(unreadable()),
                Err(_) => Err(Error::TooLarge(MAX_BODY)),
            }
        })
    }
}

impl Body {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields of the form it holds.
    pub(crate) fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(&self.0).into_owned().collect()
    }

    /// The JSON object it holds. Unknown fields are ignored, `null` is nothing, and a NUL anywhere
    /// is refused, because Postgres keeps none.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let value: Value =
            serde_json::from_slice(&self.0).map_err(|error| Error::BadJson(error.to_string()))?;
        let Value::Object(mut object) = value else {
            return Err(Error::BadJson("not an object".to_owned()));
        };
        if object.iter().any(|(key, value)| key.contains('\0') || has_nul(value)) {
            return Err(Error::BadJson("unsupported character \\u0000".to_owned()));
        }
        object.retain(|_, value| !value.is_null());
        serde_json::from_value(Value::Object(object)).map_err(|error| Error::BadJson(error.to_string()))
    }
}
