//! `POST /invite`: an account for someone who will set it up by the link in a mail.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::answer;
use super::call::{Body, Call};
use crate::account::{self, UPDATING};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::identifier;
use crate::send::{self, Mail};
use crate::service::Context;
use crate::store::users::{self, NewUser};
use crate::user::{Object, User};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    email: String,
    data: Object,
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let admin = call.admin().await?;
    let ctx = &call.ctx;
    let request: Request = body.json()?;
    let email = identifier::email(&request.email)?;
    let mut tx = ctx.service.pool.begin().await.or_internal(UPDATING)?;
    let user = invited(ctx, &mut tx, &email, &request.data, "").await?;
    let traits = Some(json!({ "user_id": user.id, "user_email": user.email }));
    audit::record(ctx, &mut tx, Actor::Admin(&admin), Action::Invited, traits).await?;
    send::mail(ctx, &mut tx, &user, Mail::Invite, None).await?;
    let user = users::get(&mut tx, user.id).await.or_internal(UPDATING)?;
    account::commit_creation(tx).await?;
    Ok(answer::user(&user))
}

/// The account to invite: one that exists and was never confirmed, or a new one.
pub(crate) async fn invited(
    ctx: &Context,
    tx: &mut db::Session,
    email: &str,
    data: &Object,
    hash: &str,
) -> Result<User, Error> {
    let holder = users::find_holder_of_email(tx, email, &ctx.aud, None).await;
    match holder.or_internal("Database error finding user")? {
        Some(user) if user.is_email_confirmed() => return Err(Error::EmailExists),
        Some(user) => return Ok(user),
        None => {}
    }
    let new = NewUser {
        id: Uuid::new_v4(),
        aud: &ctx.aud,
        role: &ctx.config().jwt_default_group_name,
        email,
        phone: "",
        encrypted_password: hash,
        app_metadata: &account::provider_metadata(&["email"]),
        user_metadata: data,
        is_anonymous: false,
    };
    let user = account::create(ctx, tx, &new).await.map_err(|reason| match reason {
        account::NotCreated::Taken => Error::EmailExists,
        account::NotCreated::Failed(error) => error,
    })?;
    let identity = account::own_identity(user.id, "email", email, false);
    account::add_identity(ctx, tx, user.id, "email", &identity).await?;
    users::get(tx, user.id).await.or_internal("Database error finding user")
}
