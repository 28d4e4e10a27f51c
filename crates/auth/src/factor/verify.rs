//! Answering a challenge.

use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::challenge::address;
use super::{FAILED, FactorType, Member, credentials, relying_party};
use crate::access_token::delta;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal, SecondFactor};
use crate::send::{self, Notice};
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::mfa_challenges::{self, ChallengeRow};
use crate::store::mfa_factors::{self, FactorRow};
use crate::store::{sessions, users};
use crate::user::Factor;
use crate::webauthn::{CeremonyError, Credential};
use crate::{hook, seal, totp};

/// The answer to a challenge.
pub(crate) struct Answer {
    pub(crate) challenge_id: Uuid,
    /// Empty for a ceremony.
    pub(crate) code: String,
    pub(crate) ceremony: Option<Ceremony>,
}

/// What a browser's authenticator answered.
pub(crate) struct Ceremony {
    /// `create` or `request`.
    pub(crate) kind: String,
    pub(crate) response: Option<Value>,
}

/// What a right answer leaves behind.
enum Proof {
    /// The step of an app's code.
    Step(i64),
    Phone,
    /// The credential that was made or used, as it is kept from now on.
    Key {
        credential: Credential,
        kind: &'static str,
        response: Value,
    },
}

/// Checks the answer; if it is right, raises the session and hands out its new tokens.
pub(crate) async fn verify(
    ctx: &Context,
    member: &Member,
    factor: &Factor,
    answer: &Answer,
) -> Result<Grant, Error> {
    let kind = FactorType::parse(&factor.factor_type)?;
    if answer.code.is_empty() && kind != FactorType::WebAuthn {
        return Err(Error::invalid("Code needs to be non-empty"));
    }
    kind.check_verify_enabled(&ctx.config().mfa)?;
    if kind == FactorType::WebAuthn {
        answer.ceremony()?;
    }
    // Asked before anything is locked: it may take a while.
    let said = match kind {
        FactorType::Phone => provider_says(ctx, factor, &answer.code).await,
        _ => None,
    };
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    // Answers for one factor, and raises of one account, happen one after the other.
    let user = users::lock(&mut tx, member.user.id).await.or_internal(FAILED)?;
    let user = user.ok_or(Error::UserOfTokenMissing)?;
    ctx.service.wrong_answers.look(&factor.id, ctx.now).map_err(Error::TooManyRequests)?;
    let row =
        mfa_factors::lock(&mut tx, factor.id).await.or_internal(FAILED)?.ok_or(Error::FactorNotFound)?;
    // Who knows the password alone may have begun to set this up before there was another.
    if !row.verified && user.has_second_factor() && !member.is_raised() {
        return Err(SecondFactor::RaiseToEnroll.into());
    }
    let asked = mfa_challenges::lock(&mut tx, answer.challenge_id, factor.id).await.or_internal(FAILED)?;
    let asked = asked.ok_or(SecondFactor::ChallengeNotFound)?;
    if asked.verified_at.is_some() || asked.ip.map(|ip| ip.to_canonical()) != Some(address(ctx)) {
        return Err(SecondFactor::NotFromHere.into());
    }
    if ctx.now > asked.created_at + delta(ctx.config().mfa.challenge_expiry()) {
        mfa_challenges::delete(&mut tx, asked.id).await.or_internal(FAILED)?;
        tx.commit().await.or_internal(FAILED)?;
        return Err(SecondFactor::ChallengeExpired(asked.id).into());
    }
    let checked = match kind {
        FactorType::Totp => check_app(ctx, &mut tx, factor.id, &row, &answer.code).await,
        FactorType::Phone => check_phone(ctx, &asked, &answer.code, said),
        FactorType::WebAuthn => check_key(ctx, &mut tx, member, factor.id, &asked, answer).await,
    };
    let proof = match checked {
        Ok(proof) => Ok(proof),
        Err(error @ (Error::SecondFactor(SecondFactor::WrongAnswer(_)) | Error::OtpExpired)) => Err(error),
        Err(error) => return Err(error),
    };
    if proof.is_err() {
        // Also where the hook then fails.
        count_wrong(ctx, factor.id, asked.id);
    }
    let attempt = (factor.id, factor.factor_type.as_str());
    let refused = hook::mfa_attempt(ctx, &mut tx, member.user.id, attempt, proof.is_ok()).await?;
    if let Some(rejection) = refused {
        sessions::delete_of_user(&mut tx, member.user.id).await.or_internal(FAILED)?;
        tx.commit().await.or_internal(FAILED)?;
        return Err(SecondFactor::AnswerRefused(rejection.message).into());
    }
    match proof {
        Ok(proof) => accept(ctx, tx, member, (factor, &row), &asked, proof).await,
        Err(error) => {
            keep_wrong(ctx, tx, asked.id).await?;
            Err(error)
        }
    }
}

