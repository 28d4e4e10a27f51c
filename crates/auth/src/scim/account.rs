//! What becomes of the accounts of which an identity provider speaks.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Refusal;
use super::filter::Filter;
use super::patch;
use super::person::Person;
use crate::account::{self, NotCreated};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::service::Context;
use crate::store::identities::NewIdentity;
use crate::store::scim_users::{self, Said, ScimUserRow};
use crate::store::users::NewUser;
use crate::store::{identities, sessions, users};
use crate::user::Object;

const FINDING: &str = "Database error finding user";
const SAVING: &str = "Database error saving user";

/// How long a ban lasts that nobody ends: as if for good.
const FOR_GOOD: TimeDelta = TimeDelta::days(36_500);

/// What the record of an identity provider's deeds calls it.
const ACTOR: Actor<'static> = Actor::Admin("scim");

impl ScimUserRow {
    pub(crate) fn is_active(&self, now: DateTime<Utc>) -> bool {
        self.banned_until.is_none_or(|until| until <= now)
    }

    /// What the identity provider said, as far as it is known.
    pub(crate) fn person(&self, now: DateTime<Utc>) -> Person {
        Person {
            user_name: self.user_name.clone(),
            external_id: self.external_id.clone(),
            active: self.is_active(now),
            email: self.email.clone(),
            email_type: self.email_type.clone(),
            attributes: self.attributes.clone(),
        }
    }

    /// Whether the identity provider shut the account, and nobody opened it since.
    fn was_shut(&self, now: DateTime<Utc>) -> bool {
        self.shut_until.is_some() && !self.is_active(now)
    }
}

/// Makes an account for someone, who signs in at the identity provider.
pub(crate) async fn create(
    ctx: &Context,
    provider_id: Uuid,
    person: &Person,
) -> Result<ScimUserRow, Refusal> {
    let mut tx = ctx.service.pool.begin().await.or_internal(SAVING)?;
    scim_users::hold_provider(&mut tx, provider_id).await.or_internal(SAVING)?;
    check_free(&mut tx, provider_id, person, None).await?;
    let (id, provider) = (Uuid::new_v4(), format!("sso:{provider_id}"));
    let new = NewUser {
        id,
        aud: &ctx.config().jwt_aud,
        role: &ctx.config().jwt_default_group_name,
        email: &person.email,
        phone: "",
        encrypted_password: "",
        app_metadata: &account::provider_metadata(&[&provider]),
        user_metadata: &person.metadata(),
        is_anonymous: false,
        is_sso_user: true,
    };
    account::create(ctx, &mut tx, &new).await.map_err(|reason| match reason {
        NotCreated::Taken => Refusal::Taken("emails"),
        NotCreated::Failed(error) => Refusal::Failed(error),
    })?;
    let placeholder = identities::placeholder(id);
    let mut data = Object::new();
    data.insert("sub".to_owned(), json!(placeholder));
    data.insert("email".to_owned(), json!(person.email));
    data.insert("email_verified".to_owned(), Value::Bool(true));
    let identity = NewIdentity { user_id: id, provider: &provider, provider_id: &placeholder, data: &data };
    identities::insert(&mut tx, &identity, ctx.now).await.or_internal("Error creating identity")?;
    users::confirm_email(&mut tx, id, ctx.now).await.or_internal(SAVING)?;
    let traits = json!({ "user_id": id, "user_email": person.email, "provider": provider });
    audit::record(ctx, &mut tx, ACTOR, Action::SignedUp, Some(traits)).await?;
    let row = find(&mut tx, provider_id, id).await?;
    let row = keep(ctx, &mut tx, provider_id, &row, person).await?;
    account::commit(tx).await?;
    Ok(row)
}

/// How much of what the identity provider said of someone is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Whole,
    Parts,
}

