//! Passkeys: registered by a signed-in user, and enough to sign in by.
//!
//! A ceremony is used up by its first answer, right or wrong. Signing in asks for no name: the
//! authenticator says whose key it holds, and only that account's keys are tried. A session begun
//! this way is at `aal1`: where second factors are set up they are asked for as well.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access_token::delta;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal, SecondFactor};
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::sessions::SessionRow;
use crate::store::users;
use crate::store::webauthn_challenges::{self, Purpose};
use crate::store::webauthn_credentials::{self, PasskeyRow};
use crate::user::User;
use crate::webauthn::{self, CeremonyError, Credential, Kind, RelyingParty};

const LOADING: &str = "Database error loading passkeys";
const STORING: &str = "Database error storing challenge";

/// A ceremony that was begun.
pub(crate) struct Begun {
    pub(crate) challenge_id: Uuid,
    /// For the browser.
    pub(crate) options: Value,
    pub(crate) expires_at: DateTime<Utc>,
}

/// What an authenticator answered.
pub(crate) struct Answer<'a> {
    pub(crate) challenge_id: Uuid,
    pub(crate) credential: &'a Value,
}

/// Adding and removing passkeys needs a raised session where the account can raise one.
pub(crate) fn check_raised(user: &User, session: Option<&SessionRow>) -> Result<(), SecondFactor> {
    let raised = session.is_some_and(|session| session.aal() == "aal2");
    if user.has_second_factor() && !raised { Err(SecondFactor::RaiseForPasskeys) } else { Ok(()) }
}

/// Whether this user, in this session, may register a passkey.
pub(crate) fn check_may_register(user: &User, session: Option<&SessionRow>) -> Result<(), Error> {
    if user.is_sso_user {
        return Err(Error::Unprocessable("SSO users cannot register passkeys".into()));
    }
    Ok(check_raised(user, session)?)
}

/// Begins to register a passkey.
pub(crate) async fn begin_registration(ctx: &Context, user: &User) -> Result<Begun, Error> {
    let mut connection = ctx.service.pool.session().await.or_internal(LOADING)?;
    let present = webauthn_credentials::list(&mut connection, user.id).await.or_internal(LOADING)?;
    check_room(ctx, &present)?;
    let present = present.into_iter().map(|passkey| passkey.credential.id).collect();
    let begun = relying_party(ctx)?.begin_registration(user, present, Kind::Passkey);
    let begun = begun.or_internal("Failed to generate WebAuthn registration options")?;
    keep(ctx, &mut connection, Purpose::Registration(user.id), begun).await
}

fn check_room(ctx: &Context, present: &[PasskeyRow]) -> Result<(), SecondFactor> {
    let room = i64::try_from(present.len()).is_ok_and(|count| count < ctx.config().passkey.max_per_user);
    if room { Ok(()) } else { Err(SecondFactor::TooManyPasskeys) }
}

/// Registers the passkey that the authenticator made.
pub(crate) async fn finish_registration(
    ctx: &Context,
    user: &User,
    answer: &Answer<'_>,
) -> Result<PasskeyRow, Error> {
    const CREATING: &str = "Database error creating passkey";
    let state = consume(ctx, answer.challenge_id, Purpose::Registration(user.id)).await?;
    let credential = relying_party(ctx)?.finish_registration(&state, answer.credential).map_err(refused)?;
    let (id, name) = (Uuid::new_v4(), webauthn::name(credential.aaguid));
    let mut tx = ctx.service.pool.begin().await.or_internal(CREATING)?;
    // Who registers twice at once is counted twice.
    users::lock(&mut tx, user.id).await.or_internal(CREATING)?;
    check_room(ctx, &webauthn_credentials::list(&mut tx, user.id).await.or_internal(LOADING)?)?;
    match webauthn_credentials::insert(&mut tx, id, user.id, &credential, name, ctx.now).await {
        Err(error) if error.is_unique_violation() => return Err(SecondFactor::CredentialExists.into()),
        result => result.or_internal(CREATING)?,
    }
    let traits = json!({ "passkey_id": id });
    audit::record(ctx, &mut tx, Actor::User(user), Action::PasskeyCreated, Some(traits)).await?;
    tx.commit().await.or_internal(CREATING)?;
    Ok(PasskeyRow { id, friendly_name: name.to_owned(), created_at: ctx.now, last_used_at: None, credential })
}