impl Answer {
    /// Kind and response of a ceremony that is complete.
    fn ceremony(&self) -> Result<(&'static str, &Value), Error> {
        let ceremony = self.ceremony.as_ref().ok_or(Error::invalid("WebAuthn config required"))?;
        let kind = match ceremony.kind.as_str() {
            "create" => "create",
            "request" => "request",
            _ => return Err(Error::invalid("WebAuthn type must be create or request")),
        };
        let response = ceremony.response.as_ref().ok_or(Error::invalid("credential_response required"))?;
        Ok((kind, response))
    }
}

/// A code is good once: one of a step that was accepted, or of an earlier one, is wrong.
async fn check_app(
    ctx: &Context,
    tx: &mut db::Session,
    factor_id: Uuid,
    row: &FactorRow,
    code: &str,
) -> Result<Proof, Error> {
    const WRONG: SecondFactor = SecondFactor::WrongAnswer("Invalid TOTP code entered");
    let secret = seal::read(&ctx.config().db_encryption, &factor_id.to_string(), &row.secret)
        .or_internal("Database error verifying MFA TOTP secret")?;
    let step = totp::step(&secret, code, ctx.now).ok_or(WRONG)?;
    let last = mfa_challenges::last_step(tx, factor_id).await.or_internal(FAILED)?;
    if last.is_some_and(|last| step <= last) {
        return Err(WRONG.into());
    }
    let settings = &ctx.config().db_encryption;
    if seal::is_stale(settings, &row.secret) {
        const SEALING: &str = "Database error sealing MFA TOTP secret";
        let sealed = seal::write(settings, &factor_id.to_string(), &secret).or_internal(SEALING)?;
        mfa_factors::replace_secret(tx, factor_id, &sealed).await.or_internal(SEALING)?;
    }
    Ok(Proof::Step(step))
}

/// What a provider that makes the codes itself says of one; `None` where they are ours.
async fn provider_says(ctx: &Context, factor: &Factor, code: &str) -> Option<bool> {
    let phone = factor.phone.as_deref().unwrap_or_default();
    match ctx.config().sms.test_code(phone, ctx.now) {
        Some(_) => None,
        None => send::provider_says(ctx, phone, code).await,
    }
}

fn check_phone(ctx: &Context, asked: &ChallengeRow, code: &str, said: Option<bool>) -> Result<Proof, Error> {
    match said {
        Some(true) => return Ok(Proof::Phone),
        Some(false) => return Err(Error::OtpExpired),
        None => {}
    }
    let kept = asked.otp_code.as_deref().unwrap_or_default();
    let sent = seal::read(&ctx.config().db_encryption, &asked.id.to_string(), kept)
        .or_internal("Database error verifying MFA phone code")?;
    let same: bool = sent.as_bytes().ct_eq(code.as_bytes()).into();
    if sent.is_empty() || !same {
        return Err(SecondFactor::WrongAnswer("Invalid MFA Phone code entered").into());
    }
    Ok(Proof::Phone)
}

