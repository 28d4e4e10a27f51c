//! An application proves who it is and exchanges the code it got for a session.

use serde_json::json;
use uuid::Uuid;

use super::claims::{self, About};
use super::client::{Client, Method};
use super::{Scope, Scopes};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OAuthServer, OrInternal};
use crate::pkce;
use crate::service::Context;
use crate::session::{self, Grant, Holder};
use crate::store::oauth_authorizations::{self, AuthorizationRow};
use crate::store::{oauth_clients, users};
use crate::user::User;

const EXCHANGING: &str = "Error exchanging authorization code";

/// Who an application says it is, and by what.
pub(crate) struct Presented {
    pub(crate) method: Method,
    pub(crate) client_id: String,
    pub(crate) secret: String,
}

/// The application, if it is who it says.
pub(crate) async fn authenticate(ctx: &Context, presented: &Presented) -> Result<Client, Error> {
    const FINDING: &str = "Error validating client credentials";
    let refused = |text: String| OAuthServer::ClientRefused(text.into());
    let id = Uuid::try_parse(&presented.client_id);
    let id = id.map_err(|_| refused("Invalid client_id format".to_owned()))?;
    let mut session = ctx.service.pool.session().await.or_internal(FINDING)?;
    let client = oauth_clients::find(&mut session, id).await.or_internal(FINDING)?;
    let client = client.ok_or_else(|| refused("Invalid client credentials".to_owned()))?;
    client.credential.check(presented.method, &presented.secret).map_err(refused)?;
    Ok(client)
}

/// What an application brings to be exchanged. What it did not say is empty.
pub(crate) struct Brought<'a> {
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: &'a str,
    pub(crate) resource: &'a str,
}

/// A session for an application, and the ID token if it asked for one.
pub(crate) struct Exchanged {
    pub(crate) grant: Grant,
    pub(crate) id_token: Option<String>,
}

/// Exchanges a code, which is gone with that.
pub(crate) async fn exchange(
    ctx: &Context,
    client: &Client,
    brought: &Brought<'_>,
) -> Result<Exchanged, Error> {
    if brought.code.is_empty() {
        return Err(OAuthServer::request("code is required for authorization_code grant").into());
    }
    let mut tx = ctx.service.pool.begin().await.or_internal(EXCHANGING)?;
    let request = match Uuid::try_parse(brought.code) {
        Ok(_) => oauth_authorizations::lock_by_code(&mut tx, brought.code).await.or_internal(EXCHANGING)?,
        Err(_) => None,
    };
    let request = request.ok_or_else(|| OAuthServer::grant("Invalid authorization code"))?;
    check(ctx, client, &request, brought)?;
    // From here on the application cannot be deleted before its session is there to be ended.
    let held = oauth_clients::hold(&mut tx, client.id).await.or_internal(EXCHANGING)?;
    held.ok_or_else(|| OAuthServer::ClientRefused("Invalid client credentials".into()))?;
    let user = user_of(ctx, &mut tx, request.user_id).await?;
    let nonce = request.nonce.as_deref();
    let granted = Granted { user, scope: &request.scope, nonce, by: By::Code };
    let exchanged = hand_out(ctx, &mut tx, client, granted).await?;
    oauth_authorizations::delete(&mut tx, request.id).await.or_internal(EXCHANGING)?;
    tx.commit().await.or_internal(EXCHANGING)?;
    Ok(exchanged)
}

/// What someone granted an application.
pub(super) struct Granted<'a> {
    pub(super) user: User,
    pub(super) scope: &'a str,
    pub(super) nonce: Option<&'a str>,
    pub(super) by: By,
}

/// How it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By a code that came with the browser.
    Code,
    /// From another device.
    Device,
}

impl By {
    /// What sessions and records call it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Code => ("oauth_provider/authorization_code", "oauth_provider_authorization_code"),
            Self::Device => ("oauth_provider/device_code", "oauth_provider_device_code"),
        }
    }
}

/// Opens the application's session, with an ID token if it asked for one.
pub(super) async fn hand_out(
    ctx: &Context,
    tx: &mut db::Session,
    client: &Client,
    granted: Granted<'_>,
) -> Result<Exchanged, Error> {
    let Granted { user, scope, nonce, by } = granted;
    let (method, provider_type) = by.names();
    let signed_in_at = user.last_sign_in_at.unwrap_or(ctx.now);
    let traits = json!({ "provider_type": provider_type, "client_id": client.id });
    audit::record(ctx, tx, Actor::User(&user), Action::Login, Some(traits)).await?;
    let holder = Holder { client_id: client.id, scopes: scope };
    let grant = session::open_for(ctx, tx, user, method, Some(holder)).await?;
    let scopes = Scopes::stored(scope);
    let id_token = match scopes.has(Scope::OpenId) && signs_id_tokens(&ctx.service.keys) {
        false => None,
        true => {
            let about = About {
                issuer: ctx.config().issuer(),
                user: &grant.user,
                client_id: client.id,
                scopes: &scopes,
                nonce,
                signed_in_at,
            };
            let claims = claims::id_token(&about, ctx.now);
            Some(ctx.service.keys.sign(&claims).or_internal("Error generating ID token")?)
        }
    };
    Ok(Exchanged { grant, id_token })
}

/// ID tokens are for others to verify: a secret that signs them would have to be theirs, too.
pub(crate) fn signs_id_tokens(keys: &jwt::LiveKeys) -> bool {
    keys.signing_algorithm().is_some_and(|algorithm| !algorithm.name().starts_with("HS"))
}

/// Says whether the code is this application's to exchange.
fn check(
    ctx: &Context,
    client: &Client,
    request: &AuthorizationRow,
    brought: &Brought<'_>,
) -> Result<(), OAuthServer> {
    if ctx.now > request.expires_at {
        return Err(OAuthServer::grant("Authorization code has expired"));
    }
    if request.client_id != client.id {
        return Err(OAuthServer::grant("Authorization code was not issued for this client"));
    }
    if !brought.resource.is_empty() && Some(brought.resource) != request.resource.as_deref() {
        return Err(OAuthServer::grant("Authorization code resource does not match the resource parameter"));
    }
    if !brought.redirect_uri.is_empty() && brought.redirect_uri != request.redirect_uri {
        return Err(OAuthServer::grant("Invalid redirect_uri"));
    }
    if brought.verifier.is_empty() {
        return Err(OAuthServer::grant(
            "PKCE verification failed: code_verifier is required when PKCE challenge is present",
        ));
    }
    // A request without a challenge is none that was made here: it is not exchanged.
    let method = request.challenge_method.as_deref().unwrap_or_default();
    let challenge = request.challenge.as_deref().unwrap_or_default();
    match pkce::answers(method, challenge, brought.verifier) {
        true => Ok(()),
        false => Err(OAuthServer::grant(
            "PKCE verification failed: code challenge does not match previously saved code verifier",
        )),
    }
}

/// Who granted the request, if they may still sign in.
pub(super) async fn user_of(ctx: &Context, tx: &mut db::Session, id: Option<Uuid>) -> Result<User, Error> {
    let id = id.ok_or_else(|| OAuthServer::grant("Authorization code has no associated user"))?;
    let user = users::find(tx, id).await.or_internal("Error finding user")?;
    let user = user.filter(|user| user.deleted_at.is_none());
    let user = user.ok_or_else(|| OAuthServer::grant("User not found for authorization code"))?;
    if user.is_banned(ctx.now) {
        return Err(
            OAuthServer::Token { error: "access_denied", description: "User is banned".into() }.into()
        );
    }
    Ok(user)
}
