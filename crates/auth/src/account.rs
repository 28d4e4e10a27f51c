//! Making and changing accounts: steps that several flows share, each within the caller's
//! transaction.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::{Error, OrInternal};
use crate::hook;
use crate::seal;
use crate::send::{self, Notice};
use crate::service::Context;
use crate::store::identities::NewIdentity;
use crate::store::users::NewUser;
use crate::store::{identities, one_time_tokens, sessions, users};
use crate::user::{Object, User};

pub(crate) const UPDATING: &str = "Database error updating user";

/// Applications look for this text: their triggers refuse sign-ups by failing.
const SAVING: &str = "Database error saving new user";

/// Why an account could not be made.
pub(crate) enum NotCreated {
    /// Someone else took the address or number in the meantime.
    Taken,
    /// Something else failed.
    Failed(Error),
}

impl From<NotCreated> for Error {
    fn from(reason: NotCreated) -> Self {
        match reason {
            NotCreated::Taken => Self::UserAlreadyExists,
            NotCreated::Failed(error) => error,
        }
    }
}

/// Makes the account and reads it back, because triggers may have changed it. Whoever calls this for
/// someone who signs up asked the hook before, and ends with [`commit_creation`].
pub(crate) async fn create(
    ctx: &Context,
    tx: &mut db::Session,
    new: &NewUser<'_>,
) -> Result<User, NotCreated> {
    let sealed = seal_password(ctx, new.id, new.encrypted_password).map_err(NotCreated::Failed)?;
    let new = NewUser { encrypted_password: &sealed, ..*new };
    users::insert(tx, &new, ctx.now).await.map_err(|error| match error.constraint() {
        Some("users_email_partial_key" | "users_phone_key") => NotCreated::Taken,
        _ => NotCreated::Failed(Error::internal(SAVING, error)),
    })?;
    ctx.created.set(new.id);
    users::get(tx, new.id)
        .await
        .or_internal("Database error loading user after sign-up")
        .map_err(NotCreated::Failed)
}

/// Ends a transaction in which an administrator made an account: deferred triggers fail only now.
pub(crate) async fn commit(tx: db::Session) -> Result<(), Error> {
    tx.commit().await.or_internal(SAVING)
}

/// Ends a transaction in which someone may have signed up, and tells the hook of a new account. It
/// exists even if the hook fails, and the request with it.
pub(crate) async fn commit_creation(ctx: &Context, tx: db::Session) -> Result<(), Error> {
    commit(tx).await?;
    match ctx.created.take() {
        Some(id) => hook::after_user_created(ctx, id).await,
        None => Ok(()),
    }
}

/// `{"provider": P, "providers": [P, …]}`.
pub(crate) fn provider_metadata(providers: &[&str]) -> Object {
    let mut metadata = Object::new();
    metadata.insert("provider".to_owned(), json!(providers.first()));
    metadata.insert("providers".to_owned(), json!(providers));
    metadata
}

/// What an identity of our own says: address or number, and whether it was proved.
pub(crate) fn own_identity(user_id: Uuid, key: &str, value: &str, verified: bool) -> Object {
    let mut data = Object::new();
    data.insert("sub".to_owned(), json!(user_id));
    data.insert(key.to_owned(), json!(value));
    data.insert("email_verified".to_owned(), json!(key == "email" && verified));
    data.insert("phone_verified".to_owned(), json!(key == "phone" && verified));
    data
}

/// Adds an identity of our own (`email`, `phone`) and brings the list of providers in line.
pub(crate) async fn add_identity(
    ctx: &Context,
    tx: &mut db::Session,
    user_id: Uuid,
    provider: &str,
    data: &Object,
) -> Result<(), Error> {
    let provider_id = user_id.to_string();
    let new = NewIdentity { user_id, provider, provider_id: &provider_id, data };
    identities::insert(tx, &new, ctx.now).await.or_internal("Database error creating identity")?;
    users::update_providers(tx, user_id, ctx.now).await.or_internal(UPDATING)
}

/// Adds or changes the account's own identity for `key` (`email` or `phone`).
pub(crate) async fn put_identity(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    key: &str,
    value: &str,
    verified: bool,
) -> Result<(), Error> {
    let Some(identity) = user.identity(key) else {
        return add_identity(ctx, tx, user.id, key, &own_identity(user.id, key, value, verified)).await;
    };
    let changes = Object::from_iter([
        (key.to_owned(), json!(value)),
        (format!("{key}_verified"), Value::Bool(verified)),
    ]);
    identities::merge_data(tx, identity.id, &changes, ctx.now).await.or_internal(UPDATING)
}

/// The address is the account's.
pub(crate) async fn confirm_email(ctx: &Context, tx: &mut db::Session, id: Uuid) -> Result<(), Error> {
    users::confirm_email(tx, id, ctx.now).await.or_internal(UPDATING)?;
    one_time_tokens::delete_all(tx, id).await.or_internal(UPDATING)
}