/// Changes an account as the identity provider says.
pub(crate) async fn change(
    ctx: &Context,
    provider_id: Uuid,
    id: Uuid,
    change: Change,
    body: &Object,
) -> Result<ScimUserRow, Refusal> {
    let mut tx = ctx.service.pool.begin().await.or_internal(SAVING)?;
    scim_users::hold_provider(&mut tx, provider_id).await.or_internal(SAVING)?;
    let row = find(&mut tx, provider_id, id).await?;
    let was_active = !row.was_shut(ctx.now);
    let person = match change {
        Change::Whole => Person::read(body, was_active)?,
        Change::Parts => {
            // Whom somebody else banned is not shut by a change of their name.
            let was = Person { active: was_active, ..row.person(ctx.now) };
            let mut said = was.write();
            patch::apply(&mut said, body)?;
            Person::read(&said, was_active)?
        }
    };
    check_free(&mut tx, provider_id, &person, Some(id)).await?;
    if person.email != row.email {
        let updated = users::update_email(&mut tx, id, &person.email, ctx.now).await;
        updated.map_err(|error| taken_or_failed("emails", error))?;
        let user = users::get(&mut tx, id).await.or_internal(FINDING)?;
        let mail = Object::from_iter([("email".to_owned(), json!(person.email))]);
        for identity in &user.identities {
            identities::merge_data(&mut tx, identity.id, &mail, ctx.now).await.or_internal(SAVING)?;
        }
    }
    // What it said before and says no more goes; what others said stays.
    let mut metadata = row.person(ctx.now).metadata();
    metadata.values_mut().for_each(|value| *value = Value::Null);
    metadata.extend(person.metadata());
    users::merge_user_metadata(&mut tx, id, &metadata, ctx.now).await.or_internal(SAVING)?;
    let row = keep(ctx, &mut tx, provider_id, &row, &person).await?;
    let active = row.is_active(ctx.now);
    let provider = format!("sso:{provider_id}");
    let traits = json!({ "user_id": id, "user_email": person.email, "provider": provider, "active": active });
    audit::record(ctx, &mut tx, ACTOR, Action::Modified, Some(traits)).await?;
    account::commit(tx).await?;
    Ok(row)
}

/// The account is gone, with all that hangs on it.
pub(crate) async fn delete(ctx: &Context, provider_id: Uuid, id: Uuid) -> Result<(), Refusal> {
    const FAILED: &str = "Database error deleting user";
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let row = find(&mut tx, provider_id, id).await?;
    users::delete(&mut tx, id).await.or_internal(FAILED)?;
    let provider = format!("sso:{provider_id}");
    let traits = json!({ "user_id": id, "user_email": row.email, "provider": provider });
    audit::record(ctx, &mut tx, ACTOR, Action::Deleted, Some(traits)).await?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(())
}

async fn find(tx: &mut db::Session, provider_id: Uuid, id: Uuid) -> Result<ScimUserRow, Refusal> {
    scim_users::lock(tx, provider_id, id).await.or_internal(FINDING)?.ok_or(Refusal::NotFound)
}

/// Keeps what was said, and shuts or opens the account: its sessions end at once, and nobody signs in. A ban that
/// somebody else spoke is not ended by opening it, nor does it end the shutting when it is over.
async fn keep(
    ctx: &Context,
    tx: &mut db::Session,
    provider_id: Uuid,
    row: &ScimUserRow,
    person: &Person,
) -> Result<ScimUserRow, Refusal> {
    let is_shut = row.shut_until.is_some() && row.shut_until == row.banned_until;
    let (shut_until, banned_before) = match (person.active, is_shut) {
        (false, true) => (row.shut_until, row.banned_before),
        (false, false) => {
            let until = Some(ctx.now + FOR_GOOD).max(row.banned_until);
            users::update_ban(tx, row.id, until, ctx.now).await.or_internal(SAVING)?;
            sessions::delete_of_user(tx, row.id).await.or_internal(SAVING)?;
            (until, row.banned_until)
        }
        (true, true) => {
            users::update_ban(tx, row.id, row.banned_before, ctx.now).await.or_internal(SAVING)?;
            (None, None)
        }
        (true, false) => (None, None),
    };
    let said = Said {
        user_id: row.id,
        provider_id,
        user_name: &person.user_name,
        external_id: person.external_id.as_deref(),
        email_type: &person.email_type,
        attributes: &person.attributes,
        shut_until,
        banned_before,
    };
    // Whom the identity provider does not see may still have the name.
    let put = scim_users::put(tx, &said, ctx.now).await;
    put.map_err(|error| taken_or_failed("userName", error))?;
    find(tx, provider_id, row.id).await
}

fn taken_or_failed(name: &'static str, error: db::Error) -> Refusal {
    match error.is_unique_violation() {
        true => Refusal::Taken(name),
        false => Refusal::Failed(Error::internal(SAVING, error)),
    }
}

/// Refuses what another of the provider's people has: names and ids tell them apart, and a sign-in finds its
/// account by the address.
async fn check_free(
    tx: &mut db::Session,
    provider_id: Uuid,
    person: &Person,
    id: Option<Uuid>,
) -> Result<(), Refusal> {
    let taken = [
        ("userName", Some(Filter::UserName(person.user_name.clone()))),
        ("externalId", person.external_id.clone().map(Filter::ExternalId)),
        ("emails", Some(Filter::Email(person.email.clone()))),
    ];
    for (name, filter) in taken {
        let Some(filter) = filter else { continue };
        let found = scim_users::list(tx, provider_id, &filter, (2, 0)).await.or_internal(FINDING)?;
        if found.iter().any(|row| Some(row.id) != id) {
            return Err(Refusal::Taken(name));
        }
    }
    Ok(())
}
