//! Asking for a factor.

use std::net::{IpAddr, Ipv4Addr};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{FAILED, FactorType, Member, credentials, relying_party};
use crate::access_token::delta;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, HookFailure, OrInternal};
use crate::send::PhoneCode;
use crate::service::Context;
use crate::sms::Channel;
use crate::store::mfa_challenges::{self, NewChallenge};
use crate::store::mfa_factors::{self, FactorRow};
use crate::user::Factor;
use crate::webauthn::{CeremonyError, Kind};
use crate::{seal, send};

/// A challenge that waits for its answer.
pub(crate) struct Asked {
    pub(crate) id: Uuid,
    pub(crate) factor_type: FactorType,
    pub(crate) expires_at: DateTime<Utc>,
    /// For the browser: what kind of ceremony, and its options.
    pub(crate) ceremony: Option<(&'static str, Value)>,
}

/// The address a challenge is bound to.
pub(super) fn address(ctx: &Context) -> IpAddr {
    ctx.ip.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ip| ip.to_canonical())
}

/// Makes a challenge of `factor`; for a phone, sends the code.
pub(crate) async fn challenge(
    ctx: &Context,
    member: &Member,
    factor: &Factor,
    channel: &str,
) -> Result<Asked, Error> {
    let kind = FactorType::parse(&factor.factor_type)?;
    kind.check_verify_enabled(&ctx.config().mfa)?;
    let channel = send::channel(ctx, channel)?;
    let id = Uuid::new_v4();
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let row = mfa_factors::lock(&mut tx, factor.id).await.or_internal(FAILED)?;
    let row = row.ok_or(Error::FactorNotFound)?;
    let code = match kind {
        FactorType::Phone => Some(send_code(ctx, &mut tx, (member, factor, &row), id, channel).await?),
        _ => None,
    };
    let begun = match kind {
        FactorType::WebAuthn => Some(begin(ctx, &mut tx, member, factor, &row).await?),
        _ => None,
    };
    let new = NewChallenge {
        id,
        factor_id: factor.id,
        ip: address(ctx),
        otp_code: code.as_deref(),
        web_authn: begun.as_ref().map(|begun| &begun.state),
    };
    mfa_challenges::insert(&mut tx, &new, ctx.now).await.or_internal(FAILED)?;
    mfa_factors::set_challenged(&mut tx, factor.id, ctx.now).await.or_internal(FAILED)?;
    let traits = json!({ "factor_id": factor.id, "factor_status": factor.status });
    audit::record(ctx, &mut tx, Actor::User(&member.user), Action::ChallengeCreated, Some(traits)).await?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(Asked {
        id,
        factor_type: kind,
        expires_at: ctx.now + delta(ctx.config().mfa.challenge_expiry()),
        ceremony: begun.map(|begun| (begun.kind, begun.options)),
    })
}

/// Sends a code; returns what the challenge keeps of it.
async fn send_code(
    ctx: &Context,
    tx: &mut db::Session,
    (member, factor, row): (&Member, &Factor, &FactorRow),
    id: Uuid,
    channel: Channel,
) -> Result<String, Error> {
    let settings = &ctx.config().mfa;
    if let Some(seconds) = send::wait(row.last_challenged_at, settings.phone.max_frequency.0, ctx.now) {
        return Err(Error::TooSoonForSms(seconds));
    }
    let message = PhoneCode {
        phone: factor.phone.as_deref().unwrap_or_default(),
        channel,
        length: settings.phone.otp_length,
        template: &ctx.settings.wordings.mfa,
        lifetime: settings.challenge_expiry(),
        limited: !ctx.config().sms.autoconfirm(),
    };
    let sent = message.send(ctx, tx, &member.user, true).await;
    let (code, _) = sent.map_err(|error| match error {
        Error::Hook(failure) => HookFailure::SecondFactor(Box::new(failure)).into(),
        error => error,
    })?;
    seal::write(&ctx.config().db_encryption, &id.to_string(), &code)
        .or_internal("error creating SMS Challenge")
}

struct Begun {
    kind: &'static str,
    options: Value,
    /// The state by the kind of ceremony, so that the one is not taken for the other.
    state: Value,
}

/// A new key is registered, one that was proved signs.
async fn begin(
    ctx: &Context,
    tx: &mut db::Session,
    member: &Member,
    factor: &Factor,
    row: &FactorRow,
) -> Result<Begun, Error> {
    const BEGINNING: &str = "Failed to generate WebAuthn registration data";
    let party = relying_party(ctx.config())?;
    let known = credentials(tx, member.user.id).await?;
    let (kind, begun) = if row.verified {
        let own: Vec<_> =
            known.into_iter().filter(|(id, _)| *id == factor.id).map(|(_, credential)| credential).collect();
        let begun = party.begin_authentication(&own).map_err(|error| match error {
            CeremonyError::EdDsa => super::UNSUPPORTED.into(),
            error => Error::internal(BEGINNING, error),
        })?;
        ("request", begun)
    } else {
        let present = known.into_iter().map(|(_, credential)| credential.id).collect();
        let begun = party.begin_registration(&member.user, present, Kind::SecondFactor);
        ("create", begun.or_internal(BEGINNING)?)
    };
    Ok(Begun { kind, options: begun.options, state: json!({ kind: begun.state }) })
}