/// Begins a sign-in by whichever passkey the authenticator has for us.
pub(crate) async fn begin_authentication(ctx: &Context) -> Result<Begun, Error> {
    let begun = relying_party(ctx)?.begin_authentication(&[]);
    let begun = begun.or_internal("Failed to generate WebAuthn authentication options")?;
    let mut connection = ctx.service.pool.session().await.or_internal(STORING)?;
    keep(ctx, &mut connection, Purpose::Authentication, begun).await
}

/// Signs in who holds the passkey.
pub(crate) async fn finish_authentication(ctx: &Context, answer: &Answer<'_>) -> Result<Grant, Error> {
    const LOADING_USER: &str = "Database error loading user";
    const FAILED: SecondFactor = SecondFactor::CeremonyFailed("Credential verification failed");
    let state = consume(ctx, answer.challenge_id, Purpose::Authentication).await?;
    let claimed = webauthn::claimed_user(answer.credential).map_err(refused)?.ok_or(FAILED)?;
    let mut tx = ctx.service.pool.begin().await.or_internal(LOADING_USER)?;
    let user = users::find(&mut tx, claimed).await.or_internal(LOADING_USER)?.ok_or(FAILED)?;
    let passkeys = webauthn_credentials::list(&mut tx, user.id).await.or_internal(LOADING)?;
    let (ids, credentials): (Vec<Uuid>, Vec<Credential>) =
        passkeys.into_iter().map(|passkey| (passkey.id, passkey.credential)).unzip();
    let (used, signed) = relying_party(ctx)?
        .finish_authentication(&state, answer.credential, &credentials)
        .map_err(refused)?;
    let id = ids.into_iter().zip(&credentials).find(|(_, known)| known.id == used.id).map(|(id, _)| id);
    let id = id.ok_or(FAILED)?;
    if !user.email.is_empty() && !user.is_email_confirmed() {
        return Err(SecondFactor::EmailNotConfirmed.into());
    }
    if !user.phone.is_empty() && !user.is_phone_confirmed() {
        return Err(SecondFactor::PhoneNotConfirmed.into());
    }
    if user.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    let kept =
        webauthn_credentials::set_used(&mut tx, id, signed.sign_count, signed.backed_up, ctx.now).await;
    if !kept.or_internal("Database error loading passkey")? {
        return Err(FAILED.into());
    }
    let traits = json!({ "passkey_id": id });
    audit::record(ctx, &mut tx, Actor::User(&user), Action::Login, Some(traits)).await?;
    let grant = session::open(ctx, &mut tx, user, "passkey").await?;
    tx.commit().await.or_internal("Database error granting user")?;
    Ok(grant)
}

fn relying_party(ctx: &Context) -> Result<RelyingParty, Error> {
    RelyingParty::new(ctx.config()).or_internal("Failed to initialize WebAuthn")
}

async fn keep(
    ctx: &Context,
    connection: &mut db::Session,
    purpose: Purpose,
    begun: webauthn::Begun,
) -> Result<Begun, Error> {
    let (challenge_id, expires_at) =
        (Uuid::new_v4(), ctx.now + delta(ctx.config().webauthn.challenge_expiry));
    webauthn_challenges::insert(connection, challenge_id, purpose, &begun.state, (ctx.now, expires_at))
        .await
        .or_internal(STORING)?;
    let mut options = begun.options;
    let options = options.get_mut("publicKey").map(Value::take).unwrap_or_default();
    Ok(Begun { challenge_id, options, expires_at })
}

/// The state of the ceremony, which is over by this.
async fn consume(ctx: &Context, id: Uuid, purpose: Purpose) -> Result<Value, Error> {
    const CONSUMING: &str = "Database error consuming challenge";
    let mut connection = ctx.service.pool.session().await.or_internal(CONSUMING)?;
    let consumed = webauthn_challenges::consume(&mut connection, id, purpose).await.or_internal(CONSUMING)?;
    let (state, expires_at) = consumed.ok_or(SecondFactor::CeremonyNotFound)?;
    if ctx.now > expires_at {
        return Err(SecondFactor::CeremonyExpired.into());
    }
    Ok(state)
}

fn refused(error: CeremonyError) -> Error {
    tracing::info!(%error, "a passkey was refused");
    SecondFactor::CeremonyFailed(match error {
        CeremonyError::Unreadable(_) => "Invalid credential response",
        CeremonyError::EdDsa => "Passkeys with keys of EdDSA are not supported: register another",
        _ => "Credential verification failed",
    })
    .into()
}
