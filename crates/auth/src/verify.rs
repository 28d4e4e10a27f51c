//! Codes and links that come back: what they are good for, and what is done then.

mod recognise;

pub(crate) use recognise::count_wrong_code;

use serde_json::json;
use uuid::Uuid;

use self::recognise::{Recognised, recognise};
use crate::access_token::delta;
use crate::account::{self, UPDATING};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::{flow_state, identities, one_time_tokens, session_ends, users};
use crate::user::User;
use crate::{identifier, password, saml};

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
    let (user, purpose, by_current) = match recognise(ctx, &mut tx, purpose, proof).await? {
        Recognised::Yes { user, purpose, by_current } => (user, purpose, by_current),
        Recognised::Wrong(guessed) => {
            count_wrong_code(ctx, tx, guessed).await?;
            return Err(Error::OtpExpired);
        }
    };
    // Only who has the code learns that the account exists and is banned.
    if user.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    match purpose {
        Purpose::Signup | Purpose::Invite | Purpose::Email => confirm_signup(ctx, &mut tx, &user).await?,
        Purpose::Recovery | Purpose::MagicLink => recover(ctx, &mut tx, &user).await?,
        Purpose::EmailChange => {
            if !confirm_email_change(ctx, &mut tx, &user, by_current).await? {
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

async fn confirm_signup(ctx: &Context, tx: &mut db::Session, user: &User) -> Result<(), Error> {
    if !user.has_password() && user.invited_at.is_some() {
        let hash = password::hash_of_nobody(ctx.config().password_hash);
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
    by_current: bool,
) -> Result<bool, Error> {
    let settings = &ctx.config().email;
    let both = !settings.autoconfirm() && settings.double_confirm_changes && !user.email.is_empty();
    if both && user.email_change_confirm_status == 0 {
        users::half_confirm_email_change(tx, user.id, by_current, ctx.now).await.or_internal(UPDATING)?;
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
    if ctx.now - begun > delta(ctx.config().flow_state_expiry()) {
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
    let ends_at = session_ends::find(&mut tx, flow.id).await.or_internal(FAILED)?;
    saml::finish::end_with(&mut tx, grant.session_id, ends_at).await?;
    flow_state::delete(&mut tx, flow.id).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(grant)
}
