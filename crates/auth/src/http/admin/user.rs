//! `/admin/users/{user_id}`: one account, read, changed and deleted by an administrator.

use actix_web::HttpResponse;
use actix_web::web::Path;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use kernel::units::Span;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::answer;
use super::super::call::{Body, Call};
use super::{user_of_path, users::PHONE_TAKEN};
use crate::access_token::delta;
use crate::account::{self, taken_as};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::service::Context;
use crate::store::users::Remains;
use crate::store::{
    identities, mfa_factors, one_time_tokens, recovery_codes, scim_users, sessions, users,
    webauthn_credentials,
};
use crate::user::{Object, User};
use crate::{identifier, pwned};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) aud: String,
    pub(super) role: String,
    pub(super) email: String,
    pub(super) phone: String,
    pub(super) password: Option<String>,
    pub(super) password_hash: String,
    pub(super) email_confirm: bool,
    pub(super) phone_confirm: bool,
    pub(super) user_metadata: Option<Object>,
    pub(super) app_metadata: Option<Object>,
    pub(super) ban_duration: String,
}

/// For how long an account is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ban {
    Lifted,
    For(Span),
}

impl Ban {
    /// `none` or a duration as Go spells them; empty for no change.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Error> {
        match text {
            "" => Ok(None),
            "none" => Ok(Some(Self::Lifted)),
            text => match text.parse::<Span>() {
                Ok(span) if span.0.is_zero() => Ok(Some(Self::Lifted)),
                Ok(span) => Ok(Some(Self::For(span))),
                Err(_) => Err(Error::invalid(format!(
                    "invalid format for ban duration: time: invalid duration \"{text}\""
                ))),
            },
        }
    }

    pub(super) fn until(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Lifted => None,
            Self::For(span) => now.checked_add_signed(delta(span)),
        }
    }
}

const FAILED: &str = "Error updating user";

pub(crate) async fn get(call: Call, id: Path<String>) -> Result<HttpResponse, Error> {
    call.admin().await?;
    let mut connection = call.ctx.service.pool.session().await.or_internal("Database error loading user")?;
    Ok(answer::user(&user_of_path(&mut connection, &id).await?))
}

pub(crate) async fn put(call: Call, id: Path<String>, body: Body) -> Result<HttpResponse, Error> {
    let admin = call.admin().await?;
    let ctx = &call.ctx;
    let user = {
        let mut connection = ctx.service.pool.session().await.or_internal(FAILED)?;
        user_of_path(&mut connection, &id).await?
    };
    let mut request: Request = body.json()?;
    if !request.email.is_empty() {
        request.email = identifier::email(&request.email)?;
    }
    if !request.phone.is_empty() {
        request.phone = identifier::phone(&request.phone)?;
    }
    let ban = Ban::parse(&request.ban_duration)?;
    let hash = match &request.password {
        Some(password) => {
            pwned::check_strength(ctx, password).await?;
            Some(ctx.service.hasher.hash(ctx.config().password_hash, password.clone()).await?)
        }
        None => None,
    };
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    update(ctx, &mut tx, &user, &request, hash.as_deref(), ban).await?;
    audit::record(ctx, &mut tx, Actor::Admin(&admin), Action::Modified, Some(traits(&user))).await?;
    let user = users::get(&mut tx, user.id).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(answer::user(&user))
}

