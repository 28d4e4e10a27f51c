//! Codes and links that come back.

use uuid::Uuid;

use crate::account::{self, UPDATING};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::otp;
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::{flow_state, identities, one_time_tokens, users};
use crate::user::User;
use crate::{identifier, password};
use serde_json::json;

/// What a code or link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `email`: a confirmation or a magic link, whichever the code belongs to.
    Email,
    Signup,
    Invite,
    Recovery,
    MagicLink,
    EmailChange,
    Sms,
    PhoneChange,
}

impl Purpose {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "email" => Self::Email,
            "signup" => Self::Signup,
            "invite" => Self::Invite,
            "recovery" => Self::Recovery,
            "magiclink" => Self::MagicLink,
            "email_change" => Self::EmailChange,
            "sms" => Self::Sms,
            "phone_change" => Self::PhoneChange,
            _ => return None,
        })
    }

    /// How the sign-in that a PKCE link completes was begun.
    fn authentication_method(self) -> &'static str {
        match self {
            Self::Email | Self::Signup => "email/signup",
            Self::Invite => "invite",
            Self::Recovery => "recovery",
            Self::MagicLink => "magiclink",
            Self::EmailChange => "email_change",
            Self::Sms | Self::PhoneChange => "otp",
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// The hash in a link.
    Hash(String),
    /// A code, and the address it was sent to.
    EmailCode { email: String, code: String },
    /// A code, and the number it was sent to.
    PhoneCode { phone: String, code: String },
}

impl Proof {
    /// A code with its address, normalised.
    pub(crate) fn email_code(email: &str, code: String) -> Result<Self, Error> {
        let email =
            identifier::email(email).map_err(|_| Error::Unprocessable("Invalid email format".into()))?;
        Ok(Self::EmailCode { email, code })
    }

    /// A code with its number, normalised.
    pub(crate) fn phone_code(phone: &str, code: String) -> Result<Self, Error> {
        Ok(Self::PhoneCode { phone: identifier::phone(phone)?, code })
    }
}

/// How it ended.
pub(crate) enum Verified {
    /// Let in.
    In(Box<Grant>),
    /// To be exchanged for a session by whoever began the sign-in.
    Code(String),
    /// The other address has to confirm too.
    HalfConfirmed,
}

pub(crate) const HALF_CONFIRMED: &str =
    "Confirmation link accepted. Please proceed to confirm link sent to the other email";

/// Checks what came back and does what it is good for. `exchange`: end with a code, not a session.
pub(crate) async fn verify(
    ctx: &Context,
    purpose: Purpose,
    proof: &Proof,
    exchange: bool,
) -> Result<Verified, Error> {
    const FINDING: &str = "Database error finding user";
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING)?;
    let (user, purpose) = match recognise(ctx, &mut tx, purpose, proof).await? {
        Recognised::Yes(user, purpose) => (user, purpose),
        Recognised::WrongCode(user) => {
            count_wrong_code(ctx, tx, &user).await?;
            return Err(Error::OtpExpired);
        }
    };
    match purpose {
        Purpose::Signup | Purpose::Invite | Purpose::Email => confirm_signup(ctx, &mut tx, &user).await?,
        Purpose::Recovery | Purpose::MagicLink => recover(ctx, &mut tx, &user).await?,
        Purpose::EmailChange => {
            let hashes = proof.hashes();
            if !confirm_email_change(ctx, &mut tx, &user, &hashes).await? {
                tx.commit().await.or_internal(UPDATING)?;
                return Ok(Verified::HalfConfirmed);
            }
        }
        Purpose::Sms => {
            let traits = Some(json!({ "provider": "phone" }));
            audit::record(ctx, &mut tx, Actor::User(&user), Action::SignedUp, traits).await?;
            account::confirm_phone(ctx, &mut tx, user.id).await?;
            users::clear_anonymous(&mut tx, user.id, ctx.now).await.or_internal(UPDATING)?;
        }
        Purpose::PhoneChange => {
            audit::record(ctx, &mut tx, Actor::User(&user), Action::Modified, None).await?;
            account::change_phone(ctx, &mut tx, &user, &user.phone_change).await?;
        }
    }
    users::update_providers(&mut tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    let user = users::get(&mut tx, user.id).await.or_internal(FINDING)?;
    let verified = if exchange {
        let method = purpose.authentication_method();
        let code = flow_state::issue_code(&mut tx, user.id, method, ctx.now).await.or_internal(UPDATING)?;
        Verified::Code(code.ok_or(Error::NoFlowState("Flow State Not Found"))?)
    } else {
        Verified::In(Box::new(session::open(ctx, &mut tx, user, "otp").await?))
    };
    tx.commit().await.or_internal(UPDATING)?;
    Ok(verified)
}

