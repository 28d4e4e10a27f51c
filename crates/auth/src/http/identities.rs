//! `/user/identities/…`: attaching and detaching ways to sign in.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, SignedIn};
use super::{answer, authorize};
use crate::account::UPDATING;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::oauth::begin::begin;
use crate::send::{self, Notice};
use crate::service::Context;
use crate::store::{identities, one_time_tokens, users};
use crate::user::{Identity, User};

pub(crate) async fn authorize(call: Call) -> Result<HttpResponse, Error> {
    let signed_in = owner(&call).await?;
    let address = begin(&call.ctx, &call.query, Some(signed_in.user.id)).await?;
    if call.param("skip_http_redirect") == "true" {
        return Ok(HttpResponse::Ok().json(json!({ "url": address })));
    }
    Ok(authorize::sent_to(address))
}

/// The signed-in user, where linking is allowed.
async fn owner(call: &Call) -> Result<SignedIn, Error> {
    let signed_in = call.user().await?;
    if !call.ctx.config().enable_manual_linking {
        return Err(Error::ManualLinkingDisabled);
    }
    Ok(signed_in)
}

pub(crate) async fn delete(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    let signed_in = owner(&call).await?;
    let ctx = &call.ctx;
    let id = Uuid::try_parse(&id).map_err(|_| Error::NotAnId("identity_id"))?;
    if signed_in.aud != ctx.aud {
        return Err(Error::UnexpectedAudience);
    }
    let mut tx = ctx.service.pool.begin().await.or_internal(UPDATING)?;
    // Who removes two at once keeps one.
    let user = users::lock(&mut tx, signed_in.user.id).await.or_internal(UPDATING)?;
    let user = &user.ok_or(Error::UserOfTokenMissing)?;
    if user.identities.len() <= 1 {
        return Err(Error::LastIdentity);
    }
    let (removed, left): (Vec<_>, Vec<_>) = user.identities.iter().partition(|identity| identity.id == id);
    let removed = removed.first().ok_or(Error::IdentityNotFound)?;
    let traits = json!({
        "identity_id": removed.id, "provider": removed.provider, "provider_id": removed.provider_id,
    });
    audit::record(ctx, &mut tx, Actor::User(user), Action::IdentityUnlinked, Some(traits)).await?;
    identities::delete(&mut tx, removed.id).await.or_internal(UPDATING)?;
    if removed.provider == "phone" {
        users::clear_phone(&mut tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    } else {
        keep_an_address(ctx, &mut tx, user, left).await?;
    }
    users::update_providers(&mut tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    // To the address that the account had until now.
    send::notify(ctx, &mut tx, user, Notice::IdentityUnlinked { provider: &removed.provider }).await?;
    tx.commit().await.or_internal(UPDATING)?;
    Ok(answer::nothing())
}

/// An account whose address went with an identity takes that of another: a verified one first,
/// then the oldest.
async fn keep_an_address(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    mut left: Vec<&Identity>,
) -> Result<(), Error> {
    let address = |identity: &Identity| identity.email.clone().unwrap_or_default();
    if left.iter().any(|identity| address(identity) == user.email) {
        return Ok(());
    }
    let is_verified =
        |identity: &Identity| identity.identity_data.get("email_verified") == Some(&Value::Bool(true));
    left.sort_by_key(|identity| {
        (address(identity).is_empty(), !is_verified(identity), identity.created_at, identity.id)
    });
    for identity in left {
        let email = address(identity);
        let holder = match email.is_empty() {
            true => None,
            false => users::find_by_email(tx, &email, &user.aud).await.or_internal(UPDATING)?,
        };
        if holder.is_some_and(|holder| holder.id != user.id) {
            continue;
        }
        let confirmed = !email.is_empty() && (is_verified(identity) || ctx.config().email.autoconfirm());
        users::replace_email(tx, user.id, &email, confirmed, ctx.now).await.or_internal(UPDATING)?;
        return one_time_tokens::delete_all(tx, user.id).await.or_internal(UPDATING);
    }
    Err(Error::IdentityEmailConflict)
}
