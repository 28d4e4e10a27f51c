//! Codes and links that come back.

use chrono::{DateTime, Utc};
use kernel::units::Span;
use uuid::Uuid;

use crate::access_token::delta;
use crate::account::{self, UPDATING};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::otp::{self, Issued};
use crate::send;
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::{flow_state, identities, one_time_tokens, session_ends, users};
use crate::user::User;
use crate::{identifier, password, saml};
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

impl Proof {
    /// Where a code was sent; empty for a link.
    fn address(&self) -> &str {
        match self {
            Self::Hash(_) => "",
            Self::EmailCode { email, .. } => email,
            Self::PhoneCode { phone, .. } => phone,
        }
    }

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
    /// What came back is used up, and the account locked: nobody else comes in by it.
    Yes {
        user: Box<User>,
        purpose: Purpose,
        /// It was sent to the address that is to be changed.
        by_current: bool,
    },
    /// The code is none of those it may have been meant for, which are listed with their accounts.
    Wrong(Vec<(Uuid, Issued)>),
}

/// A code that an account waits for.
struct Pending {
    purpose: Purpose,
    token_type: &'static str,
    code: Issued,
}

impl Pending {
    fn new(purpose: Purpose, token_type: &'static str, hash: &str, sent_at: Option<DateTime<Utc>>) -> Self {
        Self { purpose, token_type, code: Issued { hash: hash.to_owned(), sent_at } }
    }

    fn confirmation(user: &User, purpose: Purpose) -> Self {
        Self::new(purpose, "confirmation_token", &user.confirmation_token, user.confirmation_sent_at)
    }

    fn recovery(user: &User, purpose: Purpose) -> Self {
        Self::new(purpose, "recovery_token", &user.recovery_token, user.recovery_sent_at)
    }

    /// What a code sent to `address` for `purpose` may be.
    fn of(user: &User, purpose: Purpose, address: &str) -> Vec<Self> {
        match purpose {
            Purpose::Email => {
                vec![Self::confirmation(user, Purpose::Signup), Self::recovery(user, Purpose::MagicLink)]
            }
            Purpose::Signup | Purpose::Invite | Purpose::Sms => vec![Self::confirmation(user, purpose)],
            Purpose::Recovery | Purpose::MagicLink => vec![Self::recovery(user, purpose)],
            Purpose::EmailChange => [
                (CURRENT, &user.email_change_token_current, &user.email),
                ("email_change_token_new", &user.email_change_token_new, &user.email_change),
            ]
            .into_iter()
            .filter(|(_, _, to)| to.eq_ignore_ascii_case(address))
            .map(|(token_type, hash, _)| Self::new(purpose, token_type, hash, user.email_change_sent_at))
            .collect(),
            Purpose::PhoneChange => vec![Self::new(
                purpose,
                "phone_change_token",
                &user.phone_change_token,
                user.phone_change_sent_at,
            )],
        }
    }
}

const CURRENT: &str = "email_change_token_current";

const LOCKING: &str = "Database error finding user";

/// Uses up the code, if the account waits for it.
async fn claim_code(
    ctx: &Context,
    tx: &mut db::Session,
    user: User,
    purpose: Purpose,
    proof: &Proof,
    expiry: Span,
) -> Result<Recognised, Error> {
    let (pending, hashes) = (Pending::of(&user, purpose, proof.address()), proof.hashes());
    let fits = |pending: &&Pending| {
        let Issued { hash: stored, sent_at } = &pending.code;
        hashes.iter().any(|hash| otp::is_valid(hash, stored, *sent_at, expiry, ctx.now))
    };
    let Some(meant) = pending.iter().find(fits) else {
        return Ok(Recognised::Wrong(pending.into_iter().map(|pending| (user.id, pending.code)).collect()));
    };
    if !one_time_tokens::delete(tx, user.id, meant.token_type).await.or_internal(UPDATING)? {
        return Err(Error::OtpExpired);
    }
    let by_current = meant.token_type == CURRENT;
    Ok(Recognised::Yes { user: Box::new(user), purpose: meant.purpose, by_current })
}