/// The number is the account's.
pub(crate) async fn confirm_phone(ctx: &Context, tx: &mut db::Session, id: Uuid) -> Result<(), Error> {
    users::confirm_phone(tx, id, ctx.now).await.or_internal(UPDATING)?;
    one_time_tokens::delete_all(tx, id).await.or_internal(UPDATING)
}

/// The account gets a new, proved address; an anonymous one becomes permanent by it.
pub(crate) async fn change_email(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    email: &str,
) -> Result<(), Error> {
    put_identity(ctx, tx, user, "email", email, true).await?;
    users::clear_anonymous(tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    taken_as(users::confirm_email_change(tx, user.id, email, ctx.now).await, Error::EmailExists)?;
    one_time_tokens::delete_all(tx, user.id).await.or_internal(UPDATING)?;
    if !user.is_email_confirmed() {
        confirm_email(ctx, tx, user.id).await?;
    }
    users::update_providers(tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    if user.email == email {
        return Ok(());
    }
    send::notify(ctx, tx, user, Notice::EmailChanged { old: &user.email, new: email }).await
}

/// The account gets a new, proved number; an anonymous one becomes permanent by it.
pub(crate) async fn change_phone(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    phone: &str,
) -> Result<(), Error> {
    put_identity(ctx, tx, user, "phone", phone, true).await?;
    let taken = Error::PhoneExists("A user with this phone number has already been registered");
    taken_as(users::confirm_phone_change(tx, user.id, phone, ctx.now).await, taken)?;
    users::clear_anonymous(tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    one_time_tokens::delete_all(tx, user.id).await.or_internal(UPDATING)?;
    users::update_providers(tx, user.id, ctx.now).await.or_internal(UPDATING)?;
    if user.phone != phone {
        send::notify(ctx, tx, user, Notice::PhoneChanged { old: &user.phone, new: phone }).await?;
    }
    if user.identity("phone").is_none() {
        send::notify(ctx, tx, user, Notice::IdentityLinked { provider: "phone" }).await?;
    }
    Ok(())
}

/// The hash of the account's password, opened if it is sealed in the database.
pub(crate) fn password_hash(ctx: &Context, user: &User) -> Result<String, Error> {
    seal::read(&ctx.config().db_encryption, &user.id.to_string(), &user.encrypted_password)
        .or_internal("Database error opening password")
}

/// The hash of a password as the column of the account holds it. No password is no secret; and hashes that
/// came from Firebase do not fit when they are sealed, and wait for the next password.
fn seal_password(ctx: &Context, id: Uuid, hash: &str) -> Result<String, Error> {
    const COLUMN: usize = 255;
    if hash.is_empty() {
        return Ok(String::new());
    }
    let sealed = seal::write(&ctx.config().db_encryption, &id.to_string(), hash)
        .or_internal("Database error sealing password")?;
    Ok(if sealed.len() > COLUMN { hash.to_owned() } else { sealed })
}

/// Seals the hash under the key that is in force, if it is not yet.
pub(crate) async fn reseal_password(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    hash: &str,
) -> Result<(), Error> {
    if !seal::is_stale(&ctx.config().db_encryption, &user.encrypted_password) {
        return Ok(());
    }
    let sealed = seal_password(ctx, user.id, hash)?;
    if sealed == hash {
        return Ok(());
    }
    users::replace_hash(tx, user.id, &sealed).await.or_internal(UPDATING)
}

/// Sets a password and ends every session but `kept`: whoever knew the old one is out.
pub(crate) async fn change_password(
    ctx: &Context,
    tx: &mut db::Session,
    id: Uuid,
    hash: &str,
    kept: Option<Uuid>,
) -> Result<(), Error> {
    const FAILED: &str = "Error during password storage";
    users::update_password(tx, id, &seal_password(ctx, id, hash)?, ctx.now).await.or_internal(FAILED)?;
    one_time_tokens::delete_all(tx, id).await.or_internal(FAILED)?;
    if ctx.config().create_email_identity_on_password_set {
        complete_identities(ctx, tx, id).await?;
    }
    match kept {
        Some(kept) => sessions::delete_others(tx, id, kept).await.or_internal(FAILED),
        None => sessions::delete_of_user(tx, id).await.or_internal(FAILED),
    }
}

/// Whoever came by another provider and has a password now can sign in by their address, too: this
/// says so among the identities.
async fn complete_identities(ctx: &Context, tx: &mut db::Session, id: Uuid) -> Result<(), Error> {
    let user = users::get(tx, id).await.or_internal(UPDATING)?;
    let can = user.is_email_confirmed() && !user.email.is_empty() && !user.is_sso_user && !user.is_anonymous;
    if !can || user.identity("email").is_some() {
        return Ok(());
    }
    add_identity(ctx, tx, id, "email", &own_identity(id, "email", &user.email, true)).await
}

/// An address or number that someone else has is `taken`; all else that fails is ours.
pub(crate) fn taken_as<T>(result: Result<T, db::Error>, taken: Error) -> Result<T, Error> {
    match result {
        Err(error) if error.is_unique_violation() => Err(taken),
        result => result.or_internal(UPDATING),
    }
}
