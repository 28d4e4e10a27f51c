//! Whose account an account at another provider is.
//!
//! Supabase Auth's rules, made stricter where they let a stranger in: only addresses that the provider
//! vouches for lead to an existing account, even where new accounts need no confirmation; only
//! identities whose address was proved are led to; an account is confirmed only by its own address; and
//! one that nobody had confirmed loses every way in that whoever made it may still hold, sessions,
//! phone and second factors included.

use serde_json::{Value, json};
use uuid::Uuid;

use super::linking;
use super::profile::Profile;
use crate::account::{self, NotCreated, UPDATING, taken_as};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, External, OrInternal};
use crate::factor::recovery;
use crate::hook::{self, Point};
use crate::send::{self, Mail, Notice};
use crate::service::Context;
use crate::store::identities::NewIdentity;
use crate::store::users::NewUser;
use crate::store::{identities, mfa_factors, one_time_tokens, sessions, users, webauthn_credentials};
use crate::user::{Object, User};

/// Someone who comes from a provider.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) provider: &'a str,
    pub(crate) profile: &'a Profile,
    /// Whether the provider's accounts may come without an address.
    pub(crate) email_optional: bool,
    /// What the record of the sign-in says besides the provider.
    pub(crate) traits: Option<&'a Object>,
}

/// How an arrival ends. What was written is to be kept either way.
pub(crate) enum Entered {
    In(Box<User>),
    /// The address has to be proved first.
    Unproved(External),
}

const FINDING: &str = "Database error finding user";

/// Whether the identity was known, was added to an account, or came with a new one.
enum Found {
    Known { identity: Uuid, user: Uuid },
    Account(Uuid),
    Nobody,
}

/// Signs in, or up.
pub(crate) async fn enter(
    ctx: &Context,
    tx: &mut db::Session,
    arrival: Arrival<'_>,
) -> Result<Entered, NotCreated> {
    let failed = NotCreated::Failed;
    let (provider, profile) = (arrival.provider, arrival.profile);
    let found = find(ctx, tx, arrival).await.map_err(failed)?;
    let is_known = matches!(found, Found::Known { .. });
    let (user_id, is_new) = match found {
        Found::Known { identity, user } => {
            let replaced = identities::replace_data(tx, identity, &profile.data, ctx.now).await;
            replaced.or_internal(UPDATING).map_err(failed)?;
            (user, false)
        }
        Found::Account(user) => {
            add_identity(ctx, tx, user, arrival).await?;
            let user_before = users::get(tx, user).await.or_internal(FINDING).map_err(failed)?;
            record_link(ctx, tx, &user_before, arrival).await.map_err(failed)?;
            (user, false)
        }
        Found::Nobody => (create(ctx, tx, arrival).await?, true),
    };
    if !is_new {
        let merged = users::merge_user_metadata(tx, user_id, &profile.data, ctx.now).await;
        merged.or_internal(UPDATING).map_err(failed)?;
        users::update_providers(tx, user_id, ctx.now).await.or_internal(UPDATING).map_err(failed)?;
    }
    let user = users::get(tx, user_id).await.or_internal(FINDING).map_err(failed)?;
    if user.is_banned(ctx.now) {
        return Err(failed(Error::UserBanned));
    }
    let without_address = arrival.email_optional && profile.email().is_none();
    if user.is_email_confirmed() || without_address {
        let mut traits = arrival.traits.cloned().unwrap_or_default();
        traits.insert("provider".to_owned(), json!(provider));
        let traits = Some(Value::Object(traits));
        audit::record(ctx, tx, Actor::User(&user), Action::Login, traits).await.map_err(failed)?;
        return Ok(Entered::In(Box::new(user)));
    }
    // Whoever added this way in to an account of their number's is its owner.
    let is_theirs = is_new || (is_known && user.is_phone_confirmed());
    confirm(ctx, tx, user, arrival, is_theirs).await.map_err(failed)
}

