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
use crate::hook::{self, Point};
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
    let invitation = Invitation { id: Uuid::new_v4(), email: &email, data: &request.data, hash: "" };
    invitation.ask_hook(ctx).await?;
    let mut tx = ctx.service.pool.begin().await.or_internal(UPDATING)?;
    let user = invitation.accepted(ctx, &mut tx).await?;
    let traits = Some(json!({ "user_id": user.id, "user_email": user.email }));
    audit::record(ctx, &mut tx, Actor::Admin(&admin), Action::Invited, traits).await?;
    send::mail(ctx, &mut tx, &user, Mail::Invite, None).await?;
    let user = users::get(&mut tx, user.id).await.or_internal(UPDATING)?;
    account::commit_creation(ctx, tx).await?;
    Ok(answer::user(&user))
}

/// An account that an administrator has made for someone.
pub(crate) struct Invitation<'a> {
    /// Of the account, if there is none yet.
    pub(crate) id: Uuid,
    pub(crate) email: &'a str,
    pub(crate) data: &'a Object,
    /// Of the password; empty for none.
    pub(crate) hash: &'a str,
}

impl Invitation<'_> {
    /// Asks the hook whether the account may be made, if there is none yet.
    pub(crate) async fn ask_hook(&self, ctx: &Context) -> Result<(), Error> {
        if !ctx.settings.hooks.has(Point::BeforeUserCreated) {
            return Ok(());
        }
        let found = {
            let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
            users::find_holder_of_email(&mut connection, self.email, &ctx.aud, None).await
        };
        match found.or_internal(FINDING)? {
            Some(_) => Ok(()),
            None => {
                let metadata = account::provider_metadata(&["email"]);
                hook::before_user_created(ctx, &self.new_user(ctx, &metadata)).await
            }
        }
    }

    /// The account: one that exists and was never confirmed, or a new one.
    pub(crate) async fn accepted(&self, ctx: &Context, tx: &mut db::Session) -> Result<User, Error> {
        let holder = users::find_holder_of_email(tx, self.email, &ctx.aud, None).await;
        match holder.or_internal(FINDING)? {
            Some(user) if user.is_email_confirmed() => return Err(Error::EmailExists),
            Some(user) => return Ok(user),
            None => {}
        }
        let metadata = account::provider_metadata(&["email"]);
        let user = account::create(ctx, tx, &self.new_user(ctx, &metadata)).await;
        let user = user.map_err(|reason| match reason {
            account::NotCreated::Taken => Error::EmailExists,
            account::NotCreated::Failed(error) => error,
        })?;
        let identity = account::own_identity(user.id, "email", self.email, false);
        account::add_identity(ctx, tx, user.id, "email", &identity).await?;
        users::get(tx, user.id).await.or_internal(FINDING)
    }

    fn new_user<'a>(&'a self, ctx: &'a Context, app_metadata: &'a Object) -> NewUser<'a> {
        NewUser {
            id: self.id,
            aud: &ctx.aud,
            role: &ctx.config().jwt_default_group_name,
            email: self.email,
            phone: "",
            encrypted_password: self.hash,
            app_metadata,
            user_metadata: self.data,
            is_anonymous: false,
            is_sso_user: false,
        }
    }
}

const FINDING: &str = "Database error finding user";