async fn recognise(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    proof: &Proof,
) -> Result<Recognised, Error> {
    match proof {
        Proof::Hash(hash) => by_hash(ctx, tx, purpose, hash).await,
        Proof::EmailCode { email, .. } => by_email_code(ctx, tx, purpose, email, proof).await,
        Proof::PhoneCode { phone, code } => by_phone_code(ctx, tx, purpose, (phone, code), proof).await,
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
    let user = users::lock(tx, user.id).await.or_internal(LOCKING)?.ok_or(Error::LinkExpired)?;
    let claimed = one_time_tokens::claim(tx, types, hash).await.or_internal(UPDATING)?;
    let (owner, token_type) = claimed.ok_or(Error::LinkExpired)?;
    if owner != user.id {
        return Err(Error::LinkExpired);
    }
    let (sent_at, purpose) = match purpose {
        Purpose::Email if token_type == "recovery_token" => (user.recovery_sent_at, Purpose::MagicLink),
        Purpose::Email => (user.confirmation_sent_at, Purpose::Signup),
        Purpose::Recovery | Purpose::MagicLink => (user.recovery_sent_at, purpose),
        Purpose::EmailChange => (user.email_change_sent_at, purpose),
        _ => (user.confirmation_sent_at, purpose),
    };
    if otp::is_expired(sent_at, ctx.config().email.otp_expiry, ctx.now) {
        return Err(Error::LinkExpired);
    }
    Ok(Recognised::Yes { user: Box::new(user), purpose, by_current: token_type == CURRENT })
}

async fn by_email_code(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    email: &str,
    proof: &Proof,
) -> Result<Recognised, Error> {
    const FINDING: &str = "Database error finding user";
    let user = match purpose {
        Purpose::Sms | Purpose::PhoneChange => return Err(Error::OtpExpired),
        Purpose::EmailChange => users::find_by_email_change(tx, email, &proof.hashes(), &ctx.aud).await,
        _ => users::find_by_email(tx, email, &ctx.aud).await,
    };
    // Several accounts may want the same address: a wrong code may have been meant for each.
    if let (Purpose::EmailChange, Ok(None)) = (purpose, &user) {
        let waiting = users::awaiting_email_change(tx, email, &ctx.aud).await.or_internal(FINDING)?;
        let codes = |user: &User| {
            let id = user.id;
            Pending::of(user, purpose, email).into_iter().map(move |pending| (id, pending.code))
        };
        return Ok(Recognised::Wrong(waiting.iter().flat_map(codes).collect()));
    }
    let user = user.or_internal("Database error finding user")?.ok_or(Error::OtpExpired)?;
    let user = users::lock(tx, user.id).await.or_internal(LOCKING)?.ok_or(Error::OtpExpired)?;
    claim_code(ctx, tx, user, purpose, proof, ctx.config().email.otp_expiry).await
}

async fn by_phone_code(
    ctx: &Context,
    tx: &mut db::Session,
    purpose: Purpose,
    (phone, code): (&str, &str),
    proof: &Proof,
) -> Result<Recognised, Error> {
    let user = match purpose {
        Purpose::PhoneChange => users::find_by_phone_change(tx, phone, &ctx.aud).await,
        Purpose::Sms => users::find_by_phone(tx, phone, &ctx.aud).await,
        _ => return Err(Error::OtpExpired),
    };
    let user = user.or_internal("Database error finding user")?.ok_or(Error::OtpExpired)?;
    // Asked before the account is locked: it may take a while.
    let said = match ctx.config().sms.test_code(phone, ctx.now) {
        Some(_) => None,
        None => send::provider_says(ctx, phone, code).await,
    };
    let user = users::lock(tx, user.id).await.or_internal(LOCKING)?.ok_or(Error::OtpExpired)?;
    let settings = &ctx.config().sms;
    if settings.test_code(phone, ctx.now) == Some(code) {
        return Ok(Recognised::Yes { user: Box::new(user), purpose, by_current: false });
    }
    match said {
        Some(true) => return used_up(tx, user, purpose).await,
        Some(false) => return Err(Error::OtpExpired),
        None => {}
    }
    claim_code(ctx, tx, user, purpose, proof, settings.otp_expiry).await
}

/// A code that the provider made and found right, where one was asked for.
async fn used_up(tx: &mut db::Session, user: User, purpose: Purpose) -> Result<Recognised, Error> {
    let token_type =
        if purpose == Purpose::PhoneChange { "phone_change_token" } else { "confirmation_token" };
    if !one_time_tokens::delete(tx, user.id, token_type).await.or_internal(UPDATING)? {
        return Err(Error::OtpExpired);
    }
    Ok(Recognised::Yes { user: Box::new(user), purpose, by_current: false })
}

/// A short code can be guessed from many addresses: after some wrong guesses it is good no more. Only
/// the code: links cannot be guessed, and its owner still comes in by one, or by the next code.
pub(crate) async fn count_wrong_code(
    ctx: &Context,
    mut tx: db::Session,
    guessed: impl IntoIterator<Item = (Uuid, Issued)>,
) -> Result<(), Error> {
    let mut voided = false;
    for (user_id, code) in guessed.into_iter().filter(|(_, code)| !code.hash.is_empty()) {
        if ctx.service.wrong_codes.take(code.clone(), ctx.now).is_err() {
            users::void_code(&mut tx, user_id, &code.hash, ctx.now).await.or_internal(UPDATING)?;
            tracing::warn!(%user_id, "too many wrong guesses at a code: it is void");
            voided = true;
        }
    }
    if voided {
        tx.commit().await.or_internal(UPDATING)?;
    }
    Ok(())
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