/// Asks the hook whether an account may be made, if the arrival would make one; not within a transaction.
/// To be asked before [`enter`].
pub(crate) async fn ask_hook(ctx: &Context, arrival: Arrival<'_>) -> Result<(), Error> {
    if !ctx.settings.hooks.has(Point::BeforeUserCreated) {
        return Ok(());
    }
    let found = {
        let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
        find(ctx, &mut connection, arrival).await?
    };
    if !matches!(found, Found::Nobody) {
        return Ok(());
    }
    if !ctx.config().enable_signup {
        return Err(Error::SignupDisabled);
    }
    let email = arrival.profile.email().map(|email| email.address.to_lowercase()).unwrap_or_default();
    let metadata = account::provider_metadata(&[arrival.provider]);
    hook::before_user_created(ctx, &new_user(ctx, arrival, &email, &metadata)).await
}

fn new_user<'a>(
    ctx: &'a Context,
    arrival: Arrival<'a>,
    email: &'a str,
    app_metadata: &'a Object,
) -> NewUser<'a> {
    NewUser {
        id: Uuid::new_v4(),
        aud: &ctx.aud,
        role: &ctx.config().jwt_default_group_name,
        email,
        phone: "",
        encrypted_password: "",
        app_metadata,
        user_metadata: &arrival.profile.data,
        is_anonymous: false,
        is_sso_user: linking::domain(ctx.config(), arrival.provider) != linking::DEFAULT,
    }
}

async fn find(ctx: &Context, tx: &mut db::Session, arrival: Arrival<'_>) -> Result<Found, Error> {
    let known = identities::find(tx, arrival.provider, arrival.profile.sub()).await.or_internal(FINDING)?;
    if let Some((identity, user)) = known {
        return Ok(Found::Known { identity, user });
    }
    let verified = arrival.profile.verified();
    if verified.is_empty() {
        return Ok(Found::Nobody);
    }
    let domain = linking::domain(ctx.config(), arrival.provider);
    let is_default = domain == linking::DEFAULT;
    let known = identities::holders(tx, &verified, &ctx.aud).await.or_internal(FINDING)?;
    let mut holders = Vec::new();
    for holder in known {
        let is_near = linking::domain(ctx.config(), &holder.provider) == domain
            // Theirs may have an address that is someone else's among all others.
            && !(is_default && holder.is_sso_user);
        if is_near && !holders.contains(&holder.user_id) {
            holders.push(holder.user_id);
        }
    }
    if holders.is_empty() && is_default {
        for email in &verified {
            let holder = users::find_by_email(tx, email, &ctx.aud).await.or_internal(FINDING)?;
            holders.extend(holder.map(|user| user.id).filter(|id| !holders.contains(id)));
        }
    }
    match holders.as_slice() {
        [] => Ok(Found::Nobody),
        [user] => Ok(Found::Account(*user)),
        _ => Err(Error::Internal {
            text: if is_default {
                "Multiple accounts with the same email address in the same linking domain detected: default"
            } else {
                "Multiple accounts with the same email address in the same linking domain detected"
            },
            source: None,
        }),
    }
}

async fn create(ctx: &Context, tx: &mut db::Session, arrival: Arrival<'_>) -> Result<Uuid, NotCreated> {
    let failed = NotCreated::Failed;
    if !ctx.config().enable_signup {
        return Err(failed(Error::SignupDisabled));
    }
    let candidate = arrival.profile.email();
    let mut email = candidate.map(|email| email.address.to_lowercase()).unwrap_or_default();
    if candidate.is_some_and(|email| !email.verified) {
        // Someone else's address stays theirs.
        let holder = users::find_holder_of_email(tx, &email, &ctx.aud, None).await;
        if holder.or_internal(FINDING).map_err(failed)?.is_some() {
            email.clear();
        }
    }
    let metadata = account::provider_metadata(&[arrival.provider]);
    let user = account::create(ctx, tx, &new_user(ctx, arrival, &email, &metadata)).await?;
    add_identity(ctx, tx, user.id, arrival).await?;
    Ok(user.id)
}

