//! `/admin/users`: all accounts, and new ones.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use uuid::Uuid;

use super::super::answer;
use super::super::call::{Body, Call};
use super::page::Page;
use super::user::{Ban, Request};
use crate::account::{self, NotCreated};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::identifier;
use crate::password;
use crate::service::Context;
use crate::store::users::{self, Listing, NewUser, Sought};
use crate::user::Object;

pub(crate) async fn get(call: Call, request: HttpRequest) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Database error finding users";
    call.admin().await?;
    let ascending = is_ascending(call.param("sort"))?;
    let page = Page::of(&call)?;
    let aud = call.ctx.aud.as_str();
    if ["filter", "email", "phone"].iter().any(|name| call.param(name).contains('\0')) {
        return Err(Error::invalid("Bad filter"));
    }
    let phone = identifier::normal_phone(call.param("phone"));
    let sought = Sought { filter: call.param("filter"), email: call.param("email"), phone: &phone };
    let listing = Listing { aud, sought, ascending, limit: page.limit(), offset: page.offset() };
    let mut connection = call.ctx.service.pool.session().await.or_internal(FAILED)?;
    let total = users::count(&mut connection, aud, sought).await.or_internal(FAILED)?;
    let list = users::list(&mut connection, &listing).await.or_internal(FAILED)?;
    let mut response = HttpResponse::Ok();
    page.announce(&request, total, &mut response);
    let list: Vec<_> = list.iter().map(|user| user.view()).collect();
    Ok(response.json(json!({ "users": list, "aud": aud })))
}

/// `created_at`, `created_at asc`, `created_at desc`; newest first without.
fn is_ascending(sort: &str) -> Result<bool, Error> {
    let bad = |text: String| Error::invalid(format!("Bad Sort Parameters: {text}"));
    let (field, direction) = sort.split_once(' ').unwrap_or((sort, "desc"));
    match (field, direction.to_ascii_lowercase().as_str()) {
        ("", "desc") | ("created_at", "desc") => Ok(false),
        ("created_at", "asc") => Ok(true),
        ("created_at", _) => {
            Err(bad(format!("bad direction for sort '{direction}', only 'asc' and 'desc' allowed")))
        }
        _ => Err(bad(format!("bad field for sort '{field}'"))),
    }
}

pub(crate) async fn post(call: Call, body: Body) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Database error creating new user";
    let admin = call.admin().await?;
    let ctx = &call.ctx;
    let mut request: Request = body.json()?;
    let aud = if request.aud.is_empty() { &ctx.aud } else { identifier::audience(&request.aud)? };
    let aud = aud.to_owned();
    let providers = request.check_new(ctx, &aud).await?;
    let id = new_id(&request.id)?;
    let ban = Ban::parse(&request.ban_duration)?;
    let hash = request.new_hash(ctx).await?;
    let mut app_metadata = account::provider_metadata(&providers);
    app_metadata.extend(request.app_metadata.take().unwrap_or_default());
    app_metadata.retain(|_, value| !value.is_null());
    let user_metadata = request.user_metadata.take().unwrap_or_default();
    let role = if request.role.is_empty() { &ctx.config().jwt_default_group_name } else { &request.role };
    let role = identifier::role(role)?;
    let new = NewUser {
        id,
        aud: &aud,
        role,
        email: &request.email,
        phone: &request.phone,
        encrypted_password: &hash,
        app_metadata: &app_metadata,
        user_metadata: &user_metadata,
        is_anonymous: false,
        is_sso_user: false,
    };
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    account::create(ctx, &mut tx, &new).await.map_err(|reason| match reason {
        NotCreated::Taken if request.email.is_empty() => Error::PhoneExists(PHONE_TAKEN),
        NotCreated::Taken => Error::EmailExists,
        NotCreated::Failed(error) => error,
    })?;
    add_identities(ctx, &mut tx, id, &request, &app_metadata).await?;
    let traits = json!({
        "user_id": id, "user_email": request.email, "user_phone": request.phone, "provider": providers.first(),
    });
    audit::record(ctx, &mut tx, Actor::Admin(&admin), Action::SignedUp, Some(traits)).await?;
    if request.email_confirm {
        account::confirm_email(ctx, &mut tx, id).await?;
    }
    if request.phone_confirm {
        account::confirm_phone(ctx, &mut tx, id).await?;
    }
    if let Some(ban) = ban {
        users::update_ban(&mut tx, id, ban.until(ctx.now), ctx.now).await.or_internal(FAILED)?;
    }
    let user = users::get(&mut tx, id).await.or_internal(FAILED)?;
    account::commit(tx).await?;
    Ok(answer::user(&user))
}

pub(super) const PHONE_TAKEN: &str = "Phone number already registered by another user";

/// Identities for address and number. What the administrator says of providers stands.
async fn add_identities(
    ctx: &Context,
    tx: &mut db::Session,
    id: Uuid,
    request: &Request,
    app_metadata: &Object,
) -> Result<(), Error> {
    for (key, value) in [("email", &request.email), ("phone", &request.phone)] {
        if !value.is_empty() {
            account::add_identity(ctx, tx, id, key, &account::own_identity(id, key, value, false)).await?;
        }
    }
    users::merge_app_metadata(tx, id, app_metadata, ctx.now)
        .await
        .or_internal("Database error creating new user")
}

fn new_id(text: &str) -> Result<Uuid, Error> {
    if text.is_empty() {
        return Ok(Uuid::new_v4());
    }
    let id = Uuid::try_parse(text).map_err(|_| Error::invalid("ID must conform to the uuid v4 format"))?;
    if id.is_nil() { Err(Error::invalid("ID cannot be a nil uuid")) } else { Ok(id) }
}

impl Request {
    /// Checks and normalises address and number; returns the providers of the new account.
    async fn check_new(&mut self, ctx: &Context, aud: &str) -> Result<Vec<&'static str>, Error> {
        if self.email.is_empty() && self.phone.is_empty() {
            return Err(Error::invalid("Cannot create a user without either an email or phone"));
        }
        let mut connection = ctx.service.pool.session().await.or_internal("Database error checking email")?;
        let mut providers = Vec::new();
        if !self.email.is_empty() {
            self.email = identifier::email(&self.email)?;
            let holder = users::find_holder_of_email(&mut connection, &self.email, aud, None).await;
            if holder.or_internal("Database error checking email")?.is_some() {
                return Err(Error::EmailExists);
            }
            providers.push("email");
        }
        if !self.phone.is_empty() {
            self.phone = identifier::phone(&self.phone)?;
            let holder = users::find_by_phone(&mut connection, &self.phone, aud).await;
            if holder.or_internal("Database error checking phone")?.is_some() {
                return Err(Error::PhoneExists(PHONE_TAKEN));
            }
            providers.push("phone");
        }
        if self.password.is_some() && !self.password_hash.is_empty() {
            return Err(Error::invalid("Only a password or a password hash should be provided"));
        }
        Ok(providers)
    }

    /// The hash of the given password, the given hash, or the hash of what nobody knows.
    async fn new_hash(&self, ctx: &Context) -> Result<String, Error> {
        if !self.password_hash.is_empty() {
            return match password::Kind::of(&self.password_hash) {
                Some(_) => Ok(self.password_hash.clone()),
                None => Err(Error::invalid("The password hash has none of the supported forms")),
            };
        }
        let kind = ctx.config().password_hash;
        match self.password.as_deref() {
            None | Some("") => Ok(password::hash_of_nobody(kind)),
            Some(password) => {
                password::check_length(password)?;
                ctx.service.hasher.hash(kind, password.to_owned()).await
            }
        }
    }
}
