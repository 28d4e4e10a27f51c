//! Setting a factor up.

use serde_json::json;
use uuid::Uuid;

use super::{FAILED, FactorType, Member};
use crate::access_token::delta;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal, SecondFactor};
use crate::service::Context;
use crate::store::mfa_factors::{self, NewFactor};
use crate::store::users;
use crate::user::{FactorStatus, User};
use crate::{identifier, seal, totp};

/// The factor that is wished for.
pub(crate) struct Wish<'a> {
    pub(crate) factor_type: FactorType,
    pub(crate) friendly_name: &'a str,
    /// Who an app shows as its issuer; empty for the site.
    pub(crate) issuer: &'a str,
    pub(crate) phone: &'a str,
}

/// A factor that waits to be proved.
pub(crate) struct Enrolled {
    pub(crate) id: Uuid,
    /// What an app needs.
    pub(crate) totp: Option<AppSecret>,
}

/// What an app needs: shown once.
pub(crate) struct AppSecret {
    pub(crate) secret: String,
    pub(crate) uri: String,
    pub(crate) picture: String,
}

/// Bytes a name may have; it is part of an index.
const LONGEST_NAME: usize = 1000;

/// Makes an unproved factor.
pub(crate) async fn enroll(ctx: &Context, member: &Member, wish: &Wish<'_>) -> Result<Enrolled, Error> {
    let kind = wish.factor_type;
    kind.check_enroll_enabled(&ctx.config().mfa)?;
    if wish.friendly_name.len() > LONGEST_NAME {
        return Err(Error::invalid("friendly_name is too long"));
    }
    let phone = match kind {
        FactorType::Phone if wish.phone.is_empty() => {
            return Err(Error::invalid("Phone number required to enroll Phone factor"));
        }
        FactorType::Phone => Some(identifier::phone(wish.phone)?),
        _ => None,
    };
    let id = Uuid::new_v4();
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    // Who enrols twice at once is counted twice.
    let user = users::lock(&mut tx, member.user.id).await.or_internal(FAILED)?;
    let user = user.ok_or(Error::UserOfTokenMissing)?;
    if let Some(phone) = &phone {
        let is_it = |phone: &String| {
            user.factors
                .iter()
                .any(|factor| factor.phone.as_ref() == Some(phone) && factor.status == FactorStatus::Verified)
        };
        if is_it(phone) {
            return Err(SecondFactor::PhoneIsAFactor.into());
        }
        mfa_factors::delete_unproved_phone(&mut tx, user.id, phone).await.or_internal(FAILED)?;
    }
    let before = ctx.now - delta(ctx.config().mfa.factor_expiry());
    mfa_factors::delete_abandoned(&mut tx, user.id, before).await.or_internal(FAILED)?;
    let user = users::get(&mut tx, user.id).await.or_internal(FAILED)?;
    check_room(ctx, member, &user, wish.friendly_name)?;
    let app = match kind {
        FactorType::Totp => Some(app_secret(ctx, &user, wish.issuer)?),
        _ => None,
    };
    let sealed = match &app {
        Some(app) => {
            let sealed = seal::write(&ctx.config().db_encryption, &id.to_string(), &app.secret);
            Some(sealed.or_internal("Error sealing TOTP secret")?)
        }
        None => None,
    };
    let new = NewFactor {
        id,
        user_id: user.id,
        friendly_name: wish.friendly_name,
        factor_type: kind.name(),
        secret: sealed.as_deref(),
        phone: phone.as_deref(),
    };
    mfa_factors::insert(&mut tx, &new, ctx.now).await.or_internal(FAILED)?;
    let traits = json!({ "factor_id": id, "factor_type": kind.name() });
    audit::record(ctx, &mut tx, Actor::User(&user), Action::FactorInProgress, Some(traits)).await?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(Enrolled { id, totp: app })
}

/// Whether the account may have one more factor of this name, and this session may add it.
fn check_room(ctx: &Context, member: &Member, user: &User, name: &str) -> Result<(), SecondFactor> {
    let limits = &ctx.config().mfa;
    if user.factors.iter().any(|factor| factor.friendly_name.as_deref().unwrap_or_default() == name) {
        return Err(SecondFactor::NameConflict(name.to_owned()));
    }
    let proved = user.factors.iter().filter(|factor| factor.status == FactorStatus::Verified).count();
    if user.factors.len() >= limits.max_enrolled_factors || proved >= limits.max_verified_factors {
        return Err(SecondFactor::TooManyFactors);
    }
    if proved > 0 && !member.is_raised() {
        return Err(SecondFactor::RaiseToEnroll);
    }
    Ok(())
}

fn app_secret(ctx: &Context, user: &User, issuer: &str) -> Result<AppSecret, Error> {
    let site = ctx.config().site_url.as_str();
    let host = site.split_once("://").map_or(site, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or(host);
    let issuer = if issuer.is_empty() { host } else { issuer };
    let account = if user.email.is_empty() { &user.phone } else { &user.email };
    let secret = totp::secret();
    let uri = totp::uri(issuer, account, &secret);
    let picture = totp::picture(&uri).ok_or(Error::invalid("issuer is too long"))?;
    Ok(AppSecret { secret, uri, picture })
}