async fn add_identity(
    ctx: &Context,
    tx: &mut db::Session,
    user_id: Uuid,
    arrival: Arrival<'_>,
) -> Result<(), NotCreated> {
    let (provider, profile) = (arrival.provider, arrival.profile);
    let new = NewIdentity { user_id, provider, provider_id: profile.sub(), data: &profile.data };
    // Its organisation made the account before.
    if provider.starts_with("sso:") {
        let adopted = identities::adopt(tx, &new, ctx.now).await.or_internal(UPDATING);
        if adopted.map_err(NotCreated::Failed)? {
            return Ok(());
        }
    }
    identities::insert(tx, &new, ctx.now).await.map_err(|error| match error.is_unique_violation() {
        true => NotCreated::Taken,
        false => NotCreated::Failed(Error::internal("Error creating identity", error)),
    })
}

async fn record_link(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    arrival: Arrival<'_>,
) -> Result<(), Error> {
    let sub = arrival.profile.sub();
    let of_arrival = |i: &&crate::user::Identity| i.provider == arrival.provider && i.provider_id == sub;
    let traits = json!({
        "identity_id": user.identities.iter().find(of_arrival).map(|identity| identity.id),
        "provider": arrival.provider,
        "provider_id": sub,
    });
    audit::record(ctx, tx, Actor::User(user), Action::IdentityLinked, Some(traits)).await
}

/// The account was never confirmed: it becomes that of whoever just came, if the address is proved.
async fn confirm(
    ctx: &Context,
    tx: &mut db::Session,
    user: User,
    arrival: Arrival<'_>,
    is_theirs: bool,
) -> Result<Entered, Error> {
    let verified = arrival.profile.verified();
    let proved = match user.email.as_str() {
        "" => !verified.is_empty(),
        email => verified.iter().any(|address| address.eq_ignore_ascii_case(email)),
    };
    if !is_theirs {
        disown(ctx, tx, &user, arrival).await?;
    }
    let provider = arrival.provider;
    if proved || ctx.config().email.autoconfirm() {
        let traits = Some(json!({ "provider": provider }));
        audit::record(ctx, tx, Actor::User(&user), Action::SignedUp, traits).await?;
        account::confirm_email(ctx, tx, user.id).await?;
        let user = users::get(tx, user.id).await.or_internal(FINDING)?;
        return Ok(Entered::In(Box::new(user)));
    }
    if user.email.is_empty() && !ctx.config().email.allow_unverified_sign_ins {
        return Ok(Entered::Unproved(External::VerifyThere(provider.to_owned())));
    }
    if !user.email.is_empty() {
        send::mail(ctx, tx, &user, Mail::Confirmation, None).await?;
    }
    if ctx.config().email.allow_unverified_sign_ins {
        return Ok(Entered::In(Box::new(user)));
    }
    Ok(Entered::Unproved(External::ConfirmationSent(provider.to_owned())))
}

/// Takes every other way in from an account that was never confirmed: whoever made it may have meant
/// to wait for its owner.
async fn disown(ctx: &Context, tx: &mut db::Session, user: &User, arrival: Arrival<'_>) -> Result<(), Error> {
    let (id, profile) = (user.id, arrival.profile);
    let known = identities::find(tx, arrival.provider, profile.sub()).await.or_internal(UPDATING)?;
    if let Some((identity, _)) = known {
        identities::delete_all_but(tx, id, identity).await.or_internal(UPDATING)?;
    }
    users::disown(tx, id, &profile.data, ctx.now).await.or_internal(UPDATING)?;
    sessions::delete_of_user(tx, id).await.or_internal(UPDATING)?;
    one_time_tokens::delete_all(tx, id).await.or_internal(UPDATING)?;
    mfa_factors::delete_all(tx, id).await.or_internal(UPDATING)?;
    recovery::forget_without_factors(tx, id).await.or_internal(UPDATING)?;
    webauthn_credentials::delete_all(tx, id).await.or_internal(UPDATING)?;
    users::update_providers(tx, id, ctx.now).await.or_internal(UPDATING)
}