/// A key that is registered answers a challenge to register, and a proved one a challenge to sign.
async fn check_key(
    ctx: &Context,
    tx: &mut db::Session,
    member: &Member,
    factor_id: Uuid,
    asked: &ChallengeRow,
    answer: &Answer,
) -> Result<Proof, Error> {
    const WRONG: SecondFactor = SecondFactor::WrongAnswer("Failed to validate WebAuthn MFA response");
    let (kind, response) = answer.ceremony()?;
    let state = asked.web_authn.as_ref().and_then(|states| states.get(kind)).ok_or(WRONG)?;
    let party = relying_party(ctx.config())?;
    let refused = |error: CeremonyError| match error {
        CeremonyError::Unreadable(_) => Error::invalid("Invalid credential_response"),
        CeremonyError::EdDsa => super::UNSUPPORTED.into(),
        error => {
            tracing::info!(%error, "a security key was refused");
            WRONG.into()
        }
    };
    let credential = if kind == "create" {
        party.finish_registration(state, response).map_err(refused)?
    } else {
        let known = credentials(tx, member.user.id).await?;
        let own: Vec<_> =
            known.into_iter().filter(|(id, _)| *id == factor_id).map(|(_, credential)| credential).collect();
        let (used, signed) = party.finish_authentication(state, response, &own).map_err(refused)?;
        Credential { sign_count: signed.sign_count, backed_up: signed.backed_up, ..used.clone() }
    };
    Ok(Proof::Key { credential, kind, response: response.clone() })
}

/// Counts a wrong answer.
fn count_wrong(ctx: &Context, factor_id: Uuid, challenge_id: Uuid) {
    // What is left may be nothing: this answer is refused either way.
    let _ = ctx.service.wrong_answers.take(factor_id, ctx.now);
    let _ = ctx.service.guesses.take(challenge_id, ctx.now);
}

/// Keeps what a hook did about a wrong answer. After some the challenge is void, so that codes cannot be
/// guessed.
async fn keep_wrong(ctx: &Context, mut tx: db::Session, challenge_id: Uuid) -> Result<(), Error> {
    if ctx.service.guesses.look(&challenge_id, ctx.now).is_err() {
        mfa_challenges::delete(&mut tx, challenge_id).await.or_internal(FAILED)?;
    }
    tx.commit().await.or_internal(FAILED)
}

/// The answer was right.
async fn accept(
    ctx: &Context,
    mut tx: db::Session,
    member: &Member,
    (factor, row): (&Factor, &FactorRow),
    asked: &ChallengeRow,
    proof: Proof,
) -> Result<Grant, Error> {
    let kind = FactorType::parse(&factor.factor_type)?;
    let (now, user_id) = (ctx.now, member.user.id);
    let traits = json!({ "factor_id": factor.id, "challenge_id": asked.id, "factor_type": kind.name() });
    audit::record(ctx, &mut tx, Actor::User(&member.user), Action::VerificationAttempted, Some(traits))
        .await?;
    match &proof {
        Proof::Step(step) => {
            mfa_challenges::set_verified(&mut tx, asked.id, Some(*step), now).await.or_internal(FAILED)?;
        }
        Proof::Phone => {
            mfa_challenges::set_verified(&mut tx, asked.id, None, now).await.or_internal(FAILED)?
        }
        Proof::Key { credential, kind, response } => {
            mfa_challenges::delete(&mut tx, asked.id).await.or_internal(FAILED)?;
            let ceremony = json!({
                "challenge": {
                    "challenge_id": asked.id,
                    "factor_id": factor.id,
                    "created_at": asked.created_at,
                    "ip_address": asked.ip,
                },
                "type": kind,
                "credential_response": response,
            });
            let stored = credential.to_stored();
            mfa_factors::set_credential(&mut tx, factor.id, &stored, credential.aaguid, now)
                .await
                .or_internal(FAILED)?;
            mfa_factors::set_last_ceremony(&mut tx, factor.id, &ceremony, now).await.or_internal(FAILED)?;
        }
    }
    if !row.verified {
        mfa_factors::set_verified(&mut tx, factor.id, now).await.or_internal(FAILED)?;
        let notice = Notice::FactorEnrolled { factor_type: kind.name() };
        send::notify(ctx, &mut tx, &member.user, notice).await?;
    }
    mfa_factors::delete_unproved(&mut tx, user_id, kind.name())
        .await
        .or_internal("Error removing unverified factors")?;
    let user = users::get(&mut tx, user_id).await.or_internal(FAILED)?;
    let grant = session::raise(ctx, &mut tx, user, member.session.id, kind.method(), Some(factor.id)).await?;
    sessions::delete_unraised(&mut tx, user_id).await.or_internal("Failed to update sessions")?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(grant)
}
