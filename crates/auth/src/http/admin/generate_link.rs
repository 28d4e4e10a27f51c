//! `POST /admin/generate_link`: what a mail would have said, for those who send their own.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::call::{Body, Call};
use super::super::invite::Invitation;
use crate::account::{self, UPDATING};
use crate::audit::{self, Action, Actor};
use crate::config;
use crate::error::{Error, OrInternal};
use crate::otp::Fresh;
use crate::send::{self, Half, Mail};
use crate::service::Context;
use crate::store::users;
use crate::user::{Object, User};
use crate::{identifier, link, password, pwned};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    #[serde(rename = "type")]
    kind: String,
    email: String,
    new_email: String,
    password: String,
    data: Object,
    redirect_to: String,
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    let admin = call.admin().await?;
    let ctx = &call.ctx;
    let mut request: Request = body.json()?;
    request.email = identifier::email(&request.email)?;
    let wished = request.redirect_to.as_str();
    let redirect_to = ctx.settings.targets.choose([wished, ctx.redirect_to.as_str()]).to_owned();
    let new = prepare(ctx, &mut request).await?;
    let mut tx = ctx.service.pool.begin().await.or_internal(UPDATING)?;
    let user = users::find_by_email(&mut tx, &request.email, &ctx.aud).await;
    let user = user.or_internal("Database error finding user")?;
    let made = match (request.kind.as_str(), user) {
        ("magiclink" | "recovery", Some(user)) => recovery(ctx, &mut tx, &user).await?,
        ("signup", user) => signup(ctx, &mut tx, (&request, &new), user).await?,
        ("invite", _) => invite(ctx, &mut tx, (&request, &new), &admin).await?,
        ("email_change_current" | "email_change_new", Some(user)) => {
            email_change(ctx, &mut tx, &request, &user).await?
        }
        ("magiclink" | "recovery" | "email_change_current" | "email_change_new", None) => {
            return Err(Error::UserNotFound("User with this email not found"));
        }
        (kind, _) => return Err(Error::invalid(format!("Invalid email action link type requested: {kind}"))),
    };
    let user = users::get(&mut tx, made.user_id).await.or_internal(UPDATING)?;
    account::commit_creation(ctx, tx).await?;
    let mut answer = serde_json::to_value(user.view()).or_internal("Error encoding user")?;
    answer["action_link"] = Value::from(link::of(
        ctx.config(),
        &ctx.external_url,
        &request.kind,
        &made.fresh.link,
        &redirect_to,
    )?);
    answer["email_otp"] = Value::from(made.fresh.code);
    answer["hashed_token"] = Value::from(made.fresh.link);
    answer["verification_type"] = Value::from(request.kind);
    answer["redirect_to"] = Value::from(redirect_to);
    Ok(HttpResponse::Ok().json(answer))
}

/// What a new account gets.
struct New {
    id: uuid::Uuid,
    /// Of its password; empty for none.
    hash: String,
}

impl Request {
    fn invitation<'a>(&'a self, new: &'a New) -> Invitation<'a> {
        Invitation { id: new.id, email: &self.email, data: &self.data, hash: &new.hash }
    }
}

/// What is done before there is a transaction: a link to sign in without an account becomes one to sign
/// up, the password is hashed, and the hook is asked whether the account may be made.
async fn prepare(ctx: &Context, request: &mut Request) -> Result<New, Error> {
    let mut new = New { id: uuid::Uuid::new_v4(), hash: String::new() };
    let known = {
        let mut connection = ctx.service.pool.session().await.or_internal(UPDATING)?;
        users::find_by_email(&mut connection, &request.email, &ctx.aud).await
    };
    if known.or_internal("Database error finding user")?.is_some() {
        return Ok(new);
    }
    match request.kind.as_str() {
        "magiclink" => {
            request.kind = "signup".to_owned();
            new.hash = password::hash_of_nobody(ctx.config().password_hash);
        }
        "signup" => {
            if request.password.is_empty() {
                return Err(Error::invalid("Signup requires a valid password"));
            }
            pwned::check_strength(ctx, &request.password).await?;
            new.hash = ctx.service.hasher.hash(ctx.config().password_hash, request.password.clone()).await?;
        }
        "invite" => {}
        _ => return Ok(new),
    }
    request.invitation(&new).ask_hook(ctx).await?;
    Ok(new)
}

/// A code with its link, and whose it is.
struct Link {
    user_id: uuid::Uuid,
    fresh: Fresh,
}

impl Link {
    fn fresh(ctx: &Context, user: &User, identifier: &str) -> Self {
        let length = config::otp_length(ctx.config().email.otp_length);
        Self { user_id: user.id, fresh: Fresh::new(identifier, length, false) }
    }
}

async fn recovery(ctx: &Context, tx: &mut db::Session, user: &User) -> Result<Link, Error> {
    audit::record(ctx, tx, Actor::User(user), Action::RecoveryRequested, None).await?;
    let link = Link::fresh(ctx, user, &user.email);
    send::store(ctx, tx, user, Mail::Recovery, &user.email, &link.fresh).await?;
    Ok(link)
}

async fn signup(
    ctx: &Context,
    tx: &mut db::Session,
    (request, new): (&Request, &New),
    known: Option<User>,
) -> Result<Link, Error> {
    let user = match known {
        Some(user) if user.is_email_confirmed() => return Err(Error::EmailExists),
        Some(user) => {
            users::merge_user_metadata(tx, user.id, &request.data, ctx.now).await.or_internal(UPDATING)?;
            user
        }
        None => request.invitation(new).accepted(ctx, tx).await?,
    };
    let link = Link::fresh(ctx, &user, &request.email);
    send::store(ctx, tx, &user, Mail::Confirmation, &request.email, &link.fresh).await?;
    Ok(link)
}

async fn invite(
    ctx: &Context,
    tx: &mut db::Session,
    (request, new): (&Request, &New),
    admin: &str,
) -> Result<Link, Error> {
    let user = request.invitation(new).accepted(ctx, tx).await?;
    let traits = Some(json!({ "user_id": user.id, "user_email": user.email }));
    audit::record(ctx, tx, Actor::Admin(admin), Action::Invited, traits).await?;
    let link = Link::fresh(ctx, &user, &request.email);
    send::store(ctx, tx, &user, Mail::Invite, &request.email, &link.fresh).await?;
    Ok(link)
}

async fn email_change(
    ctx: &Context,
    tx: &mut db::Session,
    request: &Request,
    user: &User,
) -> Result<Link, Error> {
    let by_current = request.kind == "email_change_current";
    if by_current && !ctx.config().email.double_confirm_changes {
        return Err(Error::invalid("Enable secure email change to generate link for current email"));
    }
    let new_email = identifier::email(&request.new_email)?;
    let holder = users::find_holder_of_email(tx, &new_email, &ctx.aud, Some(user.id)).await;
    if holder.or_internal("Database error checking email")?.is_some() {
        return Err(Error::EmailExists);
    }
    // The other half of the change may have been prepared by an earlier call for the same address.
    let kept = |hash: &str| match user.email_change == new_email && !hash.is_empty() {
        true => Half::Kept,
        false => Half::None,
    };
    let link = Link::fresh(ctx, user, if by_current { &user.email } else { &new_email });
    let halves = if by_current {
        (Half::New(&link.fresh), kept(&user.email_change_token_new))
    } else {
        (kept(&user.email_change_token_current), Half::New(&link.fresh))
    };
    send::store_email_change(ctx, tx, user, &new_email, halves).await?;
    Ok(link)
}