/// Adds the identity to an account whose owner asked for it.
pub(crate) async fn link(
    ctx: &Context,
    tx: &mut db::Session,
    target: Uuid,
    arrival: Arrival<'_>,
) -> Result<Entered, Error> {
    const THEIRS: &str = "Identity is already linked to another user";
    let (provider, profile) = (arrival.provider, arrival.profile);
    let target = users::lock(tx, target).await.or_internal(FINDING)?.ok_or(External::NoTarget)?;
    if target.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    let known = identities::find(tx, provider, profile.sub()).await.or_internal(FINDING)?;
    if let Some((_, holder)) = known {
        let own = if holder == target.id { "Identity is already linked" } else { THEIRS };
        return Err(External::IdentityExists(own).into());
    }
    add_identity(ctx, tx, target.id, arrival).await.map_err(|reason| match reason {
        NotCreated::Taken => External::IdentityExists(THEIRS).into(),
        NotCreated::Failed(error) => error,
    })?;
    users::update_providers(tx, target.id, ctx.now).await.or_internal(UPDATING)?;
    let user = users::get(tx, target.id).await.or_internal(FINDING)?;
    record_link(ctx, tx, &user, arrival).await?;
    if user.email.is_empty() {
        if let Some(refusal) = take_address(ctx, tx, &user, arrival).await? {
            return Ok(Entered::Unproved(refusal));
        }
    } else {
        send::notify(ctx, tx, &user, Notice::IdentityLinked { provider }).await?;
    }
    Ok(Entered::In(Box::new(users::get(tx, user.id).await.or_internal(FINDING)?)))
}

/// An account without an address gets the identity's; if that is not proved, once a mail is answered. Until
/// then it is not the account's: who comes by it later must not land in someone else's.
async fn take_address(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    arrival: Arrival<'_>,
) -> Result<Option<External>, Error> {
    let Some(email) = arrival.profile.email() else {
        users::clear_anonymous(tx, user.id, ctx.now).await.or_internal(UPDATING)?;
        return Ok(None);
    };
    let address = email.address.to_lowercase();
    let holder = users::find_holder_of_email(tx, &address, &ctx.aud, Some(user.id)).await;
    if holder.or_internal(FINDING)?.is_some() {
        return Err(External::EmailTaken.into());
    }
    let proved = email.verified || ctx.config().email.autoconfirm();
    if proved {
        let replaced = users::replace_email(tx, user.id, &address, true, ctx.now).await;
        taken_as(replaced, External::EmailTaken.into())?;
        account::confirm_email(ctx, tx, user.id).await?;
        users::clear_anonymous(tx, user.id, ctx.now).await.or_internal(UPDATING)?;
        return Ok(None);
    }
    send::email_change(ctx, tx, user, &address, None).await?;
    Ok(Some(External::LinkedUnconfirmed(arrival.provider.to_owned())))
}

/// Whoever was invited comes by a provider that knows the invited address.
pub(crate) async fn accept_invitation(
    ctx: &Context,
    tx: &mut db::Session,
    token: &str,
    arrival: Arrival<'_>,
) -> Result<Entered, Error> {
    let user = invited(ctx, tx, token).await?.ok_or(External::InviteNotFound)?;
    let known = |email: &super::profile::Email| email.address.eq_ignore_ascii_case(&user.email);
    if user.email.is_empty() || !arrival.profile.emails.iter().any(known) {
        return Err(External::OtherThanInvited.into());
    }
    if user.is_banned(ctx.now) {
        return Err(Error::UserBanned);
    }
    add_identity(ctx, tx, user.id, arrival).await.map_err(|reason| match reason {
        NotCreated::Taken => External::IdentityExists("Identity is already linked to another user").into(),
        NotCreated::Failed(error) => error,
    })?;
    disown(ctx, tx, &user, arrival).await?;
    let traits = Some(json!({ "provider": arrival.provider }));
    audit::record(ctx, tx, Actor::User(&user), Action::InviteAccepted, traits).await?;
    account::confirm_email(ctx, tx, user.id).await?;
    Ok(Entered::In(Box::new(users::get(tx, user.id).await.or_internal(FINDING)?)))
}

/// The account that this invitation is for, if it is still good.
pub(crate) async fn invited(ctx: &Context, tx: &mut db::Session, token: &str) -> Result<Option<User>, Error> {
    let found = users::find_by_one_time_token(tx, &["confirmation_token"], token).await;
    let good = |user: &User| {
        let end = user
            .confirmation_sent_at
            .map(|sent| sent + crate::access_token::delta(ctx.config().email.otp_expiry));
        end.is_some_and(|end| ctx.now < end)
    };
    Ok(found.or_internal(FINDING)?.filter(good))
}