impl Proof {
    /// The hashes that the proof may be stored under.
    fn hashes(&self) -> Vec<String> {
        let hash = match self {
            Self::Hash(hash) => return vec![hash.clone()],
            Self::EmailCode { email, code } => otp::hash(email, code),
            Self::PhoneCode { phone, code } => otp::hash(phone, code),
        };
        vec![format!("{}{hash}", otp::PKCE_PREFIX), hash]
    }
}

enum Recognised {
    Yes(User, Purpose),
    /// The account is known, the code is not.
    WrongCode(User),
}

async fn recognise(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    proof: &Proof,
) -> Result<Recognised, Error> {
    match proof {
        Proof::Hash(hash) => by_hash(ctx, tx, purpose, hash).await,
        Proof::EmailCode { email, .. } => by_email_code(ctx, tx, purpose, email, &proof.hashes()).await,
        Proof::PhoneCode { phone, code } => by_phone_code(ctx, tx, purpose, phone, code).await,
    }
}

async fn by_hash(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    hash: &str,
) -> Result<Recognised, Error> {
    let types: &[&str] = match purpose {
        Purpose::Email => &["confirmation_token", "recovery_token"],
        Purpose::Signup | Purpose::Invite => &["confirmation_token"],
        Purpose::Recovery | Purpose::MagicLink => &["recovery_token"],
        Purpose::EmailChange => &["email_change_token_current", "email_change_token_new"],
        Purpose::Sms | Purpose::PhoneChange => return Err(Error::invalid("Invalid email verification type")),
    };
    let user = users::find_by_one_time_token(tx, types, hash).await;
    let user = user.or_internal("Database error finding user from email link")?.ok_or(Error::LinkExpired)?;
    if user.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    let (sent_at, purpose) = match purpose {
        Purpose::Email if user.recovery_token == hash => (user.recovery_sent_at, Purpose::MagicLink),
        Purpose::Email => (user.confirmation_sent_at, Purpose::Signup),
        Purpose::Recovery | Purpose::MagicLink => (user.recovery_sent_at, purpose),
        Purpose::EmailChange => (user.email_change_sent_at, purpose),
        _ => (user.confirmation_sent_at, purpose),
    };
    if otp::is_expired(sent_at, ctx.config().email.otp_expiry, ctx.now) {
        return Err(Error::LinkExpired);
    }
    Ok(Recognised::Yes(user, purpose))
}

async fn by_email_code(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    email: &str,
    hashes: &[String],
) -> Result<Recognised, Error> {
    let user = match purpose {
        Purpose::Sms | Purpose::PhoneChange => return Err(Error::OtpExpired),
        Purpose::EmailChange => users::find_by_email_change(tx, email, hashes, &ctx.aud).await,
        _ => users::find_by_email(tx, email, &ctx.aud).await,
    };
    let user = user.or_internal("Database error finding user")?.ok_or(Error::OtpExpired)?;
    if user.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    let expiry = ctx.config().email.otp_expiry;
    let fits = |stored: &str, sent_at| {
        hashes.iter().any(|hash| otp::is_valid(hash, stored, sent_at, expiry, ctx.now))
    };
    let confirmation = || fits(&user.confirmation_token, user.confirmation_sent_at);
    let recovery = || fits(&user.recovery_token, user.recovery_sent_at);
    let meant = match purpose {
        Purpose::Email if confirmation() => Some(Purpose::Signup),
        Purpose::Email if recovery() => Some(Purpose::MagicLink),
        Purpose::Signup | Purpose::Invite if confirmation() => Some(purpose),
        Purpose::Recovery | Purpose::MagicLink if recovery() => Some(purpose),
        Purpose::EmailChange
            if fits(&user.email_change_token_current, user.email_change_sent_at)
                || fits(&user.email_change_token_new, user.email_change_sent_at) =>
        {
            Some(purpose)
        }
        _ => None,
    };
    Ok(match meant {
        Some(purpose) => Recognised::Yes(user, purpose),
        None => Recognised::WrongCode(user),
    })
}

async fn by_phone_code(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    phone: &str,
    code: &str,
) -> Result<Recognised, Error> {
    let user = match purpose {
        Purpose::PhoneChange => users::find_by_phone_change(tx, phone, &ctx.aud).await,
        Purpose::Sms => users::find_by_phone(tx, phone, &ctx.aud).await,
        _ => return Err(Error::OtpExpired),
    };
    let user = user.or_internal("Database error finding user")?.ok_or(Error::OtpExpired)?;
    if user.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    let settings = &ctx.config().sms;
    let (stored, sent_at) = match purpose {
        Purpose::PhoneChange => (&user.phone_change_token, user.phone_change_sent_at),
        _ => (&user.confirmation_token, user.confirmation_sent_at),
    };
    let right = settings.test_code(phone, ctx.now) == Some(code)
        || otp::is_valid(&otp::hash(phone, code), stored, sent_at, settings.otp_expiry, ctx.now);
    Ok(if right { Recognised::Yes(user, purpose) } else { Recognised::WrongCode(user) })
}

