//! Removing a factor.

use serde_json::json;

use super::{FAILED, FactorType, Member, recovery};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal, SecondFactor};
use crate::send::{self, Notice};
use crate::service::Context;
use crate::store::{mfa_factors, sessions, users};
use crate::user::{Factor, FactorStatus};

/// Removes `factor`; sessions it raised fall back.
pub(crate) async fn unenroll(ctx: &Context, member: &Member, factor: &Factor) -> Result<(), Error> {
    let kind = FactorType::parse(&factor.factor_type)?;
    let user = &member.user;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    users::lock(&mut tx, user.id).await.or_internal(FAILED)?;
    let row =
        mfa_factors::lock(&mut tx, factor.id).await.or_internal(FAILED)?.ok_or(Error::FactorNotFound)?;
    if row.verified && !member.is_raised() {
        return Err(SecondFactor::RaiseToUnenroll.into());
    }
    mfa_factors::delete(&mut tx, factor.id).await.or_internal(FAILED)?;
    let status = if row.verified { FactorStatus::Verified } else { FactorStatus::Unverified };
    let traits = json!({ "factor_id": factor.id, "factor_status": status, "session_id": member.session.id });
    audit::record(ctx, &mut tx, Actor::User(user), Action::FactorUnenrolled, Some(traits)).await?;
    sessions::lower_aal(&mut tx, user.id, factor.id, kind.name(), kind.method())
        .await
        .or_internal("Database error downgrading sessions")?;
    recovery::forget_without_factors(&mut tx, user.id).await.or_internal(FAILED)?;
    send::notify(ctx, &mut tx, user, Notice::FactorUnenrolled { factor_type: kind.name() }).await?;
    tx.commit().await.or_internal(FAILED)
}