async fn update(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    request: &Request,
    hash: Option<&str>,
    ban: Option<Ban>,
) -> Result<(), Error> {
    let (id, now) = (user.id, ctx.now);
    if !request.role.is_empty() {
        users::update_role(tx, id, identifier::role(&request.role)?, now).await.or_internal(FAILED)?;
    }
    if request.email_confirm {
        account::confirm_email(ctx, tx, id).await?;
    }
    if request.phone_confirm {
        account::confirm_phone(ctx, tx, id).await?;
    }
    if let Some(hash) = hash {
        account::change_password(ctx, tx, id, hash, None).await?;
    }
    if !request.email.is_empty() {
        account::put_identity(ctx, tx, user, "email", &request.email, request.email_confirm).await?;
        taken_as(users::update_email(tx, id, &request.email, now).await, Error::EmailExists)?;
        if request.email != user.email {
            // Links that went to the old address.
            one_time_tokens::delete_all(tx, id).await.or_internal(FAILED)?;
        }
    }
    if !request.phone.is_empty() {
        account::put_identity(ctx, tx, user, "phone", &request.phone, request.phone_confirm).await?;
        taken_as(users::update_phone(tx, id, &request.phone, now).await, Error::PhoneExists(PHONE_TAKEN))?;
    }
    let permanent = (!request.email.is_empty() && request.email_confirm)
        || (!request.phone.is_empty() && request.phone_confirm);
    if permanent {
        users::clear_anonymous(tx, id, now).await.or_internal(FAILED)?;
    }
    if let Some(data) = &request.app_metadata {
        users::merge_app_metadata(tx, id, data, now).await.or_internal(FAILED)?;
    }
    if let Some(data) = &request.user_metadata {
        users::merge_user_metadata(tx, id, data, now).await.or_internal(FAILED)?;
    }
    if let Some(ban) = ban {
        users::update_ban(tx, id, ban.until(now), now).await.or_internal(FAILED)?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Deletion {
    should_soft_delete: bool,
}

pub(crate) async fn delete(call: Call, id: Path<String>, body: Body) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Database error deleting user";
    let admin = call.admin().await?;
    let ctx = &call.ctx;
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let user = user_of_path(&mut tx, &id).await?;
    let deletion: Deletion = if body.is_empty() { Deletion::default() } else { body.json()? };
    match (deletion.should_soft_delete, user.deleted_at) {
        (false, _) => users::delete(&mut tx, user.id).await.or_internal(FAILED)?,
        (true, None) => obscure(ctx, &mut tx, &user).await.or_internal("Error soft deleting user")?,
        (true, Some(_)) => {}
    }
    audit::record(ctx, &mut tx, Actor::Admin(&admin), Action::Deleted, Some(traits(&user))).await?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(answer::nothing())
}

/// Keeps the account's id, for what refers to it, and nothing that says whose it was.
async fn obscure(ctx: &Context, tx: &mut db::Session, user: &User) -> Result<(), db::Error> {
    let hashed = |value: &str| obscured(user.id, value);
    let cut = |value: &str| hashed(value).chars().take(15).collect::<String>();
    let remains = Remains {
        email: &hashed(&user.email),
        phone: &cut(&user.phone),
        email_change: &hashed(&user.email_change),
        phone_change: &cut(&user.phone_change),
    };
    users::soft_delete(tx, user.id, &remains, ctx.now).await?;
    for identity in &user.identities {
        let provider_id = hashed(&format!("{}:{}", identity.provider, identity.provider_id));
        identities::obscure(tx, identity.id, &provider_id, ctx.now).await?;
    }
    one_time_tokens::delete_all(tx, user.id).await?;
    mfa_factors::delete_all(tx, user.id).await?;
    recovery_codes::delete_all(tx, user.id).await?;
    scim_users::forget(tx, user.id).await?;
    webauthn_credentials::delete_all(tx, user.id).await?;
    sessions::delete_of_user(tx, user.id).await
}

fn obscured(id: Uuid, value: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{id}{value}")))
}

/// How audit records name the account.
fn traits(user: &User) -> Value {
    json!({ "user_id": user.id, "user_email": user.email, "user_phone": user.phone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans() {
        let check = |text: &str, expected: Option<Option<Ban>>| {
            assert_eq!(Ban::parse(text).ok(), expected, "{text}");
        };
        check("", Some(None));
        check("none", Some(Some(Ban::Lifted)));
        check("24h", Some(Some(Ban::For(Span::secs(86_400)))));
        check("soon", None);
        let far = Ban::For(Span(std::time::Duration::from_secs(u64::MAX)));
        assert!(far.until(Utc::now()).is_some());
    }
}