/// A short code can be guessed from many addresses: after some wrong ones none is good any more.
async fn count_wrong_code(ctx: &Context, mut tx: db::Session, user: &User) -> Result<(), Error> {
    if ctx.service.wrong_codes.take(user.id, ctx.now).is_err() {
        users::clear_codes(&mut tx, user.id, ctx.now).await.or_internal(UPDATING)?;
        one_time_tokens::delete_all(&mut tx, user.id).await.or_internal(UPDATING)?;
        tx.commit().await.or_internal(UPDATING)?;
        tracing::warn!(user_id = %user.id, "too many wrong codes: pending ones are void");
    }
    Ok(())
}

async fn confirm_signup(ctx: &Context, tx: &mut db::Session, user: &User) -> Result<(), Error> {
    if !user.has_password() && user.invited_at.is_some() {
        let hash = ctx.service.hasher.hash(ctx.config().password_hash, password::random(64)).await?;
        account::change_password(ctx, tx, user.id, &hash, None).await?;
    }
    let traits = Some(json!({ "provider": "email" }));
    audit::record(ctx, tx, Actor::User(user), Action::SignedUp, traits).await?;
    account::confirm_email(ctx, tx, user.id).await?;
    identities::verify_email(tx, user.id, &user.email, ctx.now).await.or_internal(UPDATING)
}

async fn recover(ctx: &Context, tx: &mut db::Session, user: &User) -> Result<(), Error> {
    users::clear_recovery(tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    one_time_tokens::delete_all(tx, user.id).await.or_internal(UPDATING)?;
    if user.is_email_confirmed() {
        return audit::record(ctx, tx, Actor::User(user), Action::Login, None).await;
    }
    let traits = Some(json!({ "provider": "email" }));
    audit::record(ctx, tx, Actor::User(user), Action::SignedUp, traits).await?;
    account::confirm_email(ctx, tx, user.id).await?;
    identities::verify_email(tx, user.id, &user.email, ctx.now).await.or_internal(UPDATING)
}

/// True if the change is complete, false if the other address has to confirm it too.
async fn confirm_email_change(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    hashes: &[String],
) -> Result<bool, Error> {
    let settings = &ctx.config().email;
    let both = !settings.autoconfirm() && settings.double_confirm_changes && !user.email.is_empty();
    if both && user.email_change_confirm_status == 0 {
        let by_current = hashes.contains(&user.email_change_token_current);
        users::half_confirm_email_change(tx, user.id, by_current, ctx.now).await.or_internal(UPDATING)?;
        let used = if by_current { "email_change_token_current" } else { "email_change_token_new" };
        one_time_tokens::delete(tx, user.id, used).await.or_internal(UPDATING)?;
        return Ok(false);
    }
    audit::record(ctx, tx, Actor::User(user), Action::Modified, None).await?;
    account::change_email(ctx, tx, user, &user.email_change).await?;
    Ok(true)
}

/// Exchanges the code of a finished PKCE sign-in for its session.
pub(crate) async fn exchange(ctx: &Context, code: &str, verifier: &str) -> Result<Grant, Error> {
    const FAILED: &str = "Database error finding flow state";
    if code.is_empty() || verifier.is_empty() {
        return Err(Error::invalid("invalid request: both auth code and code verifier should be non-empty"));
    }
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let flow =
        flow_state::find_by_code(&mut tx, code).await.or_internal(FAILED)?.ok_or(Error::FlowStateNotFound)?;
    let user_id: Uuid = flow.user_id.ok_or(Error::FlowStateNotFound)?;
    let begun = match flow.authentication_method.as_str() {
        "magiclink" => flow.auth_code_issued_at.unwrap_or(flow.created_at),
        _ => flow.created_at,
    };
    if ctx.now - begun > FLOW_EXPIRY {
        return Err(Error::FlowStateExpired);
    }
    let (method, challenge) = (flow.method.unwrap_or_default(), flow.challenge.unwrap_or_default());
    if !crate::pkce::answers(&method, &challenge, verifier) {
        return Err(Error::BadCodeVerifier);
    }
    let user = users::find(&mut tx, user_id).await.or_internal(FAILED)?.ok_or(Error::FlowStateNotFound)?;
    if user.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    let traits = Some(json!({ "provider_type": flow.provider_type }));
    audit::record(ctx, &mut tx, Actor::User(&user), Action::Login, traits).await?;
    let mut grant = session::open(ctx, &mut tx, user, &flow.authentication_method).await?;
    grant.provider_token = flow.provider_access_token.filter(|token| !token.is_empty());
    grant.provider_refresh_token = flow.provider_refresh_token.filter(|token| !token.is_empty());
    flow_state::delete(&mut tx, flow.id).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(grant)
}

/// How long after its beginning a PKCE sign-in may be completed.
const FLOW_EXPIRY: chrono::TimeDelta = chrono::TimeDelta::seconds(300);
